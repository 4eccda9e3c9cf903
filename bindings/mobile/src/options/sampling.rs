//! How tokens are chosen.

use indwell::OptionValue;

use super::Named;

/// The options of sampling, named as in `indwell::Request`.
#[derive(Debug, Clone, Default, PartialEq, uniffi::Record)]
#[expect(missing_docs, reason = "indwell::Request documents them")]
pub struct NativeSampling {
    pub temperature: Option<f64>,
    pub dynatemp_range: Option<f64>,
    pub dynatemp_exponent: Option<f64>,
    pub top_k: Option<i64>,
    pub top_p: Option<f64>,
    pub min_p: Option<f64>,
    pub typical_p: Option<f64>,
    pub top_n_sigma: Option<f64>,
    pub xtc_probability: Option<f64>,
    pub xtc_threshold: Option<f64>,
    pub dry_multiplier: Option<f64>,
    pub dry_base: Option<f64>,
    pub dry_allowed_length: Option<i64>,
    pub dry_penalty_last_n: Option<i64>,
    pub dry_sequence_breakers: Option<Vec<String>>,
    pub repeat_penalty: Option<f64>,
    pub repeat_last_n: Option<i64>,
    pub presence_penalty: Option<f64>,
    pub frequency_penalty: Option<f64>,
    pub mirostat: Option<i64>,
    pub mirostat_tau: Option<f64>,
    pub mirostat_eta: Option<f64>,
    /// Names, in their order.
    pub samplers: Option<Vec<String>>,
    pub logit_bias: Option<Vec<NativeLogitBias>>,
    pub banned_strings: Option<Vec<String>>,
    pub seed: Option<i64>,
}

/// What is added to the logit of a token, or of each token of a text; nothing for one that never comes.
#[derive(Debug, Clone, PartialEq, uniffi::Enum)]
#[expect(missing_docs, reason = "indwell::Request documents them")]
pub enum NativeLogitBias {
    Token { token: i32, bias: Option<f64> },
    Text { text: String, bias: Option<f64> },
}

impl NativeSampling {
    pub(super) fn named(self) -> Named<26> {
        [
            ("temperature", self.temperature.into()),
            ("dynatemp_range", self.dynatemp_range.into()),
            ("dynatemp_exponent", self.dynatemp_exponent.into()),
            ("top_k", self.top_k.into()),
            ("top_p", self.top_p.into()),
            ("min_p", self.min_p.into()),
            ("typical_p", self.typical_p.into()),
            ("top_n_sigma", self.top_n_sigma.into()),
            ("xtc_probability", self.xtc_probability.into()),
            ("xtc_threshold", self.xtc_threshold.into()),
            ("dry_multiplier", self.dry_multiplier.into()),
            ("dry_base", self.dry_base.into()),
            ("dry_allowed_length", self.dry_allowed_length.into()),
            ("dry_penalty_last_n", self.dry_penalty_last_n.into()),
            ("dry_sequence_breakers", self.dry_sequence_breakers.into()),
            ("repeat_penalty", self.repeat_penalty.into()),
            ("repeat_last_n", self.repeat_last_n.into()),
            ("presence_penalty", self.presence_penalty.into()),
            ("frequency_penalty", self.frequency_penalty.into()),
            ("mirostat", self.mirostat.into()),
            ("mirostat_tau", self.mirostat_tau.into()),
            ("mirostat_eta", self.mirostat_eta.into()),
            ("samplers", self.samplers.into()),
            ("logit_bias", self.logit_bias.into()),
            ("banned_strings", self.banned_strings.into()),
            ("seed", self.seed.into()),
        ]
    }
}

impl From<NativeLogitBias> for OptionValue {
    fn from(bias: NativeLogitBias) -> Self {
        let (what, bias): (OptionValue, _) = match bias {
            NativeLogitBias::Token { token, bias } => (token.into(), bias),
            NativeLogitBias::Text { text, bias } => (text.into(), bias),
        };
        Self::List(vec![what, bias.map_or(Self::Bool(false), Self::Float)])
    }
}
