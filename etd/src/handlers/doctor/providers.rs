//! Whether each provider answers, takes its key, and has the models that the roles name.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proto::config::{Config, ModelConfig, ProviderConfig, ProviderKind, SecretRef};
use proto::message::{Finding, Grade, SecretValue};

use super::super::models::{Offer, ask, nameless};
use super::{Advised as _, finding};
use crate::provider::{FailureKind, ProviderError};
use crate::session::Engine;

/// Longest wait for one provider.
const PATIENCE: Duration = Duration::from_secs(10);
/// What is in the words of an error of TLS.
const TLS: &[&str] = &["certificate", "no tls connection", "handshake", "corrupt message", "unknownissuer"];
/// What is in the words of a failed lookup of a name.
const NAME: &[&str] = &["dns error", "failed to lookup", "name or service not known", "nodename nor servname"];

pub(super) async fn examine(engine: &Engine, config: &Config, secrets: &[SecretValue]) -> Vec<Finding> {
    let users = users(config);
    let offers = ask(engine, config, secrets, PATIENCE).await;
    let told = offers
        .iter()
        .filter_map(|offer| Some(judge(config.providers.get(&offer.provider)?, &config.models, &users, offer)));
    told.flatten().collect()
}

/// For each alias of a model the roles that may ask it.
fn users(config: &Config) -> BTreeMap<&str, BTreeSet<&str>> {
    let specialists = config.specialists.iter().map(|(name, specialist)| (name.as_str(), &specialist.role));
    let roles = config.roles.iter().map(|(name, role)| (name.as_str(), role)).chain(specialists);
    let mut users: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (name, role) in roles {
        for alias in role.pool.iter().chain(&role.fallbacks) {
            users.entry(alias).or_default().insert(name);
        }
    }
    users
}

/// What one provider's answer means; pure.
fn judge(
    provider: &ProviderConfig,
    models: &BTreeMap<String, ModelConfig>,
    users: &BTreeMap<&str, BTreeSet<&str>>,
    offer: &Offer,
) -> Vec<Finding> {
    let name = offer.provider.as_str();
    let models: Vec<_> = models.iter().filter(|(_, model)| model.provider == name).collect();
    // What no role asks may be as it likes.
    let used = models.iter().any(|(alias, _)| users.contains_key(alias.as_str()));
    let bad = if used { Grade::Fail } else { Grade::Warn };
    let names = match &offer.models {
        Ok(names) => names,
        Err(error) => {
            let (text, advice) = explain(name, provider, error.as_ref());
            return vec![finding("provider", name, bad, text).advice(advice)];
        }
    };
    let key = if provider.auth.secret().is_some() { ", takes its key" } else { "" };
    let count = if names.len() == 1 { "1 model".to_owned() } else { format!("{} models", names.len()) };
    let text = if provider.kind == ProviderKind::Recorded {
        "a recording".to_owned()
    } else {
        format!("answers in {} ms{key}, {count}", offer.latency_ms)
    };
    let mut findings = vec![finding("provider", name, Grade::Ok, text)];
    for (alias, model) in models {
        // Lists leave out tags and dates that are optional in a name, and some servers have none.
        if names.is_empty() || names.iter().any(|offered| offered.contains(&model.model)) {
            continue;
        }
        let by = users.get(alias.as_str()).map(|roles| roles.iter().copied().collect::<Vec<_>>().join(", "));
        let (grade, by) = by.map_or((Grade::Warn, String::new()), |by| (Grade::Fail, format!(" (for {by})")));
        let text = format!("has no model `{}`{by}", model.model);
        let advice = match provider.kind {
            ProviderKind::Ollama => {
                format!("`ollama pull {}` there, or name another: `et models` lists them", model.model)
            }
            _ => format!("name one of its models for `{alias}`: `et models` lists them"),
        };
        findings.push(finding("provider", name, grade, text).advice(advice));
    }
    findings
}

/// What is wrong, and what to do about it.
fn explain(name: &str, provider: &ProviderConfig, error: Option<&ProviderError>) -> (String, String) {
    let url = &provider.base_url;
    let Some(error) = error else {
        return (
            format!("no answer within {} s", PATIENCE.as_secs()),
            format!("see whether {url} is the right base_url, and whether the server or a proxy in between is stuck"),
        );
    };
    let said = nameless(name, error);
    let words = said.to_ascii_lowercase();
    let says = |list: &[&str]| list.iter().any(|word| words.contains(word));
    let key = match provider.auth.secret() {
        None => "an api_key in the config".to_owned(),
        Some(SecretRef(name)) => name.strip_prefix("env:").map_or_else(|| name.clone(), |name| format!("${name}")),
    };
    match error.kind {
        FailureKind::Auth => (format!("wrong key: {said}"), format!("put a key that is valid at {url} into {key}")),
        FailureKind::NoSecret => (format!("no key: {said}"), format!("give {key} a value, in the shell that runs et")),
        FailureKind::Network | FailureKind::Rejected if says(TLS) => (
            format!("TLS error: {said}"),
            format!(
                "see whether {url} has the right scheme and port; for a certificate authority of your own set SSL_CERT_FILE"
            ),
        ),
        FailureKind::Network if says(NAME) => (
            format!("wrong host: {said}"),
            format!("mend the host in base_url {url}, or the name server, or set HTTPS_PROXY"),
        ),
        FailureKind::Network => (
            format!("not to be reached: {said}"),
            format!("start what should listen at {url}, or mend base_url or the proxy"),
        ),
        FailureKind::Timeout => (format!("no answer: {said}"), format!("see whether {url} can be reached from here")),
        FailureKind::RateLimited => {
            (format!("too many requests: {said}"), "wait, or add a fallback to the roles".to_owned())
        }
        FailureKind::Server => (format!("in trouble: {said}"), "wait, or add a fallback to the roles".to_owned()),
        FailureKind::Malformed | FailureKind::Rejected | FailureKind::UnknownModel | FailureKind::ContextOverflow => (
            format!("not what was expected there: {said}"),
            format!("see whether type and base_url ({url}) of `{name}` belong together"),
        ),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

    use proto::config::Auth;

    use super::*;
    use crate::provider::TokenUsage;

    /// What a provider's answer means where `mayor` asks one of the two models of `p`, and nobody that of `idle`.
    fn judged(name: &str, models: Result<Vec<String>, Option<ProviderError>>) -> Vec<Finding> {
        let provider = |kind, url: &str, auth| ProviderConfig { kind, base_url: url.to_owned(), auth, org: None };
        let model = |provider: &str, name: &str| ModelConfig {
            provider: provider.to_owned(),
            model: name.to_owned(),
            context: None,
            max_output: None,
            price: None,
            edits: None,
        };
        let asked = match name {
            "p" => {
                let key = Auth::Key(SecretRef("env:KEY".to_owned()));
                provider(ProviderKind::Openai, "https://p.example", key)
            }
            _ => provider(ProviderKind::Ollama, "http://o.example", Auth::None),
        };
        let known = BTreeMap::from([
            ("big".to_owned(), model("p", "gpt-9")),
            ("spare".to_owned(), model("p", "gpt-old")),
            ("local".to_owned(), model("idle", "qwen")),
        ]);
        let users = BTreeMap::from([("big", BTreeSet::from(["mayor"]))]);
        judge(&asked, &known, &users, &Offer { provider: name.to_owned(), models, latency_ms: 7 })
    }

    #[test]
    fn each_failure_has_its_own_words() {
        let words = |kind, message: &str| {
            let usage = TokenUsage::default();
            let error =
                ProviderError { kind, status: None, retry_after: None, message: format!("p: {message}"), usage };
            let mut told = judged("p", Err(Some(error)));
            assert_eq!((told.len(), told[0].grade), (1, Grade::Fail));
            assert!(told[0].advice.is_some());
            told.remove(0).text
        };
        let dns = "can't connect to p.example:443: dns error: failed to lookup address information";
        let tls = "can't connect to p.example:443: invalid peer certificate: UnknownIssuer";
        for (kind, message, expected) in [
            (FailureKind::Auth, "401 no such key", "wrong key: 401 no such key"),
            (FailureKind::NoSecret, "env:KEY has no value", "no key: "),
            (FailureKind::Network, dns, "wrong host: "),
            (FailureKind::Network, tls, "TLS error: "),
            (FailureKind::Network, "can't connect to p.example:443: Connection refused", "not to be reached: "),
            (FailureKind::Timeout, "no connection", "no answer: "),
            (FailureKind::RateLimited, "429", "too many requests: "),
            (FailureKind::Server, "500", "in trouble: "),
            (FailureKind::Rejected, "404 page not found", "not what was expected there: "),
            (FailureKind::Malformed, "no list", "not what was expected there: "),
        ] {
            let text = words(kind, message);
            assert!(text.starts_with(expected), "{text}");
        }
        assert_eq!(judged("p", Err(None))[0].text, "no answer within 10 s");
        // Nobody asks it.
        assert_eq!(judged("idle", Err(None))[0].grade, Grade::Warn);
    }

    #[test]
    fn a_model_that_is_not_there_fails_where_a_role_asks_it() {
        let told = |names: &[&str]| -> Vec<(Grade, String)> {
            let names = names.iter().map(|name| (*name).to_owned()).collect();
            judged("p", Ok(names)).into_iter().map(|finding| (finding.grade, finding.text)).collect()
        };
        assert_eq!(told(&[]), [(Grade::Ok, "answers in 7 ms, takes its key, 0 models".to_owned())]);
        assert_eq!(told(&["models/gpt-9-2026", "gpt-old"]).len(), 1);
        assert_eq!(
            told(&["other"])[1..],
            [
                (Grade::Fail, "has no model `gpt-9` (for mayor)".to_owned()),
                (Grade::Warn, "has no model `gpt-old`".to_owned())
            ]
        );
        assert!(judged("idle", Ok(vec!["x".to_owned()]))[1].advice.as_ref().unwrap().contains("ollama pull qwen"));
    }
}
