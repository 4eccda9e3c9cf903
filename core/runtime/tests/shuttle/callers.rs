//! Callers that ask the same questions at any time, and read, dawdle and leave as they like.
//!
//! What a caller does is what the library's request path does, with its registry and its mailboxes:
//! look into the store, then enter what is in flight, or have the request held while it is judged;
//! read; tell the worker when there is room again and when it leaves.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indwell_kernel::{RequestId, ResponseKey, Timestamp};
use shuttle::rand::{Rng, thread_rng};
use shuttle::sync::mpsc::{Sender, channel};
use shuttle::thread;

use crate::event::Event;
use crate::in_flight::Entered;
use crate::mailbox::{Receiver, mailbox};
use crate::scenarios::{Way, read};
use crate::slip::{Slip, Weather};
use crate::tally::{Happening, Tally};
use crate::worker::{Command, Job, Request, Shared, Worker, length};

/// What callers do besides asking, and reading to the end.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Manners {
    /// They may stop reading, and leave.
    pub(crate) leave: bool,
    /// They may cancel, and read on.
    pub(crate) cancel: bool,
    /// They may have deadlines.
    pub(crate) hurry: bool,
    /// They may want the answer computed anew.
    pub(crate) refresh: bool,
    /// They may have it judged whether an answer to another question serves them.
    pub(crate) judge: bool,
}

impl Manners {
    pub(crate) const QUIET: Self =
        Self { leave: false, cancel: false, hurry: false, refresh: false, judge: false };
    pub(crate) const FREE: Self =
        Self { leave: true, cancel: true, hurry: true, refresh: true, judge: true };
}

/// What happened, and to how many questions.
pub(crate) struct Asked {
    pub(crate) tally: Tally,
    pub(crate) questions: usize,
}

/// What a caller has of the engine.
#[derive(Clone)]
struct Engine {
    shared: Arc<Shared>,
    commands: Sender<Command>,
    requests: Arc<AtomicU64>,
    manners: Manners,
    weather: Weather,
}

/// Some callers and a worker, until all is over: everybody gets what is due to it.
pub(crate) fn ask(manners: Manners, weather: Weather, slip: Option<Slip>) -> Asked {
    let mut random = thread_rng();
    let shared = Arc::new(Shared::default());
    let (commands, commanded) = channel();
    let worker = Worker::new(Arc::clone(&shared), commanded, weather, slip);
    let working = thread::spawn(move || worker.run());
    let known = Arc::clone(&shared);
    let engine = Engine { shared, commands, requests: Arc::default(), manners, weather };

    let questions: Vec<_> = (0..random.gen_range(1..=2)).map(question).collect();
    let mut asked = Vec::new();
    let mut callers = Vec::new();
    for _ in 0..random.gen_range(2..=3) {
        let keys: Vec<_> = (0..random.gen_range(1..=2))
            .map(|_| questions[random.gen_range(0..questions.len())])
            .collect();
        asked.extend(keys.iter().copied());
        let engine = engine.clone();
        callers.push(thread::spawn(move || keys.into_iter().for_each(|key| engine.call(key))));
    }
    drop(engine);
    for calling in callers {
        calling.join().expect("no caller panics");
    }
    let tally = working.join().expect("the worker does not panic");
    asked.sort_unstable();
    asked.dedup();
    if !weather.ends {
        let left = asked.iter().filter(|&&key| known.in_flight.contains(key)).count();
        assert_eq!(left, 0, "in flight when all is over");
    }
    Asked { tally, questions: asked.len() }
}

/// A caller that does not read before another one, who asks the same, has all of it: it holds up
/// nobody but itself.
pub(crate) fn dawdle(slip: Option<Slip>) {
    let shared = Arc::new(Shared::default());
    let (commands, commanded) = channel();
    let worker = Worker::new(Arc::clone(&shared), commanded, Weather::FAIR, slip);
    let working = thread::spawn(move || worker.run());
    let (manners, weather) = (Manners::QUIET, Weather::FAIR);
    let engine = Engine { shared, commands, requests: Arc::default(), manners, weather };
    let key = question(0);
    let id = engine.next_request();
    let mut receiver = engine.submit(id, key, None).expect("it is open");
    let other = engine.clone();
    let calling = thread::spawn(move || other.call(key));
    calling.join().expect("no caller panics");
    let mut text = Vec::new();
    while let Event::Text(news) = engine.read(id, &mut receiver, Way::Any) {
        text.extend(news);
    }
    assert!(text.into_iter().eq(0..length(key)), "all of it");
    drop(engine);
    let tally = working.join().expect("the worker does not panic");
    assert_eq!(tally.count(Happening::Begun), 1);
}

/// A question whose answer is short.
fn question(number: u8) -> ResponseKey {
    let mut digest = [number; 32];
    digest[0] = thread_rng().gen_range(1..=6);
    ResponseKey::from_bytes(digest)
}

fn may(allowed: bool) -> bool {
    allowed && thread_rng().gen_bool(0.3)
}

impl Engine {
    /// One request, to whatever end it has.
    fn call(&self, key: ResponseKey) {
        let mut random = thread_rng();
        let mut some = |allowed, limit| may(allowed).then(|| random.gen_range(0..limit));
        let deadline = some(self.manners.hurry, 8).map(|ms| Timestamp(Duration::from_millis(ms)));
        let leaves_after = some(self.manners.leave, 4);
        let cancels_after = some(self.manners.cancel, 4);
        let way = Way::ALL[random.gen_range(0..Way::ALL.len())];

        let id = self.next_request();
        let Some(mut receiver) = self.submit(id, key, deadline) else {
            assert!(self.weather.ends, "refused by an open engine");
            return;
        };
        let mut text = Vec::new();
        for count in 0.. {
            if leaves_after == Some(count) {
                drop(receiver);
                return self.send(Command::Cancel(id));
            }
            if cancels_after == Some(count) {
                self.send(Command::Cancel(id));
            }
            let end = match self.read(id, &mut receiver, way) {
                Event::Text(news) => {
                    text.extend(news);
                    continue;
                }
                end => end,
            };
            let whole: Vec<u32> = (0..length(key)).collect();
            assert!(whole.starts_with(&text), "{text:?} is no beginning of {whole:?}");
            match end {
                Event::Text(_) => unreachable!("it goes on"),
                Event::Finished => assert_eq!(text, whole, "all of it"),
                Event::Cancelled => assert!(cancels_after.is_some(), "it did not cancel"),
                Event::Late => assert!(deadline.is_some(), "it has no deadline"),
                Event::Failed => assert!(self.weather.fails, "nothing failed"),
                Event::Lost => assert!(self.weather.ends, "the worker is there"),
            }
            return;
        }
    }

    fn next_request(&self) -> RequestId {
        RequestId(self.requests.fetch_add(1, Ordering::Relaxed))
    }

    fn read(&self, id: RequestId, receiver: &mut Receiver, way: Way) -> Event {
        read(receiver, way, || self.send(Command::Resume(id)))
    }

    /// `None` when the engine is over.
    fn submit(
        &self,
        id: RequestId,
        key: ResponseKey,
        deadline: Option<Timestamp>,
    ) -> Option<Receiver> {
        let shares = !may(self.manners.refresh);
        let request = Request { id, key, shares };
        let ready = |answer| Receiver::ready([Event::Text(answer), Event::Finished]);
        if let Some(answer) = self.shared.find(key).filter(|_| shares) {
            return Some(ready(answer));
        }
        let (events, receiver) = mailbox(thread_rng().gen_range(1..=3));
        let job = Box::new(Job { request, deadline, events });
        if !shares {
            return self.send_while_open(Command::Submit(job)).ok().map(|()| receiver);
        }
        if may(self.manners.judge) && !self.shared.in_flight.contains(key) {
            self.send_while_open(Command::Hold(job)).ok()?;
            let commands = self.commands.clone();
            thread::spawn(move || {
                let verdict = thread_rng().gen_bool(0.3).then(|| (0..length(key)).collect());
                let _ = commands.send(Command::Judged(id, verdict));
            });
            return Some(receiver);
        }
        let find = || self.shared.find(key);
        let send = |job, _| self.send_while_open(Command::Submit(job));
        match self.shared.in_flight.enter(key, job, find, send).ok()? {
            Entered::Stored(answer, _) => Some(ready(answer)),
            Entered::Sent(()) => Some(receiver),
        }
    }

    fn send_while_open(&self, command: Command) -> Result<(), Over> {
        let over = self.shared.over.lock();
        if *over {
            return Err(Over);
        }
        self.send(command);
        Ok(())
    }

    /// A worker that is gone needs none.
    fn send(&self, command: Command) {
        let _ = self.commands.send(command);
    }
}

/// The engine is over.
struct Over;
