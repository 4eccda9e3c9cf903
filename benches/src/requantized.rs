//! A model with other weights' types, made once and kept beside its source.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use indwell_llama::{Quantization, quantize};

/// The file of `model`, an alias or a path, with its weights as Q4_0.
///
/// Aliases lie in the user's cache, and so does what is made of them.
///
/// # Errors
/// When the model can't be fetched, read, or written.
pub fn q4_0(model: &str) -> Result<PathBuf> {
    let source = match indwell::aliases().iter().any(|alias| alias.name == model) {
        true => indwell::pull(model, &|_| {})?,
        false => PathBuf::from(model),
    };
    let output = beside(&source, "q4_0");
    if !output.is_file() {
        eprintln!("quantizing {} to Q4_0", source.display());
        quantize(&source, &output, Quantization::Q4_0)
            .with_context(|| format!("{} could not be quantized", source.display()))?;
    }
    Ok(output)
}

/// `NAME-SUFFIX.gguf` beside `NAME.gguf`.
fn beside(source: &Path, suffix: &str) -> PathBuf {
    let stem = source.file_stem().unwrap_or_default().to_string_lossy();
    source.with_file_name(format!("{stem}-{suffix}.gguf"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sources_name_is_in_the_results() {
        let path = beside(Path::new("models/smollm2-135m-b179c9523d0e.gguf"), "q4_0");
        assert_eq!(path, Path::new("models/smollm2-135m-b179c9523d0e-q4_0.gguf"));
    }
}
