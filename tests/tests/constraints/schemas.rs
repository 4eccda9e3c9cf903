//! The schemas of JSONSchemaBench that lie beside the checkout: which of them compile, and whether
//! every complete answer fits its schema. `benches` has the same over all of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use indwell::{Engine, FinishReason};
use indwell_llama::Grammar;
use indwell_tests::engine;
use serde_json::Value;

use crate::rig::RIG;

/// One in so many schemas is answered here.
const ANSWERED_ONE_IN: usize = 6;
const MAX_TOKENS: u32 = 160;

struct Schema {
    group: String,
    name: String,
    schema: Value,
}

/// `None` without the folder.
fn schemas() -> Option<Vec<Schema>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/schemas");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        eprintln!("skipped: no folder `shared` with schemas beside the checkout");
        return None;
    };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    let read = |path: PathBuf| {
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let group = name.split("__").next().unwrap_or_default().to_owned();
        let text = std::fs::read_to_string(&path).expect("a readable file");
        Schema { group, name, schema: serde_json::from_str(&text).expect("JSON") }
    };
    Some(files.into_iter().map(read).collect())
}

#[test]
fn most_schemas_compile_and_the_others_say_why_not() {
    let Some(schemas) = schemas() else { return };
    let mut groups: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
    for Schema { group, name, schema } in &schemas {
        let group = groups.entry(group).or_default();
        group.0 += 1;
        match RIG.compile(&Grammar::JsonSchema(schema.clone())) {
            Ok(_) => group.1 += 1,
            Err(error) => println!("{name}: {error}"),
        }
    }
    let compiled: u32 = groups.values().map(|(_, compiled)| compiled).sum();
    println!("{compiled} of {} compile: {groups:?}", schemas.len());
    assert!(compiled as usize * 100 >= schemas.len() * 75, "{compiled} of {}", schemas.len());
}

#[test]
fn complete_answers_fit_their_schemas() {
    let Some(schemas) = schemas() else { return };
    let engine = engine().context_tokens(4096).sequences_max(8).build().expect("an engine");
    let (mut complete, mut cut) = (0, 0);
    let chosen: Vec<&Schema> = schemas.iter().step_by(ANSWERED_ONE_IN).collect();
    for eight in chosen.chunks(8) {
        let streams = eight.iter().filter_map(|schema| Some((schema, ask(&engine, schema)?)));
        for (schema, stream) in streams.collect::<Vec<_>>() {
            let reply = stream.reply().unwrap_or_else(|error| panic!("{}: {error}", schema.name));
            if reply.finish_reason == FinishReason::Length {
                cut += 1;
                continue;
            }
            check(schema, &reply.text);
            complete += 1;
        }
    }
    println!("{complete} complete answers fit their schemas, {cut} were cut short");
    assert!(complete >= chosen.len() / 3, "only {complete} of {}", chosen.len());
}

/// `None` for a schema that does not compile.
fn ask(engine: &Engine, schema: &Schema) -> Option<indwell::TokenStream> {
    let chat =
        engine.chat("Answer with a short example in JSON.").json_schema(schema.schema.clone());
    chat.temperature(1.0).seed(1).max_tokens(MAX_TOKENS).stream().ok()
}

fn check(schema: &Schema, text: &str) {
    let Schema { name, schema, .. } = schema;
    let value: Value =
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}: {text}"));
    let validator = jsonschema::options().should_validate_formats(true).build(schema);
    let validator = validator.unwrap_or_else(|error| panic!("{name}: {error}"));
    let wrong: Vec<String> = validator.iter_errors(&value).map(|e| e.to_string()).collect();
    assert!(wrong.is_empty(), "{name}: {wrong:?}: {text}");
}
