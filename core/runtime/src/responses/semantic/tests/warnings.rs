//! What semantic mode writes to the log: one warning a failure, and nothing of the question.

use std::fmt::Write;
use std::sync::OnceLock;

use tracing::field::{Field, Visit};
use tracing::{Dispatch, Event, Metadata, Subscriber, dispatcher, span};

use super::*;

/// Keeps every event as a line, `name=value` of each field.
struct Lines;

static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

impl Subscriber for Lines {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        LINES.lock().push(line.0);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0, " {field}={value:?}").expect("a string takes everything");
    }
}

/// The log of this test's threads alone.
fn log() -> &'static Dispatch {
    static LOG: OnceLock<Dispatch> = OnceLock::new();
    LOG.get_or_init(|| Dispatch::new(Lines))
}

/// Has tracing ask again who listens: with a single listener, it believes whichever thread came to
/// a line of the log first, and other tests have none. To be held while something is logged.
fn second_log() -> Dispatch {
    Dispatch::new(Lines)
}

/// What was logged since this was asked last.
fn lines() -> Vec<String> {
    std::mem::take(&mut *LINES.lock())
}

#[test]
fn each_failure_is_one_warning_without_the_question() {
    let logged: Start =
        |name, life| start(name, Box::new(move || dispatcher::with_default(log(), life)));
    let rig = Rig::on(threads(Limits { abandoned_max: 1, ..LIMITS }, logged));
    let here = [1.0, 0.0];
    let cases = [
        (patient(2.0, |_| Err("no model".into()), agreeing), "embed", "it failed: no model"),
        (patient(2.0, |_| panic!("on purpose"), agreeing), "embed", "it panicked"),
        (patient(2.0, embedding(&[]), agreeing), "embed", "its vector is empty"),
        (patient(2.0, embedding(&[0.0]), agreeing), "embed", "its vector is zero"),
        (patient(2.0, embedding(&[f32::NAN]), agreeing), "embed", "that is not finite"),
        (patient(2.0, embedding(&here), |_| Err("no".into())), "verify", "it failed: no"),
        (patient(2.0, embedding(&here), |_| panic!("on purpose")), "verify", "it panicked"),
    ];
    for (semantic, function, failure) in cases {
        let _second = second_log();
        rig.ask(&semantic).verdict();
        is_one_warning(&["function=".to_owned() + function, failure.to_owned()]);
    }

    let _second = second_log();
    rig.ask(&patient(2.0, embedding(&[1.0; 3]), agreeing)).computes_with(&[1.0; 3]);
    is_one_warning(&["length=3".to_owned(), "before=2".to_owned()]);

    rig.ask(&patient(2.0, embedding(&here), |_| Ok(false))).verdict();
    rig.ask(&patient(2.0, embedding(&here), agreeing)).serves("answer to earlier");
    assert_eq!(lines(), [""; 0], "an answer, refused or not, is no failure");

    let (gate, wait) = gate();
    let hanging = move |_: &SemanticMatch| {
        wait();
        Ok(true)
    };
    let hanging = patient(2.0, embedding(&here), hanging).timeout(BRIEF);
    dispatcher::with_default(log(), || {
        rig.abandon(&hanging, &gate);
        for _ in 0..3 {
            rig.ask(&patient(2.0, embedding(&here), agreeing)).computes_without_note();
        }
    });
    let lines = lines();
    let count = |parts: [&str; 2]| {
        lines.iter().filter(|line| parts.iter().all(|part| line.contains(part))).count()
    };
    assert_eq!(count(["WARN", "abandoned=1"]), 1, "{lines:?}");
    assert_eq!(count(["function=verify", "before it returned"]), 1, "{lines:?}");
    gate.open();
}

/// Exactly one line since this was asked last, and all that it must say.
fn is_one_warning(parts: &[String]) {
    let lines = lines();
    let [line] = &lines[..] else { panic!("{lines:?}") };
    assert!(line.starts_with("WARN"), "{line}");
    assert!(!line.contains(QUESTION), "{line}");
    for part in parts {
        assert!(line.contains(part), "{part} in {line}");
    }
}
