//! What tokens cost, in whole millionths of a US dollar.

use proto::config::Price;

use crate::provider::TokenUsage;

const MILLION: u128 = 1_000_000;
/// What writing to a cache costs beside reading a prompt, as a part of its price: a quarter (Anthropic's prompt caching, five minutes).
const WRITING: u128 = 4;

/// Cost in millionths of a US dollar, rounded up; none if the price isn't known. What took no tokens costs nothing at any price.
#[must_use]
pub fn cost(usage: &TokenUsage, price: Option<Price>) -> Option<u64> {
    if usage.input == 0 && usage.output == 0 {
        return Some(0);
    }
    let price = price?;
    let cached = usage.cached.min(usage.input);
    let written = usage.written.min(usage.input - cached);
    let sum = u128::from(usage.input - cached) * u128::from(price.input)
        + (u128::from(written) * u128::from(price.input)).div_ceil(WRITING)
        + u128::from(cached) * u128::from(price.cached)
        + u128::from(usage.output) * u128::from(price.output);
    Some(u64::try_from(sum.div_ceil(MILLION)).unwrap_or(u64::MAX))
}

/// The longest answer in tokens that `micros` pay for; none: any length.
pub(super) fn answer_for(micros: u64, price: Price) -> Option<u64> {
    if price.output == 0 {
        return None;
    }
    Some(u64::try_from(u128::from(micros) * MILLION / u128::from(price.output)).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs() {
        let dear = Price { input: 3_000_000, cached: 300_000, output: 15_000_000 };
        let of = |input, cached, output| TokenUsage { input, cached, output, ..TokenUsage::default() };
        let writes = |input, written| TokenUsage { input, written, ..TokenUsage::default() };
        for (usage, price, micros) in [
            (of(1_000_000, 0, 0), Some(dear), Some(3_000_000)),
            (of(1_000_000, 1_000_000, 0), Some(dear), Some(300_000)),
            (of(0, 0, 1), Some(dear), Some(15)),
            (of(1, 1, 0), Some(dear), Some(1)), // 0.3, rounded up
            (of(10, 20, 0), Some(dear), Some(3)),
            (writes(1_000_000, 400_000), Some(dear), Some(3_300_000)),
            (writes(10, u64::MAX), Some(dear), Some(38)), // 37.5, rounded up
            (of(10, 0, 10), Some(Price::FREE), Some(0)),
            (of(10, 0, 10), None, None),
            (of(0, 0, 0), None, Some(0)),
            (of(u64::MAX, 0, u64::MAX), Some(dear), Some(u64::MAX)),
        ] {
            assert_eq!(cost(&usage, price), micros, "{usage:?} {price:?}");
        }
        assert_eq!(answer_for(150, dear), Some(10));
        assert_eq!(answer_for(0, Price::FREE), None);
    }
}
