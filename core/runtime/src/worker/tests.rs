//! The worker on backends that fail: who is told what, and that nobody waits for ever.
//!
//! The texts and tokens are those of the default model; only the computing is scripted.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::JoinHandle;
use std::time::Duration;

use indwell_kernel::testing::{ScriptedBackend, StepFault};
use indwell_kernel::{
    AdmissionGate, AdmissionLimits, Backend, CacheUse, Condition, Draws, Goal, Outcome, Plan,
    SchedulerConfig, SchedulerOptions, StepError, Token,
};
use indwell_llama::{Model, ModelParams};

use super::Worker;
use crate::model::LocalModel;
use crate::prompt::Prompter;
use crate::shared::{Command, RequestLimits, Shared};
use crate::submission::Draft;
use crate::{CompletionRequest, Error, ErrorKind, ModelInfo};

/// An engine on a scripted backend.
struct Rig {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Rig {
    fn new(backend: impl Backend + Send + 'static) -> Self {
        Self::with_capacity(backend, 256)
    }

    /// With readers that may be so many events behind.
    fn with_capacity(backend: impl Backend + Send + 'static, stream_capacity: u32) -> Self {
        let model = Arc::new(
            Model::load(&model_path(), ModelParams::default(), |_| {}).expect("the default model"),
        );
        let config = config();
        let (commands, received) = crossbeam_channel::unbounded();
        let admission = AdmissionLimits::validate(None, None).expect("defaults");
        let prompter = Prompter::new(LocalModel::new(model), config.request_tokens_max, None)
            .expect("a prompter");
        let prompter = Arc::new(prompter);
        let shared = Arc::new(Shared::new(
            commands,
            AdmissionGate::new(admission),
            Arc::clone(&prompter),
            info(),
            RequestLimits {
                request_tokens_max: config.request_tokens_max,
                default_max_tokens: 8,
                stream_capacity,
            },
            config.context_tokens,
        ));
        let worker = Worker::new(Arc::clone(&shared), prompter, received, backend, config);
        let thread = worker.spawn().expect("a thread");
        Self { shared, thread: Some(thread) }
    }

    fn complete(&self) -> CompletionRequest {
        CompletionRequest::completion(Arc::clone(&self.shared), "Hello there".to_owned())
    }

    fn close(&mut self) {
        self.shared.end(Error::closed());
        self.shared.send(Command::Close);
        self.join();
    }

    /// Waits until the worker has ended by itself.
    fn join(&mut self) {
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the worker catches its panics");
        }
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.close();
    }
}

fn config() -> SchedulerConfig {
    SchedulerOptions {
        context_tokens: Some(256),
        sequences_max: Some(4),
        ..SchedulerOptions::default()
    }
    .validate()
    .expect("valid bounds")
}

fn scripted(faults: Vec<Option<StepFault>>) -> ScriptedBackend {
    let config = config();
    let mut backend = ScriptedBackend::new(&config, config.context_tokens);
    for fault in faults {
        backend.script(fault);
    }
    backend
}

fn model_path() -> PathBuf {
    std::env::var_os("INDWELL_TEST_MODEL").map_or_else(
        || crate::pull("smollm2-135m", &|_| {}).expect("the default model"),
        PathBuf::from,
    )
}

fn info() -> ModelInfo {
    ModelInfo {
        name: "scripted".to_owned(),
        path: PathBuf::new(),
        description: String::new(),
        parameters: 0,
        size_bytes: 0,
        vocabulary_size: 0,
        trained_context_tokens: 256,
        context_tokens: 256,
        has_chat_template: true,
    }
}

/// Executes as a script says, until its n-th step, in which it panics.
struct Panicking {
    backend: ScriptedBackend,
    steps_left: u32,
}

impl Backend for Panicking {
    fn execute(&mut self, plan: &Plan, outcome: &mut Outcome) -> Result<(), StepError> {
        assert!(self.steps_left > 0, "the backend's invariant broke");
        self.steps_left -= 1;
        self.backend.execute(plan, outcome)
    }
}

#[test]
fn a_panic_poisons_the_engine_and_every_waiter_hears_of_it() {
    let rig = Rig::new(Panicking { backend: scripted(Vec::new()), steps_left: 3 });
    // More than run at once: some of them are still in the queue when it happens.
    let streams: Vec<_> =
        (0..6).map(|_| rig.complete().max_tokens(100).stream().expect("a stream")).collect();
    for stream in streams {
        let error = stream.reply().expect_err("the worker panicked");
        assert_eq!(error.kind(), ErrorKind::EnginePoisoned);
        assert!(error.message().contains("the backend's invariant broke"), "{error}");
    }
    let later = rig.complete().run().expect_err("the engine is over");
    assert_eq!(later.kind(), ErrorKind::EnginePoisoned);
    let stats = rig.shared.snapshot();
    assert_eq!((stats.requests_running, stats.requests_waiting), (0, 0));
    assert_eq!(stats.requests_failed, 6);
}

/// Away until it is woken, then over.
struct Leaving {
    backend: ScriptedBackend,
    away: Arc<AtomicBool>,
}

impl Backend for Leaving {
    fn execute(&mut self, plan: &Plan, outcome: &mut Outcome) -> Result<(), StepError> {
        self.backend.execute(plan, outcome)
    }

    fn condition(&mut self) -> Condition {
        match self.away.load(Relaxed) {
            true => Condition::Away,
            false => Condition::Over("no worker starts".to_owned()),
        }
    }
}

#[test]
fn a_lost_backend_fails_who_ran_and_the_engine_serves_on() {
    let lost = StepFault::Step { error: StepError::Lost("signal 9".to_owned()), partial: 0 };
    let rig = Rig::new(scripted(vec![None, Some(lost)]));
    let error = rig.complete().max_tokens(5).run().expect_err("its second step was lost");
    assert_eq!(error.kind(), ErrorKind::EnginePoisoned);
    assert_eq!(error.details().value.as_deref(), Some("signal 9"));
    let reply = rig.complete().max_tokens(5).run().expect("the next one is served");
    assert_eq!(reply.usage.completion_tokens, 5);
}

#[test]
fn who_waits_for_a_backend_that_is_away_can_leave_and_hears_that_it_is_over() {
    let away = Arc::new(AtomicBool::new(true));
    let rig = Rig::new(Leaving { backend: scripted(Vec::new()), away: Arc::clone(&away) });
    let leaving = rig.complete().stream().expect("a stream");
    let late = rig.complete().timeout(Duration::from_millis(1)).stream().expect("a stream");
    let waiting = rig.complete().stream().expect("a stream");
    leaving.cancel();
    assert_eq!(leaving.reply().expect_err("it left").kind(), ErrorKind::Cancelled);
    assert_eq!(late.reply().expect_err("it is late").kind(), ErrorKind::DeadlineExceeded);
    away.store(false, Relaxed);
    rig.shared.send(Command::Wake);
    let error = waiting.reply().expect_err("nothing will be computed");
    assert_eq!(error.kind(), ErrorKind::EnginePoisoned);
    assert!(error.message().contains("no worker starts"), "{error}");
    let later = rig.complete().run().expect_err("the engine is over");
    assert_eq!(later.kind(), ErrorKind::EnginePoisoned);
}

#[test]
fn a_failed_step_fails_those_in_it_and_the_engine_serves_on() {
    let fatal = StepFault::Step { error: StepError::Fatal("scripted".to_owned()), partial: 0 };
    let rig = Rig::new(scripted(vec![None, Some(fatal)]));
    let error = rig.complete().run().expect_err("its second step failed");
    assert_eq!(error.kind(), ErrorKind::Internal);
    assert!(error.message().contains("scripted"), "{error}");
    let reply = rig.complete().max_tokens(5).run().expect("the next one is served");
    assert_eq!(reply.usage.completion_tokens, 5);
}

#[test]
fn a_prefix_that_finds_no_room_is_told_to_try_again() {
    // An engine without a prefix cache has room for none.
    let rig = Rig::new(scripted(Vec::new()));
    let draft = Draft {
        prompt: vec![Token(1), Token(2)],
        prompter: rig.shared.prompter().expect("an open engine"),
        goal: Goal::Cache,
        cache: CacheUse::Bypass,
        max_tokens: 1,
        draws: Draws::greedy().into(),
        prompt_logprobs: false,
        stop: Vec::new(),
        timeout: None,
        submitted: rig.shared.now(),
        responses: None,
    };
    let stream = draft.submit(Arc::clone(&rig.shared)).expect("a stream");
    let error = stream.reply().expect_err("nothing keeps it");
    assert_eq!(error.kind(), ErrorKind::Overloaded, "{error}");
}

#[test]
fn an_aborted_step_is_tried_again_and_nobody_notices() {
    let aborted = StepFault::Step { error: StepError::Aborted, partial: 1 };
    let rig = Rig::new(scripted(vec![None, Some(aborted.clone()), None, Some(aborted)]));
    let disturbed = rig.complete().max_tokens(6).run().expect("an answer");
    let quiet = Rig::new(scripted(Vec::new()));
    assert_eq!(disturbed.text, quiet.complete().max_tokens(6).run().expect("an answer").text);
}

#[test]
fn a_request_sent_as_the_engine_closes_is_answered() {
    for _ in 0..50 {
        let mut rig = Rig::new(scripted(Vec::new()));
        let shared = Arc::clone(&rig.shared);
        let caller = std::thread::spawn(move || {
            loop {
                let request =
                    CompletionRequest::completion(Arc::clone(&shared), "Hello".to_owned());
                if let Err(error) = request.max_tokens(2).run() {
                    return error.kind();
                }
            }
        });
        rig.close();
        assert_eq!(caller.join().expect("no panic"), ErrorKind::EngineClosed);
    }
}

#[test]
fn a_drained_engine_serves_what_it_accepted_and_no_more() {
    let mut rig = Rig::new(scripted(Vec::new()));
    // More than run at once.
    let streams: Vec<_> =
        (0..6).map(|_| rig.complete().max_tokens(20).stream().expect("a stream")).collect();
    let served = [rig.shared.drain(None), rig.shared.drain(None)];
    let later = rig.complete().run().expect_err("nothing more is accepted");
    assert_eq!(later.kind(), ErrorKind::EngineClosed);
    assert!(later.message().contains("drained"), "{later}");
    for stream in streams {
        assert_eq!(stream.reply().expect("it was accepted").usage.completion_tokens, 20);
    }
    for served in served {
        assert_eq!(served.recv(), Ok(()), "each is told");
    }
    rig.join();
    assert_eq!(rig.shared.over().map(|reason| reason.kind()), Some(ErrorKind::EngineClosed));
    assert_eq!(rig.shared.drain(None).recv(), Ok(()), "nothing is left to serve");
    assert_eq!(rig.shared.snapshot().requests_finished, 6);
}

#[test]
fn an_idle_engine_is_drained_at_once_and_one_whose_backend_is_away_too() {
    let mut rig = Rig::new(scripted(Vec::new()));
    assert_eq!(rig.shared.drain(None).recv(), Ok(()));
    rig.join();
    let away = Arc::new(AtomicBool::new(true));
    let mut rig = Rig::new(Leaving { backend: scripted(Vec::new()), away });
    let waiting = rig.complete().stream().expect("a stream");
    let served = rig.shared.drain(None);
    waiting.cancel();
    assert_eq!(waiting.reply().expect_err("it left").kind(), ErrorKind::Cancelled);
    assert_eq!(served.recv(), Ok(()));
    rig.join();
}

#[test]
fn a_drain_ends_with_its_time_and_the_earliest_counts() {
    let mut rig = Rig::with_capacity(scripted(Vec::new()), 1);
    // Nobody reads it, so it never ends by itself.
    let behind = rig.complete().max_tokens(50).stream().expect("a stream");
    let served = rig.shared.drain(None);
    let soon = rig.shared.drain(Some(rig.shared.now().after(Duration::from_millis(20))));
    let late = rig.shared.drain(Some(rig.shared.now().after(Duration::from_secs(3600))));
    for served in [served, soon, late] {
        assert!(served.recv().is_err(), "not everybody was served");
    }
    rig.join();
    assert_eq!(behind.reply().expect_err("its time was over").kind(), ErrorKind::EngineClosed);
}

#[test]
fn closing_ends_a_drain() {
    let mut rig = Rig::with_capacity(scripted(Vec::new()), 1);
    let behind = rig.complete().max_tokens(50).stream().expect("a stream");
    let served = rig.shared.drain(None);
    rig.close();
    assert!(served.recv().is_err(), "not everybody was served");
    assert_eq!(behind.reply().expect_err("it was cut off").kind(), ErrorKind::EngineClosed);
}

#[test]
fn a_drained_engine_that_panics_tells_everybody() {
    let rig = Rig::new(Panicking { backend: scripted(Vec::new()), steps_left: 3 });
    let stream = rig.complete().max_tokens(100).stream().expect("a stream");
    let served = rig.shared.drain(None);
    assert!(served.recv().is_err(), "not everybody was served");
    assert_eq!(stream.reply().expect_err("a panic").kind(), ErrorKind::EnginePoisoned);
}
