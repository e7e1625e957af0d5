//! Real processes, all of them `sh`. Nothing sleeps to wait: tests read what a child prints into a fifo or a file, or ask the kernel.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

use std::sync::Mutex;

use super::*;

#[derive(Default)]
struct Notes {
    started: Mutex<Vec<ChildRecord>>,
    ended: Mutex<Vec<ChildRecord>>,
}

impl Ledger for Notes {
    fn on_start(&self, record: &ChildRecord) {
        self.started.lock().unwrap().push(record.clone());
    }
    fn on_end(&self, record: &ChildRecord) {
        self.ended.lock().unwrap().push(record.clone());
    }
}

struct Fixture {
    dir: tempfile::TempDir,
    notes: Arc<Notes>,
    children: Children,
}

impl Fixture {
    fn new() -> Self {
        let notes = Arc::new(Notes::default());
        let children = Children::start(Arc::clone(&notes) as Arc<dyn Ledger>).unwrap();
        Self { dir: tempfile::tempdir().unwrap(), notes, children }
    }

    fn sh(&self, script: &str) -> Command {
        Command {
            argv: ["sh", "-c", script].map(str::to_owned).to_vec(),
            dir: self.dir.path().to_path_buf(),
            root: self.dir.path().to_path_buf(),
            env: BTreeMap::from([("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned())]),
            timeout: Duration::from_secs(60),
            output_limit: 1 << 20,
            input: Vec::new(),
        }
    }

    async fn run(&self, command: Command) -> Output {
        self.children.run(command, &CancellationToken::new()).await.unwrap()
    }

    /// A fifo below the work dir. Who opens it for reading waits until a child opens it for writing.
    fn fifo(&self, name: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        path
    }
}

/// Reads a fifo to its end: until all who hold it for writing have closed it or died.
async fn read_fifo(path: PathBuf) -> String {
    tokio::task::spawn_blocking(move || std::fs::read_to_string(path).unwrap()).await.unwrap()
}

fn pid_in(text: &str) -> u32 {
    text.trim().parse().unwrap()
}

/// Whether a process runs: one that is gone or waits to be reaped doesn't.
fn runs(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit_once(')').unwrap().1.trim_start().starts_with(['Z', 'X']))
}

/// A killed process is gone as soon as the kernel comes to it: that is waited for.
async fn gone(pid: u32) {
    let wait = async {
        while runs(pid) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.expect("it lives on");
}

#[tokio::test]
async fn output_exit_code_and_environment_are_the_childs_own() {
    let fixture = Fixture::new();
    let mut command = fixture.sh("echo out; echo err >&2; env; exit 3");
    command.env.insert("LANG".to_owned(), "C".to_owned());
    let output = fixture.run(command).await;
    assert_eq!(output.ended, Ended::Code(3));
    assert_eq!(output.stderr, "err\n");
    let mut names: Vec<&str> = output.stdout.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
    names.sort_unstable();
    names.retain(|name| !["PWD", "OLDPWD", "SHLVL", "_"].contains(name));
    assert_eq!(names, ["ET_CHILD", "LANG", "PATH"]);
    let (started, ended) = (fixture.notes.started.lock().unwrap(), fixture.notes.ended.lock().unwrap());
    assert_eq!(*started, *ended);
    assert_eq!(started.len(), 1);
    assert!(started[0].start_time > 0 && !started[0].boot_id.is_empty());
}

#[tokio::test]
async fn a_child_reads_what_it_is_given_and_then_the_end() {
    let fixture = Fixture::new();
    // More than a pipe holds, and so much comes back at the same time.
    let input = "0123456789abcde\n".repeat(20_000).into_bytes();
    let echoed = fixture.run(Command { input: input.clone(), ..fixture.sh("cat") }).await;
    assert_eq!((echoed.ended, echoed.stdout.as_bytes()), (Ended::Code(0), input.as_slice()));
    let deaf = fixture.run(Command { input, ..fixture.sh("exit 3") }).await;
    assert_eq!(deaf.ended, Ended::Code(3));
}

#[tokio::test]
async fn a_child_leads_its_session_reads_nothing_and_has_limits() {
    let fixture = Fixture::new();
    let output =
        fixture.run(fixture.sh("cat; echo $$ $(cut -d' ' -f5,6 /proc/$$/stat); ulimit -c; kill -SEGV $$")).await;
    let mut lines = output.stdout.lines();
    let ids: Vec<&str> = lines.next().unwrap().split(' ').collect();
    assert!(ids.len() == 3 && ids[0] == ids[1] && ids[1] == ids[2], "{ids:?}");
    assert_eq!(lines.next(), Some("0"));
    assert_eq!(output.ended, Ended::Signal(11));
}

#[tokio::test]
async fn a_missing_program_is_named_and_nothing_runs() {
    let fixture = Fixture::new();
    for name in ["no-such-tool", "./no-such-tool", ""] {
        let mut command = fixture.sh("");
        command.argv = vec![name.to_owned()];
        let error = fixture.children.run(command, &CancellationToken::new()).await.unwrap_err();
        assert!(matches!(&error, RunError::NotFound(tool) if tool == name), "{error}");
    }
    assert!(fixture.notes.started.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_program_that_is_no_program_says_so() {
    let fixture = Fixture::new();
    std::fs::write(fixture.dir.path().join("text"), "hello").unwrap();
    let mut command = fixture.sh("");
    command.argv = vec!["./text".to_owned()];
    let error = fixture.children.run(command, &CancellationToken::new()).await.unwrap_err();
    assert!(matches!(error, RunError::Spawn { .. }), "{error}");
}

#[tokio::test]
async fn a_timeout_ends_a_group_that_ignores_term_and_keeps_its_output() {
    let fixture = Fixture::new();
    let mut command = fixture.sh("trap '' TERM; sh -c 'trap \"\" TERM; echo $$; while :; do sleep 100; done'");
    command.timeout = Duration::from_millis(200);
    let output = fixture.run(command).await;
    assert_eq!(output.ended, Ended::TimedOut);
    assert!(output.duration >= GRACE);
    gone(pid_in(&output.stdout)).await;
}

#[tokio::test]
async fn a_group_that_ends_on_term_may_say_goodbye() {
    let fixture = Fixture::new();
    let mut command = fixture.sh("trap 'echo bye; kill $!; exit 0' TERM; sleep 100 & wait");
    command.timeout = Duration::from_millis(200);
    let output = fixture.run(command).await;
    assert_eq!((output.ended, output.stdout.as_str()), (Ended::TimedOut, "bye\n"));
    assert!(output.duration < GRACE);
}

#[tokio::test]
async fn cancel_ends_the_whole_group() {
    let fixture = Fixture::new();
    let ready = fixture.fifo("ready");
    let cancel = CancellationToken::new();
    let command = fixture.sh("sleep 100 & echo $! > ready; wait");
    let (result, pid) = tokio::join!(fixture.children.run(command, &cancel), async {
        let pid = pid_in(&read_fifo(ready).await);
        assert!(runs(pid));
        cancel.cancel();
        pid
    });
    assert!(matches!(result, Err(RunError::Cancelled)));
    gone(pid).await;
}

#[tokio::test]
async fn a_dropped_run_takes_its_children_along() {
    let fixture = Fixture::new();
    let (ready, held) = (fixture.fifo("ready"), fixture.fifo("held"));
    let never = CancellationToken::new();
    let command = fixture.sh("exec 3> held; setsid sleep 100 & echo ready > ready; wait");
    let end = tokio::spawn(read_fifo(held));
    tokio::select! {
        _ = fixture.children.run(command, &never) => panic!("it ended by itself"),
        _ = read_fifo(ready) => {}
    }
    // Comes only when nobody holds the fifo any more.
    assert_eq!(end.await.unwrap(), "");
    while fixture.notes.ended.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_grandchild_with_a_session_of_its_own_dies_too() {
    let fixture = Fixture::new();
    let (ready, held) = (fixture.fifo("ready"), fixture.fifo("held"));
    let end = tokio::spawn(read_fifo(held));
    let ready = tokio::spawn(read_fifo(ready));
    // The pipes are handed back at once, so that only the mark leads to it.
    let script = "setsid sh -c 'exec 3> held; echo $$ > ready; exec sleep 100' >/dev/null 2>&1 & cat ready.ok";
    let ok = fixture.fifo("ready.ok");
    let (output, pid) = tokio::join!(fixture.run(fixture.sh(script)), async {
        let pid = pid_in(&ready.await.unwrap());
        tokio::task::spawn_blocking(move || std::fs::write(ok, "go").unwrap()).await.unwrap();
        pid
    });
    assert_eq!((output.ended, output.stdout.as_str()), (Ended::Code(0), "go"));
    assert_eq!(end.await.unwrap(), "");
    gone(pid).await;
}

#[tokio::test]
async fn a_grandchild_that_holds_the_pipes_delays_nobody() {
    let fixture = Fixture::new();
    let output = fixture.run(fixture.sh("sleep 100 & echo $!")).await;
    assert_eq!(output.ended, Ended::Code(0));
    assert!(output.duration < Duration::from_secs(20), "{:?}", output.duration);
    gone(pid_in(&output.stdout)).await;
}

#[tokio::test]
async fn a_flood_on_both_streams_is_bounded() {
    let fixture = Fixture::new();
    let mut command = fixture
        .sh("echo first; echo first >&2; (yes out | head -c 3000000) & yes err | head -c 3000000 >&2; wait; echo last; echo last >&2");
    command.output_limit = 10_000;
    let output = fixture.run(command).await;
    assert_eq!(output.ended, Ended::Code(0));
    for text in [&output.stdout, &output.stderr] {
        assert!(text.len() <= 10_100, "{}", text.len());
        assert!(text.starts_with("first\n") && text.ends_with("last\n") && text.contains("bytes left out"));
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn leftovers_are_killed_only_if_all_of_their_identity_matches() {
    let fixture = Fixture::new();
    let ready = fixture.fifo("ready");
    let never = CancellationToken::new();
    let run = fixture.children.run(fixture.sh("echo ready > ready; exec sleep 100"), &never);
    let (output, ()) = tokio::join!(run, async {
        read_fifo(ready).await;
        while fixture.notes.started.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        let record = fixture.notes.started.lock().unwrap()[0].clone();
        let wrong = [
            ChildRecord { boot_id: "another".to_owned(), ..record.clone() },
            ChildRecord { boot_id: String::new(), ..record.clone() },
            ChildRecord { start_time: record.start_time + 1, mark: "another".to_owned(), ..record.clone() },
            ChildRecord { start_time: record.start_time + 1, mark: String::new(), ..record.clone() },
        ];
        for other in wrong {
            assert!(!kill_leftover(&other), "{other:?}");
        }
        assert!(runs(record.pid));
        assert!(kill_leftover(&record));
    });
    assert_eq!(output.unwrap().ended, Ended::Signal(9));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_end_of_the_starting_thread_is_the_end_of_its_children() {
    let fixture = Fixture::new();
    let ready = fixture.fifo("ready");
    let command = fixture.sh("echo ready > ready; exec sleep 100");
    let mut running = fixture.children.spawn(&command, Path::new("/bin/sh")).await.unwrap();
    read_fifo(ready).await;
    drop(fixture.children);
    assert_eq!(how(running.child.wait().await.unwrap()), Ended::Signal(9));
}
