//! The projects that other tests use: the good sources build, the broken ones fail with what their stories wait for.

use tests::env::Env;
use tests::projects::{downloader, gaps, queue, rest_api, shutdown, watcher};
use tests::require_tool;

const BUILD: &str = "go build ./... && go vet ./...";

fn build(files: &[(&str, &str)]) -> tests::env::Output {
    let env = Env::new();
    for (path, content) in files {
        env.write(path, content);
    }
    env.sh(BUILD).run()
}

#[test]
fn good_sources_build() {
    require_tool!("go");
    let downloader = [
        ("go.mod", downloader::GO_MOD),
        ("fetch.go", downloader::FETCH),
        ("checksum.go", downloader::CHECKSUM),
        ("progress.go", downloader::PROGRESS),
        ("main.go", downloader::MAIN),
    ];
    let rest_api = [
        ("go.mod", rest_api::GO_MOD),
        ("store.go", rest_api::STORE),
        ("handlers.go", rest_api::HANDLERS),
        ("main.go", rest_api::MAIN),
    ];
    let gaps = [
        ("go.mod", rest_api::GO_MOD),
        ("store.go", gaps::STORE),
        ("handlers.go", gaps::HANDLERS),
        ("main.go", rest_api::MAIN),
    ];
    let watcher = [
        ("go.mod", watcher::GO_MOD),
        ("scan.go", watcher::SCAN),
        ("diff.go", watcher::DIFF),
        ("webhook.go", watcher::WEBHOOK),
        ("main.go", watcher::MAIN),
    ];
    let queue =
        [("go.mod", queue::GO_MOD), ("queue.go", queue::QUEUE), ("pool.go", queue::POOL), ("main.go", queue::MAIN)];
    let shutdown = [
        ("go.mod", queue::GO_MOD),
        ("queue.go", queue::QUEUE),
        ("pool.go", shutdown::POOL),
        ("main.go", shutdown::MAIN),
    ];
    for files in [&downloader[..], &rest_api, &gaps, &watcher, &queue, &shutdown] {
        build(files).assert_ok();
    }
}

#[test]
fn broken_sources_fail_as_their_stories_say() {
    require_tool!("go");
    let rest_api = [
        ("go.mod", rest_api::GO_MOD),
        ("store.go", rest_api::STORE),
        ("handlers.go", rest_api::HANDLERS_BROKEN),
        ("main.go", rest_api::MAIN),
    ];
    build(&rest_api).assert_code(1).assert_stderr(rest_api::HANDLERS_ERROR);
    let gaps = [
        ("go.mod", rest_api::GO_MOD),
        ("store.go", gaps::STORE),
        ("handlers.go", gaps::HANDLERS_BROKEN),
        ("main.go", rest_api::MAIN),
    ];
    build(&gaps).assert_code(1).assert_stderr(gaps::HANDLERS_ERROR);
    let watcher = [
        ("go.mod", watcher::GO_MOD),
        ("scan.go", watcher::SCAN),
        ("diff.go", watcher::DIFF),
        ("webhook.go", watcher::WEBHOOK_BROKEN),
        ("main.go", watcher::MAIN),
    ];
    build(&watcher).assert_code(1).assert_stderr(watcher::WEBHOOK_ERROR);
    let queue = [
        ("go.mod", queue::GO_MOD),
        ("queue.go", queue::QUEUE),
        ("pool.go", queue::POOL_BROKEN),
        ("main.go", queue::MAIN),
    ];
    build(&queue).assert_code(1).assert_stderr(queue::POOL_ERROR);
}
