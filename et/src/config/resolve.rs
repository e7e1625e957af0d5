//! From the file to [`Config`]: aliases resolved, defaults filled in, keys swapped for references, everything checked.
//!
//! Pure but for the environment, which comes as a function. Every error names file, line and column and quotes the line with
//! its secrets masked.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use proto::config::{
    Auth, CheckConfig, Config, Keep, ModelConfig, Price, ProviderConfig, ProviderKind, RoleConfig, SandboxWish,
    SpecialistConfig, Timeouts,
};
use proto::message::SecretValue;
use proto::outcome::exit;
use serde_saphyr::{Error as YamlError, Location};

use super::file::{self, File, Text};
use super::prices::{data, is_loopback, micros};
use super::trust::{self, Pairs};
use super::{Loaded, mask, network, secrets};
use crate::caller::Lookup;
use crate::exit::Problem;
use crate::text::{nearest, parse_bytes, parse_duration};

/// Longest answer in tokens where nothing says otherwise.
const MAX_TOKENS: u32 = 16_384;
/// A database with nothing in it takes less.
const LEAST_STATE: u64 = 1 << 20;
const TYPES: [&str; 4] = ["ollama", "openai", "anthropic", "gemini"];

/// A config file and how far it is trusted.
pub(crate) struct Source<'a> {
    /// Absolute path, for messages and references.
    pub(crate) path: &'a Path,
    /// Its content.
    pub(crate) text: &'a str,
    /// Whether it may set checks and send variables anywhere.
    pub(crate) trusted: bool,
    /// Where the user's own config sends variables.
    pub(crate) pairs: Pairs,
}

/// Reads and resolves a config.
///
/// # Errors
/// Exit code 2 for what is wrong in the file; 3 if the key of a provider that is used isn't set.
pub(crate) fn resolve(source: &Source<'_>, var: Lookup<'_>) -> Result<Loaded, Problem> {
    let file: File = serde_saphyr::from_str(source.text).map_err(|error| yaml_problem(source, &error))?;
    let mut resolver = Resolver { source, var, notes: Vec::new(), secrets: Vec::new(), missing: BTreeMap::new() };
    let config = resolver.config(&file)?;
    Ok(Loaded { config, secrets: resolver.secrets, notes: resolver.notes })
}

fn yaml_problem(source: &Source<'_>, error: &YamlError) -> Problem {
    let bare = error.without_snippet();
    let location = error.location().unwrap_or(Location::UNKNOWN);
    match bare {
        YamlError::SerdeUnknownField { field, expected, .. } => {
            let near = nearest(field, expected.iter().copied());
            let hint = near.map_or_else(
                || format!("known here: {}", expected.join(", ")),
                |near| format!("did you mean `{near}`?"),
            );
            problem_at(source, location, &format!("unknown key `{field}`")).hint(hint)
        }
        other => {
            let text = other.to_string();
            // The place is told by us, once.
            let first = text.lines().next().unwrap_or("not YAML").trim_start_matches("error: ");
            let first = first
                .strip_prefix(&format!("line {} column {}: ", location.line(), location.column()))
                .unwrap_or(first);
            let last = format!(" at line {}, column {}", location.line(), location.column());
            problem_at(source, location, first.strip_suffix(&last).unwrap_or(first))
        }
    }
}

fn problem_at(source: &Source<'_>, at: Location, message: &str) -> Problem {
    let message = mask::message(message);
    let (line, column) = (at.line(), at.column());
    if line == 0 {
        return Problem::usage(format!("{}: {message}", source.path.display()));
    }
    let mut text = format!("{}:{line}:{column}: {message}", source.path.display());
    let index = usize::try_from(line).unwrap_or(usize::MAX).saturating_sub(1);
    let original = source.text.lines().nth(index);
    if let Some(quoted) = mask::lines(source.text).get(index) {
        let number = line.to_string();
        text.push_str(&format!("\n  {number} | {quoted}"));
        // In a masked line columns have moved.
        if original == Some(quoted.as_str()) && !quoted.contains('\t') {
            let blank = usize::try_from(column).unwrap_or(1).saturating_sub(1);
            text.push_str(&format!("\n  {} | {}^", " ".repeat(number.len()), " ".repeat(blank)));
        }
    }
    Problem::usage(text)
}

/// A provider whose key isn't set: it may stand in the file, but nobody may use it.
struct Missing {
    variable: String,
    at: Location,
}

struct Resolver<'a> {
    source: &'a Source<'a>,
    var: Lookup<'a>,
    notes: Vec<String>,
    secrets: Vec<SecretValue>,
    missing: BTreeMap<String, Missing>,
}

/// Models, providers and defaults, for looking up references.
struct Tables<'a> {
    file: &'a File,
    providers: BTreeMap<String, ProviderConfig>,
    models: BTreeMap<String, ModelConfig>,
    max_tokens: Option<u32>,
    temperature_milli: u32,
}

impl Resolver<'_> {
    fn problem(&self, at: Location, message: &str) -> Problem {
        problem_at(self.source, at, message)
    }

    fn unknown<'n>(&self, at: Location, what: &str, name: &str, names: impl IntoIterator<Item = &'n str>) -> Problem {
        let names: Vec<&str> = names.into_iter().collect();
        let problem = self.problem(at, &format!("unknown {what} `{name}`"));
        match nearest(name, names.iter().copied()) {
            Some(near) => problem.hint(format!("did you mean `{near}`?")),
            None if names.is_empty() => problem,
            None => problem.hint(format!("known here: {}", names.join(", "))),
        }
    }

    /// The text, if it isn't empty and has no control characters; commands and descriptions may have several lines.
    fn filled<'t>(&self, what: &str, text: &'t Text) -> Result<&'t str, Problem> {
        let value = text.value.trim();
        if value.is_empty() {
            return Err(self.problem(text.referenced, &format!("`{what}` is empty")));
        }
        let lines = matches!(what, "command" | "description");
        if value.chars().any(|c| c.is_control() && !(lines && matches!(c, '\n' | '\t'))) {
            return Err(self.problem(text.referenced, &format!("`{what}` has a control character")));
        }
        Ok(value)
    }

    /// A name that the file gives, if it isn't empty and has no control characters.
    fn named(&self, what: &str, name: &str, at: Location) -> Result<(), Problem> {
        if name.trim().is_empty() {
            return Err(self.problem(at, &format!("a name in `{what}` is empty")));
        }
        if name.chars().any(char::is_control) {
            return Err(self.problem(at, &format!("a name in `{what}` has a control character")));
        }
        Ok(())
    }

    /// The list, if it has no empty and no doubled entries.
    fn list<'t>(&self, what: &str, list: Option<&'t Vec<Text>>) -> Result<Option<&'t [Text]>, Problem> {
        let Some(list) = list else { return Ok(None) };
        let mut seen = BTreeSet::new();
        for entry in list {
            let value = self.filled(what, entry)?;
            if !seen.insert(value) {
                return Err(self.problem(entry.referenced, &format!("`{value}` stands twice in `{what}`")));
            }
        }
        Ok(Some(list))
    }

    fn duration(&self, what: &str, text: &Text) -> Result<u64, Problem> {
        let value = self.filled(what, text)?;
        match parse_duration(value, None) {
            Some(duration) => Ok(duration.as_millis() as u64),
            None => Err(self
                .problem(text.referenced, &format!("`{what}: {value}` isn't a time"))
                .hint("a number with its unit: 90s, 10m, 1h")),
        }
    }

    fn expand(&self, what: &str, text: &Text) -> Result<secrets::Expanded, Problem> {
        secrets::expand(self.filled(what, text)?, self.var).map_err(|name| {
            self.problem(text.referenced, &format!("`{what}` names ${name}, which isn't set"))
                .hint(format!("set {name}"))
        })
    }

    fn config(&mut self, file: &File) -> Result<Config, Problem> {
        let mut providers = BTreeMap::new();
        for (name, provider) in file.providers.iter().flatten() {
            self.named("providers", name, provider.referenced)?;
            if name.contains('/') {
                return Err(self.problem(provider.referenced, &format!("`{name}` can't be the name of a provider")));
            }
            let resolved = self.provider(name, &provider.value)?;
            providers.insert(name.clone(), resolved);
        }
        if providers.is_empty() {
            return Err(super::no_provider(&format!("{} names no provider", self.source.path.display())));
        }
        let defaults = file.defaults.as_ref();
        let mut tables = Tables {
            file,
            providers,
            models: BTreeMap::new(),
            max_tokens: self.max_tokens(defaults.and_then(|d| d.max_tokens.as_ref()))?,
            temperature_milli: self.temperature(defaults.and_then(|d| d.temperature.as_ref()))?.unwrap_or(0),
        };
        for (alias, model) in file.models.iter().flatten() {
            self.named("models", alias, model.referenced)?;
            let resolved = self.model(&model.value, &tables)?;
            tables.models.insert(alias.clone(), resolved);
        }
        let roles = self.roles(&mut tables)?;
        let mut specialists = BTreeMap::new();
        for (name, specialist) in file.specialists.iter().flatten() {
            self.named("specialists", name, specialist.referenced)?;
            let Some(description) = &specialist.value.description else {
                return Err(self.problem(specialist.referenced, &format!("specialist `{name}` has no description")));
            };
            let description = self.filled("description", description)?.to_owned();
            let role = self.role(name, &specialist.value, specialist.referenced, &mut tables)?;
            specialists.insert(name.clone(), SpecialistConfig { description, role });
        }
        self.check_keys(&mut tables, roles.values().chain(specialists.values().map(|s| &s.role)))?;
        let check = self.check(file)?;
        let sandbox = self.sandbox(file)?;
        let keep = self.keep(file)?;
        let log_dir = self.log_dir(file)?;
        let (network, values) = network(self.var);
        self.secrets.extend(values);
        Ok(Config {
            source: self.source.path.display().to_string(),
            providers: tables.providers,
            models: tables.models,
            roles,
            specialists,
            check,
            sandbox,
            timeouts: self.timeouts(file)?,
            log_dir,
            network,
            keep,
        })
    }

    fn provider(&mut self, name: &str, provider: &file::Provider) -> Result<ProviderConfig, Problem> {
        let type_name = self.filled("type", &provider.r#type)?;
        let (kind, native) = match type_name {
            "ollama" => (ProviderKind::Ollama, false),
            "openai" => (ProviderKind::Openai, false),
            "anthropic" => (ProviderKind::Anthropic, true),
            "gemini" => (ProviderKind::Gemini, true),
            other => {
                let mut problem = self.unknown(provider.r#type.referenced, "type", other, TYPES);
                if other.contains("compatible") {
                    problem =
                        problem.hint("what speaks OpenAI's API is of type `openai`, with a `base_url` of its own");
                }
                return Err(problem);
            }
        };
        // Variables that would leave for the provider's host, with their places.
        let mut sent: Vec<(String, Location)> = Vec::new();
        let (url, url_at) = match &provider.base_url {
            None => (super::prices::default_url(type_name).unwrap_or_default().to_owned(), provider.r#type.referenced),
            Some(text) => {
                let named = secrets::variables(&text.value);
                // An untrusted file doesn't even learn whether a variable is set.
                let expanded = match self.expand("base_url", text) {
                    Err(_) if !self.source.trusted => {
                        return Err(self.distrust(named.first(), text.referenced, "its URL"));
                    }
                    other => other?,
                };
                sent.extend(expanded.variables.into_iter().map(|variable| (variable, text.referenced)));
                (expanded.text, text.referenced)
            }
        };
        let url = self.base_url(kind, &url, url_at)?;
        for text in [&provider.org, &provider.api_key].into_iter().flatten() {
            sent.extend(secrets::variables(&text.value).into_iter().map(|variable| (variable, text.referenced)));
        }
        if !self.source.trusted
            && let Some((variable, at)) =
                sent.iter().find(|(variable, _)| !trust::may_send(variable, &url, &self.source.pairs))
        {
            // A host that a variable is part of would tell it.
            let varies = provider.base_url.as_ref().is_some_and(|text| !secrets::variables(&text.value).is_empty());
            let host = super::prices::host(&url).filter(|_| !varies).unwrap_or_else(|| "its URL".to_owned());
            return Err(self.distrust(Some(variable), *at, &host));
        }
        let org = provider.org.as_ref().map(|org| self.expand("org", org)).transpose()?.map(|org| org.text);
        let auth = self.auth(name, kind, native && !is_loopback(&url), provider)?;
        Ok(ProviderConfig { kind, base_url: url, auth, org })
    }

    fn distrust(&self, variable: Option<&String>, at: Location, host: &str) -> Problem {
        let variable = variable.map_or("a variable", String::as_str);
        let path = self.source.path.display();
        self.problem(at, &format!("this file was found in the current directory and would send ${variable} to {host}"))
            .hint(format!("if you trust it: et trust {path}"))
    }

    fn base_url(&self, kind: ProviderKind, text: &str, at: Location) -> Result<String, Problem> {
        let Ok(url) = url::Url::parse(text.trim()) else {
            return Err(self.problem(at, "`base_url` isn't a URL").hint("for example https://api.openai.com/v1"));
        };
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(self.problem(at, "`base_url` must begin with http:// or https://"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(self
                .problem(at, "`base_url` holds a password, which would be stored")
                .hint("use auth_type: basic and api_key: $NAME with user:password as its value"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(self.problem(at, "`base_url` has a query or fragment"));
        }
        let url = url.as_str().trim_end_matches('/');
        // Adapters add the version themselves.
        let url = match kind {
            ProviderKind::Anthropic => url.strip_suffix("/v1").unwrap_or(url),
            ProviderKind::Gemini => url.strip_suffix("/v1beta").unwrap_or(url),
            ProviderKind::Ollama => url.strip_suffix("/api").unwrap_or(url),
            _ => url,
        };
        Ok(url.to_owned())
    }

    fn auth(
        &mut self,
        name: &str,
        kind: ProviderKind,
        needed: bool,
        provider: &file::Provider,
    ) -> Result<Auth, Problem> {
        let auth_type =
            provider.auth_type.as_ref().map(|text| self.filled("auth_type", text).map(|v| (v, text.referenced)));
        let auth_type = auth_type.transpose()?;
        let make: fn(_) -> Auth = match auth_type {
            Some(("none", _)) => return Ok(Auth::None),
            Some(("bearer", _)) => Auth::Bearer,
            Some(("basic", _)) => Auth::Basic,
            Some((other, at)) => return Err(self.unknown(at, "auth_type", other, ["bearer", "basic", "none"])),
            None if kind == ProviderKind::Ollama => Auth::Bearer,
            None => Auth::Key,
        };
        let Some(key) = &provider.api_key else {
            if let Some((name, at)) = auth_type {
                return Err(self.problem(at, &format!("`auth_type: {name}` needs an `api_key`")));
            }
            if needed {
                let variable = data().vendor_of(kind).and_then(|vendor| vendor.variables.first());
                return Err(self
                    .problem(provider.r#type.referenced, &format!("provider `{name}` has no api_key"))
                    .hint(format!("add api_key: ${}", variable.map_or("NAME", String::as_str))));
            }
            return Ok(Auth::None);
        };
        let text = self.filled("api_key", key)?;
        let reference = match secrets::sole_variable(text) {
            Some(variable) => secrets::env_ref(&variable),
            None => secrets::file_ref(self.source.path, name),
        };
        match secrets::expand(text, self.var) {
            Ok(expanded) => self.secrets.push(secrets::value(reference.clone(), expanded.text)),
            Err(variable) => {
                self.missing.insert(name.to_owned(), Missing { variable, at: key.referenced });
            }
        }
        Ok(make(reference))
    }

    fn model(&self, model: &file::Model, tables: &Tables<'_>) -> Result<ModelConfig, Problem> {
        let provider = self.filled("provider", &model.provider)?;
        let name = self.filled("model", &model.model)?;
        let Some(at) = tables.providers.get(provider) else {
            let names = tables.providers.keys().map(String::as_str);
            return Err(self.unknown(model.provider.referenced, "provider", provider, names));
        };
        let facts = data().facts(at.kind, &at.base_url, name);
        let price = match &model.price {
            None => facts.price,
            Some(price) => {
                let wrong = || self.problem(price.referenced, "a price is in US dollars per million tokens, from 0 up");
                let cached = price.value.cached.unwrap_or(price.value.input);
                Some(Price {
                    input: micros(price.value.input).ok_or_else(wrong)?,
                    cached: micros(cached).ok_or_else(wrong)?,
                    output: micros(price.value.output).ok_or_else(wrong)?,
                })
            }
        };
        Ok(ModelConfig {
            provider: provider.to_owned(),
            model: name.to_owned(),
            context: model.context.or(facts.context),
            max_output: model.max_output.or(facts.max_output),
            price,
            edits: model.edits,
        })
    }

    /// Providers without their key: an error if a role uses them, else they and their models are left out.
    fn check_keys<'r>(
        &mut self,
        tables: &mut Tables<'_>,
        roles: impl Iterator<Item = &'r RoleConfig>,
    ) -> Result<(), Problem> {
        let used: BTreeSet<&String> = roles.flat_map(|role| role.pool.iter().chain(&role.fallbacks)).collect();
        for (name, missing) in &self.missing {
            let user = tables.models.iter().find(|(alias, model)| model.provider == *name && used.contains(alias));
            if let Some((alias, _)) = user {
                let mut problem = self
                    .problem(missing.at, &format!("provider `{name}` needs ${}, which isn't set", missing.variable));
                problem.exit_code = exit::PROVIDER;
                return Err(
                    problem.hint(format!("set {}, or leave model `{alias}` out of the roles", missing.variable))
                );
            }
            self.notes.push(format!("provider `{name}` is left out: ${} isn't set", missing.variable));
            tables.providers.remove(name);
            tables.models.retain(|_, model| model.provider != *name);
        }
        Ok(())
    }

    fn ignored(&mut self, what: &str) {
        let path = self.source.path.display();
        self.notes
            .push(format!("`{what}` in {path} is ignored, since the file isn't trusted; et trust {path} changes that"));
    }

    fn check(&mut self, file: &File) -> Result<CheckConfig, Problem> {
        let Some(check) = &file.check else { return Ok(CheckConfig::default()) };
        let check = &check.value;
        let command = check.command.as_ref().map(|text| self.filled("command", text)).transpose()?;
        let env = self.list("env", check.env.as_ref())?.unwrap_or_default();
        for name in env {
            if name.value.contains(['=', '$', '\0']) {
                return Err(self.problem(name.referenced, "`env` lists names of variables, without values"));
            }
        }
        let timeout_ms = check.timeout.as_ref().map(|text| self.duration("timeout", text)).transpose()?;
        let config = CheckConfig {
            command: command.map(str::to_owned),
            env: env.iter().map(|name| name.value.trim().to_owned()).collect(),
            timeout_ms,
            no_fetch: check.fetch == Some(false),
        };
        if self.source.trusted {
            return Ok(config);
        }
        self.ignored("check");
        Ok(CheckConfig::default())
    }

    fn sandbox(&mut self, file: &File) -> Result<SandboxWish, Problem> {
        let Some(text) = &file.sandbox else { return Ok(SandboxWish::Prefer) };
        let wish = match self.filled("sandbox", text)? {
            "require" => SandboxWish::Require,
            "prefer" => SandboxWish::Prefer,
            "off" => SandboxWish::Off,
            other => return Err(self.unknown(text.referenced, "sandbox", other, ["require", "prefer", "off"])),
        };
        if self.source.trusted {
            return Ok(wish);
        }
        self.ignored("sandbox");
        Ok(SandboxWish::Prefer)
    }

    fn log_dir(&mut self, file: &File) -> Result<String, Problem> {
        let own = file.defaults.as_ref().and_then(|defaults| defaults.log_dir.as_ref());
        let own = own.map(|text| self.filled("log_dir", text)).transpose()?;
        if own.is_some() && !self.source.trusted {
            self.ignored("log_dir");
        }
        let base = self.source.path.parent().unwrap_or(Path::new("/"));
        Ok(super::log_dir(own.filter(|_| self.source.trusted), base, self.var))
    }

    /// A file that isn't trusted has no say in what is removed.
    fn keep(&mut self, file: &File) -> Result<Option<Keep>, Problem> {
        let Some(own) = &file.limits else { return Ok(None) };
        let mut keep = Keep::default();
        for (name, number, slot) in
            [("keep_rounds", &own.keep_rounds, &mut keep.rounds), ("keep_days", &own.keep_days, &mut keep.days)]
        {
            if let Some(number) = number {
                if number.value == 0 {
                    return Err(self.problem(number.referenced, &format!("`{name}` must be at least 1")));
                }
                *slot = number.value;
            }
        }
        if let Some(text) = &own.state_bytes {
            let value = self.filled("state_bytes", text)?;
            keep.bytes = parse_bytes(value).filter(|bytes| *bytes >= LEAST_STATE).ok_or_else(|| {
                self.problem(text.referenced, &format!("`state_bytes: {value}` isn't a size of at least 1MiB"))
                    .hint("a number with its unit: 500MB, 2GiB")
            })?;
        }
        if self.source.trusted {
            return Ok(Some(keep));
        }
        self.ignored("limits");
        Ok(None)
    }

    fn timeouts(&self, file: &File) -> Result<Timeouts, Problem> {
        let mut timeouts = Timeouts::default();
        let Some(own) = &file.timeouts else { return Ok(timeouts) };
        for (name, text, slot) in [
            ("connect", &own.connect, &mut timeouts.connect_ms),
            ("first_token", &own.first_token, &mut timeouts.first_token_ms),
            ("between_tokens", &own.between_tokens, &mut timeouts.between_tokens_ms),
            ("call", &own.call, &mut timeouts.call_ms),
        ] {
            if let Some(text) = text {
                *slot = self.duration(name, text)?;
            }
        }
        Ok(timeouts)
    }
}

mod roles;
#[cfg(test)]
mod tests;
