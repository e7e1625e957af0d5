//! Ctrl-C, TERM, HUP, a closed window, and what a shell does with descriptors.

use std::fs;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use proto::outcome::Outcome;
use tests::env::{Env, Terminal, poll};
use tests::model::{Fault, Model, Point};
use tests::projects::stories;

use crate::aftermath::{assert_nothing_left, assert_same_log, wait_for_type};

/// The run, on a terminal, of a round whose only worker is held.
fn held_on_a_terminal(env: &Env, model: &Model) -> Terminal {
    let terminal = env.et_on_terminal(["run", "-o", ".", "Write a part"], 24, 100);
    model.wait_for_held("work");
    terminal
}

#[test]
fn ctrl_c_cancels_and_leaves_the_best_tree() {
    let env = Env::new();
    let check = "case $(cat two.txt) in *'count = 2'*) exit 0;; *'count = 1'*) n=1;; *) n=2;; esac; \
                 while [ $n -gt 0 ]; do echo \"two.txt:$n: error: count is wrong\"; n=$((n - 1)); done; exit 1";
    let story = stories::tiny_unfixable().fix("two.txt", "count is wrong", "the second file\ncount = 3\nworse\n");
    // The first fix makes it worse; the second never comes.
    let model = Model::start(story.fail("fix#2", Fault::Silent).lenient());
    env.config(&model);
    let mut terminal =
        env.et_on_terminal(["run", "-o", ".", "--iterate", "--check", check, "Write two files"], 24, 100);
    model.wait_until("the second fix", |records| {
        (records.iter().filter(|one| one.is("fix")).count() == 2).then_some(())
    });
    assert!(env.read("two.txt").contains("count = 3"));
    terminal.press("\x03");
    assert_eq!(terminal.wait(), 130);
    assert_eq!(env.read("two.txt"), stories::TINY_BROKEN);
    env.et(["session", "wait", "last"]).run().assert_code(130);
    assert_nothing_left(env);
}

#[test]
fn ctrl_c_cancels_before_there_is_a_plan() {
    let env = Env::new();
    let model = Model::start(stories::wide(2).hold_at("plan", Point::Headers));
    env.config(&model);
    let run = env.et_spawn(["run", "-o", ".", "--json", "--iterate", "Write two parts"]);
    model.wait_for_held("plan");
    run.signal(Signal::SIGINT);
    let out = run.wait();
    out.assert_code(130);
    assert_eq!(out.result().outcome, Outcome::Cancelled);
    assert_same_log(&env, &out);
    assert_nothing_left(env);
}

#[test]
fn a_second_ctrl_c_leaves_at_once() {
    let env = Env::new();
    let model = Model::start(stories::wide(1).hold("work"));
    env.config(&model);
    let mut terminal = held_on_a_terminal(&env, &model);
    // A daemon that can't answer now.
    env.signal_daemon(Signal::SIGSTOP);
    terminal.press("\x03");
    terminal.screen_contains("cancelling");
    let began = Instant::now();
    terminal.press("\x03");
    assert_eq!(terminal.wait(), 130);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    env.signal_daemon(Signal::SIGCONT);
    assert_nothing_left(env);
}

#[test]
fn term_and_hup_detach() {
    let env = Env::new();
    let model = Model::start(stories::wide(1).hold("work"));
    env.config(&model);
    for signal in [Signal::SIGTERM, Signal::SIGHUP] {
        let run = env.et_spawn(["run", "-o", ".", "--json", "Write a part"]);
        wait_for_type(&run, "worker.started", "part-1");
        run.signal(signal);
        run.wait().assert_code(75).assert_stderr("et session attach");
        model.wait_for_held("work");
        model.release("work");
        env.et(["session", "wait", "last"]).run().assert_ok();
        model.hold("work", Point::Half);
    }
    assert_nothing_left(env);
}

#[test]
fn a_closed_window_stops_nothing() {
    let env = Env::new();
    let model = Model::start(stories::wide(1).hold("work"));
    env.config(&model);
    let mut terminal = held_on_a_terminal(&env, &model);
    terminal.hang_up();
    terminal.wait();
    model.release("work");
    env.et(["session", "wait", "last"]).run().assert_ok();
    assert!(env.has("part-1.txt"));
    assert_nothing_left(env);
}

#[test]
fn signals_are_taken_while_nobody_reads() {
    let env = Env::new();
    let model = Model::start(stories::wide(1).hold("work"));
    env.config(&model);
    env.et(["session", "spawn", "--work-dir", ".", "--no-iterate", "Write a part"]).run().assert_ok();
    model.wait_for_held("work");
    // Standard output is a pipe that is full.
    let stalled = |name: &str, command: &str| {
        let script = "mkfifo \"$0\"; exec 3<>\"$0\"; head -c 65536 /dev/zero >&3; exec et ";
        let run = env.sh(&format!("{script}{command} >&3")).arg(name).spawn();
        let about = |what| fs::read_to_string(format!("/proc/{}/{what}", run.pid())).unwrap_or_default();
        let writes = || about("syscall").starts_with("1 0x1 ") || about("wchan").contains("pipe_write");
        let is_et = || about("comm").trim() == "et";
        assert!(poll(Duration::from_secs(30), || is_et() && writes()), "it never waits for its reader");
        run
    };
    for signal in [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT] {
        let run = stalled(signal.as_str(), "session attach last --json --from start");
        run.signal(signal);
        run.wait().assert_code(75).assert_stderr("nobody reads what is printed");
    }
    model.release("work");
    env.et(["session", "wait", "last"]).run().assert_ok();
    model.hold("work", Point::Half);
    let run = stalled("pressed", "run --json -o . 'Write a part'");
    run.signal(Signal::SIGINT);
    assert!(poll(Duration::from_secs(30), || run.stderr().contains("Ctrl-C again leaves at once")));
    run.signal(Signal::SIGINT);
    run.wait().assert_code(130);
    model.release("work");
    env.et(["session", "wait", "last"]).run().assert_ok();
    assert_nothing_left(env);
}

#[test]
fn ctrl_c_detaches_from_attach() {
    let env = Env::new();
    let model = Model::start(stories::wide(1).hold("work"));
    env.config(&model);
    env.et(["session", "spawn", "--work-dir", ".", "--no-iterate", "Write a part"]).run().assert_ok();
    let mut terminal = env.et_on_terminal(["session", "attach", "last"], 24, 100);
    terminal.screen_contains("part-1");
    model.wait_for_held("work");
    terminal.press("\x03");
    assert_eq!(terminal.wait(), 75);
    model.release("work");
    env.et(["session", "wait", "last"]).run().assert_ok();
    assert_nothing_left(env);
}

#[test]
fn a_daemon_that_starts_keeps_no_descriptor() {
    // Each in an environment without a daemon: the harness waits until nobody holds the output open.
    for script in [
        "out=$(et session list 2>&1); echo \"[$out]\"",
        "et session list <&-; echo done",
        "et session list >&-; echo done",
        "et session list <&- >&- 2>&-; echo done",
        "et session list | head -1; echo done",
        "exec 9>&1; et session list; echo done",
    ] {
        let env = Env::new();
        let out = env.sh(&format!("{script}; et daemon status >/dev/null")).run();
        assert!(out.assert_ok().stdout.contains("done") || out.stdout.contains("[no sessions"), "{script}\n{out}");
        assert_nothing_left(env);
    }
}

#[test]
fn a_closed_pipe_is_no_error() {
    let env = Env::new();
    let model = Model::start(stories::wide(2));
    env.config(&model);
    let out = env.sh("{ et run -o . --json 'Write two parts'; echo \"code $?\" >&2; } | head -1").run();
    out.assert_ok().assert_stderr("code 0").assert_stdout("round.queued").assert_nowhere("panic");
    assert_nothing_left(env);
}
