//! Small projects that several tests share, each with the story that builds it. The sources are real: they build with nothing but the
//! language's own tools, offline.

pub mod stories;

/// The tasks of the README, word by word.
pub mod tasks {
    /// Builds [`super::stories::downloader`].
    pub const DOWNLOADER: &str =
        "Build a Go HTTP downloader with retry logic, checksum validation, and progress reporting";
    /// Builds [`super::stories::rest_api`].
    pub const REST_API: &str = "Build a REST API server in Go with CRUD endpoints for users";
    /// Builds [`super::stories::gaps`], on top of [`super::stories::rest_api`].
    pub const GAPS: &str =
        "The user endpoints are missing DELETE and PATCH. The User struct is missing Email. Fix these gaps.";
    /// Builds [`super::stories::watcher`].
    pub const WATCHER: &str = "Build a CLI tool that watches a directory for file changes and sends diffs to a webhook";
    /// Builds [`super::stories::queue`].
    pub const QUEUE: &str = "Build a distributed task queue in Go";
    /// Builds [`super::stories::shutdown`], on top of [`super::stories::queue`].
    pub const SHUTDOWN: &str = "The worker pool is missing graceful shutdown. Add context cancellation.";
}

/// Sources of the downloader.
pub mod downloader {
    /// `go.mod`.
    pub const GO_MOD: &str = include_str!("downloader/go.mod.txt");
    /// `fetch.go`.
    pub const FETCH: &str = include_str!("downloader/fetch.go");
    /// `checksum.go`.
    pub const CHECKSUM: &str = include_str!("downloader/checksum.go");
    /// `progress.go`.
    pub const PROGRESS: &str = include_str!("downloader/progress.go");
    /// `main.go`.
    pub const MAIN: &str = include_str!("downloader/main.go");
}

/// Sources of the REST API.
pub mod rest_api {
    /// `go.mod`.
    pub const GO_MOD: &str = include_str!("rest_api/go.mod.txt");
    /// `store.go`.
    pub const STORE: &str = include_str!("rest_api/store.go");
    /// `handlers.go`.
    pub const HANDLERS: &str = include_str!("rest_api/handlers.go");
    /// `handlers.go` with a method that the store doesn't have.
    pub const HANDLERS_BROKEN: &str = include_str!("rest_api/handlers.broken.go.txt");
    /// What the compiler says of it.
    pub const HANDLERS_ERROR: &str = "a.store.All undefined";
    /// `main.go`.
    pub const MAIN: &str = include_str!("rest_api/main.go");
}

/// Sources of the REST API without its gaps.
pub mod gaps {
    /// `store.go`.
    pub const STORE: &str = include_str!("gaps/store.go");
    /// `handlers.go`.
    pub const HANDLERS: &str = include_str!("gaps/handlers.go");
    /// `handlers.go` with a method that the store doesn't have.
    pub const HANDLERS_BROKEN: &str = include_str!("gaps/handlers.broken.go.txt");
    /// What the compiler says of it.
    pub const HANDLERS_ERROR: &str = "a.store.Remove undefined";
}

/// Sources of the watcher.
pub mod watcher {
    /// `go.mod`.
    pub const GO_MOD: &str = include_str!("watcher/go.mod.txt");
    /// `scan.go`.
    pub const SCAN: &str = include_str!("watcher/scan.go");
    /// `diff.go`.
    pub const DIFF: &str = include_str!("watcher/diff.go");
    /// `webhook.go`.
    pub const WEBHOOK: &str = include_str!("watcher/webhook.go");
    /// `webhook.go` with a type that nobody defines.
    pub const WEBHOOK_BROKEN: &str = include_str!("watcher/webhook.broken.go.txt");
    /// What the compiler says of it.
    pub const WEBHOOK_ERROR: &str = "undefined: Changes";
    /// `main.go`.
    pub const MAIN: &str = include_str!("watcher/main.go");
}

/// Sources of the task queue.
pub mod queue {
    /// `go.mod`.
    pub const GO_MOD: &str = include_str!("queue/go.mod.txt");
    /// `queue.go`.
    pub const QUEUE: &str = include_str!("queue/queue.go");
    /// `pool.go`.
    pub const POOL: &str = include_str!("queue/pool.go");
    /// `pool.go` with a method that the queue doesn't have.
    pub const POOL_BROKEN: &str = include_str!("queue/pool.broken.go.txt");
    /// What the compiler says of it.
    pub const POOL_ERROR: &str = "p.queue.Items undefined";
    /// `main.go`.
    pub const MAIN: &str = include_str!("queue/main.go");
}

/// Sources of the task queue with a graceful shutdown.
pub mod shutdown {
    /// `pool.go`.
    pub const POOL: &str = include_str!("shutdown/pool.go");
    /// `main.go`.
    pub const MAIN: &str = include_str!("shutdown/main.go");
}
