//! Shorthand for the lists of mistakes.

use crate::sim::project::{Fault, FaultKind, Tier};

/// A mistake, its fields in the order of their declaration.
pub(super) fn fault(
    kind: FaultKind,
    tier: Tier,
    file: &'static str,
    find: &'static str,
    put: &'static str,
    reveals: &'static str,
    other: Option<(&'static str, &'static str)>,
) -> Fault {
    Fault { kind, tier, file, find, put, reveals, other }
}
