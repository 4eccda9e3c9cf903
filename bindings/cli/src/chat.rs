//! `indwell chat`: one answer, or a conversation.

use std::io::{self, BufRead, Write};
use std::process::ExitCode;

use indwell::{Engine, ErrorKind};

use crate::answer::{self, Answer};
use crate::arguments::{ChatArguments, Named};
use crate::conversation::Conversation;
use crate::failure::{self, INTERRUPTED};
use crate::interrupt::Interrupt;
use crate::{progress, prompt, stats};

/// Answers the prompt, or holds a conversation.
pub(crate) fn run(arguments: &ChatArguments) -> anyhow::Result<ExitCode> {
    let interrupt = Interrupt::install()?;
    let once = match &arguments.prompt {
        Some(text) => Some(text.clone()),
        None if arguments.interactive || prompt::has_person() => None,
        None => Some(prompt::read()?),
    };
    let options = arguments.named()?;
    let engine = progress::load(&arguments.model, &arguments.engine)?;
    let mut chat = Chat {
        conversation: Conversation::new(arguments.system.as_deref()),
        engine,
        interrupt,
        arguments,
        options,
    };
    match once {
        Some(text) => match chat.exchange(&text)? {
            Some(_) => Ok(ExitCode::SUCCESS),
            None => Ok(ExitCode::from(INTERRUPTED)),
        },
        None => chat.converse(io::stdin().lock()),
    }
}

struct Chat<'a> {
    engine: Engine,
    conversation: Conversation,
    interrupt: Interrupt,
    arguments: &'a ChatArguments,
    options: Named,
}

impl Chat<'_> {
    /// Asks, prints the answer, and remembers both. `None` if Ctrl-C ended the answer.
    fn exchange(&mut self, text: &str) -> anyhow::Result<Option<()>> {
        let answer = self.answer(text).inspect_err(|_| self.conversation.unanswered())?;
        if let Some(finished) = answer.finished.as_ref().filter(|_| self.arguments.request.stats) {
            stats::tell(finished);
        }
        self.conversation.answered(answer.message);
        Ok(answer.finished.map(|_| ()))
    }

    fn answer(&mut self, text: &str) -> anyhow::Result<Answer> {
        let request = self.engine.chat(self.conversation.ask(text));
        let stream = self.options.apply(request).stream()?;
        answer::print(stream, &self.interrupt, self.arguments.show_reasoning)
    }

    /// A line, its answer, and so on until the input ends. A request that fails costs its line;
    /// an engine that fails ends the conversation.
    fn converse(&mut self, mut input: impl BufRead) -> anyhow::Result<ExitCode> {
        self.greet();
        let mut line = String::new();
        loop {
            say("> ");
            line.clear();
            if input.read_line(&mut line)? == 0 {
                say("\n");
                return Ok(ExitCode::SUCCESS);
            }
            match line.trim() {
                "" => {}
                "/clear" => self.conversation.clear(),
                text => match self.exchange(text) {
                    Ok(_) => {}
                    Err(error) if costs_only_the_line(&error) => {
                        failure::tell(&error);
                        if is_full(&error) {
                            say("/clear starts the conversation anew.\n");
                        }
                    }
                    Err(error) => return Err(error),
                },
            }
        }
    }

    fn greet(&self) {
        let model = self.engine.model();
        say(&format!(
            "{} ({}), {} tokens. Ctrl-C stops an answer, Ctrl-D ends, /clear starts anew.\n",
            model.name, model.description, model.context_tokens
        ));
    }
}

/// Writes to the person, not to whoever reads the answers.
fn say(text: &str) {
    let mut stderr = io::stderr();
    // Nobody there to read it: the conversation goes on without.
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}

fn costs_only_the_line(error: &anyhow::Error) -> bool {
    error.downcast_ref::<indwell::Error>().is_some_and(|error| {
        matches!(
            error.kind(),
            ErrorKind::ContextOverflow
                | ErrorKind::DeadlineExceeded
                | ErrorKind::NotCached
                | ErrorKind::Overloaded
        )
    })
}

fn is_full(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<indwell::Error>()
        .is_some_and(|error| error.kind() == ErrorKind::ContextOverflow)
}
