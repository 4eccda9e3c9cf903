//! Values that end a process in llama.cpp, found in its source, in what its users reported, and by
//! mutation: each is refused, and says which value it is.

use super::super::testing::Draft;
use super::super::{TensorType, ValueType};
use super::{refused, small_but};

type Change = fn(&mut Draft);

fn check(cases: &[(&str, &str, Change)]) {
    for (what, named, change) in cases {
        let error = refused(&small_but(change));
        assert!(error.to_string().contains(named), "{what}: {error}");
        assert!(!error.remedy().is_empty(), "{what}");
    }
}

#[test]
fn numbers_that_are_asserted_or_divided_by() {
    check(&[
        ("GGML_ASSERT(n_layer_all > 0)", "block_count", |d| d.set_u32("llama.block_count", 0)),
        ("LLAMA_MAX_LAYERS", "block_count", |d| d.set_u32("llama.block_count", 513)),
        ("no layer is left", "nextn_predict_layers", |d| {
            d.set_u32("llama.nextn_predict_layers", 2);
        }),
        ("n_embd / n_head", "attention.head_count", |d| d.set_u32("llama.attention.head_count", 0)),
        ("ggml_can_mul_mat", "head_count_kv", |d| d.set_u32("llama.attention.head_count_kv", 3)),
        ("n_gqa", "head_count_kv", |d| d.set_u32("llama.attention.head_count_kv", 0)),
        ("another type", "of type i32", |d| {
            d.set("llama.attention.head_count", ValueType::I32, vec![4, 0, 0, 0]);
        }),
        ("ggml_rope", "rope.dimension_count", |d| d.set_u32("llama.rope.dimension_count", 18)),
        ("an odd number turns", "rope.dimension_count", |d| {
            d.set_u32("llama.rope.dimension_count", 15);
        }),
        ("division by the sum of sections", "rope.dimension_sections", |d| {
            d.set_numbers("llama.rope.dimension_sections", ValueType::I32, &[0; 4]);
        }),
        ("rope_scaling_type != UNSPECIFIED", "rope.scaling.type", |d| {
            d.set_text("llama.rope.scaling.type", "circular");
        }),
        ("n_expert <= LLAMA_MAX_EXPERTS", "expert_count", |d| {
            d.set_u32("llama.expert_count", 1025);
        }),
        ("n_expert_used > 0", "expert_used_count", |d| d.set_u32("llama.expert_count", 8)),
        ("n_expert_used <= n_expert", "expert_used_count", |d| {
            d.set_u32("llama.expert_used_count", 1);
        }),
        ("n_expert_groups == 0", "expert_group_count", |d| {
            d.set_u32("llama.expert_group_count", 2);
        }),
        ("n_expert % n_expert_groups == 0", "a divisor of 8", |d| {
            d.set_u32("llama.expert_count", 8);
            d.set_u32("llama.expert_used_count", 2);
            d.set_u32("llama.expert_group_count", 3);
        }),
        ("n_group_used > 0", "expert_group_used_count", |d| {
            d.set_u32("llama.expert_count", 8);
            d.set_u32("llama.expert_used_count", 2);
            d.set_u32("llama.expert_group_count", 4);
        }),
        ("an aborted switch", "expert_gating_func", |d| d.set_u32("llama.expert_gating_func", 9)),
        ("eps >= 0", "epsilon", |d| d.set_f32("llama.attention.layer_norm_rms_epsilon", -1.0)),
        ("eps >= 0, of a NaN", "epsilon", |d| {
            d.set_f32("llama.attention.layer_norm_rms_epsilon", f32::NAN);
        }),
        ("32-bit product", "sliding_window", |d| {
            d.set_u32("llama.attention.sliding_window", u32::MAX);
        }),
        ("floor(position / 0)", "temperature_length", |d| {
            d.set_u32("llama.attention.temperature_length", 0);
        }),
        ("n_embd / head_size", "wkv.head_size", |d| d.set_u32("llama.wkv.head_size", 0)),
        ("d_inner % n_group == 0", "ssm.group_count", |d| {
            d.set_u32("llama.ssm.inner_size", 64);
            d.set_u32("llama.ssm.group_count", 5);
        }),
        ("a model's companion", "general.type", |d| d.set_text("general.type", "adapter")),
    ]);
}

#[test]
fn numbers_of_layers_that_differ() {
    check(&[
        ("one layer's heads", "a divisor of 4", |d| {
            d.set_numbers("llama.attention.head_count_kv", ValueType::U32, &[2, 3]);
        }),
        ("too few layers", "one for each layer", |d| {
            d.set_numbers("llama.attention.head_count_kv", ValueType::U32, &[2, 2, 2]);
        }),
        ("a number below 0", "none below 0", |d| {
            d.set_numbers("llama.attention.head_count", ValueType::I32, &[4, u32::MAX]);
        }),
        ("texts", "whole numbers", |d| d.set_texts("llama.attention.head_count", &["4", "4"])),
    ]);
}

#[test]
fn vocabularies_that_are_asserted_or_thrown_on() {
    check(&[
        ("id_to_token.size() == token_to_id.size()", "the token a is there twice", |d| {
            retoken(d, |tokens| tokens[0] = b"a".to_vec());
        }),
        ("the same, as C strings", "is there twice", |d| {
            retoken(d, |tokens| {
                tokens[0] = b"x\0one".to_vec();
                tokens[1] = b"x\0other".to_vec();
            });
        }),
        ("the same, of the names for empty tokens", "[EMPTY_1]", |d| {
            retoken(d, |tokens| {
                tokens[0] = b"[EMPTY_1]".to_vec();
                tokens[1] = Vec::new();
            });
        }),
        ("byte_to_token throws", "without <0x41>", |d| {
            retoken(d, |tokens| {
                let at = tokens.iter().position(|token| token == b"<0x41>").expect("there");
                tokens[at] = b"a byte less".to_vec();
            });
            let kinds = vec![1; 260];
            d.set_numbers("tokenizer.ggml.token_type", ValueType::I32, &kinds);
        }),
        ("token_to_byte cuts three characters off", "for the token a", |d| {
            let kinds = vec![6; 260];
            d.set_numbers("tokenizer.ggml.token_type", ValueType::I32, &kinds);
            retoken(d, |tokens| tokens.swap(0, 3));
        }),
        ("token_to_byte aborts for word pieces", "a byte", |d| {
            d.set_text("tokenizer.ggml.model", "bert");
        }),
        ("every call asserts that there is one", "tokenizer.ggml.model", |d| {
            d.set_text("tokenizer.ggml.model", "none");
        }),
        ("scores are read past their end", "tokenizer.ggml.scores", |d| {
            d.set_numbers("tokenizer.ggml.scores", ValueType::F32, &[0; 259]);
        }),
        ("types are read past their end", "tokenizer.ggml.token_type", |d| {
            d.set_numbers("tokenizer.ggml.token_type", ValueType::I32, &[1; 259]);
        }),
        ("merges that are numbers", "tokenizer.ggml.merges", |d| {
            d.set_text("tokenizer.ggml.model", "gpt2");
            d.set_numbers("tokenizer.ggml.merges", ValueType::U32, &[1]);
        }),
        ("a table whose ways lead outside", "precompiled_charsmap", |d| {
            d.set_text("tokenizer.ggml.model", "t5");
            let table = [1, 0, 0, 0, 0, 0, 0, 0, 12, 0, 0, 0, 255, 255, 255, 255, 1, 1, 1, 1];
            d.set("tokenizer.ggml.precompiled_charsmap", ValueType::Array, table.to_vec());
        }),
        ("RWKV's tokenizer begins again for ever", "without the byte 0x3c", |d| {
            d.set_text("tokenizer.ggml.model", "rwkv");
        }),
        ("a template that is no text", "chat_template", |d| {
            d.set_u32("tokenizer.chat_template", 1);
        }),
        ("no vocabulary at all", "tokenizer.ggml.tokens", |d| d.remove("tokenizer.ggml.tokens")),
        ("more tokens than rows", "number of rows", |d| {
            d.tensors.clear();
            d.data_bytes = 0;
            d.add_tensor("token_embd.weight", &[64, 259], TensorType::F32);
        }),
    ]);
}

#[test]
fn tensors_that_ggml_has_no_code_for() {
    check(&[
        ("rows that can't be looked up", "the type of tensor token_embd.weight", |d| {
            retype(d, "token_embd.weight", 26);
        }),
        ("vec_dot is null", "the type of tensor blk.0.attn_q.weight", |d| {
            retype(d, "blk.0.attn_q.weight", 28);
        }),
        ("binary_op aborts", "the type of tensor output_norm.weight", |d| {
            retype(d, "output_norm.weight", 1);
        }),
        ("a type given back", "the type of tensor output_norm.weight is 31", |d| {
            retype(d, "output_norm.weight", 31);
        }),
        ("blck_size is 0", "is 4,", |d| retype(d, "output_norm.weight", 4)),
        ("rows of half a block", "a multiple of 256", |d| retype(d, "blk.0.attn_q.weight", 12)),
        ("division by a dimension of 0", "above 0", |d| d.tensors[1].dimensions[0] = 0),
        ("a product beyond 64 bits", "fewer than 2^63", |d| {
            d.tensors[0].dimensions = vec![1 << 32, 1 << 31, 2];
        }),
        ("kernels of their own", "the type of tensor blk.0.ssm_a", |d| {
            d.add_tensor("blk.0.ssm_a", &[64, 2], TensorType::F16);
        }),
        ("a negative dimension", "fewer than 2^63", |d| d.tensors[1].dimensions[0] = u64::MAX),
        ("GGML_MAX_DIMS", "the number of dimensions", |d| d.tensors[1].dimensions = vec![1; 5]),
        ("the same name", "tensor token_embd.weight is there twice", |d| {
            d.tensors[1].name = b"token_embd.weight".to_vec();
        }),
        ("GGML_MAX_NAME", "at most 63 bytes", |d| d.tensors[1].name = vec![b'x'; 64]),
    ]);
}

#[test]
fn keys_that_are_asserted() {
    check(&[
        ("GGML_ASSERT(!key.empty())", "a key at byte", |d| d.pairs[3].key.clear()),
        ("a key behind a NUL", "a key at byte", |d| d.pairs[3].key.push(0)),
        ("the same key", "is there twice", |d| d.pairs[3].key = d.pairs[2].key.clone()),
        ("a type that is none", "of type 13", |d| d.pairs[3].kind = 13),
        ("arrays of arrays", "an array of arrays", |d| {
            d.set("general.tags", ValueType::Array, [9_u32.to_le_bytes(), [0; 4], [0; 4]].concat());
        }),
    ]);
}

fn retoken(draft: &mut Draft, change: impl FnOnce(&mut Vec<Vec<u8>>)) {
    let words = ["<unk>", "<s>", "</s>", "a"].map(|word| word.as_bytes().to_vec());
    let bytes = (0..=255_u8).map(|byte| format!("<0x{byte:02X}>").into_bytes());
    let mut tokens: Vec<Vec<u8>> = words.into_iter().chain(bytes).collect();
    change(&mut tokens);
    draft.set_texts("tokenizer.ggml.tokens", &tokens);
}

/// Another type, with everything laid out as it asks.
fn retype(draft: &mut Draft, name: &str, code: u32) {
    let tensors = std::mem::take(&mut draft.tensors);
    draft.data_bytes = 0;
    for tensor in tensors {
        let is_it = tensor.name == name.as_bytes();
        let text = String::from_utf8(tensor.name).expect("a name");
        let kind = TensorType::of(if is_it { code } else { tensor.kind });
        draft.add_tensor(&text, &tensor.dimensions, kind.unwrap_or(TensorType::F32));
        if is_it && let Some(last) = draft.tensors.last_mut() {
            last.kind = code;
        }
    }
}
