//! Which answers may serve other requests: the response cache's key and policy.
//!
//! Pure decisions. Where answers are kept, and for how long they fit, is not known here.
//!
//! | module | owns |
//! |---|---|
//! | [`key`] | what an answer depends on |
//! | [`policy`] | which requests look answers up, share them and leave them |

mod key;
mod policy;

pub use key::{Effect, REQUEST_FIELDS, RequestField, ResponseKey, SemanticSpace};
pub use policy::{CacheMode, ResponsePolicy, TimeToLive};
