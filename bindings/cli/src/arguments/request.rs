//! Options of a request.

use clap::Args;

use super::constraint::ConstraintArguments;
use super::named::Named;
use super::sampling::SamplingArguments;

/// Options of a request, as the library names them.
#[derive(Debug, Args)]
#[command(next_help_heading = "Request options")]
pub(crate) struct RequestArguments {
    /// Tokens to generate at most [default: 512]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub(super) max_tokens: Option<i64>,
    /// Tokens before the answer may end [default: 0]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    min_tokens: Option<i64>,
    /// A text that ends the answer and is not part of it; may be given several times
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    stop: Vec<String>,
    /// How many answers there are [default: 1]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    n: Option<i64>,
    /// Compute so many answers and print the best [default: as many as are printed]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    best_of: Option<i64>,
    /// How long the request may take, in milliseconds
    #[arg(long, value_name = "MS", allow_hyphen_values = true)]
    timeout_ms: Option<f64>,
    /// use, bypass, refresh, or only_if_cached, which fails where no answer is stored [default: use]
    #[arg(long, value_name = "MODE")]
    cache: Option<String>,
    /// How long the answer is kept, in milliseconds [default: that of the engine]
    #[arg(long, value_name = "MS", allow_hyphen_values = true)]
    cache_ttl_ms: Option<f64>,
    /// Add a line of tokens and times on standard error
    #[arg(long)]
    pub(crate) stats: bool,
    #[command(flatten)]
    pub(super) sampling: SamplingArguments,
    #[command(flatten)]
    constraint: ConstraintArguments,
}

impl RequestArguments {
    /// # Errors
    /// Files that cannot be read.
    pub(super) fn name(&self, named: &mut Named) -> anyhow::Result<()> {
        named.add("max_tokens", self.max_tokens);
        named.add("min_tokens", self.min_tokens);
        named.add_all("stop", &self.stop);
        named.add("n", self.n);
        named.add("best_of", self.best_of);
        named.add("timeout_ms", self.timeout_ms);
        named.add("cache", self.cache.as_deref());
        named.add("cache_ttl_ms", self.cache_ttl_ms);
        self.sampling.name(named);
        self.constraint.name(named)
    }
}
