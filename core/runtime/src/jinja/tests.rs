//! Rendering as Python renders, and the bounds of it.

mod limits;
mod origins;

use super::*;

/// The text of a template for values in JSON, or how it fails.
fn rendered(source: &str, values: &serde_json::Value) -> std::result::Result<Rendered, Failure> {
    let given = || {
        let mut given = Values::new();
        for (name, value) in values.as_object().expect("an object") {
            given.set(name, &Given::Json(value.clone()))?;
        }
        Ok(given)
    };
    Template::parse(source)?.render(given, &|format| Some(format.to_owned()))
}

fn text(source: &str) -> String {
    let rendered = rendered(source, &serde_json::json!({})).expect(source);
    rendered.chars().iter().map(|c| c.letter()).collect()
}

#[test]
fn values_print_as_python_prints_them() {
    for (source, printed) in [
        ("{{ none }} {{ true }} {{ 1.0 }} {{ 1e16 }} {{ 1e-5 }}", "None True 1.0 1e+16 1e-05"),
        ("{{ [1, 'a', none, {'b': true}] }}", "[1, 'a', None, {'b': True}]"),
        ("{{ (1,) }} {{ () }} {{ \"it's\" }} {{ [\"it's\"] }}", "(1,) () it's [\"it's\"]"),
        ("{{ {'a': '\\n\\t\\u200b'} }}", "{'a': '\\n\\t\\u200b'}"),
        ("{{ 7 // -2 }} {{ -7 % 3 }} {{ 2 ** 3 }} {{ 1 / 2 }}", "-4 2 8 0.5"),
        ("{{ {'é': [1, {}]} | tojson }}", "{\"é\": [1, {}]}"),
        ("{{ [1, {'a': []}] | tojson(indent=2) }}", "[\n  1,\n  {\n    \"a\": []\n  }\n]"),
    ] {
        assert_eq!(text(source), printed);
    }
}

#[test]
fn what_changes_its_object_is_refused_as_in_the_sandbox() {
    for source in ["{{ [].append(1) }}", "{{ {}.update({}) }}", "{{ {'a': 1}.pop('a') }}"] {
        assert!(matches!(rendered(source, &serde_json::json!({})), Err(Failure::Wrong(_))));
    }
}

#[test]
fn a_template_that_refuses_says_why() {
    let refused = rendered("{{ raise_exception('no ' ~ 1) }}", &serde_json::json!({}));
    assert_eq!(refused.expect_err("refused"), Failure::Raised("no 1".to_owned()));
}
