//! OpenAI's shapes: a request of HTTP in, an answer as their API gives it out, and no network
//! between.
//!
//! [`Engine::dispatch`] is what every language mounts below the clients that it has: OpenAI's own
//! for Python and Node, and whatever is built on them; `indwell serve` puts it behind a port.
//! What is supported, field by field, is in `docs/openai.md`. Nothing here knows of headers that a
//! client sends: keys and hosts are the transport's business.
//!
//! | module | owns |
//! |---|---|
//! | [`http`] | requests and answers as transports carry them |
//! | [`exchange`] | reading an answer |
//! | [`route`] | paths and methods |
//! | [`fields`] | reading a JSON object |
//! | [`messages`], [`tools`], [`call`] | parts of requests |
//! | [`chat`], [`completion`] | the two kinds of answers: what is asked, and their shapes |
//! | [`teller`] | what the shapes have in common |
//! | [`logprobs`], [`stamp`], [`chunk`] | parts of answers |
//! | [`models`] | the model, and its names |
//! | [`failure`] | errors |

mod call;
mod chat;
mod chunk;
mod completion;
mod exchange;
mod failure;
mod fields;
mod http;
mod logprobs;
mod messages;
mod models;
mod route;
mod stamp;
mod teller;
#[cfg(test)]
mod tests;
mod tools;

use std::collections::VecDeque;
use std::sync::Arc;

use serde_json::Value;

use self::call::Call;
use self::chat::{ChatCall, ChatChunks, ChatWhole};
use self::completion::{CompletionCall, CompletionChunks, CompletionWhole};
pub use self::exchange::{HttpCanceller, HttpExchange, HttpWait};
use self::failure::{Failure, Read};
use self::fields::Fields;
pub use self::http::{HttpEvent, HttpHead, HttpRequest};
use self::logprobs::Tokens;
use self::route::Route;
use self::teller::{Form, Teller};
use crate::shared::Shared;
use crate::{ChatRequest, CompletionRequest, Engine, Messages, ModelInfo, Request};

/// Bytes of a request's body at most.
pub const BODY_BYTES_MAX: usize = 16 << 20;

impl Engine {
    /// Answers a request of OpenAI's API: `/v1/chat/completions`, `/v1/completions`, `/v1/models`
    /// and `/v1/models/{model}`, each with or without `/v1`. What is wrong with a request, or goes
    /// wrong, is an answer too, in OpenAI's shape.
    ///
    /// ```no_run
    /// use indwell::{Engine, HttpEvent, HttpRequest};
    ///
    /// let engine = Engine::builder("smollm2-135m").build()?;
    /// let body = r#"{"model": "smollm2-135m", "messages": [{"role": "user", "content": "Hello"}]}"#;
    /// let mut exchange = engine.dispatch(HttpRequest {
    ///     method: "POST".to_owned(),
    ///     path: "/v1/chat/completions".to_owned(),
    ///     body: body.into(),
    /// });
    /// while let Some(event) = exchange.next_blocking() {
    ///     if let HttpEvent::Chunk(text) = event {
    ///         println!("{text}");
    ///     }
    /// }
    /// # Ok::<(), indwell::Error>(())
    /// ```
    ///
    /// # Blocking
    /// While the prompt is prepared, as [`crate::Request::stream`].
    #[must_use = "dropping the exchange cancels what it asked for"]
    pub fn dispatch(&self, request: HttpRequest) -> HttpExchange {
        self.exchange(&request).unwrap_or_else(|failure| HttpExchange::failed(*failure))
    }

    fn exchange(&self, request: &HttpRequest) -> Read<HttpExchange> {
        let shared = self.shared();
        let route = Route::of(request)?;
        shared.check_open()?;
        match route {
            Route::Models => Ok(HttpExchange::json(models::list(shared))),
            Route::Model(name) => models::retrieve(shared, &name).map(HttpExchange::json),
            Route::Embeddings => Err(Failure::unsupported(
                "This engine serves a model that writes text: it makes no embeddings.",
                "model",
            )),
            Route::ChatCompletions => {
                let fields = read(shared, &request.body)?;
                self.chat_exchange(ChatCall::of(fields)?)
            }
            Route::Completions => {
                let fields = read(shared, &request.body)?;
                self.completion_exchange(CompletionCall::of(fields)?)
            }
        }
    }

    fn chat_exchange(&self, chat: ChatCall) -> Read<HttpExchange> {
        let ChatCall { messages, mut call } = chat;
        let shared = self.shared();
        let (model, tokens) = (models::id(&shared.info), tokens(shared, &call));
        let teller: Box<dyn Teller> = if call.stream {
            Box::new(ChatChunks::new(model, tokens, call.include_usage))
        } else {
            Box::new(ChatWhole::new(model, tokens))
        };
        let request: ChatRequest = with_options(self.chat(Messages(messages)), &mut call);
        Ok(HttpExchange::answering([request.stream()?].into(), teller, form(&call)))
    }

    fn completion_exchange(&self, completion: CompletionCall) -> Read<HttpExchange> {
        let CompletionCall { asked, mut call } = completion;
        let shared = self.shared();
        let (model, tokens) = (models::id(&shared.info), tokens(shared, &call));
        let prompts = asked.prompts.clone();
        let teller: Box<dyn Teller> = if call.stream {
            let choices = call.choices();
            Box::new(CompletionChunks::new(model, asked, choices, tokens, call.include_usage))
        } else {
            Box::new(CompletionWhole::new(model, asked, tokens))
        };
        let form = form(&call);
        let options: Vec<_> = call.options().collect();
        let mut streams = VecDeque::with_capacity(prompts.len());
        for prompt in prompts {
            let request: CompletionRequest = self.complete(prompt);
            let set = |request: CompletionRequest, (name, value): &(String, _)| {
                request.option(name, crate::OptionValue::clone(value))
            };
            streams.push_back(options.iter().fold(request, set).stream()?);
        }
        Ok(HttpExchange::answering(streams, teller, form))
    }
}

/// What the model is called in answers.
pub(crate) fn model_id(info: &ModelInfo) -> String {
    models::id(info)
}

/// The fields of a body that asks this model.
fn read(shared: &Shared, body: &[u8]) -> Read<Fields> {
    if body.len() > BODY_BYTES_MAX {
        let message = format!(
            "The request's body has {} bytes, but at most {BODY_BYTES_MAX} are read: send less.",
            body.len()
        );
        return Err(Failure::wrong(message, None, "request_too_large").with_status(413));
    }
    let value: Value = serde_json::from_slice(body).map_err(|error| {
        let message = format!(
            "We could not parse the JSON body of your request. (It has to be one JSON object: \
             {error}.)"
        );
        Failure::wrong(message, None, "invalid_json")
    })?;
    let mut fields = Fields::of("", value)?;
    if let Some(model) = fields.text("model")? {
        models::check_name(&shared.info, &model)?;
    }
    Ok(fields)
}

fn form(call: &Call) -> Form {
    if call.stream { Form::Events } else { Form::Json }
}

/// Knows tokens' texts, where log-probabilities are asked for.
fn tokens(shared: &Arc<Shared>, call: &Call) -> Option<Tokens> {
    call.is_set("logprobs").then(|| Tokens::of(shared))
}

fn with_options<I>(request: Request<I>, call: &mut Call) -> Request<I> {
    call.options().fold(request, |request, (name, value)| request.option(&name, value))
}
