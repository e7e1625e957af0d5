//! Cases: a project, the form of the answers, and the mistakes, all drawn by a seed.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::project::{Fault, FaultKind, Project, Tier};

/// In which form files are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// As the prompt asks for.
    Asked,
    /// A heading with the path, then a fence.
    Heading,
    /// A bold path, then a fence.
    Bold,
    /// The path in the fence's info string.
    FenceInfo,
    /// The path in a comment on the first line in the fence.
    FirstComment,
    /// `<file path="…">`.
    Xml,
    /// SEARCH and REPLACE for what is there, whole files for what is new.
    Search,
    /// Unified diff.
    Unified,
    /// `*** Begin Patch`.
    ApplyPatch,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Asked,
        Self::Heading,
        Self::Bold,
        Self::FenceInfo,
        Self::FirstComment,
        Self::Xml,
        Self::Search,
        Self::Unified,
        Self::ApplyPatch,
    ];

    /// A word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Heading => "heading",
            Self::Bold => "bold",
            Self::FenceInfo => "info",
            Self::FirstComment => "comment",
            Self::Xml => "xml",
            Self::Search => "search",
            Self::Unified => "diff",
            Self::ApplyPatch => "patch",
        }
    }

    /// Whether what is there is changed by edits.
    #[must_use]
    pub fn edits(self) -> bool {
        matches!(self, Self::Search | Self::Unified | Self::ApplyPatch)
    }
}

/// Mistakes of an answer as a whole. One part of the case makes them, the first time it is asked, unless said otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Whole {
    /// Cut by the token limit in the middle of a file.
    Truncated,
    /// Prose only.
    NoCode,
    /// Of all answers with files, one in so many is prose only.
    NoCodeRate(u32),
    /// A remark in place of a third of a file.
    Placeholder,
    /// `/app/` before every path, in every answer of every part.
    WrongPath,
    /// A file is left out.
    FileMissing,
    /// The manifest is left out.
    MissingManifest,
    /// The first edit has a line that isn't in the file.
    EditDoesNotApply,
    /// A file of another part comes along, with a mistake: with the first answer, and with the first fix.
    Meddling,
    /// Who can't mend a file makes another mistake in it.
    Worsening,
}

impl Whole {
    /// A word for it.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Truncated => "truncated".to_owned(),
            Self::NoCode => "no-code".to_owned(),
            Self::NoCodeRate(rate) => format!("no-code-1-of-{rate}"),
            Self::Placeholder => "placeholder".to_owned(),
            Self::WrongPath => "wrong-path".to_owned(),
            Self::FileMissing => "file-missing".to_owned(),
            Self::MissingManifest => "missing-manifest".to_owned(),
            Self::EditDoesNotApply => "edit-does-not-apply".to_owned(),
            Self::Meddling => "meddling".to_owned(),
            Self::Worsening => "worsening".to_owned(),
        }
    }
}

/// What is played.
#[derive(Clone, Debug)]
pub struct Case {
    /// Unlike that of any other case of a run.
    pub name: String,
    /// The project.
    pub project: Arc<Project>,
    /// The form of files.
    pub format: Format,
    /// Indices of the project's mistakes that are in the first answers.
    pub faults: Vec<usize>,
    /// Mistakes of whole answers.
    pub whole: Vec<Whole>,
    /// Index of a mistake that is never undone.
    pub unfixable: Option<usize>,
    /// Whether the plan comes as a list in prose.
    pub prose: bool,
    /// What decides whatever isn't said.
    pub seed: u64,
}

impl Case {
    /// A case without a mistake.
    #[must_use]
    pub fn new(project: Arc<Project>, format: Format, seed: u64) -> Self {
        let name = format!("{}/{}", project.name, format.name());
        Self { name, project, format, faults: Vec::new(), whole: Vec::new(), unfixable: None, prose: false, seed }
    }

    /// Its mistakes in the text of files.
    pub fn mistakes(&self) -> impl Iterator<Item = (usize, &Fault)> {
        self.faults.iter().map(|index| (*index, &self.project.faults[*index]))
    }

    /// Distinct tiers in which its mistakes are found.
    #[must_use]
    pub fn tiers(&self) -> usize {
        let tiers: BTreeSet<Tier> = self.mistakes().map(|(_, fault)| fault.tier).collect();
        tiers.len()
    }

    /// The kinds of its mistakes, in words.
    #[must_use]
    pub fn kinds(&self) -> String {
        let faults = self.mistakes().map(|(_, fault)| kind(fault.kind).to_owned());
        let all: Vec<String> = faults.chain(self.whole.iter().map(|whole| whole.name())).collect();
        if all.is_empty() { "none".to_owned() } else { all.join("+") }
    }

    /// Whether everything can be mended.
    #[must_use]
    pub fn fixable(&self) -> bool {
        self.unfixable.is_none()
    }
}

/// A word for a kind of mistake.
#[must_use]
pub fn kind(kind: FaultKind) -> &'static str {
    match kind {
        FaultKind::Syntax => "syntax",
        FaultKind::MissingImport => "import",
        FaultKind::WrongType => "type",
        FaultKind::UndefinedSymbol => "undefined",
        FaultKind::Signature => "signature",
        FaultKind::ModulePath => "module-path",
        FaultKind::ManifestEntry => "manifest-entry",
        FaultKind::Duplicate => "duplicate",
        FaultKind::FailingTest => "test",
        FaultKind::Linker => "linker",
    }
}

/// Numbers that follow from a seed and nothing else (splitmix64).
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// From a seed and what the numbers are for.
    #[must_use]
    pub fn new(seed: u64, what: &str) -> Self {
        // FNV-1a, so that different uses of one seed differ.
        let hash = what
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        Self(seed ^ hash)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `n`; 0 for 0.
    pub fn below(&mut self, n: usize) -> usize {
        if n == 0 { 0 } else { (self.next() % n as u64) as usize }
    }

    /// Puts a list in a new order.
    pub fn shuffle<T>(&mut self, list: &mut [T]) {
        for last in (1..list.len()).rev() {
            list.swap(last, self.below(last + 1));
        }
    }
}

/// A content with mistakes put in. None: one of them doesn't fit beside the others.
#[must_use]
pub fn spoil<'a>(content: &str, faults: impl IntoIterator<Item = &'a Fault>) -> Option<String> {
    let mut spots = Vec::new();
    for fault in faults {
        let at = content.find(fault.find)?;
        spots.push((at, at + fault.find.len(), fault.put));
    }
    spots.sort_unstable();
    if spots.windows(2).any(|pair| pair[0].1 > pair[1].0) {
        return None;
    }
    let mut out = content.to_owned();
    for (from, to, put) in spots.into_iter().rev() {
        out.replace_range(from..to, put);
    }
    Some(out)
}

/// Whether these mistakes can be in one tree.
fn fit(project: &Project, faults: &[usize]) -> bool {
    project.files.iter().all(|(path, content)| {
        let here = || faults.iter().map(|index| &project.faults[*index]).filter(|fault| fault.file == path);
        let of = |kind| here().filter(move |fault| fault.kind == kind);
        // Who defines anew what isn't imported makes no mistake that a compiler sees.
        let hidden = of(FaultKind::MissingImport)
            .any(|lack| lack.other.is_some() && of(FaultKind::Duplicate).any(|twice| twice.other == lack.other));
        spoil(content, here()).is_some() && !hidden
    })
}

/// At least `count` cases of a project, so many that each of its mistakes is in one of them: all formats in turn, one to four mistakes.
/// Then mistakes of whole answers.
#[must_use]
pub fn draw(project: &Arc<Project>, count: usize, seed: u64) -> Vec<Case> {
    let mut dice = Dice::new(seed, project.name);
    let mut formats = Format::ALL;
    dice.shuffle(&mut formats);
    let all: Vec<usize> = (0..project.faults.len()).collect();
    let mut unused: BTreeSet<usize> = all.iter().copied().collect();
    let mut pile: Vec<usize> = Vec::new();
    let mut cases = Vec::new();
    let mut number = 0;
    while (number < count || !unused.is_empty()) && !all.is_empty() {
        let mut case =
            Case::new(Arc::clone(project), formats[number % formats.len()], seed.wrapping_add(number as u64));
        let wanted = (1 + (number + dice.below(2)) % 4).min(all.len());
        let mut passed = Vec::new();
        while case.faults.len() < wanted {
            if pile.is_empty() {
                pile.clone_from(&all);
                dice.shuffle(&mut pile);
                pile.retain(|index| !case.faults.contains(index) && !passed.contains(index));
                if pile.is_empty() {
                    break;
                }
            }
            let next = pile.pop().expect("it isn't empty");
            let with: Vec<usize> = case.faults.iter().copied().chain([next]).collect();
            if fit(project, &with) {
                case.faults = with;
                unused.remove(&next);
            } else {
                passed.push(next);
            }
        }
        pile.extend(passed);
        case.prose = number % 5 == 4;
        name(&mut case, number);
        cases.push(case);
        number += 1;
    }
    cases.extend(whole(project, seed, number));
    cases
}

fn name(case: &mut Case, number: usize) {
    let prose = if case.prose { "/prose" } else { "" };
    case.name = format!("{}/{number}/{}{prose}/{}", case.project.name, case.format.name(), case.kinds());
}

/// A case for each mistake of whole answers; projects with few mistakes of their own get the same ones.
fn whole(project: &Arc<Project>, seed: u64, from: usize) -> Vec<Case> {
    let all = [
        (Whole::Truncated, Format::Asked),
        (Whole::NoCode, Format::Heading),
        (Whole::NoCodeRate(8), Format::Asked),
        (Whole::Placeholder, Format::Asked),
        (Whole::WrongPath, Format::FenceInfo),
        (Whole::FileMissing, Format::Bold),
        (Whole::MissingManifest, Format::Asked),
        (Whole::EditDoesNotApply, Format::Search),
        (Whole::Meddling, Format::Asked),
    ];
    let mut dice = Dice::new(seed, "whole answers");
    let mut cases = Vec::new();
    for (number, (whole, format)) in (from..).zip(all) {
        let mut case = Case::new(Arc::clone(project), format, seed.wrapping_add(number as u64));
        case.whole.push(whole);
        // A mistake beside it: an edit needs one.
        if !project.faults.is_empty() {
            case.faults.push(dice.below(project.faults.len()));
        }
        name(&mut case, number);
        cases.push(case);
    }
    let last = from + all.len();
    if let Some(index) = (!project.faults.is_empty()).then(|| dice.below(project.faults.len())) {
        let mut case = Case::new(Arc::clone(project), Format::Asked, seed.wrapping_add(last as u64));
        case.faults.push(index);
        case.unfixable = Some(index);
        case.whole.push(Whole::Worsening);
        name(&mut case, last);
        case.name.push_str("/unfixable");
        cases.push(case);
    }
    cases
}
