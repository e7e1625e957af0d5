//! The configuration as a client hands it over: resolved, validated, and without a single secret.
//!
//! The YAML that users write is read by the client (`et::config`). What is here has every alias resolved, every default
//! filled in, and each key replaced by a [`SecretRef`]; the values travel apart, see [`crate::message::SecretValue`].

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Names a secret: `env:NAME`, or `file:/path/electrictown.yaml#providers.openai.api_key`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct SecretRef(pub String);

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which wire format a provider speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProviderKind {
    /// `/api/chat`, NDJSON.
    Ollama,
    /// `/chat/completions` and everything compatible with it.
    Openai,
    /// `/v1/messages`.
    Anthropic,
    /// `:streamGenerateContent`.
    Gemini,
    /// Answers that ship in the binary, for `et demo`; `base_url` is empty or the path of another recording.
    Recorded,
}

/// How requests to a provider are authenticated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Auth {
    /// Not at all.
    None,
    /// In the vendor's own way (`x-api-key`, `x-goog-api-key`, `Authorization: Bearer`).
    Key(SecretRef),
    /// `Authorization: Bearer`, whatever the vendor.
    Bearer(SecretRef),
    /// `Authorization: Basic`; the secret is `user:password`.
    Basic(SecretRef),
}

impl Auth {
    /// The secret that it needs.
    #[must_use]
    pub fn secret(&self) -> Option<&SecretRef> {
        match self {
            Self::None => None,
            Self::Key(secret) | Self::Bearer(secret) | Self::Basic(secret) => Some(secret),
        }
    }
}

/// One provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderConfig {
    /// Its wire format.
    pub kind: ProviderKind,
    /// Where it is, without a slash at the end.
    pub base_url: String,
    /// How it is asked.
    pub auth: Auth,
    /// `OpenAI-Organization`.
    pub org: Option<String>,
}

/// Price of a model in millionths of a US dollar per million tokens (so $3 per million is 3,000,000).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Price {
    /// Per million prompt tokens that weren't cached.
    pub input: u64,
    /// Per million prompt tokens read from the provider's cache.
    pub cached: u64,
    /// Per million answer tokens.
    pub output: u64,
}

impl Price {
    /// Costs nothing: local models.
    pub const FREE: Self = Self { input: 0, cached: 0, output: 0 };
}

/// One model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelConfig {
    /// Key in [`Config::providers`].
    pub provider: String,
    /// The vendor's name for it.
    pub model: String,
    /// Its context window in tokens, if known.
    pub context: Option<u32>,
    /// The most it can answer in tokens, if known.
    pub max_output: Option<u32>,
    /// Its price, if known. Local models are free.
    pub price: Option<Price>,
    /// Whether it handles SEARCH/REPLACE edits; none: not known.
    pub edits: Option<bool>,
}

/// Who does a role: each entry is a key in [`Config::models`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleConfig {
    /// Models that share the work, at least one.
    pub pool: Vec<String>,
    /// Models that are asked when the pool can't serve, in order.
    pub fallbacks: Vec<String>,
    /// Longest answer in tokens.
    pub max_tokens: u32,
    /// In thousandths, so that it is exact (0.7 is 700).
    pub temperature_milli: u32,
}

/// A worker for one kind of work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpecialistConfig {
    /// What it is for, as the planner reads it.
    pub description: String,
    /// Who does it.
    pub role: RoleConfig,
}

/// How strongly a sandbox is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SandboxWish {
    /// No round without the full one.
    Require,
    /// The best there is.
    Prefer,
    /// None.
    Off,
}

/// Timers of a model call, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeouts {
    /// Until the connection stands.
    pub connect_ms: u64,
    /// Until the first token; a server may hold its headers back that long.
    pub first_token_ms: u64,
    /// Between two tokens; keep-alives don't count.
    pub between_tokens_ms: u64,
    /// The whole call.
    pub call_ms: u64,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect_ms: 10_000, first_token_ms: 300_000, between_tokens_ms: 120_000, call_ms: 1_200_000 }
    }
}

/// The check section.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckConfig {
    /// Replaces detection.
    pub command: Option<String>,
    /// Names of variables that checks may see besides the standard ones.
    pub env: Vec<String>,
    /// Limit of one build in milliseconds; none: the round's own.
    pub timeout_ms: Option<u64>,
    /// Whether dependencies aren't to be fetched before a build.
    #[serde(default)]
    pub no_fetch: bool,
}

/// How much a daemon keeps of what is over. What comes first counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keep {
    /// Rounds; at least 1.
    pub rounds: u32,
    /// Days since a round ended or a build cache was used; at least 1.
    pub days: u32,
    /// Bytes of the database and of build caches.
    pub bytes: u64,
}

impl Default for Keep {
    fn default() -> Self {
        Self { rounds: 500, days: 365, bytes: 2 << 30 }
    }
}

/// The whole configuration of a round.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// Where it came from, for people: a path, or `detected`.
    pub source: String,
    /// By name.
    pub providers: BTreeMap<String, ProviderConfig>,
    /// By alias; `provider/model` entries are here under that name.
    pub models: BTreeMap<String, ModelConfig>,
    /// By canonical name, see [`role`].
    pub roles: BTreeMap<String, RoleConfig>,
    /// By name.
    pub specialists: BTreeMap<String, SpecialistConfig>,
    /// The check section.
    pub check: CheckConfig,
    /// How strongly a sandbox is wanted.
    pub sandbox: SandboxWish,
    /// Timers of a model call.
    pub timeouts: Timeouts,
    /// Absolute path below which the log dirs are made.
    pub log_dir: String,
    /// Proxy and CA settings: variable name → where its value is kept.
    pub network: BTreeMap<String, SecretRef>,
    /// What the daemon is to keep from now on; none: as before.
    #[serde(default)]
    pub keep: Option<Keep>,
}

/// Canonical names of the roles in [`Config::roles`].
pub mod role {
    /// Plans, and writes the synthesis.
    pub const PLANNER: &str = "mayor";
    /// Does the subtasks.
    pub const WORKER: &str = "polecat";
    /// Scores answers.
    pub const REVIEWER: &str = "reviewer";
    /// Writes and mends tests after the workers.
    pub const TESTER: &str = "tester";

    /// The canonical name of a role as users may write it.
    #[must_use]
    pub fn canonical(name: &str) -> &str {
        match name {
            "worker" => WORKER,
            "witness" => REVIEWER,
            "refinery" => TESTER,
            "planner" => PLANNER,
            other => other,
        }
    }
}

impl Config {
    /// Every secret that a round with this configuration needs.
    pub fn secrets(&self) -> impl Iterator<Item = &SecretRef> {
        self.providers.values().filter_map(|provider| provider.auth.secret()).chain(self.network.values())
    }
}
