//! Who answers: a model in this process, or a server.

use std::time::Duration;

use serde_json::{Value, json};
use tern_chat::{Generation, Message, Role, Turn, TurnEvent, TurnRequest};
use tern_registry::Lease;
use tern_scheduler::SamplingParams;

use crate::{
    Error, builtin,
    cli::ChatArgs,
    client::{Client, Piece, Stream},
    commands::Models,
    config::Config,
    output::StatusLine,
};

/// A model to talk to, and how.
pub(super) struct Partner {
    model: String,
    voice: Voice,
    sampling: SamplingParams,
    max_tokens: Option<u32>,
}

enum Voice {
    Local { lease: Lease, _models: Models },
    Server(Client),
}

/// An answer being written. Dropping it stops it.
pub(super) enum Answer {
    /// In this process.
    Local(Turn),
    /// By a server.
    Server(Stream),
}

/// Something of an answer; counts come last.
pub(super) type Part = Piece;

impl Partner {
    /// Loads the model, or asks the server which it has.
    pub async fn meet(args: &ChatArgs, config: &Config) -> Result<Self, Error> {
        let (model, voice) = match &args.url {
            Some(url) => {
                let client = Client::new(url, args.api_key.clone())?;
                let model = match &args.model {
                    Some(model) => model.clone(),
                    None => client.models().await?.into_iter().next().ok_or_else(|| {
                        Error::Refused(format!("{url} has no models; name one: tern chat MODEL --url {url}"))
                    })?,
                };
                (model, Voice::Server(client))
            }
            None => {
                let models = Models::open(config)?;
                let name = args.model.as_ref().unwrap_or(&config.default_model);
                let lease = load(&models, name).await?;
                (lease.entry.id.clone(), Voice::Local { lease, _models: models })
            }
        };
        let sampling = SamplingParams {
            temperature: args.temperature.unwrap_or(if builtin::is_builtin(&model) { 0.0 } else { 0.7 }),
            top_p: args.top_p,
            seed: args.seed,
            ..SamplingParams::default()
        };
        Ok(Self { model, voice, sampling, max_tokens: args.max_tokens.map(|n| n.get()) })
    }

    /// The model's id.
    pub fn name(&self) -> &str {
        &self.model
    }

    /// Starts an answer to the dialogue.
    pub async fn ask(&self, messages: &[Message]) -> Result<Answer, Error> {
        match &self.voice {
            Voice::Local { lease, .. } => {
                let text = lease.text()?;
                let generation =
                    Generation { sampling: self.sampling.clone(), max_tokens: self.max_tokens, ..Default::default() };
                let turn = TurnRequest { generation, ..TurnRequest::new("chat", messages.to_vec()) };
                let turn = text.chat.start(&text.scheduler, turn);
                Ok(Answer::Local(turn.map_err(|error| Error::Refused(error.to_string()))?))
            }
            Voice::Server(client) => Ok(Answer::Server(client.chat(&self.body(messages)).await?)),
        }
    }

    fn body(&self, messages: &[Message]) -> Value {
        let role = |role| match role {
            Role::System => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
            Role::Tool => "tool",
        };
        let messages: Vec<_> = messages.iter().map(|m| json!({"role": role(m.role), "content": m.content})).collect();
        let mut body = json!({
            "model": self.model, "messages": messages, "stream": true, "stream_options": {"include_usage": true},
            "temperature": self.sampling.temperature, "top_p": self.sampling.top_p,
        });
        // Absent rather than null: not every server takes null for "as you like".
        if let Some(seed) = self.sampling.seed {
            body["seed"] = json!(seed);
        }
        if let Some(max_tokens) = self.max_tokens {
            body["max_tokens"] = json!(max_tokens);
        }
        body
    }
}

/// Loads a model and shows how far that is.
async fn load(models: &Models, name: &str) -> Result<Lease, Error> {
    let mut status = StatusLine::new();
    let acquire = models.registry.acquire(name);
    tokio::pin!(acquire);
    let mut tick = tokio::time::interval(Duration::from_millis(200));
    let id = models.registry.status(name)?.entry.id;
    loop {
        tokio::select! {
            lease = &mut acquire => return Ok(lease?),
            _ = tick.tick() => {
                if let Some(share) = models.registry.load_progress(&id) {
                    status.set(&format!("loading {id}: {:.0} %", share * 100.0));
                }
            }
        }
    }
}

impl Answer {
    /// The next part; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Part>, Error> {
        let turn = match self {
            Self::Server(stream) => return Ok(stream.next().await?),
            Self::Local(turn) => turn,
        };
        loop {
            match turn.next().await {
                None => return Ok(None),
                Some(TurnEvent::Text(delta)) if !delta.text.is_empty() => return Ok(Some(Part::Text(delta.text))),
                Some(TurnEvent::Reasoning(delta)) if !delta.text.is_empty() => {
                    return Ok(Some(Part::Reasoning(delta.text)));
                }
                Some(TurnEvent::End { summary, .. }) => {
                    return Ok(Some(Part::Usage {
                        prompt: summary.prompt_tokens.into(),
                        cached: summary.cached_tokens.into(),
                        completion: summary.completion_tokens.into(),
                    }));
                }
                Some(TurnEvent::Failed(error)) => return Err(Error::Refused(error.to_string())),
                Some(
                    TurnEvent::Prefill(_)
                    | TurnEvent::Finish { .. }
                    | TurnEvent::Text(_)
                    | TurnEvent::Reasoning(_)
                    // No tools are offered.
                    | TurnEvent::ToolCall { .. }
                    | TurnEvent::Arguments { .. },
                ) => {}
            }
        }
    }
}
