//! Follows a session to its end, whatever happens to the daemon or the terminal in the meantime.
//!
//! It promises that each durable event reaches the view once and in order: after a lost connection it asks for what follows
//! the last position that it showed. A daemon that vanished is started again; one that was stopped on purpose is only waited for.

mod signals;

use std::future::Future;
use std::time::Duration;

use proto::config::SecretRef;
use proto::event::{Event, EventLine};
use proto::id::SessionId;
use proto::message::{Attach, EndReason, Events, From, Kill, Needs, Provide, Reply, Request, SecretValue, SessionName};
use proto::outcome::exit;
use proto::report::RoundReport;
use tokio::time::{Instant, MissedTickBehavior};

pub(crate) use self::signals::ProcessSignals;
use crate::context::Context;
use crate::exit::Problem;
use crate::link::{self, ConnectOptions, Link, LinkError};
use crate::text::one_line;
use crate::view::View;

/// How long a lost daemon is looked for.
const PATIENCE: Duration = Duration::from_secs(30);
const TICK: Duration = Duration::from_millis(200);

/// A way to the daemon; the real one is [`Daemon`].
pub(crate) trait Connect {
    type Session: Session;
    /// A new connection.
    fn connect(&self, autostart: bool) -> impl Future<Output = Result<Self::Session, LinkError>>;
}

/// A connection.
pub(crate) trait Session {
    type Items: Items;
    /// One question, one answer.
    fn call(&self, request: Request) -> impl Future<Output = Result<Reply, LinkError>>;
    /// One question, several answers.
    fn open(&self, request: Request) -> impl Future<Output = Result<Self::Items, LinkError>>;
}

/// Answers as they come.
pub(crate) trait Items {
    /// The next one; none at the end. Cancel safe.
    fn next(&mut self) -> impl Future<Output = Result<Option<Reply>, LinkError>>;
}

/// The user's daemon.
pub(crate) struct Daemon {
    options: ConnectOptions,
}

impl Daemon {
    /// # Errors
    /// If the environment names no place for the state.
    pub(crate) fn new(context: &Context) -> Result<Self, LinkError> {
        Ok(Self { options: context.connect_options()? })
    }
}

impl Connect for Daemon {
    type Session = Link;
    async fn connect(&self, autostart: bool) -> Result<Link, LinkError> {
        let options = ConnectOptions { autostart: autostart && self.options.autostart, ..self.options.clone() };
        Link::connect(&options).await
    }
}

impl Session for Link {
    type Items = link::Stream;
    async fn call(&self, request: Request) -> Result<Reply, LinkError> {
        Link::call(self, request).await
    }
    async fn open(&self, request: Request) -> Result<link::Stream, LinkError> {
        Link::open(self, request).await
    }
}

impl Items for link::Stream {
    async fn next(&mut self) -> Result<Option<Reply>, LinkError> {
        link::Stream::next(self).await
    }
}

/// What the outside tells a watching client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// SIGTERM, or the terminal is gone.
    Leave,
}

/// Signals as they come.
pub(crate) trait Signals {
    /// The next one. Cancel safe.
    fn next(&mut self) -> impl Future<Output = Signal>;
}

/// What to watch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watch {
    pub(crate) session: SessionId,
    pub(crate) from: From,
    /// Go on when nothing runs or is queued.
    pub(crate) follow: bool,
    /// Pieces of model text too.
    pub(crate) text: bool,
    /// The round of an `et run`: watching ends with it, and Ctrl-C cancels it. None: Ctrl-C detaches.
    pub(crate) round: Option<u32>,
    /// Ctrl-C was pressed before the watch began.
    pub(crate) interrupted: bool,
}

/// Looks secrets up again.
pub(crate) type FindSecrets<'a> = &'a dyn Fn(&[SecretRef]) -> Vec<SecretValue>;

/// Watches until the end and says the exit code: that of the awaited round, or of the newest one that ended; 75 after detaching
/// before one had ended, 130 after a second Ctrl-C.
///
/// # Errors
/// If the daemon can't be reached for 30 s, or refuses.
pub(crate) async fn watch<C: Connect, S: Signals>(
    what: Watch,
    daemon: &C,
    signals: &mut S,
    find: FindSecrets<'_>,
    view: &mut dyn View,
) -> Result<u8, Problem> {
    let mut state = State {
        what,
        from: what.from,
        last: 0,
        heard: false,
        report: None,
        exit_code: None,
        cancel: what.interrupted,
        announced: Vec::new(),
    };
    let ended = state.run(daemon, signals, find, view).await;
    view.end(state.report.as_ref());
    ended
}

struct State {
    what: Watch,
    from: From,
    /// Last position that was shown.
    last: u64,
    /// Whether the daemon said anything since it was last lost.
    heard: bool,
    report: Option<RoundReport>,
    exit_code: Option<u8>,
    /// Ctrl-C was pressed and the round is to be cancelled.
    cancel: bool,
    /// Secrets whose lack was already told.
    announced: Vec<SecretRef>,
}

/// Why one connection's watch is over.
enum Over {
    Done(u8),
    /// Connect again; whether the daemon may be started.
    Again {
        autostart: bool,
    },
    /// The daemon refuses.
    Failed(Problem),
}

impl State {
    async fn run<C: Connect, S: Signals>(
        &mut self,
        daemon: &C,
        signals: &mut S,
        find: FindSecrets<'_>,
        view: &mut dyn View,
    ) -> Result<u8, Problem> {
        let mut autostart = true;
        // When the daemon was lost; none while it is there.
        let mut lost: Option<Instant> = None;
        let mut pause = Duration::from_millis(50);
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let attempt = {
                let attempt = daemon.connect(autostart);
                tokio::pin!(attempt);
                loop {
                    tokio::select! {
                        result = &mut attempt => break result,
                        signal = signals.next() => if let Some(code) = self.signal(signal, view) { return Ok(code) },
                        _ = tick.tick() => view.tick(),
                    }
                }
            };
            let error = match attempt {
                Ok(session) => match self.follow(&session, signals, find, view, &mut tick).await {
                    Ok(Over::Done(code)) => return Ok(code),
                    Ok(Over::Failed(problem)) => return Err(problem),
                    Ok(Over::Again { autostart: again }) => {
                        autostart = again;
                        None
                    }
                    Err(error) if error.is_lost() => {
                        autostart = true;
                        Some(error)
                    }
                    Err(error) => return Err(error.into()),
                },
                Err(error) if error.is_lost() || matches!(error.exit_code, exit::UNAVAILABLE | exit::TRY_AGAIN) => {
                    Some(error)
                }
                Err(error) => return Err(error.into()),
            };
            if std::mem::take(&mut self.heard) {
                lost = None;
                pause = Duration::from_millis(50);
            }
            let since = *lost.get_or_insert_with(Instant::now);
            if since.elapsed() >= PATIENCE {
                let mut problem =
                    error.map_or_else(|| Problem::new(exit::UNAVAILABLE, "the daemon was stopped"), Problem::from);
                if problem.exit_code == exit::SOFTWARE {
                    problem.exit_code = exit::UNAVAILABLE;
                }
                return Err(problem.hint(format!("the work goes on when it is back: {}", self.come_back())));
            }
            let until = Instant::now() + pause;
            pause = (pause * 2).min(Duration::from_secs(2));
            loop {
                tokio::select! {
                    () = tokio::time::sleep_until(until) => break,
                    signal = signals.next() => if let Some(code) = self.signal(signal, view) { return Ok(code) },
                    _ = tick.tick() => view.tick(),
                }
            }
        }
    }

    /// Watches over one connection.
    async fn follow<C: Session, S: Signals>(
        &mut self,
        session: &C,
        signals: &mut S,
        find: FindSecrets<'_>,
        view: &mut dyn View,
        tick: &mut tokio::time::Interval,
    ) -> Result<Over, LinkError> {
        if self.cancel
            && let Some(code) = self.kill(session, signals, view).await?
        {
            return Ok(Over::Done(code));
        }
        let attach = Attach {
            session: SessionName::Prefix(self.what.session.to_string()),
            from: self.from,
            follow: self.what.follow,
            text: self.what.text,
            until_round: self.what.round,
        };
        let mut items = session.open(Request::Attach(attach)).await?;
        loop {
            let reply = tokio::select! {
                item = items.next() => match item? {
                    Some(reply) => reply,
                    // The end without a word is a lost connection.
                    None => return Ok(Over::Again { autostart: true }),
                },
                signal = signals.next() => {
                    if let Some(code) = self.signal(signal, view) {
                        return Ok(Over::Done(code));
                    }
                    if let Some(code) = self.kill(session, signals, view).await? {
                        return Ok(Over::Done(code));
                    }
                    continue;
                }
                _ = tick.tick() => {
                    view.tick();
                    continue;
                }
            };
            self.heard |= !matches!(reply, Reply::AttachEnd(_) | Reply::Failed(_));
            match reply {
                Reply::Events(events) => self.events(&events, view),
                Reply::LiveText(text) => view.live(&text),
                Reply::Heartbeat(beat) => view.heartbeat(&beat),
                Reply::Needs(needs) => self.provide(session, &needs, find, view).await?,
                Reply::AttachEnd(end) => match end.reason {
                    // Where it began may have meant another place then.
                    EndReason::Slow | EndReason::Draining => {
                        self.from = From::Seq(end.seq.max(self.last) + 1);
                        if end.reason == EndReason::Slow {
                            return Ok(Over::Again { autostart: true });
                        }
                        view.notice(&format!(
                            "the daemon was stopped; the work goes on when it is back. To come back: {}",
                            self.come_back()
                        ));
                        return Ok(Over::Again { autostart: false });
                    }
                    EndReason::Idle => return Ok(Over::Done(self.code(end.exit_code))),
                },
                Reply::Failed(failed) => {
                    return Ok(Over::Failed(failed.into()));
                }
                _ => {}
            }
        }
    }

    fn events(&mut self, events: &Events, view: &mut dyn View) {
        for stored in &events.lines {
            if stored.seq <= self.last {
                continue;
            }
            self.last = stored.seq;
            self.from = From::Seq(stored.seq + 1);
            match serde_json::from_str::<EventLine>(&stored.json) {
                Ok(line) => {
                    view.event(&line, &stored.json);
                    if let Event::Result(report) = line.event
                        && self.what.round.is_none_or(|round| round == line.round)
                    {
                        self.exit_code = Some(report.exit_code);
                        self.report = Some(*report);
                    }
                }
                Err(error) => view.unknown(&stored.json, &error.to_string()),
            }
        }
    }

    /// What the daemon says counts unless the awaited round's own result was seen. Where no round was awaited, nothing that ended is no
    /// failure; an awaited one without a result is no success.
    fn code(&self, said: Option<u8>) -> u8 {
        match self.what.round {
            Some(_) => self.exit_code.or(said).unwrap_or(exit::SOFTWARE),
            None => said.or(self.exit_code).unwrap_or(0),
        }
    }

    /// What a signal means; an exit code if watching is over.
    fn signal(&mut self, signal: Signal, view: &mut dyn View) -> Option<u8> {
        match (signal, self.what.round) {
            (Signal::Interrupt, Some(_)) if self.cancel => Some(exit::INTERRUPTED),
            (Signal::Interrupt, Some(_)) => {
                self.cancel = true;
                view.notice("cancelling; Ctrl-C again leaves at once");
                None
            }
            _ => {
                view.notice(&format!("detached; the work goes on. To come back: {}", self.come_back()));
                // Success is only what a result says.
                Some(self.exit_code.unwrap_or(exit::TRY_AGAIN))
            }
        }
    }

    fn come_back(&self) -> String {
        format!("et session attach {}", self.what.session.short())
    }

    /// Cancels the round. An exit code if the next signal ends the watch: whoever presses Ctrl-C again doesn't wait for the daemon.
    async fn kill<C: Session, S: Signals>(
        &mut self,
        session: &C,
        signals: &mut S,
        view: &mut dyn View,
    ) -> Result<Option<u8>, LinkError> {
        let name = SessionName::Prefix(self.what.session.to_string());
        let asked = session.call(Request::Kill(Kill { session: name, round: self.what.round }));
        tokio::pin!(asked);
        loop {
            tokio::select! {
                answer = &mut asked => return match answer {
                    Err(error) if error.is_lost() => Err(error),
                    // It may have ended by itself; its result comes either way.
                    Ok(_) | Err(_) => Ok(None),
                },
                signal = signals.next() => if let Some(code) = self.signal(signal, view) {
                    return Ok(Some(code));
                },
            }
        }
    }

    async fn provide<C: Session>(
        &mut self,
        session: &C,
        needs: &Needs,
        find: FindSecrets<'_>,
        view: &mut dyn View,
    ) -> Result<(), LinkError> {
        let secrets = find(&needs.names);
        let lacking: Vec<SecretRef> =
            needs.names.iter().filter(|name| !secrets.iter().any(|secret| secret.name == **name)).cloned().collect();
        if !lacking.is_empty() && lacking != self.announced {
            view.notice(&needs_text(&lacking, &self.come_back()));
            self.announced = lacking;
        }
        if !secrets.is_empty() {
            session.call(Request::Provide(Provide { secrets })).await?;
        }
        Ok(())
    }
}

/// What a person is told whose environment lacks secrets.
pub(crate) fn needs_text(names: &[SecretRef], come_back: &str) -> String {
    format!("the round waits for credentials: {}. Set them and run: {come_back}", credentials(names))
}

/// Credentials as a person knows them: variables by their names. Cleaned, since paths and names of providers are among them.
pub(crate) fn credentials(names: &[SecretRef]) -> String {
    let names: Vec<String> =
        names.iter().map(|name| one_line(name.0.strip_prefix("env:").unwrap_or(&name.0), 500)).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests;
