//! A backend that computes nothing: it keeps the cells a real one would, checks every plan
//! against the contract, and draws tokens that depend only on the sequence's tokens so far. Where
//! it is told to force tokens, they are those that it would draw.

use std::collections::{HashMap, VecDeque};

use super::cells::{Cell, Cells};
use super::faults::{StepFault, panic_quietly};
use crate::{
    Backend, Chunk, Ends, MemoryOp, Outcome, Plan, Sample, SchedulerConfig, SeqId, SequenceFailure,
    SnapshotId, StepError, Token, TokenLogprob, TokenScore,
};

/// The scripted backend.
#[derive(Debug)]
pub struct ScriptedBackend {
    batch_tokens: u32,
    /// Sequences that requests run on; those above keep prefixes.
    running: usize,
    cells: Cells,
    /// Cells by sequence; `None` where no request is open.
    memory: Vec<Option<Vec<Cell>>>,
    /// What each running sequence's answer is, as a matcher would have followed it.
    said: Vec<Vec<Token>>,
    /// What each running sequence's sampler has learnt, as Mirostat's would.
    mu: Vec<Option<f64>>,
    /// Running sequences that could not be cut: they fail when they are computed next.
    broken: Vec<bool>,
    snapshots: HashMap<SnapshotId, Saved>,
    /// One entry a step; `None` and an empty script are success.
    faults: VecDeque<Option<StepFault>>,
    /// One memory operation in so many that may be refused is; 0 for none.
    refusals: u64,
    refusable: u64,
    /// Something was refused: what builds on it is missing, and refused as well.
    has_refused: bool,
    /// One token in so many, fixed by the tokens before it, ends the answer.
    answer_tokens_mean: u64,
    /// Answers say again what they said; see [`Self::with_repeats`].
    repeats: bool,
    /// Tokens that are forced after a sample, at most; how many is fixed by the tokens before.
    forced_tokens_max: u64,
    steps: u64,
}

/// What a snapshot holds: the tokens from `start` on.
#[derive(Debug)]
struct Saved {
    start: usize,
    tokens: Vec<Token>,
}

impl ScriptedBackend {
    /// A backend for `config`, with `cells` cells, all empty.
    #[must_use]
    pub fn new(config: &SchedulerConfig, cells: u32) -> Self {
        let (running, keepers) = (config.sequences_max, config.prefix.residents_max);
        Self {
            batch_tokens: config.batch_tokens,
            running: running as usize,
            cells: Cells::new(cells),
            memory: (0..running)
                .map(|_| None)
                .chain((0..keepers).map(|_| Some(Vec::new())))
                .collect(),
            said: vec![Vec::new(); running as usize],
            mu: vec![None; running as usize],
            broken: vec![false; running as usize],
            snapshots: HashMap::new(),
            faults: VecDeque::new(),
            refusals: 0,
            refusable: 0,
            has_refused: false,
            answer_tokens_mean: u64::MAX,
            repeats: false,
            forced_tokens_max: 0,
            steps: 0,
        }
    }

    /// Lets answers end by themselves, after `tokens` tokens on average.
    #[must_use]
    pub fn with_answers_of_about(mut self, tokens: u64) -> Self {
        self.answer_tokens_mean = tokens.max(1);
        self
    }

    /// Lets most tokens follow from the two before them alone, so that answers come to say again what
    /// they said, and now and then, fixed by all tokens before, go on otherwise.
    #[must_use]
    pub fn with_repeats(mut self, repeats: bool) -> Self {
        self.repeats = repeats;
        self
    }

    /// Forces up to `tokens` tokens after each sample.
    #[must_use]
    pub fn with_forced_tokens(mut self, tokens: u64) -> Self {
        self.forced_tokens_max = tokens;
        self
    }

    /// Refuses one in `refusals` of the memory operations that may be refused, or, where they cut
    /// a sequence, that may fail it; 0 for none.
    pub fn refuse_one_in(&mut self, refusals: u64) {
        self.refusals = refusals;
    }

    /// Adds the fate of one more step.
    pub fn script(&mut self, fault: Option<StepFault>) {
        self.faults.push_back(fault);
    }

    /// Cells in use.
    #[must_use]
    pub fn cells_used(&self) -> usize {
        self.cells.used()
    }

    /// The tokens with cells of `seq`, if it is open.
    #[must_use]
    pub fn tokens_of(&self, seq: SeqId) -> Option<Vec<Token>> {
        let cells = self.memory[seq.index()].as_ref()?;
        Some(cells.iter().map(|cell| cell.token).collect())
    }

    /// Lets a snapshot vanish.
    pub fn lose_snapshot(&mut self, snapshot: SnapshotId) {
        self.snapshots.remove(&snapshot);
        self.has_refused = true;
    }

    /// Whether `seq` fails when it is computed next, as it could not be cut.
    #[must_use]
    pub fn is_broken(&self, seq: SeqId) -> bool {
        self.broken.get(seq.index()).is_some_and(|&broken| broken)
    }

    /// Whether anything was refused or lost so far.
    #[must_use]
    pub fn has_refused(&self) -> bool {
        self.has_refused
    }

    /// Lets all cells go, as when the process that holds them ends. Snapshots stay.
    pub fn lose_memory(&mut self) {
        self.cells.clear();
        for (at, slot) in self.memory.iter_mut().enumerate() {
            *slot = (at >= self.running).then(Vec::new);
        }
        self.said.iter_mut().for_each(Vec::clear);
    }

    /// Batches executed.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The token that follows `tokens`, and whether it ends the answer: what every correct
    /// schedule must produce.
    #[must_use]
    pub fn next_token(&self, tokens: &[Token]) -> (Token, bool) {
        // FNV-1a over the tokens: cheap, and any lost, doubled or foreign token changes it.
        let hash = tokens.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, token| {
            (hash ^ u64::from(token.0.cast_unsigned())).wrapping_mul(0x0100_0000_01b3)
        });
        let mut token = Token(i32::try_from(hash >> 40 & 0xffff).expect("16 bits fit"));
        if let (true, [.., one, other]) = (self.repeats && hash >> 24 & 7 != 0, tokens) {
            token = Token((one.0 * 5 + other.0) % 3);
        }
        (token, (hash >> 16).is_multiple_of(self.answer_tokens_mean))
    }

    /// The tokens that are forced after `tokens`, and whether the answer then is complete.
    #[must_use]
    pub fn forced_after(&self, tokens: &[Token]) -> (Vec<Token>, Ends) {
        let sum: u64 = tokens.iter().map(|token| u64::from(token.0.cast_unsigned())).sum();
        let mut all = tokens.to_vec();
        for _ in 0..sum % (self.forced_tokens_max + 1) {
            match self.next_token(&all) {
                (_, true) => return (all.split_off(tokens.len()), Ends::After),
                (token, false) => all.push(token),
            }
        }
        (all.split_off(tokens.len()), Ends::No)
    }

    /// What a sampler has learnt with `token`, after what it had learnt `before`: what every correct
    /// schedule must produce.
    #[must_use]
    pub fn mu_after(&self, before: Option<f64>, token: Token) -> f64 {
        before.unwrap_or(1.0) / 2.0 + f64::from(token.0)
    }

    /// What `seq` takes its answer to be so far, if it is open.
    #[must_use]
    pub fn said_on(&self, seq: SeqId) -> Option<&[Token]> {
        self.memory[seq.index()].as_ref()?;
        self.said.get(seq.index()).map(Vec::as_slice)
    }

    /// The score of `token` after `before`: what every correct schedule must produce.
    #[must_use]
    pub fn score(&self, before: &[Token], token: Token) -> TokenScore {
        let (likeliest, _) = self.next_token(before);
        // Any number that differs where the tokens do.
        let [unlike, ..] = (likeliest.0 ^ token.0).to_le_bytes();
        let chosen = TokenLogprob { token, logprob: -f32::from(unlike) };
        TokenScore { chosen, top: Vec::new() }
    }

    /// Whether the operation was done.
    fn apply(&mut self, op: &MemoryOp, outcome: &mut Outcome) -> bool {
        match op {
            MemoryOp::Open { seq, answer, mu, .. } => {
                let slot = &mut self.memory[seq.index()];
                assert!(slot.is_none(), "{seq} was opened twice");
                *slot = Some(Vec::new());
                self.said[seq.index()].clone_from(answer);
                self.mu[seq.index()] = *mu;
            }
            MemoryOp::Truncate { seq, from } => {
                let from = (*from as usize).min(self.open(*seq).len());
                let gone = self.open(*seq).split_off(from);
                self.cells.free(&gone);
            }
            MemoryOp::Release { seq } => {
                let keeps = seq.index() >= self.running;
                let slot = &mut self.memory[seq.index()];
                let cells = slot.take();
                assert!(cells.is_some(), "{seq} was released but never opened");
                *slot = keeps.then(Vec::new);
                self.broken.get_mut(seq.index()).into_iter().for_each(|broken| *broken = false);
                self.cells.free(&cells.unwrap_or_default());
            }
            MemoryOp::Share { from, to, range } => {
                let (start, end) = (range.start as usize, range.end as usize);
                let Some(shared) = self.has(*from, start, end) else { return false };
                if self.open(*to).len() != start {
                    assert!(self.has_refused, "{to} has other cells than those before {range:?}");
                    return false;
                }
                self.cells.share(&shared);
                self.open(*to).extend(shared);
            }
            MemoryOp::Replace { from, to, range } => {
                let (start, end) = (range.start as usize, range.end as usize);
                let Some(kept) = self.has(*from, start, end) else { return false };
                let Some(own) = self.has(*to, start, end) else { return false };
                let same = kept.iter().zip(&own).all(|(kept, own)| kept.token == own.token);
                assert!(same, "{to} is given cells of other tokens than its own");
                self.cells.share(&kept);
                self.cells.free(&own);
                self.open(*to)[start..end].copy_from_slice(&kept);
            }
            MemoryOp::Save { seq, range, snapshot, key } => {
                let (start, end) = (range.start as usize, range.end as usize);
                let Some(cells) = self.has(*seq, 0, end) else { return false };
                let tokens: Vec<Token> = cells.iter().map(|cell| cell.token).collect();
                assert_eq!(tokens, key.tokens, "{snapshot} is of other tokens than it says");
                assert_eq!(key.start, range.start, "{snapshot} starts elsewhere than it says");
                let saved = Saved { start, tokens: tokens[start..].to_vec() };
                outcome.saved.push(*snapshot);
                self.snapshots.insert(*snapshot, saved);
            }
            MemoryOp::Restore { snapshot, seq, range } => {
                return self.restore(*snapshot, *seq, range.start as usize, range.end as usize);
            }
            MemoryOp::Compact { seq, range } => {
                let (start, end) = (range.start as usize, range.end as usize);
                let Some(moved) = self.has(*seq, start, end) else { return false };
                let alone = moved.iter().all(|cell| self.cells.holders(*cell) == 1);
                assert!(alone, "cells that {seq} shares are moved");
                self.cells.free(&moved);
                let tokens = moved.iter().map(|cell| cell.token);
                let lower = self.cells.take(tokens);
                self.open(*seq)[start..end].copy_from_slice(&lower);
            }
        }
        true
    }

    fn restore(&mut self, snapshot: SnapshotId, seq: SeqId, start: usize, end: usize) -> bool {
        let Some(saved) = self.snapshots.get(&snapshot) else {
            assert!(self.has_refused, "{snapshot} is restored and was never saved");
            return false;
        };
        let holds = saved.start <= start && end <= saved.start + saved.tokens.len();
        assert!(holds, "{snapshot} does not hold {start}..{end}");
        let whole = saved.tokens.len();
        let tokens = saved.tokens[start - saved.start..end - saved.start].to_vec();
        if self.open(seq).len() != start {
            assert!(self.has_refused, "{seq} has other cells than those before {start}");
            return false;
        }
        if self.cells.available() < whole {
            // The whole snapshot is restored aside first.
            return false;
        }
        let cells = self.cells.take(tokens.into_iter());
        self.open(seq).extend(cells);
        true
    }

    fn open(&mut self, seq: SeqId) -> &mut Vec<Cell> {
        self.memory[seq.index()].as_mut().unwrap_or_else(|| panic!("{seq} is used but not open"))
    }

    /// The cells of `seq` at these positions; `None` only where a refusal left it without.
    fn has(&mut self, seq: SeqId, start: usize, end: usize) -> Option<Vec<Cell>> {
        assert!(start < end, "{seq} is asked for nothing");
        let cells = self.open(seq).get(start..end).map(<[Cell]>::to_vec);
        assert!(cells.is_some() || self.has_refused, "{seq} has no cells at {start}..{end}");
        cells
    }

    /// Whether the script wants this operation refused.
    fn refuses(&mut self, op: &MemoryOp) -> bool {
        let refusable = matches!(
            op,
            MemoryOp::Share { .. }
                | MemoryOp::Replace { .. }
                | MemoryOp::Truncate { .. }
                | MemoryOp::Save { .. }
                | MemoryOp::Restore { .. }
                | MemoryOp::Compact { .. }
        );
        if !refusable || self.refusals == 0 {
            return false;
        }
        self.refusable += 1;
        self.refusable.is_multiple_of(self.refusals)
    }

    /// Something is not done, and what was to come of it is missing.
    fn refuse(&mut self, op: &MemoryOp, at: usize, outcome: &mut Outcome) {
        self.has_refused = true;
        let MemoryOp::Truncate { seq, .. } = op else {
            outcome.refused.push(at);
            return;
        };
        match self.broken.get_mut(seq.index()) {
            Some(broken) => *broken = true,
            // A prefix that can't be cut is not kept.
            None => {
                let all = std::mem::take(self.open(*seq));
                self.cells.free(&all);
            }
        }
    }

    fn compute(&mut self, plan: &Plan, chunk: &Chunk) {
        let tokens = plan.chunk_tokens(chunk);
        let memory = self.memory[chunk.seq.index()].as_mut();
        let memory = memory.unwrap_or_else(|| panic!("{} is in the batch but not open", chunk.seq));
        assert_eq!(memory.len(), chunk.start as usize, "positions of {} have a gap", chunk.seq);
        assert!(!tokens.is_empty(), "{} has an empty chunk", chunk.seq);
        let cells = self.cells.take(tokens.iter().copied());
        memory.extend(cells);
    }

    /// Whether the backend is to be lost before this plan is executed, and why.
    fn scripted_loss(&mut self, plan: &Plan) -> Option<String> {
        let next = self.faults.front().filter(|_| !plan.chunks.is_empty());
        let Some(Some(StepFault::Step { error: StepError::Lost(reason), .. })) = next else {
            return None;
        };
        let reason = reason.clone();
        self.faults.pop_front();
        Some(reason)
    }

    fn check_batch(&self, plan: &Plan) {
        assert!(plan.tokens.len() <= self.batch_tokens as usize, "the batch is too large");
        for (at, chunk) in plan.chunks.iter().enumerate() {
            let twice = plan.chunks[..at].iter().any(|other| other.seq == chunk.seq);
            assert!(!twice, "{} is in the batch twice", chunk.seq);
            assert!(chunk.seq.index() < self.running, "{} keeps a prefix", chunk.seq);
        }
    }

    fn run(
        &mut self,
        plan: &Plan,
        fault: Option<StepFault>,
        outcome: &mut Outcome,
    ) -> Result<(), StepError> {
        let refused = |op: &MemoryOp, chunk: &Chunk| match op {
            MemoryOp::Share { to, .. } => *to == chunk.seq,
            _ => false,
        };
        let is_left_out =
            |chunk: &Chunk| outcome.refused.iter().any(|&at| refused(&plan.ops[at], chunk));
        let (broken, chunks): (Vec<&Chunk>, Vec<&Chunk>) = plan
            .chunks
            .iter()
            .filter(|chunk| !is_left_out(chunk))
            .partition(|chunk| self.is_broken(chunk.seq));
        if chunks.is_empty() {
            outcome.failures.extend(broken.iter().map(|chunk| (chunk.seq, uncut())));
            return Ok(());
        }
        self.steps += 1;
        let tokens: usize = chunks.iter().map(|chunk| chunk.tokens.len()).sum();
        let has_cells = tokens <= self.cells.available();
        if let Some(StepFault::Panic { done }) = fault {
            let left = done.saturating_sub(plan.ops.len());
            chunks.iter().take(left).for_each(|chunk| self.compute(plan, chunk));
            panic_quietly();
        }
        if let Some(StepFault::Step { error, partial }) = fault {
            for chunk in chunks.iter().take(partial) {
                self.compute(plan, chunk);
            }
            return Err(error);
        }
        if !has_cells {
            return Err(StepError::NoCells);
        }
        outcome.failures.extend(broken.iter().map(|chunk| (chunk.seq, uncut())));
        for chunk in &chunks {
            self.compute(plan, chunk);
        }
        for chunk in chunks.iter().filter(|chunk| !chunk.scores.is_empty()) {
            let tokens = self.tokens_of(chunk.seq).expect("computed above");
            let first = tokens.len() - chunk.outputs as usize;
            let scored = plan.scored_tokens(chunk).iter().zip(first + 1..);
            let score = |(&token, before): (&Token, usize)| self.score(&tokens[..before], token);
            outcome.scores.push((chunk.seq, scored.map(score).collect()));
        }
        for (at, chunk) in chunks.iter().filter(|chunk| chunk.draws()).enumerate() {
            if fault == Some(StepFault::Sequence(at)) {
                let failure = SequenceFailure::Sampling("scripted".to_owned());
                outcome.failures.push((chunk.seq, failure));
                continue;
            }
            let mut drafts = plan.drafts_of(chunk);
            loop {
                let sample = self.sample(chunk.seq, drafts.len());
                let is_last = sample.ends != Ends::No || !sample.forced.is_empty();
                let next = drafts.split_first().filter(|next| *next.0 == sample.token);
                outcome.samples.push(sample);
                let Some((_, left)) = next.filter(|_| !is_last) else { break };
                drafts = left;
            }
        }
        Ok(())
    }

    /// Draws from all tokens of `seq` but the last `beyond`, which are drafts.
    fn sample(&mut self, seq: SeqId, beyond: usize) -> Sample {
        let mut tokens = self.tokens_of(seq).expect("computed above");
        tokens.truncate(tokens.len() - beyond);
        let said = &self.said[seq.index()];
        assert!(tokens.ends_with(said), "{seq} goes on from another answer than it was given");
        let (token, is_end) = self.next_token(&tokens);
        let mu = Some(self.mu_after(self.mu[seq.index()], token));
        self.mu[seq.index()] = mu;
        let (mut forced, mut ends) = (Vec::new(), Ends::Before);
        if !is_end {
            tokens.push(token);
            (forced, ends) = self.forced_after(&tokens);
            let said = &mut self.said[seq.index()];
            said.push(token);
            said.extend_from_slice(&forced);
        }
        Sample { seq, token, logprob: None, top: Vec::new(), mu, forced, ends }
    }
}

impl Backend for ScriptedBackend {
    fn execute(&mut self, plan: &Plan, outcome: &mut Outcome) -> Result<(), StepError> {
        outcome.clear();
        if let Some(reason) = self.scripted_loss(plan) {
            self.lose_memory();
            return Err(StepError::Lost(reason));
        }
        // The script has an entry for each batch that was planned.
        let fault = if plan.chunks.is_empty() { None } else { self.faults.pop_front().flatten() };
        for (at, op) in plan.ops.iter().enumerate() {
            if let Some(StepFault::Panic { done }) = fault
                && at == done
            {
                panic_quietly();
            }
            if self.refuses(op) || !self.apply(op, outcome) {
                self.refuse(op, at, outcome);
            }
        }
        self.check_batch(plan);
        let result = self.run(plan, fault, outcome);
        outcome.extent = Some(self.cells.extent());
        result
    }
}

fn uncut() -> SequenceFailure {
    SequenceFailure::Compute("scripted: not cut".to_owned())
}
