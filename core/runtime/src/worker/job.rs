//! A request on its way from a caller to the worker.

use indwell_kernel::{Request, Timestamp};

use crate::mailbox::Sender;
use crate::text::TextAssembler;

/// What the worker needs to serve a request.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) request: Request,
    pub(crate) prompt_tokens: u32,
    pub(crate) text: TextAssembler,
    pub(crate) events: Sender,
    /// When the call was made, before tokenizing.
    pub(crate) submitted: Timestamp,
}
