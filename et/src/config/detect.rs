//! No config at all: what the environment offers.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::path::Path;
use std::time::Duration;

use proto::config::{
    Auth, CheckConfig, Config, ModelConfig, ProviderConfig, ProviderKind, RoleConfig, SandboxWish, Timeouts, role,
};
use serde::Deserialize;

use super::prices::data;
use super::{Loaded, log_dir, network, no_provider, secrets};
use crate::caller::Lookup;
use crate::exit::Problem;

/// A model that an Ollama has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct OllamaModel {
    pub(crate) name: String,
    /// Bytes.
    #[serde(default)]
    pub(crate) size: u64,
}

/// Asks an Ollama for its models, by base URL; none if it doesn't answer.
pub(crate) type Ask<'a> = &'a dyn Fn(&str) -> Option<Vec<OllamaModel>>;

/// Builds a configuration from the environment.
///
/// Vendors whose key is set come first, in the order of the data file; the next ones are fallbacks. Ollama is asked if
/// `OLLAMA_HOST` is set or there is no key.
///
/// # Errors
/// Exit code 3 if there is nothing.
pub(crate) fn detect(var: Lookup<'_>, ask: Ask<'_>) -> Result<Loaded, Problem> {
    let mut providers = BTreeMap::new();
    let mut models: BTreeMap<String, ModelConfig> = BTreeMap::new();
    let mut secret_values = Vec::new();
    // For each role the models of the vendors, in order.
    let mut choices: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut add = |provider: &str, config: ProviderConfig, roles: &[(&'static str, &str)]| {
        for (role, model) in roles {
            let facts = data().facts(config.kind, &config.base_url, model);
            let alias = format!("{provider}/{model}");
            models.entry(alias.clone()).or_insert_with(|| ModelConfig {
                provider: provider.to_owned(),
                model: (*model).to_owned(),
                context: facts.context,
                max_output: facts.max_output,
                price: facts.price,
                edits: None,
            });
            choices.entry(role).or_default().push(alias);
        }
        providers.insert(provider.to_owned(), config);
    };
    for vendor in &data().vendors {
        let Some((variable, value)) = vendor.variables.iter().find_map(|name| Some((name, var(name)?))) else {
            continue;
        };
        let reference = secrets::env_ref(variable);
        secret_values.push(secrets::value(reference.clone(), value));
        let roles: Vec<(&'static str, &str)> = [role::PLANNER, role::WORKER]
            .into_iter()
            .filter_map(|role| Some((role, vendor.roles.get(role)?.as_str())))
            .collect();
        let config = ProviderConfig {
            kind: vendor.kind,
            base_url: vendor.base_url.clone(),
            auth: Auth::Key(reference),
            org: None,
        };
        add(&vendor.name, config, &roles);
    }
    let host = var("OLLAMA_HOST");
    let mut why = "neither a config file, a key, nor a local Ollama was found".to_owned();
    if host.is_some() || secret_values.is_empty() {
        let url = ollama_url(host.as_deref().unwrap_or("127.0.0.1:11434"));
        match ask(&url) {
            Some(found) => match choose(&found) {
                Some(model) => {
                    let config =
                        ProviderConfig { kind: ProviderKind::Ollama, base_url: url, auth: Auth::None, org: None };
                    add("ollama", config, &[(role::PLANNER, model), (role::WORKER, model)]);
                }
                None => why = format!("the Ollama at {url} has no models; pull one, for example qwen3-coder"),
            },
            None if host.is_some() => {
                why = format!("no key is set, and the Ollama at {url} (OLLAMA_HOST) doesn't answer")
            }
            None => {}
        }
    }
    if providers.is_empty() {
        return Err(no_provider(&why));
    }
    let roles = choices
        .into_iter()
        .filter_map(|(role, aliases)| {
            let (first, rest) = aliases.split_first()?;
            let max_output = models.get(first).and_then(|model| model.max_output).unwrap_or(16_384);
            let config = RoleConfig {
                pool: vec![first.clone()],
                fallbacks: rest.to_vec(),
                max_tokens: max_output.min(16_384),
                temperature_milli: 0,
            };
            Some((role.to_owned(), config))
        })
        .collect();
    let (network, values) = network(var);
    secret_values.extend(values);
    let config = Config {
        source: "detected".to_owned(),
        providers,
        models,
        roles,
        specialists: BTreeMap::new(),
        check: CheckConfig::default(),
        sandbox: SandboxWish::Prefer,
        timeouts: Timeouts::default(),
        log_dir: log_dir(None, Path::new("/"), var),
        network,
        keep: None,
    };
    Ok(Loaded { config, secrets: secret_values, notes: Vec::new() })
}

/// The base URL that a value of `OLLAMA_HOST` means; an address to listen on becomes one to connect to.
fn ollama_url(host: &str) -> String {
    let host = host.trim().trim_end_matches('/');
    let (scheme, rest) = host.split_once("://").unwrap_or(("http", host));
    let rest = rest.replace("0.0.0.0", "127.0.0.1");
    let has_port = rest.rsplit_once(':').is_some_and(|(before, port)| {
        !before.ends_with(':') && !port.is_empty() && port.chars().all(|c| c.is_ascii_digit())
    });
    match (scheme, has_port) {
        ("http", false) => format!("http://{rest}:11434"),
        _ => format!("{scheme}://{rest}"),
    }
}

/// Models made for code first, then the largest; embedding models never.
fn choose(models: &[OllamaModel]) -> Option<&str> {
    models
        .iter()
        .filter(|model| !model.name.contains("embed"))
        .max_by_key(|model| (model.name.contains("code"), model.size))
        .map(|model| model.name.as_str())
}

/// Asks over plain HTTP, with short deadlines. An `https` one isn't asked.
pub(crate) fn ask_ollama(base_url: &str) -> Option<Vec<OllamaModel>> {
    #[derive(Deserialize)]
    struct Tags {
        models: Vec<OllamaModel>,
    }
    let url = url::Url::parse(base_url).ok().filter(|url| url.scheme() == "http")?;
    let host = url.host_str()?;
    let address = (host.trim_matches(['[', ']']), url.port().unwrap_or(80)).to_socket_addrs().ok()?.next()?;
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_millis(500)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
    stream.set_write_timeout(Some(Duration::from_secs(2))).ok()?;
    let path = format!("{}/api/tags", url.path().trim_end_matches('/'));
    // HTTP/1.0, so that the body comes in one piece and ends with the connection.
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {host}\r\nAccept: application/json\r\n\r\n").ok()?;
    let mut answer = Vec::new();
    stream.take(4 * 1024 * 1024).read_to_end(&mut answer).ok()?;
    let answer = String::from_utf8(answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.lines().next()?.contains(" 200").then_some(())?;
    serde_json::from_str::<Tags>(body).ok().map(|tags| tags.models)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

    use super::*;

    fn pools(vars: &[(&str, &str)], ollama: Option<&[(&str, u64)]>) -> Result<(String, String), Problem> {
        let var = |name: &str| vars.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
        let ask = |_: &str| {
            ollama.map(|models| {
                models.iter().map(|(n, size)| OllamaModel { name: (*n).to_owned(), size: *size }).collect()
            })
        };
        let loaded = detect(&var, &ask)?;
        assert!(loaded.config.roles.contains_key("polecat"));
        assert!(!format!("{:?}", loaded.config).contains("sk-secret"));
        let mayor = &loaded.config.roles["mayor"];
        Ok((mayor.pool.join(","), mayor.fallbacks.join(",")))
    }

    #[test]
    fn what_the_environment_offers() {
        let anthropic = ("ANTHROPIC_API_KEY", "sk-secret");
        let openai = ("OPENAI_API_KEY", "sk-secret");
        for (vars, ollama, expected) in [
            (&[anthropic][..], None, Ok(("anthropic/claude-sonnet-4-5", ""))),
            (&[openai, anthropic], None, Ok(("anthropic/claude-sonnet-4-5", "openai/gpt-4.1"))),
            (&[("GEMINI_API_KEY", "k")], None, Ok(("gemini/gemini-2.5-pro", ""))),
            (
                &[],
                Some(&[("llama3:70b", 40), ("qwen3-coder:30b", 18), ("nomic-embed", 99)][..]),
                Ok(("ollama/qwen3-coder:30b", "")),
            ),
            (&[openai], Some(&[("q", 1)]), Ok(("openai/gpt-4.1", ""))),
            (&[openai, ("OLLAMA_HOST", "box")], Some(&[("q", 1)]), Ok(("openai/gpt-4.1", "ollama/q"))),
            (&[], None, Err("neither")),
            (&[], Some(&[]), Err("no models")),
            (&[("OLLAMA_HOST", "box")], None, Err("http://box:11434")),
        ] {
            match (pools(vars, ollama), expected) {
                (Ok((pool, fallbacks)), Ok((p, f))) => assert_eq!((pool.as_str(), fallbacks.as_str()), (p, f)),
                (Err(problem), Err(word)) => {
                    assert_eq!(problem.exit_code, 3);
                    assert!(problem.message.contains(word), "{problem:?}");
                    let hint = problem.hint.unwrap();
                    assert!(hint.contains("ANTHROPIC_API_KEY") && hint.contains("et demo") && hint.contains("Ollama"));
                }
                (got, _) => panic!("{vars:?}: {got:?}"),
            }
        }
    }

    #[test]
    fn ollama_hosts() {
        for (host, url) in [
            ("127.0.0.1:11434", "http://127.0.0.1:11434"),
            ("0.0.0.0", "http://127.0.0.1:11434"),
            ("box", "http://box:11434"),
            ("http://box:8080/", "http://box:8080"),
            ("https://o.example", "https://o.example"),
            ("[::1]:7", "http://[::1]:7"),
        ] {
            assert_eq!(ollama_url(host), url);
        }
    }

    #[test]
    fn a_local_ollama_is_asked() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") {
                stream.read_exact(&mut byte).unwrap();
                head.push(byte[0]);
            }
            stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n{\"models\":[{\"name\":\"q:1b\",\"size\":7}]}").unwrap();
            String::from_utf8(head).unwrap()
        });
        assert_eq!(ask_ollama(&url), Some(vec![OllamaModel { name: "q:1b".into(), size: 7 }]));
        assert!(server.join().unwrap().starts_with("GET /api/tags "));
        assert_eq!(ask_ollama(&url), None);
    }
}
