//! What must hold of every plan, and of the backend's memory after it ran.

use indwell_kernel::testing::ScriptedBackend;
use indwell_kernel::{
    Chunk, Goal, MemoryOp, Outcome, Plan, RequestId, Reuse, Scheduler, SchedulerConfig, SeqId,
};

use crate::ledger::{Entry, Ledger};

/// What goes beside streams at least, however long it takes.
const TOKENS_BESIDE_MIN: usize = 16;

/// One request on its sequence, between steps or under a plan.
struct Held<'a> {
    seq: SeqId,
    request: RequestId,
    entry: &'a Entry,
    computed: usize,
    /// Its tokens in this plan, and how many drafts come after them.
    planned: usize,
    drafts: usize,
}

impl Held<'_> {
    fn is_decoding(&self) -> bool {
        self.entry.is_decoding(self.computed)
    }

    fn is_catching_up(&self) -> bool {
        self.entry.is_catching_up(self.computed)
    }
}

/// Checks `plan`, which `scheduler` has just made.
pub(crate) fn check_plan(
    plan: &Plan,
    scheduler: &Scheduler,
    config: &SchedulerConfig,
    ledger: &Ledger,
) -> Result<(), String> {
    let held = held(plan, scheduler, ledger)?;
    check_chunks(plan, &held)?;
    check_drafts(plan, config, &held)?;
    check_budget(plan, scheduler, config, &held)?;
    check_order(plan, &held)?;
    check_room(plan, scheduler, config)?;
    check_queue(plan, scheduler, ledger)
}

/// Checks that `backend` holds what the accounts say, after a step in which the first
/// `computed_chunks` of `plan` left their cells. Who was refused what it should share has nothing.
pub(crate) fn check_memory(
    plan: &Plan,
    outcome: &Outcome,
    scheduler: &Scheduler,
    ledger: &Ledger,
    backend: &ScriptedBackend,
    computed_chunks: usize,
) -> Result<(), String> {
    let refused: Vec<SeqId> = refused_requests(plan, outcome).collect();
    let takes_part = |seq: SeqId| !refused.contains(&seq) && !backend.is_broken(seq);
    let mut added = 0;
    for sequence in &held(plan, scheduler, ledger)? {
        let Held { seq, request, entry, computed, .. } = sequence;
        let participants = plan.chunks.iter().filter(|chunk| takes_part(chunk.seq));
        let answer = &entry.tokens[entry.prompt_tokens..];
        if !backend.said_on(*seq).is_some_and(|said| said.starts_with(answer)) {
            return Err(format!("{request} goes on from another answer than it was told"));
        }
        if backend.is_broken(*seq) {
            continue;
        }
        let ran = participants.take(computed_chunks).find(|c| c.seq == *seq);
        let drafts = ran.map_or(&[][..], |chunk| plan.drafts_of(chunk));
        let new = ran.map_or(0, |chunk| chunk.tokens.len());
        let length = if takes_part(*seq) { computed + new - drafts.len() } else { 0 };
        added += new;
        let due = [&entry.tokens[..length], drafts].concat();
        if backend.tokens_of(*seq) != Some(due) {
            return Err(format!("{request} has other cells than its first {length} tokens"));
        }
    }
    let due = scheduler.load().cells_used as usize + added;
    if !backend.has_refused() && backend.cells_used() != due {
        return Err(format!("{} cells are used instead of {due}", backend.cells_used()));
    }
    Ok(())
}

/// The sequences of requests that were refused what they should share.
pub(crate) fn refused_requests<'a>(
    plan: &'a Plan,
    outcome: &'a Outcome,
) -> impl Iterator<Item = SeqId> + 'a {
    let ops = outcome.refused.iter().map(|&at| &plan.ops[at]);
    ops.filter_map(|op| match op {
        MemoryOp::Share { to, .. } => Some(*to),
        _ => None,
    })
}

fn held<'a>(
    plan: &Plan,
    scheduler: &Scheduler,
    ledger: &'a Ledger,
) -> Result<Vec<Held<'a>>, String> {
    let mut held = Vec::new();
    for (seq, computed) in scheduler.computed_lengths() {
        let request = scheduler.request_on(seq).ok_or("a length without a request")?;
        let entry = ledger.live.get(&request).ok_or("a request runs that ended or never was")?;
        let chunk = plan.chunks.iter().find(|c| c.seq == seq);
        let drafts = chunk.map_or(0, Chunk::drafts);
        let planned = chunk.map_or(0, |c| c.tokens.len() - drafts);
        held.push(Held { seq, request, entry, computed, planned, drafts });
    }
    Ok(held)
}

fn check_chunks(plan: &Plan, held: &[Held<'_>]) -> Result<(), String> {
    for chunk in &plan.chunks {
        let sequence = held.iter().find(|h| h.seq == chunk.seq).ok_or("a chunk of nobody")?;
        let Held { request, entry, computed, planned, drafts, .. } = sequence;
        let end = computed + planned;
        if chunk.start as usize != *computed {
            return Err(format!("{request} starts at {} with {computed} computed", chunk.start));
        }
        if entry.tokens.get(*computed..end) != Some(&plan.chunk_tokens(chunk)[..*planned]) {
            return Err(format!("{request} is given tokens that are not its own"));
        }
        let sampled = end == entry.tokens.len() && entry.goal == Goal::Generate;
        // A token is scored by what is computed of the one before it.
        let before = (*computed).max(entry.scored - 1);
        let scored = before + 1..(end + 1).min(entry.prompt_tokens);
        let scored = entry.tokens.get(scored).unwrap_or_default();
        if plan.scored_tokens(chunk) != scored {
            return Err(format!("{request} is scored at other tokens than those to be scored"));
        }
        if chunk.outputs as usize != scored.len() + usize::from(sampled) + drafts {
            return Err(format!("{request} has {} outputs at {end}", chunk.outputs));
        }
        if entry.paused {
            return Err(format!("{request} is paused and computed"));
        }
    }
    Ok(())
}

/// Drafts only beside decodes alone, and never beyond an answer's room.
fn check_drafts(plan: &Plan, config: &SchedulerConfig, held: &[Held<'_>]) -> Result<(), String> {
    let drafts: usize = held.iter().map(|h| h.drafts).sum();
    if drafts > 0 && !config.drafts {
        return Err("drafts that nobody wants".to_owned());
    }
    if plan.tokens.len() > config.batch_tokens as usize {
        return Err(format!("{} tokens are too many for a batch", plan.tokens.len()));
    }
    for h in held.iter().filter(|_| drafts > 0) {
        if h.planned > 0 && !h.is_decoding() {
            return Err(format!("{} is computed beside drafts", h.request));
        }
        if h.drafts > 0 && h.entry.tokens.len() + h.drafts >= h.entry.tokens_max {
            return Err(format!("{} has more drafts than room", h.request));
        }
    }
    Ok(())
}

fn check_budget(
    plan: &Plan,
    scheduler: &Scheduler,
    config: &SchedulerConfig,
    held: &[Held<'_>],
) -> Result<(), String> {
    // Who is opened in this plan takes part of the prompts' budget, however little it is behind.
    let opened = |seq: SeqId| {
        plan.ops.iter().any(|op| matches!(op, MemoryOp::Open { seq: opened, .. } if *opened == seq))
    };
    let planned = |is_kind: fn(&Held<'_>) -> bool| {
        let parts = held.iter().filter(|h| is_kind(h) && !opened(h.seq));
        parts.map(|h| h.planned).sum::<usize>()
    };
    let (batch, chunk_max) = (config.batch_tokens as usize, config.prefill_chunk_tokens as usize);
    let decodes = planned(|h| h.is_decoding());
    let chunk = if decodes > 0 { scheduler.tokens_beside(decodes) } else { chunk_max };
    if chunk > chunk_max || chunk < chunk_max.min(TOKENS_BESIDE_MIN) {
        return Err(format!("a chunk of {chunk} tokens, where {chunk_max} are the most"));
    }
    let forced = planned(|h| h.is_catching_up());
    let drafts: usize = held.iter().map(|h| h.drafts).sum();
    let prompts = plan.tokens.len() - drafts - decodes - forced;
    let budget = if decodes > 0 { chunk.min(batch - decodes) } else { batch };
    let answers_go_on = decodes > 0 || forced > 0;
    let prompt_budget = match budget.checked_sub(forced) {
        None => return Err(format!("{forced} forced tokens in a budget of {budget}")),
        Some(left) if answers_go_on => left.min(chunk.saturating_sub(forced)),
        Some(left) => left,
    };
    if prompts > prompt_budget {
        return Err(format!("{prompts} prompt tokens in a budget of {prompt_budget}"));
    }
    let ready = || held.iter().filter(|h| !h.entry.paused);
    if let Some(left_out) = ready().find(|h| h.is_decoding() && h.planned == 0) {
        return Err(format!("{} could decode and does not", left_out.request));
    }
    let mut behind = ready().filter(|h| h.computed + h.planned < h.entry.tokens.len());
    // Where prefixes can't be cut anywhere, chunks end at boundaries.
    let exact = config.prefix.reuse == Reuse::ExactEnds;
    match behind.find(|h| {
        if h.is_catching_up() && !opened(h.seq) {
            forced < budget
        } else {
            prompts < prompt_budget && !exact
        }
    }) {
        Some(h) => Err(format!("{} waits though budget is left", h.request)),
        None => Ok(()),
    }
}

/// Decodes, then answers that are behind, running prefills and new requests, each by arrival.
fn check_order(plan: &Plan, held: &[Held<'_>]) -> Result<(), String> {
    let opened = |seq: SeqId| {
        plan.ops.iter().any(|op| matches!(op, MemoryOp::Open { seq: opened, .. } if *opened == seq))
    };
    let rank = |seq: SeqId| {
        let sequence = held.iter().find(|h| h.seq == seq);
        sequence.map(|h| match (opened(seq), h.is_decoding(), h.is_catching_up()) {
            (true, ..) => (3, h.request.0),
            (false, true, _) => (0, u64::from(seq.0)),
            (false, false, true) => (1, h.request.0),
            (false, false, false) => (2, h.request.0),
        })
    };
    if plan.chunks.is_sorted_by_key(|chunk| rank(chunk.seq)) {
        Ok(())
    } else {
        Err(format!("the batch is out of order: {:?}", plan.chunks))
    }
}

/// No plan needs more cells than there are.
fn check_room(plan: &Plan, scheduler: &Scheduler, config: &SchedulerConfig) -> Result<(), String> {
    let (used, added) = (scheduler.load().cells_used as usize, plan.tokens.len());
    if used + added > config.context_tokens as usize {
        return Err(format!("{added} tokens are planned beside {used} cells in use"));
    }
    Ok(())
}

/// Checks who of those that ran `before` gave way as `plan` was made: a request whose reader is not
/// behind only if all that go on came earlier, so that the earliest never does.
pub(crate) fn check_who_gave_way(
    before: &[RequestId],
    plan: &Plan,
    scheduler: &Scheduler,
    ledger: &Ledger,
) -> Result<(), String> {
    // Who gave way and was taken back at once, before one that waits for a snapshot, gave way too.
    let opened = |id: &RequestId| {
        let mut ops = plan.ops.iter();
        ops.any(|op| matches!(op, MemoryOp::Open { seq, .. } if scheduler.request_on(*seq) == Some(*id)))
    };
    let running: Vec<RequestId> = running(scheduler).filter(|id| !opened(id)).collect();
    let went_on = before.iter().filter(|id| ledger.live.get(*id).is_some_and(|e| !e.paused));
    let (stayed, gave_way): (Vec<&RequestId>, Vec<&RequestId>) =
        went_on.partition(|id| running.contains(id));
    for id in gave_way {
        if let Some(later) = stayed.iter().find(|stayed| **stayed > id) {
            return Err(format!("{id} gave way, and {later}, which came later, did not"));
        }
        if stayed.is_empty() {
            return Err(format!("{id} gave way to nobody"));
        }
    }
    Ok(())
}

/// The requests that have a sequence.
pub(crate) fn running(scheduler: &Scheduler) -> impl Iterator<Item = RequestId> + '_ {
    scheduler.computed_lengths().filter_map(|(seq, _)| scheduler.request_on(seq))
}

/// Whoever got a sequence came before everybody who still waits for one and could go on.
fn check_queue(plan: &Plan, scheduler: &Scheduler, ledger: &Ledger) -> Result<(), String> {
    let running: Vec<RequestId> = running(scheduler).collect();
    let ready = |id: &&RequestId| !running.contains(id) && !scheduler.is_held(**id);
    let Some(first) = ledger.live.keys().find(ready) else { return Ok(()) };
    for op in &plan.ops {
        if let MemoryOp::Open { seq, .. } = op
            && let Some(request) = scheduler.request_on(*seq)
            && request > *first
        {
            return Err(format!("{request} overtook {first}"));
        }
    }
    Ok(())
}
