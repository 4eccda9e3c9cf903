//! `indwell complete`: the text that follows a prompt.

use std::process::ExitCode;

use indwell::Error;

use crate::arguments::CompleteArguments;
use crate::failure::INTERRUPTED;
use crate::interrupt::Interrupt;
use crate::{answer, progress, prompt, stats};

/// Prints the continuation.
pub(crate) fn run(arguments: &CompleteArguments) -> anyhow::Result<ExitCode> {
    let interrupt = Interrupt::install()?;
    let prompt = match &arguments.prompt {
        Some(text) => text.clone(),
        None if prompt::has_person() => return Err(missing().into()),
        None => prompt::read()?,
    };
    let options = arguments.named()?;
    let engine = progress::load(&arguments.model, &arguments.engine)?;
    let request = engine.complete(prompt).parse_special(arguments.parse_special);
    let answer = answer::print(options.apply(request).stream()?, &interrupt, false)?;
    let Some(finished) = answer.finished else { return Ok(ExitCode::from(INTERRUPTED)) };
    if arguments.request.stats {
        stats::tell(&finished);
    }
    Ok(ExitCode::SUCCESS)
}

fn missing() -> Error {
    let remedy = "give it after the model, or pipe it in";
    Error::invalid("prompt", "missing", "a text to continue", remedy)
}
