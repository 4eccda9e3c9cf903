//! A model file with other types of weights.

use std::ffi::CString;
use std::path::{Path, PathBuf};

use llama_cpp_sys_2 as sys;

use crate::backends::Backends;
use crate::error::QuantizeError;
use crate::gguf::Gguf;
use crate::log::capturing_errors;

/// What a model's weights are stored as. Small tensors and some of great weight stay as they
/// are, or get a larger type, as llama.cpp sees fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[expect(non_camel_case_types, reason = "the names by which these types are known")]
pub enum Quantization {
    /// 4.5 bits a weight, in blocks of 32: the type that processors repack and compute fastest.
    Q4_0,
    /// 4.8 bits a weight, of mixed types.
    Q4_K_M,
    /// 8.5 bits a weight, in blocks of 32.
    Q8_0,
    /// 16-bit floats.
    F16,
}

impl Quantization {
    fn as_llama(self) -> sys::llama_ftype {
        match self {
            Quantization::Q4_0 => sys::LLAMA_FTYPE_MOSTLY_Q4_0,
            Quantization::Q4_K_M => sys::LLAMA_FTYPE_MOSTLY_Q4_K_M,
            Quantization::Q8_0 => sys::LLAMA_FTYPE_MOSTLY_Q8_0,
            Quantization::F16 => sys::LLAMA_FTYPE_MOSTLY_F16,
        }
    }
}

/// Writes the model at `input` to `output` with its weights as `to`. Weights that are quantized
/// already are quantized again, which loses more than doing so once. The file is written aside
/// and renamed when it is whole; one that was at `output` is replaced.
///
/// # Errors
/// [`QuantizeError`] for an input that [`Gguf::open`] refuses, an output that can't be written or is the
/// input, and what llama.cpp refuses.
///
/// # Blocking
/// For seconds to minutes, on all processors.
pub fn quantize(input: &Path, output: &Path, to: Quantization) -> Result<(), QuantizeError> {
    let checked = Gguf::open(input)?;
    let unwritable = |source| QuantizeError::Unwritable { path: output.to_owned(), source };
    let folder = match output.parent() {
        Some(folder) if folder.as_os_str().is_empty() => Path::new("."),
        Some(folder) => folder,
        None => return Err(unwritable(std::io::ErrorKind::IsADirectory.into())),
    };
    let folder = folder.canonicalize().map_err(unwritable)?;
    let name = output.file_name().ok_or(std::io::ErrorKind::InvalidFilename);
    let name = name.map_err(|kind| unwritable(kind.into()))?;
    let target = folder.join(name);
    let is_input = match (target.canonicalize(), input.canonicalize()) {
        (Ok(target), Ok(input)) => target == input,
        _ => false,
    };
    if is_input {
        return Err(QuantizeError::Itself { path: output.to_owned() });
    }
    Backends::load().map_err(crate::LoadError::Backends)?;
    let mut aside = name.to_os_string();
    aside.push(format!(".{}.partial", std::process::id()));
    let aside = Aside(folder.join(aside));
    convert(input, &aside.0, to)?;
    checked.check_unchanged()?;
    std::fs::rename(&aside.0, &target).map_err(unwritable)
}

fn convert(input: &Path, output: &Path, to: Quantization) -> Result<(), QuantizeError> {
    let (from_text, to_text) = (as_text(input)?, as_text(output)?);
    // SAFETY: returns plain data.
    let mut params = unsafe { sys::llama_model_quantize_default_params() };
    params.ftype = to.as_llama();
    params.allow_requantize = true;
    // SAFETY: both paths end with a NUL, and the parameters point to nothing.
    let (code, reason) = capturing_errors(|| unsafe {
        sys::llama_model_quantize(from_text.as_ptr(), to_text.as_ptr(), &raw const params)
    });
    match code {
        0 => Ok(()),
        _ => Err(QuantizeError::Refused { path: input.to_owned(), reason }),
    }
}

fn as_text(path: &Path) -> Result<CString, QuantizeError> {
    let text = path.to_str().and_then(|text| CString::new(text).ok());
    text.ok_or_else(|| crate::LoadError::PathText { path: path.to_owned() }.into())
}

/// A file that is removed unless it was renamed.
struct Aside(PathBuf);

impl Drop for Aside {
    fn drop(&mut self) {
        // It is not there after a rename, or if nothing was written.
        let _ = std::fs::remove_file(&self.0);
    }
}
