//! What an answer has to be, by llguidance, whose matchers are ours to hold.
//!
//! | module | owns |
//! |---|---|
//! | `grammar` | the forms that users state, and their bounds |
//! | `gbnf` | llama.cpp's grammars as those that llguidance reads |
//! | `environment` | a model's vocabulary as llguidance sees it |
//! | `compiler` | grammars compiled for a model |
//! | `matcher` | one answer's way through a grammar |

mod compiler;
mod environment;
mod gbnf;
mod grammar;
mod matcher;

pub use compiler::GrammarCompiler;
pub use grammar::{GRAMMAR_BYTES_MAX, Grammar, SCHEMA_BYTES_MAX, SCHEMA_DEPTH_MAX};
