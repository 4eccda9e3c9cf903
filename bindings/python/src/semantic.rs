//! Semantic mode's two functions, which are Python's, as the engine calls them.
//!
//! Owns the way of a call: from the engine's thread that needs it to a thread of Python's own that
//! is started for it, and back over a channel. What a function may return, and what is logged of
//! one that fails, is for `indwell.semantic`, whose functions run it there.
//!
//! - A function runs with nothing of ours below it on its stack. As long as it runs, or hangs, the
//!   interpreter may exit; Python then ends the thread where it stands, as it does with daemon
//!   threads, by unwinding its stack (before 3.14), which frames of Rust would not survive.
//! - The engine's thread attaches only to start that thread, runs no Python code meanwhile, and
//!   does not attach once the interpreter exits.
//! - A call always ends with one answer, unless its function never returns: how long to wait is
//!   the engine's to say.

use std::time::Duration;

use crossbeam_channel::{Sender, bounded};
use indwell::{Semantic, SemanticMatch};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyString, PyTuple};

use crate::error::invalid;
use crate::exit;
use crate::text::{shown, wrong_type};

type Fault = Box<dyn std::error::Error + Send + Sync>;

/// A function of the caller's.
struct Function {
    function: Py<PyAny>,
    /// The one of `indwell.semantic` that calls it, and gives its answer to a [`SemanticCall`].
    caller: Py<PyAny>,
    /// Found while Python can still import.
    start_thread: Py<PyAny>,
}

/// One call that is under way. Without an answer it is dropped as one that failed.
#[pyclass(frozen, module = "indwell._native")]
#[derive(Debug)]
pub(crate) struct SemanticCall {
    answer: Sender<Answer>,
}

/// What a call came to.
enum Answer {
    Embedded(Vec<f32>),
    Verified(bool),
    Failed(String),
}

/// What `value`, an `indwell.Semantic`, says.
///
/// # Errors
/// `invalid_request` on `semantic` for what is none, or could not be told to the engine.
pub(crate) fn read(value: &Bound<'_, PyAny>) -> PyResult<Semantic> {
    let py = value.py();
    static CLASS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    if !value.is_instance(CLASS.import(py, "indwell.semantic", "Semantic")?)? {
        return Err(wrong_type(value, "semantic", "an indwell.Semantic"));
    }
    let distance_max = value.getattr("distance_max")?;
    let distance_max = distance_max.extract::<f32>().map_err(|_| {
        let remedy = "begin with a small one, such as 0.1";
        bad_part("distance_max", &distance_max, "a distance_max from 0 to 2", remedy)
    })?;
    static EMBED: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    static VERIFY: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let caller = EMBED.import(py, "indwell.semantic", "call_embed")?;
    let embed = Function::new(&value.getattr("embed")?, "embed", caller)?;
    let caller = VERIFY.import(py, "indwell.semantic", "call_verify")?;
    let verify = Function::new(&value.getattr("verify")?, "verify", caller)?;
    let timeout = timeout(&value.getattr("timeout_ms")?)?;
    let semantic = Semantic::new(
        distance_max,
        move |prompt| embed.embed(prompt),
        move |earlier| verify.verify(earlier),
    );
    Ok(semantic.timeout(timeout))
}

fn timeout(given: &Bound<'_, PyAny>) -> PyResult<Duration> {
    let ms = given.extract::<f64>().ok();
    ms.and_then(|ms| Duration::try_from_secs_f64(ms / 1000.0).ok()).ok_or_else(|| {
        let limit = "a timeout_ms that is a finite number above 0";
        let remedy = "say how long each function may take; the default is 1000";
        bad_part("timeout_ms", given, limit, remedy)
    })
}

fn bad_part(name: &str, value: &Bound<'_, PyAny>, limit: &str, remedy: &str) -> PyErr {
    invalid(value.py(), "semantic", &format!("{name}={}", shown(value)), limit, remedy)
}

impl Function {
    fn new(function: &Bound<'_, PyAny>, name: &str, caller: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = function.py();
        if !function.is_callable() {
            return Err(bad_part(name, function, "a function", "give one that can be called"));
        }
        static START_THREAD: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        Ok(Self {
            function: function.clone().unbind(),
            caller: caller.clone().unbind(),
            start_thread: START_THREAD.import(py, "_thread", "start_new_thread")?.clone().unbind(),
        })
    }

    fn embed(&self, prompt: &str) -> Result<Vec<f32>, Fault> {
        match self.ask(|py, call| (&self.function, prompt, call).into_pyobject(py))? {
            Answer::Embedded(vector) => Ok(vector),
            other => Err(other.fault()),
        }
    }

    fn verify(&self, earlier: &SemanticMatch) -> Result<bool, Fault> {
        let SemanticMatch { asked, found, answer, distance, .. } = earlier;
        let arguments = (asked, found, answer, distance);
        match self.ask(|py, call| (&self.function, arguments, call).into_pyobject(py))? {
            Answer::Verified(agreed) => Ok(agreed),
            other => Err(other.fault()),
        }
    }

    /// Has the function called on a new thread of Python's, and waits for its answer.
    fn ask(
        &self,
        arguments: impl for<'py> FnOnce(Python<'py>, SemanticCall) -> PyResult<Bound<'py, PyTuple>>,
    ) -> Result<Answer, Fault> {
        let (answer, answered) = bounded(1);
        let start = |py: Python<'_>| {
            let arguments = arguments(py, SemanticCall { answer })?;
            self.start_thread.call1(py, (&self.caller, arguments)).map(drop)
        };
        // A failure is told while attached, since telling it needs Python.
        let started = if exit::others_exit() {
            None
        } else {
            Python::try_attach(|py| start(py).map_err(|failure| failure.to_string()))
        };
        started.ok_or("the interpreter is exiting")??;
        answered.recv().map_err(|_| "the function's thread ended without an answer".into())
    }
}

impl Answer {
    /// The error of a call that came to this where something else was asked for.
    fn fault(self) -> Fault {
        match self {
            Answer::Failed(error) => error.into(),
            Answer::Embedded(_) | Answer::Verified(_) => "it answered another question".into(),
        }
    }
}

#[pymethods]
impl SemanticCall {
    /// Answers with a vector: its 32 bit floats as they lie in memory.
    fn embedded(&self, vector: &Bound<'_, PyBytes>) {
        let floats = vector.as_bytes().as_chunks::<4>().0;
        self.answer(Answer::Embedded(floats.iter().copied().map(f32::from_ne_bytes).collect()));
    }

    /// Answers with what `agreed` says, a bool of Python's or numpy's.
    fn verified(&self, agreed: &Bound<'_, PyAny>) -> PyResult<()> {
        let agreed = agreed.extract::<bool>().map_err(|_| {
            PyTypeError::new_err(format!("verify returned {}, not a bool", shown(agreed)))
        })?;
        self.answer(Answer::Verified(agreed));
        Ok(())
    }

    /// Answers that the function failed.
    fn failed(&self, error: &Bound<'_, PyString>) {
        self.answer(Answer::Failed(error.to_string_lossy().into_owned()));
    }
}

impl SemanticCall {
    /// Who asked may have stopped waiting; the first answer counts.
    fn answer(&self, answer: Answer) {
        let _ = self.answer.try_send(answer);
    }
}
