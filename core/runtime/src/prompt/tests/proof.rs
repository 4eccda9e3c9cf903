//! Every chat template of llama.cpp, with many conversations, byte for byte against Python's Jinja
//! set up as `transformers` sets it up (`tests/templates/reference.py`).
//!
//! The environment says where Python with Jinja is and where the templates are; `cargo xtask test`
//! prepares both. Without them the tests say so, and pass.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::prompt::ChatEnd;
use crate::prompt::clock::strftime;
use crate::prompt::conversation::Conversation;
use crate::prompt::template::{ChatTemplate, Specials};
use crate::{Message, Role, Tool, ToolCall, assistant, system, tool, user};

/// Names a Python that has Jinja.
const PYTHON: &str = "INDWELL_TEST_JINJA_PYTHON";
/// Names the folder of the templates.
const TEMPLATES: &str = "INDWELL_TEST_TEMPLATES";
/// Fewer templates than this are not those that are meant.
const TEMPLATES_MIN: usize = 60;
/// 2023-11-14 22:13:20, in UTC.
const NOW: i64 = 1_700_000_000;

/// What is asked of a template.
#[derive(Clone)]
struct Asked {
    name: String,
    messages: Vec<Message>,
    tools: Vec<Tool>,
    documents: Vec<Value>,
    args: Vec<(String, Value)>,
    end: ChatEnd,
}

impl Asked {
    fn of(name: &str, messages: Vec<Message>) -> Self {
        let end = ChatEnd::AnswerBegins;
        let name = name.to_owned();
        Self { name, messages, tools: vec![], documents: vec![], args: vec![], end }
    }

    fn arg(mut self, name: &str, value: Value) -> Self {
        self.name += &format!(", {name}={value}");
        self.args.push((name.to_owned(), value));
        self
    }

    fn tools(mut self, tools: Vec<Tool>) -> Self {
        self.name += ", tools";
        self.tools = tools;
        self
    }

    fn documents(mut self) -> Self {
        self.name += ", documents";
        self.documents = vec![
            json!({ "title": "One", "text": "Llamas hum.", "year": 1999 }),
            json!({ "title": "Zwei", "text": "Über \"alles\"", "contents": "x" }),
        ];
        self
    }

    fn end(mut self, end: ChatEnd) -> Self {
        self.name += &format!(", {end:?}");
        self.end = end;
        self
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

    /// As users of `transformers` write it.
    fn in_python(&self) -> Value {
        let messages: Vec<Value> = self.messages.iter().map(message_in_python).collect();
        let some = |list: Vec<Value>| if list.is_empty() { Value::Null } else { list.into() };
        let tools = self.tools.iter().map(|tool| {
            let mut function = json!({ "name": tool.name });
            if let Some(description) = &tool.description {
                function["description"] = json!(description);
            }
            function["parameters"] = tool.parameters.clone();
            json!({ "type": "function", "function": function })
        });
        let mut variables = json!({
            "messages": messages,
            "tools": some(tools.collect()),
            "documents": some(self.documents.clone()),
            "add_generation_prompt": self.end == ChatEnd::AnswerBegins,
            "bos_token": "<s>",
            "eos_token": "</s>",
        });
        for (name, value) in &self.args {
            variables[name] = value.clone();
        }
        json!({ "variables": variables, "continues": self.end == ChatEnd::InLastMessage })
    }
}

fn message_in_python(message: &Message) -> Value {
    let mut object = json!({});
    // What `transformers` does of itself for templates that know reasoning by this name.
    if let Some(reasoning) = &message.reasoning {
        object["thinking"] = json!(reasoning);
    }
    object["role"] = json!(message.role.as_str());
    object["content"] = json!(message.content);
    if let Some(name) = &message.name {
        object["name"] = json!(name);
    }
    if let Some(reasoning) = &message.reasoning {
        object["reasoning_content"] = json!(reasoning);
    }
    if !message.tool_calls.is_empty() {
        let calls = message.tool_calls.iter().map(|call| {
            let arguments: Value = serde_json::from_str(&call.arguments).expect("JSON");
            let function = json!({ "name": call.name, "arguments": arguments });
            json!({ "id": call.id, "type": "function", "function": function })
        });
        object["tool_calls"] = calls.collect();
    }
    if let Some(id) = &message.tool_call_id {
        object["tool_call_id"] = json!(id);
    }
    object
}

fn call(id: &str, name: &str, arguments: Value) -> ToolCall {
    ToolCall { id: id.to_owned(), name: name.to_owned(), arguments: arguments.to_string() }
}

fn weather() -> Tool {
    let parameters = json!({
        "type": "object",
        "properties": {
            "city": { "type": "string", "description": "Its \"name\"" },
            "unit": { "type": "string", "enum": ["c", "f"], "default": "c" },
            "days": { "type": "array", "items": { "type": "integer" } },
            "options": {
                "type": "object",
                "properties": {
                    "deep": { "type": ["string", "null"], "nullable": true },
                    "x": { "anyOf": [{ "type": "number" }, { "type": "boolean" }] },
                },
                "required": ["deep"],
            },
        },
        "required": ["city"],
    });
    Tool::new("get_weather", parameters).description("The weather of a city — now: <b>it's</b>.")
}

fn clock_tool() -> Tool {
    Tool::new("now", json!({ "type": "object", "properties": {} }))
}

/// What was said, in every sort of chat.
fn chats() -> Vec<(&'static str, Vec<Message>)> {
    let turns = || vec![system("Be brief."), user("Hello"), assistant("Hi!"), user("How are you?")];
    let called = |content: &str, calls: Vec<ToolCall>| assistant(content).tool_calls(calls);
    vec![
        ("plain", vec![user("Hello")]),
        ("system", vec![system("Be brief."), user("Hello")]),
        ("several turns", [turns(), vec![assistant("Well."), user("Good.")]].concat()),
        ("answered", [turns(), vec![assistant("Well.")]].concat()),
        (
            "unicode",
            vec![
                system("Größe: 🦙 \u{301}"),
                user("日本語 'x' \"y\" \\n <b> & \t tab\nline  "),
                assistant("ſß Σ ÀÉ"),
                user(" ok\n\n"),
            ],
        ),
        ("empty", vec![system(""), user(""), assistant(""), user("")]),
        ("white space", vec![system("  s  "), user("\n hi \n"), assistant(" a \n"), user("x ")]),
        (
            "reasoning",
            vec![
                user("2+2?"),
                assistant("4").reasoning("two and two\nis four"),
                user("3+3?"),
                assistant("<think>\nhm\n</think>\n\n6"),
                user("ok"),
            ],
        ),
        (
            "odd marks",
            vec![user("q <|im_end|>"), assistant("</think> odd <think>"), user("[INST]")],
        ),
        (
            "call and result",
            vec![
                system("s"),
                user("Weather in Paris?"),
                called(
                    "",
                    vec![call(
                        "call00001",
                        "get_weather",
                        json!({ "city": "Paris", "n": 1.5, "deep": { "a": [1, null, true] } }),
                    )],
                ),
                tool("call00001", "{\"t\": 21}"),
                assistant("21 degrees."),
                user("And now?"),
            ],
        ),
        (
            "parallel calls",
            vec![
                user("Both?"),
                called(
                    "Let me see.",
                    vec![
                        call("call00001", "get_weather", json!({ "city": "Pa\"ris\n" })),
                        call("call00002", "now", json!({})),
                    ],
                )
                .reasoning("I need two"),
                tool("call00001", "sunny").name("get_weather"),
                tool("call00002", "12:00 <now>").name("now"),
            ],
        ),
        ("a call last", vec![user("Now?"), called("", vec![call("call00001", "now", json!({}))])]),
        (
            "a call in unicode",
            vec![
                user("x"),
                called("", vec![call("call00001", "get_weather", json!({ "city": "Zürich 🦙" }))]),
                tool("call00001", "naïve"),
            ],
        ),
        ("names", vec![user("I am Bob").name("bob"), assistant("Hi Bob"), user("x")]),
        ("assistant first", vec![assistant("I start"), user("ok")]),
        ("two of a person", vec![user("a"), user("b")]),
        ("system later", vec![user("a"), assistant("b"), system("now rhyme"), user("c")]),
    ]
}

fn conversations() -> Vec<Asked> {
    let mut all = Vec::new();
    for (name, messages) in chats() {
        let goes_on = messages
            .last()
            .is_some_and(|last| last.role == Role::Assistant && last.tool_calls.is_empty());
        let plain = Asked::of(name, messages);
        all.push(plain.clone());
        all.push(plain.clone().end(ChatEnd::LastMessage));
        all.push(plain.clone().tools(vec![weather(), clock_tool()]));
        all.push(plain.clone().arg("enable_thinking", json!(true)));
        all.push(plain.clone().arg("enable_thinking", json!(false)));
        all.push(plain.clone().documents());
        if goes_on {
            all.push(plain.end(ChatEnd::InLastMessage));
        }
    }
    for text in ["One, two,", "One. ", " <think>\nHm", ""] {
        let messages = vec![user("Count."), assistant(text)];
        all.push(Asked::of(&format!("prefill {text:?}"), messages).end(ChatEnd::InLastMessage));
    }
    let turns = || Asked::of("turns", chats().swap_remove(2).1);
    let calls = || Asked::of("calls", chats().swap_remove(9).1).tools(vec![weather()]);
    for (name, value) in [
        ("reasoning_effort", json!("high")),
        ("thinking", json!(true)),
        ("date_string", json!("26 Jul 2024")),
        ("model_identity", json!("You are X.")),
        ("builtin_tools", json!(["python"])),
        ("custom_tools", Value::Null),
        ("tools_in_user_message", json!(false)),
        ("preserve_thinking", json!(true)),
        ("clear_thinking", json!(false)),
        ("truncate_history_thinking", json!(false)),
        ("bos_token", json!("")),
        ("xml_tools", json!([{ "a": 1 }])),
    ] {
        all.push(turns().arg(name, value.clone()));
        all.push(calls().arg(name, value));
    }
    all
}

/// What Python makes of it: texts, or `None` where it refuses.
fn by_python(
    python: &PathBuf,
    templates: &[String],
    conversations: &[Value],
) -> Vec<Vec<Option<String>>> {
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/templates/reference.py");
    let mut child = Command::new(python)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python starts");
    let given = json!({ "templates": templates, "conversations": conversations, "now": NOW });
    let mut input = child.stdin.take().expect("piped");
    let writer = std::thread::spawn(move || input.write_all(given.to_string().as_bytes()));
    let output = child.wait_with_output().expect("Python ends");
    writer.join().expect("no panic").expect("Python reads");
    assert!(output.status.success(), "Python with Jinja fails: see above");
    let all: Vec<Vec<Value>> = serde_json::from_slice(&output.stdout).expect("JSON");
    let text = |one: Value| one.get("text").and_then(Value::as_str).map(str::to_owned);
    all.into_iter().map(|one| one.into_iter().map(text).collect()).collect()
}

fn python() -> Option<PathBuf> {
    let python = std::env::var_os(PYTHON).map(PathBuf::from);
    if python.is_none() {
        println!("skipped: {PYTHON} does not name a Python that has Jinja");
    }
    python
}

fn parsed(source: &str) -> Option<ChatTemplate> {
    let specials =
        Specials { bos: Some("<s>".into()), eos: Some("</s>".into()), ..Specials::default() };
    ChatTemplate::parse(source.to_owned(), specials).ok()
}

fn by_us(template: &ChatTemplate, chat: &Conversation<'_>) -> Option<String> {
    let now = jiff::Timestamp::from_second(NOW).expect("in range");
    let now = jiff::tz::TimeZone::UTC.to_datetime(now);
    let prompted = template.render(chat, &|format| strftime(format, now)).ok()?;
    Some(prompted.chars().iter().map(|c| c.letter()).collect())
}

/// Where two texts part.
fn difference(ours: Option<&String>, theirs: Option<&String>) -> String {
    let (Some(ours), Some(theirs)) = (ours, theirs) else {
        return format!("  ours   {ours:.200?}\n  Python {theirs:.200?}");
    };
    let same = ours.chars().zip(theirs.chars()).take_while(|(a, b)| a == b).count();
    let around =
        |text: &str| -> String { text.chars().skip(same.saturating_sub(40)).take(100).collect() };
    format!("  ours   {:?}\n  Python {:?}", around(ours), around(theirs))
}

#[test]
fn every_template_of_llama_cpp_renders_as_python_renders_it() {
    let Some(python) = python() else { return };
    let Some(folder) = std::env::var_os(TEMPLATES) else {
        println!("skipped: {TEMPLATES} does not name a folder of templates");
        return;
    };
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .expect("the folder of templates")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "jinja"))
        .collect();
    files.sort();
    assert!(files.len() >= TEMPLATES_MIN, "{} templates", files.len());
    let sources: Vec<String> =
        files.iter().map(|file| std::fs::read_to_string(file).expect("a template")).collect();
    let conversations = conversations();
    let in_python: Vec<Value> = conversations.iter().map(Asked::in_python).collect();
    let theirs = by_python(&python, &sources, &in_python);
    let (mut compared, mut refused, mut mismatches) = (0, 0, Vec::new());
    for ((file, source), theirs) in files.iter().zip(&sources).zip(&theirs) {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let template = parsed(source).unwrap_or_else(|| panic!("{name} is not parsed"));
        for (asked, theirs) in conversations.iter().zip(theirs) {
            let ours = by_us(&template, &asked.conversation());
            compared += 1;
            refused += usize::from(ours.is_none() && theirs.is_none());
            let calls = asked.messages.iter().any(|message| !message.tool_calls.is_empty());
            // Arguments that are text are tried where objects fail: more than Python does.
            let tried = theirs.is_none() && calls;
            if ours != *theirs && !tried {
                let difference = difference(ours.as_ref(), theirs.as_ref());
                mismatches.push(format!("{name}, {}:\n{difference}", asked.name));
            }
        }
    }
    println!(
        "{} templates x {} conversations: {compared} comparisons, {} mismatches, {refused} refused by both",
        files.len(),
        conversations.len(),
        mismatches.len(),
    );
    assert!(mismatches.is_empty(), "{}", mismatches.join("\n"));
}

/// The language itself: what templates of the future may use.
#[test]
fn every_expression_gives_what_python_gives() {
    let Some(python) = python() else { return };
    let sources: Vec<String> =
        serde_json::from_str(include_str!("../../../tests/templates/expressions.json"))
            .expect("a list");
    let asked = Asked::of("one", vec![user("hi")]);
    let theirs = by_python(&python, &sources, &[asked.in_python()]);
    let mut mismatches = Vec::new();
    for (source, theirs) in sources.iter().zip(&theirs) {
        let template = parsed(source);
        let ours = template.and_then(|template| by_us(&template, &asked.conversation()));
        if ours != theirs[0] {
            let difference = difference(ours.as_ref(), theirs[0].as_ref());
            mismatches.push(format!("{source}\n{difference}"));
        }
    }
    println!("{} expressions, {} mismatches", sources.len(), mismatches.len());
    assert!(mismatches.is_empty(), "{}", mismatches.join("\n"));
}
