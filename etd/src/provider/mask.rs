//! Error texts that may be shown: one short line, without any known secret. Pure.
//!
//! A server may echo what it was sent. Whatever ends in a [`super::ProviderError`] passes through [`Masker::clean`].

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};

/// Longest text in characters.
const MAX_CHARS: usize = 300;
/// What is looked at of a text, in bytes: a server may send as much as it likes.
const MAX_TEXT: usize = 32 * 1024;
/// What stands in place of a secret.
const MASK: &str = "***";
/// What a URL component leaves as it is.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// What a careless encoder does.
const SOME: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'%').add(b'<').add(b'>').add(b'?').add(b'/').add(b'@').add(b':');

/// Knows secrets in all the forms in which a text may hold them.
#[derive(Clone, Default)]
pub(crate) struct Masker {
    /// Longest first, so that no part of one is left when it holds another.
    needles: Vec<String>,
}

impl Masker {
    /// Masks these values: as they are, percent-encoded, in JSON's escapes and in base64, alone or inside something longer. A value
    /// with a colon counts as `user:password`, and its password is masked by itself too.
    pub(crate) fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let mut needles = Vec::new();
        for secret in secrets {
            forms(secret, &mut needles);
            if let Some((_, password)) = secret.split_once(':') {
                forms(password, &mut needles);
            }
        }
        needles.retain(|needle| !needle.is_empty());
        needles.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        needles.dedup();
        Self { needles }
    }

    /// One line of at most 300 characters without control characters, secrets, and userinfo or queries of URLs.
    pub(crate) fn clean(&self, text: &str) -> String {
        let looked_at = &text[..text.floor_char_boundary(MAX_TEXT)];
        let masked = self.mask(looked_at);
        let mut line = String::with_capacity(masked.len());
        for c in masked.chars() {
            let c = if c.is_control() || c.is_whitespace() { ' ' } else { c };
            let doubled = c == ' ' && line.ends_with(' ');
            if !doubled && !is_invisible(c) {
                line.push(c);
            }
        }
        // Once more: a secret may have been broken up by what was just removed.
        let mut line = self.mask(&bare_urls(line.trim()));
        if looked_at.len() < text.len() {
            // Half a secret may stand where it was cut.
            let half = self.needles.first().map_or(0, |longest| longest.chars().count());
            let kept = line.chars().count().saturating_sub(half);
            line = line.chars().take(kept).chain(['…']).collect();
        }
        if line.chars().count() <= MAX_CHARS {
            return line;
        }
        line.chars().take(MAX_CHARS - 1).chain(['…']).collect()
    }

    fn mask(&self, text: &str) -> String {
        self.needles.iter().fold(text.to_owned(), |text, needle| {
            if text.contains(needle.as_str()) { text.replace(needle.as_str(), MASK) } else { text }
        })
    }
}

/// Characters that change how a line is shown without being seen.
pub(crate) fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

fn forms(secret: &str, out: &mut Vec<String>) {
    let secret = secret.trim();
    if secret.is_empty() {
        return;
    }
    out.push(secret.to_owned());
    for set in [COMPONENT, NON_ALPHANUMERIC, SOME] {
        let encoded = utf8_percent_encode(secret, set).to_string();
        out.push(lower_hex(&encoded));
        out.push(encoded.replace("%20", "+"));
        out.push(encoded);
    }
    if let Ok(json) = serde_json::to_string(secret) {
        out.push(json[1..json.len() - 1].to_owned());
        out.push(json[1..json.len() - 1].replace('/', "\\/"));
    }
    base64_forms(secret, out);
}

/// Base64 of the secret, and what every longer base64 that holds it has in common, for each of the three places where it may start.
fn base64_forms(secret: &str, out: &mut Vec<String>) {
    for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
        let encoded = engine.encode(secret);
        out.push(format!("{encoded}{}", "=".repeat((4 - encoded.len() % 4) % 4)));
        out.push(encoded);
        for before in 0..3_usize {
            let mut bytes = vec![0; before];
            bytes.extend_from_slice(secret.as_bytes());
            let encoded = engine.encode(&bytes);
            // The first and the last character may share bits with what stands around.
            let (start, end) = ((before * 8).div_ceil(6), bytes.len() * 8 / 6);
            if end >= start + 8 {
                out.push(encoded[start..end].to_owned());
            }
        }
    }
}

fn lower_hex(encoded: &str) -> String {
    let mut out = String::with_capacity(encoded.len());
    let mut hex = 0;
    for c in encoded.chars() {
        out.push(if hex > 0 { c.to_ascii_lowercase() } else { c });
        hex = if c == '%' { 2 } else { hex.max(1) - 1 };
    }
    out
}

/// The text with userinfo and query of every URL left out.
fn bare_urls(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        let end = after.find(|c: char| c.is_whitespace() || "\"'`<>()[]{}|\\,".contains(c)).unwrap_or(after.len());
        // An IPv6 host is the one place of a URL where a bracket is at home.
        let end = if after.starts_with('[') || after[..end].ends_with('@') {
            after.find(|c: char| c.is_whitespace() || "\"'`<>(){}|\\,".contains(c)).unwrap_or(after.len())
        } else {
            end
        };
        let url = &after[..end];
        let authority = url.find(['/', '?', '#']).unwrap_or(url.len());
        let host = url[..authority].rfind('@').map_or(0, |at| at + 1);
        let query = url.find(['?', '#']).unwrap_or(url.len());
        out.push_str(&url[host..query.max(host)]);
        rest = &after[end..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

    use base64::engine::general_purpose::{STANDARD, URL_SAFE};

    use super::*;

    #[test]
    fn a_secret_is_masked_in_every_form() {
        let secret = "sk-a/b+c=d?e\"f:1234567890";
        let masker = Masker::new([secret]);
        let echoes = [
            secret.to_owned(),
            format!("Bearer {secret}."),
            utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string(),
            lower_hex(&utf8_percent_encode(secret, COMPONENT).to_string()),
            serde_json::to_string(secret).unwrap(),
            STANDARD.encode(secret),
            URL_SAFE.encode(secret),
            STANDARD.encode(format!("user:{secret}")),
            STANDARD.encode(format!("me:{secret}!")),
            STANDARD.encode(format!("x{secret}")),
            URL_SAFE.encode(format!("{{\"key\":\"{secret}\"}}")),
            "e\"f:12345\u{200b}67890".to_owned(),
            "1234567890".to_owned(),
            "sk-a/b+c=d?e\"f:123456\u{0}7890".replace('\u{0}', "\u{feff}"),
        ];
        for echo in echoes {
            let clean = masker.clean(&format!("key {echo} is wrong"));
            assert!(clean.contains(MASK), "{echo} → {clean}");
            for part in ["567890", "NTY3OD", "U2Nzg5M", "1Njc4OT", "sk-a"] {
                assert!(!clean.contains(part), "{echo} → {clean}");
            }
        }
    }

    #[test]
    fn half_a_secret_at_the_end_of_what_is_looked_at_is_left_out() {
        let secret = "sk-0123456789abcdef";
        let masker = Masker::new([secret]);
        for before in MAX_TEXT - 30..=MAX_TEXT {
            for filler in ["\u{0}", "\u{200b}", " "] {
                let text = format!("no{}{secret} {}", filler.repeat(before / filler.len()), "x".repeat(MAX_TEXT));
                let clean = masker.clean(&text);
                assert!(!clean.contains("sk-0"), "{before} {clean}");
            }
        }
    }

    #[test]
    fn an_empty_secret_masks_nothing() {
        assert_eq!(Masker::new(["", " "]).clean("all is said"), "all is said");
    }

    #[test]
    fn a_text_is_one_short_line() {
        let masker = Masker::default();
        assert_eq!(masker.clean("a\r\n\tb\u{1b}[31m c\u{7}\u{202e}"), "a b [31m c");
        let long = masker.clean(&"ä".repeat(1000));
        assert_eq!(long.chars().count(), MAX_CHARS);
        assert!(long.ends_with('…'));
    }

    #[test]
    fn urls_lose_userinfo_and_query() {
        let table = [
            ("at https://u:p@h.example:8/x?key=1#f now", "at https://h.example:8/x now"),
            ("(http://u:p@[::1]:80/?a=b)", "(http://[::1]:80/)"),
            ("https://h?x=1,https://i", "https://h,https://i"),
            ("a://b", "a://b"),
            ("at http://a@b@c/ end", "at http://c/ end"),
        ];
        for (text, expected) in table {
            assert_eq!(Masker::default().clean(text), expected, "{text}");
        }
    }
}
