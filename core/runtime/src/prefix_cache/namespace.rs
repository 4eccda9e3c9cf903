//! What an engine's prefixes depend on besides their tokens, as a namespace of the kernel's.
//!
//! Two engines have the same namespace only if the state that one computed is right for the other:
//! the same model, with its cache laid out alike. A salt makes a namespace of its own; since none
//! is empty, no salt is different from any.

use std::time::UNIX_EPOCH;

use indwell_kernel::{CacheUse, Namespace, NamespaceBuilder, NamespaceField};

use crate::CacheMode;
use crate::model::ModelFacts;

/// The namespace of requests without a salt, to which salts are added.
///
/// `identity` is what the model is known by: [`file_identity`] or [`digest_identity`]; `layout` is
/// how the context lays out what it keeps.
pub(crate) fn base_namespace(
    model: &ModelFacts,
    identity: &[u8],
    layout: &str,
) -> NamespaceBuilder {
    Namespace::builder()
        .field(NamespaceField::Model, identity)
        .field(NamespaceField::KvTypes, layout.as_bytes())
        .field(NamespaceField::Rope, model.rope.as_bytes())
}

/// How a request with this mode and salt uses the cache; `base` is `None` where there is none.
pub(crate) fn salted(
    base: Option<&NamespaceBuilder>,
    mode: CacheMode,
    salt: Option<&str>,
) -> CacheUse {
    match base {
        Some(base) if mode.uses_prefixes() => CacheUse::Use(base.salted(salt)),
        _ => CacheUse::Bypass,
    }
}

/// A model known by the digest of its file's contents, wherever the file lies.
pub(crate) fn digest_identity(digest: [u8; 32]) -> Vec<u8> {
    [b"digest".as_slice(), &digest].concat()
}

/// A model known by its file: the path, the size and when it was last written. Enough while the
/// process lives.
pub(crate) fn file_identity(model: &ModelFacts) -> Vec<u8> {
    let path = std::path::absolute(&model.path).unwrap_or_else(|_| model.path.clone());
    let mut identity = path.into_os_string().into_encoded_bytes();
    identity.push(0);
    // A file that is gone by now has no more than its path.
    if let Ok(metadata) = std::fs::metadata(&model.path) {
        identity.extend_from_slice(&metadata.len().to_le_bytes());
        let written = metadata.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        if let Some(written) = written {
            identity.extend_from_slice(&written.as_nanos().to_le_bytes());
        }
    }
    identity
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base() -> NamespaceBuilder {
        Namespace::builder().field(NamespaceField::Model, b"a model")
    }

    fn namespace(mode: CacheMode, salt: Option<&str>) -> Option<Namespace> {
        salted(Some(&base()), mode, salt).namespace()
    }

    #[test]
    fn tenants_share_with_nobody_but_themselves() {
        let none = namespace(CacheMode::Use, None).expect("used");
        let one = namespace(CacheMode::Use, Some("1")).expect("used");
        let two = namespace(CacheMode::Use, Some("2")).expect("used");
        assert!(none != one && none != two && one != two);
        assert_eq!(namespace(CacheMode::Use, Some("1")), Some(one));
        assert_eq!(namespace(CacheMode::Use, None), Some(none));
    }

    #[test]
    fn a_salt_changes_nothing_for_who_bypasses_the_cache() {
        assert_eq!(namespace(CacheMode::Bypass, None), None);
        assert_eq!(namespace(CacheMode::Bypass, Some("1")), None);
    }

    #[test]
    fn without_a_cache_everybody_bypasses_it() {
        assert_eq!(salted(None, CacheMode::Use, Some("1")), CacheUse::Bypass);
    }
}
