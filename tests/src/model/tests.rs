//! The server's own tests, by a raw HTTP client.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::*;
use crate::projects::stories;

const KEY: &str = "sk+secret/key=";
const SYSTEM: &str = "Answer with whole files: ===FILE: path===";

/// Sends a request; the answer's head and body, without the chunks' frames, as far as they came.
fn ask(model: &Model, method: &str, path: &str, headers: &str, body: &Value) -> (String, String) {
    let mut socket = TcpStream::connect(model.address()).unwrap();
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n",
        body.len()
    );
    socket.write_all((head + &body).as_bytes()).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let mut all = Vec::new();
    let mut buffer = [0; 4096];
    // Connections are kept open: the end is the last chunk, the stated length, or silence.
    while let Ok(count @ 1..) = socket.read(&mut buffer) {
        all.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&all);
        let length = text.split_once("content-length: ").and_then(|(_, rest)| rest.split("\r\n").next()?.parse().ok());
        let whole = length
            .is_some_and(|length: usize| text.split_once("\r\n\r\n").is_some_and(|(_, body)| body.len() >= length));
        if whole || text.ends_with("0\r\n\r\n") {
            break;
        }
    }
    let text = String::from_utf8(all).unwrap();
    let (head, rest) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let mut body = String::new();
    if head.contains("chunked") {
        let mut rest = rest;
        while let Some((size, more)) = rest.split_once("\r\n") {
            let size = usize::from_str_radix(size, 16).unwrap();
            if size == 0 {
                body.push_str("[END]");
                break;
            }
            body.push_str(more.get(..size).unwrap_or(more));
            rest = more.get(size + 2..).unwrap_or("");
        }
    } else {
        body.push_str(rest);
    }
    (head.to_owned(), body)
}

fn chat(model: &Model, wire: Wire, system: &str, user: &str, schema: bool) -> (String, String) {
    let mut body = match wire {
        Wire::Gemini => json!({"systemInstruction": {"parts": [{"text": system}]},
            "contents": [{"role": "user", "parts": [{"text": user}]}], "generationConfig": {}}),
        Wire::Anthropic => json!({"model": "m", "stream": true, "max_tokens": 9,
            "system": [{"type": "text", "text": system}], "messages": [{"role": "user", "content": user}]}),
        _ => {
            json!({"model": "m", "stream": true, "stream_options": {"include_usage": true}, "options": {"num_ctx": 8192},
            "messages": [{"role": "system", "content": system}, {"role": "user", "content": user}]})
        }
    };
    let (path, key) = match wire {
        Wire::OpenAi => ("/v1/chat/completions", format!("authorization: Bearer {KEY}\r\n")),
        Wire::Ollama => ("/api/chat", String::new()),
        Wire::Anthropic => ("/v1/messages", format!("x-api-key: {KEY}\r\n")),
        Wire::Gemini => ("/v1beta/models/m:streamGenerateContent?alt=sse", format!("x-goog-api-key: {KEY}\r\n")),
    };
    if schema {
        match wire {
            Wire::OpenAi => body["response_format"] = json!({"type": "json_schema"}),
            Wire::Ollama => body["format"] = json!({"type": "object"}),
            Wire::Anthropic => body["tool_choice"] = json!({"type": "tool", "name": "plan"}),
            Wire::Gemini => body["generationConfig"]["responseSchema"] = json!({}),
        }
    }
    ask(model, "POST", path, &key, &body)
}

/// The text of an answer, put together as a client would.
fn text(wire: Wire, body: &str) -> String {
    let mut out = String::new();
    for line in body.replace("[END]", "").lines() {
        let data = if wire == Wire::Ollama { Some(line) } else { line.strip_prefix("data: ") };
        let Some(value) = data.and_then(|data| serde_json::from_str::<Value>(data).ok()) else { continue };
        let places = [
            "/choices/0/delta/content",
            "/message/content",
            "/delta/text",
            "/delta/partial_json",
            "/candidates/0/content/parts/0/text",
        ];
        out.extend(places.iter().filter_map(|place| value.pointer(place)?.as_str()));
    }
    out
}

fn worker_prompt(id: &str, title: &str, path: &str) -> String {
    format!(
        "The task\n\nYour subtask {id}: {title}\nPart {id} of the work: {title}; complete and precise.\nYour files: {path}"
    )
}

fn one() -> String {
    worker_prompt("one", "The first file", "one.txt")
}

fn fix_prompt(current: &str, diagnostic: &str) -> String {
    format!(
        "{}\n\nYour files as they are now (data):\n`two.txt`:\n```\n{current}\n```\n\n`sh` fails with (data):\n{diagnostic}\n\nFix this error.",
        worker_prompt("two", "The second file", "two.txt")
    )
}

#[test]
fn every_format_answers_plans_and_workers_with_usage() {
    for wire in Wire::ALL {
        let model = Model::start(stories::tiny().usage("work", 100, 20).cached(30));
        let (head, body) = chat(&model, wire, "plan", "Task: build it", true);
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        let plan: Value = serde_json::from_str(&text(wire, &body)).unwrap();
        assert_eq!(plan["subtasks"][1]["owns"][0], "two.txt", "{wire:?}");
        let (_, body) = chat(&model, wire, SYSTEM, &one(), false);
        let expected = format!("===FILE: one.txt===\n{}===ENDFILE===", stories::TINY_ONE);
        assert!(text(wire, &body).starts_with(&expected), "{wire:?}: {body}");
        let usage = match wire {
            Wire::OpenAi => "\"cached_tokens\":30",
            Wire::Ollama => "\"prompt_eval_count\":100",
            Wire::Anthropic => "\"cache_read_input_tokens\":30",
            Wire::Gemini => "\"cachedContentTokenCount\":30",
        };
        assert!(body.contains(usage) && body.ends_with("[END]"), "{wire:?}: {body}");
        let record = model.wait_for_complete("work/one");
        assert_eq!((record.wire, record.pieces), (Some(wire), 12));
    }
}

#[test]
fn every_format_lists_its_models() {
    let model = Model::start(Story::new().models(["a", "b"]));
    let table = [
        ("/v1/models", "", "\"id\":\"b\""),
        ("/v1/models?limit=1000", "anthropic-version: 2023-06-01\r\n", "\"has_more\":false"),
        ("/api/tags", "", "\"name\":\"b\""),
        ("/v1beta/models?pageSize=1000", "", "\"name\":\"models/b\""),
    ];
    for (path, headers, expected) in table {
        let (_, body) = ask(&model, "GET", path, headers, &Value::Null);
        assert!(body.contains(expected), "{path}: {body}");
    }
    assert_eq!(model.count("models"), 4);
}

#[test]
fn a_fix_needs_its_diagnostic_and_the_current_file() {
    let good = fix_prompt(stories::TINY_BROKEN, "two.txt:2: error: count is wrong");
    let table = [
        (good.as_str(), ""),
        (&fix_prompt("something old", "two.txt:2: error: count is wrong"), "current content of two.txt"),
        (&fix_prompt(stories::TINY_BROKEN, "it does not work"), "no diagnostic"),
        (&fix_prompt(stories::TINY_BROKEN, "two.txt:9: error: something else"), ""),
    ];
    for (prompt, complaint) in table {
        let model = Model::start(stories::tiny().lenient());
        chat(&model, Wire::OpenAi, SYSTEM, &worker_prompt("two", "The second file", "two.txt"), false);
        let (_, body) = chat(&model, Wire::OpenAi, SYSTEM, prompt, false);
        let complaints = model.complaints().join("\n");
        assert_eq!(model.calls("fix/two").len(), 1);
        if complaint.is_empty() {
            assert_eq!(complaints, "");
            let mended = text(Wire::OpenAi, &body).contains("count = 2");
            assert_eq!(mended, prompt == good);
        } else {
            assert!(complaints.contains(complaint), "{complaints}");
        }
    }
}

#[test]
fn what_nobody_scripted_is_refused_and_told() {
    let table = [
        (SYSTEM, "Your subtask nine: other\nother instructions", "lacks the instructions"),
        ("Give two lines: SCORE: N", "rate it", "the review prompt lacks"),
        ("What is this?", "hello", "nobody scripted"),
    ];
    for (system, user, complaint) in table {
        let model = Model::start(stories::tiny().lenient());
        let (head, _) = chat(&model, Wire::OpenAi, system, user, false);
        assert!(head.starts_with("HTTP/1.1 400"), "{head}");
        assert!(model.complaints().join("\n").contains(complaint), "{:?}", model.complaints());
    }
    let model = Model::start(Story::new());
    ask(&model, "GET", "/else", "", &Value::Null);
    let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| model.check()));
    assert!(failed.is_err());
    model.shared.lock().story.lenient = true;
}

#[test]
fn refusals_are_in_the_vendors_words() {
    let table = [
        (Fault::Status(503), "HTTP/1.1 503", "scripted to fail"),
        (Fault::RateLimited(RetryAfter::Seconds(7)), "retry-after: 7", "too many"),
        (Fault::RateLimited(RetryAfter::Millis(70)), "retry-after-ms: 70", "too many"),
        (Fault::RateLimited(RetryAfter::Date(Duration::from_secs(5))), " GMT", "too many"),
        (Fault::ContextOverflow, "HTTP/1.1 400", ""),
        (Fault::Redirect("http://127.0.0.1:1/".to_owned()), "location: http://127.0.0.1:1/", ""),
    ];
    for wire in Wire::ALL {
        for (fault, head_part, body_part) in &table {
            let model = Model::start(stories::tiny().fail("work/one", fault.clone()));
            let (head, body) = chat(&model, wire, SYSTEM, &one(), false);
            assert!(head.contains(head_part) && body.contains(body_part), "{fault:?}: {head} {body}");
            // The next one is served.
            let (head, _) = chat(&model, wire, SYSTEM, &one(), false);
            assert!(head.starts_with("HTTP/1.1 200"), "{head}");
            assert!(model.calls_twice().is_empty());
        }
    }
    let echoes = [(Echo::Plain, KEY), (Echo::Url, "sk%2Bsecret%2Fkey%3D"), (Echo::Base64, "c2src2VjcmV0L2tleT0=")];
    for (form, expected) in echoes {
        for wire in [Wire::OpenAi, Wire::Anthropic, Wire::Gemini] {
            let model = Model::start(stories::tiny().fail("work", Fault::EchoKey(401, form)));
            let (_, body) = chat(&model, wire, SYSTEM, &one(), false);
            assert!(body.contains(expected), "{body}");
        }
    }
}

#[test]
fn answers_break_off_as_told() {
    let whole = stories::TINY_ONE;
    // Fault; whether the stream ends; what stands in it.
    let table = [
        (Fault::Cut, false, "===FILE"),
        (Fault::Stall, false, ""),
        (Fault::Endless, false, ""),
        (Fault::Malformed, true, ""),
        (Fault::ErrorInStream, true, "overloaded"),
        (Fault::LengthCut, true, ""),
        (Fault::Empty, true, ""),
        (Fault::Text("something else".to_owned()), true, "something else"),
    ];
    for wire in Wire::ALL {
        for (fault, ends, part) in &table {
            let model = Model::start(stories::tiny().pace(1, Duration::ZERO).fail("*", fault.clone()));
            if matches!(fault, Fault::Endless | Fault::Stall) {
                // Until the client leaves.
                let body = json!({"model": "m", "stream": true, "options": {"num_ctx": 1}, "messages":
                    [{"role": "system", "content": SYSTEM}, {"role": "user", "content": one()}]});
                let mut socket = TcpStream::connect(model.address()).unwrap();
                let body = body.to_string();
                write!(socket, "POST /api/chat HTTP/1.1\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();
                model.wait_for(|record| record.pieces >= 1);
                let mut bytes = [0; 1];
                socket.read_exact(&mut bytes).unwrap();
                drop(socket);
                let record = model.wait_for(|record| record.gone || record.ended.is_some());
                assert!(!record.complete);
                continue;
            }
            let (_, body) = chat(&model, wire, SYSTEM, &one(), false);
            assert_eq!(body.ends_with("[END]"), *ends, "{fault:?}: {body}");
            assert!(body.contains(part) && !text(wire, &body).contains(whole), "{fault:?}: {body}");
            let good = matches!(fault, Fault::LengthCut | Fault::Empty | Fault::Text(_));
            assert_eq!(model.wait_for(|record| record.ended.is_some()).complete, good);
        }
    }
}

#[test]
fn a_stopped_server_refuses_and_one_that_hangs_up_says_nothing() {
    let model = Model::start(stories::tiny().fail("work", Fault::HangUp));
    assert_eq!(chat(&model, Wire::OpenAi, SYSTEM, &one(), false).0, "");
    model.stop();
    assert!(TcpStream::connect(model.address()).is_err());
    model.resume();
    assert!(chat(&model, Wire::OpenAi, SYSTEM, &one(), false).0.starts_with("HTTP/1.1 200"));
}

#[test]
fn a_hold_waits_for_its_release_and_a_pace_is_kept() {
    let model = Model::start(stories::tiny().hold_at("plan", Point::AfterSubtasks(1)));
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| chat(&model, Wire::OpenAi, "plan", "Task: x", true));
        let held = model.wait_for_held("plan");
        assert!(!held.complete && held.answer[..held.sent].ends_with("\"specialist\": null}"), "{held:?}");
        model.release("plan");
        assert!(asking.join().unwrap().1.ends_with("[END]"));
    });
    let model = Model::start(stories::tiny().takes("work", Duration::from_millis(300)));
    let begun = Instant::now();
    chat(&model, Wire::OpenAi, SYSTEM, &one(), false);
    assert!(begun.elapsed() >= Duration::from_millis(300));
}

#[test]
fn a_planner_that_is_asked_for_the_rest_gives_the_rest() {
    let model = Model::start(stories::tiny());
    let prompt = "Already planned:\n- one The first file: one.txt\n\nTask: x";
    let (_, body) = chat(&model, Wire::OpenAi, "plan", prompt, true);
    let plan: Value = serde_json::from_str(&text(Wire::OpenAi, &body)).unwrap();
    assert_eq!(plan["subtasks"].as_array().unwrap().len(), 1);
    assert_eq!(plan["subtasks"][0]["id"], "two");
}

#[test]
fn a_call_that_is_sent_again_is_noticed() {
    let model = Model::start(stories::tiny());
    chat(&model, Wire::OpenAi, SYSTEM, &one(), false);
    assert!(model.calls_twice().is_empty());
    chat(&model, Wire::OpenAi, SYSTEM, &one(), false);
    assert_eq!(model.calls_twice().len(), 1);
}
