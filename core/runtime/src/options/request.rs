//! A request's options.

use std::time::Duration;

use indwell_kernel::{Logprobs, ResponsePolicy, SamplingParams, TimeToLive};
use indwell_llama::Grammar;

use super::chat::{self, ChatConfig, ChatOptions};
use super::choices::Choices;
use super::constraint::ConstraintOptions;
use super::sampling::{SamplingFields, Words};
use super::tools::{ToolConfig, ToolOptions};
use super::{NamedOptions, OptionValue, count, joined, read};
use crate::{CacheMode, Error, Result, Semantic};

/// Stop strings of one request at most.
pub(crate) const STOPS_MAX: usize = 64;
/// Bytes of one stop string at most.
pub(crate) const STOP_BYTES_MAX: usize = 1024;
/// Bytes of a cache salt at most.
pub(crate) const SALT_BYTES_MAX: usize = 1024;

/// A request's options as the caller states them; `None` takes the default.
#[derive(Clone, Debug, Default)]
pub(crate) struct RequestOptions {
    pub(crate) max_tokens: Option<i64>,
    pub(crate) sampling: SamplingFields,
    pub(crate) constraint: ConstraintOptions,
    pub(crate) stop: Vec<String>,
    pub(crate) timeout_ms: Option<f64>,
    pub(crate) n: Option<i64>,
    pub(crate) best_of: Option<i64>,
    pub(crate) parse_special: Option<bool>,
    pub(crate) chat: ChatOptions,
    pub(crate) cache: Option<CacheMode>,
    pub(crate) cache_salt: Option<String>,
    pub(crate) cache_ttl_ms: Option<f64>,
    pub(crate) tools: ToolOptions,
    /// Functions have no form that is set by name.
    pub(crate) semantic: Option<Semantic>,
}

/// A request's options, checked.
#[derive(Clone, Debug)]
pub(crate) struct RequestConfig {
    pub(crate) max_tokens: u32,
    pub(crate) sampling: SamplingParams,
    pub(crate) grammar: Option<Grammar>,
    pub(crate) stop: Vec<String>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) logprobs: Logprobs,
    pub(crate) prompt_logprobs: bool,
    pub(crate) choices: Choices,
    pub(crate) parse_special: bool,
    pub(crate) chat: ChatConfig,
    pub(crate) cache: CacheMode,
    pub(crate) cache_salt: Option<String>,
    pub(crate) responses: ResponsePolicy,
    pub(crate) cache_ttl: Option<TimeToLive>,
    pub(crate) tools: ToolConfig,
    pub(crate) semantic: Option<Semantic>,
}

/// What is taken where an option is left out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Defaults {
    pub(crate) max_tokens: u32,
    pub(crate) fresh_seed: u32,
}

/// The names of all options, those of a topic together.
const GROUPS: [&[&str]; 4] =
    [&OWN, SamplingFields::NAMES, &ConstraintOptions::NAMES, &ToolOptions::NAMES];

/// Those that are read here.
const OWN: [&str; 12] = [
    "max_tokens",
    "stop",
    "timeout_ms",
    "n",
    "best_of",
    "parse_special",
    "documents",
    "template_args",
    "continue_final_message",
    "cache",
    "cache_salt",
    "cache_ttl_ms",
];

impl NamedOptions for RequestOptions {
    const NAMES: &'static [&'static str] = &joined::<{ count(&GROUPS) }>(&GROUPS);

    fn set_known(&mut self, name: &str, value: OptionValue) -> Result<()> {
        match name {
            "max_tokens" => self.max_tokens = Some(read::whole(name, value)?),
            "stop" => self.stop = read::texts(name, value)?,
            "timeout_ms" => self.timeout_ms = Some(read::number(name, value)?),
            "n" => self.n = Some(read::whole(name, value)?),
            "best_of" => self.best_of = Some(read::whole(name, value)?),
            "parse_special" => self.parse_special = Some(read::flag(name, value)?),
            "documents" => self.chat.documents = Some(chat::documents(name, value)?),
            "template_args" => {
                self.chat.template_args = Some(chat::template_args(name, value)?);
            }
            "continue_final_message" => {
                self.chat.continue_final_message = Some(read::flag(name, value)?);
            }
            "cache" => self.cache = Some(read::text(name, value)?.parse()?),
            "cache_salt" => self.cache_salt = Some(read::text(name, value)?),
            "cache_ttl_ms" => self.cache_ttl_ms = Some(read::number(name, value)?),
            name if ConstraintOptions::NAMES.contains(&name) => self.constraint.set(name, value)?,
            name if SamplingFields::NAMES.contains(&name) => {
                self.sampling.set_known(name, value)?;
            }
            name if ToolOptions::NAMES.contains(&name) => self.tools.set(name, value)?,
            _ => return Err(super::unknown(name, &value, Self::NAMES)),
        }
        Ok(())
    }
}

impl RequestOptions {
    /// Checks every option.
    ///
    /// # Errors
    /// `invalid_request` for values outside their limits.
    pub(crate) fn validate(self, defaults: Defaults, words: Words<'_>) -> Result<RequestConfig> {
        let max_tokens = max_tokens(self.max_tokens, defaults.max_tokens)?;
        let sampling = self.sampling.validate(words, max_tokens, defaults.fresh_seed)?;
        let grammar = self.constraint.validate()?;
        if grammar.is_some() && sampling.tokens.ignore_eos {
            return Err(Error::invalid(
                "ignore_eos",
                "true",
                "left out where the answer has a form",
                "leave out ignore_eos: an answer that has its form is complete",
            ));
        }
        let cache = self.cache.unwrap_or_default();
        if let Some(semantic) = &self.semantic {
            semantic.check()?;
        }
        Ok(RequestConfig {
            max_tokens,
            responses: ResponsePolicy::of(cache, &sampling)?,
            sampling,
            grammar,
            timeout: self.timeout_ms.map(timeout).transpose()?,
            stop: stop(self.stop)?,
            logprobs: self.sampling.logprobs()?,
            prompt_logprobs: self.sampling.prompt_logprobs.unwrap_or(false),
            choices: Choices::of(self.n, self.best_of)?,
            parse_special: self.parse_special.unwrap_or(false),
            chat: self.chat.validate()?,
            cache,
            cache_salt: self.cache_salt.map(cache_salt).transpose()?,
            cache_ttl: self
                .cache_ttl_ms
                .map(|ms| TimeToLive::from_ms("cache_ttl_ms", ms))
                .transpose()?,
            tools: self.tools.validate()?,
            semantic: self.semantic,
        })
    }
}

fn max_tokens(given: Option<i64>, default: u32) -> Result<u32> {
    match given {
        None => Ok(default),
        Some(tokens) if tokens >= 1 => Ok(u32::try_from(tokens).unwrap_or(u32::MAX / 2)),
        Some(tokens) => Err(Error::invalid(
            "max_tokens",
            tokens.to_string(),
            "at least 1",
            format!("give max_tokens 1 or more, or leave it out for {default}"),
        )),
    }
}

pub(super) fn timeout(ms: f64) -> Result<Duration> {
    Duration::try_from_secs_f64(ms / 1000.0).ok().filter(|timeout| !timeout.is_zero()).ok_or_else(
        || {
            Error::invalid(
                "timeout_ms",
                ms.to_string(),
                "a finite number above 0",
                "give the time that the whole request may take, or leave it out for no limit",
            )
        },
    )
}

/// A salt is never empty, so that none is the salt of requests without one.
pub(crate) fn cache_salt(salt: String) -> Result<String> {
    if (1..=SALT_BYTES_MAX).contains(&salt.len()) {
        return Ok(salt);
    }
    Err(Error::invalid(
        "cache_salt",
        OptionValue::from(salt).shown(),
        format!("text of 1 to {SALT_BYTES_MAX} bytes"),
        "give each tenant a text of its own, or leave it out to share with all others",
    ))
}

fn stop(stop: Vec<String>) -> Result<Vec<String>> {
    if stop.len() > STOPS_MAX {
        return Err(Error::invalid(
            "stop",
            format!("a list of {}", stop.len()),
            format!("at most {STOPS_MAX} texts"),
            "give fewer stop strings",
        ));
    }
    for text in &stop {
        if text.is_empty() || text.len() > STOP_BYTES_MAX {
            return Err(Error::invalid(
                "stop",
                OptionValue::from(text.as_str()).shown(),
                format!("texts of 1 to {STOP_BYTES_MAX} bytes"),
                "leave out empty stop strings and shorten long ones",
            ));
        }
    }
    Ok(stop)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use indwell_kernel::{
        CacheUse, Constraint, Draws, Effect, Goal, Matcher, Namespace, NamespaceField,
        REQUEST_FIELDS, Request, RequestId, ResponseKey, Token,
    };

    use super::*;

    /// Options, and one that needs them.
    type Needing = (Vec<(String, OptionValue)>, (String, OptionValue));

    fn checked(options: RequestOptions, max_tokens: u32, fresh_seed: u32) -> Result<RequestConfig> {
        let tokenize = |text: &str| Ok(text.bytes().map(|byte| Token(byte.into())).collect());
        let words = Words { count: 1000, tokenize: &tokenize };
        options.validate(Defaults { max_tokens, fresh_seed }, words)
    }

    fn validate(name: &str, value: impl Into<OptionValue>) -> Result<RequestConfig> {
        let mut options = RequestOptions::default();
        options.set(name, value.into())?;
        checked(options, 512, 1)
    }

    #[test]
    fn values_outside_their_limits_are_refused_by_name() {
        let many: Vec<String> = (0..65).map(|i| i.to_string()).collect();
        for (name, value) in [
            ("max_tokens", OptionValue::Int(0)),
            ("max_tokens", OptionValue::Int(-1)),
            ("temperature", OptionValue::Float(f64::NAN)),
            ("timeout_ms", OptionValue::Int(0)),
            ("timeout_ms", OptionValue::Float(f64::INFINITY)),
            ("timeout_ms", OptionValue::Float(-1.0)),
            ("stop", OptionValue::from("")),
            ("stop", OptionValue::from(vec!["a", ""])),
            ("stop", OptionValue::from(many)),
            ("stop", OptionValue::from("x".repeat(1025))),
            ("cache", OptionValue::from("always")),
            ("cache", OptionValue::from("")),
            ("cache_salt", OptionValue::from("")),
            ("cache_salt", OptionValue::from("é".repeat(513))),
            ("cache_ttl_ms", OptionValue::Int(0)),
            ("cache_ttl_ms", OptionValue::Int(-5)),
            ("cache_ttl_ms", OptionValue::Float(f64::NAN)),
        ] {
            let error = validate(name, value.clone()).expect_err(&value.shown());
            assert_eq!(error.details().field.as_deref(), Some(name));
            assert!(error.details().remedy.is_some());
        }
    }

    #[test]
    fn every_option_of_sampling_is_one_of_a_request() {
        for name in SamplingFields::NAMES {
            assert!(RequestOptions::NAMES.contains(name), "{name}");
        }
    }

    #[test]
    fn options_that_contradict_each_other_are_refused_by_name() {
        let refused = |options: &[(&str, OptionValue)]| {
            let mut given = RequestOptions::default();
            for (name, value) in options {
                given.set(name, value.clone()).expect(name);
            }
            let error = checked(given, 512, 1).expect_err("they contradict each other");
            error.details().field.clone().unwrap_or_default()
        };
        let int = OptionValue::Int;
        assert_eq!(refused(&[("min_tokens", int(10)), ("max_tokens", int(9))]), "min_tokens");
        assert_eq!(refused(&[("min_tokens", int(513))]), "min_tokens");
        let ignore = ("ignore_eos", OptionValue::Bool(true));
        assert_eq!(refused(&[("min_tokens", int(10)), ignore]), "min_tokens");
        assert_eq!(refused(&[("mirostat", int(2))]), "temperature");
        let warm = ("temperature", OptionValue::Float(0.8));
        assert_eq!(refused(&[("mirostat", int(2)), warm, ("top_k", int(40))]), "top_k");
        let told = [("logprobs", OptionValue::Bool(false)), ("top_logprobs", int(2))];
        assert_eq!(refused(&told), "top_logprobs");
    }

    #[test]
    fn ten_thousand_stop_strings_are_refused() {
        let many: Vec<String> = (0..10_000).map(|i| format!("stop {i}")).collect();
        let error = validate("stop", many).expect_err("too many");
        assert_eq!(error.details().limit.as_deref(), Some("at most 64 texts"));
        assert_eq!(error.details().value.as_deref(), Some("a list of 10000"));
    }

    #[test]
    fn what_is_not_said_has_its_default() {
        let config = checked(RequestOptions::default(), 77, 5).expect("defaults");
        assert_eq!(config.max_tokens, 77);
        assert!(config.sampling.is_greedy());
        assert_eq!(config.timeout, None);
        assert_eq!((config.cache, config.cache_salt), (CacheMode::Use, None));
    }

    #[test]
    fn a_salt_is_taken_as_it_is_with_any_mode() {
        let mut options = RequestOptions::default();
        options.set("cache", "bypass".into()).expect("a mode");
        options.set("cache_salt", " tenant 1 ".into()).expect("a salt");
        let config = checked(options, 77, 5).expect("both");
        assert_eq!(config.cache, CacheMode::Bypass);
        assert_eq!(config.cache_salt.as_deref(), Some(" tenant 1 "));
    }

    /// A grammar that nothing is drawn by.
    #[derive(Debug)]
    struct Bound(Grammar);

    impl Constraint for Bound {
        fn digest(&self) -> [u8; 32] {
            self.0.digest()
        }

        fn start(&self) -> Box<dyn Matcher> {
            unreachable!("nothing is computed here")
        }
    }

    /// The key of a request with these options, whose prompt's tokens are always the same.
    fn key(options: &[(String, OptionValue)]) -> ResponseKey {
        let mut given = RequestOptions::default();
        for (name, value) in options {
            given.set(name, value.clone()).expect(name);
        }
        // As each request has another one that nobody chose.
        let fresh_seed = u32::try_from(options.len()).expect("few");
        let config = checked(given, 512, fresh_seed).expect("valid");
        let base = Namespace::builder().field(NamespaceField::Model, b"model");
        let namespace = base.salted(config.cache_salt.as_deref());
        let request = Request {
            id: RequestId(0),
            prompt: vec![Token(1)],
            boundaries: Vec::new(),
            goal: Goal::Generate,
            cache: CacheUse::Bypass,
            max_tokens: config.max_tokens,
            draws: Arc::new(Draws {
                sampling: config.sampling,
                logprobs: config.logprobs,
                constraint: config.grammar.map(|grammar| Arc::new(Bound(grammar)) as _),
            }),
            prompt_logprobs: config.prompt_logprobs,
            deadline: None,
        };
        ResponseKey::of(namespace, &request, &config.stop)
    }

    /// A value of `name`, and what it needs beside it.
    fn beside(needed: &str, needs: f64, name: &str, value: OptionValue) -> Option<Needing> {
        let needs = vec![(needed.to_owned(), OptionValue::Float(needs))];
        Some((needs, (name.to_owned(), value)))
    }

    /// A new option fails here until the kernel's list says what it does to the answer, and this
    /// test has a value of it to prove that with.
    #[test]
    fn every_option_does_to_answers_what_the_list_says() {
        let named = |name: &str, value: OptionValue| Some((Vec::new(), (name.to_owned(), value)));
        // A value other than the default, and what it needs beside it to have an effect.
        let other = |name: &str| match name {
            // Each answer is a request of its own, with a seed and a key of its own.
            "n" | "best_of" => None,
            "max_tokens" | "top_k" | "timeout_ms" | "cache_ttl_ms" | "min_tokens"
            | "top_logprobs" | "stop_tokens" => named(name, OptionValue::Int(5)),
            "seed" => named(name, OptionValue::Int(7)),
            "temperature" | "top_p" | "min_p" | "typical_p" | "top_n_sigma" | "xtc_probability"
            | "dry_multiplier" | "presence_penalty" | "frequency_penalty" | "repeat_penalty"
            | "dynatemp_range" => named(name, OptionValue::Float(0.5)),
            "dynatemp_exponent" => beside("dynatemp_range", 0.5, name, OptionValue::Float(2.0)),
            "xtc_threshold" => beside("xtc_probability", 0.5, name, OptionValue::Float(0.2)),
            "dry_base" | "dry_allowed_length" | "dry_penalty_last_n" => {
                beside("dry_multiplier", 0.8, name, OptionValue::Int(5))
            }
            "dry_sequence_breakers" => {
                beside("dry_multiplier", 0.8, name, OptionValue::from(vec!["x"]))
            }
            "repeat_last_n" => beside("repeat_penalty", 1.1, name, OptionValue::Int(5)),
            "mirostat" => named(name, OptionValue::Int(2)),
            "mirostat_tau" | "mirostat_eta" => beside("mirostat", 1.0, name, OptionValue::Int(3)),
            "samplers" => {
                let both = vec![
                    ("repeat_penalty".to_owned(), OptionValue::Float(1.1)),
                    ("dry_multiplier".to_owned(), OptionValue::Float(0.8)),
                ];
                let turned = OptionValue::from(vec!["temperature", "dry", "penalties"]);
                Some((both, (name.to_owned(), turned)))
            }
            "logit_bias" => {
                let bias = OptionValue::Object(vec![("a".to_owned(), OptionValue::Int(1))]);
                named(name, bias)
            }
            "stop" | "cache_salt" | "banned_strings" => named(name, OptionValue::from("x")),
            "cache" => named(name, OptionValue::from("refresh")),
            "logprobs" | "prompt_logprobs" | "ignore_eos" | "json_object" | "json_schema" => {
                named(name, OptionValue::Bool(true))
            }
            "regex" | "choice" | "lark" | "gbnf" => named(name, OptionValue::from("x")),
            // What it changes is in the prompt's tokens, which have their own part in the key.
            "parse_special" | "documents" | "template_args" | "continue_final_message" => None,
            // So it is with tools, and with the constraint that is made of these.
            "tools" | "tool_choice" | "parallel_tool_calls" => None,
            "separate_reasoning" => named(name, OptionValue::Bool(false)),
            unknown => panic!("a value of {unknown} is missing in this test"),
        };
        let drawn = [
            ("temperature".to_owned(), OptionValue::Float(0.9)),
            ("seed".to_owned(), OptionValue::Int(1)),
        ];
        let changes = |with: &[(String, OptionValue)], option: (String, OptionValue)| {
            key(with) != key(&[with.to_vec(), vec![option]].concat())
        };
        for name in RequestOptions::NAMES {
            let field = REQUEST_FIELDS.iter().find(|field| field.name == *name);
            let field = field.unwrap_or_else(|| panic!("{name} is not classified"));
            let Some((needs, option)) = other(name) else { continue };
            // Greedy answers with Mirostat are refused.
            let greedy = !name.starts_with("mirostat") && changes(&needs, option.clone());
            let drawn = changes(&[drawn.to_vec(), needs].concat(), option);
            let expected = match field.effect {
                Effect::ChangesAnswer => (true, true),
                Effect::ChangesDraws => (false, true),
                Effect::ChangesNothing => (false, false),
            };
            assert_eq!((greedy, drawn), expected, "{name}");
        }
        let others = ["prompt", "messages", "semantic"];
        for field in REQUEST_FIELDS {
            let known = RequestOptions::NAMES.contains(&field.name) || others.contains(&field.name);
            assert!(known, "{} is no option", field.name);
        }
    }
}
