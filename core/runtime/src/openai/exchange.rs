//! The answer to a request of HTTP as it comes: read like a [`TokenStream`], blocking, for a time, or
//! as a future's stream.
//!
//! Its head waits for the first thing that there is to tell, so that what fails before has its own
//! status. After that, failing ends the body: in a stream of events as an event with the error.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_core::Stream;

use super::failure::Failure;
use super::http::{HttpEvent, HttpHead};
use super::stamp::fresh_id;
use super::teller::{Form, Teller};
use crate::mailbox::deadline_after;
use crate::{Canceller, Error, Event, TokenStream, Wait};

/// The answer to a request. Dropping it cancels what it asked for.
///
/// It yields one [`HttpEvent::Head`], chunks, one [`HttpEvent::End`], and then nothing. It is a
/// [`futures_core::Stream`] too.
#[derive(Debug)]
pub struct HttpExchange {
    ready: VecDeque<HttpEvent>,
    answering: Option<Answering>,
}

/// What waiting for the next part of an answer gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HttpWait {
    /// The next part.
    Event(HttpEvent),
    /// None came in time.
    TimedOut,
    /// The exchange is over.
    Ended,
}

/// Cancels what a request asked for from anywhere.
#[derive(Clone, Debug)]
pub struct HttpCanceller(Vec<Canceller>);

impl HttpCanceller {
    /// Ends the exchange, if it has not ended, with an error whose code is `cancelled`. Never
    /// blocks.
    pub fn cancel(&self) {
        self.0.iter().for_each(Canceller::cancel);
    }
}

/// Requests of the engine that are being told, one after the other.
#[derive(Debug)]
struct Answering {
    /// The first one is being read; others wait for their turn.
    streams: VecDeque<TokenStream>,
    /// The number of the first one.
    request: usize,
    teller: Box<dyn Teller>,
    form: Form,
    has_begun: bool,
    /// What was told and is not put into chunks yet; kept for its room.
    told: Vec<String>,
}

impl HttpExchange {
    /// An answer of a transport's own, to a request that it does not let through: an error in
    /// OpenAI's shape.
    #[must_use]
    pub fn refusal(status: u16, code: &str, message: &str) -> Self {
        Self::failed(Failure::refusal(status, code, message))
    }

    pub(super) fn failed(failure: Failure) -> Self {
        let mut ready = VecDeque::new();
        fail(failure, &mut ready);
        Self { ready, answering: None }
    }

    /// An answer that is there already.
    pub(super) fn json(body: String) -> Self {
        let head = head(200, Form::Json, Vec::new());
        let ready = [HttpEvent::Head(head), HttpEvent::Chunk(body), HttpEvent::End].into();
        Self { ready, answering: None }
    }

    /// An answer that is told as it comes. There is at least one stream.
    pub(super) fn answering(
        streams: VecDeque<TokenStream>,
        teller: Box<dyn Teller>,
        form: Form,
    ) -> Self {
        let told = Vec::new();
        let answering = Answering { streams, request: 0, teller, form, has_begun: false, told };
        Self { ready: VecDeque::new(), answering: Some(answering) }
    }

    /// Cancels what was asked for; see [`HttpCanceller::cancel`].
    pub fn cancel(&self) {
        self.canceller().cancel();
    }

    /// A handle that cancels from elsewhere while this is being read.
    #[must_use]
    pub fn canceller(&self) -> HttpCanceller {
        let streams = self.answering.iter().flat_map(|answering| &answering.streams);
        HttpCanceller(streams.map(TokenStream::canceller).collect())
    }

    /// The next part of the answer, waiting for it as long as it takes; `None` after the last one.
    ///
    /// # Blocking
    /// Until there is one.
    pub fn next_blocking(&mut self) -> Option<HttpEvent> {
        self.next_by(|stream| match stream.next_blocking() {
            Some(event) => Wait::Event(event),
            None => Wait::Ended,
        })
        .found()
    }

    /// The next part of the answer, waiting for it at most `timeout`.
    pub fn next_timeout(&mut self, timeout: Duration) -> HttpWait {
        let deadline = deadline_after(timeout);
        self.next_by(|stream| {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            stream.next_timeout(left.unwrap_or(Duration::MAX))
        })
    }

    /// The next part of the answer if it is there already.
    pub fn try_next(&mut self) -> HttpWait {
        self.next_by(TokenStream::try_next)
    }

    /// Moves all that is there already to the end of `events`.
    pub fn next_batch_ready(&mut self, events: &mut Vec<HttpEvent>) {
        while let HttpWait::Event(event) = self.try_next() {
            events.push(event);
        }
    }

    fn next_by(&mut self, mut wait: impl FnMut(&mut TokenStream) -> Wait) -> HttpWait {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return HttpWait::Event(event);
            }
            let Some(answering) = &mut self.answering else { return HttpWait::Ended };
            match wait(answering.current()) {
                Wait::Event(event) => self.take(event),
                Wait::TimedOut => return HttpWait::TimedOut,
                Wait::Ended => self.take(Event::Cancelled),
            }
        }
    }

    /// Tells an event of the stream that is being read.
    fn take(&mut self, event: Event) {
        let Some(answering) = &mut self.answering else { return };
        match answering.take(event, &mut self.ready) {
            Ok(Flow::GoesOn) => {}
            Ok(Flow::IsOver) => self.answering = None,
            Err(error) => {
                let failure: Box<Failure> = error.into();
                answering.fail(*failure, &mut self.ready);
                self.answering = None;
            }
        }
    }
}

/// Whether there is more to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    GoesOn,
    IsOver,
}

impl Answering {
    fn current(&mut self) -> &mut TokenStream {
        self.streams.front_mut().expect("an exchange is over when its last stream is")
    }

    fn take(&mut self, event: Event, ready: &mut VecDeque<HttpEvent>) -> Result<Flow, Error> {
        let has_finished = match &event {
            Event::Cancelled => return Err(Error::cancelled()),
            Event::Failed(error) => return Err(error.clone()),
            Event::Finished(_) => true,
            _ => false,
        };
        self.teller.tell(self.request, event, &mut self.told)?;
        if has_finished {
            self.streams.pop_front();
            self.request += 1;
        }
        let is_over = self.streams.is_empty();
        if is_over {
            self.teller.end(&mut self.told)?;
        }
        self.put(ready);
        if !is_over {
            return Ok(Flow::GoesOn);
        }
        if self.form == Form::Events {
            ready.push_back(HttpEvent::Chunk(self.form.frame("[DONE]".to_owned())));
        }
        ready.push_back(HttpEvent::End);
        Ok(Flow::IsOver)
    }

    /// What was told, as chunks; the head before the first one.
    fn put(&mut self, ready: &mut VecDeque<HttpEvent>) {
        for body in self.told.drain(..) {
            if !std::mem::replace(&mut self.has_begun, true) {
                ready.push_back(HttpEvent::Head(head(200, self.form, Vec::new())));
            }
            ready.push_back(HttpEvent::Chunk(self.form.frame(body)));
        }
    }

    fn fail(&mut self, failure: Failure, ready: &mut VecDeque<HttpEvent>) {
        self.put(ready);
        if self.has_begun {
            ready.push_back(HttpEvent::Chunk(self.form.frame(failure.body())));
            ready.push_back(HttpEvent::End);
        } else {
            fail(failure, ready);
        }
    }
}

fn fail(failure: Failure, ready: &mut VecDeque<HttpEvent>) {
    let body = failure.body();
    ready.push_back(HttpEvent::Head(head(failure.status, Form::Json, failure.headers)));
    ready.push_back(HttpEvent::Chunk(body));
    ready.push_back(HttpEvent::End);
}

fn head(status: u16, form: Form, more: Vec<(String, String)>) -> HttpHead {
    let mut headers = vec![
        ("content-type".to_owned(), form.content_type().to_owned()),
        ("x-request-id".to_owned(), fresh_id("req_")),
    ];
    if form == Form::Events {
        headers.push(("cache-control".to_owned(), "no-cache".to_owned()));
    }
    headers.extend(more);
    HttpHead { status, headers }
}

impl HttpWait {
    fn found(self) -> Option<HttpEvent> {
        match self {
            HttpWait::Event(event) => Some(event),
            HttpWait::TimedOut | HttpWait::Ended => None,
        }
    }
}

impl Stream for HttpExchange {
    type Item = HttpEvent;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<HttpEvent>> {
        let found = self.get_mut().next_by(|stream| match Pin::new(stream).poll_next(context) {
            Poll::Pending => Wait::TimedOut,
            Poll::Ready(Some(event)) => Wait::Event(event),
            Poll::Ready(None) => Wait::Ended,
        });
        match found {
            HttpWait::TimedOut => Poll::Pending,
            found => Poll::Ready(found.found()),
        }
    }
}
