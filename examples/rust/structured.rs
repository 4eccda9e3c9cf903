//! Answers that have a form: JSON by a schema, one of several texts, a regular expression, a grammar.
//!
//! `cargo run -p indwell-examples --bin example-structured [MODEL]`

use indwell::{Engine, ErrorKind};
use serde_json::{Value, json};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let model = std::env::args().nth(1).unwrap_or_else(|| "smollm2-135m".to_owned());
    let engine = Engine::builder(model).context_tokens(4096).build()?;

    let schema = json!({
        "type": "object",
        "properties": {
            "city": {"type": "string", "maxLength": 20},
            "country": {"type": "string", "maxLength": 20},
            "is_a_capital": {"type": "boolean"},
        },
        "required": ["city", "country", "is_a_capital"],
        "additionalProperties": false,
    });
    let reply = engine.chat("Tell me about Paris.").json_schema(schema).max_tokens(128).run()?;
    let city: Value = serde_json::from_str(&reply.text)?;
    println!("schema: {} in {}", city["city"], city["country"]);

    let reply = engine.chat("Is Paris in France?").choice(["yes", "no"]).run()?;
    println!("choice: {}", reply.text);

    let reply = engine.chat("When was the moon landing?").regex(r"\d{4}-\d{2}-\d{2}").run()?;
    println!("regex: {}", reply.text);

    let list = "root ::= item{3}\nitem ::= \"- \" [a-z ]{3,12} \"\\n\"\n";
    let reply = engine.chat("List three animals.").gbnf(list).run()?;
    println!("gbnf: {} lines", reply.text.lines().count());

    // What can't be promised is refused before anything is computed.
    let refused = engine.chat("Hello").json_schema(json!({"not": {"type": "string"}})).run();
    match refused {
        Err(error) if error.kind() == ErrorKind::InvalidRequest => println!("refused: {error}"),
        other => println!("not refused: {other:?}"),
    }
    Ok(())
}
