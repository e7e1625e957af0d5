//! From a provider's chunk to a client that watches.

use std::collections::HashMap;
use std::io::Read as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use proto::event::{Event, EventLine};
use tests::env::Env;
use tests::model::Model;

use crate::beyond::eight;
use crate::table::{Table, median, millis, percentile};
use crate::ticker::Ticker;

/// Between two chunks of a worker.
const INTERVAL: Duration = Duration::from_millis(10);
/// How long all of them stream.
const LENGTH: Duration = Duration::from_secs(5);

pub(crate) fn measure(table: &mut Table) {
    let origin = Instant::now();
    let env = Env::new();
    let model = Model::start(eight());
    let ticker = Ticker::start(origin, INTERVAL);
    ticker.config(&env, &model, 1);
    for number in 1..=8 {
        env.write(&format!("part{number}.txt"), "as it should be\n");
    }
    env.et(["daemon", "start"]).run().assert_ok();
    let mut command = Command::new(env.et_path());
    command.args(["run", "--json", "--stream", "--no-synthesize", "--output-dir", ".", "eight parts"]);
    command.env_clear().envs(env.vars()).current_dir(env.work()).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("et");
    let mut pipe = child.stdout.take().expect("its stdout");
    let reading = std::thread::spawn(move || {
        let mut reads = Vec::new();
        let mut bytes = vec![0; 256 * 1024];
        while let Ok(count) = pipe.read(&mut bytes) {
            if count == 0 {
                break;
            }
            // Read now, understood later.
            reads.push((origin.elapsed(), bytes[..count].to_vec()));
        }
        reads
    });
    std::thread::sleep(LENGTH);
    let open = ticker.open();
    ticker.finish();
    let status = child.wait().expect("its end");
    assert!(status.success(), "et run ended with {status}");
    assert_eq!(open, 8, "workers that stream");
    let mut latencies = latencies(&reading.join().expect("the reader"));
    let chunks = latencies.len();
    let wanted = LENGTH.as_millis() / INTERVAL.as_millis() * 8;
    assert!(chunks as u128 > wanted / 2, "only {chunks} chunks of about {wanted} came through");
    let (middle, most) = (median(&mut latencies), percentile(&mut latencies, 99));
    table.row(
        "provider's chunk to client, 8 workers at 100/s each",
        format!("p50 {}, p99 {}", millis(middle), millis(most)),
        "p99 <= 50 ms + 10 ms",
    );
}

/// How old each chunk was when the line with it could be read.
fn latencies(reads: &[(Duration, Vec<u8>)]) -> Vec<Duration> {
    let mut found = Vec::new();
    let mut line = Vec::new();
    // A chunk may come in two pieces.
    let mut texts: HashMap<String, String> = HashMap::new();
    for (at, bytes) in reads {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            line.extend_from_slice(part);
            if !line.ends_with(b"\n") {
                continue;
            }
            let event: EventLine = serde_json::from_slice(&line).expect("an event");
            line.clear();
            if let Event::Text { worker, text, .. } = event.event {
                let rest = texts.entry(worker).or_default();
                rest.push_str(&text);
                while let Some((chunk, behind)) = rest.split_once('\n') {
                    if let Some(sent) = chunk.strip_prefix('@').and_then(|nanos| nanos.parse().ok()) {
                        found.push(at.saturating_sub(Duration::from_nanos(sent)));
                    }
                    *rest = behind.to_owned();
                }
            }
        }
    }
    found
}
