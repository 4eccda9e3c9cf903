//! A request in, its answer out as it comes.
//!
//! A client that reads slowly is waited for by its own answer alone; one that has gone drops its
//! answer, and that cancels what it asked for.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_core::Stream;
use indwell::openai::BODY_BYTES_MAX;
use indwell::{Engine, HttpEvent, HttpExchange, HttpHead, HttpRequest, METRICS_CONTENT_TYPE};

/// Whether requests are served.
pub(super) async fn health(State(engine): State<Engine>) -> Response {
    let (status, body) = if engine.is_closed() {
        (StatusCode::SERVICE_UNAVAILABLE, "{\"status\":\"closed\"}")
    } else {
        (StatusCode::OK, "{\"status\":\"ok\"}")
    };
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// What the engine measured, for Prometheus.
pub(super) async fn metrics(State(engine): State<Engine>) -> Response {
    match engine.metrics_text() {
        Ok(text) => ([(header::CONTENT_TYPE, METRICS_CONTENT_TYPE)], text).into_response(),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()).into_response(),
    }
}

/// Everything else is the library's.
pub(super) async fn dispatch(State(engine): State<Engine>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_BYTES_MAX).await else {
        let message =
            format!("The request's body is cut, or has more than {BODY_BYTES_MAX} bytes.");
        return refusal(413, "request_too_large", &message).await;
    };
    let request = HttpRequest {
        method: parts.method.as_str().to_owned(),
        path: parts.uri.path().to_owned(),
        body: body.into(),
    };
    // A long prompt takes a while to be prepared; the threads here have others to carry.
    let exchange = tokio::task::spawn_blocking(move || engine.dispatch(request)).await;
    match exchange {
        Ok(exchange) => respond(exchange).await,
        Err(_) => refusal(500, "internal", "The request could not be dispatched.").await,
    }
}

/// An answer of the server's own.
pub(super) async fn refusal(status: u16, code: &str, message: &str) -> Response {
    respond(HttpExchange::refusal(status, code, message)).await
}

async fn respond(mut exchange: HttpExchange) -> Response {
    let Some(HttpEvent::Head(head)) = next(&mut exchange).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let streams = head.headers.iter().any(|(name, value)| {
        name == header::CONTENT_TYPE.as_str() && value.starts_with("text/event-stream")
    });
    let body = if streams {
        Body::from_stream(Chunks(exchange))
    } else {
        // Whole, so that its length is told.
        let mut body = String::new();
        while let Some(HttpEvent::Chunk(chunk)) = next(&mut exchange).await {
            body.push_str(&chunk);
        }
        Body::from(body)
    };
    with_head(head, body)
}

fn with_head(head: HttpHead, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() =
        StatusCode::from_u16(head.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in head.headers {
        // The library's headers are all well formed.
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

async fn next(exchange: &mut HttpExchange) -> Option<HttpEvent> {
    std::future::poll_fn(|context| Pin::new(&mut *exchange).poll_next(context)).await
}

/// The body of an answer that comes piece by piece.
struct Chunks(HttpExchange);

impl Stream for Chunks {
    type Item = Result<String, Infallible>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.get_mut().0).poll_next(context).map(|event| match event {
            Some(HttpEvent::Chunk(chunk)) => Some(Ok(chunk)),
            _ => None,
        })
    }
}
