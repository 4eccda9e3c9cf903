//! What is refused, and in which words; that nothing panics or takes memory; paths.

mod bytes;
mod killers;
mod paths;

use super::testing::Draft;
use super::{Gguf, GgufError, ReadError, TensorType, Value};

/// What is wrong with the file that `draft` makes.
fn refused(draft: &Draft) -> GgufError {
    let file = draft.file();
    match Gguf::read(&file[..], file.len() as u64) {
        Err(ReadError::Invalid(error)) => error,
        Err(ReadError::Io(error)) => panic!("read from memory: {error}"),
        Ok(_) => panic!("it was taken"),
    }
}

fn small_but(change: impl FnOnce(&mut Draft)) -> Draft {
    let mut draft = Draft::small();
    change(&mut draft);
    draft
}

#[test]
fn a_whole_model_is_taken_and_read() {
    let file = Draft::small().file();
    let (metadata, tensors) = Gguf::read(&file[..], file.len() as u64).expect("whole");
    assert_eq!(metadata.architecture(), "llama");
    assert_eq!(metadata.of_architecture("block_count").and_then(Value::as_u64), Some(2));
    let tokens = metadata.get("tokenizer.ggml.tokens").and_then(Value::as_texts);
    assert_eq!(tokens.map(|tokens| tokens.iter().nth(3)), Some(Some(&b"a"[..])));
    assert_eq!(tensors.len(), 20);
    assert_eq!(tensors[0].bytes, 64 * 260 * 4);
    assert_eq!(Draft::of(&file).expect("taken apart"), Draft::small());
}

#[test]
fn version_2_is_read_as_version_3() {
    let file = small_but(|draft| draft.version = 2).file();
    Gguf::read(&file[..], file.len() as u64).expect("the same layout");
}

#[test]
fn files_of_other_sorts_are_told_apart() {
    let read = |bytes: &[u8]| Gguf::read(bytes, bytes.len() as u64).expect_err("no model");
    assert_eq!(read(b"").to_string(), "it is empty");
    assert!(read(b"hello, world").to_string().contains("begins with \"hell\""));
    assert!(read(b"GG").to_string().contains("ends at byte 2"));
    let big_endian = refused(&small_but(|draft| draft.version = 3_u32.swap_bytes()));
    assert!(matches!(big_endian, GgufError::ByteOrder { .. }), "{big_endian}");
    for version in [0, 1, 4, u32::MAX] {
        let error = refused(&small_but(|draft| draft.version = version));
        assert_eq!(error, GgufError::Version { version });
    }
}

#[test]
fn a_file_cut_in_a_tensor_says_where_it_ends_and_where_it_should() {
    let mut file = Draft::small().file();
    let whole = file.len();
    file.truncate(whole - 1000);
    let error = Gguf::read(&file[..], file.len() as u64).expect_err("cut");
    let text = error.to_string();
    assert!(text.contains(&format!("the file ends at byte {}", whole - 1000)), "{text}");
    assert!(text.contains("tensor blk.1."), "{text}");
    let ReadError::Invalid(error) = error else { panic!("{error}") };
    assert_eq!(error.remedy(), "download it again, whole");
}

#[test]
fn counts_are_compared_with_the_file_before_anything_is_read() {
    for count in [1 << 40, u64::MAX] {
        let pairs = refused(&small_but(|draft| draft.pair_count = Some(count)));
        assert!(pairs.to_string().contains("the number of keys"), "{pairs}");
        let tensors = refused(&small_but(|draft| draft.tensor_count = Some(count)));
        assert!(tensors.to_string().contains("the number of tensors"), "{tensors}");
    }
}

#[test]
fn places_of_tensors_are_one_behind_the_other_and_aligned() {
    let moved = refused(&small_but(|draft| draft.tensors[1].offset += 32));
    assert!(moved.to_string().contains("the offset of tensor output_norm.weight"), "{moved}");
    let odd = small_but(|draft| {
        draft.set_u32("general.alignment", 8);
        draft.alignment = 8;
        while draft.head().len() % 32 == 0 {
            draft.set_text("general.name", &"x".repeat(draft.pairs.len()));
            draft.pairs.push(super::testing::DraftPair {
                key: format!("k{}", draft.pairs.len()).into_bytes(),
                kind: 4,
                value: vec![0; 4],
            });
        }
    });
    let error = refused(&odd);
    assert!(error.to_string().contains("a multiple of 32"), "{error}");
    for alignment in [0, 3, 1 << 30] {
        let error = refused(&small_but(|draft| draft.set_u32("general.alignment", alignment)));
        assert_eq!(error.limit(), Some("a power of two up to 1048576, as u32"), "{error}");
    }
}

#[test]
fn types_are_those_of_the_ggml_that_is_linked() {
    use llama_cpp_sys_2 as sys;
    for code in 0..sys::GGML_TYPE_COUNT {
        // SAFETY: the number is one of the enumeration's.
        let (block, bytes, name) = unsafe {
            let name = std::ffi::CStr::from_ptr(sys::ggml_type_name(code));
            (sys::ggml_blck_size(code), sys::ggml_type_size(code), name.to_string_lossy())
        };
        let known = TensorType::of(code);
        assert_eq!(known.is_some(), block > 0, "{name}");
        let Some(known) = known else { continue };
        assert_eq!((known.block() as i64, known.block_bytes() as usize), (block, bytes), "{name}");
        assert_eq!(known.to_string(), name);
    }
    assert_eq!(TensorType::all().map(TensorType::code).max(), Some(sys::GGML_TYPE_COUNT - 1));
}
