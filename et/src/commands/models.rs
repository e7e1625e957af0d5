//! `et models`: what each provider offers, and which model each role uses.

use std::path::Path;

use proto::config::{Config, RoleConfig};
use proto::message::{ModelList, Models, Reply, Request};

use super::{Ended, ask, notes, print, print_json};
use crate::config::{self, Loaded};
use crate::context::Context;
use crate::exit::Problem;
use crate::text::{one_line, plural};

pub(super) async fn run(context: &Context, file: Option<&Path>) -> Ended {
    let loaded = config::load(file, &context.cwd, &Context::var)?;
    notes(context, &loaded.notes);
    let config = loaded.config.clone();
    let list = offers(context, loaded).await?;
    if context.json {
        print_json(&json(&config, &list));
    } else {
        print(&text(&config, &list));
    }
    Ok(0)
}

/// Asks the daemon to ask the providers.
pub(super) async fn offers(context: &Context, loaded: Loaded) -> Result<ModelList, Problem> {
    match ask(context, Request::Models(Models { config: loaded.config, secrets: loaded.secrets })).await? {
        Reply::ModelList(list) => Ok(list),
        other => Err(Problem::unexpected(&other)),
    }
}

fn roles(config: &Config) -> impl Iterator<Item = (&str, &RoleConfig)> {
    let specialists = config.specialists.iter().map(|(name, specialist)| (name.as_str(), &specialist.role));
    config.roles.iter().map(|(name, role)| (name.as_str(), role)).chain(specialists)
}

/// `provider/model` of an alias.
fn full(config: &Config, alias: &str) -> String {
    config.models.get(alias).map_or_else(|| alias.to_owned(), |model| format!("{}/{}", model.provider, model.model))
}

/// Whether a provider was asked and doesn't name a model. Lists leave out tags and dates that are optional in a name.
fn is_unknown(config: &Config, list: &ModelList, alias: &str) -> bool {
    let Some(model) = config.models.get(alias) else { return false };
    let offers = list.providers.iter().find(|offers| offers.provider == model.provider && offers.error.is_none());
    offers.is_some_and(|offers| {
        !offers.models.is_empty() && !offers.models.iter().any(|name| name.contains(&model.model))
    })
}

fn json(config: &Config, list: &ModelList) -> serde_json::Value {
    let names = |aliases: &[String]| aliases.iter().map(|alias| full(config, alias)).collect::<Vec<_>>();
    let roles: serde_json::Map<String, serde_json::Value> = roles(config)
        .map(|(name, role)| {
            let value = serde_json::json!({ "pool": names(&role.pool), "fallbacks": names(&role.fallbacks) });
            (name.to_owned(), value)
        })
        .collect();
    serde_json::json!({ "source": config.source, "roles": roles, "providers": list.providers })
}

fn text(config: &Config, list: &ModelList) -> String {
    let mut lines = vec![match config.source.as_str() {
        "detected" => {
            format!("no config file; chosen from the environment (defaults of {})", config::prices::data().as_of)
        }
        path => format!("config: {path}"),
    }];
    for (name, role) in roles(config) {
        let shown = |alias: &String| {
            let doubt = if is_unknown(config, list, alias) { " (not in its provider's list)" } else { "" };
            format!("{}{doubt}", full(config, alias))
        };
        let pool: Vec<String> = role.pool.iter().map(shown).collect();
        let fallbacks: Vec<String> = role.fallbacks.iter().map(shown).collect();
        let then = if fallbacks.is_empty() { String::new() } else { format!(", then {}", fallbacks.join(", ")) };
        lines.push(format!("  {name}: {}{then}", pool.join(", ")));
    }
    for provider in &list.providers {
        match &provider.error {
            Some(error) => lines.push(format!("{}: {}", provider.provider, one_line(error, 1000))),
            None => {
                lines.push(format!("{}: {}", provider.provider, plural(provider.models.len(), "model")));
                // On one line each: a name may hold anything.
                lines.extend(
                    provider.models.iter().map(|model| format!("  {}/{}", provider.provider, one_line(model, 200))),
                );
            }
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

    use proto::message::ProviderModels;

    use super::*;

    #[test]
    fn a_model_that_its_provider_does_not_name_is_told() {
        let yaml = "providers: { p: { type: ollama } }\ndefaults: { model: p/qwen }\n";
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("et.yaml");
        std::fs::write(&path, yaml).unwrap();
        let loaded = config::load(Some(&path), dir.path(), &|_| None).unwrap();
        let list = |models: &[&str], error: Option<&str>| ModelList {
            providers: vec![ProviderModels {
                provider: "p".into(),
                models: models.iter().map(|name| (*name).to_owned()).collect(),
                error: error.map(str::to_owned),
                latency_ms: 1,
            }],
        };
        for (models, error, told) in [
            (&["qwen"][..], None, false),
            (&["qwen:latest"], None, false),
            (&["models/qwen-2"], None, false),
            (&["llama"], None, true),
            (&[], None, false),
            (&[], Some("refused"), false),
        ] {
            let text = text(&loaded.config, &list(models, error));
            assert_eq!(text.contains("mayor: p/qwen (not in its provider's list)"), told, "{text}");
        }
    }
}
