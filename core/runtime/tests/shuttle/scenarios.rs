//! One writer and one reader of a mailbox, and what each has to see of the other.
//!
//! The writer does what the worker does: it pauses when it is told that the mailbox is full, and
//! goes on when the reader's look says so. Both threads draw what they do from the schedule. A
//! wake-up that is lost shows as a deadlock.

use std::future::poll_fn;
use std::task::{Context, Waker};
use std::time::Duration;

use shuttle::future::block_on;
use shuttle::rand::{Rng, thread_rng};
use shuttle::sync::mpsc;
use shuttle::thread;

use crate::event::Event;
use crate::handoff::{Handoff, Reader, Writer};
use crate::mailbox::{Delivery, Look, Taken, deadline_after};

/// How a reader waits for what is not there yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Blocking,
    Timed,
    Task,
    /// A task whose first look is made with a waker of somebody else.
    MovedTask,
    /// One of these for each event.
    Any,
}

impl Way {
    pub(crate) const ALL: [Self; 5] =
        [Self::Blocking, Self::Timed, Self::Task, Self::MovedTask, Self::Any];
}

/// What the reader tells the writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Command {
    Resume,
    Left,
}

/// What the writer did.
struct Written {
    texts: u32,
    end: Event,
    /// It was told to pause, and did not wait for the word to go on.
    ended_paused: bool,
    /// What it did not take.
    commands: mpsc::Receiver<Command>,
}

/// A reader that reads to the end gets every text in order and one end, and the writer is told to
/// go on exactly once for each pause.
pub(crate) fn reads_to_the_end<H: Handoff>(handoff: H, way: Way) {
    let (writer, mut reader) = handoff.pair(thread_rng().gen_range(1..=4));
    let (commands, commanded) = mpsc::channel();
    let writing = thread::spawn(move || write(writer, commanded));
    let mut texts = 0;
    let end = loop {
        match read(&mut reader, way, || resume(&commands)) {
            Event::Text(text) => {
                assert_eq!(text, [texts], "the next text");
                texts += 1;
            }
            end => break end,
        }
    };
    assert!(matches!(reader.try_take(), Look::Ended));
    assert!(matches!(reader.take_until(None), Look::Ended));
    assert!(matches!(block_on(poll_fn(|context| reader.poll_take(context))), Look::Ended));
    let written = writing.join().expect("the writer does not panic");
    assert_eq!((texts, end), (written.texts, written.end));
    let left_over = written.commands.try_iter().count();
    assert!(left_over <= usize::from(written.ended_paused), "told to go on {left_over} times more");
}

/// A reader that leaves at any moment sees a beginning of the texts, and the writer, who is told
/// of it, is never kept waiting.
pub(crate) fn leaves<H: Handoff>(handoff: H, way: Way) {
    let (writer, mut reader) = handoff.pair(thread_rng().gen_range(1..=4));
    let (commands, commanded) = mpsc::channel();
    let writing = thread::spawn(move || write(writer, commanded));
    for number in 0..thread_rng().gen_range(0..=4) {
        match read(&mut reader, way, || resume(&commands)) {
            Event::Text(text) => assert_eq!(text, [number], "the next text"),
            _ => break,
        }
    }
    drop(reader);
    let _ = commands.send(Command::Left);
    writing.join().expect("the writer does not panic");
}

/// The smallest handoff, with nothing drawn: one text, and a writer that goes away.
pub(crate) fn one_text<H: Handoff>(handoff: H, way: Way) {
    let (writer, mut reader) = handoff.pair(1);
    let (commands, commanded) = mpsc::channel();
    let writing = thread::spawn(move || {
        assert_eq!(writer.send(Event::Text(vec![0])), Delivery::Full);
    });
    assert_eq!(read(&mut reader, way, || resume(&commands)), Event::Text(vec![0]));
    assert_eq!(read(&mut reader, way, || resume(&commands)), Event::Lost);
    writing.join().expect("the writer does not panic");
    assert!(commanded.try_iter().count() <= 1);
}

fn resume(commands: &mpsc::Sender<Command>) {
    // A writer that has ended needs it no more.
    let _ = commands.send(Command::Resume);
}

/// The next event, waited for in this way; `resume` is called when the writer is to go on.
pub(crate) fn read(reader: &mut impl Reader, way: Way, resume: impl FnOnce()) -> Event {
    let way = match way {
        Way::Any => Way::ALL[thread_rng().gen_range(0..Way::ALL.len() - 1)],
        one => one,
    };
    let look = match way {
        Way::Blocking => reader.take_until(None),
        Way::Timed => loop {
            match reader.take_until(deadline_after(Duration::from_secs(1))) {
                Look::Empty => {}
                found => break found,
            }
        },
        Way::Task | Way::MovedTask | Way::Any => {
            let seen = (way == Way::MovedTask)
                .then(|| reader.poll_take(&mut Context::from_waker(Waker::noop())));
            match seen {
                Some(std::task::Poll::Ready(look)) => look,
                Some(std::task::Poll::Pending) | None => {
                    block_on(poll_fn(|context| reader.poll_take(context)))
                }
            }
        }
    };
    let Look::Taken(taken) = look else { panic!("{look:?} after no end") };
    let Taken { event, resume: goes_on } = taken;
    if goes_on {
        resume();
    }
    event
}

fn write(writer: impl Writer, commands: mpsc::Receiver<Command>) -> Written {
    let mut random = thread_rng();
    let mut ended_paused = false;
    let length = random.gen_range(0..=6);
    let mut texts = 0;
    let mut left = false;
    while texts < length && !ended_paused {
        match commands.try_recv() {
            Ok(Command::Resume) => panic!("told to go on without a pause"),
            Ok(Command::Left) => left = true,
            Err(_) => {}
        }
        let delivery = writer.send(Event::Text(vec![texts]));
        texts += 1;
        if delivery == Delivery::Full {
            assert!(!left, "full for nobody");
            ended_paused = random.gen_bool(0.1);
            if !ended_paused {
                left = commands.recv() != Ok(Command::Resume);
            }
        }
        if left {
            break;
        }
    }
    let ends = [Event::Finished, Event::Cancelled, Event::Lost];
    let end = ends[random.gen_range(0..ends.len())].clone();
    if end == Event::Lost {
        drop(writer);
    } else {
        writer.finish(end.clone());
        writer.finish(Event::Cancelled);
    }
    Written { texts, end, ended_paused, commands }
}
