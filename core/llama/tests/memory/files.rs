//! What is said of a model's file, and files made of it.

use indwell_llama::{LoadError, MemoryKind, Quantization, QuantizeError, quantize};

use crate::fixture::Run;
use crate::fixture::{load, models, stories_path, text};

#[test]
fn a_fingerprint_is_of_the_file() {
    let Some(path) = stories_path() else { return };
    let dir = tempfile::tempdir().expect("a temporary folder");
    let copy = dir.path().join("copy.gguf");
    std::fs::copy(&path, &copy).expect("copied");
    let (model, same) = (load(&path), load(&copy));
    let digest = model.fingerprint(|_| {}).expect("readable");
    assert_eq!(digest, same.fingerprint(|_| {}).expect("readable"));
    assert_eq!(digest, *blake3::hash(&std::fs::read(&path).expect("readable")).as_bytes());
    let mut longer = std::fs::read(&path).expect("readable");
    longer.push(0);
    std::fs::remove_file(&copy).expect("removed");
    std::fs::write(&copy, longer).expect("written");
    let changed = same.fingerprint(|_| {}).expect_err("another file by now");
    assert!(changed.to_string().contains("has changed"), "{changed}");
}

#[test]
fn the_size_of_a_token_is_that_of_its_saved_state() {
    for model in models() {
        assert_eq!(model.memory_kind(), MemoryKind::Attention);
        let mut run = Run::new(&model);
        let tokens = text(&model, 20, 300);
        run.decode(indwell_kernel::SeqId(0), 0, &tokens);
        let size = |run: &mut Run, length| {
            run.context.save(indwell_kernel::SeqId(0), 0..length).expect("saved").len() as u64
        };
        // What is not keys and values: 12 bytes for each cell.
        let each = (size(&mut run, 300) - size(&mut run, 100)) / 200;
        assert_eq!(model.kv_bytes_per_token(), each - 12, "{}", model.name());
    }
}

#[test]
fn a_quantized_model_is_smaller_and_works() {
    let Some(path) = stories_path() else { return };
    let dir = tempfile::tempdir().expect("a temporary folder");
    let output = dir.path().join("small.gguf");
    quantize(&path, &output, Quantization::Q8_0).expect("quantized");
    let (before, after) = (load(&path), load(&output));
    assert!(after.size_bytes() < before.size_bytes());
    assert_ne!(before.fingerprint(|_| {}).ok(), after.fingerprint(|_| {}).ok());
    Run::new(&after).decode(indwell_kernel::SeqId(0), 0, &text(&after, 21, 20));
    let again = dir.path().join("smaller.gguf");
    quantize(&output, &again, Quantization::Q4_0).expect("quantized again");
    assert!(load(&again).size_bytes() < after.size_bytes());
    let names = std::fs::read_dir(dir.path()).expect("readable").count();
    assert_eq!(names, 2, "nothing is left aside");
}

#[test]
fn what_can_not_be_quantized_is_told_apart() {
    let Some(path) = stories_path() else { return };
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (text, output) = (dir.path().join("text"), dir.path().join("output.gguf"));
    std::fs::write(&text, "hello, world").expect("written");
    let error = |input: &std::path::Path, output: &std::path::Path| {
        quantize(input, output, Quantization::Q4_0).expect_err("refused")
    };
    let not_gguf = error(&text, &output);
    assert!(matches!(not_gguf, QuantizeError::Input(LoadError::Invalid { .. })), "{not_gguf}");
    let nowhere = error(&path, &dir.path().join("none/output.gguf"));
    assert!(matches!(nowhere, QuantizeError::Unwritable { .. }), "{nowhere}");
    let copy = dir.path().join("copy.gguf");
    std::fs::copy(&path, &copy).expect("copied");
    let itself = error(&copy, &copy);
    assert!(matches!(itself, QuantizeError::Itself { .. }), "{itself}");
    let mut cut = std::fs::read(&path).expect("readable");
    cut.truncate(cut.len() / 2);
    std::fs::remove_file(&text).expect("removed");
    std::fs::write(&text, cut).expect("written");
    let cut = error(&text, &output);
    assert!(matches!(cut, QuantizeError::Input(LoadError::Invalid { .. })), "{cut}");
    assert!(cut.to_string().contains("the file ends at byte"), "{cut}");
    assert!(!output.exists());
}
