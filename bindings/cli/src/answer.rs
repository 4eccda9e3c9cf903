//! Prints a stream as it comes, and cancels it on Ctrl-C.
//!
//! The first answer's text is printed piece by piece. What the model thought before it is dimmed on a
//! terminal, and left out elsewhere unless asked for. Tool calls follow when the answer is whole, a
//! line each, and after them the other answers, if there are several.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use indwell::{Event, Finished, Message, Reply, ReplyFold, TokenStream, ToolCall, Wait, assistant};

use crate::interrupt::Interrupt;

/// How soon Ctrl-C is noticed while no token comes.
const INTERRUPT_INTERVAL: Duration = Duration::from_millis(50);

/// An answer that was printed, in whole or in part.
#[derive(Debug)]
pub(crate) struct Answer {
    /// What the model said, as the chat goes on with it.
    pub(crate) message: Message,
    /// `None` if Ctrl-C ended it.
    pub(crate) finished: Option<Finished>,
}

/// Prints the answer on standard output, each piece as it comes, and a newline after it.
///
/// # Errors
/// What the request failed with, and what writing failed with: dropping the stream then cancels.
pub(crate) fn print(
    stream: TokenStream,
    interrupt: &Interrupt,
    show_reasoning: bool,
) -> anyhow::Result<Answer> {
    let is_terminal = io::stdout().is_terminal();
    let thoughts = match (is_terminal, show_reasoning) {
        (true, _) => Thoughts::Dimmed,
        (false, true) => Thoughts::Plain,
        (false, false) => Thoughts::Hidden,
    };
    let mut printer = Printer::new(io::stdout().lock(), thoughts);
    let ended = printer.follow(stream, interrupt);
    printer.end_line()?;
    Ok(Answer { finished: ended?, message: printer.message })
}

/// How reasoning is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Thoughts {
    Dimmed,
    Plain,
    Hidden,
}

#[derive(Debug)]
struct Printer<W> {
    out: W,
    thoughts: Thoughts,
    /// The first answer so far.
    message: Message,
    /// Whether the cursor is where a line begins.
    is_at_line_start: bool,
    /// Whether the last piece was reasoning.
    is_thinking: bool,
}

impl<W: Write> Printer<W> {
    fn new(out: W, thoughts: Thoughts) -> Self {
        let message = assistant("");
        Self { out, thoughts, message, is_at_line_start: true, is_thinking: false }
    }

    fn follow(
        &mut self,
        mut stream: TokenStream,
        interrupt: &Interrupt,
    ) -> anyhow::Result<Option<Finished>> {
        let answering = interrupt.answering();
        let mut fold = ReplyFold::default();
        loop {
            if answering.is_interrupted() {
                stream.cancel();
            }
            let event = match stream.next_timeout(INTERRUPT_INTERVAL) {
                Wait::TimedOut => continue,
                Wait::Event(Event::Cancelled) | Wait::Ended => return Ok(None),
                Wait::Event(event) => event,
            };
            self.event(&event)?;
            let finished = match &event {
                Event::Finished(finished) => Some(finished.clone()),
                _ => None,
            };
            if let Some(reply) = fold.take(event) {
                self.rest(reply?)?;
                return Ok(finished);
            }
        }
    }

    /// Prints what is shown as it comes.
    fn event(&mut self, event: &Event) -> io::Result<()> {
        match event {
            Event::Reasoning(delta) if delta.choice == 0 => self.thought(&delta.text),
            Event::Text(delta) if delta.choice == 0 => {
                self.message.content.push_str(&delta.text);
                self.piece(&delta.text)
            }
            _ => Ok(()),
        }
    }

    /// Prints what is shown once all is there.
    fn rest(&mut self, reply: Reply) -> io::Result<()> {
        self.calls(&reply.tool_calls)?;
        self.message.tool_calls = reply.tool_calls;
        for (index, choice) in reply.alternatives.iter().enumerate() {
            self.end_line()?;
            writeln!(self.out, "--- {} ---", index + 2)?;
            if let Some(reasoning) = &choice.reasoning {
                self.thought(reasoning)?;
            }
            self.piece(&choice.text)?;
            self.calls(&choice.tool_calls)?;
        }
        Ok(())
    }

    fn thought(&mut self, thought: &str) -> io::Result<()> {
        if thought.is_empty() || self.thoughts == Thoughts::Hidden {
            return Ok(());
        }
        self.is_thinking = true;
        match self.thoughts {
            Thoughts::Dimmed => self.write(&format!("\x1b[2m{thought}\x1b[22m"))?,
            Thoughts::Plain | Thoughts::Hidden => self.write(thought)?,
        }
        self.is_at_line_start = thought.ends_with('\n');
        Ok(())
    }

    fn piece(&mut self, piece: &str) -> io::Result<()> {
        if piece.is_empty() {
            return Ok(());
        }
        if std::mem::take(&mut self.is_thinking) {
            self.end_line()?;
            self.write("\n")?;
        }
        self.write(piece)
    }

    fn calls(&mut self, calls: &[ToolCall]) -> io::Result<()> {
        for call in calls {
            self.end_line()?;
            self.piece(&format!("{}({})", call.name, call.arguments))?;
        }
        Ok(())
    }

    fn write(&mut self, text: &str) -> io::Result<()> {
        self.is_at_line_start = text.ends_with('\n');
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }

    fn end_line(&mut self) -> io::Result<()> {
        if self.is_at_line_start { self.out.flush() } else { self.write("\n") }
    }
}

#[cfg(test)]
mod tests {
    use indwell::{FinishReason, ReasoningDelta, TextDelta, Timings, Usage};

    use super::*;

    fn text(choice: u32, text: &str) -> Event {
        Event::Text(TextDelta { choice, text: text.to_owned(), logprobs: Vec::new() })
    }

    fn thought(choice: u32, text: &str) -> Event {
        Event::Reasoning(ReasoningDelta { choice, text: text.to_owned() })
    }

    fn printed(thoughts: Thoughts, events: &[Event]) -> String {
        let mut printer = Printer::new(Vec::new(), thoughts);
        let mut fold = ReplyFold::default();
        for event in events {
            printer.event(event).expect("memory takes it");
            assert!(fold.take(event.clone()).is_none(), "none of them ends the stream");
        }
        let reason = FinishReason::Stop;
        let end = Finished { reason, usage: Usage::default(), timings: Timings::default() };
        let reply = fold.take(Event::Finished(end)).expect("an end").expect("no error");
        printer.rest(reply).expect("memory takes it");
        printer.end_line().expect("memory takes it");
        String::from_utf8(printer.out).expect("text")
    }

    fn call(index: u32, name: &str, arguments: &str) -> Event {
        Event::ToolCall(indwell::ToolCallDelta {
            choice: 0,
            index,
            id: Some(format!("call-{index}")),
            name: Some(name.to_owned()),
            arguments: arguments.to_owned(),
        })
    }

    #[test]
    fn reasoning_is_dimmed_or_plain_or_hidden() {
        let events = [thought(0, "Hm. "), thought(0, "So."), text(0, "Yes"), text(0, ".\n")];
        assert_eq!(printed(Thoughts::Hidden, &events), "Yes.\n");
        assert_eq!(printed(Thoughts::Plain, &events), "Hm. So.\n\nYes.\n");
        let dimmed = printed(Thoughts::Dimmed, &events);
        assert_eq!(dimmed, "\x1b[2mHm. \x1b[22m\x1b[2mSo.\x1b[22m\n\nYes.\n");
    }

    #[test]
    fn calls_are_a_line_each_after_the_text() {
        let calls = [call(0, "look_up", "{\"city\":\"Paris\"}"), call(1, "stop", "{}")];
        let lines = "look_up({\"city\":\"Paris\"})\nstop({})\n";
        assert_eq!(printed(Thoughts::Hidden, &calls), lines);
        let [first, second] = calls;
        let with_text = printed(Thoughts::Hidden, &[text(0, "I look."), first, second]);
        assert_eq!(with_text, format!("I look.\n{lines}"));
    }

    #[test]
    fn other_answers_follow_the_first_one() {
        let events = [text(1, "two"), text(0, "one"), thought(2, "?"), text(2, "three\n")];
        assert_eq!(printed(Thoughts::Hidden, &events), "one\n--- 2 ---\ntwo\n--- 3 ---\nthree\n");
    }

    #[test]
    fn nothing_said_is_nothing_printed() {
        assert_eq!(printed(Thoughts::Dimmed, &[text(0, "")]), "");
    }
}
