//! What the daemon does for each request: one file per verb, named as the client's command is.

mod attach;
mod diff;
mod doctor;
mod kill;
mod list;
mod models;
mod provide;
mod send;
mod show;
mod spawn;
mod undo;
mod wait;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use proto::config::SecretRef;
use proto::message::{Failed, Reply, Request};
use proto::outcome::exit;

use crate::daemon::{Counts, Responder, Service};
use crate::session::{Engine, SessionError};

/// The service behind the socket.
pub struct Handlers {
    engine: Arc<Engine>,
}

impl Handlers {
    /// Serves an engine.
    #[must_use]
    pub fn new(engine: Arc<Engine>) -> Self {
        Self { engine }
    }
}

impl Service for Handlers {
    fn counts(&self) -> Counts {
        let (sessions, running) = self.engine.counts();
        Counts { sessions, running }
    }

    fn status(&self) -> BoxFuture<'static, Vec<(&'static str, String)>> {
        let engine = Arc::clone(&self.engine);
        Box::pin(async move { engine.holdings().await })
    }

    fn ready(&self) {
        self.engine.begin_keeping();
    }

    fn trouble(&self) -> Option<String> {
        self.engine.store.trouble()
    }

    fn needs(&self) -> Vec<SecretRef> {
        self.engine.vault.needs()
    }

    fn handle(&self, request: Request, responder: Responder) -> BoxFuture<'static, ()> {
        let engine = Arc::clone(&self.engine);
        Box::pin(async move {
            let result = match request {
                Request::Spawn(request) => spawn::handle(&engine, request).await,
                Request::Send(request) => send::handle(&engine, request).await,
                Request::Attach(request) => attach::handle(&engine, request, &responder).await,
                Request::List(_) => list::handle(&engine).await,
                Request::Show(request) => show::handle(&engine, request).await,
                Request::Kill(request) => kill::handle(&engine, request).await,
                Request::Wait(request) => wait::handle(&engine, request, &responder).await,
                Request::Provide(request) => provide::handle(&engine, request),
                Request::Models(request) => models::handle(&engine, request).await,
                Request::Diff(request) => diff::handle(&engine, request, &responder).await,
                Request::Doctor(request) => doctor::handle(&engine, request).await,
                Request::Undo(request) => undo::handle(&engine, request, &responder).await,
                Request::Hello(_) | Request::Cancel(_) => Err(SessionError {
                    exit_code: exit::SOFTWARE,
                    message: "this message isn't a request".to_owned(),
                    hint: None,
                }),
            };
            let reply = result.unwrap_or_else(|error| {
                Reply::Failed(Failed { exit_code: error.exit_code, message: error.message, hint: error.hint })
            });
            responder.finish(reply).await;
        })
    }

    fn drain(&self) -> BoxFuture<'static, ()> {
        let engine = Arc::clone(&self.engine);
        Box::pin(async move { engine.drain().await })
    }
}
