//! A request on its way from a caller to the worker.

use indwell_kernel::{Namespace, Request, ResponseKey, ResponsePolicy, TimeToLive, Timestamp};

use crate::Event;
use crate::mailbox::Sender;
use crate::responses::answer::SemanticNote;
use crate::text::TextAssembler;

/// What the worker needs to serve a request.
#[derive(Debug)]
pub(crate) struct Job {
    /// Without its deadline, which is the caller's and not the computation's.
    pub(crate) request: Request,
    pub(crate) deadline: Option<Timestamp>,
    pub(crate) prompt_tokens: u32,
    pub(crate) text: TextAssembler,
    pub(crate) events: Sender<Event>,
    /// When the call was made, before tokenizing.
    pub(crate) submitted: Timestamp,
    /// What its answer is stored by; `None` where answers are not.
    pub(crate) keyed: Option<Keyed>,
    /// Whether it has a place in the queue. Who follows a computation needs none.
    pub(crate) is_queued: bool,
}

/// A request that has to do with stored answers.
#[derive(Debug)]
pub(crate) struct Keyed {
    pub(crate) key: ResponseKey,
    pub(crate) namespace: Namespace,
    pub(crate) policy: ResponsePolicy,
    pub(crate) ttl: Option<TimeToLive>,
    /// What its question is to be remembered by.
    pub(crate) note: Option<Box<SemanticNote>>,
}

impl Job {
    /// Whether it may share a computation with others.
    pub(crate) fn shares(&self) -> bool {
        self.keyed.as_ref().is_some_and(|keyed| keyed.policy.shares)
    }
}
