//! A config for scripted servers, written as YAML.

use crate::model::{Model, Wire};

use super::KEY_VARIABLE;

/// A config under construction. Providers have the key [`super::KEY`] by reference to its variable, except those of Ollama.
#[derive(Clone, Debug, Default)]
pub struct Config {
    providers: Vec<String>,
    models: Vec<String>,
    roles: Vec<String>,
    specialists: Vec<String>,
    extra: String,
}

fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().collect::<Vec<_>>().join(", ")
}

impl Config {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One provider `scripted` of this format, one model `main` (`scripted` for the server), which plans and works.
    #[must_use]
    pub fn one(model: &Model, wire: Wire) -> Self {
        Self::new()
            .provider("scripted", wire, &model.base_url(wire))
            .model("main", "scripted", "scripted")
            .role("mayor", ["main"], [])
            .role("polecat", ["main"], [])
    }

    /// Adds a provider.
    #[must_use]
    pub fn provider(mut self, name: &str, wire: Wire, base_url: &str) -> Self {
        let key = if wire == Wire::Ollama { String::new() } else { format!(", api_key: ${KEY_VARIABLE}") };
        self.providers.push(format!("{name}: {{ type: {}, base_url: \"{base_url}\"{key} }}", wire.provider_type()));
        self
    }

    /// Adds a provider as YAML: what stands between the braces.
    #[must_use]
    pub fn provider_yaml(mut self, name: &str, fields: &str) -> Self {
        self.providers.push(format!("{name}: {{ {fields} }}"));
        self
    }

    /// Adds a model.
    #[must_use]
    pub fn model(self, alias: &str, provider: &str, name: &str) -> Self {
        self.model_with(alias, provider, name, "")
    }

    /// Adds a model with more fields, such as `context: 8192` or `price: { input: 1, output: 2 }`.
    #[must_use]
    pub fn model_with(mut self, alias: &str, provider: &str, name: &str, more: &str) -> Self {
        let more = if more.is_empty() { String::new() } else { format!(", {more}") };
        self.models.push(format!("{alias}: {{ provider: {provider}, model: \"{name}\"{more} }}"));
        self
    }

    /// Adds a role, or replaces it.
    ///
    /// # Panics
    /// If the pool is empty.
    #[must_use]
    pub fn role<'a>(
        mut self,
        name: &str,
        pool: impl IntoIterator<Item = &'a str>,
        fallbacks: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let pool: Vec<&str> = pool.into_iter().collect();
        let first = pool.first().expect("a model for the role");
        let shared = if pool.len() > 1 { format!(", pool: [{}]", list(pool.iter().copied())) } else { String::new() };
        let fallbacks = list(fallbacks);
        let fallbacks = if fallbacks.is_empty() { String::new() } else { format!(", fallbacks: [{fallbacks}]") };
        self.roles.retain(|role| !role.starts_with(&format!("{name}:")));
        self.roles.push(format!("{name}: {{ model: {first}{shared}{fallbacks} }}"));
        self
    }

    /// Adds a reviewer that uses this model.
    #[must_use]
    pub fn reviewer(self, model: &str) -> Self {
        self.role("reviewer", [model], [])
    }

    /// Adds a tester that uses this model.
    #[must_use]
    pub fn tester(self, model: &str) -> Self {
        self.role("tester", [model], [])
    }

    /// Adds a specialist.
    #[must_use]
    pub fn specialist(mut self, name: &str, description: &str, model: &str) -> Self {
        self.specialists.push(format!("{name}: {{ model: {model}, description: \"{description}\" }}"));
        self
    }

    /// Adds YAML at the top level, such as `timeouts: { first_token: 1s }`.
    #[must_use]
    pub fn extra(mut self, yaml: &str) -> Self {
        self.extra.push_str(yaml.trim_end());
        self.extra.push('\n');
        self
    }

    /// The text.
    #[must_use]
    pub fn yaml(&self) -> String {
        let mut out = String::new();
        let parts = [
            ("providers", &self.providers),
            ("models", &self.models),
            ("roles", &self.roles),
            ("specialists", &self.specialists),
        ];
        for (name, lines) in parts.into_iter().filter(|(_, lines)| !lines.is_empty()) {
            out.push_str(&format!("{name}:\n"));
            for line in lines {
                out.push_str(&format!("  {line}\n"));
            }
        }
        out + &self.extra
    }
}
