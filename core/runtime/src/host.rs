//! Where a model is loaded and computed: in this process, or in one of its own. Whoever builds an
//! engine goes the same way with both.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use indwell_kernel::{Backend, Condition, Outcome, Plan, StepError};
use indwell_llama::{
    AbortHandle, Allocated, Context, ContextParams, Executor, Gguf, Model, ModelParams,
    SnapshotStore,
};

use crate::isolation::{self, Isolation, Link, RemoteBackend};
use crate::model::{LocalModel, ModelFacts, TextModel};
use crate::{Progress, Result, Stage};

/// A loaded model.
#[derive(Debug)]
pub(crate) enum LoadedModel {
    Here(Arc<LocalModel>),
    Apart(Box<isolation::Loaded>),
}

/// A context on a model, and what it computes with.
#[derive(Debug)]
pub(crate) enum Started {
    Here { model: Arc<LocalModel>, context: Context },
    Apart(isolation::Running),
}

/// Stops the step that is under way, and all that follow.
#[derive(Clone, Debug)]
pub(crate) enum Abort {
    Here(AbortHandle),
    Apart(Arc<Link>),
}

/// The kernel's `Backend`, wherever it is.
#[derive(Debug)]
pub(crate) enum HostBackend {
    Here(Box<Executor>),
    Apart(RemoteBackend),
}

/// What a worker's comings and goings are told to.
pub(crate) struct Watch<W> {
    /// Counts the workers after the first.
    pub(crate) restarts: Arc<AtomicU64>,
    /// Wakes the engine's thread.
    pub(crate) wake: W,
}

impl LoadedModel {
    /// Loads the model in `gguf`.
    ///
    /// # Errors
    /// As loading it fails, here or there.
    pub(crate) fn load(
        gguf: &Gguf,
        gpu_layers: Option<u32>,
        isolation: Isolation,
        on_progress: Arc<dyn Fn(Progress) + Send + Sync>,
    ) -> Result<Self> {
        let mut told = move |share: f32| on_progress(thousandths(share));
        Ok(match isolation {
            Isolation::InProcess => {
                let model = Model::load_checked(gguf, ModelParams { gpu_layers }, told)?;
                LoadedModel::Here(LocalModel::new(Arc::new(model)))
            }
            Isolation::Process => {
                let loaded = isolation::Loaded::load(gguf, gpu_layers, &mut told)?;
                LoadedModel::Apart(Box::new(loaded))
            }
        })
    }

    pub(crate) fn facts(&self) -> &ModelFacts {
        match self {
            LoadedModel::Here(model) => model.facts(),
            LoadedModel::Apart(loaded) => loaded.facts(),
        }
    }

    /// What its weights take.
    pub(crate) fn allocated(&self) -> Allocated {
        match self {
            LoadedModel::Here(model) => model.model().allocated(),
            LoadedModel::Apart(loaded) => loaded.allocated(),
        }
    }

    /// The digest of the model's file.
    ///
    /// # Errors
    /// When it can't be read, or has changed.
    pub(crate) fn fingerprint(&mut self, on_progress: &dyn Fn(Progress)) -> io::Result<[u8; 32]> {
        let mut told = |share: f32| on_progress(thousandths(share));
        match self {
            LoadedModel::Here(model) => model.model().fingerprint(told),
            LoadedModel::Apart(loaded) => loaded.fingerprint(&mut told),
        }
    }

    /// Makes a context on it.
    ///
    /// # Errors
    /// As making one fails, here or there.
    pub(crate) fn start<W: Fn() + Send + Sync + 'static>(
        self,
        params: ContextParams,
        keeps_snapshots: bool,
        watch: Watch<W>,
    ) -> Result<Started> {
        Ok(match self {
            LoadedModel::Here(model) => {
                let context = Context::new(Arc::clone(model.model()), params)?;
                Started::Here { model, context }
            }
            LoadedModel::Apart(loaded) => {
                let Watch { restarts, wake } = watch;
                Started::Apart(loaded.start(params, keeps_snapshots, restarts, wake)?)
            }
        })
    }
}

impl Started {
    /// The model, to make prompts with.
    pub(crate) fn model(&self) -> Arc<dyn TextModel> {
        match self {
            Started::Here { model, .. } => Arc::<LocalModel>::clone(model),
            Started::Apart(running) => running.model(),
        }
    }

    /// How the context lays out what it keeps.
    pub(crate) fn layout(&self) -> String {
        match self {
            Started::Here { context, .. } => context.layout_id(),
            Started::Apart(running) => running.layout().to_owned(),
        }
    }

    /// What the context takes.
    pub(crate) fn allocated(&self) -> Allocated {
        match self {
            Started::Here { context, .. } => context.allocated(),
            Started::Apart(running) => running.allocated(),
        }
    }

    pub(crate) fn abort(&self) -> Abort {
        match self {
            Started::Here { context, .. } => Abort::Here(context.abort_handle()),
            Started::Apart(running) => Abort::Apart(Arc::clone(running.link())),
        }
    }

    /// The backend, which keeps snapshots in `store`.
    ///
    /// # Errors
    /// `out_of_memory` without threads to sample with.
    pub(crate) fn backend(self, store: Option<Arc<dyn SnapshotStore>>) -> Result<HostBackend> {
        Ok(match self {
            Started::Here { context, .. } => {
                HostBackend::Here(Box::new(Executor::new(context, store)?))
            }
            Started::Apart(running) => HostBackend::Apart(RemoteBackend::new(running, store)),
        })
    }
}

impl Abort {
    pub(crate) fn abort(&self) {
        match self {
            Abort::Here(handle) => handle.abort(),
            Abort::Apart(link) => link.abort(),
        }
    }
}

impl Backend for HostBackend {
    fn execute(
        &mut self,
        plan: &Plan,
        outcome: &mut Outcome,
    ) -> std::result::Result<(), StepError> {
        match self {
            HostBackend::Here(executor) => executor.execute(plan, outcome),
            HostBackend::Apart(remote) => remote.execute(plan, outcome),
        }
    }

    fn condition(&mut self) -> Condition {
        match self {
            HostBackend::Here(executor) => executor.condition(),
            HostBackend::Apart(remote) => remote.condition(),
        }
    }
}

fn thousandths(share: f32) -> Progress {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 1000")]
    let done = (share.clamp(0.0, 1.0) * 1000.0) as u64;
    Progress::new(Stage::Load, done, Some(1000))
}
