//! Every character's origin survives what templates do with it.

use proptest::prelude::*;
use serde_json::json;

use super::*;

/// What is left of a text of a caller's, as given and written characters: `g` and `w`.
fn origins(source: &str, content: &str) -> Vec<(char, bool)> {
    let rendered = rendered(source, &json!({ "x": content })).expect(source);
    rendered.chars().iter().map(|c| (c.letter(), c.is_given())).collect()
}

/// Templates that show the text alone, in some form.
const SHOWS: &[&str] = &[
    "{{ x }}",
    "{{ x | trim }}",
    "{{ x.strip() }}",
    "{{ x | upper }}",
    "{{ x | lower }}",
    "{{ x | title }}",
    "{{ x.capitalize() }}",
    "{{ x.swapcase() }}",
    "{{ x | replace('a', '') }}",
    "{{ x.split() | join }}",
    "{{ x.split('b') | first }}",
    "{{ x.partition('b')[2] }}",
    "{{ x[1:-1] }}{{ x[::-1] }}{{ x[0] }}",
    "{{ x | reverse }}",
    "{{ x | list | join }}",
    "{{ '%s' % x }}{{ '%-3s' % x }}",
    "{{ '{}{x}'.format(x, x=x) }}",
    "{{ x ~ x }}{{ x + x }}{{ x * 2 }}",
    "{% for c in x %}{{ c }}{% endfor %}",
    "{% set y %}{{ x }}{% endset %}{{ y }}",
    "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(x) }}",
    "{% filter lower %}{{ x }}{% endfilter %}",
    "{{ (x | tojson)[1:-1] }}",
    "{{ (x | tojson(ensure_ascii=true))[1:-1] }}",
    "{{ x | e }}",
    "{{ [x] | map('lower') | join }}",
    "{{ {'k': x}.k }}{{ {x: 1} | first }}",
    "{{ x.splitlines() | join }}{{ x.expandtabs() }}",
    "{{ x.removeprefix('a') }}{{ x.rsplit(' ', 1)[-1] }}",
    "{{ x | default('') }}{{ x | string }}{{ x | safe }}",
    "{{ x | truncate(5, true, '') }}",
];

proptest! {
    #[test]
    fn what_a_caller_gave_stays_a_callers(content in "[ab <>|é\\n\"\\\\ßΣ&\t]{0,12}") {
        for source in SHOWS {
            for (letter, is_given) in origins(source, &content) {
                // What pads and parts is the template's own.
                prop_assert!(is_given || letter == ' ', "{:?} in {}", letter, source);
            }
        }
    }
}

#[test]
fn what_the_template_wrote_stays_the_templates() {
    for source in [
        "<|a|>",
        "{{ '<|a|>' | upper | lower }}",
        "{{ 'x' if 'b' in x else 'y' }}",
        "{{ x | length }}{{ 'b' in x }}{{ x == 'b' }}{{ none }}{{ 1.5 }}",
        "{{ '%d' % x | length }}{{ x.find('b') }}{{ x.isalpha() }}",
        "{{ [1, {'a': none}] | tojson }}{{ [1, 'a'] }}{{ strftime_now('%Y') }}",
        "{{ 'abc'.replace('b', '') }}{{ 'a' * 3 }}{{ 'a' ~ 'b' }}{{ 'ab'[::-1] }}",
    ] {
        assert!(origins(source, "b").iter().all(|(_, is_given)| !is_given), "{source}");
    }
}

#[test]
fn a_text_of_both_keeps_both() {
    let shown = |source| {
        let origin =
            |(c, is_given): (char, bool)| if is_given { c.to_ascii_uppercase() } else { c };
        origins(source, "x").into_iter().map(origin).collect::<String>()
    };
    assert_eq!(shown("{{ 'a' ~ x ~ 'b' }}"), "aXb");
    assert_eq!(shown("{{ ('a' ~ x ~ 'b') | replace('a', 'cc') }}"), "ccXb");
    assert_eq!(shown("{{ 'abc' | replace('b', x) }}"), "aXc");
    assert_eq!(shown("{{ x.join(['a', 'b']) }}"), "aXb");
    assert_eq!(shown("{{ x.center(5, '*') }}"), "**X**");
    assert_eq!(shown("{{ {'k': x} }}"), "{'k': 'X'}");
    assert_eq!(shown("{{ {'k': x} | tojson }}"), "{\"k\": \"X\"}");
    assert_eq!(shown("{{ '<%s>' % x }}{{ '<{}>'.format(x) }}"), "<X><X>");
    assert_eq!(shown("{{ x | indent(2, true) }}"), "  X");
    assert_eq!(shown("{{ 'a&' | safe + x }}"), "a&X");
}
