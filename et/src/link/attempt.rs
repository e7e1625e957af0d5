//! One try to reach a daemon: connection, preambles, handshake, each under a deadline.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use proto::message::{Hello, Reply, Request, Welcome};
use proto::preamble::{FIXED, Fixed, Kind, Preamble, Status};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::{sleep, timeout};

use super::place::Deadlines;
use super::wire::{Wire, frame};

/// Why there is no connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Nobody listens there.
    Absent(String),
    /// Somebody listens and doesn't answer as a daemon does.
    Silent(String),
    /// It is going away, or not ready yet.
    Passing(String),
    /// It has enough connections.
    Overloaded,
    /// It speaks another version.
    OtherVersion {
        /// Its protocol version.
        version: u16,
        /// Its build.
        build: String,
        /// Whether it may not be replaced.
        busy: bool,
    },
}

impl Refused {
    /// For people.
    pub(crate) fn why(&self) -> String {
        match self {
            Self::Absent(why) | Self::Silent(why) | Self::Passing(why) => why.clone(),
            Self::Overloaded => "the daemon has too many connections".to_owned(),
            Self::OtherVersion { build, .. } => format!("the daemon is of version {build}"),
        }
    }
}

/// Connects for requests.
pub(crate) async fn data(path: &Path, deadlines: &Deadlines) -> Result<(Arc<Wire>, Welcome), Refused> {
    let mut stream = connect(path, deadlines.connect).await?;
    proto::hooks::pause("client.connected").await;
    let late = || Refused::Silent("the daemon doesn't answer".to_owned());
    timeout(deadlines.handshake, async {
        // Preamble and Hello leave together: one way there, one way back.
        let mut bytes = preamble(Kind::Data).encode();
        let hello = Request::Hello(Hello { build: proto::BUILD.to_owned() });
        bytes.extend(frame(&hello, 1).map_err(|error| Refused::Silent(error.message))?);
        exchange(&mut stream, &bytes).await.and_then(|answer| judge(&answer))?;
        let wire = Arc::new(Wire::new(stream));
        let mut hello = wire.expect(1, true);
        match hello.next(deadlines.handshake * 2).await {
            Ok(Some((true, Reply::Welcome(welcome)))) => {
                drop(hello);
                Ok((wire, welcome))
            }
            Ok(_) => Err(Refused::Silent("the daemon answered something else than a welcome".to_owned())),
            Err(error) => Err(Refused::Silent(error.message)),
        }
    })
    .await
    .map_err(|_| late())?
}

/// Asks what every daemon answers, whatever its version.
pub(crate) async fn control(path: &Path, kind: Kind, deadlines: &Deadlines) -> Result<Preamble, Refused> {
    let mut stream = connect(path, deadlines.connect).await?;
    timeout(deadlines.handshake, exchange(&mut stream, &preamble(kind).encode()))
        .await
        .map_err(|_| Refused::Silent("the daemon doesn't answer".to_owned()))?
}

fn preamble(kind: Kind) -> Preamble {
    Preamble { kind, version: proto::hooks::protocol_version(), status: Status::Ok, text: proto::BUILD.to_owned() }
}

async fn connect(path: &Path, limit: Duration) -> Result<UnixStream, Refused> {
    let connected = timeout(limit, async {
        loop {
            match UnixStream::connect(path).await {
                // Its queue of new connections is full: it will take us in a moment, or it is stuck.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => sleep(Duration::from_millis(5)).await,
                other => return other,
            }
        }
    });
    let stream = match connected.await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Err(Refused::Absent(format!("{}: {error}", path.display()))),
        Err(_) => return Err(Refused::Silent(format!("{}: the daemon takes no connection", path.display()))),
    };
    // Keys are sent to this socket: it must be our own daemon's.
    let ours = nix::unistd::geteuid().as_raw();
    if stream.peer_cred().is_ok_and(|peer| peer.uid() == ours) {
        Ok(stream)
    } else {
        Err(Refused::Silent(format!("{}: belongs to another user's process", path.display())))
    }
}

async fn exchange(stream: &mut UnixStream, bytes: &[u8]) -> Result<Preamble, Refused> {
    let broken = |error: io::Error| Refused::Silent(format!("the daemon closed the connection: {error}"));
    let foreign = |error: proto::preamble::PreambleError| Refused::Silent(error.to_string());
    let written = stream.write_all(bytes).await;
    let mut fixed = [0; FIXED];
    // A daemon with too many connections says so without reading a byte: what it said is there although nothing could be written.
    let read = stream.read_exact(&mut fixed).await;
    read.map_err(|error| broken(written.err().unwrap_or(error)))?;
    let fixed = Fixed::decode(&fixed).map_err(foreign)?;
    let mut text = vec![0; fixed.text_len];
    stream.read_exact(&mut text).await.map_err(broken)?;
    fixed.with_text(text).map_err(foreign)
}

fn judge(answer: &Preamble) -> Result<(), Refused> {
    match answer.status {
        Status::Ok => Ok(()),
        Status::OtherVersion => {
            // Anything but a clear `idle` is taken for busy.
            let (busy, build) = match answer.text.split_once(' ') {
                Some((word, build)) => (word != "idle", build),
                None => (true, answer.text.as_str()),
            };
            Err(Refused::OtherVersion { version: answer.version, build: build.to_owned(), busy })
        }
        Status::Starting => Err(Refused::Passing("the daemon isn't ready yet".to_owned())),
        Status::Draining => Err(Refused::Passing("the daemon is going away".to_owned())),
        Status::Overloaded => Err(Refused::Overloaded),
        Status::Denied => Err(Refused::Silent("the daemon refuses this user".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_judged() {
        let other = |busy| Refused::OtherVersion { version: 9, build: "9.1".to_owned(), busy };
        let table = [
            (Status::Ok, "9.1", Ok(())),
            (Status::OtherVersion, "idle 9.1", Err(other(false))),
            (Status::OtherVersion, "busy 9.1", Err(other(true))),
            (Status::OtherVersion, "9.1", Err(other(true))),
            (Status::Overloaded, "", Err(Refused::Overloaded)),
            (Status::Draining, "", Err(Refused::Passing("the daemon is going away".to_owned()))),
        ];
        for (status, text, expected) in table {
            let answer = Preamble { kind: Kind::Data, version: 9, status, text: text.to_owned() };
            assert_eq!(judge(&answer), expected, "{status:?} {text}");
        }
    }
}
