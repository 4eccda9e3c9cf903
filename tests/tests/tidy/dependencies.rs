//! Direct dependencies, of every language: each has a line in docs/dependencies.md that says why it
//! and not another, and each that the workspace names is used.

use std::collections::{BTreeMap, BTreeSet};

use super::files::File;

/// Where they are explained: each name stands there between backticks.
const DOCUMENT: &str = "docs/dependencies.md";

/// Tables of a manifest that name packages.
const CARGO_TABLES: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];
const NPM_TABLES: [&str; 4] =
    ["dependencies", "devDependencies", "peerDependencies", "optionalDependencies"];

/// Dependencies without a line.
pub(crate) fn undocumented(files: &[File]) -> Vec<String> {
    let document =
        files.iter().find(|file| file.path == DOCUMENT).map_or("", |file| file.text.as_str());
    let mut places: BTreeMap<String, &str> = BTreeMap::new();
    for file in files {
        for name in direct(file) {
            places.entry(name).or_insert(&file.path);
        }
    }
    places
        .into_iter()
        .filter(|(name, _)| !document.contains(&format!("`{name}`")))
        .map(|(name, place)| {
            format!("{place}: say in {DOCUMENT} why `{name}` is there, and why it and not another")
        })
        .collect()
}

/// Workspace dependencies that no member takes.
pub(crate) fn unused(files: &[File]) -> Vec<String> {
    let Some(workspace) = files.iter().find(|file| file.path == "Cargo.toml") else {
        return vec!["Cargo.toml: the workspace has no manifest".to_owned()];
    };
    let used: BTreeSet<String> =
        files.iter().filter(|file| is_member(file)).flat_map(cargo_names).collect();
    let named = table(&parse(workspace), &["workspace", "dependencies"]);
    named
        .into_iter()
        .filter(|name| !used.contains(name))
        .map(|name| format!("Cargo.toml: no member uses `{name}`; remove it"))
        .collect()
}

/// What a manifest of any language depends on, our own packages aside.
fn direct(file: &File) -> Vec<String> {
    let names = match file.name() {
        "Cargo.toml" => cargo_names(file),
        "pyproject.toml" => python_names(&parse(file)),
        "package.json" => npm_names(file),
        "pom.xml" => maven_names(&file.text),
        name if name.starts_with("requirements") && name.ends_with(".txt") => {
            file.text.lines().filter_map(requirement).collect()
        }
        _ => Vec::new(),
    };
    names.into_iter().filter(|name| name != "indwell" && !name.starts_with("indwell-")).collect()
}

fn is_member(file: &File) -> bool {
    file.name() == "Cargo.toml" && file.path != "Cargo.toml"
}

fn cargo_names(file: &File) -> Vec<String> {
    let manifest = parse(file);
    let mut names: Vec<String> =
        CARGO_TABLES.iter().flat_map(|name| table(&manifest, &[name])).collect();
    if let Some(targets) = manifest.get("target").and_then(toml::Value::as_table) {
        for target in targets.values() {
            names.extend(CARGO_TABLES.iter().flat_map(|name| table(target, &[name])));
        }
    }
    names
}

fn python_names(project: &toml::Value) -> Vec<String> {
    let list = |path: &[&str]| {
        let found = path.iter().try_fold(project, |value, key| value.get(key));
        found.and_then(toml::Value::as_array).cloned().unwrap_or_default()
    };
    let mut requirements = list(&["build-system", "requires"]);
    requirements.extend(list(&["project", "dependencies"]));
    for group in table(project, &["project", "optional-dependencies"]) {
        requirements.extend(list(&["project", "optional-dependencies", &group]));
    }
    requirements.iter().filter_map(|value| requirement(value.as_str()?)).collect()
}

fn npm_names(file: &File) -> Vec<String> {
    let package: serde_json::Value =
        serde_json::from_str(&file.text).unwrap_or_else(|error| panic!("{}: {error}", file.path));
    NPM_TABLES
        .iter()
        .filter_map(|name| package.get(name)?.as_object())
        .flat_map(|table| table.keys().cloned())
        .collect()
}

fn maven_names(project: &str) -> Vec<String> {
    project
        .split("<artifactId>")
        .skip(1)
        .filter_map(|rest| Some(rest.split_once("</artifactId>")?.0.trim().to_owned()))
        .collect()
}

/// The name in `pytest-asyncio==1.2.0; python_version < "4"`.
fn requirement(line: &str) -> Option<String> {
    let line = line.split('#').next().unwrap_or_default().trim();
    let end = line.find(|c: char| !(c.is_alphanumeric() || "-_.".contains(c)));
    let name = &line[..end.unwrap_or(line.len())];
    (!name.is_empty() && !name.starts_with('-')).then(|| name.to_owned())
}

fn parse(file: &File) -> toml::Value {
    toml::from_str(&file.text).unwrap_or_else(|error| panic!("{}: {error}", file.path))
}

/// The keys of a table, if it is there.
fn table(value: &toml::Value, path: &[&str]) -> Vec<String> {
    path.iter()
        .try_fold(value, |value, key| value.get(key))
        .and_then(toml::Value::as_table)
        .map(|table| table.keys().cloned().collect())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::files::file;
    use super::*;

    #[test]
    fn dependencies_of_every_language_are_found() {
        let files = [
            file(
                "core/x/Cargo.toml",
                "[dependencies]\na.workspace = true\nindwell-kernel = \"1\"\n\
                 [target.'cfg(unix)'.build-dependencies]\nb = \"1\"\n",
            ),
            file(
                "bindings/python/pyproject.toml",
                "[build-system]\nrequires = [\"c>=1\"]\n[project]\ndependencies = [\"d\"]\n\
                 optional-dependencies = { x = [\"e[y]>2\"] }\n",
            ),
            file("bindings/python/requirements-dev.txt", "# pinned\nf==1.0 # why\n-r other\n"),
            file(
                "bindings/node/package.json",
                r#"{"name":"x","devDependencies":{"@types/g":"1"}}"#,
            ),
            file("pom.xml", "<artifactId>indwell</artifactId><artifactId>h</artifactId>"),
            file(DOCUMENT, "`a` because.\n"),
        ];
        let complaints = undocumented(&files);
        for name in ["b", "c", "d", "e", "f", "@types/g", "h"] {
            let named = complaints.iter().filter(|text| text.contains(&format!("`{name}`")));
            assert_eq!(named.count(), 1, "{name} in {complaints:?}");
        }
        assert_eq!(complaints.len(), 7, "{complaints:?}");
    }

    #[test]
    fn unused_workspace_dependency_is_found() {
        let files = [
            file("Cargo.toml", "[workspace.dependencies]\nused = \"1\"\nidle = \"1\"\n"),
            file("core/x/Cargo.toml", "[dev-dependencies]\nused.workspace = true\n"),
        ];
        assert_eq!(unused(&files), ["Cargo.toml: no member uses `idle`; remove it"]);
    }
}
