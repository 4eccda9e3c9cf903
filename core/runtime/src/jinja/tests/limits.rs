//! What templates may cost: each hostile one is stopped by name, in time, without filling memory.

use std::time::{Duration, Instant};

use serde_json::json;

use super::*;
use crate::jinja::meter::{NESTING_MAX, STEPS_MAX, VALUE_DEPTH_MAX};

/// Longer than any of these may take on a slow machine that is busy.
const TIME_MAX: Duration = Duration::from_secs(120);

/// Renders on a thread with little stack: less than threads have by default anywhere we run.
fn on_little_stack(source: String) -> std::result::Result<usize, Failure> {
    let run = move || {
        rendered(&source, &json!({ "x": "given", "list": [1, 2, 3] }))
            .map(|rendered| rendered.text.chars().len())
    };
    let thread = std::thread::Builder::new().stack_size(256 << 10).spawn(run).expect("a thread");
    thread.join().expect("no overflow")
}

fn stopped(source: &str) -> Failure {
    let started = Instant::now();
    let failure = on_little_stack(source.to_owned()).expect_err(source);
    let took = started.elapsed();
    println!("{:>6} ms  {failure}  <- {:.60}", took.as_millis(), source);
    assert!(took < TIME_MAX, "{source} took {took:?}");
    failure
}

fn limit(source: &str) -> &'static str {
    match stopped(source) {
        Failure::Limit(limit) => limit.of,
        other => panic!("{source} was stopped by {other:?}, not by a limit"),
    }
}

#[test]
fn loops_without_end_are_stopped_by_their_steps() {
    let loops = "{% for a in range(100000) %}{% for b in range(100000) %}";
    let ends = "{% endfor %}{% endfor %}";
    for body in ["", "{% set y = b %}", "{{ '' }}", "{% if b == a %}{% endif %}"] {
        assert_eq!(limit(&format!("{loops}{body}{ends}")), "steps of a template");
    }
    let searches =
        "{% set s = 'ab' * 100000 %}{% for a in range(100000) %}{{ 'ba' * 99 in s }}{% endfor %}";
    assert_eq!(limit(searches), "steps of a template");
    let compares = "{% set s = [1] * 100000 %}{% for a in range(100000) %}{% if s == s[:] %}{% endif %}{% endfor %}";
    assert_eq!(limit(compares), "steps of a template");
}

#[test]
fn recursion_is_stopped_by_its_depth() {
    for source in [
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{% macro f(x) %}{% if true %}{% for a in [1] %}{{ f([x]) }}{% endfor %}{% endif %}{% endmacro %}{{ f(1) }}",
        "{% macro f() %}{% call f() %}{% endcall %}{% endmacro %}{{ f() }}",
        "{% macro f() %}{% set x %}{{ g() }}{% endset %}{% endmacro %}{% macro g() %}{{ f() ~ f() }}{% endmacro %}{{ f() }}",
        "{% for x in [1] recursive %}{{ loop([x]) }}{% endfor %}",
        "{% macro f() %}{{ ['a'] | map('replace', 'a', f()) | join }}{% endmacro %}{{ f() }}",
        "{% macro f(a=f()) %}{% endmacro %}{{ f() }}",
    ] {
        assert_eq!(limit(source), "levels of nesting in a template");
    }
    const { assert!(NESTING_MAX >= 200, "templates describe nested schemas by recursion") };
}

#[test]
fn memory_is_bounded_before_it_is_filled() {
    for source in [
        "{{ 'x' * 10**9 }}",
        "{{ 'x' * 10**18 }}",
        "{{ [1] * 10**9 }}",
        "{{ 'x'.center(10**9) }}",
        "{{ 'x'.ljust(10**9) }}",
        "{{ 'x'.zfill(10**9) }}",
        "{{ 'x' | center(10**9) }}",
        "{{ '%1000000000s' % 'x' }}",
        "{{ '{:1000000000}'.format('x') }}",
        "{{ 'a\\tb'.expandtabs(10**9) }}",
        "{{ [1] | tojson(indent=10**9) }}",
        "{{ 'a' | indent(10**9, true) }}",
        "{{ [1] | batch(10**9, 0) | list }}",
        "{{ ('a' * 10**5).replace('', 'b' * 10**5) }}",
        "{{ ('a' * 10**5).join(['b'] * 10**5) }}",
        "{{ (['a' * 10**5] * 10**5) | join }}",
        "{{ (['a' * 10**5] * 10**5) }}",
        "{% set ns = namespace(s='xxxxxxxx') %}{% for i in range(100) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
        "{% set ns = namespace(s='xxxxxxxx') %}{% for i in range(100) %}{% set ns.s = ns.s * 2 %}{% endfor %}",
        "{% set ns = namespace(l=[1]) %}{% for i in range(100) %}{% set ns.l = ns.l + ns.l %}{% endfor %}",
        "{% set ns = namespace(s='') %}{% for i in range(100000) %}{% set ns.s = ns.s ~ 'x' * 100000 %}{% endfor %}",
        "{% for i in range(100000) %}{{ 'x' * 100000 }}{% endfor %}",
    ] {
        // How much is held meanwhile is measured in tests/template_memory.rs.
        let of = limit(source);
        assert!(
            ["bytes held by a template", "steps of a template"].contains(&of),
            "{source}: {of}"
        );
    }
}

#[test]
fn values_are_no_deeper_than_is_safe_to_walk() {
    for source in [
        "{% set ns = namespace(l=[]) %}{% for i in range(100000) %}{% set ns.l = [ns.l] %}{% endfor %}",
        "{% set ns = namespace(l={}) %}{% for i in range(100000) %}{% set ns.l = {'a': ns.l} %}{% endfor %}",
        "{% set ns = namespace(l=none) %}{% for i in range(100000) %}{% for j in [ns.l] %}{% set ns.l = loop %}{% endfor %}{% endfor %}",
    ] {
        assert_eq!(limit(source), "values in each other", "{source}");
    }
    const { assert!(VALUE_DEPTH_MAX > 128, "what callers may give") };
}

#[test]
fn what_refers_to_itself_is_let_go_without_recursion() {
    for source in [
        "{% set ns = namespace(p=none) %}{% for i in range(50000) %}{% set ns.p = namespace(p=ns.p) %}{% endfor %}",
        "{% set ns = namespace() %}{% set ns.me = ns %}{% macro f() %}{% endmacro %}{% set ns.f = f %}",
    ] {
        on_little_stack(source.to_owned()).expect(source);
    }
}

#[test]
fn ranges_numbers_and_other_templates_are_refused() {
    for source in [
        "{% for i in range(10**12) %}{% endfor %}",
        "{{ 10 ** 10 ** 10 }}",
        "{{ (2 ** 100) * (2 ** 100) }}",
        "{{ '%.1000000000f' % 1.5 }}",
        "{{ '{:.1000000000f}'.format(1.5) }}",
        "{% include 'chat' %}",
        "{% import 'chat' as c %}",
        "{% extends 'chat' %}",
    ] {
        assert!(matches!(stopped(source), Failure::Wrong(_)), "{source}");
    }
}

#[test]
fn sources_beyond_the_bounds_are_refused_and_no_parser_overflows() {
    let deep = |open: &str, close: &str, count: usize| {
        format!("{{{{ {}1{} }}}}", open.repeat(count), close.repeat(count))
    };
    for source in [
        deep("(", ")", 10_000),
        deep("[", "]", 10_000),
        deep("not ", "", 7_000),
        deep("-", "", 30_000),
        deep("1 + ", "", 7_000),
        deep("1 if 1 else ", "", 2_500),
        deep("", ".a", 10_000),
        deep("", "|e", 10_000),
        deep("", "[0]", 10_000),
        "{% if 1 %}".repeat(10_000) + &"{% endif %}".repeat(10_000),
        "{% for a in b %}".repeat(500) + &"{% endfor %}".repeat(500),
        format!("{{{{ '{}' }}}}", "x".repeat(40_000)),
        "x".repeat(600_000),
        "{{ a }}".repeat(30_000),
    ] {
        let started = Instant::now();
        let parsed = std::thread::Builder::new()
            .stack_size(256 << 10)
            .spawn(move || Template::parse(&source).map(|_| source.len()))
            .expect("a thread");
        let parsed = parsed.join().expect("no overflow");
        assert!(matches!(parsed, Err(Failure::Wrong(_))), "{parsed:?}");
        assert!(started.elapsed() < TIME_MAX);
    }
    let chain = format!("{{% if 0 %}}{}{{% endif %}}", "{% elif 0 %}".repeat(10_000));
    assert!(Template::parse(&chain).is_ok(), "long chains of elif are flat");
    let concat = format!("{{{{ {}1 }}}}", "1 ~ ".repeat(5_000));
    assert_eq!(text(&concat).len(), 5_001);
}

#[test]
fn a_long_chat_is_far_from_every_limit() {
    let message = json!({ "role": "user", "content": "x".repeat(1000) });
    let messages = vec![message; 2000];
    let source = "{% for m in messages %}{% if m.role == 'user' and loop.index0 % 2 == 0 or not loop.last %}\
                  <|{{ m['role'] }}|>{{ m.content | trim }}{{ m.content.split('</think>')[-1] }}\n{% endif %}{% endfor %}";
    let shown = rendered(source, &json!({ "messages": messages })).expect("well within");
    assert!(shown.chars().len() > 4_000_000);
    const { assert!(STEPS_MAX > 1_000_000) };
}
