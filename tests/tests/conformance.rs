//! Runs `conformance/cases/*.json` on the Rust API; see `conformance/README.md`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use indwell::{
    ChatRequest, CompletionRequest, Engine, Error, Event, Message, OptionValue, Reply, ReplyFold,
    TokenStream, ToolCall,
};
use libtest_mimic::{Arguments, Failed, Trial};
use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    operation: Operation,
    messages: Option<Value>,
    prompt: Option<String>,
    repeat: Option<usize>,
    model: Option<String>,
    #[serde(default)]
    options: Map<String, Value>,
    modes: Option<Vec<Mode>>,
    #[serde(default)]
    #[expect(dead_code, reason = "Rust has options by name too, so it runs every case")]
    dynamic: bool,
    expect: Expect,
}

#[derive(Clone, Copy, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Operation {
    Chat,
    Complete,
    Load,
}

#[derive(Clone, Copy, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Mode {
    Reply,
    Stream,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Expect {
    finish_reason: Option<String>,
    completion_tokens: Option<u32>,
    prompt_tokens: Option<u32>,
    cached_tokens: Option<u32>,
    cached_tokens_min: Option<u32>,
    text: Option<String>,
    text_starts_with: Option<String>,
    text_excludes: Vec<String>,
    text_not_empty: bool,
    logprobs: bool,
    tool_calls: Option<Vec<ExpectedCall>>,
    error: Option<ExpectedError>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct ExpectedCall {
    name: String,
    arguments: Value,
}

impl Expect {
    /// Whether it is of a request that was made before.
    fn asks_twice(&self) -> bool {
        self.cached_tokens.is_some() || self.cached_tokens_min.is_some()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpectedError {
    kind: String,
    field: Option<String>,
    value: Option<String>,
    limit: Option<String>,
    #[serde(default)]
    message_contains: Vec<String>,
    #[serde(default = "yes")]
    remedy: bool,
}

fn yes() -> bool {
    true
}

fn main() {
    let arguments = Arguments::from_args();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance");
    let cases = read_cases(&folder.join("cases"));
    let mut trials = vec![names_are_unique(&cases)];
    if !arguments.list {
        let engine = Engine::builder(indwell_tests::model())
            .context_tokens(2048)
            .build()
            .expect("an engine on the default model");
        let setting =
            Arc::new(Setting { engine, turn: Mutex::new(()), files: folder.join("files") });
        for case in cases {
            let setting = Arc::clone(&setting);
            trials.push(Trial::test(case.name.clone(), move || setting.run(&case)));
        }
    }
    libtest_mimic::run(&arguments, trials).exit();
}

fn read_cases(folder: &Path) -> Vec<Case> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("the folder of cases")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "json"))
        .collect();
    files.sort();
    let read = |path: &PathBuf| -> Vec<Case> {
        let text = std::fs::read_to_string(path).expect("a readable file");
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    files.iter().flat_map(read).collect()
}

fn names_are_unique(cases: &[Case]) -> Trial {
    let mut names: Vec<String> = cases.iter().map(|case| case.name.clone()).collect();
    Trial::test("every case has a name of its own", move || {
        names.sort();
        match names.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(format!("{:?} is there twice", pair[0]).into()),
            None => Ok(()),
        }
    })
}

struct Setting {
    engine: Engine,
    /// Held by who asks the engine.
    turn: Mutex<()>,
    files: PathBuf,
}

impl Setting {
    fn run(&self, case: &Case) -> Result<(), Failed> {
        if case.operation == Operation::Load {
            let result = self.load(case);
            return self.check(case, result.map(|()| None));
        }
        // What one case has the engine forget, another may just have asked for.
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let modes = case.modes.clone().unwrap_or_else(|| vec![Mode::Reply, Mode::Stream]);
        for mode in modes {
            // Each mode computes its answer, unless the case asks twice.
            self.engine.invalidate_responses()?;
            if case.expect.asks_twice() {
                self.reply(case)?;
            }
            let result = match mode {
                Mode::Reply => self.reply(case),
                Mode::Stream => self.stream(case).and_then(fold),
            };
            self.check(case, result.map(Some))?;
        }
        Ok(())
    }

    fn load(&self, case: &Case) -> Result<(), Error> {
        let model = case.model.as_deref().unwrap_or_default();
        let model = model.replace("{files}", &self.files.to_string_lossy());
        let model = model.replace("{model}", &indwell_tests::model().to_string_lossy());
        let mut builder = Engine::builder(model);
        for (name, value) in &case.options {
            builder = builder.option(name, option(value));
        }
        builder.build()?.close()
    }

    fn reply(&self, case: &Case) -> Result<Reply, Error> {
        match case.operation {
            Operation::Chat => self.chat(case)?.run(),
            _ => self.completion(case).run(),
        }
    }

    fn stream(&self, case: &Case) -> Result<TokenStream, Error> {
        match case.operation {
            Operation::Chat => self.chat(case)?.stream(),
            _ => self.completion(case).stream(),
        }
    }

    fn chat(&self, case: &Case) -> Result<ChatRequest, Error> {
        let mut request = match case.messages.as_ref().expect("a chat has messages") {
            Value::String(text) => self.engine.chat(text.as_str()),
            messages => self.engine.chat(self::messages(messages, case.repeat.unwrap_or(1))?),
        };
        for (name, value) in &case.options {
            request = request.option(name, option(value));
        }
        Ok(request)
    }

    fn completion(&self, case: &Case) -> CompletionRequest {
        let prompt = case.prompt.as_deref().expect("a completion has a prompt");
        let mut request = self.engine.complete(prompt.repeat(case.repeat.unwrap_or(1)));
        for (name, value) in &case.options {
            request = request.option(name, option(value));
        }
        request
    }

    fn check(&self, case: &Case, result: Result<Option<Reply>, Error>) -> Result<(), Failed> {
        match (&case.expect.error, result) {
            (Some(expected), Err(error)) => {
                check_error(expected, &error)?;
                self.still_serves()
            }
            (None, Ok(reply)) => reply.map_or(Ok(()), |reply| check_reply(&case.expect, &reply)),
            (Some(expected), Ok(reply)) => {
                Err(format!("expected {}, got {reply:?}", expected.kind).into())
            }
            (None, Err(error)) => Err(format!("{}: {error}", error.kind()).into()),
        }
    }

    fn still_serves(&self) -> Result<(), Failed> {
        let reply = self.engine.chat("Hello").max_tokens(1).run();
        reply.map(drop).map_err(|error| format!("the engine serves no more: {error}").into())
    }
}

fn messages(messages: &Value, repeat: usize) -> Result<Vec<Message>, Error> {
    let list = messages.as_array().expect("messages are a text or a list");
    let read = |(at, message)| Message::from_value(&format!("messages[{at}]"), option(message));
    let mut messages = list.iter().enumerate().map(read).collect::<Result<Vec<_>, _>>()?;
    if let Some(last) = messages.last_mut() {
        last.content = last.content.repeat(repeat);
    }
    Ok(messages)
}

fn option(value: &Value) -> OptionValue {
    match value {
        Value::Null => OptionValue::Null,
        Value::Bool(value) => OptionValue::Bool(*value),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => OptionValue::Int(whole),
            None => OptionValue::Float(number.as_f64().expect("a number")),
        },
        Value::String(text) if text == "NaN" => OptionValue::Float(f64::NAN),
        Value::String(text) => OptionValue::Text(text.clone()),
        Value::Array(values) => OptionValue::List(values.iter().map(option).collect()),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| (name.clone(), option(value)));
            OptionValue::Object(fields.collect())
        }
    }
}

/// Reads a stream event by event, and checks that it ends with exactly one terminal event.
fn fold(stream: TokenStream) -> Result<Reply, Error> {
    let events: Vec<Event> = stream.into_iter().collect();
    let terminal = events.iter().filter(|event| event.is_terminal()).count();
    assert_eq!(terminal, 1, "{events:?}");
    assert!(!events.iter().any(|event| matches!(event, Event::Cancelled)), "nobody cancelled");
    let mut fold = ReplyFold::default();
    let mut results = events.into_iter().filter_map(|event| fold.take(event));
    results.next().expect("the terminal event gives the result")
}

fn check_reply(expect: &Expect, reply: &Reply) -> Result<(), Failed> {
    let mut wrong = Vec::new();
    let mut compare = |what: &str, expected: Option<String>, found: String| {
        if expected.as_ref().is_some_and(|expected| *expected != found) {
            wrong.push(format!("{what} is {found:?}, not {:?}", expected.unwrap_or_default()));
        }
    };
    let number = |n: Option<u32>| n.map(|n| n.to_string());
    compare("finish_reason", expect.finish_reason.clone(), reply.finish_reason.as_str().into());
    compare(
        "completion_tokens",
        number(expect.completion_tokens),
        reply.usage.completion_tokens.to_string(),
    );
    compare("prompt_tokens", number(expect.prompt_tokens), reply.usage.prompt_tokens.to_string());
    let (cached, tier) = (reply.usage.cached_tokens, reply.usage.cache);
    compare("cached_tokens", number(expect.cached_tokens), cached.to_string());
    compare("text", expect.text.clone(), reply.text.clone());
    if expect.cached_tokens_min.is_some_and(|least| cached < least)
        || (cached > 0) != tier.is_some()
    {
        wrong.push(format!("{cached} tokens are cached, in {tier:?}"));
    }
    if !expect.text_starts_with.as_ref().is_none_or(|start| reply.text.starts_with(start)) {
        wrong.push(format!("the text is {:?}", reply.text));
    }
    wrong.extend(
        expect
            .text_excludes
            .iter()
            .filter(|excluded| reply.text.contains(excluded.as_str()))
            .map(|excluded| format!("{excluded:?} is in {:?}", reply.text)),
    );
    if expect.text_not_empty && reply.text.trim().is_empty() {
        wrong.push("the text is empty".to_owned());
    }
    if let Some(expected) = &expect.tool_calls {
        let calls: Vec<ExpectedCall> = reply.tool_calls.iter().map(called).collect();
        let ids: BTreeSet<&str> = reply.tool_calls.iter().map(|call| call.id.as_str()).collect();
        let have_ids = ids.len() == calls.len() && ids.iter().all(|id| id.starts_with("call_"));
        if calls != *expected || !have_ids {
            wrong.push(format!("calls are {:?}", reply.tool_calls));
        }
    }
    let counted = reply.logprobs.len() == reply.usage.completion_tokens as usize;
    if expect.logprobs && !(counted && reply.logprobs.iter().all(|l| l.logprob <= 0.0)) {
        wrong.push(format!("log-probabilities are {:?}", reply.logprobs));
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n").into()) }
}

fn called(call: &ToolCall) -> ExpectedCall {
    let arguments = serde_json::from_str(&call.arguments);
    ExpectedCall { name: call.name.clone(), arguments: arguments.unwrap_or(Value::Null) }
}

fn check_error(expected: &ExpectedError, error: &Error) -> Result<(), Failed> {
    let details = error.details();
    let mut wrong = Vec::new();
    let mut compare = |what: &str, expected: Option<&str>, found: Option<&str>| {
        if expected.is_some() && expected != found {
            wrong.push(format!("{what} is {found:?}, not {expected:?}"));
        }
    };
    compare("kind", Some(&expected.kind), Some(error.kind().as_str()));
    compare("field", expected.field.as_deref(), details.field.as_deref());
    compare("value", expected.value.as_deref(), details.value.as_deref());
    compare("limit", expected.limit.as_deref(), details.limit.as_deref());
    for part in &expected.message_contains {
        if !error.message().contains(part) {
            wrong.push(format!("{:?} does not say {part:?}", error.message()));
        }
    }
    if expected.remedy && details.remedy.is_none() {
        wrong.push("there is no remedy".to_owned());
    }
    if wrong.is_empty() { Ok(()) } else { Err(format!("{error:?}\n{}", wrong.join("\n")).into()) }
}
