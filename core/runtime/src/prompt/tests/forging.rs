//! Nobody but a template writes control tokens: every special token of every model at hand, in
//! every place that a caller can fill.

use std::any::Any;
use std::path::Path;
use std::sync::Arc;

use indwell_kernel::Token;
use indwell_llama::Model;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{default_model, load};
use crate::model::LocalModel;
use crate::prompt::{ChatEnd, Conversation, Prompter};
use crate::{Message, Role, Tool, ToolCall, user};

/// Shows everything that a template can see, each as it is and turned in the ways that templates do.
const SHOWS_ALL: &str = r#"
{%- macro turned(x) -%}
    {{ x }}|{{ x | trim }}|{{ x.strip() }}|{{ x | tojson }}|{{ x | string }}|{{ x[0:2] ~ x[2:] }}|
    {{- x.split('|') | join('|') }}|{{ x.replace(' ', '') }}|{{ x | upper | lower }}|{{ x | lower }}|
    {{- '%s' % x }}|{{ '{}'.format(x) }}|{{ x | reverse | reverse }}|{{ x | list | join }}|{{ [x] }}|
    {{- x | safe }}|{{ x.split('</think>')[-1] }}|{{ x | indent }}|{{ (x ~ x)[:x | length] }}
{%- endmacro -%}
{%- for message in messages -%}
    {{- turned(message.content) }}{{ turned(message.name or '') }}
    {{- turned(message.reasoning_content or '') }}{{ turned(message.tool_call_id or '') }}
    {%- for call in message.tool_calls or [] -%}
        {{- turned(call.id) }}{{ turned(call.function.name) }}
        {%- if call.function.arguments is mapping -%}
            {%- for key, value in call.function.arguments.items() -%}
                {{- turned(key) }}{{ turned(value) }}
            {%- endfor -%}
        {%- endif -%}
        {{- call | tojson }}
    {%- endfor -%}
    {{- message | tojson }}{{ message }}
{%- endfor -%}
{%- for tool in tools or [] -%}
    {{- turned(tool.function.name) }}{{ turned(tool.function.description) }}{{ tool | tojson(indent=2) }}
    {{- tool }}
{%- endfor -%}
{%- for document in documents or [] -%}
    {%- for key, value in document.items() -%}{{ turned(key) }}{{ turned(value) }}{%- endfor -%}
{%- endfor -%}
{{- turned(extra or '') }}{{ deep | default({}) | tojson }}
"#;

/// The models at hand: the default one, those that the environment names, and those that stand
/// beside the checkout.
fn models() -> Vec<Arc<Model>> {
    let mut models = vec![default_model()];
    if let Some(path) = std::env::var_os("INDWELL_TEST_SWA_MODEL") {
        models.push(load(Path::new(&path)));
    }
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/models");
    for name in ["stories260K.gguf", "stories15M-f16.gguf"] {
        let path = shared.join(name);
        if path.exists() {
            models.push(load(&path));
        }
    }
    models
}

/// A text in one of the places that a caller can fill.
struct Chat {
    messages: Vec<Message>,
    tools: Vec<Tool>,
    documents: Vec<Value>,
    args: Vec<(String, Value)>,
    end: ChatEnd,
}

impl Chat {
    fn of(message: Message) -> Self {
        let end = ChatEnd::AnswerBegins;
        Self { messages: vec![message], tools: vec![], documents: vec![], args: vec![], end }
    }

    fn conversation(&self) -> Conversation<'_> {
        Conversation {
            messages: &self.messages,
            tools: &self.tools,
            documents: &self.documents,
            template_args: &self.args,
            end: self.end,
        }
    }
}

/// Every place, with its name.
fn places(text: &str) -> Vec<(&'static str, Chat)> {
    let plain = || user("x");
    let call = |id: &str, name: &str, arguments: String| {
        let (id, name) = (id.to_owned(), name.to_owned());
        Chat::of(Message::new(Role::Assistant, "x").tool_calls([ToolCall { id, name, arguments }]))
    };
    let tool = |tool: Tool| Chat { tools: vec![tool], ..Chat::of(plain()) };
    let document = |document: Value| Chat { documents: vec![document], ..Chat::of(plain()) };
    let arg = |name: &str, value: Value| Chat {
        args: vec![(name.to_owned(), value)],
        ..Chat::of(plain())
    };
    let keyed = |value: Value| {
        let mut object = serde_json::Map::new();
        object.insert(text.to_owned(), value);
        Value::Object(object)
    };
    vec![
        ("system", Chat::of(Message::new(Role::System, text))),
        ("user", Chat::of(Message::new(Role::User, text))),
        ("assistant", Chat::of(Message::new(Role::Assistant, text))),
        ("tool", Chat::of(Message::new(Role::Tool, text))),
        ("name", Chat::of(plain().name(text))),
        ("reasoning", Chat::of(Message::new(Role::Assistant, "x").reasoning(text))),
        ("tool_call_id", Chat::of(Message::new(Role::Tool, "x").tool_call_id(text))),
        ("call id", call(text, "f", "{}".to_owned())),
        ("call name", call("1", text, "{}".to_owned())),
        ("call argument", call("1", "f", json!({ "a": text }).to_string())),
        ("call argument's name", call("1", "f", keyed(json!("a")).to_string())),
        ("call arguments, no JSON", call("1", "f", text.to_owned())),
        ("tool name", tool(Tool::new(text, json!({})).description("d"))),
        ("tool description", tool(Tool::new("f", json!({})).description(text))),
        ("tool parameters", tool(Tool::new("f", json!({ "enum": [text] })).description("d"))),
        ("tool parameter's name", tool(Tool::new("f", keyed(json!({}))).description("d"))),
        ("document", document(json!({ "text": text }))),
        ("document's key", document(keyed(json!("t")))),
        ("template argument", arg("extra", json!(text))),
        ("template argument, deep", arg("deep", json!({ "a": [{ "b": text }] }))),
        ("template argument's key", arg("deep", keyed(json!(1)))),
        ("token for the beginning", arg("bos_token", json!(text))),
        (
            "message that goes on",
            Chat {
                end: ChatEnd::InLastMessage,
                ..Chat::of(Message::new(Role::Assistant, format!("{text}.")))
            },
        ),
    ]
}

fn local(model: &Arc<Model>) -> Arc<LocalModel> {
    LocalModel::new(Arc::clone(model))
}

/// How many of a prompt's tokens only a template may write.
fn special_tokens(prompter: &Prompter, chat: &Conversation<'_>) -> Vec<Token> {
    let prompt = prompter.chat(chat).expect("a prompt");
    let model: &dyn Any = &*prompter.model;
    let model = model.downcast_ref::<LocalModel>().expect("a model of this process");
    let vocabulary = model.model().vocabulary();
    prompt.tokens.into_iter().filter(|token| vocabulary.is_control(*token)).collect()
}

/// Against the same chat with a harmless text in the same place.
fn check(prompter: &Prompter, text: &str) -> usize {
    let pairs = places(text).into_iter().zip(places("harmless"));
    pairs
        .map(|((place, chat), (_, plain))| {
            let forged = special_tokens(prompter, &chat.conversation());
            let own = special_tokens(prompter, &plain.conversation());
            assert_eq!(
                forged,
                own,
                "{text:?} in the place {place:?} of {}",
                prompter.model.facts().name
            );
        })
        .count()
}

#[test]
fn no_special_token_of_any_model_can_be_written_in_any_place() {
    let mut checked = 0;
    for model in models() {
        let vocabulary = model.vocabulary();
        let literals = vocabulary.control_literals();
        assert!(!literals.is_empty(), "{} has control tokens", model.name());
        let mut prompters =
            vec![Prompter::new(local(&model), 1 << 20, Some(SHOWS_ALL.to_owned())).expect("one")];
        if model.chat_template().is_some() {
            prompters.push(Prompter::new(local(&model), 1 << 20, None).expect("its own"));
        }
        // Vocabularies like Gemma's have thousands that are named by a number alone.
        let literals = literals.iter().filter(|text| !is_one_of_many(text));
        for literal in literals {
            for prompter in &prompters {
                checked += check(prompter, literal);
            }
        }
    }
    println!("{checked} literals in places, none became a token");
}

/// `<unused17>` and the like, of which the first few stand for all.
fn is_one_of_many(literal: &str) -> bool {
    let digits: String = literal.chars().filter(char::is_ascii_digit).collect();
    digits.parse::<u32>().is_ok_and(|number| number > 3)
}

#[test]
fn literals_that_are_put_together_by_a_template_from_what_callers_gave_are_text() {
    let model = default_model();
    for (source, content) in [
        ("{{ messages[0].content.replace(' ', '') }}", "<|im_ end|>"),
        ("{{ messages[0].content | lower }}", "<|IM_END|>"),
        ("{{ messages[0].content | reverse }}", ">|dne_mi|<"),
        ("{{ messages[0].content | map('replace', 'x', '') | join }}", "<x|xixmx_xexnxdx|x>"),
        ("{{ '<|' ~ messages[0].content ~ '|>' }}", "im_end"),
        ("{{ '<|im_' ~ messages[0].content }}", "end|>"),
        ("{{ messages[0].content }}{{ '|im_end|>' }}", "<"),
        ("{% for c in messages[0].content %}{{ c }}{% endfor %}", "<|im_end|>"),
        ("{{ messages[0].content.split(',') | join }}", "<|im,_end|>"),
        ("{{ '%s%s' % (messages[0].content[:4], messages[0].content[5:]) }}", "<|im*_end|>"),
        ("{{ (messages[0].content | tojson)[1:-1] }}", "<|im_end|>"),
        ("{{ messages[0].content | title | lower }}", "<|im_end|>"),
        (
            "{% set ns = namespace(a='') %}{% for c in messages[0].content | list %}{% set ns.a = ns.a + c %}{% endfor %}{{ ns.a }}",
            "<|im_end|>",
        ),
        ("{{ {messages[0].content: 1} | items | first | first }}", "<|im_end|>"),
        ("{{ dict.fromkeys([messages[0].content]).keys() | first }}", "<|im_end|>"),
        ("{{ messages[0].content.format(a='<|im_end|>'[5:]) }}", "<|im_{a}"),
        ("{{ messages[0].content % '<|im_end|>'[5:] }}", "<|im_%s"),
        ("{% filter trim %}{{ messages[0].content }}{% endfilter %}", " <|im_end|> "),
    ] {
        let prompter = Prompter::new(local(&model), 2048, Some(source.to_owned()));
        let prompter = prompter.expect("a prompter");
        let messages = [user(content)];
        let chat = Conversation::of(&messages, ChatEnd::AnswerBegins);
        assert_eq!(special_tokens(&prompter, &chat), [], "{source}");
    }
}

#[test]
fn what_the_template_writes_becomes_tokens_however_it_writes_it() {
    let model = default_model();
    for source in [
        "<|im_end|>",
        "{{ '<|im_end|>' }}",
        "{{ '<|im_' ~ 'end|>' }}",
        "{{ '<|' ~ 'IM_END' | lower ~ '|>' }}",
        "{{ eos_token }}",
        "{% set x = '<|im_start|>' %}{{ x.replace('start', 'end') }}",
        "{{ ' <|im_end|> '.strip() }}",
        "{{ ['<|im_end|>'] | first }}",
        "{% macro m() %}<|im_end|>{% endmacro %}{{ m() }}",
        "{{ '<|im_%s|>' % 'end' }}",
    ] {
        let prompter = Prompter::new(local(&model), 2048, Some(source.to_owned()));
        let prompter = prompter.expect("a prompter");
        let messages = [user("<|im_end|>")];
        let chat = Conversation::of(&messages, ChatEnd::AnswerBegins);
        assert_eq!(special_tokens(&prompter, &chat).len(), 1, "{source}");
    }
}

#[test]
fn a_role_is_the_templates_and_a_name_like_it_is_not() {
    let source = "{% for m in messages %}{{ '<|im_' ~ m.role ~ '|>' }}{{ m.name }}{% endfor %}";
    let prompter = Prompter::new(LocalModel::new(default_model()), 2048, Some(source.to_owned()))
        .expect("one");
    let messages = [user("").name("<|im_start|>")];
    let chat = Conversation::of(&messages, ChatEnd::AnswerBegins);
    assert_eq!(special_tokens(&prompter, &chat), []);
}

#[test]
fn templates_find_their_literals_in_what_callers_gave() {
    let source = "{{ messages[0].content.split('</think>')[-1] }}\
                  {{ '<|im_end|>' in messages[0].content }}{{ messages[0].content[0] == '<' }}\
                  {{ messages[0].content.startswith('<|im_end|>') }}";
    let prompter = Prompter::new(LocalModel::new(default_model()), 2048, Some(source.to_owned()))
        .expect("one");
    let messages = [user("<|im_end|></think>after")];
    let chat = Conversation::of(&messages, ChatEnd::AnswerBegins);
    let mut text = Vec::new();
    for token in prompter.chat(&chat).expect("a prompt").tokens {
        prompter.append_piece(token, &mut text);
    }
    assert_eq!(String::from_utf8_lossy(&text), "afterTrueTrueTrue");
}

#[test]
fn text_that_is_cut_is_the_same_text() {
    for model in models() {
        let source = "{{ messages[0].content }}".to_owned();
        let prompter = Prompter::new(local(&model), 1 << 16, Some(source)).expect("one");
        let vocabulary = model.vocabulary();
        for literal in vocabulary.control_literals().iter().filter(|text| !is_one_of_many(text)) {
            let content = format!("a {literal} b{literal}{literal}c");
            let messages = [user(content.clone())];
            let chat = Conversation::of(&messages, ChatEnd::AnswerBegins);
            let mut text = Vec::new();
            for token in prompter.chat(&chat).expect("a prompt").tokens {
                prompter.append_piece(token, &mut text);
            }
            let text = String::from_utf8_lossy(&text).into_owned();
            assert_eq!(text.trim_start(), content, "{}", model.name());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever callers write of the pieces that literals are made of, with spaces that templates
    /// trim and letters that they turn, no token comes of it.
    #[test]
    fn no_text_of_a_callers_becomes_a_token(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                "<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|", "|>", "im_", "start", "end", " ", "\n",
                "</think>", "<|IM_END|>", "|", "<", ">", "é", "\"", "\\", "{", "%s",
            ]),
            0..12,
        ),
    ) {
        thread_local! {
            static PROMPTER: Prompter = Prompter::new(
                LocalModel::new(default_model()), 1 << 20, Some(SHOWS_ALL.to_owned()),
            ).expect("one");
        }
        let text = parts.concat();
        PROMPTER.with(|prompter| check(prompter, &text));
    }
}
