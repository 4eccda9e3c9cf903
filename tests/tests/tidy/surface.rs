//! The list of public operations: each exists in every language, or says why not.

use std::collections::BTreeSet;

use super::files::File;

const SURFACE: &str = "tests/conformance/surface.toml";

/// Operations that neither exist in a language nor give a reason, and other slips in the list.
pub(crate) fn gaps_without_reason(files: &[File]) -> Vec<String> {
    let Some(file) = files.iter().find(|file| file.path == SURFACE) else {
        return vec![format!("{SURFACE}: list every public operation there")];
    };
    let surface: toml::Value = match toml::from_str(&file.text) {
        Ok(surface) => surface,
        Err(error) => return vec![format!("{SURFACE}: {error}")],
    };
    let array = |key| surface.get(key).and_then(toml::Value::as_array);
    let languages: BTreeSet<&str> =
        array("languages").into_iter().flatten().filter_map(toml::Value::as_str).collect();
    let operations = array("operation").map_or(&[][..], Vec::as_slice);
    if languages.is_empty() || operations.is_empty() {
        return vec![format!("{SURFACE}: `languages` or `[[operation]]` is missing")];
    }
    let mut names = BTreeSet::new();
    let mut complaints = Vec::new();
    for operation in operations {
        let name = text(operation.get("name")).unwrap_or("(no name)");
        if !names.insert(name) {
            complaints.push(format!("{SURFACE}: \"{name}\" is listed twice; merge the two"));
        }
        complaints.extend(
            slips(operation, &languages)
                .into_iter()
                .map(|(language, slip)| format!("{SURFACE}: \"{name}\", {language}: {slip}")),
        );
    }
    complaints
}

/// What is wrong with one operation, by language.
fn slips<'a>(operation: &'a toml::Value, languages: &BTreeSet<&'a str>) -> Vec<(&'a str, &'a str)> {
    let keys = |value: &'a toml::Value| value.as_table().into_iter().flat_map(toml::Table::keys);
    let gaps = operation.get("gaps");
    let named: BTreeSet<&str> = keys(operation)
        .chain(gaps.into_iter().flat_map(keys))
        .map(String::as_str)
        .filter(|key| !["name", "gaps"].contains(key))
        .collect();
    let mut slips: Vec<_> = languages
        .iter()
        .filter_map(|&language| {
            let there = text(operation.get(language)).is_some();
            let reason = text(gaps.and_then(|gaps| gaps.get(language))).is_some();
            match (there, reason) {
                (false, false) => Some((language, "add it there, or say in `gaps` why it lacks")),
                (true, true) => Some((language, "it exists: remove the gap")),
                _ => None,
            }
        })
        .collect();
    slips.extend(named.difference(languages).map(|&key| (key, "this language is not listed")));
    slips
}

/// A text that says something.
fn text(value: Option<&toml::Value>) -> Option<&str> {
    value.and_then(toml::Value::as_str).filter(|text| !text.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::super::files::file;
    use super::*;

    fn check(operations: &str) -> Vec<String> {
        let text = format!("languages = [\"rust\", \"node\"]\n{operations}");
        gaps_without_reason(&[file(SURFACE, &text)])
    }

    #[test]
    fn operation_exists_everywhere_or_gives_a_reason() {
        let chat = "[[operation]]\nname = \"chat\"\nrust = \"chat()\"\n";
        assert!(check(&format!("{chat}node = \"chat()\"\n")).is_empty());
        assert!(check(&format!("{chat}gaps = {{ node = \"later\" }}\n")).is_empty());
        for slip in ["", "gaps = { node = \" \" }", "node = \"\""] {
            let found = check(&format!("{chat}{slip}\n"));
            assert_eq!(found.len(), 1, "{slip}: {found:?}");
            assert!(found[0].contains("\"chat\", node"), "{found:?}");
        }
    }

    #[test]
    fn doubles_contradictions_and_unknown_languages_are_found() {
        let chat = "[[operation]]\nname = \"chat\"\nrust = \"chat()\"\nnode = \"chat()\"\n";
        assert_eq!(check(&format!("{chat}{chat}")).len(), 1);
        assert_eq!(check(&format!("{chat}gaps = {{ rust = \"no\" }}\n")).len(), 1);
        assert_eq!(check(&format!("{chat}cobol = \"CHAT\"\n")).len(), 1);
    }

    #[test]
    fn missing_or_broken_list_is_found() {
        assert_eq!(gaps_without_reason(&[]).len(), 1);
        assert_eq!(check("[[operation").len(), 1);
        assert_eq!(gaps_without_reason(&[file(SURFACE, "languages = []\n")]).len(), 1);
    }
}
