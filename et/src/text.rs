//! Small texts: cleaned of escape sequences, durations read and written, amounts for people, the nearest name.

use std::time::Duration;

/// The text with everything that could steer a terminal made visible: control characters except newline and tab, and marks
/// that reorder or hide what is shown.
pub(crate) fn sanitize(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\n' | '\t' => clean.push(c),
            '\r' if chars.peek() == Some(&'\n') => {}
            '\u{0}'..='\u{1f}' => clean.push(char::from_u32(0x2400 + c as u32).unwrap_or('\u{fffd}')),
            '\u{7f}' => clean.push('\u{2421}'),
            c if steers(c) => clean.push('\u{fffd}'),
            _ => clean.push(c),
        }
    }
    clean
}

/// Whether a character outside ASCII steers a terminal: C1 controls, marks of direction, separators of lines and paragraphs, and the
/// tags and annotations that nobody sees.
fn steers(c: char) -> bool {
    matches!(c,
        '\u{80}'..='\u{9f}'
        | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// A JSON text that steers no terminal: what JSON lets stand in a string though a terminal obeys it is escaped. It means the same.
pub(crate) fn harmless_json(json: &str) -> String {
    let mut clean = String::with_capacity(json.len());
    for c in json.chars() {
        if c == '\u{7f}' || steers(c) {
            // Outside ASCII and control characters only strings have characters, so an escape is right wherever this stands.
            clean.extend(c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")));
        } else {
            clean.push(c);
        }
    }
    clean
}

/// The cleaned text on one line, at most `max` characters long.
pub(crate) fn one_line(text: &str, max: usize) -> String {
    let words = sanitize(text).split_whitespace().collect::<Vec<_>>().join(" ");
    if words.chars().count() <= max {
        return words;
    }
    let mut short: String = words.chars().take(max.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// Reads `90s`, `10m`, `1h`, `1h30m`, `250ms`, `1.5h`; a bare number counts in `bare`.
///
/// None if it is anything else, zero, or longer than a year.
pub(crate) fn parse_duration(text: &str, bare: Option<Duration>) -> Option<Duration> {
    const YEAR: f64 = 366.0 * 24.0 * 3600.0;
    let text = text.trim();
    let mut seconds = 0.0;
    let mut rest = text;
    let mut parts = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let number: f64 = rest.get(..digits)?.parse().ok()?;
        rest = rest.get(digits..)?;
        let unit_len = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        let unit = rest.get(..unit_len)?;
        rest = rest.get(unit_len..)?;
        let scale = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            "d" => 86_400.0,
            "" if parts == 0 && rest.is_empty() => bare?.as_secs_f64(),
            _ => return None,
        };
        seconds += number * scale;
        parts += 1;
    }
    (parts > 0 && (0.001..=YEAR).contains(&seconds)).then(|| Duration::from_millis((seconds * 1000.0).round() as u64))
}

/// Units of sizes.
const UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];

/// A size with its unit: `2GiB`, `1.5 GB`. None if it isn't one.
pub(crate) fn parse_bytes(text: &str) -> Option<u64> {
    let (number, unit) = text.split_at(text.find(|c: char| c.is_ascii_alphabetic())?);
    let (_, factor) = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit.trim()))?;
    let number: f64 = number.trim().parse().ok()?;
    let bytes = number * *factor as f64;
    (bytes.is_finite() && (0.0..9e18).contains(&bytes)).then_some(bytes as u64)
}

/// `950 B`, `12.3 MiB`, `2.0 GiB`.
pub(crate) fn bytes(n: u64) -> String {
    match UNITS.iter().take(4).find(|(_, factor)| n >= *factor) {
        Some((unit, factor)) => format!("{:.1} {unit}", n as f64 / *factor as f64),
        None => format!("{n} B"),
    }
}

/// `850ms`, `4.2s`, `3m 05s`, `1h 02m`.
pub(crate) fn duration(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0 => format!("{ms}ms"),
        1..=59 => format!("{}.{}s", seconds, ms % 1000 / 100),
        60..=3599 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h {:02}m", seconds / 3600, seconds % 3600 / 60),
    }
}

/// `950`, `12.3k`, `4.5M`.
pub(crate) fn count(n: u64) -> String {
    match n {
        0..=9_999 => n.to_string(),
        10_000..=999_999 => format!("{}.{}k", n / 1000, n % 1000 / 100),
        _ => format!("{}.{}M", n / 1_000_000, n % 1_000_000 / 100_000),
    }
}

/// `$0.0123`, or `cost unknown`.
pub(crate) fn cost(usd: Option<f64>) -> String {
    match usd {
        None => "cost unknown".to_owned(),
        Some(0.0) => "$0".to_owned(),
        Some(usd) if usd < 0.1 => format!("${usd:.4}"),
        Some(usd) => format!("${usd:.2}"),
    }
}

/// `1 file`, `2 files`.
pub(crate) fn plural(n: usize, noun: &str) -> String {
    if n == 1 { format!("{n} {noun}") } else { format!("{n} {noun}s") }
}

/// The candidate that looks most like `name`, if any is close.
pub(crate) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = name.to_lowercase();
    let limit = (name.chars().count() / 3).max(2);
    candidates
        .into_iter()
        .map(|candidate| (distance(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= limit && *distance < candidate.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Edit distance in which two swapped neighbours count once.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before = vec![0; b.len() + 1];
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let mut best = (above[j] + usize::from(x != y)).min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut above, row);
    }
    above.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

    use super::*;

    #[test]
    fn durations_are_read() {
        let minute = Some(Duration::from_secs(60));
        for (text, bare, ms) in [
            ("90s", minute, Some(90_000)),
            ("1h", minute, Some(3_600_000)),
            ("60", minute, Some(3_600_000)),
            ("1h30m", minute, Some(5_400_000)),
            ("250ms", minute, Some(250)),
            ("0.5", minute, Some(30_000)),
            ("1.5h", minute, Some(5_400_000)),
            ("10", None, None),
            ("0", minute, None),
            ("-1", minute, None),
            ("1h5", minute, None),
            ("", minute, None),
            ("ten", minute, None),
            ("1..5s", minute, None),
            ("9999999h", minute, None),
        ] {
            assert_eq!(parse_duration(text, bare).map(|d| d.as_millis()), ms, "{text}");
        }
    }

    #[test]
    fn sizes_are_read_and_shown() {
        for (text, size) in [
            ("2GiB", Some(2 << 30)),
            ("500 MB", Some(500_000_000)),
            ("1.5kib", Some(1536)),
            ("10B", Some(10)),
            ("10", None),
            ("GiB", None),
            ("-1GiB", None),
            ("1e400B", None),
            ("2GiB more", None),
        ] {
            assert_eq!(parse_bytes(text), size, "{text}");
        }
        for (size, text) in [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (2 << 30, "2.0 GiB")] {
            assert_eq!(bytes(size), text);
        }
    }

    #[test]
    fn nothing_steers_the_terminal() {
        for (text, clean) in [
            ("plain ü\n\tx", "plain ü\n\tx"),
            ("a\r\nb", "a\nb"),
            ("\u{1b}[31mred", "␛[31mred"),
            ("\u{1b}]0;title\u{7}", "␛]0;title␇"),
            ("over\rwrite", "over␍write"),
            ("\u{9b}31m", "\u{fffd}31m"),
            ("a\u{202e}b", "a\u{fffd}b"),
            ("\u{1b}]8;;http://evil\u{1b}\\here", "␛]8;;http://evil␛\\here"),
            ("\u{1b}]52;c;cm0gLXJm\u{7}", "␛]52;c;cm0gLXJm␇"),
            ("\u{9d}52;c;x\u{9c}", "\u{fffd}52;c;x\u{fffd}"),
            ("\u{90}q\u{85}\u{7f}\u{0}\u{8}", "\u{fffd}q\u{fffd}␡␀␈"),
            ("a\u{200f}b\u{61c}c\u{2067}d", "a\u{fffd}b\u{fffd}c\u{fffd}d"),
            ("one\u{2028}two\u{2029}", "one\u{fffd}two\u{fffd}"),
            ("tag\u{e0041}", "tag\u{fffd}"),
            ("👩\u{200d}💻 نمی\u{200c}خواهم", "👩\u{200d}💻 نمی\u{200c}خواهم"),
        ] {
            assert_eq!(sanitize(text), clean);
        }
    }

    #[test]
    fn json_steers_no_terminal_and_means_the_same() {
        for text in ["plain ü", "\u{1b}[31m\u{9b}31m", "\u{202e}\u{7f}\u{2028}\"\\", "\u{e0041}\u{85}"] {
            let json = serde_json::json!({ text: [text] }).to_string();
            let clean = harmless_json(&json);
            assert!(!clean.chars().any(|c| c.is_control() || steers(c)), "{clean:?}");
            let back: serde_json::Value = serde_json::from_str(&clean).unwrap();
            assert_eq!(back[text][0], text);
        }
        assert_eq!(harmless_json("{\"a\":\"ü\"}"), "{\"a\":\"ü\"}");
    }

    #[test]
    fn amounts() {
        assert_eq!([duration(850), duration(4_250), duration(185_000)], ["850ms", "4.2s", "3m 05s"]);
        assert_eq!([count(950), count(12_345), count(4_560_000)], ["950", "12.3k", "4.5M"]);
        assert_eq!(
            [cost(None), cost(Some(0.0)), cost(Some(0.0123)), cost(Some(1.5))],
            ["cost unknown", "$0", "$0.0123", "$1.50"]
        );
        assert_eq!(one_line("a\n b   c", 4), "a b…");
    }

    #[test]
    fn nearest_names() {
        let names = ["openai", "anthropic", "mayor", "qwen"];
        for (name, expected) in
            [("opnai", Some("openai")), ("mayro", Some("mayor")), ("Qwen", Some("qwen")), ("zzzz", None), ("gpt", None)]
        {
            assert_eq!(nearest(name, names), expected, "{name}");
        }
    }
}
