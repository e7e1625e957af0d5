//! Whatever a provider does, the round goes on with another model or ends with the right code, and the daemon stays small.

use std::time::{Duration, Instant};

use proto::event::Event;
use proto::outcome::Outcome;
use tests::env::{Config, Env, KEY, KEY_VARIABLE, Output};
use tests::model::{Echo, Fault, Model, RetryAfter, Story, Sub, Wire};

use super::memory;
use super::server::{Hostile, TRICKS};

/// What eight hostile answers at once may take: each an event and an answer as large as they may be, and copies on their way.
const MOST_MEMORY: u64 = 8 * 64 * 1024 * 1024;

fn content(id: &str) -> String {
    format!("the content of {id}\nin two lines\n")
}

fn parts(count: usize) -> (Vec<String>, Story) {
    let ids: Vec<String> = (0..count).map(|number| format!("p{number}")).collect();
    let subs: Vec<Sub> = ids.iter().map(|id| Sub::new(id, "A part").owns([format!("{id}.txt").as_str()])).collect();
    let story =
        ids.iter().fold(Story::new().plan(subs), |story, id| story.file(id, &format!("{id}.txt"), &content(id)));
    (ids, story)
}

fn assert_all_there(env: &Env, ids: &[String]) {
    for id in ids {
        assert_eq!(env.read(&format!("{id}.txt")), content(id));
    }
}

/// Numbers that a seed determines (an xorshift generator).
struct Draw(u64);

impl Draw {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

fn faults() -> Vec<Fault> {
    vec![
        Fault::Status(400),
        Fault::Status(404),
        Fault::Status(500),
        Fault::Status(503),
        Fault::RateLimited(RetryAfter::Millis(20)),
        Fault::RateLimited(RetryAfter::Date(Duration::from_secs(1))),
        Fault::RateLimited(RetryAfter::Seconds(365 * 86_400)),
        Fault::RateLimited(RetryAfter::Unsaid),
        Fault::EchoKey(401, Echo::Plain),
        Fault::EchoKey(500, Echo::Base64),
        Fault::ContextOverflow,
        Fault::HangUp,
        Fault::Cut,
        Fault::Stall,
        Fault::Silent,
        Fault::LateHeaders(Duration::from_millis(200)),
        Fault::Malformed,
        Fault::ErrorInStream,
        Fault::LengthCut,
        Fault::Empty,
        Fault::Redirect("http://127.0.0.1:1/v1".to_owned()),
    ]
}

/// Eight workers, a part each for two dozen of them, and for each one or two faults drawn at random; another provider stands behind.
fn under_load(wire: Wire) {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let seed = since.as_nanos() as u64 | 1;
    println!("seed {seed}");
    let mut draw = Draw(seed);
    let env = Env::new();
    let (ids, story) = parts(24);
    let mut faulty = story.clone();
    for id in &ids {
        for _ in 0..=draw.below(2) {
            let mut all = faults();
            let fault = all.swap_remove(draw.below(all.len()));
            println!("{id}: {fault:?}");
            faulty = faulty.fail(&format!("work/{id}"), fault);
        }
    }
    let (first, second) = (Model::start(faulty), Model::start(story));
    env.write_config(
        &Config::new()
            .provider_yaml(
                "first",
                &format!(
                    "type: {}, base_url: \"{}\", api_key: ${KEY_VARIABLE}",
                    wire.provider_type(),
                    first.base_url(wire)
                ),
            )
            .provider("second", wire, &second.base_url(wire))
            .model_with("faulty", "first", "faulty", "context: 32768")
            .model_with("honest", "second", "honest", "context: 200000")
            .role("mayor", ["honest"], [])
            .role("polecat", ["faulty"], ["honest"])
            .extra("timeouts: { first_token: 2s, between_tokens: 1s }"),
    );
    let out = env.et(["run", "-o", ".", "--json", "--workers", "8", "write all parts"]).run();
    let result = out.assert_ok().result();
    assert_all_there(&env, &ids);
    let sent = first.records().len() + second.records().len();
    assert_eq!(usize::try_from(result.usage.calls).unwrap(), sent, "each call is counted");
    out.assert_nowhere(KEY);
    assert!(env.files_with(&[KEY]).is_empty());
    assert!(memory(&env, "VmHWM") < MOST_MEMORY);
}

#[test]
fn every_fault_under_load_openai() {
    under_load(Wire::OpenAi);
}

#[test]
fn every_fault_under_load_anthropic() {
    under_load(Wire::Anthropic);
}

#[test]
fn every_fault_under_load_gemini() {
    under_load(Wire::Gemini);
}

#[test]
fn every_fault_under_load_ollama() {
    under_load(Wire::Ollama);
}

/// Why workers failed.
fn reasons(out: &Output) -> Vec<String> {
    let reason = |event| match event {
        Event::WorkerFailed { reason, .. } => Some(reason),
        _ => None,
    };
    out.events().into_iter().filter_map(|line| reason(line.event)).collect()
}

#[test]
fn what_breaks_every_rule_is_survived() {
    let env = Env::new();
    let (ids, story) = parts(TRICKS.len());
    let (hostile, honest) = (Hostile::start(TRICKS), Model::start(story));
    let config = |fallbacks: &[&str]| {
        Config::new()
            .provider("bad", Wire::OpenAi, &hostile.base_url())
            .provider("good", Wire::OpenAi, &honest.base_url(Wire::OpenAi))
            .model("bad", "bad", "bad")
            .model("good", "good", "good")
            .role("mayor", ["good"], [])
            .role("polecat", ["bad"], fallbacks.iter().copied())
    };
    env.write_config(&config(&["good"]));
    let out = env.et(["run", "-o", ".", "--json", "--workers", "11", "write all parts"]).run();
    let usage = out.assert_ok().result().usage;
    assert_all_there(&env, &ids);
    assert!(hostile.played() >= TRICKS.len(), "{} tricks were played", hostile.played());
    assert_eq!(usage.by_model["bad/bad"].calls as usize, hostile.played());
    let most = memory(&env, "VmHWM");
    println!("the daemon took {} MiB at most", most >> 20);
    assert!(most < MOST_MEMORY, "{most} bytes");

    // With nobody else to ask, each of them ends a round by its name.
    env.write_config(&config(&[]));
    let out = env.et(["run", "-o", "alone", "--json", "--workers", "11", "write all parts"]).run();
    assert_eq!(out.assert_code(3).result().outcome, Outcome::Provider);
    let reasons = reasons(&out);
    assert_eq!(reasons.len(), ids.len(), "{reasons:#?}");
    // Those that aren't asked again; of the others the last trick counts.
    for part in ["a redirect to another place isn't followed", "HTTP 400: no, "] {
        assert!(reasons.iter().any(|reason| reason.contains(part)), "{part}: {reasons:#?}");
    }
    out.assert_nowhere(KEY).assert_nowhere("\u{1b}");
    assert!(env.files_with(&[KEY]).is_empty());
    env.et(["session", "list"]).run().assert_ok();
}

#[test]
fn counts_of_tokens_that_cannot_be_true_are_estimated() {
    for wire in [Wire::OpenAi, Wire::Anthropic, Wire::Gemini, Wire::Ollama] {
        let env = Env::new();
        let (ids, story) = parts(3);
        let model = Model::start(story.usage("plan", u64::MAX, u64::MAX).usage("work", u64::MAX, u64::MAX).cached(0));
        env.config_for(&model, wire);
        let out = env.et(["run", "-o", ".", "--json", "--max-tokens", "1000000", "write all parts"]).run();
        let usage = out.assert_ok().result().usage;
        assert_all_there(&env, &ids);
        assert!(usage.estimated && usage.tokens_in < 1_000_000 && usage.tokens_out < 1_000_000, "{wire:?} {usage:?}");
    }
}

#[test]
fn a_wait_of_a_year_ends_the_round_at_once() {
    let env = Env::new();
    let (_, story) = parts(1);
    let year = RetryAfter::Seconds(365 * 86_400);
    let model = Model::start(story.fail("plan", Fault::RateLimited(year)));
    env.config(&model);
    let begun = Instant::now();
    let out = env.et(["run", "-o", ".", "--json", "write all parts"]).run();
    assert_eq!(out.assert_code(3).result().outcome, Outcome::Provider);
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert_eq!(model.count("plan"), 1);
}
