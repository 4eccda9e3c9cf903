//! Prints a stream as it comes, and cancels it on Ctrl-C.

use std::io::{self, Write};
use std::time::Duration;

use indwell::{Event, Finished, TokenStream, Wait};

use crate::interrupt::Interrupt;

/// How soon Ctrl-C is noticed while no token comes.
const INTERRUPT_INTERVAL: Duration = Duration::from_millis(50);

/// An answer that was printed, in whole or in part.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) text: String,
    /// `None` if Ctrl-C ended it.
    pub(crate) finished: Option<Finished>,
}

/// Prints the answer on standard output, each piece as it comes, and a newline after it.
///
/// # Errors
/// What the request failed with, and what writing failed with: dropping the stream then cancels.
pub(crate) fn print(stream: TokenStream, interrupt: &Interrupt) -> anyhow::Result<Answer> {
    let mut printer = Printer { out: io::stdout().lock(), text: String::new() };
    let ended = printer.follow(stream, interrupt);
    printer.end_line()?;
    let finished = ended?;
    Ok(Answer { text: printer.text, finished })
}

struct Printer<W> {
    out: W,
    text: String,
}

impl<W: Write> Printer<W> {
    fn follow(
        &mut self,
        mut stream: TokenStream,
        interrupt: &Interrupt,
    ) -> anyhow::Result<Option<Finished>> {
        let answering = interrupt.answering();
        loop {
            if answering.is_interrupted() {
                stream.cancel();
            }
            match stream.next_timeout(INTERRUPT_INTERVAL) {
                Wait::TimedOut => {}
                Wait::Event(Event::Text(delta)) => self.piece(&delta.text)?,
                Wait::Event(Event::Finished(finished)) => return Ok(Some(finished)),
                Wait::Event(Event::Failed(error)) => return Err(error.into()),
                // No other event ends a stream, and nothing follows the end.
                Wait::Event(_) | Wait::Ended => return Ok(None),
            }
        }
    }

    fn piece(&mut self, piece: &str) -> io::Result<()> {
        self.text.push_str(piece);
        self.out.write_all(piece.as_bytes())?;
        self.out.flush()
    }

    fn end_line(&mut self) -> io::Result<()> {
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            self.out.write_all(b"\n")?;
        }
        self.out.flush()
    }
}
