//! What is planned for a model, against what llama.cpp says that it allocates.

use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};

use indwell_llama::{Context, Gguf, MemoryPlan, Model, ModelParams};

use crate::fixture;

/// Log lines, kept.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic while it is held").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Lines {
    /// The bytes of all buffers that `what` names: `CPU KV buffer size =    12.00 MiB`.
    fn bytes(&self, what: &str) -> f64 {
        let bytes = self.0.lock().expect("no panic while it is held");
        let text = String::from_utf8_lossy(&bytes);
        let sizes = text.lines().filter(|line| line.contains(what)).map(|line| {
            let size = line.rsplit('=').next().unwrap_or_default();
            let number = size.split_whitespace().next().unwrap_or_default();
            number.parse::<f64>().expect("a size in MiB") * f64::from(1 << 20)
        });
        sizes.sum()
    }
}

fn check(path: &Path, flash_attention: Option<bool>) {
    let mut params = fixture::params();
    params.flash_attention = flash_attention;
    let gguf = Gguf::open(path).expect("a whole model");
    let plan = MemoryPlan::new(&gguf, &params);
    // While there is one subscriber alone, a line that another thread writes first is switched off
    // for all threads if that thread has none.
    let _second = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default());
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::DEBUG)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let (model, _context) = tracing::subscriber::with_default(subscriber, || {
        let model = Model::load(path, ModelParams::default(), |_| {}).expect("a model");
        let model = Arc::new(model);
        let context = Context::new(Arc::clone(&model), params).expect("a context");
        (model, context)
    });
    let weights = lines.bytes("model buffer size");
    let kv = lines.bytes("KV buffer size");
    let compute = lines.bytes("compute buffer size");
    let output = lines.bytes("output buffer size");
    println!(
        "{}: planned {plan:?}; llama.cpp: weights {weights}, KV {kv}, compute {compute}, \
         output {output}",
        path.display()
    );
    assert!(weights > 0.0 && kv > 0.0 && compute > 0.0, "nothing was told");
    // It tells hundredths of a MiB.
    let same = |planned: u64, told: f64, share: f64| {
        let difference = (planned as f64 - told).abs();
        assert!(difference <= told * share + 20_000.0, "planned {planned}, told {told}");
    };
    // The copy is made on some processors.
    let copied = (weights - plan.weights_bytes as f64).max(0.0);
    if copied > 0.01 * weights + 20_000.0 {
        same(plan.output_copy_bytes, copied, 0.01);
    } else {
        same(plan.weights_bytes, weights, 0.01);
    }
    assert_eq!(gguf.weight_bytes(), model.size_bytes());
    assert_eq!(plan.kv_bytes_per_token, model.kv_bytes_per_token());
    same(plan.kv_bytes, kv, 0.0);
    // Room for logits grows with the first batch that gives many; the plan has it all.
    assert!(plan.output_bytes as f64 + 20_000.0 >= output, "{output} for logits");
    let outputs = plan.output_bytes / 4 / u64::from(model.vocabulary().size());
    assert_eq!(outputs, 36, "4 sequences and 32 scored tokens");
    let planned = plan.compute_bytes as f64;
    assert!(planned + 20_000.0 >= compute, "planned {planned} to compute, took {compute}");
    assert!(planned <= 4.0 * compute + 4e6, "planned {planned} to compute, took {compute}");
}

#[test]
fn a_plan_is_what_llama_cpp_takes() {
    for path in fixture::paths() {
        for flash_attention in [None, Some(false)] {
            check(&path, flash_attention);
        }
    }
}

#[test]
fn a_plan_grows_with_what_is_asked_and_never_overflows() {
    let Some(path) = fixture::stories_path() else { return };
    let gguf = Gguf::open(&path).expect("a whole model");
    let mut params = fixture::params();
    let small = MemoryPlan::new(&gguf, &params);
    params.context_tokens *= 2;
    let large = MemoryPlan::new(&gguf, &params);
    assert_eq!(large.kv_bytes, 2 * small.kv_bytes);
    assert!(large.total_bytes() > small.total_bytes());
    params.context_tokens = u32::MAX;
    params.batch_tokens = u32::MAX;
    assert!(MemoryPlan::new(&gguf, &params).total_bytes() > large.total_bytes());
}
