//! Whole words in a text. Pure.

/// Whether `word` occurs in `text` with neither `before` in front of it nor `after` behind it; an empty one never does.
pub(crate) fn has(text: &str, word: &str, before: impl Fn(char) -> bool, after: impl Fn(char) -> bool) -> bool {
    !word.is_empty()
        && text.match_indices(word).any(|(at, found)| {
            let front = text.get(..at).and_then(|text| text.chars().next_back());
            let back = text.get(at + found.len()..).and_then(|text| text.chars().next());
            !front.is_some_and(&before) && !back.is_some_and(&after)
        })
}

/// Whether a text has a word that may be the name of a file or package.
pub(crate) fn mentions(text: &str, word: &str) -> bool {
    has(text, word, in_file_name, in_file_name)
}

/// What a name in code is made of.
pub(crate) fn in_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// What a name of a file or package is made of.
pub(crate) fn in_file_name(c: char) -> bool {
    in_name(c) || c == '-'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_words_only() {
        let table = [
            ("a.b", "a", true),
            ("ab", "a", false),
            ("ba", "a", false),
            ("_a", "a", false),
            ("über a", "a", true),
            ("a-b", "a", true),
            ("", "a", false),
            ("a", "", false),
        ];
        for (text, word, expected) in table {
            assert_eq!(has(text, word, in_name, in_name), expected, "{word} in {text}");
        }
        assert!(!has("a-b", "a", in_file_name, in_file_name));
    }
}
