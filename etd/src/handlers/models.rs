//! `et models` and `et nodes`: what the providers offer, and which answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use proto::config::{Config, SecretRef};
use proto::message::{ModelList, Models, ProviderModels, Reply, SecretValue};

use crate::provider::ProviderError;
use crate::session::{Engine, SessionError};

/// Longest wait for one provider.
const PATIENCE: Duration = Duration::from_secs(15);

/// What one provider said.
pub(super) struct Offer {
    /// Its name in the configuration.
    pub(super) provider: String,
    /// Vendor's names of its models; an error of none: it said nothing in time.
    pub(super) models: Result<Vec<String>, Option<ProviderError>>,
    /// How long the answer took, in milliseconds.
    pub(super) latency_ms: u64,
}

pub(super) async fn handle(engine: &Arc<Engine>, request: Models) -> Result<Reply, SessionError> {
    let offers = ask(engine, &request.config, &request.secrets, PATIENCE).await;
    let providers = offers.into_iter().map(|offer| {
        let result = offer.models.map_err(|error| match error {
            None => format!("no answer within {} s", PATIENCE.as_secs()),
            Some(error) => nameless(&offer.provider, &error),
        });
        let (models, error) = match result {
            Ok(models) => (models, None),
            Err(error) => (Vec::new(), Some(error)),
        };
        ProviderModels { provider: offer.provider, models, error, latency_ms: offer.latency_ms }
    });
    Ok(Reply::ModelList(ModelList { providers: providers.collect() }))
}

/// The words of an error; whoever shows them names the provider.
pub(super) fn nameless(provider: &str, error: &ProviderError) -> String {
    error.message.strip_prefix(&format!("{provider}: ")).unwrap_or(&error.message).to_owned()
}

/// Asks all providers at once what they offer.
pub(super) async fn ask(engine: &Engine, config: &Config, secrets: &[SecretValue], patience: Duration) -> Vec<Offer> {
    let secret =
        |name: &SecretRef| secrets.iter().find(|secret| secret.name == *name).map(|secret| secret.value.clone());
    let network = config
        .network
        .iter()
        .filter_map(|(name, value)| Some((name.clone(), secret(value)?.expose().to_owned())))
        .collect();
    let asked = config.providers.iter().map(|(name, provider)| {
        let opened = engine.clients.open(name, provider, &config.timeouts, &network, &secret);
        async move {
            let begun = Instant::now();
            let models = match opened {
                Ok(provider) => match tokio::time::timeout(patience, provider.models()).await {
                    Ok(models) => models.map_err(Some),
                    Err(_) => Err(None),
                },
                Err(error) => Err(Some(error)),
            };
            let latency_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
            Offer { provider: name.clone(), models, latency_ms }
        }
    });
    join_all(asked).await
}
