//! Who does what: roles and specialists, and what their references to models mean.

use std::collections::BTreeMap;

use proto::config::{ModelConfig, RoleConfig, role};
use serde_saphyr::{Location, Spanned};

use super::{MAX_TOKENS, Resolver, Tables};
use crate::config::file::{self, Text};
use crate::config::prices::data;
use crate::exit::Problem;
use crate::text::nearest;

impl Resolver<'_> {
    /// The key in the table of models that a reference means; `provider/model` gets an entry of its own.
    fn reference(&self, what: &str, text: &Text, tables: &mut Tables<'_>) -> Result<String, Problem> {
        let name = self.filled(what, text)?;
        if tables.models.contains_key(name) {
            return Ok(name.to_owned());
        }
        if let Some((provider, model)) = name.split_once('/')
            && !model.is_empty()
        {
            let Some(at) = tables.providers.get(provider) else {
                let names = tables.providers.keys().map(String::as_str);
                return Err(self.unknown(text.referenced, "provider", provider, names));
            };
            let facts = data().facts(at.kind, &at.base_url, model);
            let config = ModelConfig {
                provider: provider.to_owned(),
                model: model.to_owned(),
                context: facts.context,
                max_output: facts.max_output,
                price: facts.price,
                edits: None,
            };
            tables.models.insert(name.to_owned(), config);
            return Ok(name.to_owned());
        }
        Err(self.unknown(text.referenced, "model", name, tables.models.keys().map(String::as_str)))
    }

    fn references(
        &self,
        what: &str,
        list: Option<&Vec<Text>>,
        tables: &mut Tables<'_>,
    ) -> Result<Option<Vec<String>>, Problem> {
        let Some(list) = self.list(what, list)? else { return Ok(None) };
        list.iter().map(|text| self.reference(what, text, tables)).collect::<Result<_, _>>().map(Some)
    }

    pub(super) fn roles(&self, tables: &mut Tables<'_>) -> Result<BTreeMap<String, RoleConfig>, Problem> {
        let known = [role::PLANNER, role::WORKER, role::REVIEWER, role::TESTER];
        let mut roles = BTreeMap::new();
        for (name, spec) in tables.file.roles.iter().flatten() {
            let canonical = role::canonical(name);
            // Other names are roles of the user's own, for --role; one that is nearly a known name is a slip.
            if !known.contains(&canonical)
                && let Some(near) = nearest(name, known.into_iter().chain(["worker", "witness", "refinery", "planner"]))
            {
                return Err(self
                    .problem(spec.referenced, &format!("unknown role `{name}`"))
                    .hint(format!("did you mean `{near}`?")));
            }
            let resolved = self.role(name, &spec.value, spec.referenced, tables)?;
            if roles.insert(canonical.to_owned(), resolved).is_some() {
                return Err(
                    self.problem(spec.referenced, &format!("role `{canonical}` is given twice, as `{name}` as well"))
                );
            }
        }
        for name in [role::PLANNER, role::WORKER] {
            if !roles.contains_key(name) {
                let empty = file::Role {
                    model: None,
                    description: None,
                    pool: None,
                    fallbacks: None,
                    max_tokens: None,
                    temperature: None,
                };
                let resolved = self.role(name, &empty, Location::UNKNOWN, tables)?;
                roles.insert(name.to_owned(), resolved);
            }
        }
        Ok(roles)
    }

    pub(super) fn role(
        &self,
        name: &str,
        spec: &file::Role,
        at: Location,
        tables: &mut Tables<'_>,
    ) -> Result<RoleConfig, Problem> {
        let file = tables.file;
        let defaults = file.defaults.as_ref();
        let model = spec.model.as_ref().map(|text| self.reference("model", text, tables)).transpose()?;
        let pool = self.references("pool", spec.pool.as_ref(), tables)?.unwrap_or_default();
        let pool = match (pool.is_empty(), model) {
            (false, _) => pool,
            (true, Some(model)) => vec![model],
            (true, None) => match defaults.and_then(|defaults| defaults.model.as_ref()) {
                Some(text) => vec![self.reference("model", text, tables)?],
                None => match tables.models.keys().collect::<Vec<_>>().as_slice() {
                    [only] => vec![(*only).clone()],
                    _ => {
                        return Err(self
                            .problem(at, &format!("role `{name}` has no model"))
                            .hint(format!("add roles.{name}.model, or defaults.model for all roles")));
                    }
                },
            },
        };
        let own = self.references("fallbacks", spec.fallbacks.as_ref(), tables)?;
        let fallbacks = match own {
            Some(own) => own,
            None => {
                self.references("fallbacks", defaults.and_then(|d| d.fallbacks.as_ref()), tables)?.unwrap_or_default()
            }
        };
        let largest = pool.iter().filter_map(|alias| tables.models.get(alias)?.max_output).min();
        let max_tokens = self.max_tokens(spec.max_tokens.as_ref())?.or(tables.max_tokens);
        Ok(RoleConfig {
            pool,
            fallbacks,
            max_tokens: max_tokens.unwrap_or_else(|| largest.unwrap_or(MAX_TOKENS).min(MAX_TOKENS)),
            temperature_milli: self.temperature(spec.temperature.as_ref())?.unwrap_or(tables.temperature_milli),
        })
    }

    pub(super) fn max_tokens(&self, value: Option<&Spanned<u32>>) -> Result<Option<u32>, Problem> {
        match value {
            Some(zero) if zero.value == 0 => Err(self.problem(zero.referenced, "`max_tokens` must be at least 1")),
            other => Ok(other.map(|value| value.value)),
        }
    }

    pub(super) fn temperature(&self, value: Option<&Spanned<f64>>) -> Result<Option<u32>, Problem> {
        match value {
            Some(value) if !(0.0..=2.0).contains(&value.value) => {
                Err(self.problem(value.referenced, "`temperature` is from 0 to 2"))
            }
            other => Ok(other.map(|value| (value.value * 1000.0).round() as u32)),
        }
    }
}
