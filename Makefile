# Everything a person or CI runs. `make` alone lists the targets.
CARGO ?= cargo
BINS = $(CARGO) build --quiet --bin et --bin etd

.PHONY: help demo test build lint bench converge fuzz install clean

help:
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

demo: ## build, then run the main job offline with recorded answers and real cargo
	@$(CARGO) build --bin et --bin etd
	@./target/debug/et demo

test: ## all tests: pure logic, then end to end with real processes (names the toolchains that are missing)
	@$(CARGO) build --workspace --bins --features etd/test-hooks,et/test-hooks
	@$(CARGO) test --workspace --features etd/test-hooks,et/test-hooks

lint: ## format, clippy and docs, warnings are errors
	@$(CARGO) fmt --all --check
	@$(CARGO) clippy --workspace --all-targets --features etd/test-hooks,et/test-hooks -- -D warnings
	@RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --document-private-items --quiet

build: ## release binaries in target/release
	@$(CARGO) build --release --bin et --bin etd

bench: ## measure speed and memory of the release binaries (about two minutes behind the build); prints a table
	@$(CARGO) build --release --bin et --bin etd
	@ET_BIN_DIR=target/release $(CARGO) run --quiet --release -p tests --bin bench

converge: ## a simulated programmer with mistakes in every format, with et, a naive client, and parts left out (ARGS="--seed 7")
	@$(CARGO) build --workspace --bins --features etd/test-hooks,et/test-hooks
	@./target/debug/converge $(ARGS)

fuzz: ## look for texts and bytes that break what reads answers, tools, configs and the wire; FUZZ_SECONDS (3600) each, one by one
	@FUZZ_SECONDS=$${FUZZ_SECONDS:-3600} $(CARGO) test --quiet --release -p proto -p et -p etd --lib --test suite fuzz:: -- --nocapture --test-threads=1

install: build ## copy both binaries to PREFIX/bin (default ~/.local)
	@install -d "$${PREFIX:-$$HOME/.local}/bin"
	@install -m 755 target/release/et target/release/etd "$${PREFIX:-$$HOME/.local}/bin"

clean: ## remove what was built
	@$(CARGO) clean
