//! Who serves the traffic: an engine in this process, or llama-server in one of its own.
//!
//! Both are asked from as many threads as the traffic has clients, in the same order, and both are
//! timed where the answers are read.

use std::collections::VecDeque;
use std::path::Path;
use std::process::Command;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use indwell::{Engine, Event, Message, assistant, user};

use crate::Client;
use crate::client::Load;
use crate::machine::Usage;
use crate::traffic::{Answer, Form, Served, Traffic};

/// One of those who are compared.
#[derive(Debug)]
pub enum Contender {
    /// An engine, and what it is called.
    Engine(String, Engine),
    /// llama-server, run by `clients/llama_server.py`.
    Peer(Box<Client>),
}

/// What serving some traffic took.
#[derive(Debug)]
pub struct Measured {
    /// What its clients saw.
    pub served: Served,
    /// The share of the machine's processors that others were using meanwhile.
    pub others_share: Option<f64>,
}

impl Contender {
    /// llama-server on what `load` says, with `slots` slots.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn peer(python: &Path, slots: u32, load: &Load) -> Result<Self> {
        let clients = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients");
        let mut command = Command::new(python);
        command.arg(clients.join("llama_server.py")).arg(slots.to_string());
        Ok(Self::Peer(Box::new(Client::start("llama-server", &mut command, load)?)))
    }

    /// Who it is.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Engine(name, _) => name,
            Self::Peer(client) => client.name(),
        }
    }

    /// Serves `traffic` to its end.
    ///
    /// # Errors
    /// When an answer fails, or too many are short.
    pub fn measure(&mut self, traffic: &Traffic) -> Result<Measured> {
        let pid = match self {
            Self::Engine(..) => std::process::id(),
            Self::Peer(client) => client.pid(),
        };
        let before = Usage::of_process(pid);
        let served = match self {
            Self::Engine(_, engine) => serve(engine, traffic)?,
            Self::Peer(client) => ask_peer(client, traffic)?,
        };
        let others_share = Usage::of_process(pid).others_since(&before);
        traffic.check(&served).with_context(|| self.name().to_owned())?;
        Ok(Measured { served, others_share })
    }
}

fn ask_peer(client: &mut Client, traffic: &Traffic) -> Result<Served> {
    let answered = client.exchange(&serde_json::to_string(traffic)?)?;
    serde_json::from_str(&answered).with_context(|| format!("llama-server answered {answered:?}"))
}

/// Serves `traffic` on an engine of this process.
///
/// # Errors
/// The first of any answer; the others are given up.
pub fn serve(engine: &Engine, traffic: &Traffic) -> Result<Served> {
    let queue = Queue::new(traffic);
    let started = Instant::now();
    let answers = std::thread::scope(|scope| {
        let client = || {
            let mut answers = Vec::new();
            while let Some(mut session) = queue.take() {
                match session.ask(engine, traffic) {
                    Ok(answer) => {
                        answers.push(answer);
                        queue.give_back(session);
                    }
                    Err(error) => {
                        queue.give_up();
                        return Err(error);
                    }
                }
            }
            Ok(answers)
        };
        let clients: Vec<_> = (0..traffic.clients).map(|_| scope.spawn(client)).collect();
        let mut answers = Vec::new();
        for client in clients {
            answers.extend(client.join().expect("a client does not panic")?);
        }
        anyhow::Ok(answers)
    })?;
    Ok(Served { seconds: started.elapsed().as_secs_f64(), answers })
}

/// Sessions whose next turn may be asked, first come, first served.
#[derive(Debug)]
struct Queue {
    state: Mutex<QueueState>,
    changed: Condvar,
}

#[derive(Debug)]
struct QueueState {
    waiting: VecDeque<Session>,
    /// Sessions that have turns left, those being asked included.
    left: usize,
}

impl Queue {
    fn new(traffic: &Traffic) -> Self {
        let waiting: VecDeque<Session> = (0..).zip(&traffic.sessions).map(Session::new).collect();
        let left = waiting.len();
        Self { state: Mutex::new(QueueState { waiting, left }), changed: Condvar::new() }
    }

    /// The next session, waiting for one; `None` when there is nothing left to ask.
    fn take(&self) -> Option<Session> {
        let mut state = self.lock();
        loop {
            if state.left == 0 {
                return None;
            }
            if let Some(session) = state.waiting.pop_front() {
                return Some(session);
            }
            state = self.changed.wait(state).expect("no client panics");
        }
    }

    fn give_back(&self, session: Session) {
        let mut state = self.lock();
        match session.turns.is_empty() {
            true => state.left = state.left.saturating_sub(1),
            false => state.waiting.push_back(session),
        }
        self.changed.notify_all();
    }

    fn give_up(&self) {
        self.lock().left = 0;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().expect("no client panics")
    }
}

/// What has been said so far, and the turns that are left.
#[derive(Debug)]
struct Session {
    number: u32,
    turn: u32,
    turns: VecDeque<String>,
    messages: Vec<Message>,
    text: String,
}

impl Session {
    fn new((number, turns): (u32, &Vec<String>)) -> Self {
        let turns = turns.iter().cloned().collect();
        Self { number, turn: 0, turns, messages: Vec::new(), text: String::new() }
    }

    /// Asks the next turn with all that came before it, and reads the answer.
    fn ask(&mut self, engine: &Engine, traffic: &Traffic) -> Result<Answer> {
        let said = self.turns.pop_front().context("a session in the queue has turns")?;
        let started = Instant::now();
        let stream = match traffic.form {
            Form::Chat => {
                self.messages.push(user(said));
                let request = engine.chat(self.messages.as_slice());
                request.max_tokens(traffic.max_tokens).temperature(0.0).stream()?
            }
            Form::Completion => {
                self.text += &said;
                let request = engine.complete(self.text.as_str());
                request.max_tokens(traffic.max_tokens).temperature(0.0).stream()?
            }
        };
        let elapsed_ms = || started.elapsed().as_secs_f64() * 1000.0;
        let (mut text, mut ttft_ms) = (String::new(), None);
        for event in stream {
            match event {
                Event::Text(delta) => {
                    ttft_ms.get_or_insert_with(elapsed_ms);
                    text += &delta.text;
                }
                Event::Finished(finished) => {
                    let total_ms = elapsed_ms();
                    let answer = Answer {
                        session: self.number,
                        turn: self.turn,
                        ttft_ms: ttft_ms.unwrap_or(total_ms),
                        total_ms,
                        prompt_tokens: finished.usage.prompt_tokens,
                        cached_tokens: finished.usage.cached_tokens,
                        completion_tokens: finished.usage.completion_tokens,
                    };
                    self.turn += 1;
                    self.text += &text;
                    self.messages.push(assistant(text));
                    return Ok(answer);
                }
                Event::Failed(error) => return Err(error.into()),
                other => bail!("the stream says {other:?}"),
            }
        }
        bail!("the stream ended without a terminal event")
    }
}
