//! `et models`: what each provider offers, and which model each role uses.

use std::path::Path;

use proto::config::{Config, RoleConfig};
use proto::message::{ModelList, Models, Reply, Request};

use super::{Ended, ask, notes, print};
use crate::config::{self, Loaded};
use crate::context::Context;
use crate::exit::Problem;
use crate::text::sanitize;

pub(super) async fn run(context: &Context, file: Option<&Path>) -> Ended {
    let loaded = config::load(file, &context.cwd, &Context::var)?;
    notes(context, &loaded.notes);
    let config = loaded.config.clone();
    let list = offers(context, loaded).await?;
    print(&if context.json { json(&config, &list).to_string() } else { sanitize(&text(&config, &list)) });
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
        let pool: Vec<String> = role.pool.iter().map(|alias| full(config, alias)).collect();
        let fallbacks: Vec<String> = role.fallbacks.iter().map(|alias| full(config, alias)).collect();
        let then = if fallbacks.is_empty() { String::new() } else { format!(", then {}", fallbacks.join(", ")) };
        lines.push(format!("  {name}: {}{then}", pool.join(", ")));
    }
    for provider in &list.providers {
        match &provider.error {
            Some(error) => lines.push(format!("{}: {error}", provider.provider)),
            None => {
                lines.push(format!("{}: {} models", provider.provider, provider.models.len()));
                lines.extend(provider.models.iter().map(|model| format!("  {}/{model}", provider.provider)));
            }
        }
    }
    lines.join("\n")
}
