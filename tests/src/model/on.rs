//! Which requests a rule is about.

use std::fmt;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A plan.
    Plan,
    /// A subtask's files.
    Work,
    /// A fix of diagnostics.
    Fix,
    /// A score.
    Review,
    /// Tests.
    Test,
    /// An agreement for all workers.
    Coordinate,
    /// The closing text.
    Synthesis,
    /// The list of models; no chat.
    Models,
    /// Nobody knows.
    Unknown,
}

impl Kind {
    /// The name in selectors and labels.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Work => "work",
            Self::Fix => "fix",
            Self::Review => "review",
            Self::Test => "test",
            Self::Coordinate => "coordinate",
            Self::Synthesis => "synthesis",
            Self::Models => "models",
            Self::Unknown => "unknown",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        let all = [
            Self::Plan,
            Self::Work,
            Self::Fix,
            Self::Review,
            Self::Test,
            Self::Coordinate,
            Self::Synthesis,
            Self::Models,
            Self::Unknown,
        ];
        all.into_iter().find(|kind| kind.name() == name)
    }
}

/// Selects requests: `KIND[/SUBTASK][#N][@MODEL]`, or `*` for every chat.
///
/// `work` is every worker, `work/store` the one with this subtask, `fix/integrator` a fix without a subtask, `work/store#2` only the
/// second request of those, `plan@big` only what the model `big` is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct On {
    pub(crate) text: String,
    kind: Option<Kind>,
    subtask: Option<String>,
    pub(crate) nth: Option<usize>,
    model: Option<String>,
}

impl On {
    /// Whether a request of this kind, subtask and model is meant, whatever its number.
    #[must_use]
    pub fn selects(&self, kind: Kind, subtask: Option<&str>, model: &str) -> bool {
        self.kind.map_or(kind != Kind::Models, |wanted| wanted == kind)
            && self.subtask.as_deref().is_none_or(|wanted| subtask == Some(wanted))
            && self.model.as_deref().is_none_or(|wanted| wanted == model)
    }
}

impl From<&str> for On {
    /// # Panics
    /// If the text is no selector.
    fn from(text: &str) -> Self {
        let (rest, model) = match text.split_once('@') {
            Some((rest, model)) => (rest, Some(model.to_owned())),
            None => (text, None),
        };
        let (rest, nth) = match rest.split_once('#') {
            Some((rest, nth)) => (rest, Some(nth.parse().unwrap_or_else(|_| panic!("no number behind # in {text:?}")))),
            None => (rest, None),
        };
        let (kind, subtask) = match rest.split_once('/') {
            Some((kind, subtask)) => (kind, Some(subtask.to_owned())),
            None => (rest, None),
        };
        let kind = match kind {
            "*" => None,
            name => Some(Kind::parse(name).unwrap_or_else(|| panic!("no kind of request: {name:?} in {text:?}"))),
        };
        Self { text: text.to_owned(), kind, subtask, nth, model }
    }
}

impl fmt::Display for On {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
