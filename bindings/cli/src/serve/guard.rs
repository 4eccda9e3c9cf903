//! Who may ask.
//!
//! With a key, whoever has it. Without one only this machine is listened to, and there the danger is
//! a page in a browser: it may send requests to any address, and by a name of its own that leads
//! here read the answers too. So hosts have to be this machine's, and origins those that are allowed.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use indwell::Error;

use super::carry;
use crate::arguments::ServeArguments;

/// Names the variable that a key is read from.
const KEY_VARIABLE: &str = "INDWELL_API_KEY";
/// What anybody may ask: whether it is alive.
const OPEN_PATH: &str = "/health";
/// What a page may send, once its origin is allowed.
const ALLOWED_HEADERS: &str = "authorization, content-type";
const ALLOWED_METHODS: &str = "GET, POST";

/// What is asked of who asks.
#[derive(Debug)]
pub(super) struct Guard {
    /// The digest of the key: comparing digests takes as long whatever is given.
    key: Option<blake3::Hash>,
    origins: Vec<String>,
}

impl Guard {
    /// # Errors
    /// `invalid_request` for a key of nothing.
    pub(super) fn new(arguments: &ServeArguments) -> Result<Self, Error> {
        let key = arguments.api_key.clone().or_else(|| std::env::var(KEY_VARIABLE).ok());
        if key.as_deref().is_some_and(|key| key.trim().is_empty()) {
            return Err(Error::invalid(
                "api_key",
                "empty",
                "at least one letter",
                format!("give a key of its own, or unset {KEY_VARIABLE} to serve without one"),
            ));
        }
        let key = key.map(|key| blake3::hash(key.as_bytes()));
        Ok(Self { key, origins: arguments.allow_origin.clone() })
    }

    pub(super) fn has_key(&self) -> bool {
        self.key.is_some()
    }

    /// # Errors
    /// What is said to who may not ask: a status, a code and a message.
    fn check(&self, path: &str, headers: &HeaderMap) -> Result<(), (u16, &'static str, String)> {
        if let Some(origin) = text(headers, &header::ORIGIN)
            && !self.allows(origin)
        {
            let message = format!(
                "Pages of {origin} are not served: start the server with --allow-origin {origin}."
            );
            return Err((403, "origin_not_allowed", message));
        }
        let Some(key) = &self.key else {
            let host = text(headers, &header::HOST);
            return if host.is_none_or(is_this_machine) {
                Ok(())
            } else {
                let message = "Without an API key only this machine is served, by its own names.";
                Err((403, "host_not_allowed", message.to_owned()))
            };
        };
        if path == OPEN_PATH {
            return Ok(());
        }
        let given = text(headers, &header::AUTHORIZATION).and_then(bearer);
        // Equal digests are compared in constant time.
        if given.is_some_and(|given| blake3::hash(given.as_bytes()) == *key) {
            return Ok(());
        }
        let message = match given {
            Some(_) => "Incorrect API key provided.",
            None => "You didn't provide an API key: give it as 'Authorization: Bearer KEY'.",
        };
        Err((401, "invalid_api_key", message.to_owned()))
    }

    fn allows(&self, origin: &str) -> bool {
        self.origins.iter().any(|allowed| allowed == "*" || allowed == origin)
    }

    /// What lets the page read the answer.
    fn open_to(&self, origin: Option<HeaderValue>, response: &mut Response) {
        let headers = response.headers_mut();
        if let Some(origin) = origin {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.append(header::VARY, HeaderValue::from_static("origin"));
        }
    }
}

/// Lets a request pass, or answers it.
pub(super) async fn pass(
    State(guard): State<Arc<Guard>>,
    request: Request,
    next: Next,
) -> Response {
    let origin = request.headers().get(header::ORIGIN).cloned();
    let allowed =
        origin.clone().filter(|origin| origin.to_str().is_ok_and(|text| guard.allows(text)));
    if request.method() == Method::OPTIONS && allowed.is_some() {
        let mut response = preflight();
        guard.open_to(allowed, &mut response);
        return response;
    }
    let mut response = match guard.check(request.uri().path(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err((status, code, message)) => {
            let mut response = carry::refusal(status, code, &message).await;
            if status == 401 {
                let scheme = HeaderValue::from_static("Bearer");
                response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
            }
            response
        }
    };
    guard.open_to(allowed, &mut response);
    response
}

/// The answer to a browser that asks first. It has no key yet.
fn preflight() -> Response {
    let allow = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, ALLOWED_METHODS),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED_HEADERS),
    ];
    (StatusCode::NO_CONTENT, allow).into_response()
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    // Bytes that are no text are no name and no key.
    headers.get(name).map(|value| value.to_str().unwrap_or("\u{fffd}"))
}

fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, key) = authorization.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}

/// Whether a host's name can't be somebody else's.
fn is_this_machine(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    let is_loopback = bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    is_loopback || bare.eq_ignore_ascii_case("localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(key: Option<&str>, origins: &[&str]) -> Guard {
        let key = key.map(|key| blake3::hash(key.as_bytes()));
        Guard { key, origins: origins.iter().map(|&origin| origin.to_owned()).collect() }
    }

    fn status(guard: &Guard, path: &str, headers: &[(HeaderName, &'static str)]) -> u16 {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_static(value)))
            .collect();
        guard.check(path, &headers).map_or_else(|(status, ..)| status, |()| 200)
    }

    #[test]
    fn a_key_is_asked_of_everything_but_health() {
        let guard = guard(Some("secret"), &[]);
        let given = |value| status(&guard, "/v1/models", &[(header::AUTHORIZATION, value)]);
        assert_eq!(given("Bearer secret"), 200);
        assert_eq!(given("bearer secret"), 200);
        for wrong in ["Bearer secre", "Bearer secret2", "Bearer", "secret", "Basic secret", ""] {
            assert_eq!(given(wrong), 401, "{wrong}");
        }
        assert_eq!(status(&guard, "/metrics", &[]), 401);
        assert_eq!(status(&guard, "/health", &[]), 200);
    }

    #[test]
    fn without_a_key_only_this_machine_s_names_are_served() {
        let guard = guard(None, &[]);
        for host in ["127.0.0.1:8080", "localhost", "LOCALHOST:1", "[::1]:8080", "127.0.0.5"] {
            assert_eq!(status(&guard, "/v1/models", &[(header::HOST, host)]), 200, "{host}");
        }
        for host in ["evil.example:8080", "localhost.evil.example", "10.0.0.1", ""] {
            assert_eq!(status(&guard, "/v1/models", &[(header::HOST, host)]), 403, "{host}");
        }
    }

    #[test]
    fn pages_are_served_only_where_their_origin_is_allowed() {
        let here = (header::HOST, "localhost:1");
        let page = (header::ORIGIN, "http://localhost:3000");
        let asked = [here, page];
        assert_eq!(status(&guard(None, &[]), "/v1/models", &asked), 403);
        assert_eq!(status(&guard(None, &["http://localhost:3000"]), "/v1/models", &asked), 200);
        assert_eq!(status(&guard(None, &["*"]), "/v1/models", &asked), 200);
    }
}
