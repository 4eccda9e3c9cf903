//! The engine as Python's layer holds it. Everything that may block is detached; nothing here waits
//! by itself.

use indwell::{HttpRequest, Request};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::drain::Draining;
use crate::fork::Home;
use crate::http::HttpExchange;
use crate::prefix::PendingPrefix;
use crate::stream::Stream;
use crate::{error, load, message, option, record, semantic, text};

/// A loaded model and its worker; dropping it closes the engine.
#[pyclass(frozen, module = "indwell._native")]
#[derive(Debug)]
pub(crate) struct Engine {
    /// `None` only while it is dropped.
    engine: Option<indwell::Engine>,
    home: Home,
}

impl Engine {
    fn engine(&self) -> &indwell::Engine {
        self.engine.as_ref().expect("the engine is there until the object is dropped")
    }
}

#[pymethods]
impl Engine {
    /// Loads `model` with the named options; `on_progress` is called with Progress objects from
    /// another thread.
    #[staticmethod]
    fn load(
        py: Python<'_>,
        model: &Bound<'_, PyAny>,
        options: &Bound<'_, PyDict>,
        on_progress: Option<Py<PyAny>>,
    ) -> PyResult<Self> {
        let mut builder = indwell::Engine::builder(load::source(model)?);
        for (name, value) in option::options(options)? {
            builder = builder.option(&name, value);
        }
        let engine = load::build(py, builder, on_progress)?;
        Ok(Self { engine: Some(engine), home: Home::here() })
    }

    /// Opens the stream of a chat request.
    fn chat(
        &self,
        py: Python<'_>,
        messages: &Bound<'_, PyAny>,
        options: &Bound<'_, PyDict>,
    ) -> PyResult<Stream> {
        let request = self.engine().chat(message::messages(messages)?);
        open(py, request, options)
    }

    /// Opens the stream of a completion request.
    fn complete(
        &self,
        py: Python<'_>,
        prompt: &Bound<'_, PyAny>,
        options: &Bound<'_, PyDict>,
    ) -> PyResult<Stream> {
        let request = self.engine().complete(text::text(prompt, "prompt")?);
        open(py, request, options)
    }

    /// Opens the exchange that answers a request of OpenAI's API.
    fn dispatch(
        &self,
        py: Python<'_>,
        method: &Bound<'_, PyAny>,
        path: &Bound<'_, PyAny>,
        body: &Bound<'_, PyAny>,
    ) -> PyResult<HttpExchange> {
        let request = HttpRequest {
            method: text::text(method, "method")?,
            path: text::text(path, "path")?,
            body: text::bytes(body, "body")?,
        };
        Ok(HttpExchange::new(py.detach(|| self.engine().dispatch(request))))
    }

    /// The engine's counters as Prometheus reads them.
    fn metrics_text(&self, py: Python<'_>) -> PyResult<String> {
        py.detach(|| self.engine().metrics_text()).map_err(|failure| error::raise(py, &failure))
    }

    /// Has the beginning of chats computed, to be kept.
    fn cache_prefix(
        &self,
        py: Python<'_>,
        messages: &Bound<'_, PyAny>,
        options: &Bound<'_, PyDict>,
    ) -> PyResult<PendingPrefix> {
        let mut request = self.engine().cache_prefix(message::messages(messages)?);
        for (name, value) in option::options(options)? {
            request = request.option(&name, value);
        }
        let pending = py.detach(|| request.start());
        pending.map(PendingPrefix::new).map_err(|failure| error::raise(py, &failure))
    }

    /// What the caches hold and have done.
    fn caches<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let caches =
            py.detach(|| self.engine().caches()).map_err(|failure| error::raise(py, &failure))?;
        record::cache_stats(py, &caches)
    }

    /// Gives back memory that cached prefixes take; how many bytes it gave back.
    fn trim(&self, py: Python<'_>, bytes: &Bound<'_, PyAny>) -> PyResult<u64> {
        let bytes = option::bytes(bytes, "bytes")?;
        py.detach(|| self.engine().trim(bytes)).map_err(|failure| error::raise(py, &failure))
    }

    /// Forgets stored answers: all, or those with this salt; how many.
    fn invalidate_responses(&self, py: Python<'_>, cache_salt: &Bound<'_, PyAny>) -> PyResult<u64> {
        let salt =
            if cache_salt.is_none() { None } else { Some(text::text(cache_salt, "cache_salt")?) };
        let forgotten = py.detach(|| match salt {
            None => self.engine().invalidate_responses(),
            Some(salt) => self.engine().invalidate_responses_of(salt),
        });
        forgotten.map_err(|failure| error::raise(py, &failure))
    }

    /// What is known of the model.
    fn model<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        record::model_info(py, self.engine().model())
    }

    /// The engine's counters.
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let stats =
            py.detach(|| self.engine().stats()).map_err(|failure| error::raise(py, &failure))?;
        record::engine_stats(py, &stats)
    }

    /// What the engine takes of memory.
    fn memory<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let memory =
            py.detach(|| self.engine().memory()).map_err(|failure| error::raise(py, &failure))?;
        record::engine_memory(py, &memory)
    }

    /// Stops accepting requests; what is given waits for those that were accepted.
    fn drain(&self, py: Python<'_>, options: &Bound<'_, PyDict>) -> PyResult<Draining> {
        let mut request = self.engine().drain();
        for (name, value) in option::options(options)? {
            request = request.option(&name, value);
        }
        let draining = py.detach(|| request.start());
        draining.map(Draining::new).map_err(|failure| error::raise(py, &failure))
    }

    /// Ends every request and gives the model's memory back. Again: nothing happens.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| self.engine().close()).map_err(|failure| error::raise(py, &failure))
    }

    /// Whether `close` was called.
    #[getter]
    fn closed(&self) -> bool {
        self.engine().is_closed()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.home.let_go(self.engine.take());
    }
}

fn open<I: Send>(
    py: Python<'_>,
    mut request: Request<I>,
    options: &Bound<'_, PyDict>,
) -> PyResult<Stream> {
    for (name, value) in options {
        let name = text::text(&name, "an option's name")?;
        request = match name.as_str() {
            "semantic" if value.is_none() => request,
            "semantic" => request.semantic(semantic::read(&value)?),
            _ => request.option(&name, option::option(&value, &name)?),
        };
    }
    let stream = py.detach(|| request.stream()).map_err(|failure| error::raise(py, &failure))?;
    Ok(Stream::new(stream))
}
