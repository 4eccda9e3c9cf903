//! The followed cells against llama.cpp's own: random operations, and before each batch what
//! llama.cpp logs of its cells when `LLAMA_KV_CACHE_DEBUG` is set. It reads that variable when a
//! context is made, so the test runs itself again with it.

use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use indwell_kernel::{SeqId, Token};
use indwell_llama::{Batch, Context, ContextParams, DecodeError, Model, ModelParams};
use parking_lot::Mutex;

const VARIABLE: &str = "LLAMA_KV_CACHE_DEBUG";
const SEQUENCES: u32 = 6;
const RESIDENTS: u32 = 10;
const OPERATIONS: u32 = 4000;

/// The lines that llama.cpp logged.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<String>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().push_str(&String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Lines {
    /// The extent, the number of used cells and the head of the first line about a slot.
    fn first_slot(&self) -> Option<[u32; 3]> {
        let lines = self.0.lock();
        let line = lines.lines().find(|line| line.contains("find_slot: stream[0]"))?;
        let number = |name: &str| {
            let rest = line.split_once(name)?.1.trim_start();
            rest.split(',').next()?.trim().parse().ok()
        };
        Some([number(" n =")?, number("used =")?, number("head =")?])
    }
}

#[test]
fn followed_cells_are_those_of_llama_cpp() {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/models/stories260K.gguf");
    if !path.is_file() {
        eprintln!("skipped: no folder `shared` with models beside the checkout");
    } else if std::env::var_os(VARIABLE).is_some() {
        compare(&path);
    } else {
        let test = std::env::current_exe().expect("this program");
        let name = ["--exact", "followed_cells_are_those_of_llama_cpp", "--nocapture"];
        let status = Command::new(test).args(name).env(VARIABLE, "1").status().expect("started");
        assert!(status.success(), "the test with {VARIABLE} set failed");
    }
}

fn compare(path: &Path) {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, || {
        let model = Model::load(path, ModelParams::default(), |_| {}).expect("a model");
        let seed = std::env::var("INDWELL_CELLS_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or_else(|| u64::from(std::process::id()) << 16 | 1);
        eprintln!("INDWELL_CELLS_SEED={seed}");
        Walk::new(Arc::new(model), lines, seed).run();
    });
}

/// Random operations on one context.
struct Walk {
    context: Context,
    batch: Batch,
    lines: Lines,
    random: u64,
    /// Steps compared, batches that found no slot, and operations done of each kind.
    compared: u32,
    full: u32,
    done: [u32; 8],
}

impl Walk {
    fn new(model: Arc<Model>, lines: Lines, seed: u64) -> Self {
        let params = ContextParams {
            context_tokens: 512,
            batch_tokens: 64,
            sequences_max: SEQUENCES,
            residents_max: RESIDENTS,
            threads: 1,
            flash_attention: None,
        };
        let context = Context::new(model, params).expect("a context");
        let batch = Batch::new(64);
        Self { context, batch, lines, random: seed, compared: 0, full: 0, done: [0; 8] }
    }

    fn run(&mut self) {
        for _ in 0..OPERATIONS {
            match self.below(16) {
                0..6 => self.decode(),
                6..8 => self.share(),
                8 => self.truncate(),
                9..12 => self.release(),
                12 => self.replace(),
                13 => self.save_and_restore(),
                14 => self.restore_what_is_cut(),
                _ => self.compact(),
            }
        }
        eprintln!("compared {} steps, {} full, did {:?}", self.compared, self.full, self.done);
        assert!(self.compared > 500 && self.full > 5, "too little was compared");
        assert!(self.done.iter().all(|&times| times > 10), "{:?}", self.done);
    }

    /// One batch of several sequences' next tokens.
    fn decode(&mut self) {
        self.batch.clear();
        for seq in 0..SEQUENCES {
            let start = self.end(SeqId(seq));
            for position in start..start + self.below(12) {
                let token = Token(i32::try_from(self.below(500)).expect("small"));
                self.batch.push(SeqId(seq), position, token, false);
            }
        }
        if self.batch.is_empty() {
            return;
        }
        let cells = self.context.cells().expect("followed");
        let expected = [cells.extent(), cells.used(), cells.head()];
        let fits = self.batch.len() as u32 <= cells.free();
        self.lines.0.lock().clear();
        let result = self.context.decode(&mut self.batch);
        assert_eq!(result.is_ok(), fits, "{result:?}");
        if let Err(error) = result {
            assert_eq!(error, DecodeError::NoSlot);
            self.full += 1;
        }
        assert_eq!(self.lines.first_slot(), Some(expected), "extent, used, head");
        self.compared += 1;
    }

    fn share(&mut self) {
        let (from, to) = (self.any(), self.any());
        let start = self.end(to);
        let end = self.end(from);
        if end > start {
            let range = start..start + 1 + self.below(end - start);
            self.done[0] += u32::from(self.context.share(from, to, range));
        }
    }

    fn truncate(&mut self) {
        let seq = self.any();
        let from = self.below(self.end(seq) + 1);
        self.done[1] += u32::from(self.context.truncate(seq, from));
    }

    fn release(&mut self) {
        let seq = self.any();
        self.context.release(seq);
        self.done[2] += 1;
    }

    fn replace(&mut self) {
        let (from, to) = (self.any(), self.any());
        let range = self.part(from);
        self.done[3] += u32::from(self.context.replace(from, to, range));
    }

    fn save_and_restore(&mut self) {
        let (from, to) = (self.any(), self.resident());
        let Some(bytes) = self.context.save(from, 0..self.end(from)) else { return };
        let start = self.end(to);
        let range = start..self.end(from).max(start);
        self.done[4] += u32::from(self.context.restore(to, range, &bytes).is_ok());
    }

    fn restore_what_is_cut(&mut self) {
        let (from, to) = (self.any(), self.resident());
        let end = self.end(from);
        let Some(mut bytes) = self.context.save(from, 0..end) else { return };
        self.context.release(to);
        // What the frame promises is there, but not what the state inside does.
        let cut = 400 + self.below(2000) as usize;
        if bytes.len() <= cut + 28 + 16 * end as usize {
            return;
        }
        bytes.truncate(bytes.len() - cut);
        let state = bytes.len() as u64 - 28;
        bytes[12..20].copy_from_slice(&state.to_le_bytes());
        assert!(self.context.restore(to, 0..end, &bytes).is_err());
        self.done[5] += 1;
    }

    fn compact(&mut self) {
        let seq = self.any();
        let range = self.part(seq);
        let before = self.context.cells().expect("followed").extent();
        let moved = self.context.compact(seq, range);
        self.done[6] += u32::from(moved);
        self.done[7] += u32::from(!moved);
        assert!(self.context.cells().expect("followed").extent() <= before);
    }

    fn part(&mut self, seq: SeqId) -> std::ops::Range<u32> {
        let start = self.below(self.end(seq) + 1);
        start..start + self.below(self.end(seq) - start + 1)
    }

    fn end(&self, seq: SeqId) -> u32 {
        self.context.positions(seq).map_or(0, |positions| positions.end)
    }

    fn any(&mut self) -> SeqId {
        SeqId(self.below(SEQUENCES + RESIDENTS))
    }

    fn resident(&mut self) -> SeqId {
        SeqId(SEQUENCES + self.below(RESIDENTS))
    }

    /// Evenly from 0 to below `bound`.
    fn below(&mut self, bound: u32) -> u32 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        u32::try_from((self.random >> 33) % u64::from(bound.max(1))).expect("below a u32")
    }
}
