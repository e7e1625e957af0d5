//! How many tokens a text probably has, before a provider says so.

use crate::provider::Prompt;

/// Tokens of a text: a quarter of its characters, rounded up. Rough by design: budgets and windows reserve with it, and what a
/// provider reports replaces it.
#[must_use]
pub fn estimate(text: &str) -> u64 {
    u64::try_from(text.chars().count()).unwrap_or(u64::MAX).div_ceil(4)
}

/// Tokens of everything that a prompt holds.
#[must_use]
pub fn of_prompt(prompt: &Prompt) -> u64 {
    estimate(&prompt.system) + prompt.turns.iter().map(|turn| estimate(&turn.text)).sum::<u64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::{Speaker, Turn};

    #[test]
    fn a_quarter_of_the_characters_rounded_up() {
        for (text, tokens) in [("", 0), ("a", 1), ("abcd", 1), ("abcde", 2), ("äöüß", 1)] {
            assert_eq!(estimate(text), tokens, "{text}");
        }
        let turns = vec![Turn { speaker: Speaker::User, text: "abcde".into() }];
        assert_eq!(of_prompt(&Prompt { system: "abc".into(), turns }), 3);
    }
}
