//! The folder of the shared library or executable that this code is part of.

use std::path::PathBuf;

/// Where this module lies: beside it stand the libraries it was shipped with.
#[cfg(unix)]
#[must_use]
pub fn module_dir() -> Option<PathBuf> {
    use std::ffi::{CStr, OsStr};
    use std::os::unix::ffi::OsStrExt;

    let mut info = std::mem::MaybeUninit::<libc::Dl_info>::zeroed();
    // SAFETY: the address is of a function of this module, and `info` is writable.
    let found = unsafe { libc::dladdr(module_dir as *const libc::c_void, info.as_mut_ptr()) };
    if found == 0 {
        return None;
    }
    // SAFETY: dladdr succeeded, so `info` is filled.
    let info = unsafe { info.assume_init() };
    if info.dli_fname.is_null() {
        return None;
    }
    // SAFETY: a name that dladdr returns is NUL-terminated and lives as long as the module.
    let name = unsafe { CStr::from_ptr(info.dli_fname) };
    let path = PathBuf::from(OsStr::from_bytes(name.to_bytes()));
    let path = std::fs::canonicalize(path).ok()?;
    path.parent().map(std::path::Path::to_path_buf)
}

/// Where this module lies. Elsewhere than on Unix: the folder of the executable.
#[cfg(not(unix))]
#[must_use]
pub fn module_dir() -> Option<PathBuf> {
    std::env::current_exe().ok()?.parent().map(std::path::Path::to_path_buf)
}
