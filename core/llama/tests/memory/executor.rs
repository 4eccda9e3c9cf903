//! The executor's memory operations, as plans ask for them.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use indwell_kernel::{
    Backend, Chunk, Draws, MemoryOp, Namespace, Outcome, Plan, RequestId, SeqId, SnapshotId,
    SnapshotKey, Token,
};
use indwell_llama::{Context, Executor, Model, SnapshotBytes, SnapshotStore};
use parking_lot::Mutex;

use crate::fixture::{params, stories, text};

const A: SeqId = SeqId(0);
const B: SeqId = SeqId(1);
const KEPT: SeqId = SeqId(4);

/// A store that keeps all it is given.
#[derive(Debug, Default)]
struct Shelf(Mutex<HashMap<SnapshotId, Arc<SnapshotBytes>>>);

impl SnapshotStore for Shelf {
    fn put(&self, snapshot: SnapshotId, _: &Arc<SnapshotKey>, bytes: SnapshotBytes) -> bool {
        self.0.lock().insert(snapshot, Arc::new(bytes));
        true
    }

    fn get(&self, snapshot: SnapshotId) -> Option<Arc<SnapshotBytes>> {
        self.0.lock().get(&snapshot).cloned()
    }
}

fn executor(model: &Arc<Model>, store: Option<Arc<dyn SnapshotStore>>) -> Executor {
    let context = Context::new(Arc::clone(model), params()).expect("a context");
    Executor::new(context, store).expect("an executor")
}

fn open(seq: SeqId) -> MemoryOp {
    let (prompt, answer) = (Vec::new(), Vec::new());
    MemoryOp::Open {
        seq,
        request: RequestId(u64::from(seq.0)),
        draws: Draws::greedy().into(),
        prompt,
        answer,
        mu: None,
    }
}

fn share(from: SeqId, to: SeqId, range: Range<u32>) -> MemoryOp {
    MemoryOp::Share { from, to, range }
}

/// A plan of `ops`, and of chunks with one output each.
fn plan(ops: Vec<MemoryOp>, chunks: &[(SeqId, u32, &[Token])]) -> Plan {
    let mut plan = Plan { ops, ..Plan::default() };
    for &(seq, start, tokens) in chunks {
        let from = plan.tokens.len();
        plan.tokens.extend_from_slice(tokens);
        plan.chunks.push(Chunk {
            seq,
            start,
            tokens: from..plan.tokens.len(),
            outputs: 1,
            scores: 0..0,
        });
    }
    plan
}

fn run(executor: &mut Executor, plan: &Plan) -> Outcome {
    let mut outcome = Outcome::default();
    executor.execute(plan, &mut outcome).expect("the step is done");
    assert!(outcome.failures.is_empty(), "{:?}", outcome.failures);
    outcome
}

#[test]
fn a_refused_share_takes_its_sequence_out_of_the_step_and_nobody_else() {
    let Some(model) = stories() else { return };
    let mut executor = executor(&model, None);
    let tokens = text(&model, 30, 100);
    let alone = run(&mut executor, &plan(vec![open(A)], &[(A, 0, &tokens)])).samples[0].token;
    let refused = vec![MemoryOp::Release { seq: A }, open(A), open(B), share(KEPT, B, 0..50)];
    let outcome = run(&mut executor, &plan(refused, &[(B, 50, &tokens[50..60]), (A, 0, &tokens)]));
    assert_eq!(outcome.refused, [3]);
    assert_eq!(outcome.samples.len(), 1);
    assert_eq!((outcome.samples[0].seq, outcome.samples[0].token), (A, alone));
    assert_eq!(outcome.extent, Some(100));
    assert_eq!(executor.context().positions(B), None);
    // It starts over.
    let outcome = run(&mut executor, &plan(vec![], &[(B, 0, &tokens)]));
    assert_eq!((outcome.refused.len(), outcome.samples[0].token), (0, alone));
}

#[test]
fn what_is_saved_and_evicted_comes_back_in_one_plan() {
    let Some(model) = stories() else { return };
    let shelf = Arc::new(Shelf::default());
    let mut executor = executor(&model, Some(shelf.clone()));
    let tokens = text(&model, 31, 300);
    let snapshot = SnapshotId(7);
    let key = Arc::new(SnapshotKey {
        namespace: Namespace::builder().finish(),
        tokens: tokens[..250].to_vec(),
        start: 100,
    });
    let first = run(&mut executor, &plan(vec![open(A)], &[(A, 0, &tokens[..299])]));
    let expected = run(&mut executor, &plan(vec![], &[(A, 299, &tokens[299..])])).samples[0].token;
    assert_eq!(first.extent, Some(299));
    let evict = vec![
        share(A, KEPT, 0..250),
        MemoryOp::Release { seq: A },
        MemoryOp::Save { seq: KEPT, range: 100..250, snapshot, key },
        MemoryOp::Truncate { seq: KEPT, from: 100 },
    ];
    let outcome = run(&mut executor, &plan(evict, &[]));
    assert_eq!((outcome.refused.len(), outcome.extent), (0, Some(100)));
    assert_eq!(outcome.saved, [snapshot]);
    assert!(shelf.get(snapshot).is_some());
    let hit = vec![
        MemoryOp::Restore { snapshot: SnapshotId(8), seq: KEPT, range: 100..250 },
        MemoryOp::Restore { snapshot, seq: KEPT, range: 100..240 },
        open(B),
        share(KEPT, B, 0..240),
    ];
    let outcome = run(&mut executor, &plan(hit, &[(B, 240, &tokens[240..])]));
    assert_eq!(outcome.refused, [0], "nobody has that snapshot");
    assert_eq!(outcome.samples[0].token, expected);
    assert_eq!(outcome.extent, Some(300));
}

#[test]
fn without_a_store_nothing_is_saved() {
    let Some(model) = stories() else { return };
    let mut executor = executor(&model, None);
    let tokens = text(&model, 32, 20);
    let key = Arc::new(SnapshotKey {
        namespace: Namespace::builder().finish(),
        tokens: tokens.clone(),
        start: 0,
    });
    run(&mut executor, &plan(vec![open(A)], &[(A, 0, &tokens)]));
    let snapshot = SnapshotId(0);
    let ops = vec![
        MemoryOp::Save { seq: A, range: 0..20, snapshot, key },
        MemoryOp::Restore { snapshot, seq: KEPT, range: 0..20 },
        MemoryOp::Compact { seq: A, range: 0..20 },
    ];
    let outcome = run(&mut executor, &plan(ops, &[]));
    assert_eq!(outcome.refused, [0, 1, 2]);
    assert!(outcome.saved.is_empty());
}
