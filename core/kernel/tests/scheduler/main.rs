//! What the scheduler does, one behaviour a test, on the scripted backend.

mod admission;
mod batching;
mod caching;
mod drafting;
mod ending;
mod failing;
mod forcing;
mod growing;
mod pausing;
mod rig;
mod scoring;
