//! The same question is answered once; a question that means the same may be, if you say so.
//!
//! `cargo run -p indwell-examples --bin example-response-cache [MODEL]`

use std::collections::HashMap;

use indwell::{CacheMode, CompletionRequest, Engine, Result, Semantic};

fn main() -> Result<()> {
    let model = std::env::args().nth(1).unwrap_or_else(|| "smollm2-135m".to_owned());
    let engine = Engine::builder(model).build()?;
    let ask = |question: &str| engine.complete(question).max_tokens(16);

    println!("{}", told(ask("Llamas live in"))?);
    println!("{}", told(ask("Llamas live in"))?);
    println!("{}", told(ask("Llamas live in").cache(CacheMode::Refresh))?);

    // Eight callers at once: one computation, eight streams.
    let streams: Result<Vec<_>> = (0..8).map(|_| ask("Alpacas live in").stream()).collect();
    for stream in streams? {
        stream.reply()?;
    }
    println!("{} of 8 shared a computation", engine.caches()?.response.shared);

    // An answer to a question that means the same, where a verifier agrees.
    let semantic = || Semantic::new(0.5, |text| Ok(letters(text)), |asked| Ok(same_words(asked)));
    told(ask("Where do vicuñas live? They live in").semantic(semantic()))?;
    println!("{}", told(ask("where do vicuñas live?? they live in").semantic(semantic()))?);

    println!("{} answers are forgotten", engine.invalidate_responses()?);
    println!("hit rate {:.2}", engine.stats()?.response_cache_hit_rate());
    Ok(())
}

fn told(request: CompletionRequest) -> Result<String> {
    let reply = request.run()?;
    let from = reply.usage.cache.map_or("computed", |tier| tier.as_str());
    Ok(format!("{from} in {:.2} ms:{}", reply.timings.total_ms, reply.text.replace('\n', " ")))
}

/// A simple embedding: how often each letter and pair of letters occurs. Yours is a model's.
fn letters(text: &str) -> Vec<f32> {
    const DIMENSIONS: usize = 256;
    let letters: Vec<char> = text.to_lowercase().chars().filter(|c| c.is_alphabetic()).collect();
    let mut vector = vec![0.0; DIMENSIONS];
    for pair in letters.windows(2) {
        vector[(pair[0] as usize * 31 + pair[1] as usize) % DIMENSIONS] += 1.0;
    }
    vector
}

/// The verifier reads both questions. This one wants the same words, whatever their case.
fn same_words(question: &indwell::SemanticMatch) -> bool {
    let count = |text: &str| {
        let mut words = HashMap::new();
        for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
            *words.entry(word.to_lowercase()).or_insert(0) += 1;
        }
        words
    };
    count(&question.asked) == count(&question.found)
}
