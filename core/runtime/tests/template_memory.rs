//! Hostile chat templates, as callers meet them: the request fails by name, soon, and the process holds
//! no more memory than the bound allows. The engine goes on.
//!
//! A counting allocator is the whole process's: this file has one test.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use indwell::{Engine, ErrorKind};
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// What a template may hold, twice: vectors grow by doubling.
const BYTES_MAX: usize = 2 * (256 << 20) + (32 << 20);
/// Longer than any may take on a slow machine that is busy.
const TIME_MAX: Duration = Duration::from_secs(60);

fn model() -> PathBuf {
    std::env::var_os("INDWELL_TEST_MODEL").map_or_else(
        || indwell::pull("smollm2-135m", &|_| {}).expect("the default model"),
        Into::into,
    )
}

#[test]
fn hostile_templates_are_stopped_in_time_and_memory() {
    // One engine for all: the template does what the message says.
    let hostile = [
        (
            "loop",
            "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
            "steps",
        ),
        ("macro", "{{ f() }}", "levels of nesting"),
        ("times", "{{ 'x' * 10**9 }}", "bytes held"),
        ("list", "{{ [1] * 10**9 }}", "bytes held"),
        ("width", "{{ '%1000000000s' % 'x' }}", "bytes held"),
        ("center", "{{ 'x'.center(10**9) }}", "bytes held"),
        ("indent", "{{ [1] | tojson(indent=10**9) }}", "bytes held"),
        ("replace", "{{ ('a' * 10**5).replace('', 'b' * 10**5) }}", ""),
        ("join", "{{ (['a' * 10**5] * 10**5) | join }}", ""),
        (
            "double",
            "{% set n = namespace(s='x') %}{% for i in range(99) %}{% set n.s = n.s ~ n.s %}{% endfor %}",
            "bytes held",
        ),
        (
            "keep",
            "{% set n = namespace(l=[]) %}{% for i in range(99999) %}{% set n.l = n.l + ['x' * 9999] %}{% endfor %}",
            "",
        ),
        ("write", "{% for i in range(99999) %}{{ 'x' * 99999 }}{% endfor %}", ""),
        (
            "deep",
            "{% set n = namespace(l=[]) %}{% for i in range(99999) %}{% set n.l = [n.l] %}{% endfor %}",
            "values in each other",
        ),
    ];
    let branches: String =
        hostile.iter().map(|(name, body, _)| format!("{{% elif w == '{name}' %}}{body}")).collect();
    let template = format!(
        "{{% macro f() %}}{{{{ f() }}}}{{% endmacro %}}{{% set w = messages[-1].content %}}\
         {{% if w == 'plain' %}}hello{branches}{{% endif %}}"
    );
    let engine = Engine::builder(model())
        .context_tokens(256)
        .chat_template(template)
        .build()
        .expect("an engine");
    for (name, _, of) in hostile {
        ALLOCATOR.reset_peak_usage();
        let before = ALLOCATOR.current_usage();
        let started = Instant::now();
        let error = engine.chat(name).max_tokens(1).run().expect_err(name);
        let took = started.elapsed();
        let peak = ALLOCATOR.peak_usage().saturating_sub(before);
        println!("{name:>8}: {:>5} ms, {:>4} MiB, {error:.70}", took.as_millis(), peak >> 20);
        assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{name}: {error}");
        assert_eq!(error.details().field.as_deref(), Some("chat_template"), "{name}: {error}");
        let limit = error.details().limit.as_deref().unwrap_or_default();
        assert!(limit.contains(of), "{name}: {limit}");
        assert!(peak <= BYTES_MAX, "{name} held {peak} bytes");
        assert!(took < TIME_MAX, "{name} took {took:?}");
        let held = ALLOCATOR.current_usage().saturating_sub(before);
        assert!(held < 16 << 20, "{name} left {held} bytes behind");
    }
    let reply = engine.chat("plain").max_tokens(1).run().expect("the engine goes on");
    assert_eq!(reply.usage.completion_tokens, 1);
}
