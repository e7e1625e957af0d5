//! `et` on a terminal: a screen that can be read, keys that can be pressed, a line that can be cut.

use std::collections::BTreeMap;
use std::io::{Read as _, Write};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use filedescriptor::{AsRawFileDescriptor as _, POLLIN, Pipe, pollfd};
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

use super::poll;
use crate::model::PATIENCE;

struct Screen {
    parser: vt100::Parser,
    /// All bytes, as they came.
    raw: Vec<u8>,
    ended: bool,
}

/// A terminal with a command in it. Dropping it hangs up.
pub struct Terminal {
    screen: Arc<(Mutex<Screen>, Condvar)>,
    child: Box<dyn Child + Send + Sync>,
    line: Option<Line>,
}

/// The master's side, with the thread that reads it.
struct Line {
    writer: Box<dyn Write + Send>,
    master: Box<dyn MasterPty + Send>,
    /// Dropped to end the thread, which holds a copy of the master open.
    stop: filedescriptor::FileDescriptor,
    reading: std::thread::JoinHandle<()>,
}

impl Terminal {
    pub(super) fn start(
        program: &Path,
        args: &[String],
        vars: &BTreeMap<String, String>,
        dir: &Path,
        rows: u16,
        columns: u16,
    ) -> Self {
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).expect("a pseudo terminal");
        let mut command = CommandBuilder::new(program);
        command.args(args);
        command.env_clear();
        for (name, value) in vars {
            command.env(name, value);
        }
        command.env("TERM", "xterm-256color");
        command.cwd(dir);
        let child = pair.slave.spawn_command(command).expect("a command on the terminal");
        drop(pair.slave);
        let screen = Screen { parser: vt100::Parser::new(rows, columns, 1000), raw: Vec::new(), ended: false };
        let screen = Arc::new((Mutex::new(screen), Condvar::new()));
        let Pipe { read: stopped, write: stop } = Pipe::new().expect("a pipe");
        let mut reader = pair.master.try_clone_reader().expect("a reader of the terminal");
        // `Line` keeps the master open for longer than the thread lives.
        let master = pair.master.as_raw_fd().expect("its descriptor");
        let seen = Arc::clone(&screen);
        let reading = std::thread::spawn(move || {
            let mut bytes = vec![0; 16 * 1024];
            loop {
                let wait = |fd| pollfd { fd, events: POLLIN, revents: 0 };
                let mut both = [wait(master), wait(stopped.as_raw_file_descriptor())];
                if filedescriptor::poll(&mut both, None).is_err() || both[1].revents != 0 {
                    break;
                }
                // It is readable, so this doesn't block; an error is how the end of a terminal looks on Linux.
                let count = reader.read(&mut bytes).unwrap_or(0);
                if count == 0 {
                    break;
                }
                let mut screen = seen.0.lock().unwrap_or_else(PoisonError::into_inner);
                screen.parser.process(&bytes[..count]);
                screen.raw.extend_from_slice(&bytes[..count]);
                seen.1.notify_all();
            }
            seen.0.lock().unwrap_or_else(PoisonError::into_inner).ended = true;
            seen.1.notify_all();
        });
        let writer = pair.master.take_writer().expect("a writer of the terminal");
        Self { screen, child, line: Some(Line { writer, master: pair.master, stop, reading }) }
    }

    /// The text on the screen, a line per row.
    #[must_use]
    pub fn text(&self) -> String {
        self.screen.0.lock().unwrap_or_else(PoisonError::into_inner).parser.screen().contents()
    }

    /// Everything that was ever written to it, escape sequences and all.
    #[must_use]
    pub fn raw(&self) -> String {
        String::from_utf8_lossy(&self.screen.0.lock().unwrap_or_else(PoisonError::into_inner).raw).into_owned()
    }

    /// Waits until the screen has this text.
    ///
    /// # Panics
    /// If the command ends without it, or if that takes longer than [`PATIENCE`].
    pub fn screen_contains(&self, part: &str) {
        self.wait_for(&format!("{part:?}"), |text| text.contains(part));
    }

    /// Waits until the text on the screen is as wanted. `what` is for the message of a failure.
    ///
    /// # Panics
    /// If the command ends before, or if that takes longer than [`PATIENCE`].
    pub fn wait_for(&self, what: &str, wanted: impl Fn(&str) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        let mut screen = self.screen.0.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let text = screen.parser.screen().contents();
            if wanted(&text) {
                return;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero() && !screen.ended, "the screen never showed {what}; it shows:\n{text}");
            screen = self.screen.1.wait_timeout(screen, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Types: `"\x03"` is Ctrl-C.
    ///
    /// # Panics
    /// If the line was hung up.
    pub fn press(&mut self, keys: &str) {
        let line = self.line.as_mut().expect("the line stands");
        line.writer.write_all(keys.as_bytes()).and_then(|()| line.writer.flush()).expect("keys are typed");
    }

    /// Changes the size of the screen.
    ///
    /// # Panics
    /// If the line was hung up.
    pub fn resize(&mut self, rows: u16, columns: u16) {
        let line = self.line.as_ref().expect("the line stands");
        line.master.resize(PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 }).expect("a new size");
        self.screen.0.lock().unwrap_or_else(PoisonError::into_inner).parser.screen_mut().set_size(rows, columns);
    }

    /// Cuts the line, as a closed window or a lost connection does.
    pub fn hang_up(&mut self) {
        if let Some(Line { writer, master, stop, reading }) = self.line.take() {
            drop(stop);
            let _ = reading.join();
            drop(writer);
            drop(master);
        }
    }

    /// The command's process id, while it is known.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.process_id()
    }

    /// Waits for the command's end and returns its exit code (1 if a signal ended it).
    ///
    /// # Panics
    /// If that takes longer than [`PATIENCE`].
    pub fn wait(&mut self) -> u32 {
        let mut code = None;
        let ended = poll(PATIENCE, || {
            code = self.child.try_wait().ok().flatten().map(|status| status.exit_code());
            code.is_some()
        });
        assert!(ended, "the command on the terminal doesn't end; it shows:\n{}", self.text());
        self.drain();
        code.unwrap_or(1)
    }

    /// Waits until what the command wrote last is on the screen; not for long, since something that it started may hold the terminal.
    fn drain(&self) {
        if self.line.is_none() {
            return;
        }
        let screen = self.screen.0.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.screen.1.wait_timeout_while(screen, Duration::from_secs(2), |screen| !screen.ended));
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the screen ---\n{}", self.text());
        }
        self.hang_up();
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
