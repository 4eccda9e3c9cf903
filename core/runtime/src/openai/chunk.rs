//! One chunk of an answer that is told piece by piece: what all have in common around their choices.

use serde::Serialize;

use super::stamp::{Kind, Stamp, WireUsage};

/// Makes the chunks of one answer.
#[derive(Debug)]
pub(super) struct Chunks {
    stamp: Stamp,
    includes_usage: bool,
}

#[derive(Serialize)]
struct Chunk<'c, C> {
    #[serde(flatten)]
    stamp: &'c Stamp,
    choices: &'c [C],
    /// Left out unless asked for; then null in all chunks but the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Option<WireUsage>>,
}

impl Chunks {
    /// Of an answer that is made now by the model called `model`; with what it took, if that was
    /// asked for.
    pub(super) fn now(kind: Kind, model: String, includes_usage: bool) -> Self {
        Self { stamp: Stamp::now(kind, model), includes_usage }
    }

    /// A chunk with these choices.
    pub(super) fn of<C: Serialize>(&self, choices: &[C]) -> String {
        self.json(choices, None)
    }

    /// The last chunk, with what the answer took; `None` if nobody asked for that.
    pub(super) fn last(&self, usage: WireUsage) -> Option<String> {
        self.includes_usage.then(|| self.json::<()>(&[], Some(usage)))
    }

    fn json<C: Serialize>(&self, choices: &[C], usage: Option<WireUsage>) -> String {
        let usage = self.includes_usage.then_some(usage);
        let chunk = Chunk { stamp: &self.stamp, choices, usage };
        serde_json::to_string(&chunk).expect("a chunk is always JSON")
    }
}
