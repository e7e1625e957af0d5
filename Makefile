# Everything a person or CI runs. `make` alone lists the targets.
CARGO ?= cargo
BINS = $(CARGO) build --quiet --bin et --bin etd

.PHONY: help demo test build lint bench converge torture soak fuzz fixture install install-unit clean

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

bench: ## measure speed and memory of the release binaries (about a minute behind the build); prints a table
	@$(CARGO) build --release --bin et --bin etd
	@ET_BIN_DIR=target/release $(CARGO) run --quiet --release -p tests --bin bench

converge: ## a simulated programmer with mistakes in every format, with et, a naive client, and parts left out (ARGS="--seed 7")
	@$(CARGO) build --workspace --bins --features etd/test-hooks,et/test-hooks
	@./target/debug/converge $(ARGS)

torture: ## 2000 kills of daemons, clients and builds, at named points and at random; then everything must be as undisturbed (ARGS="--kills 200")
	@$(CARGO) build --workspace --bins --features etd/test-hooks,et/test-hooks
	@./target/debug/torture $(ARGS)

fuzz: ## look for texts and bytes that break what reads answers, tools, configs and the wire; FUZZ_SECONDS (3600) each, one by one
	@FUZZ_SECONDS=$${FUZZ_SECONDS:-3600} $(CARGO) test --quiet --profile fuzz -p proto -p et -p etd --lib --test suite fuzz:: -- --nocapture --test-threads=1

fixture: ## keep a database of this version in tests/fixtures, for the versions to come
	@$(CARGO) build --workspace --bins --features etd/test-hooks,et/test-hooks
	@ET_FIXTURE_DIR=$(CURDIR)/tests/fixtures $(CARGO) test --quiet -p tests --test e2e upgrade::a_fixture

soak: ## ten minutes of 100 sessions of eight workers while everything fails now and then (ARGS="--seconds 60")
	@$(CARGO) build --workspace --bins --features etd/test-hooks,et/test-hooks
	@./target/debug/soak $(ARGS)

install: build ## copy both binaries to PREFIX/bin (default ~/.local), and the systemd user unit to PREFIX/share/systemd/user
	@install -d "$${PREFIX:-$$HOME/.local}/bin"
	@install -m 755 target/release/et target/release/etd "$${PREFIX:-$$HOME/.local}/bin"
	@$(MAKE) --no-print-directory install-unit

# Without PREFIX it goes where systemd looks for a user's own units; the service names the binary by its whole path.
install-unit:
	@prefix="$${PREFIX:-$$HOME/.local}"; units="$$prefix/share/systemd/user"; \
	if [ -z "$$PREFIX" ]; then units="$${XDG_DATA_HOME:-$$HOME/.local/share}/systemd/user"; fi; \
	prefix=$$(realpath -m "$$prefix"); \
	install -d "$$units" && install -m 644 etd/systemd/etd.socket "$$units" && \
	sed "s|@BINDIR@|$$(printf %s "$$prefix/bin" | sed 's/[\\&|]/\\&/g; s/%/%%/g')|" etd/systemd/etd.service >"$$units/etd.service" && \
	chmod 644 "$$units/etd.service"

clean: ## remove what was built
	@$(CARGO) clean
