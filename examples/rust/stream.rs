//! An answer as it comes: a stream is a blocking iterator that ends with exactly one terminal
//! event.
//!
//! `cargo run -p indwell-examples --bin example-stream [MODEL]`

use std::io::{self, Write};

use indwell::{Engine, Event};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let model = std::env::args().nth(1).unwrap_or_else(|| "smollm2-135m".to_owned());
    let engine = Engine::builder(model).build()?;

    let stream = engine
        .chat("Write a short poem about the sea.")
        .max_tokens(48)
        // Without these, answers are greedy: the likeliest token each time.
        .temperature(0.8)
        .top_p(0.95)
        .seed(42)
        .stream()?;

    for event in stream {
        match event {
            Event::Text(delta) => {
                print!("{}", delta.text);
                io::stdout().flush()?;
            }
            Event::Finished(finished) => println!(
                "\n[{} after {} tokens]",
                finished.reason.as_str(),
                finished.usage.completion_tokens
            ),
            Event::Failed(error) => return Err(error.into()),
            _ => println!("\n[cancelled]"),
        }
    }
    Ok(())
}
