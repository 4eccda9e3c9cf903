//! ggml's backends and devices, loaded at run time.
//!
//! One build serves all machines of an architecture: ggml loads, of the libraries beside us, the
//! CPU variant that suits this processor best, and every GPU backend whose driver is here. They
//! are loaded once for the process and never unloaded.

use std::path::PathBuf;
use std::sync::OnceLock;

use llama_cpp_2::LlamaBackendDeviceType;
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_sys_2 as sys;

use crate::error::BackendsError;
use crate::module_dir::module_dir;

/// Names a folder to load backends from, before all others.
pub const BACKEND_DIR_VARIABLE: &str = "INDWELL_BACKEND_DIR";

/// Proof that the backends are loaded.
#[derive(Debug)]
pub struct Backends {
    pub(crate) token: LlamaBackend,
    /// Where the backends came from.
    pub directory: PathBuf,
}

/// Something that can compute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// ggml's name for it: `CPU`, `CUDA0`, `Metal`.
    pub name: String,
    /// The hardware's name.
    pub description: String,
    /// What sort of device it is.
    pub kind: DeviceKind,
    /// Memory that is free now, in bytes; 0 where the backend can't tell.
    pub memory_free_bytes: u64,
    /// All its memory, in bytes; 0 where the backend can't tell.
    pub memory_total_bytes: u64,
}

/// Sorts of devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeviceKind {
    /// The processor.
    Cpu,
    /// A graphics card with memory of its own.
    Gpu,
    /// A graphics unit that shares the processor's memory.
    IntegratedGpu,
    /// A matrix unit or library beside the processor (BLAS, AMX).
    Accelerator,
}

impl DeviceKind {
    /// The name that every language uses.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            DeviceKind::Cpu => "cpu",
            DeviceKind::Gpu => "gpu",
            DeviceKind::IntegratedGpu => "integrated_gpu",
            DeviceKind::Accelerator => "accelerator",
        }
    }
}

impl Backends {
    /// Loads the backends on the first call; later calls return the same.
    ///
    /// Folders are tried in this order until one gives a CPU device: `INDWELL_BACKEND_DIR`, the
    /// folder of the library or program this code is in, its `lib` and `backends`, and where
    /// this build left them.
    ///
    /// # Errors
    /// [`BackendsError`] when no folder has any; a later call tries again.
    pub fn load() -> Result<&'static Backends, BackendsError> {
        static LOADED: OnceLock<Backends> = OnceLock::new();
        static LOADING: parking_lot::Mutex<()> = parking_lot::Mutex::new(());
        if let Some(loaded) = LOADED.get() {
            return Ok(loaded);
        }
        let _loading = LOADING.lock();
        if let Some(loaded) = LOADED.get() {
            return Ok(loaded);
        }
        crate::log::install();
        crate::last_record::install();
        let searched: Vec<PathBuf> = candidates().collect();
        for directory in &searched {
            if directory.is_dir() {
                llama_cpp_2::llama_backend::load_backends_from_path(directory);
            }
            if has_cpu() {
                crate::exit::install();
                let token = LlamaBackend::init().expect("initialized once, under the lock");
                tracing::debug!(directory = %directory.display(), "ggml backends loaded");
                return Ok(LOADED.get_or_init(|| Backends { token, directory: directory.clone() }));
            }
        }
        Err(BackendsError { searched })
    }

    /// Every device of every loaded backend.
    #[must_use]
    pub fn devices(&self) -> Vec<Device> {
        llama_cpp_2::list_llama_ggml_backend_devices()
            .into_iter()
            .map(|device| Device {
                name: device.name,
                description: device.description.trim().to_owned(),
                kind: match device.device_type {
                    LlamaBackendDeviceType::Gpu => DeviceKind::Gpu,
                    LlamaBackendDeviceType::IntegratedGpu => DeviceKind::IntegratedGpu,
                    LlamaBackendDeviceType::Accelerator => DeviceKind::Accelerator,
                    LlamaBackendDeviceType::Cpu | LlamaBackendDeviceType::Unknown => {
                        DeviceKind::Cpu
                    }
                },
                memory_free_bytes: device.memory_free as u64,
                memory_total_bytes: device.memory_total as u64,
            })
            .collect()
    }
}

fn candidates() -> impl Iterator<Item = PathBuf> {
    let named = std::env::var_os(BACKEND_DIR_VARIABLE).map(PathBuf::from);
    let beside = module_dir();
    let beside = beside.into_iter().flat_map(|dir| {
        let (lib, backends) = (dir.join("lib"), dir.join("backends"));
        [dir, lib, backends]
    });
    let built = option_env!("INDWELL_BUILT_BACKENDS_DIR").map(PathBuf::from);
    // A path that llama-cpp-2 would panic on is passed over.
    named.into_iter().chain(beside).chain(built).filter(|dir| dir.to_str().is_some())
}

fn has_cpu() -> bool {
    // SAFETY: asks ggml's registry, which is initialized on first use.
    let device = unsafe { sys::ggml_backend_dev_by_type(sys::GGML_BACKEND_DEVICE_TYPE_CPU) };
    !device.is_null()
}
