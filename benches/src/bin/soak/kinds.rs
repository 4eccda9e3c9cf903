//! The kinds of requests, what each asks, and which ends are right for it.

use std::time::Duration;

use indwell::{ChatRequest, Engine, Error, ErrorKind, Event, FinishReason, Tool, ToolChoice, user};
use indwell_benches::traffic::Random;
use serde_json::{Value, json};

/// What is asked, and how its reader behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Chat,
    Sampled,
    Repeated,
    Completion,
    Long,
    Schema,
    Regex,
    Tools,
    Several,
    Cancelled,
    Dropped,
    TimedOut,
    SlowReader,
    Invalid,
}

/// How often each kind is asked, among the sum of all.
const SHARES: [(Kind, usize); 14] = [
    (Kind::Chat, 14),
    (Kind::Sampled, 12),
    (Kind::Repeated, 10),
    (Kind::Completion, 8),
    (Kind::Long, 8),
    (Kind::Schema, 10),
    (Kind::Regex, 6),
    (Kind::Tools, 5),
    (Kind::Several, 4),
    (Kind::Cancelled, 8),
    (Kind::Dropped, 8),
    (Kind::TimedOut, 8),
    (Kind::SlowReader, 4),
    (Kind::Invalid, 5),
];

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum End {
    Complete,
    CutShort,
    Cancelled,
    TimedOut,
    Refused,
    /// Its reader left: nobody hears of its end.
    Left,
}

impl Kind {
    pub(crate) fn draw(random: &mut Random) -> Self {
        let all = SHARES.iter().map(|(_, share)| share).sum();
        let mut left = random.below(all);
        for (kind, share) in SHARES {
            if left < share {
                return kind;
            }
            left -= share;
        }
        Self::Chat
    }

    /// Asks one request and reads it to its end.
    ///
    /// # Errors
    /// A sentence for an end that is not right.
    pub(crate) fn ask(self, engine: &Engine, random: &mut Random) -> Result<End, String> {
        match self {
            Self::Completion => {
                let prompt = format!("{} llamas walked to", below(random, 1000));
                let request = engine.complete(prompt).logprobs(true).max_tokens(40);
                self.read(request.stream(), random)
            }
            _ => self.read(self.request(engine, random).stream(), random),
        }
    }

    fn request(self, engine: &Engine, random: &mut Random) -> ChatRequest {
        let number = below(random, 100_000);
        let question = format!("Write about the number {number}.");
        let chat = |tokens| engine.chat(question.as_str()).max_tokens(tokens);
        match self {
            Self::Chat | Self::Completion => chat(8 + below(random, 56)),
            Self::Sampled => chat(48).temperature(1.0).top_p(0.9).seed(number),
            Self::Repeated => {
                engine.chat(format!("What is {} plus one?", below(random, 8))).max_tokens(24)
            }
            Self::Long => chat(400).temperature(1.0).seed(number),
            Self::Schema => chat(200).json_schema(schema()).temperature(1.0).seed(number),
            Self::Regex => chat(60).regex("[a-z]{3,9}( [a-z]{3,9}){2,5}\\.").temperature(1.0),
            Self::Tools => {
                let question = format!("What is the weather in city {number}?");
                let request = engine.chat([user(question)]).tools([tool()]);
                request.tool_choice(ToolChoice::Required).max_tokens(120)
            }
            Self::Several => chat(24).n(3).temperature(1.0).seed(number),
            Self::Cancelled | Self::Dropped => chat(300),
            Self::TimedOut => {
                chat(400).timeout(Duration::from_millis((1 + below(random, 400)).into()))
            }
            Self::SlowReader => chat(120),
            Self::Invalid => match below(random, 4) {
                0 => chat(20).temperature(-1.0),
                1 => chat(20).json_schema(json!({"$ref": "https://example.com/schema"})),
                2 => chat(20).option("no_such_option", 1),
                _ => engine.chat("long ".repeat(20_000)),
            },
        }
    }

    fn read(
        self,
        stream: indwell::Result<indwell::TokenStream>,
        random: &mut Random,
    ) -> Result<End, String> {
        let stream = match stream {
            Ok(stream) => stream,
            Err(error) => return self.failed(&error),
        };
        let leaves_after = (self == Self::Dropped).then(|| below(random, 20));
        let cancels_after = (self == Self::Cancelled).then(|| below(random, 20));
        let canceller = stream.canceller();
        let mut read = 0;
        let mut end = None;
        for event in stream {
            if end.is_some() {
                return Err(format!("{self:?}: {event:?} came after the end"));
            }
            read += 1;
            match event {
                Event::Finished(finished) => {
                    end = Some(match finished.reason {
                        FinishReason::Length => Ok(End::CutShort),
                        _ => Ok(End::Complete),
                    });
                }
                Event::Failed(error) => end = Some(self.failed(&error)),
                Event::Cancelled => end = Some(self.cancelled()),
                _ => {}
            }
            if leaves_after.is_some_and(|after| read > after) && end.is_none() {
                return Ok(End::Left);
            }
            if cancels_after == Some(read) {
                canceller.cancel();
            }
            if self == Self::SlowReader {
                std::thread::sleep(Duration::from_millis(below(random, 20).into()));
            }
        }
        end.unwrap_or_else(|| Err(format!("{self:?}: the stream ended without an end")))
    }

    fn cancelled(self) -> Result<End, String> {
        match self {
            Self::Cancelled => Ok(End::Cancelled),
            _ => Err(format!("{self:?}: cancelled, though nobody asked for that")),
        }
    }

    /// Which errors were asked for.
    fn failed(self, error: &Error) -> Result<End, String> {
        match (self, error.kind()) {
            (Self::Invalid, ErrorKind::InvalidRequest | ErrorKind::ContextOverflow) => {
                Ok(End::Refused)
            }
            (Self::TimedOut, ErrorKind::DeadlineExceeded) => Ok(End::TimedOut),
            (Self::Cancelled, ErrorKind::Cancelled) => Ok(End::Cancelled),
            _ => Err(format!("{self:?}: {} ({error})", error.kind())),
        }
    }
}

fn below(random: &mut Random, limit: u32) -> u32 {
    u32::try_from(random.below(limit as usize)).unwrap_or_default()
}

fn schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "name": {"type": "string", "maxLength": 16},
            "legs": {"type": "integer", "minimum": 0, "maximum": 99},
            "wild": {"type": "boolean"},
        },
        "required": ["name", "legs", "wild"],
        "additionalProperties": false,
    })
}

fn tool() -> Tool {
    let parameters = json!({
        "type": "object",
        "properties": {"city": {"type": "string", "maxLength": 20}},
        "required": ["city"],
        "additionalProperties": false,
    });
    Tool::new("weather", parameters).description("The weather in a city")
}
