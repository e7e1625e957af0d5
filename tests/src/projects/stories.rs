//! A story for each project. Every one names its task, so several can be put together with [`Story::and`].

use super::{downloader as dl, gaps as gap, queue as q, rest_api as api, shutdown as down, tasks, watcher as watch};
use crate::model::{Story, Sub};

/// The downloader: three subtasks, no mistake.
#[must_use]
pub fn downloader() -> Story {
    Story::new()
        .task(tasks::DOWNLOADER)
        .contract(
            "Go 1.21",
            "func NewChecksum() *Checksum",
            ["module downloader, package main", "standard library only"],
        )
        .plan([
            Sub::new("fetch", "Fetch with retries").owns(["go.mod", "fetch.go"]).provides(["type Fetcher struct"]),
            Sub::new("verify", "Checksum and progress").owns(["checksum.go", "progress.go"]),
            Sub::new("cli", "Command line").owns(["main.go"]).requires(["type Fetcher struct"]),
        ])
        .file("fetch", "go.mod", dl::GO_MOD)
        .file("fetch", "fetch.go", dl::FETCH)
        .file("verify", "checksum.go", dl::CHECKSUM)
        .file("verify", "progress.go", dl::PROGRESS)
        .file("cli", "main.go", dl::MAIN)
        .synthesis("A downloader with retries, checksums and progress. Run `go run . -o FILE URL`.")
}

/// The REST API: `handlers.go` comes with a method that the store doesn't have, and is mended when its worker is shown the diagnostic.
#[must_use]
pub fn rest_api() -> Story {
    rest_api_unfixable().fix("handlers.go", api::HANDLERS_ERROR, api::HANDLERS)
}

/// The REST API with a mistake that nobody mends: a fix is answered with "no change needed".
#[must_use]
pub fn rest_api_unfixable() -> Story {
    Story::new()
        .task(tasks::REST_API)
        .contract("Go 1.21", "func NewStore() *Store", ["module userapi, package main", "standard library only"])
        .plan([
            Sub::new("store", "User store").owns(["go.mod", "store.go"]).provides(["func (s *Store) List() []User"]),
            Sub::new("handlers", "HTTP handlers").owns(["handlers.go"]).requires(["func (s *Store) List() []User"]),
            Sub::new("server", "Server").owns(["main.go"]),
        ])
        .file("store", "go.mod", api::GO_MOD)
        .file("store", "store.go", api::STORE)
        .file("handlers", "handlers.go", api::HANDLERS_BROKEN)
        .file("server", "main.go", api::MAIN)
        .no_fix()
        .synthesis("A REST API for users. Run `go run .` and ask `/users`.")
}

/// DELETE, PATCH and Email, in a tree that [`rest_api`] left behind; `handlers.go` comes with a mistake that is mended.
#[must_use]
pub fn gaps() -> Story {
    Story::new()
        .task(tasks::GAPS)
        .contract("Go 1.21", "func (s *Store) Delete(id int) error", ["keep the routes"])
        .plan([
            Sub::new("email", "Email, Delete and Patch in the store").owns(["store.go"]),
            Sub::new("routes", "DELETE and PATCH").owns(["handlers.go"]).reads(["store.go"]),
        ])
        .file("email", "store.go", gap::STORE)
        .file("routes", "handlers.go", gap::HANDLERS_BROKEN)
        .fix("handlers.go", gap::HANDLERS_ERROR, gap::HANDLERS)
        // Workers must see what they change.
        .expects("work/email", "Create adds a user and gives it an id.")
        .expects("work/routes", "API answers for /users and /users/{id}.")
        .synthesis("Users have an email, and can be patched and deleted.")
}

/// The watcher: `webhook.go` comes with a type that nobody defines, and is mended.
#[must_use]
pub fn watcher() -> Story {
    Story::new()
        .task(tasks::WATCHER)
        .contract(
            "Go 1.21",
            "type Snapshot map[string]string",
            ["module watcher, package main", "standard library only"],
        )
        .plan([
            Sub::new("scan", "Scan and compare")
                .owns(["go.mod", "scan.go", "diff.go"])
                .provides(["type Change struct"]),
            Sub::new("webhook", "Webhook").owns(["webhook.go"]).requires(["type Change struct"]),
            Sub::new("cli", "Command line").owns(["main.go"]),
        ])
        .file("scan", "go.mod", watch::GO_MOD)
        .file("scan", "scan.go", watch::SCAN)
        .file("scan", "diff.go", watch::DIFF)
        .file("webhook", "webhook.go", watch::WEBHOOK_BROKEN)
        .file("cli", "main.go", watch::MAIN)
        .fix("webhook.go", watch::WEBHOOK_ERROR, watch::WEBHOOK)
        .synthesis("A watcher. Run `go run . -dir DIR -webhook URL`.")
}

/// The task queue: `pool.go` comes with a method that the queue doesn't have, and is mended.
#[must_use]
pub fn queue() -> Story {
    Story::new()
        .task(tasks::QUEUE)
        .contract("Go 1.21", "type Task struct", ["module taskqueue, package main", "standard library only"])
        .plan([
            Sub::new("queue", "Queue").owns(["go.mod", "queue.go"]).provides(["func (q *Queue) Tasks() <-chan Task"]),
            Sub::new("pool", "Worker pool").owns(["pool.go"]).requires(["func (q *Queue) Tasks() <-chan Task"]),
            Sub::new("main", "Entry point").owns(["main.go"]),
        ])
        .file("queue", "go.mod", q::GO_MOD)
        .file("queue", "queue.go", q::QUEUE)
        .file("pool", "pool.go", q::POOL_BROKEN)
        .file("main", "main.go", q::MAIN)
        .fix("pool.go", q::POOL_ERROR, q::POOL)
        .synthesis("A task queue with a worker pool. Run `go run .`.")
}

/// Graceful shutdown, in a tree that [`queue`] left behind.
#[must_use]
pub fn shutdown() -> Story {
    Story::new()
        .task(tasks::SHUTDOWN)
        .contract("Go 1.21", "func (p *Pool) Start(ctx context.Context)", [])
        .plan([
            Sub::new("cancel", "Context cancellation in the pool").owns(["pool.go"]).reads(["queue.go"]),
            Sub::new("signals", "Signals in the entry point").owns(["main.go"]),
        ])
        .file("cancel", "pool.go", down::POOL)
        .file("signals", "main.go", down::MAIN)
        .expects("work/cancel", "Pool runs workers on a queue")
        .synthesis("The pool stops when its context is cancelled.")
}

/// Many independent subtasks, `part-1` and so on, each with one text file `part-N.txt`, for any task.
#[must_use]
pub fn wide(count: usize) -> Story {
    let path = |number: usize| format!("part-{number}.txt");
    let subs = (1..=count).map(|number| {
        Sub::new(&format!("part-{number}"), &format!("Part number {number}")).owns([path(number).as_str()])
    });
    let story = Story::new().contract("Text", "", []).plan(subs.collect::<Vec<_>>());
    (1..=count).fold(story, |story, number| {
        let lines: String = (1..=40).map(|line| format!("line {line} of part {number}, as it was planned\n")).collect();
        story.file(&format!("part-{number}"), &path(number), &lines)
    })
}

/// The check of [`tiny`]: needs nothing but a shell, and says `two.txt:2: error: count is wrong` while the file is broken.
pub const TINY_CHECK: &str =
    "grep -q 'count = 2' two.txt || { echo 'two.txt:2: error: count is wrong'; exit 1; }; test -s one.txt";
/// `one.txt` of [`tiny`].
pub const TINY_ONE: &str = "the first file\nname = one\nit is complete\n";
/// `two.txt` of [`tiny`] as its worker gives it.
pub const TINY_BROKEN: &str = "the second file\ncount = 1\nit is complete\n";
/// `two.txt` of [`tiny`] mended.
pub const TINY_MENDED: &str = "the second file\ncount = 2\nit is complete\n";

/// Two subtasks with a text file each, for any task; [`TINY_CHECK`] finds a mistake in the second, and it is mended.
#[must_use]
pub fn tiny() -> Story {
    tiny_unfixable().fix("two.txt", "count is wrong", TINY_MENDED)
}

/// The same with a mistake that nobody mends: a fix is answered with "no change needed".
#[must_use]
pub fn tiny_unfixable() -> Story {
    Story::new()
        .contract("Text", "", [])
        .plan([
            Sub::new("one", "The first file").owns(["one.txt"]),
            Sub::new("two", "The second file").owns(["two.txt"]),
        ])
        .file("one", "one.txt", TINY_ONE)
        .file("two", "two.txt", TINY_BROKEN)
        .no_fix()
}
