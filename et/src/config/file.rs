//! `electrictown.yaml` as it is written. Nothing is resolved here; what stands in the file is told with its place.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_saphyr::Spanned;

/// A text with its place.
pub(crate) type Text = Spanned<String>;

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    /// Where models are served.
    pub(crate) providers: Option<BTreeMap<String, Spanned<Provider>>>,
    /// Aliases.
    pub(crate) models: Option<BTreeMap<String, Spanned<Model>>>,
    /// Who does what.
    pub(crate) roles: Option<BTreeMap<String, Spanned<Role>>>,
    /// Workers for one kind of work.
    pub(crate) specialists: Option<BTreeMap<String, Spanned<Role>>>,
    /// For roles that say nothing else.
    pub(crate) defaults: Option<Defaults>,
    /// The check.
    pub(crate) check: Option<Spanned<Check>>,
    /// `require`, `prefer` or `off`.
    pub(crate) sandbox: Option<Text>,
    /// Timers of a model call.
    pub(crate) timeouts: Option<Timeouts>,
    /// What the daemon keeps.
    pub(crate) limits: Option<Limits>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Provider {
    /// `ollama`, `openai`, `anthropic` or `gemini`.
    pub(crate) r#type: Text,
    pub(crate) base_url: Option<Text>,
    pub(crate) api_key: Option<Text>,
    /// `bearer`, `basic` or `none`.
    pub(crate) auth_type: Option<Text>,
    pub(crate) org: Option<Text>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Model {
    pub(crate) provider: Text,
    pub(crate) model: Text,
    /// Tokens.
    pub(crate) context: Option<u32>,
    /// Tokens.
    pub(crate) max_output: Option<u32>,
    pub(crate) price: Option<Spanned<Price>>,
    pub(crate) edits: Option<bool>,
}

/// US dollars per million tokens.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Price {
    pub(crate) input: f64,
    /// The same as `input` if it isn't given.
    pub(crate) cached: Option<f64>,
    pub(crate) output: f64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Role {
    pub(crate) model: Option<Text>,
    /// Only specialists need one.
    pub(crate) description: Option<Text>,
    pub(crate) pool: Option<Vec<Text>>,
    pub(crate) fallbacks: Option<Vec<Text>>,
    pub(crate) max_tokens: Option<Spanned<u32>>,
    pub(crate) temperature: Option<Spanned<f64>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Defaults {
    pub(crate) model: Option<Text>,
    pub(crate) fallbacks: Option<Vec<Text>>,
    pub(crate) max_tokens: Option<Spanned<u32>>,
    pub(crate) temperature: Option<Spanned<f64>>,
    pub(crate) log_dir: Option<Text>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Check {
    pub(crate) command: Option<Text>,
    pub(crate) env: Option<Vec<Text>>,
    pub(crate) fetch: Option<bool>,
    pub(crate) timeout: Option<Text>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Timeouts {
    pub(crate) connect: Option<Text>,
    pub(crate) first_token: Option<Text>,
    pub(crate) between_tokens: Option<Text>,
    pub(crate) call: Option<Text>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Limits {
    pub(crate) keep_rounds: Option<Spanned<u32>>,
    pub(crate) keep_days: Option<Spanned<u32>>,
    /// With a unit.
    pub(crate) state_bytes: Option<Text>,
}
