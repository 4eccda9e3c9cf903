//! A request and its answer as any transport carries them.

/// A request of HTTP, as far as answers depend on it. Headers are the transport's business.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpRequest {
    /// `GET`, `POST` and so on.
    pub method: String,
    /// The path, such as `/v1/chat/completions`; `/v1` may be left out. What follows a `?` is not
    /// read.
    pub path: String,
    /// JSON, or nothing.
    pub body: Vec<u8>,
}

/// How an answer begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpHead {
    /// 200, or what went wrong.
    pub status: u16,
    /// Names in small letters, and values.
    pub headers: Vec<(String, String)>,
}

/// What an exchange yields: one head, any number of chunks, one end, then nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HttpEvent {
    /// How the answer begins.
    Head(HttpHead),
    /// More of its body: all of it where it is one JSON object, one event where it is a stream of
    /// server-sent ones.
    Chunk(String),
    /// The body is complete.
    End,
}
