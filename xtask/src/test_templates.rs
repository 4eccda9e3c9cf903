//! Chat templates of many models, and a Python to compare their renderings with.
//!
//! The templates are those of llama.cpp's tree. The crate that llama.cpp is built from leaves them out;
//! the source package of llama-cpp-python has them. They are their models' makers': fetched for tests,
//! kept beside the default model, never shipped.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};

use crate::process;
use crate::suites::environment::Environment;
use crate::test_models::models_dir;
use crate::workspace::Workspace;

const PACKAGE: &str = "llama-cpp-python==0.3.36";
const FILE: &str = "llama_cpp_python-0.3.36.tar.gz";
const SHA256: &str = "832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e";
/// What of the package is unpacked.
const FOLDER: &str = "/vendor/llama.cpp/models/templates/";
const REQUIREMENTS: &str = "core/runtime/tests/templates/requirements.txt";

/// Tell the tests where they are.
const TEMPLATES_VARIABLE: &str = "INDWELL_TEST_TEMPLATES";
const PYTHON_VARIABLE: &str = "INDWELL_TEST_JINJA_PYTHON";

/// Unpacks the members of an archive that lie in a folder, without their folders.
const UNPACK: &str = r#"
import pathlib, sys, tarfile
archive, folder, target = sys.argv[1:]
with tarfile.open(archive) as archive:
    for member in archive:
        if member.isfile() and folder in member.name:
            name = pathlib.PurePosixPath(member.name).name
            pathlib.Path(target, name).write_bytes(archive.extractfile(member).read())
"#;

/// Tells `tests` where templates and Python are, preparing both if need be. What the user names is left
/// alone.
///
/// # Errors
/// Where one can't be prepared: the tests would skip what this project promises.
pub(crate) fn tell(workspace: &Workspace, tests: &mut Command) -> Result<()> {
    if std::env::var_os(PYTHON_VARIABLE).is_none() {
        let environment = Environment::prepared(workspace, "jinja", REQUIREMENTS)?;
        tests.env(PYTHON_VARIABLE, environment.interpreter());
    }
    if std::env::var_os(TEMPLATES_VARIABLE).is_none() {
        tests.env(TEMPLATES_VARIABLE, fetched(workspace)?);
    }
    Ok(())
}

/// The templates' folder, from the cache or else fetched into it.
fn fetched(workspace: &Workspace) -> Result<PathBuf> {
    let cache = models_dir()?;
    let templates = cache.join(format!("templates-{}", &SHA256[..12]));
    // It gets its name when it is complete.
    if templates.is_dir() {
        return Ok(templates);
    }
    fs::create_dir_all(&cache).with_context(|| format!("could not make {}", cache.display()))?;
    let work = tempfile::tempdir_in(&cache)?;
    let mut download = workspace.command("python3");
    download
        .args(["-m", "pip", "download", "--no-deps", "--no-binary=:all:", "--no-cache-dir"])
        .args(["--no-input", "--disable-pip-version-check", "--progress-bar=off", "--dest"])
        .arg(work.path())
        .arg(PACKAGE);
    process::quietly("fetch chat templates", &mut download)?;
    let archive = work.path().join(FILE);
    let found = sha256(&archive)?;
    ensure!(found == SHA256, "the SHA-256 of {FILE} is {found}, not {SHA256}");
    let unpacked = work.path().join("templates");
    fs::create_dir(&unpacked)?;
    let mut unpack = workspace.command("python3");
    unpack.args(["-c", UNPACK]).arg(&archive).arg(FOLDER).arg(&unpacked);
    process::quietly("unpack chat templates", &mut unpack)?;
    fs::rename(&unpacked, &templates)
        .with_context(|| format!("could not write {}", templates.display()))?;
    Ok(templates)
}

fn sha256(path: &Path) -> Result<String> {
    let mut file =
        File::open(path).with_context(|| format!("pip did not fetch {}", path.display()))?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = std::io::Read::read(&mut file, &mut buffer)?;
        if read == 0 {
            break;
        }
        hasher.update(&buffer[..read]);
    }
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_hashed_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("abc");
        fs::write(&path, "abc").unwrap();
        // FIPS 180-2, appendix B.1.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256(&path).unwrap(), abc);
        assert!(sha256(&dir.path().join("none")).is_err());
    }
}
