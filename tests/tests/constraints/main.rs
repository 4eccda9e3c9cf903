//! Answers that have a form: grammars against the texts that they allow, answers of the default model
//! within them, hostile grammars, and the schemas of a public benchmark.

mod answers;
mod grammars;
mod hostile;
mod rig;
mod schemas;
