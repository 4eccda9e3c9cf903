//! Runs one child program and hands over its lines as they come.
//!
//! Three ways, from the most to the least visible: [`stream`] passes every line through (test
//! runners), [`quietly`] shows only that it runs and prints its output if it fails (installers),
//! [`capture`] shows nothing and returns what it printed (version checks). [`watch`] is what the
//! first two are made of. Lines are read by two threads, one for each of the child's streams, and
//! handled on the calling thread; between lines it gets a tick, so progress moves in silence.

use std::io::{self, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::progress::Progress;

/// How often a silent child is reported as alive.
const TICK: Duration = Duration::from_millis(250);

/// Lines read but not yet handled, at most: a child that prints faster than that waits.
const LINES_AHEAD_MAX: usize = 1024;

/// Which of the child's streams a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// Standard output.
    Output,
    /// Standard error.
    Error,
}

/// What [`watch`] reports.
#[derive(Debug)]
pub(crate) enum Event<'a> {
    /// A line without its end. A carriage return ends one too, so progress lines come singly.
    Line(Source, &'a str),
    /// Nothing was printed for a while.
    Tick,
}

/// Runs `command` to its end and reports every line of it.
pub(crate) fn watch(
    command: &mut Command,
    mut on_event: impl FnMut(Event<'_>),
) -> Result<ExitStatus> {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("could not start `{}`", describe(command)))?;
    let lines = read_lines(&mut child);
    loop {
        match lines.recv_timeout(TICK) {
            Ok((source, text)) => on_event(Event::Line(source, &text)),
            Err(RecvTimeoutError::Timeout) => on_event(Event::Tick),
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    Ok(child.wait()?)
}

/// Runs `command` with every line shown and also handed to `on_line`; the exit status is the
/// caller's to judge.
pub(crate) fn stream(
    title: &str,
    command: &mut Command,
    mut on_line: impl FnMut(&str),
) -> Result<ExitStatus> {
    let mut progress = Progress::start(title);
    let status = watch(command, |event| match event {
        Event::Line(_, text) => {
            progress.print(text);
            on_line(text);
        }
        Event::Tick => progress.tick(),
    })?;
    progress.finish();
    Ok(status)
}

/// Runs `command` showing only its title and time; its output is shown if it fails, which is an
/// error.
pub(crate) fn quietly(title: &str, command: &mut Command) -> Result<()> {
    let mut progress = Progress::start(title);
    let mut output = Vec::new();
    let status = watch(command, |event| match event {
        Event::Line(_, text) => {
            progress.detail(text);
            output.push(text.to_owned());
        }
        Event::Tick => progress.tick(),
    })?;
    if !status.success() {
        output.iter().for_each(|line| progress.print(line));
    }
    progress.finish();
    ensure!(status.success(), "{title}: `{}` ended with {status}", describe(command));
    Ok(())
}

/// Runs a short `command` and returns its standard output, or its standard error when it printed
/// nothing there.
pub(crate) fn capture(command: &mut Command) -> Result<String> {
    let output =
        command.output().with_context(|| format!("could not start `{}`", describe(command)))?;
    let error = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        bail!("`{}` ended with {}\n{}", describe(command), output.status, error.trim_end());
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(if text.trim().is_empty() { error } else { text }.into_owned())
}

/// The command about as one would type it: the program without its folder.
pub(crate) fn describe(command: &Command) -> String {
    let program = Path::new(command.get_program());
    std::iter::once(program.file_name().unwrap_or(program.as_os_str()))
        .chain(command.get_args())
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

fn read_lines(child: &mut Child) -> mpsc::Receiver<(Source, String)> {
    let (sender, receiver) = mpsc::sync_channel(LINES_AHEAD_MAX);
    if let Some(output) = child.stdout.take() {
        let sender = sender.clone();
        thread::spawn(move || forward(output, Source::Output, &sender));
    }
    if let Some(error) = child.stderr.take() {
        thread::spawn(move || forward(error, Source::Error, &sender));
    }
    receiver
}

/// Sends each line on, until the stream ends or nobody listens.
fn forward(stream: impl Read, source: Source, sender: &SyncSender<(Source, String)>) {
    let mut line = Vec::new();
    for byte in BufReader::new(stream).bytes().map_while(io::Result::ok) {
        if byte != b'\n' && byte != b'\r' {
            line.push(byte);
            continue;
        }
        let is_blank_redraw = byte == b'\r' && line.is_empty();
        if !is_blank_redraw && sender.send((source, text(&line))).is_err() {
            return;
        }
        line.clear();
    }
    if !line.is_empty() {
        // The receiver only goes away when its caller panicked: there is nobody left to tell.
        drop(sender.send((source, text(&line))));
    }
}

fn text(line: &[u8]) -> String {
    String::from_utf8_lossy(line).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdin(Stdio::null());
        command
    }

    fn lines_of(script: &str) -> Vec<(Source, String)> {
        let mut lines = Vec::new();
        watch(&mut shell(script), |event| {
            if let Event::Line(source, text) = event {
                lines.push((source, text.to_owned()));
            }
        })
        .unwrap();
        lines
    }

    #[test]
    fn lines_end_at_newlines_carriage_returns_and_the_end() {
        let lines = lines_of(r"printf 'one\ntwo\rthree'");
        let texts: Vec<_> = lines.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(texts, ["one", "two", "three"]);
    }

    #[test]
    fn streams_are_told_apart() {
        assert_eq!(lines_of("echo wrong >&2"), [(Source::Error, "wrong".to_owned())]);
    }

    #[test]
    fn invalid_utf8_is_replaced_not_lost() {
        let lines = lines_of(r"printf 'a\377b\n'");
        assert_eq!(lines, [(Source::Output, "a\u{fffd}b".to_owned())]);
    }

    #[test]
    fn failing_program_is_an_error_that_names_the_command() {
        let error = quietly("failing", &mut shell("exit 3")).unwrap_err();
        assert!(error.to_string().contains("sh -c exit 3"), "{error}");
    }

    #[test]
    fn missing_program_is_an_error_that_names_it() {
        let error = capture(&mut Command::new("no-such-program")).unwrap_err();
        assert!(format!("{error:#}").contains("no-such-program"), "{error:#}");
    }

    #[test]
    fn capture_falls_back_to_standard_error() {
        assert_eq!(capture(&mut shell("echo 17 >&2")).unwrap().trim(), "17");
    }
}
