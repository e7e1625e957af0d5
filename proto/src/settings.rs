//! The flags of a round: as typed ([`Flags`], each may be absent) and as they count ([`Settings`]).

use serde::{Deserialize, Serialize};

/// Phases that a caller may switch off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skip {
    /// No synthesis by the mayor.
    pub synthesize: bool,
    /// No reviews.
    pub reviewer: bool,
    /// No tester.
    pub tester: bool,
    /// No coordination call.
    pub coordinate: bool,
    /// No specialists.
    pub specialists: bool,
}

/// The flags that were given. What a `send` gives again replaces what its `spawn` gave.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flags {
    /// `--iterate`, `--no-iterate`.
    pub iterate: Option<bool>,
    /// `--max-iterations`: builds at most.
    pub max_iterations: Option<u32>,
    /// `--timeout`, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// `--workers`: at once.
    pub workers: Option<u32>,
    /// `--max-subtasks`.
    pub max_subtasks: Option<u32>,
    /// `--check`.
    pub check: Option<String>,
    /// `--no-test` is `Some(false)`.
    pub tests: Option<bool>,
    /// `--role`.
    pub role: Option<String>,
    /// `--no-synthesize` and its like; a phase that is switched off once stays off.
    pub skip: Skip,
    /// `--guardrail-retries`.
    pub guardrail_retries: Option<u32>,
    /// `--guardrail-threshold`, 1 to 10.
    pub guardrail_threshold: Option<u32>,
    /// `--max-cost`, in millionths of a US dollar.
    pub max_cost_micros: Option<u64>,
    /// `--max-tokens`.
    pub max_tokens: Option<u64>,
    /// `--dry-run`.
    pub dry_run: bool,
}

/// What a round goes by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Whether to build, attribute, fix and build again.
    pub iterate: bool,
    /// Builds at most, at least 1.
    pub max_iterations: u32,
    /// The round's limit in milliseconds.
    pub timeout_ms: u64,
    /// Workers at once, at least 1.
    pub workers: u32,
    /// What the planner is told as its cap.
    pub max_subtasks: u32,
    /// A check that replaces detection.
    pub check: Option<String>,
    /// Whether detection includes tests.
    pub tests: bool,
    /// The role that plans, canonical.
    pub role: String,
    /// Phases that are switched off.
    pub skip: Skip,
    /// Times that a low-scored answer is asked again.
    pub guardrail_retries: u32,
    /// Scores below this are low.
    pub guardrail_threshold: u32,
    /// Hard budget in millionths of a US dollar.
    pub max_cost_micros: Option<u64>,
    /// Hard budget in tokens.
    pub max_tokens: Option<u64>,
    /// Plan only.
    pub dry_run: bool,
}

impl Flags {
    /// These flags where given, those of `base` elsewhere.
    #[must_use]
    pub fn over(self, base: &Self) -> Self {
        Self {
            iterate: self.iterate.or(base.iterate),
            max_iterations: self.max_iterations.or(base.max_iterations),
            timeout_ms: self.timeout_ms.or(base.timeout_ms),
            workers: self.workers.or(base.workers),
            max_subtasks: self.max_subtasks.or(base.max_subtasks),
            check: self.check.or_else(|| base.check.clone()),
            tests: self.tests.or(base.tests),
            role: self.role.or_else(|| base.role.clone()),
            skip: Skip {
                synthesize: self.skip.synthesize || base.skip.synthesize,
                reviewer: self.skip.reviewer || base.skip.reviewer,
                tester: self.skip.tester || base.skip.tester,
                coordinate: self.skip.coordinate || base.skip.coordinate,
                specialists: self.skip.specialists || base.skip.specialists,
            },
            guardrail_retries: self.guardrail_retries.or(base.guardrail_retries),
            guardrail_threshold: self.guardrail_threshold.or(base.guardrail_threshold),
            max_cost_micros: self.max_cost_micros.or(base.max_cost_micros),
            max_tokens: self.max_tokens.or(base.max_tokens),
            dry_run: self.dry_run,
        }
    }

    /// The flags with the documented defaults filled in; `iterate` is off unless given.
    #[must_use]
    pub fn resolve(&self) -> Settings {
        let role = self.role.as_deref().unwrap_or(crate::config::role::PLANNER);
        Settings {
            iterate: self.iterate.unwrap_or(false),
            max_iterations: self.max_iterations.unwrap_or(3).max(1),
            timeout_ms: self.timeout_ms.unwrap_or(30 * 60 * 1000),
            workers: self.workers.unwrap_or(8).max(1),
            max_subtasks: self.max_subtasks.unwrap_or(10).max(1),
            check: self.check.clone(),
            tests: self.tests.unwrap_or(true),
            role: crate::config::role::canonical(role).to_owned(),
            skip: self.skip,
            guardrail_retries: self.guardrail_retries.unwrap_or(1),
            guardrail_threshold: self.guardrail_threshold.unwrap_or(6),
            max_cost_micros: self.max_cost_micros,
            max_tokens: self.max_tokens,
            dry_run: self.dry_run,
        }
    }
}
