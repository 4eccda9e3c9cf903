//! Which program serves as the worker, and where it is looked for.

use std::env::consts::EXE_SUFFIX;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::{Error, ErrorDetails, ErrorKind, Result};

/// Names the program that serves, before all others.
pub const WORKER_VARIABLE: &str = "INDWELL_WORKER";

/// Set in a worker's environment, and nowhere else.
pub(super) const SERVES_VARIABLE: &str = "INDWELL_WORKER_SERVES";

/// The program's name, without the system's ending.
const NAME: &str = "indwell-worker";

/// Whether this very program serves when it is started as a worker.
static CAN_SERVE: AtomicBool = AtomicBool::new(false);

/// Notes that this very program serves when it is started as a worker.
pub(super) fn can_serve() {
    CAN_SERVE.store(true, Ordering::Relaxed);
}

/// The program to start.
///
/// # Errors
/// `unsupported`, with the places that were looked at.
pub(super) fn find() -> Result<PathBuf> {
    if let Some(named) = std::env::var_os(WORKER_VARIABLE).map(PathBuf::from) {
        return if named.is_file() { Ok(named) } else { Err(not_found(&[named])) };
    }
    if CAN_SERVE.load(Ordering::Relaxed)
        && let Ok(own) = std::env::current_exe()
    {
        return Ok(own);
    }
    let own = std::env::current_exe().ok();
    let own = own.as_deref().and_then(Path::parent).map(Path::to_owned);
    let places = places(indwell_llama::module_dir(), own);
    match places.iter().find(|place| place.is_file()) {
        Some(found) => Ok(found.clone()),
        None => Err(not_found(&places)),
    }
}

/// Beside the library that this is in, beside the executable, and where cargo leaves programs of tests.
fn places(module: Option<PathBuf>, executable: Option<PathBuf>) -> Vec<PathBuf> {
    let name = format!("{NAME}{EXE_SUFFIX}");
    let mut places: Vec<PathBuf> = Vec::new();
    for dir in module.into_iter().chain(executable) {
        let of_cargo = ["deps", "examples"].map(OsStr::new);
        let above = dir.file_name().filter(|last| of_cargo.contains(last));
        let above = above.and_then(|_| dir.parent()).map(|above| above.join(&name));
        let below = dir.join("lib").join(&name);
        for place in [Some(dir.join(&name)), Some(below), above].into_iter().flatten() {
            if !places.contains(&place) {
                places.push(place);
            }
        }
    }
    places
}

fn not_found(places: &[PathBuf]) -> Error {
    let places: Vec<String> = places.iter().map(|place| place.display().to_string()).collect();
    let places = places.join(", ");
    let remedy = format!(
        "install the package whole, set {WORKER_VARIABLE} to the program, call \
         indwell::serve_if_worker() first in a Rust program's main, or leave isolation out"
    );
    let details = ErrorDetails {
        field: Some("isolation".to_owned()),
        value: Some("process".to_owned()),
        limit: Some(format!("the program {NAME} at one of {places}")),
        remedy: Some(remedy.clone()),
        retry_after_ms: None,
    };
    let message = format!("found no {NAME} to compute in, at {places}: {remedy}");
    Error::with(ErrorKind::Unsupported, message, details, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_looked_for_beside_the_library_and_the_executable() {
        let at = |path: &str| Some(PathBuf::from(path));
        let shown = |places: Vec<PathBuf>| -> Vec<String> {
            places.iter().map(|place| place.display().to_string()).collect()
        };
        let name = format!("{NAME}{EXE_SUFFIX}");
        let found = shown(places(at("/package"), at("/bin")));
        let due =
            ["/package", "/package/lib", "/bin", "/bin/lib"].map(|dir| format!("{dir}/{name}"));
        assert_eq!(found, due);
        let found = shown(places(at("/target/debug/deps"), at("/target/debug/deps")));
        let dirs = ["/target/debug/deps", "/target/debug/deps/lib", "/target/debug"];
        assert_eq!(found, dirs.map(|dir| format!("{dir}/{name}")));
    }

    #[test]
    fn what_is_not_found_is_told_with_the_places_and_the_remedy() {
        let error = not_found(&[PathBuf::from("/nowhere/indwell-worker")]);
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.message().contains("/nowhere/indwell-worker"), "{error}");
        assert!(error.message().contains(WORKER_VARIABLE), "{error}");
    }
}
