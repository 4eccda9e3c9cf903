//! The options of sampling, for Rust. Limits and defaults are told where they are checked, in
//! [`indwell_kernel::SamplingOptions`].

use super::Request;
use crate::options::Biased;

impl<I> Request<I> {
    /// 0 takes the likeliest token each time (the default); higher is more random.
    pub fn temperature(mut self, temperature: f32) -> Self {
        self.options.sampling.plain.temperature = Some(temperature.into());
        self
    }

    /// Lets the temperature move by up to `range` with how sure the model is: with the entropy of the
    /// next token over the largest it could have, to the power of `exponent`. Default: 0 and 1.
    pub fn dynamic_temperature(mut self, range: f32, exponent: f32) -> Self {
        self.options.sampling.plain.dynatemp_range = Some(range.into());
        self.options.sampling.plain.dynatemp_exponent = Some(exponent.into());
        self
    }

    /// Keeps the `k` likeliest tokens; 0 keeps all (the default).
    pub fn top_k(mut self, k: u32) -> Self {
        self.options.sampling.plain.top_k = Some(k.into());
        self
    }

    /// Keeps the smallest set of tokens with this much probability, in (0, 1]. Default 1.
    pub fn top_p(mut self, p: f32) -> Self {
        self.options.sampling.plain.top_p = Some(p.into());
        self
    }

    /// Keeps tokens with at least this share of the likeliest one's probability, in [0, 1].
    /// Default 0.
    pub fn min_p(mut self, p: f32) -> Self {
        self.options.sampling.plain.min_p = Some(p.into());
        self
    }

    /// Keeps tokens with this much probability together that are about as surprising as the model is
    /// unsure, in (0, 1]. Default 1.
    pub fn typical_p(mut self, p: f32) -> Self {
        self.options.sampling.plain.typical_p = Some(p.into());
        self
    }

    /// Keeps tokens whose logits are within so many standard deviations of the largest. Default 0: all.
    pub fn top_n_sigma(mut self, n: f32) -> Self {
        self.options.sampling.plain.top_n_sigma = Some(n.into());
        self
    }

    /// Leaves out, with this probability, all tokens that have at least `threshold` but the least likely
    /// of them. Default: never.
    pub fn xtc(mut self, probability: f32, threshold: f32) -> Self {
        self.options.sampling.plain.xtc_probability = Some(probability.into());
        self.options.sampling.plain.xtc_threshold = Some(threshold.into());
        self
    }

    /// Makes it less likely to go on with what was said before in the same order: `multiplier` times
    /// `dry_base` to the power of the repetition's length beyond `dry_allowed_length`. Default 0.
    pub fn dry_multiplier(mut self, multiplier: f32) -> Self {
        self.options.sampling.plain.dry_multiplier = Some(multiplier.into());
        self
    }

    /// At least 1. Default 1.75.
    pub fn dry_base(mut self, base: f32) -> Self {
        self.options.sampling.plain.dry_base = Some(base.into());
        self
    }

    /// How many repeated tokens are free. Default 2.
    pub fn dry_allowed_length(mut self, tokens: u32) -> Self {
        self.options.sampling.plain.dry_allowed_length = Some(tokens.into());
        self
    }

    /// How many of the last tokens are looked through for repetitions. Default 64.
    pub fn dry_penalty_last_n(mut self, tokens: u32) -> Self {
        self.options.sampling.plain.dry_penalty_last_n = Some(tokens.into());
        self
    }

    /// Texts that no repetition goes across. Default: a line's end, `:`, `"` and `*`.
    pub fn dry_sequence_breakers(mut self, texts: impl IntoIterator<Item: Into<String>>) -> Self {
        let texts = texts.into_iter().map(Into::into).collect();
        self.options.sampling.plain.dry_sequence_breakers = Some(texts);
        self
    }

    /// Divides the logits of tokens among the last ones (multiplies them, where negative). Default 1.
    pub fn repeat_penalty(mut self, penalty: f32) -> Self {
        self.options.sampling.plain.repeat_penalty = Some(penalty.into());
        self
    }

    /// How many of the last tokens of prompt and answer penalties look at. Default 64.
    pub fn repeat_last_n(mut self, tokens: u32) -> Self {
        self.options.sampling.plain.repeat_last_n = Some(tokens.into());
        self
    }

    /// Subtracted from the logits of tokens among the last ones. Default 0.
    pub fn presence_penalty(mut self, penalty: f32) -> Self {
        self.options.sampling.plain.presence_penalty = Some(penalty.into());
        self
    }

    /// Subtracted from the logits of tokens for each time that they are among the last ones. Default 0.
    pub fn frequency_penalty(mut self, penalty: f32) -> Self {
        self.options.sampling.plain.frequency_penalty = Some(penalty.into());
        self
    }

    /// Mirostat 1 or 2, in place of all filters and penalties; 0 is off (the default). Wants a
    /// temperature.
    pub fn mirostat(mut self, version: u32) -> Self {
        self.options.sampling.plain.mirostat = Some(version.into());
        self
    }

    /// The surprise that Mirostat aims at, in bits. Default 5.
    pub fn mirostat_tau(mut self, tau: f32) -> Self {
        self.options.sampling.plain.mirostat_tau = Some(tau.into());
        self
    }

    /// How fast Mirostat learns. Default 0.1.
    pub fn mirostat_eta(mut self, eta: f32) -> Self {
        self.options.sampling.plain.mirostat_eta = Some(eta.into());
        self
    }

    /// The samplers that act, in their order, by llama.cpp's names: `penalties`, `dry`,
    /// `top_n_sigma`, `top_k`, `typ_p`, `top_p`, `min_p`, `xtc`, `temperature`, which is the default
    /// order.
    pub fn samplers(mut self, names: impl IntoIterator<Item: Into<String>>) -> Self {
        let names = names.into_iter().map(Into::into).collect();
        self.options.sampling.plain.samplers = Some(names);
        self
    }

    /// Adds `bias` to a token's logit. For several tokens, call it several times.
    pub fn token_bias(mut self, token: i32, bias: f32) -> Self {
        self.options.sampling.logit_bias.push((Biased::Token(token.into()), bias.into()));
        self
    }

    /// Adds `bias` to the logit of each token of a text.
    pub fn text_bias(mut self, text: impl Into<String>, bias: f32) -> Self {
        self.options.sampling.logit_bias.push((Biased::Text(text.into()), bias.into()));
        self
    }

    /// Texts that never appear in the answer, however they are cut into tokens; up to 256.
    pub fn banned_strings(mut self, texts: impl IntoIterator<Item: Into<String>>) -> Self {
        self.options.sampling.plain.banned_strings = texts.into_iter().map(Into::into).collect();
        self
    }

    /// Tokens that end the answer and are not part of it, beside the model's own; up to 64.
    pub fn stop_tokens(mut self, tokens: impl IntoIterator<Item = i32>) -> Self {
        self.options.sampling.plain.stop_tokens = tokens.into_iter().map(Into::into).collect();
        self
    }

    /// Nothing ends the answer before it has so many tokens: neither the model, nor stop tokens, nor
    /// stop strings that end within them. Default 0.
    pub fn min_tokens(mut self, tokens: u32) -> Self {
        self.options.sampling.plain.min_tokens = Some(tokens.into());
        self
    }

    /// Whether the model's end-of-generation tokens are never drawn, so that the answer goes on to
    /// `max_tokens` or a stop. Default false.
    pub fn ignore_eos(mut self, ignore: bool) -> Self {
        self.options.sampling.plain.ignore_eos = Some(ignore);
        self
    }

    /// The random generator's seed, 0 to 4294967294. Default: a fresh one.
    pub fn seed(mut self, seed: u32) -> Self {
        self.options.sampling.plain.seed = Some(seed.into());
        self
    }

    /// Whether each token of the answer comes with its log-probability. Default false.
    pub fn logprobs(mut self, logprobs: bool) -> Self {
        self.options.sampling.logprobs = Some(logprobs);
        self
    }

    /// How many of the likeliest tokens come with each token that has a log-probability; up to 20.
    /// Default 0.
    pub fn top_logprobs(mut self, count: u32) -> Self {
        self.options.sampling.top_logprobs = Some(count.into());
        self
    }

    /// Whether the prompt's own tokens come with their log-probabilities, before the answer: each after
    /// those before it, the first without one. Nothing of the prompt is then taken from the prefix
    /// cache. Default false.
    pub fn prompt_logprobs(mut self, logprobs: bool) -> Self {
        self.options.sampling.prompt_logprobs = Some(logprobs);
        self
    }
}
