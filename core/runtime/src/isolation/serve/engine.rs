//! What the worker computes: one order after the other, on a thread of its own.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crossbeam_channel::Receiver;
use indwell_kernel::{
    Backend, Constraint, ConstraintFailure, Matcher, Outcome, SnapshotId, SnapshotKey, Token,
    TokenMask,
};
use indwell_llama::{
    Context, ContextParams, Executor, Grammar, Model, ModelParams, SnapshotBytes, SnapshotStore,
};

use super::super::frame::BODY_BYTES_MAX;
use super::super::message::{FromWorker, Laid, LoadedFacts, ToWorker};
use super::super::plan::WirePlan;
use super::{Desk, Outgoing};
use crate::model::{LocalModel, ModelFacts, TextModel};
use crate::{Error, Result};

/// Loads, and executes plans.
pub(super) struct Engine {
    desk: Arc<Desk>,
    executor: Option<Executor>,
    outcome: Outcome,
}

impl Engine {
    pub(super) fn new(desk: Arc<Desk>) -> Self {
        Self { desk, executor: None, outcome: Outcome::default() }
    }

    /// Obeys orders until there are no more.
    pub(super) fn run(mut self, orders: &Receiver<ToWorker<'static>>) {
        for order in orders {
            match order {
                ToWorker::Load { path, gpu_layers, .. } => {
                    let loaded = self.load(&PathBuf::from(path), gpu_layers);
                    self.say(&FromWorker::Loaded(loaded.map(Box::new).map_err(Into::into)));
                }
                ToWorker::Fingerprint => {
                    let digest = self.fingerprint();
                    self.say(&FromWorker::Fingerprint(digest.map_err(|error| error.to_string())));
                }
                ToWorker::Start { context, keeps_snapshots } => {
                    let laid = self.start(context, keeps_snapshots);
                    self.say(&FromWorker::Started(laid.map_err(Into::into)));
                }
                ToWorker::Step(plan) => self.step(plan),
                // The reader has taken these.
                ToWorker::Ask(..) | ToWorker::Abort | ToWorker::Snapshot(_) => {}
            }
        }
    }

    fn say(&self, message: &FromWorker) {
        self.desk.out.say(message);
    }

    fn load(&self, path: &Path, gpu_layers: Option<u32>) -> Result<LoadedFacts> {
        let out = Arc::clone(&self.desk.out);
        let told = move |share: f32| out.say(&FromWorker::Progress(share));
        let model = Arc::new(Model::load(path, ModelParams { gpu_layers }, told)?);
        let loaded = LoadedFacts::of(&model);
        // A second load is never asked for.
        let _ = self.desk.model.set(LocalModel::new(model));
        Ok(loaded)
    }

    fn fingerprint(&self) -> std::io::Result<[u8; 32]> {
        let model = self.desk.model.get().ok_or(std::io::ErrorKind::NotFound)?;
        let out = &self.desk.out;
        model.model().fingerprint(|share| out.say(&FromWorker::Progress(share)))
    }

    fn start(&mut self, params: ContextParams, keeps_snapshots: bool) -> Result<Laid> {
        let model = self.desk.model.get().ok_or_else(Error::closed)?;
        let context = Context::new(Arc::clone(model.model()), params)?;
        let laid = Laid { layout: context.layout_id(), allocated: context.allocated() };
        // A second context is never asked for.
        let _ = self.desk.abort.set(context.abort_handle());
        let store = keeps_snapshots.then(|| -> Arc<dyn SnapshotStore> {
            Arc::new(Exchange { desk: Arc::downgrade(&self.desk) })
        });
        self.executor = Some(Executor::new(context, store)?);
        Ok(laid)
    }

    fn step(&mut self, plan: WirePlan<'static>) {
        let (Some(executor), Some(model)) = (&mut self.executor, self.desk.model.get()) else {
            return;
        };
        let constrain = |grammar: &Grammar| {
            // It was compiled when it was asked for, and is compiled again if it was not kept.
            model.constraint(grammar).unwrap_or_else(|error| {
                let reason = error.message().to_owned();
                Arc::new(Unmet { digest: grammar.digest(), reason })
            })
        };
        let plan = plan.into_plan(constrain);
        let result = executor.execute(&plan, &mut self.outcome);
        self.desk.to_restore.lock().clear();
        let outcome = std::mem::take(&mut self.outcome);
        self.say(&FromWorker::Stepped(outcome, result));
    }
}

impl LoadedFacts {
    fn of(model: &Model) -> Self {
        let pieces = model.pieces();
        let (mut spelling, mut ends) = (Vec::new(), Vec::new());
        for token in pieces.tokens() {
            spelling.extend_from_slice(pieces.piece(token));
            ends.push(u32::try_from(spelling.len()).unwrap_or(u32::MAX));
        }
        let endings = pieces.endings().to_vec();
        let (facts, allocated) = (ModelFacts::of(model), model.allocated());
        Self { facts, allocated, spelling, ends, endings }
    }
}

/// The application's store of snapshots, through the pipe. What is saved is said at once; what it does
/// not take, it tells the scheduler itself.
#[derive(Debug)]
struct Exchange {
    desk: std::sync::Weak<Desk>,
}

impl SnapshotStore for Exchange {
    fn put(&self, snapshot: SnapshotId, _: &Arc<SnapshotKey>, bytes: SnapshotBytes) -> bool {
        let Some(desk) = self.desk.upgrade() else { return false };
        for part in bytes.chunks(BODY_BYTES_MAX) {
            desk.out.say_with(&FromWorker::Snapshot(snapshot), part);
        }
        true
    }

    fn get(&self, snapshot: SnapshotId) -> Option<Arc<SnapshotBytes>> {
        let desk = self.desk.upgrade()?;
        let bytes = desk.to_restore.lock().remove(&snapshot)?;
        SnapshotBytes::copy_of(&bytes).ok().map(Arc::new)
    }
}

/// A constraint that could not be compiled here: its answer fails.
#[derive(Debug)]
struct Unmet {
    digest: [u8; 32],
    reason: String,
}

impl Constraint for Unmet {
    fn digest(&self) -> [u8; 32] {
        self.digest
    }

    fn start(&self) -> Box<dyn Matcher> {
        Box::new(Unfollowed(ConstraintFailure(self.reason.clone())))
    }
}

/// Follows nothing.
#[derive(Debug)]
pub(in super::super) struct Unfollowed(pub(in super::super) ConstraintFailure);

impl Matcher for Unfollowed {
    fn mask(&mut self) -> std::result::Result<&TokenMask, ConstraintFailure> {
        Err(self.0.clone())
    }

    fn take(&mut self, _: Token) -> std::result::Result<(), ConstraintFailure> {
        Err(self.0.clone())
    }

    fn force(
        &mut self,
        _: usize,
        _: &mut Vec<Token>,
    ) -> std::result::Result<(), ConstraintFailure> {
        Err(self.0.clone())
    }

    fn is_complete(&self) -> bool {
        false
    }
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Desk").field("model", &self.model).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outgoing").finish_non_exhaustive()
    }
}
