//! A provider that plays scripts, and a round around it.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use proto::config::{
    Auth, CheckConfig, Config, ModelConfig, Price, ProviderConfig, ProviderKind, SandboxWish, SecretRef, Timeouts,
};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::calls::*;
use crate::provider::{ChatRequest, Completion, Piece, Speaker, Turn};

/// What a model does with one request.
#[derive(Clone)]
pub(super) struct Act {
    pub(super) pieces: Vec<&'static str>,
    pub(super) takes: Duration,
    pub(super) end: Result<TokenUsage, ProviderError>,
    pub(super) stop: StopReason,
}

pub(super) fn says(text: &'static str) -> Act {
    let usage = TokenUsage { input: 10, cached: 0, written: 0, output: 10, estimated: false };
    Act { pieces: vec![text], takes: Duration::from_secs(1), end: Ok(usage), stop: StopReason::End }
}

pub(super) fn fails(kind: FailureKind) -> Act {
    let status = match kind {
        FailureKind::Network | FailureKind::Timeout => None,
        FailureKind::RateLimited => Some(429),
        _ => Some(500),
    };
    let error =
        ProviderError { kind, status, retry_after: None, message: format!("{kind:?}"), usage: TokenUsage::default() };
    Act { pieces: vec![], takes: Duration::ZERO, end: Err(error), stop: StopReason::End }
}

impl Act {
    pub(super) fn after(mut self, seconds: u64) -> Self {
        if let Err(error) = &mut self.end {
            error.retry_after = Some(Duration::from_secs(seconds));
        }
        self
    }

    pub(super) fn taking(self, seconds: u64) -> Self {
        Self { takes: Duration::from_secs(seconds), ..self }
    }
}

/// One provider for all names; scripts go by model, and the last act of a script goes on for ever.
pub(super) struct Stage {
    pub(super) scripts: Mutex<HashMap<String, VecDeque<Act>>>,
    pub(super) asked: Mutex<Vec<(String, Instant, ChatRequest)>>,
}

impl Provider for Stage {
    fn chat<'a>(
        &'a self,
        request: &'a ChatRequest,
        on: &'a mut (dyn FnMut(Piece<'_>) + Send),
    ) -> BoxFuture<'a, Result<Completion, ProviderError>> {
        async move {
            self.asked.lock().unwrap().push((request.model.clone(), Instant::now(), request.clone()));
            let act = {
                let mut scripts = self.scripts.lock().unwrap();
                let script = scripts.get_mut(&request.model).expect("a model with a script");
                if script.len() > 1 { script.pop_front().unwrap() } else { script[0].clone() }
            };
            sleep(act.takes / 2).await;
            act.pieces.iter().for_each(|piece| on(Piece::Text(piece)));
            sleep(act.takes / 2).await;
            act.end.map(|usage| Completion { text: act.pieces.concat(), stop: act.stop, usage })
        }
        .boxed()
    }

    fn models(&self) -> BoxFuture<'_, Result<Vec<String>, ProviderError>> {
        async { Ok(vec![]) }.boxed()
    }
}

/// A round on a stage. Each model `x` is at a provider `px` of its own, unless told otherwise.
pub(super) struct Scene {
    pub(super) router: Arc<Router>,
    pub(super) round: RoundCalls,
    pub(super) stage: Arc<Stage>,
    pub(super) start: Instant,
}

pub(super) fn scene(scripts: &[(&str, &[Act])]) -> Scene {
    let stage = Arc::new(Stage {
        scripts: Mutex::new(
            scripts.iter().map(|(name, acts)| ((*name).to_owned(), acts.iter().cloned().collect())).collect(),
        ),
        asked: Mutex::default(),
    });
    let mut config = Config {
        source: "test".into(),
        providers: BTreeMap::new(),
        models: BTreeMap::new(),
        roles: BTreeMap::new(),
        specialists: BTreeMap::new(),
        check: CheckConfig::default(),
        sandbox: SandboxWish::Off,
        timeouts: Timeouts::default(),
        log_dir: String::new(),
        network: BTreeMap::new(),
        keep: None,
    };
    let mut providers = BTreeMap::new();
    for (name, _) in scripts {
        let provider = format!("p{name}");
        let opened: Result<Arc<dyn Provider>, ProviderError> = Ok(Arc::clone(&stage) as Arc<dyn Provider>);
        providers.insert(provider.clone(), opened);
        let auth = Auth::Key(SecretRef(format!("env:KEY_{name}")));
        let base_url = format!("http://{name}");
        config
            .providers
            .insert(provider.clone(), ProviderConfig { kind: ProviderKind::Openai, base_url, auth, org: None });
        let model = ModelConfig {
            provider,
            model: (*name).to_owned(),
            context: None,
            max_output: None,
            price: Some(Price::FREE),
            edits: None,
        };
        config.models.insert((*name).to_owned(), model);
    }
    let start = Instant::now();
    let round = RoundCalls {
        config: Arc::new(config),
        providers,
        budget: Arc::new(Budget::new(None, None)),
        cancel: CancellationToken::new(),
        deadline: start + Duration::from_secs(600),
        read: Arc::default(),
    };
    Scene { router: Arc::new(Router::new()), round, stage, start }
}

pub(super) fn ask_hello(_window: Window) -> Prompt {
    Prompt { system: "s".repeat(40), turns: vec![Turn { speaker: Speaker::User, text: "t".repeat(360) }] }
}

/// Tokens of that prompt.
pub(super) const HELLO: u64 = 100;

impl Scene {
    pub(super) fn model(&mut self, name: &str) -> &mut ModelConfig {
        Arc::get_mut(&mut self.round.config).unwrap().models.get_mut(name).unwrap()
    }

    pub(super) async fn call(&self, pool: &str, fallbacks: &str) -> CallResult {
        self.ask(pool, fallbacks, "", &()).await
    }

    pub(super) async fn ask(&self, pool: &str, fallbacks: &str, avoid: &str, observer: &dyn Observer) -> CallResult {
        let names = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let spec = CallSpec {
            step: "step".into(),
            role: "polecat",
            pool: &names(pool),
            fallbacks: &names(fallbacks),
            avoid: &names(avoid),
            whole: &[],
            prompt: &ask_hello,
            schema: None,
            max_output: 4000,
            temperature_milli: 0,
            priority: Priority::Normal,
        };
        self.router.call(&self.round, &spec, observer).await
    }

    /// Who was asked, in order.
    pub(super) fn asked(&self) -> Vec<String> {
        self.stage.asked.lock().unwrap().iter().map(|(model, ..)| model.clone()).collect()
    }

    pub(super) fn times_asked(&self, name: &str) -> usize {
        self.asked().iter().filter(|asked| *asked == name).count()
    }

    pub(super) fn waited(&self) -> Duration {
        self.start.elapsed()
    }
}

pub(super) const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[derive(Default)]
pub(super) struct Notes(pub(super) Mutex<Vec<String>>);

impl Observer for Notes {
    fn attempt(&self, model: &str) {
        self.0.lock().unwrap().push(format!("[{model}]"));
    }
    fn text(&self, piece: &str) {
        self.0.lock().unwrap().push(piece.to_owned());
    }
    fn thinking(&self) {}
}
