//! The one dated data file: vendors, their variables, default models, windows and prices.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use proto::config::{Price, ProviderKind};
use serde::Deserialize;
use url::Url;

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Data {
    /// The day on which prices and windows were read.
    pub(crate) as_of: String,
    pub(crate) vendors: Vec<Vendor>,
    /// Variables of other vendors and the host that each is for.
    hosts: BTreeMap<String, String>,
    models: Vec<Known>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Vendor {
    pub(crate) name: String,
    pub(crate) kind: ProviderKind,
    pub(crate) base_url: String,
    /// Variables that hold its key, the usual one first.
    pub(crate) variables: Vec<String>,
    /// Default model for each role.
    pub(crate) roles: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
struct Known {
    vendor: String,
    model: String,
    context: u32,
    max_output: u32,
    input: f64,
    cached: f64,
    output: f64,
}

/// What is known about a model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) context: Option<u32>,
    pub(crate) max_output: Option<u32>,
    pub(crate) price: Option<Price>,
}

/// The data file.
pub(crate) fn data() -> &'static Data {
    static DATA: OnceLock<Data> = OnceLock::new();
    // It is compiled in, and a test reads it.
    DATA.get_or_init(|| serde_json::from_str(include_str!("../../data/models.json")).unwrap_or_default())
}

/// Millionths of a dollar; none for what is no price.
pub(crate) fn micros(usd: f64) -> Option<u64> {
    (0.0..=1e6).contains(&usd).then(|| (usd * 1e6).round() as u64)
}

impl Data {
    /// The vendor whose own host a URL is at.
    pub(crate) fn vendor_at(&self, base_url: &str) -> Option<&Vendor> {
        let host = host(base_url)?;
        self.vendors.iter().find(|vendor| self::host(&vendor.base_url).as_deref() == Some(&*host))
    }

    /// The vendor that speaks a wire format natively.
    pub(crate) fn vendor_of(&self, kind: ProviderKind) -> Option<&Vendor> {
        self.vendors.iter().find(|vendor| vendor.kind == kind)
    }

    /// Whether a variable is known to be for a host.
    pub(crate) fn pairs(&self, variable: &str, host: &str) -> bool {
        let own = self.vendors.iter().filter(|vendor| vendor.variables.iter().any(|name| name == variable));
        own.filter_map(|vendor| self::host(&vendor.base_url)).any(|own| own == host)
            || self.hosts.get(variable).is_some_and(|own| own == host)
    }

    /// What is known about a model at a place. Ollama and loopback are free; elsewhere a price holds at the vendor's own host only.
    pub(crate) fn facts(&self, kind: ProviderKind, base_url: &str, model: &str) -> Facts {
        let mut facts = Facts::default();
        if let Some(vendor) = self.vendor_at(base_url)
            && let Some(known) = self.models.iter().find(|known| known.vendor == vendor.name && known.names(model))
        {
            facts.context = Some(known.context);
            facts.max_output = Some(known.max_output);
            if let (Some(input), Some(cached), Some(output)) =
                (micros(known.input), micros(known.cached), micros(known.output))
            {
                facts.price = Some(Price { input, cached, output });
            }
        }
        if matches!(kind, ProviderKind::Ollama | ProviderKind::Recorded) || is_loopback(base_url) {
            facts.price = Some(Price::FREE);
        }
        facts
    }
}

impl Known {
    /// The same name, or the name with a date or `latest` behind it.
    fn names(&self, model: &str) -> bool {
        model.strip_prefix(&*self.model).is_some_and(|rest| {
            rest.is_empty()
                || rest == "-latest"
                || rest.strip_prefix("-20").is_some_and(|date| date.chars().all(|c| c.is_ascii_digit() || c == '-'))
        })
    }
}

/// Where a provider of this type is, unless the config says otherwise.
pub(crate) fn default_url(kind: &str) -> Option<&'static str> {
    match kind {
        "ollama" => Some("http://localhost:11434"),
        "openai" => Some("https://api.openai.com/v1"),
        "anthropic" => Some("https://api.anthropic.com"),
        "gemini" => Some("https://generativelanguage.googleapis.com"),
        _ => None,
    }
}

/// The host of a URL, lower case.
pub(crate) fn host(url: &str) -> Option<String> {
    Url::parse(url).ok()?.host_str().map(str::to_lowercase)
}

/// Whether a URL stays on this machine.
pub(crate) fn is_loopback(url: &str) -> bool {
    match Url::parse(url).ok().as_ref().and_then(Url::host) {
        Some(url::Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

    use super::*;

    #[test]
    fn the_data_file_is_sound() {
        let data: Data = serde_json::from_str(include_str!("../../data/models.json")).unwrap();
        assert_eq!(data.as_of.len(), 10);
        for vendor in &data.vendors {
            for model in vendor.roles.values() {
                let facts = data.facts(vendor.kind, &vendor.base_url, model);
                assert!(
                    facts.price.is_some_and(|p| p.input > 0 && p.cached <= p.input && p.output > p.input),
                    "{model}"
                );
                assert!(facts.context.is_some() && facts.max_output.is_some(), "{model}");
            }
        }
        for known in &data.models {
            assert!(data.vendors.iter().any(|vendor| vendor.name == known.vendor), "{}", known.model);
        }
    }

    #[test]
    fn prices_hold_where_they_are_known() {
        let price = |kind, url: &str, model: &str| data().facts(kind, url, model).price.map(|price| price.input);
        use ProviderKind::{Anthropic, Ollama, Openai};
        for (kind, url, model, expected) in [
            (Anthropic, "https://api.anthropic.com", "claude-sonnet-4-5", Some(3_000_000)),
            (Anthropic, "https://api.anthropic.com", "claude-sonnet-4-5-20250929", Some(3_000_000)),
            (Anthropic, "https://api.anthropic.com", "claude-sonnet-4-20250514", Some(3_000_000)),
            (Openai, "https://api.openai.com/v1", "gpt-4.1-mini", Some(400_000)),
            (Openai, "https://api.openai.com/v1", "gpt-4.1-other", None),
            (Openai, "https://relay.example/v1", "gpt-4.1", None),
            (Openai, "http://127.0.0.1:8000/v1", "anything", Some(0)),
            (Openai, "http://[::1]:8000/v1", "anything", Some(0)),
            (Ollama, "http://box.example:11434", "qwen", Some(0)),
        ] {
            assert_eq!(price(kind, url, model), expected, "{url} {model}");
        }
    }
}
