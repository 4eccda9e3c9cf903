//! The forms in which models write calls, as data.
//!
//! One row is one form; [`super::calls`] reads by them. A model's form is found by what
//! its chat template writes ([`Format::find`]), or given by the engine option `tool_parser`.

/// A form of calls.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Format {
    /// What the engine option `tool_parser` calls it.
    pub(crate) name: &'static str,
    /// What calls begin with, in the middle of text too. None is a beginning of another.
    pub(super) begins: &'static [&'static str],
    /// What calls begin with where the answer does, without any of `begins`.
    pub(super) bare: Option<char>,
    pub(super) shape: Shape,
    /// What calls may end with, whichever comes.
    pub(super) ends: &'static [&'static str],
    /// What a template has that writes this form: all the texts of one row.
    evidence: &'static [&'static [&'static str]],
}

/// What is between the beginning and the end of calls.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// An object with name and arguments, several after each other, or a list of them.
    Json(Spelling),
    /// Names with a JSON object behind each.
    Named(Named),
    /// Names and arguments between tags; arguments are text.
    Tagged(Tagged),
    /// Names, or JSON where a bracket begins it.
    NamedOrJson(Named),
    /// A list of Python's calls: `[name(key=value)]`.
    Python,
}

/// How an object is written by a model that has to: `name` the name `arguments` the object `}`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Spelling {
    pub(super) name: &'static str,
    pub(super) arguments: &'static str,
    /// Whether calls are items of a list.
    pub(super) in_list: bool,
    /// What is around the object or list, inside of the markers.
    pub(super) around: &'static str,
}

/// `before` name `after` object `end`, any number of times.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Named {
    /// What each call begins with; may be empty.
    pub(super) before: &'static str,
    /// What stands before the name and is not part of it, such as `functions.`.
    pub(super) prefixes: &'static [&'static str],
    /// What ends the name; what is between it and the object is skipped.
    pub(super) after: &'static [&'static str],
    /// What a call may end with.
    pub(super) ends: &'static [&'static str],
    /// How a model that has to writes what is before the name, before the object and behind it.
    pub(super) written: [&'static str; 3],
}

/// `call` name `name_end` (`key` key `key_end` `value` value `value_end`)… `call_end`. What is between
/// `key_end` and `value` is skipped.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tagged {
    /// What each call begins with; empty if it is what the calls begin with.
    pub(super) call: &'static str,
    /// What ends a name.
    pub(super) name_end: &'static [&'static str],
    pub(super) key: &'static str,
    pub(super) key_end: &'static str,
    /// What a value begins with; empty if it begins where the key ends.
    pub(super) value: &'static str,
    pub(super) value_end: &'static str,
    /// What ends a call.
    pub(super) call_end: &'static str,
    /// Whether a key's tag says if its value is a text.
    pub(super) typed: bool,
}

/// What a template has that writes calls as `{"name": .., "arguments": ..}` in tags.
const HERMES: Format = Format {
    name: "hermes",
    begins: &["<tool_call>"],
    bare: None,
    shape: Shape::Json(Spelling { around: "\n", ..OBJECT }),
    ends: &["</tool_call>"],
    evidence: &[&["<tool_call>"]],
};

/// Every form. Where several fit a template the first is taken, so special ones come first.
pub(super) const FORMATS: &[Format] = &[
    Format {
        name: "deepseek_v3_2",
        begins: &["<｜DSML｜function_calls>", "<｜DSML｜tool_calls>"],
        bare: None,
        shape: Shape::Tagged(Tagged {
            call: "<｜DSML｜invoke name=\"",
            name_end: &["\">"],
            key: "<｜DSML｜parameter name=\"",
            key_end: "\"",
            value: ">",
            value_end: "</｜DSML｜parameter>",
            call_end: "</｜DSML｜invoke>",
            typed: true,
        }),
        ends: &["</｜DSML｜function_calls>", "</｜DSML｜tool_calls>"],
        evidence: &[&["｜DSML｜"]],
    },
    Format {
        name: "deepseek_v3_1",
        begins: &["<｜tool▁calls▁begin｜>"],
        bare: None,
        shape: Shape::Named(Named {
            before: "<｜tool▁call▁begin｜>",
            prefixes: &[],
            after: &["<｜tool▁sep｜>"],
            ends: &["<｜tool▁call▁end｜>"],
            written: ["<｜tool▁call▁begin｜>", "<｜tool▁sep｜>", "<｜tool▁call▁end｜>"],
        }),
        ends: &["<｜tool▁calls▁end｜>"],
        // V3 writes the call's type and a fence around the arguments.
        evidence: &[&["tool▁calls▁begin", "'<｜tool▁call▁begin｜>'+ tool['function']['name']"]],
    },
    Format {
        name: "deepseek_v3",
        begins: &["<｜tool▁calls▁begin｜>"],
        bare: None,
        shape: Shape::Named(Named {
            before: "<｜tool▁call▁begin｜>",
            prefixes: &["function<｜tool▁sep｜>"],
            after: &["\n", "<｜tool▁sep｜>"],
            ends: &["```<｜tool▁call▁end｜>", "<｜tool▁call▁end｜>"],
            written: [
                "<｜tool▁call▁begin｜>function<｜tool▁sep｜>",
                "\n```json\n",
                "\n```<｜tool▁call▁end｜>",
            ],
        }),
        ends: &["<｜tool▁calls▁end｜>"],
        evidence: &[&["tool▁calls▁begin"]],
    },
    Format {
        name: "kimi_k2",
        begins: &["<|tool_calls_section_begin|>"],
        bare: None,
        shape: Shape::Named(Named {
            before: "<|tool_call_begin|>",
            prefixes: &["functions."],
            after: &[":"],
            ends: &["<|tool_call_end|>"],
            written: [
                "<|tool_call_begin|>functions.",
                ":0<|tool_call_argument_begin|>",
                "<|tool_call_end|>",
            ],
        }),
        ends: &["<|tool_calls_section_end|>"],
        evidence: &[&["<|tool_calls_section_begin|>"]],
    },
    Format {
        name: "minimax_m2",
        begins: &["<minimax:tool_call>"],
        bare: None,
        shape: Shape::Tagged(Tagged {
            call: "<invoke name=\"",
            name_end: &["\">"],
            key: "<parameter name=\"",
            key_end: "\">",
            value: "",
            value_end: "</parameter>",
            call_end: "</invoke>",
            typed: false,
        }),
        ends: &["</minimax:tool_call>"],
        evidence: &[&["minimax:tool_call"]],
    },
    Format {
        name: "seed_oss",
        begins: &["<seed:tool_call>"],
        bare: None,
        shape: Shape::Tagged(FUNCTION_TAGS),
        ends: &["</seed:tool_call>"],
        evidence: &[&["seed:tool_call"]],
    },
    Format {
        name: "qwen3_coder",
        begins: &["<tool_call>", "<function="],
        bare: None,
        shape: Shape::Tagged(FUNCTION_TAGS),
        ends: &["</tool_call>"],
        evidence: &[&["<tool_call>", "<function=", "<parameter="]],
    },
    Format {
        name: "glm45",
        begins: &["<tool_call>"],
        bare: None,
        shape: Shape::Tagged(Tagged {
            call: "",
            name_end: &["\n", "<arg_key>", "</tool_call>"],
            key: "<arg_key>",
            key_end: "</arg_key>",
            value: "<arg_value>",
            value_end: "</arg_value>",
            call_end: "</tool_call>",
            typed: false,
        }),
        ends: &[],
        evidence: &[&["<tool_call>", "<arg_key>"]],
    },
    HERMES,
    Format {
        name: "mistral_args",
        begins: &["[TOOL_CALLS]"],
        bare: None,
        shape: Shape::NamedOrJson(MISTRAL_NAMED),
        ends: &[],
        evidence: &[&["[TOOL_CALLS]", "[ARGS]"]],
    },
    Format {
        name: "mistral",
        begins: &["[TOOL_CALLS]"],
        bare: None,
        shape: Shape::Json(LIST),
        ends: &[],
        evidence: &[&["[TOOL_CALLS]"]],
    },
    Format {
        name: "command_r7b",
        begins: &["<|START_ACTION|>"],
        bare: None,
        shape: Shape::Json(Spelling {
            name: "{\"tool_call_id\": \"0\", \"tool_name\": \"",
            in_list: true,
            ..PARAMETERS
        }),
        ends: &["<|END_ACTION|>"],
        evidence: &[&["<|START_ACTION|>"]],
    },
    Format {
        name: "nemotron",
        begins: &["<TOOLCALL>"],
        bare: None,
        shape: Shape::Json(LIST),
        ends: &["</TOOLCALL>"],
        evidence: &[&["<TOOLCALL>"]],
    },
    Format {
        name: "jamba",
        begins: &["<tool_calls>"],
        bare: None,
        shape: Shape::Json(LIST),
        ends: &["</tool_calls>"],
        evidence: &[&["<tool_calls>"]],
    },
    Format {
        name: "granite",
        begins: &["<|tool_call|>", "<tool_call>"],
        bare: None,
        shape: Shape::Json(LIST),
        ends: &["<|/tool_call|>", "</tool_call>"],
        evidence: &[&["<|tool_call|>"]],
    },
    Format {
        name: "functools",
        begins: &["functools"],
        bare: None,
        shape: Shape::Json(LIST),
        ends: &[],
        evidence: &[&["functools["]],
    },
    Format {
        name: "internlm",
        begins: &["<|action_start|><|plugin|>"],
        bare: None,
        shape: Shape::Json(PARAMETERS),
        ends: &["<|action_end|>"],
        evidence: &[&["<|action_start|>"]],
    },
    Format {
        name: "functionary",
        begins: &["<function="],
        bare: None,
        shape: Shape::Named(Named {
            before: "",
            prefixes: &[],
            after: &[">"],
            ends: &["</function>"],
            written: ["", ">", "</function>"],
        }),
        ends: &[],
        evidence: &[&["<function="]],
    },
    Format {
        name: "lfm2",
        begins: &["<|tool_call_start|>"],
        bare: None,
        shape: Shape::Python,
        ends: &["<|tool_call_end|>"],
        evidence: &[&["<|tool_call_start|>"], &["<|tool_list_start|>"]],
    },
    Format {
        name: "pythonic",
        begins: &["<|python_start|>"],
        bare: Some('['),
        shape: Shape::Python,
        ends: &["<|python_end|>"],
        evidence: &[&["<|python_start|>"], &["[func_name1(params_name1="]],
    },
    Format {
        name: "llama3_json",
        begins: &["<|python_tag|>"],
        bare: Some('{'),
        shape: Shape::Json(PARAMETERS),
        ends: &[],
        evidence: &[&["<|python_tag|>"], &["<|eom_id|>"], &["\"parameters\": dictionary"]],
    },
    Format {
        name: "json",
        begins: &[],
        bare: Some('{'),
        shape: Shape::Json(OBJECT),
        ends: &[],
        evidence: &[],
    },
];

const MISTRAL_NAMED: Named = Named {
    before: "",
    prefixes: &[],
    after: &["[ARGS]", "[CALL_ID]"],
    ends: &[],
    written: ["", "[ARGS]", ""],
};

const OBJECT: Spelling = Spelling {
    name: "{\"name\": \"",
    arguments: "\", \"arguments\": ",
    in_list: false,
    around: "",
};
const LIST: Spelling = Spelling { in_list: true, ..OBJECT };
const PARAMETERS: Spelling = Spelling { arguments: "\", \"parameters\": ", ..OBJECT };

/// `<function=name><parameter=key>value</parameter></function>`.
const FUNCTION_TAGS: Tagged = Tagged {
    call: "<function=",
    name_end: &[">"],
    key: "<parameter=",
    key_end: ">",
    value: "",
    value_end: "</parameter>",
    call_end: "</function>",
    typed: false,
};

impl Format {
    /// The form of models whose template knows nothing of tools: that which most models are
    /// trained on, told in the system message.
    pub(crate) fn generic() -> &'static Format {
        FORMATS.iter().find(|format| format.name == HERMES.name).expect("it is one of them")
    }

    /// The form of this name.
    pub(crate) fn named(name: &str) -> Option<&'static Format> {
        FORMATS.iter().find(|format| format.name == name)
    }

    /// The form that a chat template writes, if it writes any that is known here.
    pub(crate) fn find(template: &str) -> Option<&'static Format> {
        let fits = |format: &&Format| {
            format.evidence.iter().any(|all| all.iter().all(|text| template.contains(text)))
        };
        FORMATS.iter().find(fits)
    }

    /// Every name, for an error that lists them.
    pub(crate) fn names() -> impl Iterator<Item = &'static str> {
        FORMATS.iter().map(|format| format.name)
    }

    /// Whether templates of the form take ids of nine letters and digits only.
    pub(crate) fn has_short_ids(&self) -> bool {
        self.name.starts_with("mistral")
    }

    /// The texts that are part of the form: where they are control tokens, the answer's text must
    /// show them.
    pub(crate) fn markers(&self) -> Vec<&'static str> {
        let mut markers: Vec<&str> = [self.begins, self.ends].concat();
        match &self.shape {
            Shape::Json(_) | Shape::Python => {}
            Shape::Named(named) | Shape::NamedOrJson(named) => {
                markers.push(named.before);
                markers.extend([named.prefixes, named.after, named.ends].concat());
                markers.extend(named.written);
            }
            Shape::Tagged(tagged) => markers.extend([tagged.key, tagged.value_end]),
        }
        markers.retain(|marker| !marker.is_empty());
        markers
    }
}
