//! Temporary.
use std::sync::Arc;
use std::time::Instant;
use indwell_kernel::{SeqId, Token};
use indwell_llama::*;
#[test]
fn measure() {
    let path = std::env::var("M").unwrap();
    let model = Arc::new(Model::load(path.as_ref(), ModelParams::default(), |_| {}).unwrap());
        let params = ContextParams { context_tokens: 4096, batch_tokens: 512, sequences_max: 32, residents_max: 64, threads: 2, flash_attention: None };
        let mut c = Context::new(Arc::clone(&model), params).unwrap();
        let mut b = Batch::new(512);
        for k in 0..3u32 { b.clear(); for p in 0..512 { b.push(SeqId(0), k * 512 + p, Token(100 + p as i32), p == 511); } c.decode(&mut b).unwrap(); }
        for _ in 0..6 {
            let t = Instant::now(); let s = c.save(SeqId(0), 0..1500).unwrap(); println!("save 1500: {:?} {} bytes capacity {}", t.elapsed(), s.len(), s.capacity());
        }
}
