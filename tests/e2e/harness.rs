//! The harness itself: what it promises to the other tests.

use tests::env::Env;

#[test]
fn children_see_only_what_was_named() {
    let env = Env::new();
    env.set("ET_SAID", "so");
    let out = env.sh("env; echo to stderr >&2; exit 3").run();
    out.assert_code(3).assert_stdout("ET_SAID=so").assert_stderr("to stderr").assert_nowhere("CARGO_MANIFEST_DIR");
    assert!(out.stdout.contains(&format!("HOME={}", env.home().display())));
    let out = env.command("/bin/cat", ["-"]).stdin("from stdin").run();
    assert_eq!(out.assert_ok().stdout, "from stdin");
}

#[test]
fn a_running_command_can_be_watched_and_killed() {
    let env = Env::new();
    let running = env.sh("echo begun; exec sleep 600").spawn();
    assert_eq!(running.wait_for_line("begun"), "begun");
    assert_eq!(running.kill9().signal, Some(9));
}

#[test]
fn a_terminal_shows_takes_keys_and_hangs_up() {
    let env = Env::new();
    let script = "trap 'echo hung up > hup; exit 0' HUP; trap 'echo interrupted' INT; test -t 1 && echo on a terminal; \
                  while :; do sleep 0.05; done";
    let mut terminal = env.on_terminal("/bin/sh", ["-c", script], 24, 80);
    terminal.screen_contains("on a terminal");
    terminal.press("\x03");
    terminal.screen_contains("interrupted");
    terminal.hang_up();
    terminal.wait();
    assert_eq!(env.read("hup"), "hung up\n");
}

#[test]
fn a_key_in_a_file_is_found() {
    let env = Env::new();
    env.write("deep/down.txt", "has abc in it");
    assert_eq!(env.files_with(&["abc"]), [env.work().join("deep/down.txt")]);
    assert!(env.files_with(&["abd"]).is_empty());
}
