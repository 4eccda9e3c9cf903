//! What threads freed is the system's again. In a process of its own: others' memory would count.

#![cfg(all(target_os = "linux", target_env = "gnu"))]

use indwell_llama::free_memory;

const BLOCK_BYTES: usize = 100 << 10;
const FREED_BYTES: usize = 32 << 20;
const THREADS: usize = 3;

/// Bytes of this process that are in memory.
fn resident_bytes() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages = text.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok());
    pages.expect("a number of pages") * 4096
}

/// Allocates and frees, as an engine's thread does, in an arena of its own: below the size that is
/// mapped for itself.
fn use_memory() {
    let blocks: Vec<_> = (0..FREED_BYTES / BLOCK_BYTES).map(|_| vec![1_u8; BLOCK_BYTES]).collect();
    // What is in use at the end keeps an allocator from shrinking.
    let last = vec![1_u8; BLOCK_BYTES];
    drop(blocks);
    drop(last);
}

#[test]
fn what_threads_freed_is_given_back() {
    // As it is once something large was freed: glibc keeps more at the end of an arena then.
    drop(std::hint::black_box(vec![1_u8; 24 << 20]));
    free_memory::give_back();
    let before = resident_bytes();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(use_memory)).collect();
        threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
    });
    let kept = resident_bytes();
    let begun = std::time::Instant::now();
    free_memory::give_back();
    println!("{} bytes kept, {:?} to give them back", kept - before, begun.elapsed());
    let after = resident_bytes();
    assert!(kept > before + THREADS * FREED_BYTES / 2, "{before} {kept}: glibc kept little");
    // Pages that two blocks share stay, one in thirty.
    assert!(after < before + THREADS * FREED_BYTES / 10, "{before} {kept} {after}");
}
