//! What templates see, and what they may cost.
