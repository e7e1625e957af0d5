//! Counts of tokens that can't be true.

use serde_json::{Value, json};

use super::super::wire::{Answer, MAX_COUNT, Outgoing, Quirks, Sink};
use super::super::{anthropic, gemini, ollama, openai};
use super::*;

fn build(kind: ProviderKind) -> Outgoing {
    match kind {
        ProviderKind::Anthropic => anthropic::build(&request(), Quirks::default()),
        ProviderKind::Gemini => gemini::build(&request(), Quirks::default()),
        ProviderKind::Ollama => ollama::build(&request(), Quirks::default()),
        ProviderKind::Openai | ProviderKind::Recorded => openai::build(&request(), Quirks::default(), None),
    }
}

/// The events that report this count as everything that can be counted.
fn events(kind: ProviderKind, count: &Value) -> Vec<Value> {
    match kind {
        ProviderKind::Anthropic => {
            let usage = json!({
                "input_tokens": count, "output_tokens": count,
                "cache_read_input_tokens": count, "cache_creation_input_tokens": count,
            });
            vec![
                json!({"type": "message_start", "message": {"usage": usage}}),
                json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage}),
            ]
        }
        ProviderKind::Gemini => vec![json!({
            "candidates": [{"content": {"parts": [{"text": "hi"}]}, "finishReason": "STOP"}],
            "usageMetadata": {
                "promptTokenCount": count, "candidatesTokenCount": count, "thoughtsTokenCount": count,
                "cachedContentTokenCount": count,
            },
        })],
        ProviderKind::Ollama => {
            vec![json!({"message": {"content": "hi"}, "done": true, "prompt_eval_count": count, "eval_count": count})]
        }
        ProviderKind::Openai | ProviderKind::Recorded => {
            let details = json!({"cached_tokens": count});
            vec![
                json!({"choices": [{"delta": {"content": "hi"}, "finish_reason": "stop"}]}),
                json!({
                    "choices": [],
                    "usage": {"prompt_tokens": count, "completion_tokens": count, "prompt_tokens_details": details},
                }),
            ]
        }
    }
}

#[test]
fn a_count_that_cannot_be_true_is_none() {
    let lies = [
        json!(-1),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(u64::MAX - 1),
        json!(MAX_COUNT + 1),
        json!(1e300),
        json!(-1e300),
        json!(1.8e19),
        json!("17"),
        json!("NaN"),
        json!(null),
        json!(true),
        json!([7]),
        json!({"a": 7}),
    ];
    for kind in KINDS {
        for lie in &lies {
            let mut outgoing = build(kind);
            let mut answer = Answer::default();
            let mut on = |_: super::super::Piece<'_>| {};
            let mut sink = Sink { answer: &mut answer, on: &mut on, lively: false };
            for event in events(kind, lie) {
                outgoing.reader.event(&event.to_string(), &mut sink).unwrap();
            }
            let usage = answer.usage(10, true);
            assert!(usage.estimated, "{kind:?} {lie}: {usage:?}");
            assert!(usage.input == 10 && usage.output <= 1 && usage.cached <= usage.input, "{kind:?} {lie}: {usage:?}");
        }
        // The largest that is believed adds up.
        let mut outgoing = build(kind);
        let mut answer = Answer::default();
        let mut on = |_: super::super::Piece<'_>| {};
        let mut sink = Sink { answer: &mut answer, on: &mut on, lively: false };
        for event in events(kind, &json!(MAX_COUNT)) {
            let _ = outgoing.reader.event(&event.to_string(), &mut sink);
        }
        let usage = answer.usage(10, true);
        assert!(!usage.estimated && usage.input >= MAX_COUNT && usage.cached <= usage.input, "{kind:?} {usage:?}");
    }
}
