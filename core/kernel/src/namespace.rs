//! Whose prefixes may be shared with whom.
//!
//! What the tokens alone do not say about a prefix's computed state goes into its namespace:
//! two prefixes are the same only in the same namespace. Every field is written with a tag and
//! its length, so that no two different sets of fields are the same bytes.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A digest of everything but the tokens that computed state depends on, and of the tenant's
/// salt. Equal namespaces share prefixes; others never do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Namespace([u8; 32]);

/// One thing that a namespace is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum NamespaceField {
    /// The model's weights and vocabulary.
    Model = 1,
    /// One adapter, with its scale; one field each, in the order they apply.
    Adapter = 2,
    /// How positions are encoded: base, scale and method.
    Rope = 3,
    /// The types of cached keys and values, and their layout.
    KvTypes = 4,
    /// One image or sound that stands for tokens; one field each, in order.
    Media = 5,
    /// What keeps a tenant's prefixes and answers apart from the others'.
    Salt = 6,
    /// What computes: versions, and ways of computing that may round differently. Of answers
    /// only.
    Build = 7,
    /// A namespace that this one is a part of. Of questions that mean the same only.
    Within = 8,
    /// What a chat's prompt has beside the text that is compared. Of questions that mean the same only.
    Beside = 9,
    /// The control tokens that the text of answers shows. Of answers only.
    Markers = 10,
}

/// Collects a namespace's fields.
///
/// ```
/// use indwell_kernel::{Namespace, NamespaceField};
///
/// let model = Namespace::builder().field(NamespaceField::Model, b"smollm2");
/// let one = model.clone().field(NamespaceField::Salt, b"tenant 1").finish();
/// let other = model.field(NamespaceField::Salt, b"tenant 2").finish();
/// assert_ne!(one, other);
/// ```
#[derive(Clone, Debug)]
pub struct NamespaceBuilder {
    hasher: blake3::Hasher,
}

/// Keeps these digests apart from every other use of blake3.
const CONTEXT: &str = "indwell 2026-11 prefix cache namespace";

impl Namespace {
    /// A namespace without fields, to add to.
    #[must_use]
    pub fn builder() -> NamespaceBuilder {
        NamespaceBuilder { hasher: blake3::Hasher::new_derive_key(CONTEXT) }
    }

    /// The digest.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The namespace with this digest, as it was once written down.
    #[must_use]
    pub fn from_bytes(digest: [u8; 32]) -> Self {
        Self(digest)
    }
}

impl NamespaceBuilder {
    /// Adds a field: its tag, its length and its bytes.
    #[must_use]
    pub fn field(mut self, field: NamespaceField, value: &[u8]) -> Self {
        self.hasher.update(&[field as u8]);
        self.hasher.update(&(value.len() as u64).to_le_bytes());
        self.hasher.update(value);
        self
    }

    /// The namespace of all fields so far, and of a tenant's salt if there is one. Salts are never
    /// empty, so none is different from any.
    #[must_use]
    pub fn salted(&self, salt: Option<&str>) -> Namespace {
        match salt {
            None => self.finish(),
            Some(salt) => self.clone().field(NamespaceField::Salt, salt.as_bytes()).finish(),
        }
    }

    /// The namespace of all fields so far.
    #[must_use]
    pub fn finish(&self) -> Namespace {
        Namespace(*self.hasher.finalize().as_bytes())
    }
}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "Namespace({a:02x}{b:02x}{c:02x}{d:02x}…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_never_run_into_each_other() {
        use NamespaceField::{Adapter, Media, Model, Salt};
        let build = |fields: &[(NamespaceField, &[u8])]| {
            let start = Namespace::builder();
            fields
                .iter()
                .fold(start, |builder, (field, value)| builder.field(*field, value))
                .finish()
        };
        let all = [
            build(&[]),
            build(&[(Model, b"ab")]),
            build(&[(Model, b"a"), (Model, b"b")]),
            build(&[(Model, b"a"), (Adapter, b"b")]),
            build(&[(Model, b"a"), (Salt, b"b")]),
            build(&[(Model, b"a"), (Salt, b"")]),
            build(&[(Model, b"a"), (Media, b"b"), (Media, b"c")]),
            build(&[(Model, b"a"), (Media, b"c"), (Media, b"b")]),
            build(&[(Model, b"a"), (Media, b"bc")]),
            // What a length and a tag look like, inside a value.
            build(&[(Model, b"a\x06\x01\0\0\0\0\0\0\0b")]),
            build(&[(Model, b"a"), (Salt, b"b\x06")]),
        ];
        for (at, one) in all.iter().enumerate() {
            assert!(all[at + 1..].iter().all(|other| other != one), "number {at} is there twice");
        }
    }
}
