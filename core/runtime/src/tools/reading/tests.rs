//! Raw events, and what their reader hears.

use serde_json::json;

use super::*;
use crate::reply::ChoiceFinished;
use crate::reply_fold::ReplyFold;
use crate::{Error, Finished, Reply, Timings, Tool, Usage};

fn plan(apart: bool) -> Plan {
    let tools = [Tool::new("weather", json!({"type": "object"}))];
    Plan {
        reasoning: Some(ReasoningPlan {
            thoughts: Thoughts::named("think").expect("a form"),
            inside: false,
            apart,
        }),
        calls: Some((Format::generic(), Arc::new(Known::new(&tools, true)))),
    }
}

fn raw(choice: u32, text: &str) -> Event {
    Event::Text(TextDelta {
        choice,
        text: text.to_owned(),
        logprobs: vec![TokenLogprob::default()],
    })
}

fn finished(reason: FinishReason) -> Event {
    let (usage, timings) = (Usage::default(), Timings::default());
    Event::Finished(Finished { reason, usage, timings })
}

fn heard(plan: Plan, events: impl IntoIterator<Item = Event>) -> Vec<Event> {
    let mut reading = Reading::new(plan);
    let mut out = VecDeque::new();
    events.into_iter().for_each(|event| reading.take(event, &mut out));
    out.into()
}

fn reply(events: Vec<Event>) -> Reply {
    let mut fold = ReplyFold::default();
    let ended = events.into_iter().find_map(|event| fold.take(event));
    ended.expect("it ends").expect("a reply")
}

const ANSWER: &str = "<think>\nHm.\n</think>\n\nI look.\n<tool_call>\n{\"name\": \"weather\", \
                      \"arguments\": {\"city\": \"Paris\"}}\n</tool_call>";

#[test]
fn an_answer_is_told_apart_token_by_token_as_it_is_whole() {
    let whole = reply(heard(plan(true), [raw(0, ANSWER), finished(FinishReason::Stop)]));
    assert_eq!(whole.reasoning.as_deref(), Some("Hm."));
    assert_eq!(whole.text, "I look.");
    assert_eq!(whole.finish_reason, FinishReason::ToolCalls);
    let [call] = &whole.tool_calls[..] else { panic!("one call: {whole:?}") };
    assert_eq!((call.name.as_str(), call.arguments.as_str()), ("weather", r#"{"city": "Paris"}"#));
    let tokens = ANSWER.char_indices().map(|(at, c)| raw(0, &ANSWER[at..at + c.len_utf8()]));
    let parts = reply(heard(plan(true), tokens.chain([finished(FinishReason::Stop)])));
    assert_eq!((&parts.text, &parts.reasoning), (&whole.text, &whole.reasoning));
    assert_eq!(parts.tool_calls[0].arguments, call.arguments);
    assert_ne!(parts.tool_calls[0].id, call.id, "each call has an id of its own");
    assert_eq!(parts.logprobs.len(), ANSWER.chars().count(), "each token keeps its own");
}

#[test]
fn reasoning_stays_in_the_text_where_it_is_not_wanted_apart() {
    let answer = format!("<think><tool_call></think> {ANSWER}");
    let reply = reply(heard(plan(false), [raw(0, &answer), finished(FinishReason::Stop)]));
    assert_eq!(reply.reasoning, None);
    assert_eq!(reply.text, "<think><tool_call></think> <think>\nHm.\n</think>\n\nI look.");
    assert_eq!(reply.tool_calls.len(), 1);
}

#[test]
fn a_call_has_its_id_and_name_in_its_first_event_only() {
    let events = heard(plan(true), [raw(0, &ANSWER[..ANSWER.len() - 20]), raw(0, "x")]);
    let calls: Vec<&ToolCallDelta> = events
        .iter()
        .filter_map(|event| if let Event::ToolCall(call) = event { Some(call) } else { None })
        .collect();
    assert!(calls[0].id.as_ref().is_some_and(|id| id.starts_with("call_") && id.len() == 27));
    assert_eq!(calls[0].name.as_deref(), Some("weather"));
    assert!(calls[1..].iter().all(|call| call.id.is_none() && call.name.is_none()));
}

#[test]
fn choices_are_read_apart_and_end_apart() {
    let (one, other) = ANSWER.split_at(60);
    let ended = |choice, reason| Event::ChoiceFinished(ChoiceFinished { choice, reason });
    let events = [
        raw(0, "Just te"),
        raw(1, one),
        raw(0, "xt. <"),
        raw(1, other),
        ended(1, FinishReason::Stop),
        ended(0, FinishReason::Length),
        finished(FinishReason::Length),
    ];
    let reply = reply(heard(plan(true), events));
    assert_eq!((reply.text.as_str(), reply.finish_reason), ("Just text. <", FinishReason::Length));
    let [second] = &reply.alternatives[..] else { panic!("two answers: {reply:?}") };
    assert_eq!(second.finish_reason, FinishReason::ToolCalls);
    assert_eq!((second.text.as_str(), second.tool_calls.len()), ("I look.", 1));
}

#[test]
fn what_is_held_back_is_told_before_an_answer_ends_in_any_way() {
    for end in [finished(FinishReason::Stop), Event::Cancelled, Event::Failed(Error::closed())] {
        let events = heard(plan(true), [raw(0, "a <tool_"), end]);
        let text: String = events
            .iter()
            .filter_map(
                |event| if let Event::Text(delta) = event { Some(&*delta.text) } else { None },
            )
            .collect();
        assert_eq!(text, "a <tool_");
        assert!(events.last().is_some_and(Event::is_terminal));
    }
}

#[test]
fn short_ids_are_nine_letters_and_digits() {
    let id = call_id(true);
    assert!(id.len() == 9 && id.chars().all(|c| c.is_ascii_alphanumeric()), "{id}");
}
