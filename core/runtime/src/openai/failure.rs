//! What went wrong, in OpenAI's shape: `{"error": {message, type, param, code}}` and a status.
//!
//! One table turns each of our kinds into a status and words that OpenAI's clients know. A status
//! that they would try again (408, 409, 429, 500 and above) is only given where that can help, or
//! comes with the header that tells them not to.

use std::borrow::Cow;

use serde::Serialize;

use crate::{Error, ErrorKind};

/// The `type` of an error that the caller can mend.
const INVALID_REQUEST: &str = "invalid_request_error";
/// The `type` of an error that the caller can't.
const SERVER: &str = "server_error";

/// An error in OpenAI's shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) status: u16,
    kind: &'static str,
    message: String,
    param: Option<String>,
    code: Option<Cow<'static, str>>,
    /// Headers beside those of every answer.
    pub(super) headers: Vec<(String, String)>,
}

/// What reading a request gives.
pub(super) type Read<T> = Result<T, Box<Failure>>;

#[derive(Serialize)]
struct Body<'f> {
    error: Details<'f>,
}

#[derive(Serialize)]
struct Details<'f> {
    message: &'f str,
    r#type: &'static str,
    param: Option<&'f str>,
    code: Option<&'f str>,
}

impl Failure {
    /// A request that is wrong: status 400.
    pub(super) fn wrong(
        message: impl Into<String>,
        param: impl Into<Option<String>>,
        code: &'static str,
    ) -> Box<Self> {
        Box::new(Self {
            status: 400,
            kind: INVALID_REQUEST,
            message: message.into(),
            param: param.into(),
            code: Some(Cow::Borrowed(code)),
            headers: Vec::new(),
        })
    }

    /// What a transport says to a request that it does not let through.
    pub(super) fn refusal(status: u16, code: &str, message: &str) -> Self {
        Self {
            status,
            kind: if status < 500 { INVALID_REQUEST } else { SERVER },
            message: message.to_owned(),
            param: None,
            code: Some(Cow::Owned(code.to_owned())),
            headers: Vec::new(),
        }
    }

    /// What OpenAI has, and this engine has not.
    pub(super) fn unsupported(message: impl Into<String>, param: &str) -> Box<Self> {
        Self::wrong(message, param.to_owned(), "unsupported")
    }

    /// The same with another status.
    pub(super) fn with_status(mut self: Box<Self>, status: u16) -> Box<Self> {
        self.status = status;
        self
    }

    /// The same with a header more.
    pub(super) fn with_header(mut self: Box<Self>, name: &str, value: String) -> Box<Self> {
        self.headers.push((name.to_owned(), value));
        self
    }

    /// The body of the answer.
    pub(super) fn body(&self) -> String {
        let error = Details {
            message: &self.message,
            r#type: self.kind,
            param: self.param.as_deref(),
            code: self.code.as_deref(),
        };
        serde_json::to_string(&Body { error }).expect("texts are always JSON")
    }
}

/// Status, type and code of a kind.
fn shape(kind: ErrorKind) -> (u16, &'static str, &'static str) {
    match kind {
        ErrorKind::ContextOverflow => (400, INVALID_REQUEST, "context_length_exceeded"),
        ErrorKind::InvalidRequest | ErrorKind::Unsupported => (400, INVALID_REQUEST, kind.as_str()),
        ErrorKind::NotCached => (404, INVALID_REQUEST, kind.as_str()),
        ErrorKind::Overloaded => (429, "rate_limit_error", "rate_limit_exceeded"),
        // As nginx has it: nobody is there to read it.
        ErrorKind::Cancelled => (499, INVALID_REQUEST, kind.as_str()),
        ErrorKind::DeadlineExceeded => (504, SERVER, kind.as_str()),
        ErrorKind::OutOfMemory
        | ErrorKind::EngineClosed
        | ErrorKind::EnginePoisoned
        | ErrorKind::Forked => (503, SERVER, kind.as_str()),
        ErrorKind::ModelLoad | ErrorKind::Io | ErrorKind::Internal => (500, SERVER, kind.as_str()),
    }
}

/// Whether the same request may succeed later. A deadline is the caller's own.
fn is_worth_another_try(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Overloaded | ErrorKind::OutOfMemory | ErrorKind::Internal)
}

impl From<&Error> for Box<Failure> {
    fn from(error: &Error) -> Self {
        let (status, r#type, code) = shape(error.kind());
        let mut headers = Vec::new();
        if let Some(ms) = error.details().retry_after_ms {
            headers.push(("retry-after".to_owned(), ms.div_ceil(1000).max(1).to_string()));
            // OpenAI's clients look at this one first.
            headers.push(("retry-after-ms".to_owned(), ms.to_string()));
        }
        if status >= 500 && !is_worth_another_try(error.kind()) {
            headers.push(("x-should-retry".to_owned(), "false".to_owned()));
        }
        Box::new(Failure {
            status,
            kind: r#type,
            message: error.message().to_owned(),
            param: error.details().field.clone().filter(|_| status == 400),
            code: Some(Cow::Borrowed(code)),
            headers,
        })
    }
}

impl From<Error> for Box<Failure> {
    fn from(error: Error) -> Self {
        (&error).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_has_every_field_of_openai_s() {
        let error = Error::invalid("temperature", "-1", "a number from 0", "give 0");
        let failure: Box<Failure> = error.into();
        let body: serde_json::Value = serde_json::from_str(&failure.body()).expect("JSON");
        assert_eq!(failure.status, 400);
        assert_eq!(
            body,
            serde_json::json!({"error": {
                "message": "temperature is -1, but must be a number from 0: give 0",
                "type": "invalid_request_error",
                "param": "temperature",
                "code": "invalid_request",
            }})
        );
    }

    #[test]
    fn only_what_may_succeed_later_is_tried_again() {
        for (kind, again) in [
            (ErrorKind::InvalidRequest, false),
            (ErrorKind::Unsupported, false),
            (ErrorKind::ContextOverflow, false),
            (ErrorKind::NotCached, false),
            (ErrorKind::Cancelled, false),
            (ErrorKind::Overloaded, true),
            (ErrorKind::DeadlineExceeded, false),
            (ErrorKind::OutOfMemory, true),
            (ErrorKind::EngineClosed, false),
            (ErrorKind::EnginePoisoned, false),
            (ErrorKind::Forked, false),
            (ErrorKind::ModelLoad, false),
            (ErrorKind::Io, false),
            (ErrorKind::Internal, true),
        ] {
            let failure: Box<Failure> = Error::new(kind, "so it is").into();
            // What OpenAI's clients do.
            let told = failure.headers.iter().any(|(name, _)| name == "x-should-retry");
            let tries =
                !told && (matches!(failure.status, 408 | 409 | 429) || failure.status >= 500);
            assert_eq!(tries, again, "{kind}");
        }
    }
}
