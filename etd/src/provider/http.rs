//! HTTP clients, and how a configured provider becomes one that can be asked.
//!
//! Nothing is read from the daemon's own environment: proxy and CA settings are handed in. A key goes to the configured host and
//! nowhere else: a redirect is followed only to the same scheme, host and port, and loopback is never reached through a proxy.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proto::config::{Auth, ProviderConfig, ProviderKind, SecretRef, Timeouts};
use proto::message::Secret;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use url::{Host, Url};

use super::endpoint::{Endpoint, causes};
use super::mask::Masker;
use super::recorded::Recording;
use super::wire::Lessons;
use super::{FailureKind, Provider, ProviderError};

/// Redirects that one request follows.
const MAX_REDIRECTS: usize = 5;
/// Clients that are kept; beyond that all are dropped and made anew.
const MAX_CLIENTS: usize = 64;
/// The settings that make a client what it is.
const NETWORK: &[&str] = &["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE"];

/// The HTTP clients of a daemon, one per network setting, and what was learnt about servers. One value serves all sessions.
#[derive(Default)]
pub struct Clients {
    clients: Mutex<HashMap<Setting, reqwest::Client>>,
    lessons: Lessons,
}

#[derive(PartialEq, Eq, Hash)]
struct Setting {
    connect_ms: u64,
    route: Route,
    /// Values of [`NETWORK`] that are set.
    network: Vec<(&'static str, String)>,
}

/// How far a client has to reach.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Route {
    /// Without a proxy and without TLS.
    Plain,
    /// This machine: without a proxy.
    Loopback,
    /// Anywhere.
    Any,
}

impl Clients {
    /// No clients yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The provider called `name`, ready to be asked. Cheap: no connection is made, and clients are shared.
    ///
    /// `network` holds the values of `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY` (upper or lower case) and
    /// `SSL_CERT_FILE` (roots that are trusted besides the system's); `secret` gives the value of a reference.
    ///
    /// # Errors
    /// `NoSecret` if the secret isn't there or is empty, with its name; `Rejected` if base URL, key, proxy, CA file or recording can't be used.
    pub fn open(
        &self,
        name: &str,
        config: &ProviderConfig,
        timeouts: &Timeouts,
        network: &BTreeMap<String, String>,
        secret: &dyn Fn(&SecretRef) -> Option<Secret>,
    ) -> Result<Arc<dyn Provider>, ProviderError> {
        if config.kind == ProviderKind::Recorded {
            let recording =
                if config.base_url.is_empty() { Recording::demo() } else { Recording::read(config.base_url.as_ref()) };
            return Ok(Arc::new(recording.map_err(|message| ProviderError::free(FailureKind::Rejected, message))?));
        }
        let value = match config.auth.secret() {
            None => None,
            Some(reference) => {
                let value = secret(reference).filter(|value| !value.expose().trim().is_empty());
                let missing = || {
                    ProviderError::free(
                        FailureKind::NoSecret,
                        Masker::default().clean(&format!("{name}: {reference} has no value")),
                    )
                };
                Some(value.ok_or_else(missing)?)
            }
        };
        let base = base_url(config)
            .map_err(|message| ProviderError::free(FailureKind::Rejected, format!("{name}: {message}")))?;
        let masker = masker(value.as_ref(), &base, network);
        let refuse =
            |message: String| ProviderError::free(FailureKind::Rejected, masker.clean(&format!("{name}: {message}")));
        let auth = auth_headers(config, value.as_ref()).map_err(refuse)?;
        let client = self.client(&base, timeouts, network).map_err(refuse)?;
        Ok(Arc::new(Endpoint {
            name: name.to_owned(),
            kind: config.kind,
            base,
            auth,
            org: config.org.clone(),
            timeouts: *timeouts,
            client,
            masker,
            lessons: Arc::clone(&self.lessons),
        }))
    }

    fn client(
        &self,
        base: &Url,
        timeouts: &Timeouts,
        network: &BTreeMap<String, String>,
    ) -> Result<reqwest::Client, String> {
        let mut values: Vec<(&'static str, String)> = NETWORK
            .iter()
            .filter_map(|name| {
                let value = network.get(*name).or_else(|| network.get(&name.to_ascii_lowercase()))?;
                (!value.trim().is_empty()).then(|| (*name, value.trim().to_owned()))
            })
            .collect();
        let route = match is_loopback(base) {
            true if base.scheme() == "http" => Route::Plain,
            true => Route::Loopback,
            false if base.scheme() == "http" && !values.iter().any(|(name, _)| name.ends_with("_PROXY")) => {
                Route::Plain
            }
            false => Route::Any,
        };
        match route {
            Route::Plain => values.clear(),
            Route::Loopback => values.retain(|(name, _)| *name == "SSL_CERT_FILE"),
            Route::Any => {}
        }
        let setting = Setting { connect_ms: timeouts.connect_ms, route, network: values };
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&setting) {
            return Ok(client.clone());
        }
        let client = build(&setting)?;
        if clients.len() >= MAX_CLIENTS {
            clients.clear();
        }
        clients.insert(setting, client.clone());
        Ok(client)
    }
}

fn build(setting: &Setting) -> Result<reqwest::Client, String> {
    // Fails only if one is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder()
        .no_proxy()
        .referer(false)
        .redirect(redirects())
        .user_agent(concat!("electrictown/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(Duration::from_millis(setting.connect_ms))
        .tcp_keepalive(Duration::from_secs(60));
    if setting.route == Route::Plain {
        // Without TLS the system's roots need neither be there nor be read.
        builder = builder.tls_certs_only([]);
    }
    let get = |name: &str| setting.network.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str());
    let except = get("NO_PROXY").and_then(reqwest::NoProxy::from_string);
    for name in ["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"] {
        let Some(value) = get(name) else { continue };
        let url = if value.contains("://") { value.to_owned() } else { format!("http://{value}") };
        let proxy = match name {
            "HTTPS_PROXY" => reqwest::Proxy::https(url),
            "HTTP_PROXY" => reqwest::Proxy::http(url),
            _ => reqwest::Proxy::all(url),
        };
        let proxy = proxy.map_err(|_| format!("{name} isn't the URL of a proxy"))?;
        builder = builder.proxy(proxy.no_proxy(except.clone()));
    }
    if let Some(path) = get("SSL_CERT_FILE") {
        let pem = std::fs::read(path).map_err(|error| format!("SSL_CERT_FILE {path} can't be read: {error}"))?;
        let certificates = reqwest::Certificate::from_pem_bundle(&pem)
            .map_err(|_| format!("SSL_CERT_FILE {path} holds no certificates in PEM form"))?;
        builder = builder.tls_certs_merge(certificates);
    }
    builder.build().map_err(|error| format!("no HTTP client can be made: {}", causes(&error)))
}

/// Follows only to where the request went anyway; any other redirect is the answer, and a refusal.
fn redirects() -> reqwest::redirect::Policy {
    reqwest::redirect::Policy::custom(|attempt| {
        let same = attempt.previous().last().is_some_and(|from| from.origin() == attempt.url().origin());
        if same && attempt.previous().len() <= MAX_REDIRECTS { attempt.follow() } else { attempt.stop() }
    })
}

/// The base URL without what the adapter's paths begin with.
fn base_url(config: &ProviderConfig) -> Result<Url, String> {
    let (default, own): (&str, &[&str]) = match config.kind {
        ProviderKind::Openai => ("https://api.openai.com/v1", &["/chat/completions"]),
        ProviderKind::Anthropic => ("https://api.anthropic.com", &["/v1/messages", "/v1"]),
        ProviderKind::Gemini => ("https://generativelanguage.googleapis.com", &["/v1beta", "/v1"]),
        ProviderKind::Ollama => ("http://localhost:11434", &["/v1", "/api"]),
        ProviderKind::Recorded => ("", &[]),
    };
    let text = if config.base_url.is_empty() { default } else { config.base_url.as_str() };
    let mut url = Url::parse(text).map_err(|error| format!("base_url isn't a URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err("base_url must begin with http:// or https://".to_owned());
    }
    let mut path = url.path().trim_end_matches('/').to_owned();
    for tail in own {
        if let Some(rest) = path.strip_suffix(tail) {
            path = rest.trim_end_matches('/').to_owned();
            break;
        }
    }
    url.set_path(&path);
    url.set_fragment(None);
    Ok(url)
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback() || address.is_unspecified(),
        Some(Host::Ipv6(address)) => {
            address.is_loopback()
                || address.is_unspecified()
                || address.to_ipv4_mapped().is_some_and(|v4| v4.is_loopback())
        }
        None => false,
    }
}

fn auth_headers(config: &ProviderConfig, value: Option<&Secret>) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    let Some(value) = value else { return Ok(headers) };
    let value = value.expose().trim();
    let (name, text) = match (&config.auth, config.kind) {
        (Auth::None, _) => return Ok(headers),
        (Auth::Key(_), ProviderKind::Anthropic) => (HeaderName::from_static("x-api-key"), value.to_owned()),
        (Auth::Key(_), ProviderKind::Gemini) => (HeaderName::from_static("x-goog-api-key"), value.to_owned()),
        (Auth::Key(_) | Auth::Bearer(_), _) => (reqwest::header::AUTHORIZATION, format!("Bearer {value}")),
        (Auth::Basic(_), _) => (reqwest::header::AUTHORIZATION, format!("Basic {}", STANDARD.encode(value))),
    };
    let mut header =
        HeaderValue::from_str(&text).map_err(|_| "the key has characters that no header may have".to_owned())?;
    header.set_sensitive(true);
    headers.insert(name, header);
    Ok(headers)
}

/// Knows the key, and the passwords of base URL and proxies.
fn masker(value: Option<&Secret>, base: &Url, network: &BTreeMap<String, String>) -> Masker {
    let mut secrets: Vec<String> = value.map(|value| value.expose().to_owned()).into_iter().collect();
    let proxies = network.iter().filter(|(name, _)| {
        let name = name.to_ascii_uppercase();
        name.ends_with("_PROXY") && name != "NO_PROXY"
    });
    let proxies =
        proxies.filter_map(|(_, value)| Url::parse(value).or_else(|_| Url::parse(&format!("http://{value}"))).ok());
    for url in std::iter::once(base.clone()).chain(proxies) {
        if let Some(password) = url.password() {
            let plain = percent_encoding::percent_decode_str(password).decode_utf8_lossy().into_owned();
            secrets.push(format!("{}:{password}", url.username()));
            secrets.push(format!("{}:{plain}", url.username()));
        } else if !url.username().is_empty() {
            secrets.push(url.username().to_owned());
        }
        secrets.extend(url.query_pairs().map(|(_, value)| value.into_owned()).filter(|value| value.len() >= 16));
    }
    Masker::new(secrets.iter().map(String::as_str))
}

#[cfg(test)]
#[path = "http_tests.rs"]
mod tests;
