//! Computed tokens outside the backend's memory: what a snapshot holds, and where it may be.

use serde::{Deserialize, Serialize};

use crate::{Namespace, Token};

/// What a snapshot holds: the computed state of the tokens from `start` on, which is right only
/// after exactly the tokens before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotKey {
    /// Whose prefix it is of.
    pub namespace: Namespace,
    /// The whole prefix, from its first token to the snapshot's last.
    pub tokens: Vec<Token>,
    /// The first token whose state is in the snapshot; below `tokens.len()`.
    pub start: u32,
}

impl SnapshotKey {
    /// How many tokens' state it holds.
    #[must_use]
    pub fn length(&self) -> u32 {
        let end = u32::try_from(self.tokens.len()).expect("a prefix is shorter than a context");
        end.saturating_sub(self.start)
    }
}

/// Where cached tokens come from, fastest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// The backend's own memory: nothing is copied.
    Resident,
    /// The host's memory.
    Host,
    /// A file.
    Disk,
}

impl Tier {
    /// Its name in every language.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Tier::Resident => "resident",
            Tier::Host => "host",
            Tier::Disk => "disk",
        }
    }
}

/// What is known of a snapshot's whereabouts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotPlace {
    /// Its bytes are at hand, having come from this tier: it can be restored in the next step.
    Ready(Tier),
    /// It can be fetched, which takes longer than a step should.
    Away,
    /// It is nowhere any more.
    Lost,
}
