//! Stories of calls, told with a scripted provider under paused time.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join_all;
use proto::config::Price;
use tokio::time::sleep;

use super::*;

mod scene;
use scene::{Act, HELLO, Notes, fails, says, scene, secs};

#[tokio::test(start_paused = true)]
async fn an_answer_is_recorded() {
    let mut scene = scene(&[("a", &[says("hello")])]);
    scene.model("a").price = Some(Price { input: 1_000_000, cached: 0, output: 2_000_000 });
    let record = scene.call("a", "").await.unwrap();
    assert_eq!((record.text.as_str(), record.model.as_str(), record.alias.as_str()), ("hello", "pa/a", "a"));
    assert_eq!((record.duration_ms, record.first_token_ms), (1000, Some(500)));
    assert_eq!((record.cost_micros, record.failed.len()), (Some(30), 0));
    assert_eq!(record.request_hash.len(), 64);
    let json = serde_json::to_string(&record).unwrap();
    assert_eq!(serde_json::from_str::<CallRecord>(&json).unwrap(), record);
}

#[tokio::test(start_paused = true)]
async fn a_prompt_whose_head_was_dropped_is_asked_again_to_fit() {
    let scene = scene(&[("a", &[says("half"), says("whole")])]);
    let prompt = |window: Window| {
        let size = if window.context.is_some() { 100 } else { 20_000 };
        Prompt { system: "s".repeat(size), turns: vec![] }
    };
    let pool = ["a".to_owned()];
    let spec = CallSpec {
        step: "step".into(),
        role: "polecat",
        pool: &pool,
        fallbacks: &[],
        avoid: &[],
        whole: &[],
        prompt: &prompt,
        schema: None,
        max_output: 4000,
        temperature_milli: 0,
        priority: Priority::Normal,
    };
    let result = scene.router.call(&scene.round, &spec, &()).await;
    assert_eq!(cut_by(&result), [("pa/a", 10)]);
    assert_eq!(spent(std::slice::from_ref(&result)).0, 40, "both were paid for");
    let record = result.unwrap();
    assert_eq!((record.text.as_str(), record.failed.len(), record.failed[0].usage.input), ("whole", 1, 10));
    assert_eq!(scene.round.read.window("pa/a"), Some(10));
    assert_eq!(scene.round.read.window("pb/b"), None);
}

#[tokio::test(start_paused = true)]
async fn a_call_may_run_in_a_task_of_its_own() {
    let scene = scene(&[("a", &[says("hello")])]);
    let task = tokio::spawn(async move { scene.call("a", "").await });
    assert!(task.await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_rested_pool_leaves_the_work_to_the_fallback_without_being_asked() {
    let scene = scene(&[("a", &[fails(FailureKind::Network)]), ("f", &[says("x")])]);
    scene.call("a", "f").await.unwrap();
    scene.call("a", "f").await.unwrap();
    assert_eq!(scene.asked().join(""), "aaff");
    assert_eq!(scene.call("a", "a").await.unwrap_err().attempts().len(), 5, "alone, it is asked all the same");
}

#[tokio::test(start_paused = true)]
async fn a_free_fallback_serves_when_the_money_is_spent() {
    let mut scene = scene(&[("dear", &[says("x")]), ("free", &[says("x")])]);
    scene.model("dear").price = Some(Price { input: 1_000_000, cached: 0, output: 1_000_000 });
    scene.round.budget = Arc::new(Budget::new(None, Some(2000)).with_spent(0, 1500));
    assert_eq!(scene.call("dear", "free").await.unwrap().alias, "free");
    let failure = scene.call("dear", "").await.unwrap_err();
    assert!(matches!(failure, CallFailure::Budget { limit: BudgetLimit::Cost { spent: 1500, .. }, .. }));
}

#[tokio::test(start_paused = true)]
async fn eight_workers_on_one_model_run_at_once() {
    let scene = scene(&[("a", &[says("x").taking(10)])]);
    let results = join_all((0..8).map(|_| scene.call("a", ""))).await;
    assert!(results.iter().all(Result::is_ok));
    assert_eq!(scene.waited(), secs(10));
}

#[tokio::test(start_paused = true)]
async fn eight_workers_spread_over_a_pool() {
    let scene = scene(&[("a", &[says("x").taking(10)]), ("b", &[says("x").taking(10)])]);
    join_all((0..8).map(|_| scene.call("a b", "f"))).await;
    assert_eq!((scene.times_asked("a"), scene.times_asked("b")), (4, 4));
}

#[tokio::test(start_paused = true)]
async fn a_dead_member_s_subtasks_go_to_the_other_at_once_and_it_rests() {
    let scene = scene(&[("dead", &[fails(FailureKind::Network)]), ("live", &[says("x").taking(10)])]);
    let results = join_all((0..8).map(|_| scene.call("dead live", ""))).await;
    assert!(results.iter().all(|result| result.as_ref().unwrap().model == "plive/live"));
    assert_eq!(scene.waited(), secs(10));
    let before = scene.times_asked("dead");
    assert!((1..=4).contains(&before), "{before}");
    for _ in 0..2 {
        scene.call("dead live", "").await.unwrap();
    }
    assert_eq!(scene.times_asked("dead"), before, "it rests");
    sleep(secs(300)).await;
    join_all((0..2).map(|_| scene.call("dead live", ""))).await;
    assert!(scene.times_asked("dead") > before, "it is tried again later");
}

#[tokio::test(start_paused = true)]
async fn a_slow_pool_is_waited_for() {
    let scene = scene(&[("a", &[says("x").taking(200)]), ("b", &[says("x").taking(200)]), ("f", &[says("x")])]);
    let results = join_all((0..4).map(|_| scene.call("a b", "f"))).await;
    assert!(results.iter().all(Result::is_ok));
    assert_eq!(scene.times_asked("f"), 0);
}

#[tokio::test(start_paused = true)]
async fn trouble_that_passes_is_retried_with_growing_waits() {
    for kind in [FailureKind::Server, FailureKind::Network, FailureKind::RateLimited, FailureKind::Timeout] {
        let scene = scene(&[("a", &[fails(kind), fails(kind), fails(kind), fails(kind), says("x")])]);
        let record = scene.call("a", "").await.unwrap();
        assert_eq!(record.failed.len(), 4, "{kind:?}");
        assert!(record.failed.iter().all(|attempt| attempt.kind == Some(kind) && attempt.sent));
        let waited = scene.waited() - secs(1);
        assert!(waited >= Duration::from_millis(3750) && waited <= secs(30), "{kind:?} {waited:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn four_more_tries_then_the_fallbacks_in_order() {
    let down = || fails(FailureKind::Server);
    let scene = scene(&[("a", &[down()]), ("f", &[down()]), ("g", &[says("x")])]);
    let record = scene.call("a", "f g").await.unwrap();
    assert_eq!(record.alias, "g");
    assert_eq!(scene.asked().join(""), "aaaaafffffg");
    let usage = usage([("polecat", &Ok(record))], 0);
    assert_eq!((usage.calls, usage.by_model["pa/a"].calls), (11, 5));
}

#[tokio::test(start_paused = true)]
async fn no_model_would_serve() {
    let scene = scene(&[("a", &[fails(FailureKind::Server)])]);
    let failure = scene.call("a nonsense", "").await.unwrap_err();
    assert!(matches!(&failure, CallFailure::NoModel { attempts } if attempts.len() == 6), "{failure:?}");
    assert_eq!(failure.attempts().iter().filter(|attempt| attempt.sent).count(), 5);
}

#[tokio::test(start_paused = true)]
async fn what_a_retry_can_t_mend_goes_on_at_once() {
    for kind in [FailureKind::Auth, FailureKind::Rejected, FailureKind::UnknownModel] {
        let scene = scene(&[("a", &[fails(kind)]), ("f", &[says("x")])]);
        scene.call("a", "f").await.unwrap();
        assert_eq!(scene.asked(), ["a", "f"], "{kind:?}");
        assert_eq!(scene.waited(), secs(1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_cut_stream_is_retried_and_the_text_starts_anew() {
    let cut = Act { pieces: vec!["hel"], ..fails(FailureKind::Network).taking(60) };
    let scene = scene(&[("a", &[cut, says("hello")])]);
    let notes = Notes::default();
    let record = scene.ask("a", "", "", &notes).await.unwrap();
    assert_eq!(record.text, "hello");
    assert_eq!(*notes.0.lock().unwrap(), ["[pa/a]", "hel", "[pa/a]", "hello"]);
    let took = TokenUsage { input: HELLO, cached: 0, written: 0, output: 1, estimated: true };
    assert_eq!(record.failed[0].usage, took);
}

#[tokio::test(start_paused = true)]
async fn an_empty_answer_is_asked_once_more_then_the_next() {
    let scene = scene(&[("a", &[says(" \n")]), ("f", &[says("x")])]);
    let record = scene.call("a", "f").await.unwrap();
    assert_eq!(scene.asked(), ["a", "a", "f"]);
    assert_eq!(record.failed[0].message, "the answer is empty");
    assert_eq!(record.failed[0].usage.output, 10, "it was paid for");
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_kept_to() {
    let scene = scene(&[("a", &[fails(FailureKind::RateLimited).after(45), says("x")])]);
    scene.call("a", "").await.unwrap();
    assert_eq!(scene.waited(), secs(46));
}

#[tokio::test(start_paused = true)]
async fn retry_after_holds_back_other_calls_with_the_same_key() {
    let scene = scene(&[("a", &[fails(FailureKind::RateLimited).after(45), says("x")])]);
    let second = async {
        sleep(secs(1)).await;
        scene.call("a", "").await.unwrap();
    };
    tokio::join!(scene.call("a", "").map(Result::unwrap), second);
    assert!(scene.stage.asked.lock().unwrap()[1..].iter().all(|(_, at, _)| *at >= scene.start + secs(45)));
}

#[tokio::test(start_paused = true)]
async fn a_long_demand_goes_to_whoever_is_healthy() {
    let scene = scene(&[("a", &[fails(FailureKind::RateLimited).after(45), says("x")]), ("f", &[says("x")])]);
    assert_eq!(scene.call("a", "f").await.unwrap().alias, "f");
    assert_eq!(scene.call("a", "f").await.unwrap().alias, "f", "while the gate is closed");
    assert_eq!(scene.asked(), ["a", "f", "f"]);
    sleep(secs(45)).await;
    assert_eq!(scene.call("a", "f").await.unwrap().alias, "a");
}

#[tokio::test(start_paused = true)]
async fn models_with_the_same_key_are_held_back_together() {
    let mut scene = scene(&[
        ("a", &[fails(FailureKind::RateLimited).after(45), says("x")]),
        ("b", &[says("x")]),
        ("f", &[says("x")]),
    ]);
    scene.model("b").provider = "pa".into();
    assert_eq!(scene.call("a", "b f").await.unwrap().alias, "f");
    assert_eq!(scene.call("b", "f").await.unwrap().alias, "f");
    assert_eq!(scene.asked(), ["a", "f", "f"]);
    assert_eq!(scene.call("b", "").await.unwrap().alias, "b");
    assert_eq!(scene.waited(), secs(46));
}

#[tokio::test(start_paused = true)]
async fn a_demand_beyond_the_deadline_is_not_waited_for() {
    let scene = scene(&[("a", &[fails(FailureKind::RateLimited).after(3600)])]);
    let failure = scene.call("a", "").await.unwrap_err();
    assert!(matches!(failure, CallFailure::NoModel { .. }));
    let next = scene.call("a", "").await.unwrap_err();
    assert!(!next.attempts()[0].sent, "{next:?}");
    assert_eq!((scene.asked().len(), scene.waited()), (1, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn an_overflow_goes_to_windows_that_may_be_larger() {
    let mut scene = scene(&[
        ("a", &[fails(FailureKind::ContextOverflow)]),
        ("same", &[says("x")]),
        ("unknown", &[says("x")]),
        ("large", &[says("x")]),
    ]);
    scene.model("a").context = Some(8000);
    scene.model("same").context = Some(8000);
    scene.model("large").context = Some(100_000);
    assert_eq!(scene.call("a", "same large").await.unwrap().alias, "large");
    assert_eq!(scene.call("a", "same unknown large").await.unwrap().alias, "unknown");
    assert_eq!(scene.asked(), ["a", "large", "a", "unknown"]);
    let failure = scene.call("a", "same").await.unwrap_err();
    assert!(matches!(failure, CallFailure::ContextOverflow { .. }), "{failure:?}");
}

#[tokio::test(start_paused = true)]
async fn models_to_avoid_come_last() {
    let scene = scene(&[("a", &[says("x")]), ("b", &[says("x")]), ("f", &[says("x")])]);
    assert_eq!(scene.ask("a b", "f", "pa/a", &()).await.unwrap().alias, "b");
    assert_eq!(scene.ask("a b", "f", "pa/a b", &()).await.unwrap().alias, "f");
    assert_eq!(scene.ask("a", "", "a", &()).await.unwrap().alias, "a");
}

#[tokio::test(start_paused = true)]
async fn a_missing_secret_is_named_unless_another_model_serves() {
    let mut scene = scene(&[("a", &[says("x")]), ("f", &[says("x")])]);
    let error = fails(FailureKind::NoSecret).end.unwrap_err();
    scene.round.providers.insert("pa".into(), Err(error));
    assert_eq!(scene.call("a", "f").await.unwrap().alias, "f");
    let failure = scene.call("a", "").await.unwrap_err();
    assert!(matches!(failure, CallFailure::NoSecret { secret, .. } if secret.0 == "env:KEY_a"));
}

#[tokio::test(start_paused = true)]
async fn the_deadline_ends_a_call_wherever_it_is() {
    for act in [says("x").taking(3600), fails(FailureKind::RateLimited), fails(FailureKind::RateLimited).after(599)] {
        let mut scene = scene(&[("a", &[act.clone(), says("x").taking(3600)])]);
        scene.round.deadline = scene.start + secs(600);
        let failure = scene.call("a", "").await.unwrap_err();
        assert!(matches!(failure, CallFailure::Deadline { .. }), "{failure:?}");
        assert_eq!(scene.waited(), secs(600));
        let last = failure.attempts().last().unwrap();
        assert_eq!((last.kind, last.sent), (None, true), "it was in flight");
    }
}

#[tokio::test(start_paused = true)]
async fn cancelling_ends_a_call_at_once_and_it_is_accounted_for() {
    let mut scene = scene(&[("a", &[says("x").taking(100)])]);
    scene.round.budget = Arc::new(Budget::new(Some(100_000), None));
    let cancel = scene.round.cancel.clone();
    let (result, ()) = tokio::join!(scene.call("a", ""), async {
        sleep(secs(60)).await;
        cancel.cancel();
    });
    let failure = result.unwrap_err();
    assert_eq!(scene.waited(), secs(60));
    assert!(matches!(&failure, CallFailure::Cancelled { attempts } if attempts[0].usage.input == HELLO));
    assert_eq!(scene.round.budget.spent(), (HELLO + 1, 0));
    assert_eq!(spent([&Err(failure)]), (HELLO + 1, 0));
}

#[tokio::test(start_paused = true)]
async fn the_budget_shortens_an_answer_then_ends_the_calls() {
    let mut scene = scene(&[("a", &[says("x")])]);
    scene.round.budget = Arc::new(Budget::new(Some(2000), None));
    scene.call("a", "").await.unwrap();
    assert_eq!(scene.stage.asked.lock().unwrap()[0].2.max_output, 1900);
    assert_eq!(scene.round.budget.spent(), (20, 0));
    scene.round.budget = Arc::new(Budget::new(Some(2000), None).with_spent(1000, 0));
    let failure = scene.call("a", "").await.unwrap_err();
    let limit = BudgetLimit::Tokens { limit: 2000, spent: 1000 };
    assert_eq!(failure, CallFailure::Budget { limit, attempts: vec![] });
    assert_eq!(scene.asked().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn calls_that_don_t_fit_beside_each_other_run_one_after_another() {
    let mut scene = scene(&[("a", &[says("x")])]);
    scene.round.budget = Arc::new(Budget::new(Some(5000), None));
    let results = join_all((0..8).map(|_| scene.call("a", ""))).await;
    assert!(results.iter().all(Result::is_ok));
    assert_eq!(scene.round.budget.spent(), (160, 0));
}

#[tokio::test(start_paused = true)]
async fn refusals_cost_nothing_of_the_budget() {
    let mut scene = scene(&[("a", &[fails(FailureKind::RateLimited), fails(FailureKind::Network), says("x")])]);
    scene.round.budget = Arc::new(Budget::new(Some(100_000), None));
    scene.call("a", "").await.unwrap();
    assert_eq!(scene.round.budget.spent(), (20, 0));
}

#[tokio::test(start_paused = true)]
async fn a_provider_without_usage_is_estimated() {
    let act = Act { end: Ok(TokenUsage::default()), ..says("12345678") };
    let scene = scene(&[("a", &[act])]);
    let record = scene.call("a", "").await.unwrap();
    assert_eq!(record.usage, TokenUsage { input: HELLO, cached: 0, written: 0, output: 2, estimated: true });
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_gives_everything_back() {
    let mut scene = scene(&[("a", &[says("x").taking(100)])]);
    scene.round.budget = Arc::new(Budget::new(Some(5000), None));
    {
        let call = scene.call("a", "");
        tokio::pin!(call);
        assert!(call.as_mut().now_or_never().is_none());
        assert_eq!(scene.asked().len(), 1);
    }
    assert_eq!(scene.round.budget.spent(), (HELLO, 0));
    scene.call("a", "").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn too_many_at_once_halves_what_runs_and_loses_nobody() {
    let mut acts = vec![fails(FailureKind::RateLimited).after(1).taking(2); 8];
    acts.push(says("x"));
    let scene = scene(&[("a", &acts)]);
    let results = join_all((0..8).map(|_| scene.call("a", ""))).await;
    assert!(results.iter().all(Result::is_ok));
    let second: Vec<_> = scene.stage.asked.lock().unwrap()[8..].iter().map(|(_, at, _)| *at - scene.start).collect();
    assert_eq!(second.iter().filter(|at| **at == secs(3)).count(), 4, "{second:?}");
    assert_eq!(second.iter().filter(|at| **at == secs(4)).count(), 4, "{second:?}");
}
