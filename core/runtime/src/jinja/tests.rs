//! Rendering as Python renders, and the bounds of it.
