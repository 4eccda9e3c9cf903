//! A tool: the model calls it, the program runs it, and the model answers with what it gave.
//!
//! `cargo run -p indwell-examples --bin example-tools [MODEL]`

use indwell::{Engine, Tool, ToolChoice, assistant, tool, user};
use serde_json::{Value, json};

fn main() -> indwell::Result<()> {
    let model = std::env::args().nth(1).unwrap_or_else(|| "smollm2-135m".to_owned());
    let engine = Engine::builder(model).build()?;

    let weather = Tool::new(
        "get_weather",
        json!({
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        }),
    )
    .description("Tells the weather in a city.");

    let mut messages = vec![user("What is the weather in Paris?")];
    let reply = engine
        .chat(messages.clone())
        .tools([weather.clone()])
        .tool_choice(ToolChoice::Required) // a small model might rather talk
        .parallel_tool_calls(false)
        .max_tokens(128)
        .run()?;
    println!("ended: {}", reply.finish_reason.as_str());

    messages.push(assistant(reply.text).tool_calls(reply.tool_calls.clone()));
    for call in &reply.tool_calls {
        println!("{} {}", call.name, call.arguments);
        // They fit the schema, so there is a city.
        let arguments: Value = serde_json::from_str(&call.arguments).unwrap_or_default();
        let result = json!({"city": arguments["city"], "weather": "sunny, 21 degrees"});
        messages.push(tool(call.id.as_str(), result.to_string()));
    }

    let reply = engine.chat(messages).tools([weather]).max_tokens(64).run()?;
    println!("{}", reply.text.trim());
    Ok(())
}
