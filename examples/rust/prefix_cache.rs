//! Instructions that many questions share are computed once, and kept at hand.
//!
//! `cargo run -p indwell-examples --bin example-prefix-cache [MODEL]`

use indwell::{Engine, Result, system, user};

const RULES: &str = "Answer in one short sentence. Be friendly, and say so where you do not know. ";

fn main() -> Result<()> {
    let model = std::env::args().nth(1).unwrap_or_else(|| "smollm2-135m".to_owned());
    let engine = Engine::builder(model).build()?;
    let instructions = system(format!("You are the guide of a llama farm. {}", RULES.repeat(16)));

    // Computed now, so that the first question finds it, and kept until the handle is dropped.
    let prefix = engine.cache_prefix([instructions.clone()]).run()?;
    println!("{} tokens are kept", prefix.tokens());
    for question in ["What do llamas eat?", "How old do they get?"] {
        let messages = [instructions.clone(), user(question)];
        let reply = engine.chat(messages).max_tokens(24).run()?;
        let (usage, ttft) = (reply.usage, reply.timings.ttft_ms);
        let tier = usage.cache.map_or("nowhere", |tier| tier.as_str());
        println!(
            "{question} {} of {} prompt tokens cached ({tier}), first token after {ttft:.0} ms",
            usage.cached_tokens, usage.prompt_tokens
        );
    }
    prefix.unpin();

    // Somebody else's salt shares nothing with these.
    let other = engine.complete("Llamas are").max_tokens(4).cache_salt("another tenant").run()?;
    println!("another tenant: {} cached", other.usage.cached_tokens);

    println!("hit rate {:.2}", engine.stats()?.prefix_cache_hit_rate());
    let caches = engine.caches()?;
    for (name, tier) in
        [("resident", caches.resident), ("host", caches.host), ("disk", caches.disk)]
    {
        println!("{name}: {} tokens, {} of {} bytes", tier.tokens, tier.bytes, tier.capacity_bytes);
    }
    Ok(())
}
