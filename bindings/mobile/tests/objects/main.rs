//! What Kotlin and Swift call, called from Rust: through the exported objects, on a real model. It is
//! the file that `INDWELL_TEST_MODEL` names, or else the default one, which is fetched if it is not
//! there.

#![expect(
    clippy::result_large_err,
    reason = "errors cross by value, and their size is paid only when something failed"
)]

mod exchanges;
mod prefixes;
mod responses;
mod rig;
mod semantic;
mod structures;
