//! What code may not say where: `unsafe`, `unwrap`, `allow`, and sleeping in tests.

use super::files::File;
use super::source::{Source, has_word};

/// Where `unsafe` is allowed: around llama.cpp, and in the glue to other languages.
const UNSAFE_PLACES: [&str; 4] =
    ["core/llama/", "bindings/mobile/", "bindings/node/", "bindings/python/"];

/// What a line must say, itself or the one above, to let a test sleep: the reason follows.
const SLEEP_REASON: &str = "tidy: sleeps because ";

/// `unsafe` outside the crates that may have it.
pub(crate) fn unsafe_outside_its_places(files: &[File]) -> Vec<String> {
    rust(files)
        .filter(|file| !UNSAFE_PLACES.iter().any(|place| file.path.starts_with(place)))
        .flat_map(|file| {
            complain(
                file,
                Source::of(file).all().filter(|(_, line)| has_word(line, "unsafe")),
                "`unsafe` belongs in core/llama or a binding's glue; put a safe function there",
            )
        })
        .collect()
}

/// `.unwrap()` outside tests.
pub(crate) fn unwraps(files: &[File]) -> Vec<String> {
    rust(files)
        .flat_map(|file| {
            complain(
                file,
                Source::of(file).production().filter(|(_, line)| line.contains(".unwrap()")),
                "handle the error, or use `expect` and state the invariant that makes it \
                 impossible",
            )
        })
        .collect()
}

/// `#[allow(..)]` in any form.
pub(crate) fn allow_attributes(files: &[File]) -> Vec<String> {
    rust(files)
        .flat_map(|file| {
            complain(
                file,
                Source::of(file).all().filter(|(_, line)| {
                    ["[allow(", " allow(", "(allow("].iter().any(|form| line.contains(form))
                }),
                "use `#[expect(lint, reason = \"...\")]`, which complains when it is needed no \
                 more",
            )
        })
        .collect()
}

/// Tests that sleep, in any language. `sleep(0)` only lets others run.
pub(crate) fn sleeping_tests(files: &[File]) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in files.iter().filter(|file| file.is_source()) {
        let written: Vec<&str> = file.text.lines().collect();
        let is_excused = |number: usize| {
            let lines = &written[number.saturating_sub(2)..number];
            lines.iter().any(|line| line.contains(SLEEP_REASON))
        };
        let sleeps = |(number, line): &(usize, &str)| {
            has_word(line, "sleep")
                && line.contains("sleep(")
                && !line.contains("sleep(0)")
                && !is_excused(*number)
        };
        let remedy = format!(
            "wait for the event itself, or use virtual time; if nothing else will do, say why \
             above the line: `{SLEEP_REASON}...`"
        );
        if file.is_rust() {
            let source = Source::of(file);
            complaints.extend(complain(file, source.tests().filter(sleeps), &remedy));
        } else if file.is_test() {
            let lines = written.iter().enumerate().map(|(index, line)| (index + 1, *line));
            complaints.extend(complain(file, lines.filter(sleeps), &remedy));
        }
    }
    complaints
}

fn rust(files: &[File]) -> impl Iterator<Item = &File> {
    files.iter().filter(|file| file.is_rust())
}

fn complain<'a>(
    file: &File,
    lines: impl Iterator<Item = (usize, &'a str)>,
    remedy: &str,
) -> Vec<String> {
    lines
        .map(|(number, line)| format!("{}:{number}: `{}`; {remedy}", file.path, line.trim()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::files::file;
    use super::*;

    #[test]
    fn unsafe_is_found_where_it_must_not_be() {
        let code = "// unsafe in words\nunsafe { go() }\n";
        let found = unsafe_outside_its_places(&[
            file("core/runtime/src/a.rs", code),
            file("core/llama/src/a.rs", code),
        ]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("core/runtime/src/a.rs:2"), "{found:?}");
    }

    #[test]
    fn unwrap_is_found_outside_tests_only() {
        let code = "/// x.unwrap()\nx.unwrap();\nx.unwrap_or(1);\n#[cfg(test)]\nmod tests {\ny.unwrap();\n}\n";
        let found = unwraps(&[file("core/x/src/a.rs", code), file("core/x/tests/a.rs", code)]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("core/x/src/a.rs:2"), "{found:?}");
    }

    #[test]
    fn allow_is_found_in_every_form() {
        let code = "#[allow(dead_code)]\n#![allow(unused)]\n#[cfg_attr(x, allow(y))]\n\
                    #[expect(dead_code, reason = \"allow(me)\")]\nself.allow(1);\n";
        assert_eq!(allow_attributes(&[file("core/x/src/a.rs", code)]).len(), 3);
    }

    #[test]
    fn sleeping_is_found_in_tests_and_excused_by_a_reason() {
        let rust = "thread::sleep(PAUSE);\n#[cfg(test)]\nmod tests {\nthread::sleep(PAUSE);\n}\n";
        let python = "await asyncio.sleep(1)\nawait asyncio.sleep(0)\n";
        let excused = "# tidy: sleeps because the clock is what is tested\ntime.sleep(1)\n";
        let found = sleeping_tests(&[
            file("core/x/src/a.rs", rust),
            file("bindings/python/tests/test_a.py", python),
            file("bindings/python/tests/test_b.py", excused),
            file("bindings/python/python/indwell/a.py", python),
        ]);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("core/x/src/a.rs:4"), "{found:?}");
        assert!(found[1].starts_with("bindings/python/tests/test_a.py:1"), "{found:?}");
    }
}
