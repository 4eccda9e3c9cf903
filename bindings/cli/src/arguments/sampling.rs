//! Options that choose tokens.

use clap::Args;

use super::named::Named;

/// Options of sampling, as the library names them.
#[derive(Debug, Args)]
#[command(next_help_heading = "Sampling options")]
pub(crate) struct SamplingArguments {
    /// 0 takes the likeliest token each time; higher is more random [default: 0]
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    pub(super) temperature: Option<f64>,
    /// How far the temperature follows how sure the model is, either way [default: 0]
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    dynatemp_range: Option<f64>,
    /// How it follows [default: 1]
    #[arg(long, value_name = "E", allow_hyphen_values = true)]
    dynatemp_exponent: Option<f64>,
    /// Keep the K likeliest tokens; 0 keeps all [default: 0]
    #[arg(long, value_name = "K", allow_hyphen_values = true)]
    top_k: Option<i64>,
    /// Keep the smallest set of tokens with this much probability [default: 1]
    #[arg(long, value_name = "P", allow_hyphen_values = true)]
    top_p: Option<f64>,
    /// Keep tokens with at least this share of the likeliest one's probability [default: 0]
    #[arg(long, value_name = "P", allow_hyphen_values = true)]
    min_p: Option<f64>,
    /// Keep the most typical tokens with this much probability [default: 1]
    #[arg(long, value_name = "P", allow_hyphen_values = true)]
    typical_p: Option<f64>,
    /// Keep tokens within so many standard deviations of the likeliest one; 0 keeps all [default: 0]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    top_n_sigma: Option<f64>,
    /// How often the likeliest tokens are left out, if others are likely enough [default: 0]
    #[arg(long, value_name = "P", allow_hyphen_values = true)]
    xtc_probability: Option<f64>,
    /// What is likely enough for that [default: 0.1]
    #[arg(long, value_name = "P", allow_hyphen_values = true)]
    xtc_threshold: Option<f64>,
    /// How much sequences that come again are made less likely; 0 for not [default: 0]
    #[arg(long, value_name = "M", allow_hyphen_values = true)]
    dry_multiplier: Option<f64>,
    /// How fast that grows with their length [default: 1.75]
    #[arg(long, value_name = "B", allow_hyphen_values = true)]
    dry_base: Option<f64>,
    /// Tokens that may come again [default: 2]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    dry_allowed_length: Option<i64>,
    /// How many tokens are looked back at for that [default: 64]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    dry_penalty_last_n: Option<i64>,
    /// A text that such a sequence does not go across; may be given several times
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    dry_sequence_breaker: Vec<String>,
    /// Divides the likelihood of tokens that came before; 1 for not [default: 1]
    #[arg(long, value_name = "P", allow_hyphen_values = true)]
    repeat_penalty: Option<f64>,
    /// How many tokens are looked back at for penalties [default: 64]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    repeat_last_n: Option<i64>,
    /// Taken from the logit of tokens that came before [default: 0]
    #[arg(long, value_name = "P", allow_hyphen_values = true)]
    presence_penalty: Option<f64>,
    /// Taken from a token's logit each time that it came before [default: 0]
    #[arg(long, value_name = "P", allow_hyphen_values = true)]
    frequency_penalty: Option<f64>,
    /// 1 or 2 keep the answer's surprise at a value; 0 for not [default: 0]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    mirostat: Option<i64>,
    /// That value, in bits [default: 5]
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    mirostat_tau: Option<f64>,
    /// How fast it is followed [default: 0.1]
    #[arg(long, value_name = "E", allow_hyphen_values = true)]
    mirostat_eta: Option<f64>,
    /// The order of the samplers, with commas between them
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    samplers: Vec<String>,
    /// A text that never comes; may be given several times
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    banned_string: Vec<String>,
    /// The random generator's seed [default: a fresh one]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    seed: Option<i64>,
}

impl SamplingArguments {
    pub(super) fn name(&self, named: &mut Named) {
        named.add("temperature", self.temperature);
        named.add("dynatemp_range", self.dynatemp_range);
        named.add("dynatemp_exponent", self.dynatemp_exponent);
        named.add("top_k", self.top_k);
        named.add("top_p", self.top_p);
        named.add("min_p", self.min_p);
        named.add("typical_p", self.typical_p);
        named.add("top_n_sigma", self.top_n_sigma);
        named.add("xtc_probability", self.xtc_probability);
        named.add("xtc_threshold", self.xtc_threshold);
        named.add("dry_multiplier", self.dry_multiplier);
        named.add("dry_base", self.dry_base);
        named.add("dry_allowed_length", self.dry_allowed_length);
        named.add("dry_penalty_last_n", self.dry_penalty_last_n);
        named.add_all("dry_sequence_breakers", &self.dry_sequence_breaker);
        named.add("repeat_penalty", self.repeat_penalty);
        named.add("repeat_last_n", self.repeat_last_n);
        named.add("presence_penalty", self.presence_penalty);
        named.add("frequency_penalty", self.frequency_penalty);
        named.add("mirostat", self.mirostat);
        named.add("mirostat_tau", self.mirostat_tau);
        named.add("mirostat_eta", self.mirostat_eta);
        named.add_all("samplers", &self.samplers);
        named.add_all("banned_strings", &self.banned_string);
        named.add("seed", self.seed);
    }
}
