//! How tokens are drawn, and what is told of them: the options of sampling by their names.
//!
//! Limits are the kernel's. What needs the vocabulary is done here: texts whose tokens are biased.

use indwell_kernel::sampling::BIASES_MAX;
use indwell_kernel::{Logprobs, SamplingOptions, SamplingParams, Surroundings, Token};

use super::{NamedOptions, OptionValue, read};
use crate::{Error, Result};

/// Likely tokens told with each at most.
pub(crate) const TOP_LOGPROBS_MAX: u8 = 20;
/// Bytes of a text whose tokens are biased at most.
pub(crate) const BIASED_BYTES_MAX: usize = 1024;

/// The options of sampling as the caller states them; `None` takes the default.
#[derive(Clone, Debug, Default)]
pub(crate) struct SamplingFields {
    /// All that the kernel checks, but for biases.
    pub(crate) plain: SamplingOptions,
    pub(crate) logit_bias: Vec<(Biased, f64)>,
    pub(crate) logprobs: Option<bool>,
    pub(crate) top_logprobs: Option<i64>,
    pub(crate) prompt_logprobs: Option<bool>,
}

/// What is biased.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Biased {
    /// A token by its id.
    Token(i64),
    /// Each token of a text.
    Text(String),
}

/// What sampling is checked against.
#[derive(Clone, Copy)]
pub(crate) struct Words<'a> {
    /// Tokens of the vocabulary.
    pub(crate) count: u32,
    /// A text's tokens, none of them a control token.
    pub(crate) tokenize: &'a dyn Fn(&str) -> Result<Vec<Token>>,
}

impl NamedOptions for SamplingFields {
    const NAMES: &'static [&'static str] = &[
        "temperature",
        "dynatemp_range",
        "dynatemp_exponent",
        "top_k",
        "top_p",
        "min_p",
        "typical_p",
        "top_n_sigma",
        "xtc_probability",
        "xtc_threshold",
        "dry_multiplier",
        "dry_base",
        "dry_allowed_length",
        "dry_penalty_last_n",
        "dry_sequence_breakers",
        "repeat_penalty",
        "repeat_last_n",
        "presence_penalty",
        "frequency_penalty",
        "mirostat",
        "mirostat_tau",
        "mirostat_eta",
        "samplers",
        "logit_bias",
        "banned_strings",
        "stop_tokens",
        "min_tokens",
        "ignore_eos",
        "seed",
        "logprobs",
        "top_logprobs",
        "prompt_logprobs",
    ];

    fn set_known(&mut self, name: &str, value: OptionValue) -> Result<()> {
        let plain = &mut self.plain;
        match name {
            "temperature" => plain.temperature = Some(read::number(name, value)?),
            "dynatemp_range" => plain.dynatemp_range = Some(read::number(name, value)?),
            "dynatemp_exponent" => plain.dynatemp_exponent = Some(read::number(name, value)?),
            "top_k" => plain.top_k = Some(read::whole(name, value)?),
            "top_p" => plain.top_p = Some(read::number(name, value)?),
            "min_p" => plain.min_p = Some(read::number(name, value)?),
            "typical_p" => plain.typical_p = Some(read::number(name, value)?),
            "top_n_sigma" => plain.top_n_sigma = Some(read::number(name, value)?),
            "xtc_probability" => plain.xtc_probability = Some(read::number(name, value)?),
            "xtc_threshold" => plain.xtc_threshold = Some(read::number(name, value)?),
            "dry_multiplier" => plain.dry_multiplier = Some(read::number(name, value)?),
            "dry_base" => plain.dry_base = Some(read::number(name, value)?),
            "dry_allowed_length" => plain.dry_allowed_length = Some(read::whole(name, value)?),
            "dry_penalty_last_n" => plain.dry_penalty_last_n = Some(read::whole(name, value)?),
            "dry_sequence_breakers" => {
                plain.dry_sequence_breakers = Some(read::texts(name, value)?);
            }
            "repeat_penalty" => plain.repeat_penalty = Some(read::number(name, value)?),
            "repeat_last_n" => plain.repeat_last_n = Some(read::whole(name, value)?),
            "presence_penalty" => plain.presence_penalty = Some(read::number(name, value)?),
            "frequency_penalty" => plain.frequency_penalty = Some(read::number(name, value)?),
            "mirostat" => plain.mirostat = Some(read::whole(name, value)?),
            "mirostat_tau" => plain.mirostat_tau = Some(read::number(name, value)?),
            "mirostat_eta" => plain.mirostat_eta = Some(read::number(name, value)?),
            "samplers" => plain.samplers = Some(read::texts(name, value)?),
            "logit_bias" => self.logit_bias = biases(name, value)?,
            "banned_strings" => plain.banned_strings = read::texts(name, value)?,
            "stop_tokens" => plain.stop_tokens = read::wholes(name, value)?,
            "min_tokens" => plain.min_tokens = Some(read::whole(name, value)?),
            "ignore_eos" => plain.ignore_eos = Some(read::flag(name, value)?),
            "seed" => plain.seed = Some(read::whole(name, value)?),
            "logprobs" => self.logprobs = Some(read::flag(name, value)?),
            "top_logprobs" => self.top_logprobs = Some(read::whole(name, value)?),
            "prompt_logprobs" => self.prompt_logprobs = Some(read::flag(name, value)?),
            _ => return Err(super::unknown(name, &value, Self::NAMES)),
        }
        Ok(())
    }
}

impl SamplingFields {
    /// Checks how tokens are drawn.
    ///
    /// # Errors
    /// `invalid_request` for values outside their limits, or that contradict each other.
    pub(super) fn validate(
        &self,
        words: Words<'_>,
        max_tokens: u32,
        fresh_seed: u32,
    ) -> Result<SamplingParams> {
        let mut plain = self.plain.clone();
        plain.logit_bias = self.tokens_biased(words)?;
        let vocabulary_tokens = words.count;
        Ok(plain.validate(&Surroundings { fresh_seed, max_tokens, vocabulary_tokens })?)
    }

    /// A text stands for each of its tokens.
    fn tokens_biased(&self, words: Words<'_>) -> Result<Vec<(i64, f64)>> {
        let mut tokens = Vec::with_capacity(self.logit_bias.len());
        for (biased, bias) in &self.logit_bias {
            match biased {
                Biased::Token(id) => tokens.push((*id, *bias)),
                Biased::Text(text) => {
                    let of_text = (words.tokenize)(text)?.into_iter();
                    tokens.extend(of_text.map(|token| (i64::from(token.0), *bias)));
                }
            }
        }
        Ok(tokens)
    }

    /// Checks what is told of each token.
    ///
    /// # Errors
    /// `invalid_request` for more likely tokens than there may be, and for some without any.
    pub(super) fn logprobs(&self) -> Result<Logprobs> {
        const FIELD: &str = "top_logprobs";
        let top = self.top_logprobs.unwrap_or(0);
        let count = u8::try_from(top).ok().filter(|&top| top <= TOP_LOGPROBS_MAX);
        let count = count.ok_or_else(|| {
            let limit = format!("from 0 to {TOP_LOGPROBS_MAX}");
            Error::invalid(FIELD, top.to_string(), limit, "ask for fewer alternatives")
        })?;
        match (self.logprobs, count) {
            (Some(false), 1..) => Err(Error::invalid(
                FIELD,
                top.to_string(),
                "left out where logprobs is false",
                "leave logprobs out, or set it to true",
            )),
            (_, 1..) => Ok(Logprobs::Top(count)),
            (Some(true), 0) => Ok(Logprobs::Chosen),
            (_, 0) => Ok(Logprobs::None),
        }
    }
}

/// Biases in the forms of OpenAI's API and of llama.cpp's server.
fn biases(name: &str, value: OptionValue) -> Result<Vec<(Biased, f64)>> {
    const WANTED: &str =
        "an object of token ids or texts to numbers or false, or a list of such pairs";
    let pairs: Vec<(Biased, OptionValue)> = match value {
        OptionValue::Object(fields) => {
            let biased = |key: String| match key.parse() {
                Ok(id) => Biased::Token(id),
                Err(_) => Biased::Text(key),
            };
            fields.into_iter().map(|(key, bias)| (biased(key), bias)).collect()
        }
        OptionValue::List(pairs) => pairs
            .into_iter()
            .map(|pair| match pair {
                OptionValue::List(pair) => <[OptionValue; 2]>::try_from(pair)
                    .map_err(|pair| read::wrong_type(name, &OptionValue::List(pair), WANTED))
                    .and_then(|[biased, bias]| match biased {
                        OptionValue::Text(text) => Ok((Biased::Text(text), bias)),
                        id => Ok((Biased::Token(read::whole(name, id)?), bias)),
                    }),
                other => Err(read::wrong_type(name, &other, WANTED)),
            })
            .collect::<Result<_>>()?,
        other => return Err(read::wrong_type(name, &other, WANTED)),
    };
    if pairs.len() > BIASES_MAX {
        return Err(Error::invalid(
            name,
            format!("{} biases", pairs.len()),
            format!("at most {BIASES_MAX}"),
            "bias fewer tokens",
        ));
    }
    let bias = |(biased, bias): (Biased, OptionValue)| {
        if let Biased::Text(text) = &biased
            && !(1..=BIASED_BYTES_MAX).contains(&text.len())
        {
            return Err(Error::invalid(
                name,
                OptionValue::from(text.as_str()).shown(),
                format!("token ids, and texts of 1 to {BIASED_BYTES_MAX} bytes"),
                "leave out empty texts and shorten long ones",
            ));
        }
        let bias = match bias {
            OptionValue::Bool(false) => f64::NEG_INFINITY,
            OptionValue::Float(infinite) if infinite.is_infinite() => {
                return Err(read::wrong_type(name, &bias, "finite numbers or false"));
            }
            bias => read::number(name, bias)?,
        };
        Ok((biased, bias))
    };
    pairs.into_iter().map(bias).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(tokenize: &dyn Fn(&str) -> Result<Vec<Token>>) -> Words<'_> {
        Words { count: 1000, tokenize }
    }

    fn set(name: &str, value: OptionValue) -> Result<SamplingFields> {
        let mut fields = SamplingFields::default();
        fields.set(name, value)?;
        Ok(fields)
    }

    fn object(fields: &[(&str, OptionValue)]) -> OptionValue {
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        OptionValue::Object(fields.collect())
    }

    fn pair(biased: impl Into<OptionValue>, bias: impl Into<OptionValue>) -> OptionValue {
        OptionValue::List(vec![biased.into(), bias.into()])
    }

    fn biased(value: OptionValue) -> Vec<(i32, f32)> {
        let letters =
            |text: &str| Ok(text.bytes().map(|byte| Token(i32::from(byte))).collect::<Vec<_>>());
        let fields = set("logit_bias", value).expect("biases");
        let params = fields.validate(words(&letters), 100, 1).expect("valid");
        params.tokens.biases.iter().map(|(token, bias)| (token.0, *bias)).collect()
    }

    #[test]
    fn biases_are_read_in_both_forms() {
        let never = f32::NEG_INFINITY;
        let as_object = object(&[
            ("12", OptionValue::Float(1.5)),
            ("ab", OptionValue::Int(-3)),
            ("b", OptionValue::Bool(false)),
        ]);
        // "a" is 97, "b" 98.
        assert_eq!(biased(as_object), [(12, 1.5), (97, -3.0), (98, never)]);
        let as_list = OptionValue::List(vec![pair(12, 1.5), pair("ab", -3.0), pair("b", false)]);
        assert_eq!(biased(as_list), [(12, 1.5), (97, -3.0), (98, never)]);
        assert_eq!(biased(object(&[])), []);
    }

    #[test]
    fn biases_of_other_shapes_are_refused() {
        let many: Vec<OptionValue> = (0..5000).map(|id| pair(id, 1.0)).collect();
        for value in [
            OptionValue::Int(5),
            OptionValue::from("5"),
            object(&[("5", OptionValue::Bool(true))]),
            object(&[("5", OptionValue::from("1"))]),
            object(&[("5", OptionValue::Float(f64::NEG_INFINITY))]),
            object(&[("", OptionValue::Int(1))]),
            object(&[(&"x".repeat(1025), OptionValue::Int(1))]),
            OptionValue::List(vec![OptionValue::Int(5)]),
            OptionValue::List(vec![OptionValue::List(vec![OptionValue::Int(5)])]),
            OptionValue::List(vec![pair(5.5, 1.0)]),
            OptionValue::List(many),
        ] {
            let error = set("logit_bias", value.clone()).expect_err(&value.shown());
            assert_eq!(error.details().field.as_deref(), Some("logit_bias"));
        }
        let fields = set("logit_bias", object(&[("5", OptionValue::Float(f64::NAN))]));
        let nothing = |_: &str| Ok(Vec::new());
        let refused = fields.expect("a number").validate(words(&nothing), 100, 1);
        assert_eq!(refused.expect_err("NaN").details().field.as_deref(), Some("logit_bias"));
    }

    #[test]
    fn a_token_that_does_not_exist_is_told_with_the_vocabularys_size() {
        let fields = set("logit_bias", object(&[("1000", OptionValue::Int(1))])).expect("read");
        let nothing = |_: &str| Ok(Vec::new());
        let error = fields.validate(words(&nothing), 100, 1).expect_err("no such token");
        assert_eq!(error.kind(), crate::ErrorKind::InvalidRequest);
        assert!(error.to_string().contains("1000 tokens"), "{error}");
    }

    #[test]
    fn alternatives_need_log_probabilities() {
        let told = |logprobs: Option<bool>, top: Option<i64>| {
            SamplingFields { logprobs, top_logprobs: top, ..Default::default() }.logprobs()
        };
        assert_eq!(told(None, None).expect("none"), Logprobs::None);
        assert_eq!(told(None, Some(0)).expect("none"), Logprobs::None);
        assert_eq!(told(Some(true), None).expect("some"), Logprobs::Chosen);
        assert_eq!(told(Some(true), Some(0)).expect("some"), Logprobs::Chosen);
        assert_eq!(told(None, Some(20)).expect("some"), Logprobs::Top(20));
        for (logprobs, top) in [(Some(false), 1), (None, 21), (None, -1), (Some(true), i64::MAX)] {
            let error = told(logprobs, Some(top)).expect_err("refused");
            assert_eq!(error.details().field.as_deref(), Some("top_logprobs"));
        }
    }
}
