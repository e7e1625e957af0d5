//! Streams, lists and refusals of providers: whatever comes, it is read the same way in any pieces, in bounds, and without a secret.

use super::run;
use crate::provider::fuzz::{Read, read, refusal};

/// What the four formats are made of.
const TOKENS: &[&str] = &[
    "data: ",
    "data:",
    "event: ping\n",
    ": keep-alive\n\n",
    "\n\n",
    "\r\n\r\n",
    "\r",
    "[DONE]",
    "{",
    "}",
    "[",
    "]",
    ",",
    "\"",
    "\\",
    "\\u0000",
    "\\ud800",
    "null",
    "-1",
    "1e400",
    "18446744073709551615",
    "9999999999999999999999",
    "0.5",
    "{\"choices\":[{\"delta\":{\"content\":\"hi\"}}]}",
    "{\"choices\":[{\"delta\":{\"refusal\":\"no\"},\"finish_reason\":\"stop\"}]}",
    "{\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":2}}",
    "{\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":7,\"cache_read_input_tokens\":3}}}",
    "{\"type\":\"content_block_start\",\"content_block\":{\"type\":\"tool_use\",\"input\":{\"a\":[1]}}}",
    "{\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"hi\"}}",
    "{\"type\":\"content_block_stop\"}",
    "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":2}}",
    "{\"type\":\"message_stop\"}",
    "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"hi\",\"thought\":true}]},\"finishReason\":\"STOP\"}]}",
    "{\"usageMetadata\":{\"promptTokenCount\":7,\"candidatesTokenCount\":2,\"thoughtsTokenCount\":1}}",
    "{\"message\":{\"content\":\"hi\",\"thinking\":\"hm\"},\"done\":false}\n",
    "{\"done\":true,\"done_reason\":\"length\",\"prompt_eval_count\":7,\"eval_count\":2}\n",
    "{\"error\":{\"message\":\"no\",\"code\":429,\"type\":\"rate_limit_error\"}}",
    "{\"error\":\"model not found\"}",
    "<html><body>",
    "sk-test/1234567890+abc",
    "https://me:sk-test/1234567890+abc@host/?key=",
    "\u{200b}",
    "\u{feff}",
    "\u{1b}[31m",
    "\u{fffd}",
    "é",
    "\0",
];

fn seeds() -> Vec<String> {
    let mut seeds: Vec<String> = [
        include_str!("../provider/openai.rs"),
        include_str!("../provider/anthropic.rs"),
        include_str!("../provider/gemini.rs"),
        include_str!("../provider/ollama.rs"),
        include_str!("../provider/fault.rs"),
    ]
    .iter()
    // Their tests quote what servers say; each line of those is a seed.
    .flat_map(|source| source.lines().filter(|line| line.contains("{\"") || line.contains("data:")))
    .map(|line| line.trim().replace("\\n", "\n").replace("\\r", "\r").replace("\\\"", "\""))
    .collect();
    seeds.extend(TOKENS.iter().map(|token| format!("data: {token}\n\n")));
    seeds.push(TOKENS.concat());
    seeds
}

#[test]
fn streams() {
    run("fuzz::providers::streams", seeds(), TOKENS, |text| {
        // What is no UTF-8 can't stand in a seed.
        let bytes: Vec<u8> = text.split('\u{fffd}').map(str::as_bytes).collect::<Vec<_>>().join(&0xff);
        for format in 0..4 {
            let whole = read(format, &[&bytes]);
            let third = bytes.len() / 3;
            let parts = [
                &bytes[..third],
                &bytes[third..third],
                &bytes[third..bytes.len() - third],
                &bytes[bytes.len() - third..],
            ];
            assert_eq!(read(format, &parts), whole, "the same in pieces");
            let single: Vec<&[u8]> = bytes.chunks(1).collect();
            assert_eq!(read(format, &single), whole, "the same byte by byte");
            let Read { text: answer, thinking, usage, .. } = whole;
            // What JSON escapes is shorter than its escape; what is held back of a tool is written anew, with `\u0000` at most.
            assert!(answer.len() + thinking <= bytes.len() * 6 + 64, "{} of {}", answer.len(), bytes.len());
            assert!(usage.input < 1 << 40 && usage.output < 1 << 40 && usage.cached <= usage.input, "{usage:?}");
        }
    });
}

#[test]
fn refusals() {
    const KEY: &str = "sk-test/1234567890+abc";
    run("fuzz::providers::refusals", seeds(), TOKENS, |text| {
        for status in [None, Some(302), Some(400), Some(404), Some(429), Some(503), Some(999)] {
            let message = refusal(status, text, KEY);
            assert!(message.chars().count() <= 300 && !message.chars().any(char::is_control), "{message:?}");
            assert!(!message.contains(KEY), "{message}");
        }
    });
}
