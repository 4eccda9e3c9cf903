//! What Linux tells of a thread's waiting, and a team of OpenMP's that sleeps.

use std::ffi::c_int;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::ptr::NonNull;
use std::sync::mpsc;
use std::time::Duration;

use llama_cpp_sys_2 as sys;

use crate::threads::{self, STACK_BYTES};

/// The name of a crowd's leader, which its team inherits.
const LEADER: &str = "indwell-crowd";

/// How long a thread was ready to run and was not let.
#[derive(Debug)]
pub(super) struct Waits(File);

impl Waits {
    /// Of the calling thread. `None` where the kernel does not count.
    pub(super) fn of_this_thread() -> Option<Self> {
        File::open("/proc/thread-self/schedstat").ok().map(Self)
    }

    /// So far; `None` once the thread is over.
    pub(super) fn read(&self) -> Option<Duration> {
        let mut text = [0_u8; 64];
        let length = self.0.read_at(&mut text, 0).ok()?;
        // Nanoseconds that it ran, nanoseconds that it waited, and how often it was let.
        let text = std::str::from_utf8(&text[..length]).ok()?;
        text.split_ascii_whitespace().nth(1)?.parse().ok().map(Duration::from_nanos)
    }
}

/// More threads than processors, together with those that compute. They sleep; when it is dropped
/// they end.
#[derive(Debug)]
pub(super) struct Crowd {
    /// Lets its leader go.
    gone: Option<mpsc::Sender<()>>,
    leader: Option<std::thread::JoinHandle<()>>,
}

impl Crowd {
    /// Beside a team of `threads`.
    ///
    /// # Errors
    /// When the threads can't be started, or that is not sure: OpenMP ends the process where it fails.
    pub(super) fn gather(threads: u32) -> io::Result<Self> {
        if has_limited_addresses() {
            return Err(io::Error::other("the process's addresses are limited"));
        }
        let processors = processors();
        // OpenMP counts a process's first thread, and of each team all but its leader.
        let team = (processors + 2).saturating_sub(threads).max(2);
        threads::try_threads(team)?;
        let (gone, stays) = mpsc::channel::<()>();
        let (told, met) = mpsc::channel();
        let leader = std::thread::Builder::new().name(LEADER.to_owned());
        let leader = leader.stack_size(STACK_BYTES).spawn(move || {
            let has_met = meet(team);
            let _ = told.send(has_met);
            if has_met {
                // Until nobody holds the other end.
                let _ = stays.recv();
            }
        })?;
        let crowd = Self { gone: Some(gone), leader: Some(leader) };
        match met.recv() {
            Ok(true) => Ok(crowd),
            _ => Err(io::Error::other("ggml would not compute with a team of threads")),
        }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.gone = None;
        if let Some(leader) = self.leader.take() {
            let _ = leader.join();
        }
    }
}

fn has_limited_addresses() -> bool {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the limit is writable.
    let asked = unsafe { libc::getrlimit(libc::RLIMIT_AS, &raw mut limit) };
    asked != 0 || limit.rlim_cur != libc::RLIM_INFINITY
}

/// Processors that this process may run on, as OpenMP counts them: quotas don't matter to it.
fn processors() -> u32 {
    let mut set = std::mem::MaybeUninit::<libc::cpu_set_t>::zeroed();
    // SAFETY: the set is as large as is said, and writable.
    let asked =
        unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), set.as_mut_ptr()) };
    if asked != 0 {
        return threads::cores();
    }
    // SAFETY: zeroed, which is a set, and then filled.
    let count = unsafe { libc::CPU_COUNT(&set.assume_init()) };
    u32::try_from(count).unwrap_or(1).max(1)
}

/// Lets a team of this thread's meet in ggml's own OpenMP, however that library is named here: it
/// adds two small tensors, which ggml does with all threads. False where that could not be done.
fn meet(team: u32) -> bool {
    // SAFETY: asks ggml's registry, and makes a backend of the device that it names, if any.
    let backend = unsafe {
        let device = sys::ggml_backend_dev_by_type(sys::GGML_BACKEND_DEVICE_TYPE_CPU);
        NonNull::new(device).and_then(|device| {
            let backend = sys::ggml_backend_dev_init(device.as_ptr(), std::ptr::null());
            NonNull::new(backend).map(|backend| (device, backend))
        })
    };
    let Some((device, backend)) = backend else { return false };
    // SAFETY: both are alive; what the name stands for has this type (`ggml_backend_set_n_threads_t`
    // of ggml-backend.h).
    let set_threads = unsafe {
        let registry = sys::ggml_backend_dev_backend_reg(device.as_ptr());
        let found = sys::ggml_backend_reg_get_proc_address(
            registry,
            c"ggml_backend_set_n_threads".as_ptr(),
        );
        std::mem::transmute::<
            *mut std::ffi::c_void,
            Option<unsafe extern "C" fn(sys::ggml_backend_t, c_int)>,
        >(found)
    };
    let has_met = set_threads.is_some_and(|set_threads| {
        // SAFETY: the backend is alive, and the team bounded by the number of processors.
        unsafe { set_threads(backend.as_ptr(), c_int::try_from(team).unwrap_or(2)) };
        add_something(backend)
    });
    // SAFETY: made above, and not used after this.
    unsafe { sys::ggml_backend_free(backend.as_ptr()) };
    has_met
}

fn add_something(backend: NonNull<sys::ggml_backend>) -> bool {
    const NUMBERS: i64 = 64;
    const NODES: usize = 8;
    // SAFETY: the context has room for three tensors with their numbers and for a graph, and frees all
    // of them; the numbers are set before they are added.
    unsafe {
        let tensors = 3 * (sys::ggml_tensor_overhead() + 4 * 64 + 64);
        let Some(context) = NonNull::new(sys::ggml_init(sys::ggml_init_params {
            mem_size: tensors + sys::ggml_graph_overhead_custom(NODES, false),
            mem_buffer: std::ptr::null_mut(),
            no_alloc: false,
        })) else {
            return false;
        };
        let numbers = || {
            let tensor = sys::ggml_new_tensor_1d(context.as_ptr(), sys::GGML_TYPE_F32, NUMBERS);
            sys::ggml_set_zero(tensor)
        };
        let sum = sys::ggml_add(context.as_ptr(), numbers(), numbers());
        let graph = sys::ggml_new_graph_custom(context.as_ptr(), NODES, false);
        sys::ggml_build_forward_expand(graph, sum);
        let status = sys::ggml_backend_graph_compute(backend.as_ptr(), graph);
        sys::ggml_free(context.as_ptr());
        status == sys::GGML_STATUS_SUCCESS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Threads of crowds in this process: a team's have their leader's name.
    fn crowded() -> usize {
        let tasks = std::fs::read_dir("/proc/self/task").expect("Linux tells");
        let names = tasks.flatten().filter_map(|task| {
            // One that has ended meanwhile has none.
            std::fs::read_to_string(task.path().join("comm")).ok()
        });
        names.filter(|name| name.trim() == LEADER).count()
    }

    #[test]
    fn who_sleeps_does_not_wait_for_a_processor() {
        let waits = Waits::of_this_thread().expect("Linux counts");
        let before = waits.read().expect("it lives");
        // tidy: sleeps because sleeping is what is told apart from waiting
        std::thread::sleep(Duration::from_millis(50));
        let asleep = waits.read().expect("it lives") - before;
        assert!(asleep < Duration::from_millis(40), "sleeping is not waiting: {asleep:?}");
    }

    #[test]
    fn nobody_tells_of_a_thread_that_is_over() {
        let of_another = std::thread::spawn(|| Waits::of_this_thread().expect("Linux counts"));
        assert_eq!(of_another.join().expect("it ends").read(), None);
    }

    #[test]
    fn a_crowd_comes_and_goes() {
        crate::Backends::load().expect("backends beside us");
        let crowd = Crowd::gather(processors()).expect("a crowd of two");
        assert_eq!(crowded(), 2, "its leader and one more");
        drop(crowd);
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        while crowded() > 0 && std::time::Instant::now() < deadline {
            // tidy: sleeps because nobody tells when a thread of OpenMP's has ended
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(crowded(), 0, "none is left behind");
    }
}
