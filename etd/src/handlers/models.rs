//! `et models` and `et nodes`: what the providers offer, and which answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use proto::message::{ModelList, Models, ProviderModels, Reply};

use crate::session::{Engine, SessionError};

/// Longest wait for one provider.
const PATIENCE: Duration = Duration::from_secs(15);

pub(super) async fn handle(engine: &Arc<Engine>, request: Models) -> Result<Reply, SessionError> {
    let secret = |name: &proto::config::SecretRef| {
        request.secrets.iter().find(|secret| secret.name == *name).map(|secret| secret.value.clone())
    };
    let network = request
        .config
        .network
        .iter()
        .filter_map(|(name, value)| Some((name.clone(), secret(value)?.expose().to_owned())))
        .collect();
    let asked = request.config.providers.iter().map(|(name, config)| {
        let opened = engine.clients.open(name, config, &request.config.timeouts, &network, &secret);
        async move {
            let begun = Instant::now();
            let result = match opened {
                Ok(provider) => tokio::time::timeout(PATIENCE, provider.models()).await.map_or_else(
                    |_| Err(format!("no answer within {} s", PATIENCE.as_secs())),
                    |result| result.map_err(|error| error.to_string()),
                ),
                Err(error) => Err(error.to_string()),
            };
            // Whoever shows it names the provider.
            let prefix = format!("{name}: ");
            let result = result.map_err(|error| error.strip_prefix(&prefix).unwrap_or(&error).to_owned());
            let latency_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
            let (models, error) = match result {
                Ok(models) => (models, None),
                Err(error) => (Vec::new(), Some(error)),
            };
            ProviderModels { provider: name.clone(), models, error, latency_ms }
        }
    });
    Ok(Reply::ModelList(ModelList { providers: join_all(asked).await }))
}
