//! Secrets in config text, made unreadable before a line of it is quoted.

const MASK: &str = "***";
/// How keys of well-known vendors begin.
const PREFIXES: &[&str] = &["sk-", "AIza", "gsk_", "xai-", "ghp_", "hf_"];

/// The lines of a config with the values of `api_key`, passwords in URLs and anything that looks like a key replaced by `***`.
///
/// References such as `$OPENAI_API_KEY` are no secrets and stay.
pub(crate) fn lines(text: &str) -> Vec<String> {
    let mut masked = Vec::new();
    // Indent of an `api_key:` whose value stands on the lines below it.
    let mut block: Option<usize> = None;
    for line in text.lines() {
        let indent = line.len() - line.trim_start().len();
        match block {
            Some(_) if line.trim().is_empty() => {
                masked.push(line.to_owned());
                continue;
            }
            Some(key) if indent > key => {
                masked.push(format!("{}{MASK}", " ".repeat(indent)));
                continue;
            }
            _ => block = None,
        }
        let (line, opens_block) = mask_key(line);
        if opens_block {
            block = Some(indent);
        }
        masked.push(mask_tokens(&line));
    }
    masked
}

/// A message with every secret that `text` holds replaced; parsers quote values in their errors.
pub(crate) fn message(message: &str) -> String {
    mask_tokens(message)
}

/// Masks the value after `api_key:`; true if the value stands on the lines below.
fn mask_key(line: &str) -> (String, bool) {
    let mut out = String::new();
    let mut rest = line;
    while let Some(at) = rest.find("api_key") {
        let (before, after) = rest.split_at(at + "api_key".len());
        out.push_str(before);
        rest = after;
        let separator = rest.len() - rest.trim_start_matches(['"', '\'', ' ', '\t']).len();
        let Some(value) = rest.get(separator..).and_then(|r| r.strip_prefix(':')) else { continue };
        let skipped = value.len() - value.trim_start().len();
        let value = value.trim_start();
        out.push_str(rest.get(..separator + 1 + skipped).unwrap_or_default());
        if value.is_empty() || value.starts_with(['|', '>', '#']) {
            out.push_str(value);
            return (out, true);
        }
        let end = match value.chars().next() {
            Some(quote @ ('"' | '\'')) => value[1..].find(quote).map_or(value.len(), |end| end + 2),
            _ => value.find([',', '}']).or_else(|| value.find(" #")).unwrap_or(value.len()),
        };
        let (secret, tail) = value.split_at(end);
        let bare = secret.trim().trim_matches(['"', '\'']);
        let reference = bare.strip_prefix('$').is_some_and(|name| {
            name.trim_start_matches('{').trim_end_matches('}').chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        });
        out.push_str(if reference { secret } else { MASK });
        rest = tail;
    }
    out.push_str(rest);
    (out, false)
}

/// Masks `//user:password@` and words that begin like a vendor's key.
fn mask_tokens(line: &str) -> String {
    let mut out = String::new();
    let mut word = String::new();
    let flush = |word: &mut String, out: &mut String| {
        if PREFIXES.iter().any(|prefix| word.starts_with(prefix)) && word.len() > 8 {
            out.push_str(MASK);
        } else {
            out.push_str(word);
        }
        word.clear();
    };
    for c in line.chars() {
        if c.is_alphanumeric() || matches!(c, '-' | '_') {
            word.push(c);
        } else {
            flush(&mut word, &mut out);
            out.push(c);
        }
    }
    flush(&mut word, &mut out);
    let mut from = 0;
    while let Some(start) = out.get(from..).and_then(|rest| rest.find("://")).map(|at| from + at + 3) {
        let authority_end = out[start..]
            .find(|c: char| c == '/' || c.is_whitespace() || matches!(c, '"' | '\'' | ',' | '}'))
            .map_or(out.len(), |at| start + at);
        if let Some(at) = out[start..authority_end].rfind('@') {
            out.replace_range(start..start + at, MASK);
        }
        from = start;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_survives() {
        for (text, masked) in [
            ("  openai: { api_key: sk-abc, org: x }", "  openai: { api_key: ***, org: x }"),
            ("api_key: $OPENAI_API_KEY # c", "api_key: $OPENAI_API_KEY # c"),
            ("api_key: ${OPENAI_API_KEY}", "api_key: ${OPENAI_API_KEY}"),
            ("api_key: \"a,b}c\"  # d", "api_key: ***  # d"),
            ("\"api_key\": 'x y'", "\"api_key\": ***"),
            ("api_key: $ecret-word", "api_key: ***"),
            ("api_key: |\n  secret\n\n  more\nnext: 1", "api_key: |\n  ***\n\n  ***\nnext: 1"),
            ("api_key:\n  secret", "api_key:\n  ***"),
            ("base_url: https://u:p@host/x", "base_url: https://***@host/x"),
            ("apikey: sk-ant-1234567", "apikey: ***"),
            ("model: sk", "model: sk"),
        ] {
            assert_eq!(lines(text).join("\n"), masked);
        }
    }
}
