//! Which of two trees is the better one.

use std::cmp::Reverse;

/// How good a tree is; the greater, the better. The order of the fields is the order of comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rank {
    parses: bool,
    builds: bool,
    tests_passed: u32,
    errors: Reverse<u32>,
    warnings: Reverse<u32>,
}

impl Rank {
    /// The rank of a tree. What builds parses, whatever else is said.
    #[must_use]
    pub fn of(builds: bool, parses: bool, tests_passed: u32, errors: u32, warnings: u32) -> Self {
        Self { parses: parses || builds, builds, tests_passed, errors: Reverse(errors), warnings: Reverse(warnings) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_are_ordered_as_the_promise_says() {
        let worst_first = [
            Rank::of(false, false, 9, 1, 0),
            Rank::of(false, true, 0, 5, 0),
            Rank::of(false, true, 0, 4, 3),
            Rank::of(false, true, 0, 4, 2),
            Rank::of(false, true, 1, 9, 9),
            Rank::of(true, true, 0, 3, 0),
            Rank::of(true, false, 2, 3, 0),
            Rank::of(true, true, 3, 3, 1),
            Rank::of(true, true, 3, 0, 0),
        ];
        for pair in worst_first.windows(2) {
            assert!(pair.first() < pair.get(1), "{pair:?}");
        }
    }
}
