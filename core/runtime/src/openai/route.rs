//! Which request is for whom.

use super::failure::Failure;
use super::http::HttpRequest;

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    ChatCompletions,
    Completions,
    Embeddings,
    Models,
    /// The name of a model, decoded.
    Model(String),
}

impl Route {
    /// # Errors
    /// 404 for a path that is none of OpenAI's that are served here, 405 for another method.
    pub(super) fn of(request: &HttpRequest) -> Result<Self, Box<Failure>> {
        let path = request.path.split(['?', '#']).next().unwrap_or_default();
        let route = Self::of_path(path).ok_or_else(|| unknown_url(&request.method, path))?;
        let method = route.method();
        if request.method.eq_ignore_ascii_case(method) {
            return Ok(route);
        }
        let message = format!(
            "Not allowed to {} on {path} (HINT: Perhaps you meant to use {method}?)",
            request.method
        );
        Err(Failure::wrong(message, None, "method_not_supported")
            .with_status(405)
            .with_header("allow", method.to_owned()))
    }

    fn of_path(path: &str) -> Option<Self> {
        let path = path.strip_suffix('/').unwrap_or(path);
        let path = path.strip_prefix("/v1").filter(|rest| rest.starts_with('/')).unwrap_or(path);
        match path {
            "/chat/completions" => Some(Self::ChatCompletions),
            "/completions" => Some(Self::Completions),
            "/embeddings" => Some(Self::Embeddings),
            "/models" => Some(Self::Models),
            _ => {
                let name = path.strip_prefix("/models/").filter(|name| !name.is_empty())?;
                Some(Self::Model(percent_decoded(name)))
            }
        }
    }

    fn method(&self) -> &'static str {
        match self {
            Self::ChatCompletions | Self::Completions | Self::Embeddings => "POST",
            Self::Models | Self::Model(_) => "GET",
        }
    }
}

fn unknown_url(method: &str, path: &str) -> Box<Failure> {
    let message = format!(
        "Unknown request URL: {method} {path}. There are /v1/chat/completions, /v1/completions, \
         /v1/models and /v1/models/{{model}}."
    );
    Failure::wrong(message, None, "unknown_url").with_status(404)
}

/// What `%2F` and the like stand for. What is no escape is itself.
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let escaped = (*first == b'%').then(|| after.get(..2)).flatten().and_then(hex_byte);
        match escaped {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex_byte(digits: &[u8]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let [high, low] = digits else { return None };
    u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(method: &str, path: &str) -> Result<Route, Box<Failure>> {
        Route::of(&HttpRequest { method: method.into(), path: path.into(), body: Vec::new() })
    }

    #[test]
    fn paths_are_known_with_and_without_the_version() {
        for path in ["/v1/chat/completions", "/chat/completions", "/v1/chat/completions/?a=b"] {
            assert_eq!(route("POST", path), Ok(Route::ChatCompletions));
        }
        assert_eq!(route("get", "/v1/models"), Ok(Route::Models));
        assert_eq!(route("GET", "/models/a%2Fb%zz"), Ok(Route::Model("a/b%zz".to_owned())));
        assert_eq!(route("GET", "/models/a/é"), Ok(Route::Model("a/é".to_owned())));
    }

    #[test]
    fn another_path_is_404_and_another_method_405_with_the_one_that_is_allowed() {
        for path in ["/v1", "/v1/responses", "", "/", "/v1/models//x/../..", "/v1chat/completions"]
        {
            if let Err(failure) = route("GET", path) {
                assert_eq!(failure.status, 404, "{path}");
            }
        }
        let failure = route("GET", "/v1/completions").expect_err("another method");
        assert_eq!(failure.status, 405);
        assert_eq!(failure.headers, [("allow".to_owned(), "POST".to_owned())]);
    }
}
