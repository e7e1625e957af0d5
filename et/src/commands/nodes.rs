//! `et nodes`: which providers answer, and how fast. Exit code 3 if none does.

use std::path::Path;

use proto::outcome::exit;

use super::models::offers;
use super::{Ended, notes, print, print_json};
use crate::config;
use crate::context::Context;
use crate::text::one_line;

pub(super) async fn run(context: &Context, file: Option<&Path>) -> Ended {
    let loaded = config::load(file, &context.cwd, &Context::var)?;
    notes(context, &loaded.notes);
    let providers = loaded.config.providers.clone();
    let list = offers(context, loaded).await?;
    let url = |name: &str| providers.get(name).map(|provider| provider.base_url.as_str()).unwrap_or_default();
    if context.json {
        let nodes: Vec<serde_json::Value> = list
            .providers
            .iter()
            .map(|node| {
                serde_json::json!({
                    "provider": node.provider,
                    "base_url": url(&node.provider),
                    "answers": node.error.is_none(),
                    "latency_ms": node.latency_ms,
                    "error": node.error,
                })
            })
            .collect();
        print_json(&serde_json::json!({ "nodes": nodes }));
    } else {
        let width = list.providers.iter().map(|node| node.provider.chars().count()).max().unwrap_or(0);
        for node in &list.providers {
            let state = match &node.error {
                None => format!("answers in {} ms", node.latency_ms),
                Some(error) => one_line(error, 200),
            };
            print(&format!("{:<width$}  {}  {state}", node.provider, url(&node.provider)));
        }
    }
    Ok(if list.providers.iter().any(|node| node.error.is_none()) { 0 } else { exit::PROVIDER })
}
