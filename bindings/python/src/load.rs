//! Building an engine from Python: on a thread of its own, so that Ctrl-C is answered while a model
//! is fetched.
//!
//! An abandoned build goes on to its end unseen, and its engine is closed at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::{RecvTimeoutError, bounded};
use indwell::{EngineBuilder, ErrorKind, ModelSource, Progress};
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::text::{text, wrong_type};
use crate::{error, interrupt, record};

/// What `model` names: a str is an alias or a path, for the engine to tell; anything else with a
/// path is that path.
pub(crate) fn source(model: &Bound<'_, PyAny>) -> PyResult<ModelSource> {
    let is_text = model.is_instance_of::<PyString>();
    if is_text && let Ok(name) = text(model, "model") {
        return Ok(name.into());
    }
    match model.extract::<std::path::PathBuf>() {
        Ok(path) => Ok(path.into()),
        // The same again, for its error.
        Err(_) if is_text => text(model, "model").map(Into::into),
        Err(_) => Err(wrong_type(model, "model", "a str or an os.PathLike")),
    }
}

/// Builds the engine; `on_progress` is called from the building thread.
pub(crate) fn build(
    py: Python<'_>,
    mut builder: EngineBuilder,
    on_progress: Option<Py<PyAny>>,
) -> PyResult<indwell::Engine> {
    let abandoned = Arc::new(AtomicBool::new(false));
    if let Some(callback) = on_progress {
        let abandoned = Arc::clone(&abandoned);
        builder = builder.on_progress(move |progress| {
            if !abandoned.load(Ordering::Acquire) {
                report(&callback, &progress);
            }
        });
    }
    let (done, built) = bounded(1);
    std::thread::Builder::new().name("indwell-load".to_owned()).spawn(move || {
        // An abandoned engine comes back in the error, and is dropped: closed.
        let _ = done.send(builder.build());
    })?;
    let built = interrupt::wait(py, || match built.recv_timeout(interrupt::SLICE) {
        Ok(built) => Some(Some(built)),
        Err(RecvTimeoutError::Timeout) => None,
        Err(RecvTimeoutError::Disconnected) => Some(None),
    });
    match built {
        Ok(Some(engine)) => engine.map_err(|failure| error::raise(py, &failure)),
        Ok(None) => Err(error::of_kind(
            py,
            ErrorKind::Internal,
            "loading the model panicked: please report this",
        )),
        Err(interrupted) => {
            abandoned.store(true, Ordering::Release);
            Err(interrupted)
        }
    }
}

/// An exception in the callback goes to `sys.unraisablehook`: loading goes on.
fn report(callback: &Py<PyAny>, progress: &Progress) {
    // Nobody is left to be told once the interpreter is gone.
    Python::try_attach(|py| {
        let told =
            record::progress(py, progress).and_then(|progress| callback.call1(py, (progress,)));
        if let Err(failure) = told {
            failure.write_unraisable(py, Some(callback.bind(py)));
        }
    });
}
