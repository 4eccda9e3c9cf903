//! The worker's log lines, told by the application as if they were its own.

use std::fmt::{self, Write as _};
use std::sync::Arc;

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use super::message::FromWorker;
use super::serve::Outgoing;

/// The target of llama.cpp's own lines.
const LLAMA_CPP: &str = "llama.cpp";
/// A line is cut after so many bytes.
const LINE_BYTES_MAX: usize = 16 << 10;

const LEVELS: [Level; 5] = [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE];

/// What the application wants to hear, as a number: 0 for nothing, 5 for all.
pub(super) fn wanted() -> u8 {
    let wanted = LevelFilter::current().into_level();
    wanted.map_or(0, number)
}

fn number(level: Level) -> u8 {
    let place = LEVELS.iter().position(|other| *other == level);
    place.and_then(|place| u8::try_from(place + 1).ok()).unwrap_or(0)
}

/// Tells a worker's line.
pub(super) fn retell(level: u8, is_llama_cpp: bool, line: &str) {
    macro_rules! tell {
        ($level:ident) => {
            if is_llama_cpp {
                tracing::$level!(target: "llama.cpp", "{line}")
            } else {
                tracing::$level!("the worker: {line}")
            }
        };
    }
    match level {
        1 => tell!(error),
        2 => tell!(warn),
        3 => tell!(info),
        4 => tell!(debug),
        _ => tell!(trace),
    }
}

/// Sends what is logged in the worker to the application, up to a level.
pub(super) fn install(level: u8, out: Arc<Outgoing>) {
    let Some(level) = usize::from(level).checked_sub(1).and_then(|at| LEVELS.get(at)) else {
        return;
    };
    // A program that serves with a subscriber of its own keeps it.
    let _ = tracing::subscriber::set_global_default(Teller { level: *level, out });
}

struct Teller {
    level: Level,
    out: Arc<Outgoing>,
}

impl Subscriber for Teller {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= &self.level
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::from_level(self.level))
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        let Line(mut line) = line;
        line.truncate(line.floor_char_boundary(LINE_BYTES_MAX));
        let is_llama_cpp = event.metadata().target() == LLAMA_CPP;
        self.out.say(&FromWorker::Log(number(*event.metadata().level()), is_llama_cpp, line));
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// An event's message with its other fields behind it.
struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a text does not fail.
        let _ = match field.name() {
            "message" => {
                let others = std::mem::take(&mut self.0);
                write!(self.0, "{value:?}{others}")
            }
            name => write!(self.0, " {name}={value:?}"),
        };
    }
}
