//! What became of mutants, counted.

use std::collections::BTreeMap;
use std::process::ExitStatus;
use std::time::Duration;

use libtest_mimic::Failed;

/// What became of a mutant.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It loaded, and gave so many tokens.
    Tokens(u32, Duration),
    /// A typed error of that kind.
    Refused { kind: String, message: String },
    /// The child died.
    Died(ExitStatus),
    /// The child said nothing, and was ended.
    Silent,
}

impl Outcome {
    /// What a child's answer says.
    pub(crate) fn answered(line: &str, took: Duration) -> Self {
        let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
        match (kind, rest.parse()) {
            ("tokens", Ok(tokens)) => Self::Tokens(tokens, took),
            _ => Self::Refused { kind: kind.to_owned(), message: rest.to_owned() },
        }
    }

    /// Whether the child is gone.
    pub(crate) fn is_death(&self) -> bool {
        matches!(self, Self::Died(_) | Self::Silent)
    }
}

/// Whether the model computed no numbers, which is no fault of the engine's.
fn is_nonsense(message: &str) -> bool {
    message.contains("logits are not finite numbers")
}

/// Counts.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    counts: BTreeMap<String, u64>,
    slowest: Duration,
    failures: Vec<String>,
}

impl Tally {
    /// Checks that the model as it is does what models like it do.
    pub(crate) fn expect_answered(
        &mut self,
        name: &str,
        outcome: &Outcome,
        generates: bool,
    ) -> Result<(), Failed> {
        match outcome {
            Outcome::Tokens(8, _) if generates => Ok(()),
            Outcome::Refused { kind, .. } if !generates && kind == "model_load" => Ok(()),
            _ => Err(format!("{name} as it is: {outcome:?}").into()),
        }
    }

    /// Counts an outcome.
    pub(crate) fn add(&mut self, name: &str, number: u64, what: &str, outcome: &Outcome) {
        let (sort, failure) = match outcome {
            Outcome::Tokens(8, took) => {
                self.slowest = self.slowest.max(*took);
                ("8 tokens".to_owned(), None)
            }
            Outcome::Tokens(tokens, _) => (format!("{tokens} tokens"), Some("too few tokens")),
            // `internal` stands for what nobody thought of, but for weights that are no numbers.
            Outcome::Refused { kind, message } if kind == "internal" && !is_nonsense(message) => {
                (format!("internal: {message}"), Some("an internal error"))
            }
            Outcome::Refused { kind, message } => {
                if std::env::var_os("INDWELL_MUTANTS_SHOWN").is_some() {
                    println!("{name} {number}: {what}\n    {kind}: {message}");
                }
                // What llama.cpp said is told from what the check said.
                let by = if message.contains("load_model") || message.contains("llama_model") {
                    " by llama.cpp"
                } else {
                    ""
                };
                (format!("{kind}{by}"), None)
            }
            Outcome::Died(status) => (format!("death ({status})"), Some("the child died")),
            Outcome::Silent => ("no answer".to_owned(), Some("the child did not answer")),
        };
        *self.counts.entry(sort).or_default() += 1;
        if let Some(failure) = failure {
            let line = format!("{name} {number}: {failure}: {what}: {outcome:?}");
            println!("{line}");
            self.failures.push(line);
        }
    }

    /// Prints the counts, and fails if any mutant did.
    pub(crate) fn finish(self, name: &str) -> Result<(), Failed> {
        println!("{name}: {:?}; the slowest took {:?}", self.counts, self.slowest);
        if self.failures.is_empty() {
            return Ok(());
        }
        Err(format!("{} mutants failed:\n{}", self.failures.len(), self.failures.join("\n")).into())
    }
}
