//! How many bytes a token's keys and values take, from what the model's file says of itself.

use std::ffi::{CStr, CString};
use std::ptr::NonNull;

use llama_cpp_sys_2 as sys;

use crate::{MemoryKind, Model};

/// Keys and values are kept as 16-bit floats.
const VALUE_BYTES: u64 = 2;

impl Model {
    /// Bytes of one token's keys and values in the memory: for each layer with attention, its
    /// key-value heads × (key length + value length) × 2 bytes (`*.attention.head_count_kv`,
    /// `key_length`, `value_length`; lengths that are not given are embedding / heads). Latent
    /// attention keeps no values. Layers that borrow another's keys are counted as if they did
    /// not, and recurrent states, which do not grow with tokens, are not counted. 0 when the
    /// file does not say.
    #[must_use]
    pub fn kv_bytes_per_token(&self) -> u64 {
        self.kv_bytes_per_token
    }

    /// Reads the file's header again where heads differ from layer to layer.
    pub(super) fn read_kv_bytes(&self) -> u64 {
        if self.memory_kind() == MemoryKind::Recurrent {
            return 0;
        }
        let layers = self.key("block_count").unwrap_or(0);
        let layers = layers.saturating_sub(self.key("nextn_predict_layers").unwrap_or(0));
        let heads = self.key("attention.head_count").unwrap_or(0);
        let each = self.key("embedding_length").unwrap_or(0).checked_div(heads).unwrap_or(0);
        let key = self.key("attention.key_length").unwrap_or(each);
        let value = match self.key("attention.key_length_mla") {
            Some(_) => 0,
            None => self.key("attention.value_length").unwrap_or(each),
        };
        let kv_heads = self.kv_heads(layers).unwrap_or(layers.saturating_mul(heads));
        kv_heads.saturating_mul(key.saturating_add(value)).saturating_mul(VALUE_BYTES)
    }

    /// The key-value heads of all layers together.
    fn kv_heads(&self, layers: u64) -> Option<u64> {
        if let Some(heads) = self.key("attention.head_count_kv") {
            return Some(heads.saturating_mul(layers));
        }
        let architecture = self.metadata("general.architecture")?;
        let counts = Header::open(self.path.to_str()?)?
            .numbers(&format!("{architecture}.attention.head_count_kv"))?;
        Some(counts.iter().take(usize::try_from(layers).ok()?).sum())
    }

    /// A number among the architecture's keys.
    fn key(&self, key: &str) -> Option<u64> {
        let architecture = self.metadata("general.architecture")?;
        self.metadata(&format!("{architecture}.{key}"))?.parse().ok()
    }
}

/// A file's keys, which llama.cpp keeps no lists of.
struct Header(NonNull<sys::gguf_context>);

impl Header {
    fn open(path: &str) -> Option<Self> {
        let path = CString::new(path).ok()?;
        let params = sys::gguf_init_params { no_alloc: true, ctx: std::ptr::null_mut() };
        // SAFETY: the path ends with a NUL; null is returned for what can't be read.
        NonNull::new(unsafe { sys::gguf_init_from_file(path.as_ptr(), params) }).map(Self)
    }

    /// The list of whole numbers at `key`.
    fn numbers(&self, key: &str) -> Option<Vec<u64>> {
        let key = CString::new(key).ok()?;
        let header = self.0.as_ptr();
        let id = self.find(&key)?;
        // SAFETY: the key exists and is a list of 32-bit numbers, of which there are `length`.
        unsafe {
            if sys::gguf_get_kv_type(header, id) != sys::GGUF_TYPE_ARRAY {
                return None;
            }
            let element = sys::gguf_get_arr_type(header, id);
            if ![sys::GGUF_TYPE_UINT32, sys::GGUF_TYPE_INT32].contains(&element) {
                return None;
            }
            let length = sys::gguf_get_arr_n(header, id);
            let data = sys::gguf_get_arr_data(header, id).cast::<u32>();
            Some((0..length).map(|at| data.add(at).read_unaligned().into()).collect())
        }
    }

    fn find(&self, key: &CStr) -> Option<i64> {
        // SAFETY: the header is alive and the key ends with a NUL; -1 stands for none.
        let id = unsafe { sys::gguf_find_key(self.0.as_ptr(), key.as_ptr()) };
        (id >= 0).then_some(id)
    }
}

impl Drop for Header {
    fn drop(&mut self) {
        // SAFETY: owned and freed once.
        unsafe { sys::gguf_free(self.0.as_ptr()) };
    }
}
