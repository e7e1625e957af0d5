//! Lines and totals.

use std::collections::BTreeMap;
use std::fmt;

use tests::sim::case::Case;
use tests::sim::run::Measured;

/// Goals, in percent.
const FIX_GOAL: u64 = 30;
const ALL_GOAL: u64 = 60;
const ATTRIBUTION_GOAL: usize = 90;

/// A case that was played.
pub(crate) struct Played {
    pub(crate) case: Case,
    pub(crate) et: Option<Measured>,
    pub(crate) baseline: Option<Measured>,
}

impl Played {
    pub(crate) fn head() -> String {
        format!(
            "{:<66} {:>10} {:>12} {:<8} {:>6} {:>5} {:>8} {:>8} {:>8} {:>6} {:>6}",
            "case", "seed", "outcome", "client", "builds", "calls", "prompt", "answer", "fixes", "owner", "s"
        )
    }
}

impl fmt::Display for Played {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = Vec::new();
        for (client, measured) in [("et", &self.et), ("baseline", &self.baseline)] {
            let Some(one) = measured else { continue };
            let outcome = match (one.green, one.honest) {
                (true, true) => "green",
                (true, false) => "NOT TRUE",
                _ => one.outcome.as_str(),
            };
            let (right, of) = one.attribution;
            let owner = if of == 0 { "-".to_owned() } else { format!("{right}/{of}") };
            lines.push(format!(
                "{:<66} {:>10} {:>12} {:<8} {:>4}/{} {:>5} {:>8} {:>8} {:>8} {:>6} {:>6.1}",
                self.case.name,
                self.case.seed,
                outcome,
                client,
                one.builds,
                if one.owed > 0 { one.owed as usize } else { self.case.tiers() + 1 },
                one.calls,
                one.prompt,
                one.completion,
                one.fix_prompt,
                owner,
                one.seconds
            ));
        }
        f.write_str(&lines.join("\n"))
    }
}

/// What all cases came to.
pub(crate) struct Totals {
    played: usize,
    red: Vec<String>,
    untrue: Vec<String>,
    green_unfixable: Vec<String>,
    late: Vec<String>,
    baseline_red: Vec<String>,
    /// Of et and of the baseline, on the cases that both played and could end green: prompts of fixes, all prompts.
    fixes: (u64, u64),
    prompts: (u64, u64),
    attribution: (usize, usize),
    lacked: BTreeMap<String, usize>,
    unknown: usize,
}

impl Totals {
    pub(crate) fn of(played: &[Played]) -> Self {
        let mut out = Self {
            played: played.len(),
            red: Vec::new(),
            untrue: Vec::new(),
            green_unfixable: Vec::new(),
            late: Vec::new(),
            baseline_red: Vec::new(),
            fixes: (0, 0),
            prompts: (0, 0),
            attribution: (0, 0),
            lacked: BTreeMap::new(),
            unknown: 0,
        };
        for one in played {
            let case = &one.case;
            let name = || format!("{} (seed {})", case.name, case.seed);
            if let Some(et) = &one.et {
                match (case.fixable(), et.green) {
                    (true, false) => out.red.push(format!("{}: {}", name(), et.outcome)),
                    (false, true) => out.green_unfixable.push(name()),
                    _ => {}
                }
                if et.green && !et.honest {
                    out.untrue.push(name());
                }
                if case.fixable() && et.green && et.builds > et.owed {
                    out.late.push(format!("{}: {} builds, {} owed", name(), et.builds, et.owed));
                }
                out.attribution.0 += et.attribution.0;
                out.attribution.1 += et.attribution.1;
                out.unknown += et.unknown;
                for line in &et.lacked {
                    *out.lacked.entry(line.clone()).or_default() += 1;
                }
            }
            let Some(baseline) = &one.baseline else { continue };
            if case.fixable() && !baseline.green {
                out.baseline_red.push(name());
            }
            if let Some(et) = one.et.as_ref().filter(|et| case.fixable() && et.green && baseline.green) {
                out.fixes.0 += et.fix_prompt;
                out.fixes.1 += baseline.fix_prompt;
                out.prompts.0 += et.prompt;
                out.prompts.1 += baseline.prompt;
            }
        }
        out
    }

    /// Goals that weren't reached.
    pub(crate) fn missed(&self) -> Vec<String> {
        let mut missed = Vec::new();
        missed.extend(self.red.iter().map(|case| format!("not green: {case}")));
        missed.extend(self.untrue.iter().map(|case| format!("green, and the check isn't: {case}")));
        missed.extend(self.green_unfixable.iter().map(|case| format!("green, and can't be: {case}")));
        missed.extend(self.late.iter().map(|case| format!("more builds than tiers and one: {case}")));
        let above = |(part, whole): (u64, u64), goal: u64| whole > 0 && part * 100 > whole * goal;
        if above(self.fixes, FIX_GOAL) {
            missed.push(format!("prompts of fixes are above {FIX_GOAL} % of the baseline's"));
        }
        if above(self.prompts, ALL_GOAL) {
            missed.push(format!("all prompts are above {ALL_GOAL} % of the baseline's"));
        }
        let (right, of) = self.attribution;
        if right * 100 < of * ATTRIBUTION_GOAL {
            missed.push(format!("the right owner was asked first in {right} of {of}, below {ATTRIBUTION_GOAL} %"));
        }
        if self.unknown > 0 {
            missed.push(format!("{} requests weren't understood", self.unknown));
        }
        missed
    }
}

fn share((part, whole): (u64, u64)) -> String {
    if whole == 0 { "-".to_owned() } else { format!("{:.1} % ({part} of {whole})", part as f64 * 100.0 / whole as f64) }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (right, of) = self.attribution;
        writeln!(
            f,
            "\n{} cases: {} not as they should be, {} late",
            self.played,
            self.red.len() + self.green_unfixable.len() + self.untrue.len(),
            self.late.len()
        )?;
        writeln!(f, "prompts of fixes against the baseline: {}", share(self.fixes))?;
        writeln!(f, "all prompts against the baseline: {}", share(self.prompts))?;
        writeln!(f, "mistakes between files, right owner first: {right} of {of}")?;
        for case in &self.baseline_red {
            writeln!(f, "the baseline isn't green: {case}")?;
        }
        for (line, times) in &self.lacked {
            writeln!(f, "lacked ({times}): {line}")?;
        }
        Ok(())
    }
}

pub(crate) fn ablation_head() -> String {
    format!(
        "{:<14} {:>9} {:>7} {:>6} {:>9} {:>9} {:>9} {:>8} {:>5}",
        "without", "green", "builds", "calls", "prompt", "answer", "fixes", "owner", "left"
    )
}

/// What a set of cases took, as one line.
pub(crate) fn ablation(part: &str, cases: &[Case], measured: &[Measured]) -> String {
    let green = measured.iter().filter(|one| one.green && one.honest).count();
    let sum = |of: fn(&Measured) -> u64| measured.iter().map(of).sum::<u64>();
    let right: usize = measured.iter().map(|one| one.attribution.0).sum();
    let of: usize = measured.iter().map(|one| one.attribution.1).sum();
    format!(
        "{part:<14} {:>9} {:>7} {:>6} {:>9} {:>9} {:>9} {:>8} {:>5}",
        format!("{green} of {}", cases.iter().filter(|case| case.fixable()).count()),
        sum(|one| u64::from(one.builds)),
        sum(|one| one.calls as u64),
        sum(|one| one.prompt),
        sum(|one| one.completion),
        sum(|one| one.fix_prompt),
        format!("{right}/{of}"),
        sum(|one| one.left)
    )
}
