//! The kernel's `Backend` on a worker: a plan there, an outcome back.
//!
//! The bytes of snapshots are kept here: those that a plan restores go before it, those that it saves
//! come before its outcome. An outcome that does not answer its plan ends the worker, and with it
//! all that ran there, but nothing here.

use std::sync::Arc;

use crossbeam_channel::RecvTimeoutError;
use indwell_kernel::{
    Backend, Chunk, Condition, MemoryOp, Outcome, Plan, SeqId, SnapshotId, StepError, Token,
    TokenLogprob,
};
use indwell_llama::{SnapshotBytes, SnapshotStore};

use super::frame::BODY_BYTES_MAX;
use super::link::{CLOSE_WITHIN, Session, Stepped};
use super::message::ToWorker;
use super::plan::WirePlan;
use super::supervisor::Running;

/// Executes plans in a worker.
#[derive(Debug)]
pub(crate) struct RemoteBackend {
    running: Running,
    store: Option<Arc<dyn SnapshotStore>>,
    /// The worker whose memory the scheduler knows.
    known: Option<u64>,
    vocabulary_size: u32,
}

impl RemoteBackend {
    pub(crate) fn new(running: Running, store: Option<Arc<dyn SnapshotStore>>) -> Self {
        let vocabulary_size = running.model().facts().vocabulary_size;
        Self { running, store, known: Some(0), vocabulary_size }
    }

    /// Sends the plan, with what it restores before it.
    fn send(&self, session: &Session, plan: &Plan) -> std::io::Result<()> {
        let mut sent: Vec<SnapshotId> = Vec::new();
        for op in &plan.ops {
            if let MemoryOp::Restore { snapshot, .. } = op
                && !sent.contains(snapshot)
                && let Some(bytes) = self.store.as_ref().and_then(|store| store.get(*snapshot))
            {
                sent.push(*snapshot);
                for part in bytes.chunks(BODY_BYTES_MAX) {
                    session.send(&ToWorker::Snapshot(*snapshot), part)?;
                }
            }
        }
        session.send(&ToWorker::Step(WirePlan::from(plan)), &[])
    }

    /// What the step brought; `None` if the worker is gone.
    fn receive(&self, session: &Session) -> Option<Stepped> {
        loop {
            match session.steps().recv_timeout(CLOSE_WITHIN) {
                Ok(stepped) => return Some(stepped),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => {
                    // A step takes as long as it takes, unless it should have ended.
                    if self.running.link().is_overdue() {
                        session.handle.kill();
                    }
                }
            }
        }
    }

    /// Keeps the bytes that were saved. What is not taken was refused.
    fn keep(&self, plan: &Plan, outcome: &mut Outcome, stepped: &mut Stepped) {
        for (at, op) in plan.ops.iter().enumerate() {
            let MemoryOp::Save { snapshot, key, .. } = op else { continue };
            if !outcome.saved.contains(snapshot) {
                continue;
            }
            let bytes = stepped.saved.remove(snapshot);
            let store = self.store.as_ref();
            let taken = bytes.zip(store).is_some_and(|(bytes, store)| {
                SnapshotBytes::copy_of(&bytes).is_ok_and(|bytes| store.put(*snapshot, key, bytes))
            });
            if !taken {
                outcome.saved.retain(|saved| saved != snapshot);
                outcome.refused.push(at);
            }
        }
        outcome.refused.sort_unstable();
    }

    fn lose(&mut self, session: &Session) -> StepError {
        self.known = None;
        StepError::Lost(self.running.link().loss(session))
    }
}

impl Backend for RemoteBackend {
    fn execute(&mut self, plan: &Plan, outcome: &mut Outcome) -> Result<(), StepError> {
        outcome.clear();
        let Some(session) = self.running.link().serving(self.known) else {
            self.known = None;
            return Err(StepError::Lost(self.running.link().last_loss()));
        };
        if self.send(&session, plan).is_err() {
            return Err(self.lose(&session));
        }
        let Some(mut stepped) = self.receive(&session) else { return Err(self.lose(&session)) };
        if !answers(&stepped, plan, self.vocabulary_size) {
            session.handle.kill();
            return Err(self.lose(&session));
        }
        *outcome = std::mem::take(&mut stepped.outcome);
        self.keep(plan, outcome, &mut stepped);
        stepped.result
    }

    fn condition(&mut self) -> Condition {
        self.running.link().condition(&mut self.known)
    }
}

/// Whether all that an outcome speaks of is the plan's, and its tokens the vocabulary's.
fn answers(stepped: &Stepped, plan: &Plan, vocabulary_size: u32) -> bool {
    let Stepped { outcome, result, .. } = stepped;
    let is_known = |seq: SeqId| plan.chunks.iter().any(|chunk| chunk.seq == seq);
    let is_token = |token: Token| u32::try_from(token.0).is_ok_and(|id| id < vocabulary_size);
    let are_tokens = |all: &[TokenLogprob]| all.iter().all(|one| is_token(one.token));
    let saves = |snapshot: &SnapshotId| {
        plan.ops.iter().any(|op| match op {
            MemoryOp::Save { snapshot: saved, .. } => saved == snapshot,
            _ => false,
        })
    };
    let mut samples = outcome.samples.iter();
    let mut scores = outcome.scores.iter();
    !matches!(result, Err(StepError::Lost(_)))
        && plan.chunks.iter().all(|chunk| verifies(outcome, plan, chunk))
        && samples.all(|sample| {
            is_known(sample.seq)
                && is_token(sample.token)
                && are_tokens(&sample.top)
                && sample.forced.iter().all(|&token| is_token(token))
        })
        && scores.all(|(seq, scores)| {
            is_known(*seq)
                && scores.iter().all(|one| is_token(one.chosen.token) && are_tokens(&one.top))
        })
        && outcome.failures.iter().all(|(seq, _)| is_known(*seq))
        && outcome.refused.iter().all(|&at| at < plan.ops.len())
        && outcome.refused.is_sorted_by(|one, next| one < next)
        && outcome.saved.iter().all(saves)
}

/// Whether a chunk has no more samples than drafts that are right make room for.
fn verifies(outcome: &Outcome, plan: &Plan, chunk: &Chunk) -> bool {
    let drafts = plan.drafts_of(chunk);
    let own: Vec<Token> =
        outcome.samples.iter().filter(|s| s.seq == chunk.seq).map(|s| s.token).collect();
    own.len() <= 1 || (own.len() <= drafts.len() + 1 && drafts.starts_with(&own[..own.len() - 1]))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use indwell_kernel::{Ends, Sample};

    use super::*;

    fn plan() -> Plan {
        let chunk = Chunk { seq: SeqId(1), start: 0, tokens: 0..1, outputs: 1, scores: 0..0 };
        Plan { chunks: vec![chunk], tokens: vec![Token(5)], ..Plan::default() }
    }

    fn sample(seq: u32, token: i32) -> Stepped {
        let (seq, token) = (SeqId(seq), Token(token));
        let (top, forced) = (Vec::new(), Vec::new());
        let (logprob, mu) = (None, None);
        let sample = Sample { seq, token, logprob, top, forced, ends: Ends::No, mu };
        let outcome = Outcome { samples: vec![sample], ..Outcome::default() };
        Stepped { outcome, result: Ok(()), saved: HashMap::new() }
    }

    #[test]
    fn an_outcome_that_does_not_answer_its_plan_is_found_out() {
        assert!(answers(&sample(1, 99), &plan(), 100));
        assert!(!answers(&sample(2, 99), &plan(), 100), "nothing was planned there");
        assert!(!answers(&sample(1, 100), &plan(), 100), "there is no such token");
        assert!(!answers(&sample(1, -1), &plan(), 100), "nor such a one");
        let mut refusing = sample(1, 99);
        refusing.outcome.refused.push(0);
        assert!(!answers(&refusing, &plan(), 100), "there is no operation to refuse");
        let mut saving = sample(1, 99);
        saving.outcome.saved.push(SnapshotId(0));
        assert!(!answers(&saving, &plan(), 100), "nothing was to be saved");
        let mut beyond = sample(1, 99);
        beyond.outcome.samples.push(beyond.outcome.samples[0].clone());
        assert!(!answers(&beyond, &plan(), 100), "no draft was to be verified");
        let mut drafted = plan();
        drafted.tokens.push(Token(99));
        drafted.chunks[0].tokens.end = 2;
        drafted.chunks[0].outputs = 2;
        assert!(answers(&beyond, &drafted, 100), "the draft is right");
        drafted.tokens[1] = Token(98);
        assert!(!answers(&beyond, &drafted, 100), "nothing is drawn after a wrong draft");
        let mut lost = sample(1, 99);
        lost.result = Err(StepError::Lost(String::new()));
        assert!(!answers(&lost, &plan(), 100), "who is lost does not say so");
    }
}
