//! How long a provider wants us to wait, read from the headers of a refusal. Pure.
//!
//! Sources of the formats: RFC 9110 (`Retry-After`: seconds or a date) and the vendors' documentation of their rate limit headers
//! (OpenAI: `x-ratelimit-reset-*` as `6m0s`; Anthropic: `anthropic-ratelimit-*-reset` as RFC 3339; others: seconds or epoch seconds).

use std::time::Duration;

use jiff::Timestamp;

/// Numbers above this are points in time, not spans: seconds since 1970.
const EPOCH: f64 = 1_000_000_000.0;

/// The wait that the headers demand, if any. Names are compared without case; `now` is the time of their arrival. A time that is
/// past is a wait of zero. The most exact header that can be read counts: `retry-after-ms`, `retry-after`, then the reset family.
///
/// Of several resets those count whose `remaining` is 0, and of them the last; if none says so, the first to come.
pub(crate) fn retry_after<'a>(
    headers: impl IntoIterator<Item = (&'a str, &'a str)>,
    now: Timestamp,
) -> Option<Duration> {
    let headers: Vec<(String, &str)> =
        headers.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value.trim())).collect();
    let get = |name: &str| headers.iter().find(|(key, _)| key == name).map(|(_, value)| *value);
    if let Some(wait) = get("retry-after-ms").and_then(number) {
        return seconds(wait / 1000.0);
    }
    if let Some(wait) = get("retry-after").and_then(|value| span_or_time(value, now)) {
        return Some(wait);
    }
    let mut exhausted: Option<Duration> = None;
    let mut first: Option<Duration> = None;
    for (name, value) in &headers {
        if !name.contains("ratelimit") || !name.contains("reset") {
            continue;
        }
        let Some(wait) = span_or_time(value, now) else { continue };
        if get(&name.replace("reset", "remaining")).and_then(number) == Some(0.0) {
            exhausted = Some(exhausted.map_or(wait, |other| other.max(wait)));
        }
        first = Some(first.map_or(wait, |other| other.min(wait)));
    }
    exhausted.or(first)
}

fn span_or_time(value: &str, now: Timestamp) -> Option<Duration> {
    if let Some(number) = number(value) {
        if number < EPOCH {
            return seconds(number);
        }
        // Some count milliseconds.
        let at = if number > EPOCH * 1000.0 { number / 1000.0 } else { number };
        return seconds((at - now.as_millisecond() as f64 / 1000.0).max(0.0));
    }
    let time = value.parse::<Timestamp>().ok();
    let time = time.or_else(|| Some(jiff::fmt::rfc2822::parse(value).ok()?.timestamp()));
    if let Some(time) = time {
        return Some(Duration::try_from(time.duration_since(now)).unwrap_or(Duration::ZERO));
    }
    units(value)
}

fn number(value: &str) -> Option<f64> {
    value.parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0)
}

fn seconds(value: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(value).ok()
}

/// A span as a body writes it, such as `45.8s`; none for anything else.
pub(crate) fn span(text: &str) -> Option<Duration> {
    units(text.trim())
}

/// Spans such as `1s`, `6m0s`, `1.5s`, `120ms` and `1h2m`.
fn units(value: &str) -> Option<Duration> {
    let mut total = 0.0;
    let mut rest = value;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (amount, tail) = rest.split_at(digits);
        let end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        let scale = match unit.trim() {
            "d" => 86_400.0,
            "h" => 3_600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        total += number(amount)? * scale;
        rest = tail;
    }
    seconds(total)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

    use super::*;

    #[test]
    fn every_form_is_read() {
        let now: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        type Case = (&'static [(&'static str, &'static str)], Option<u64>);
        let table: &[Case] = &[
            (&[], None),
            (&[("Retry-After-Ms", "1500"), ("retry-after", "60")], Some(1_500)),
            (&[("Retry-After", "7")], Some(7_000)),
            (&[("retry-after", " 0.5 ")], Some(500)),
            (&[("retry-after", "Sun, 22 Nov 2026 12:00:30 GMT")], Some(30_000)),
            (&[("retry-after", "Sun, 22 Nov 2026 11:59:30 GMT")], Some(0)),
            (&[("retry-after", "soon")], None),
            (&[("retry-after", "-3")], None),
            (&[("retry-after", "NaN")], None),
            (&[("retry-after", "1e300")], None),
            (&[("retry-after", "soon"), ("x-ratelimit-reset", "3")], Some(3_000)),
            (&[("x-ratelimit-reset-requests", "1s")], Some(1_000)),
            (&[("x-ratelimit-reset-tokens", "6m0s")], Some(360_000)),
            (&[("x-ratelimit-reset-tokens", "1h2m3.5s")], Some(3_723_500)),
            (&[("x-ratelimit-reset-tokens", "120ms")], Some(120)),
            (&[("x-ratelimit-reset-tokens", "6x")], None),
            (&[("x-ratelimit-reset", "1795348805")], Some(5_000)),
            (&[("x-ratelimit-reset", "1795348805000")], Some(5_000)),
            (&[("x-ratelimit-reset", "1795348000")], Some(0)),
            (&[("RateLimit-Reset", "9")], Some(9_000)),
            (&[("anthropic-ratelimit-requests-reset", "2026-11-22T12:00:10Z")], Some(10_000)),
            (
                &[
                    ("x-ratelimit-reset-requests", "1s"),
                    ("x-ratelimit-remaining-requests", "0"),
                    ("x-ratelimit-reset-tokens", "20s"),
                    ("x-ratelimit-remaining-tokens", "500"),
                ],
                Some(1_000),
            ),
            (
                &[
                    ("anthropic-ratelimit-requests-reset", "2026-11-22T12:00:10Z"),
                    ("anthropic-ratelimit-tokens-reset", "2026-11-22T12:00:40Z"),
                    ("anthropic-ratelimit-requests-remaining", "0"),
                    ("anthropic-ratelimit-tokens-remaining", "0"),
                ],
                Some(40_000),
            ),
            (&[("x-ratelimit-reset-requests", "4s"), ("x-ratelimit-reset-tokens", "2s")], Some(2_000)),
        ];
        for (headers, expected) in table {
            let wait = retry_after(headers.iter().copied(), now);
            assert_eq!(wait, expected.map(Duration::from_millis), "{headers:?}");
        }
    }
}
