//! Whole rounds in this process: real store, real files, a real check; the answers are recorded ones.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::task::Poll;

use proto::config::{
    Auth, CheckConfig, Config, ModelConfig, Price, ProviderConfig, ProviderKind, RoleConfig, SandboxWish, Timeouts,
};
use proto::id::{RoundId, SessionId};
use proto::outcome::Outcome;
use proto::report::RoundReport;
use proto::settings::Flags;
use tokio_util::sync::CancellationToken;

use super::*;

mod edits;

use crate::sandbox::Children;
use crate::session::Engine;
use crate::store::{Change, OpenRound, RoundSpec, SessionSpec, Store};

pub(crate) const PLAN: &str = r#"@@ step plan
{"contract": {"language": "C", "layout": ["a.c", "b.c"], "shared": "int a(void);", "conventions": []},
 "subtasks": [
  {"id": "a", "title": "A", "instructions": "write a.c", "owns": ["a.c"], "reads": [], "after": [], "provides": [], "requires": [], "specialist": null},
  {"id": "b", "title": "B", "instructions": "write b.c", "owns": ["b.c"], "reads": [], "after": [], "provides": [], "requires": [], "specialist": null}],
 "check": {"build": [], "test": []}}
"#;
pub(crate) const WORK: &str = "@@ step work/a/1
===FILE: a.c===
int a(void) { return 1; }
===ENDFILE===
@@ step work/b/1
===FILE: b.c===
int b(void) { return c(); }
===ENDFILE===
";
const FIX: &str = "@@ step fix/1/b
===FILE: b.c===
int b(void) { return 2; } /* mended */
===ENDFILE===
";
pub(crate) const WORDS: &str = "@@ step synthesis
Two files.
";
/// Red with a diagnostic until b.c is mended.
const CHECK: &str = r#"if grep -q mended b.c; then exit 0; fi; echo "b.c:1:23: error: implicit declaration of function 'c'" >&2; exit 1"#;

/// What must be the same however often the daemon died.
#[derive(Debug, PartialEq)]
struct Same {
    outcome: Outcome,
    files: Vec<(String, Option<String>, String)>,
    steps: BTreeSet<String>,
    events: BTreeSet<String>,
    calls: u64,
}

/// What outlives a daemon: the directories and the ids.
pub(crate) struct Scene {
    home: tempfile::TempDir,
    session: SessionId,
    id: RoundId,
    flags: Flags,
}

impl Scene {
    pub(crate) fn new(recording: &[&str], flags: Flags) -> Self {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join("state")).unwrap();
        std::fs::create_dir(home.path().join("work")).unwrap();
        std::fs::write(home.path().join("recording.txt"), recording.concat()).unwrap();
        Self { home, session: SessionId::random(), id: RoundId::random(), flags }
    }

    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.home.path().join(path)
    }

    pub(crate) fn config(&self) -> Config {
        let provider = ProviderConfig {
            kind: ProviderKind::Recorded,
            base_url: self.at("recording.txt").display().to_string(),
            auth: Auth::None,
            org: None,
        };
        let model = ModelConfig {
            provider: "p".to_owned(),
            model: "m".to_owned(),
            context: None,
            max_output: None,
            price: Some(Price::FREE),
            edits: None,
        };
        let by =
            RoleConfig { pool: vec!["m".to_owned()], fallbacks: Vec::new(), max_tokens: 4096, temperature_milli: 0 };
        Config {
            source: "test".to_owned(),
            providers: BTreeMap::from([("p".to_owned(), provider)]),
            models: BTreeMap::from([("m".to_owned(), model)]),
            roles: BTreeMap::from([(role::PLANNER.to_owned(), by.clone()), (role::WORKER.to_owned(), by)]),
            specialists: BTreeMap::new(),
            check: CheckConfig::default(),
            sandbox: SandboxWish::Prefer,
            timeouts: Timeouts::default(),
            log_dir: self.at("logs").display().to_string(),
            network: BTreeMap::new(),
            keep: None,
        }
    }

    fn spec(&self) -> RoundSpec {
        RoundSpec {
            task: "two files".to_owned(),
            work_dir: Some(self.at("work").display().to_string()),
            settings: self.flags.resolve(),
            config: self.config(),
            env: BTreeMap::from([("PATH".to_owned(), std::env::var("PATH").unwrap())]),
            secret_env: BTreeMap::new(),
        }
    }

    /// The life of one daemon: plays the round until its end, or until it was woken so often. Returns whether it came to its end.
    fn live(&self, wakes: usize, cancelled: bool) -> bool {
        // Dropped at the end together with all that still blocks, as a dead process is.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let store = Store::open(&self.at("state")).unwrap();
        let ended = runtime.block_on(async {
            if store.read(|reader| reader.sessions()).await.unwrap().is_empty() {
                let spec = Box::new(self.spec());
                let keep = Box::new(SessionSpec { flags: self.flags.clone(), config: self.config() });
                let session = self.session;
                let changes = vec![
                    Change::NewSession { id: session, work_dir: spec.work_dir.clone(), spec: keep },
                    Change::NewRound { session, round: 1, id: self.id, spec },
                ];
                store.commit(changes).await.unwrap();
            }
            let (mut open, broken) = store.read(|reader| reader.open_rounds()).await.unwrap();
            assert!(broken.is_empty());
            let Some(round) = open.pop() else { return true };
            let children = Arc::new(Children::start(Arc::new(())).unwrap());
            let playing = self.play(&store, children, round, cancelled);
            tokio::pin!(playing);
            let mut left = wakes;
            std::future::poll_fn(|context| match (playing.as_mut().poll(context), left) {
                (Poll::Ready(()), _) => Poll::Ready(true),
                (Poll::Pending, 0) => Poll::Ready(false),
                (Poll::Pending, _) => {
                    left -= 1;
                    Poll::Pending
                }
            })
            .await
        });
        drop(runtime);
        store.close();
        ended
    }

    async fn play(&self, store: &Store, children: Arc<Children>, round: OpenRound, cancelled: bool) {
        run(self.context(store, children, &round, cancelled).await).await.unwrap();
    }

    async fn context(
        &self,
        store: &Store,
        children: Arc<Children>,
        round: &OpenRound,
        cancelled: bool,
    ) -> RoundContext {
        // An engine of its own store, so that it doesn't take up the round by itself.
        let aside = tempfile::tempdir().unwrap();
        let engine = Engine::start(Store::open(aside.path()).unwrap(), children).await.unwrap();
        let journal = Journal::load(store, self.session, 1, self.id, round.active_ms).await.unwrap();
        let log_dir = round.log_dir.clone().map(PathBuf::from);
        let cancel = CancellationToken::new();
        if cancelled {
            cancel.cancel();
        }
        RoundContext::new(engine.resources(round.session), round, journal, Vec::new(), &|_| None, log_dir, cancel)
    }

    fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&crate::store::Reader<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let store = Store::open(&self.at("state")).unwrap();
        let found = runtime.block_on(store.read(query)).unwrap();
        store.close();
        found
    }

    fn report(&self) -> RoundReport {
        let session = self.session;
        let rounds = self.read(move |reader| reader.rounds(session));
        serde_json::from_str(rounds[0].report.as_ref().unwrap()).unwrap()
    }

    fn steps(&self) -> BTreeSet<String> {
        let id = self.id;
        self.read(move |reader| reader.steps(id)).into_iter().map(|step| step.key).collect()
    }

    fn text(&self, path: &str) -> String {
        std::fs::read_to_string(self.at("work").join(path)).unwrap()
    }

    /// What is the same however often the daemon died.
    fn result(&self) -> Same {
        let report = self.report();
        let files = report.files.into_iter().map(|file| (file.path, file.sha256, file.worker)).collect();
        let session = self.session;
        let events: Vec<String> = self.read(move |reader| reader.event_keys(session, 1));
        let known: BTreeSet<String> = events.iter().cloned().collect();
        assert_eq!(known.len(), events.len());
        Same { outcome: report.outcome, files, steps: self.steps(), events: known, calls: report.usage.calls }
    }
}

fn mending() -> Flags {
    Flags { iterate: Some(true), check: Some(CHECK.to_owned()), ..Flags::default() }
}

#[test]
fn a_round_goes_from_red_to_green() {
    let scene = Scene::new(&[PLAN, WORK, FIX, WORDS], mending());
    assert!(scene.live(usize::MAX, false));
    let report = scene.report();
    assert_eq!((report.outcome, report.iterations, report.best_iteration), (Outcome::Passed, 2, Some(2)));
    assert_eq!(scene.text("b.c"), "int b(void) { return 2; } /* mended */\n");
    assert_eq!((report.usage.calls, report.usage.repeated_calls), (5, 0));
    let steps = scene.steps();
    for key in ["plan", "plan/contract", "plan/subtask/2", "plan/complete", "work/a/1", "wrote/work/b/1", "build/1"] {
        assert!(steps.contains(key), "{key} in {steps:?}");
    }
    for key in ["fix/1/b", "write/fix/1/b", "wrote/fix/1/b", "build/2", "synthesis"] {
        assert!(steps.contains(key), "{key} in {steps:?}");
    }
}

#[test]
fn death_at_any_moment_changes_nothing() {
    let whole = Scene::new(&[PLAN, WORK, FIX, WORDS], mending());
    assert!(whole.live(usize::MAX, false));
    let expected = whole.result();
    let mut wakes = 0;
    loop {
        let scene = Scene::new(&[PLAN, WORK, FIX, WORDS], mending());
        let survived = scene.live(wakes, false);
        assert!(survived || scene.live(usize::MAX, false));
        assert_eq!(scene.result(), expected, "died after {wakes} wakes");
        let id = scene.id;
        let sent: u32 = scene.read(move |reader| reader.calls_sent(id)).into_iter().map(|(_, times)| times).sum();
        let usage = scene.report().usage;
        assert_eq!(u64::from(sent), usage.calls + usage.repeated_calls, "died after {wakes} wakes");
        if survived {
            break;
        }
        wakes += 2;
    }
    assert!(wakes > 20, "{wakes}");
}

#[test]
fn death_after_death_ends_all_the_same() {
    let whole = Scene::new(&[PLAN, WORK, FIX, WORDS], mending());
    assert!(whole.live(usize::MAX, false));
    let scene = Scene::new(&[PLAN, WORK, FIX, WORDS], mending());
    let mut wakes = 10;
    while !scene.live(wakes, false) {
        wakes += 3;
    }
    assert_eq!(scene.result(), whole.result());
}

#[test]
fn what_was_spent_before_a_death_counts() {
    let whole = Scene::new(&[PLAN, WORK, FIX, WORDS], mending());
    assert!(whole.live(usize::MAX, false));
    let usage = whole.report().usage;
    // All of it fits but for the last answers: a budget that forgot the plan would let them pass.
    let limit = usage.tokens_in + usage.tokens_out - 1;
    let flags = Flags { max_tokens: Some(limit), ..mending() };
    let scene = Scene::new(&[PLAN, WORK, FIX, WORDS], flags);
    let mut wakes = 10;
    while !scene.live(wakes, false) {
        wakes += 10;
    }
    let spent = scene.report().usage;
    assert!(spent.tokens_in + spent.tokens_out <= limit, "{spent:?}");
    assert!(spent.calls < usage.calls);
}

#[test]
fn a_cancelled_round_says_what_it_did() {
    let scene = Scene::new(&[PLAN, WORK, FIX, WORDS], mending());
    let mut wakes = 10;
    while !scene.steps_or_none().contains("wrote/work/a/1") {
        assert!(!scene.live(wakes, false));
        wakes += 5;
    }
    assert!(scene.live(usize::MAX, true));
    let report = scene.report();
    assert_eq!(report.outcome, Outcome::Cancelled);
    assert!(report.files.iter().any(|file| file.path == "a.c"), "{report:?}");
}

impl Scene {
    fn steps_or_none(&self) -> BTreeSet<String> {
        if self.at("state").join(proto::endpoint::DATABASE_FILE).exists() { self.steps() } else { BTreeSet::new() }
    }
}

/// Flags, further answers, what is in the work dir before → outcome.
#[test]
fn outcomes_are_honest() {
    const STALE: &str = "@@ step work/*/*
===FILE: a.c===
int a(void) { return 1; }
===ENDFILE===
===FILE: b.c===
// ... rest of the code
";
    let plain = Flags::default;
    let checked = |command: &str| Flags { check: Some(command.to_owned()), ..Flags::default() };
    let dry = || Flags { dry_run: true, ..Flags::default() };
    let half = [PLAN, WORK.split_once("@@ step work/b").unwrap().0];
    type Row<'a> = (&'a str, Flags, &'a [&'a str], &'a [(&'a str, &'a str)], Outcome);
    let table: Vec<Row<'_>> = vec![
        ("no check", plain(), &[PLAN, WORK, WORDS], &[], Outcome::Completed),
        ("dry run", dry(), &[PLAN], &[], Outcome::Completed),
        ("green once", checked("true"), &[PLAN, WORK, WORDS], &[], Outcome::Passed),
        ("red once, nothing is mended", checked("false"), &[PLAN, WORK, FIX, WORDS], &[], Outcome::CheckFailed),
        ("no such command", checked("no-such-command-here"), &[PLAN, WORK, WORDS], &[], Outcome::CheckFailed),
        ("a worker isn't served", checked("true"), &half, &[], Outcome::Partial),
        ("no worker is served", plain(), &[PLAN], &[], Outcome::Provider),
        ("no planner", plain(), &[WORK], &[], Outcome::Provider),
        (
            "half an answer over an old file",
            checked("true"),
            &[PLAN, STALE, WORDS],
            &[("b.c", "int b(void);\n")],
            Outcome::Partial,
        ),
    ];
    for (name, flags, recording, before, expected) in table {
        let scene = Scene::new(recording, flags);
        for (path, text) in before {
            std::fs::write(scene.at("work").join(path), text).unwrap();
        }
        assert!(scene.live(usize::MAX, false));
        let report = scene.report();
        assert_eq!(report.outcome, expected, "{name}: {report:?}");
        assert_eq!(report.exit_code, expected.exit_code(), "{name}");
    }
}

#[tokio::test]
async fn a_fault_in_the_work_dir_is_never_an_empty_tree() {
    let scene = Scene::new(&[], Flags::default());
    let store = Store::open(&scene.at("state")).unwrap();
    let round = OpenRound {
        session: scene.session,
        round: 1,
        id: scene.id,
        started: false,
        cancelled: false,
        log_dir: Some(scene.at("log").display().to_string()),
        active_ms: 0,
        unclean: 0,
        steps_seen: -1,
        steps: 0,
        spec: scene.spec(),
    };
    let children = Arc::new(Children::start(Arc::new(())).unwrap());
    let mut cx = scene.context(&store, children, &round, false).await;
    assert!(matches!(cx.on_workspace(|_| ()).await, Ok(None)), "there is no work dir yet");
    cx.open_workspace().await.unwrap();
    assert!(matches!(cx.on_workspace(|_| 1).await, Ok(Some(1))));
    let faulty = cx.on_workspace(|_| -> u8 { panic!("a fault") }).await;
    assert!(matches!(faulty, Err(Stop::Store(_))));
}
