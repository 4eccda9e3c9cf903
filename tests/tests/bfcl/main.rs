//! Calls on Berkeley's Function-Calling Leaderboard, `simple_python`: a question and one tool each,
//! which has to be called.
//!
//! What is tested is what a constraint promises: every call that is complete parses and fits its
//! schema. Whether it is the right one is the model's business, and reported as the leaderboard
//! counts it. The data is not part of this repository: `INDWELL_BFCL` names its folder, or it stands
//! beside the checkout; without it the tests say so and check nothing.

mod answers;
mod data;

use std::collections::BTreeMap;

use indwell::{Engine, FinishReason, Reply, ToolChoice};

use self::data::{Case, read};

/// Tokens of a call at most; the longest right one has a third of them.
const MAX_TOKENS: u32 = 384;
/// Requests at a time.
const CALLERS: usize = 8;

/// What came out.
#[derive(Debug, Default)]
struct Tally {
    calls: usize,
    /// Cut by `MAX_TOKENS` in the middle of the call.
    cut: Vec<String>,
    matched: usize,
    mistakes: BTreeMap<&'static str, usize>,
}

#[test]
fn calls_that_are_complete_fit_their_schema() {
    let Some(cases) = read() else { return };
    let some: Vec<Case> = cases.into_iter().step_by(13).take(30).collect();
    let tally = run(&some);
    println!("{tally:#?}");
    assert_eq!(tally.calls + tally.cut.len(), 30);
    // Free texts may ramble; a tenth of the questions is far more than was seen.
    assert!(tally.cut.len() <= 3, "{:?}", tally.cut);
}

#[test]
#[ignore = "takes many minutes: all 400"]
fn all_calls_that_are_complete_fit_their_schema() {
    let Some(cases) = read() else { return };
    let tally = run(&cases);
    println!("{tally:#?}");
    assert_eq!(tally.calls + tally.cut.len(), 400);
}

/// Asks all questions, and checks every call.
fn run(cases: &[Case]) -> Tally {
    let engine = Engine::builder(indwell_tests::model())
        .context_tokens(8192)
        .response_cache_bytes(0)
        .build()
        .expect("an engine");
    let mut tally = Tally::default();
    for some in cases.chunks(CALLERS) {
        let streams: Vec<_> = some
            .iter()
            .map(|case| {
                let request = engine
                    .chat(case.question.as_str())
                    .tools([case.tool.clone()])
                    .tool_choice(ToolChoice::Required)
                    .parallel_tool_calls(false)
                    .max_tokens(MAX_TOKENS);
                request.stream().unwrap_or_else(|error| panic!("{}: {error}", case.id))
            })
            .collect();
        for (case, stream) in some.iter().zip(streams) {
            let reply = stream.reply().unwrap_or_else(|error| panic!("{}: {error}", case.id));
            check(case, &reply, &mut tally);
        }
    }
    tally
}

fn check(case: &Case, reply: &Reply, tally: &mut Tally) {
    if reply.finish_reason == FinishReason::Length {
        tally.cut.push(case.id.clone());
        return;
    }
    assert_eq!(reply.finish_reason, FinishReason::ToolCalls, "{}: {reply:?}", case.id);
    let [call] = &reply.tool_calls[..] else { panic!("{}: one call: {reply:?}", case.id) };
    assert_eq!((reply.text.as_str(), &call.name), ("", &case.tool.name), "{}", case.id);
    let arguments: serde_json::Value = serde_json::from_str(&call.arguments)
        .unwrap_or_else(|error| panic!("{}: {error}: {}", case.id, call.arguments));
    let schema = jsonschema::validator_for(&case.tool.parameters).expect("a schema");
    if let Err(error) = schema.validate(&arguments) {
        panic!("{}: {error}: {arguments}", case.id);
    }
    tally.calls += 1;
    match answers::matches(case, &arguments) {
        Ok(()) => tally.matched += 1,
        Err(mistake) => *tally.mistakes.entry(mistake).or_default() += 1,
    }
}
