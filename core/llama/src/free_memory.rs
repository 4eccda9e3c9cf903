//! What the C allocator keeps of memory that was freed.
//!
//! glibc's has an arena for each of some threads. After an engine's end they hold tens of MiB that
//! nobody uses, and since the next engine's threads come to other arenas, more with each engine.
//! Other allocators are left to themselves.

/// Gives it back to the system: all that the arenas of this thread and of those that ended last keep,
/// and of others what lies between blocks in use. Takes about 0.3 ms a megabyte, in which threads
/// that allocate may wait.
pub fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    glibc::give_back();
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod glibc {
    use std::ptr::NonNull;

    /// Smaller than what glibc ever maps for itself alone: it comes from the thread's arena.
    const BLOCK_BYTES: usize = 120 << 10;
    /// So much in a row that held no memory is taken for the arena's untouched end.
    const UNTOUCHED_BLOCKS: usize = (8 << 20) / BLOCK_BYTES;
    /// An arena that keeps more than 1 GiB keeps the rest.
    const BLOCKS_MAX: usize = (1 << 30) / BLOCK_BYTES;

    /// As many as an engine has threads that allocate much.
    const HEIRS: usize = 8;

    pub(super) fn give_back() {
        empty_own_arena();
        // Whoever begins has the arena of who ended last. All of them at once, since each has its own,
        // and none is left behind. Where no more threads can be started, their arenas stay as they are.
        let heirs = rayon::ThreadPoolBuilder::new().num_threads(HEIRS);
        let _ =
            heirs.build_scoped(|heir| heir.run(), |heirs| heirs.broadcast(|_| empty_own_arena()));
        // SAFETY: any thread may call it at any time.
        let _ = unsafe { libc::malloc_trim(0) };
    }

    fn empty_own_arena() {
        let mut blocks = Vec::new();
        let mut untouched = 0;
        while untouched < UNTOUCHED_BLOCKS
            && blocks.len() < BLOCKS_MAX
            && let Some(block) = Block::take()
        {
            untouched = if block.empty() { 0 } else { untouched + 1 };
            blocks.push(block);
        }
    }

    /// `malloc_trim` leaves the free end of every arena but the first as it is. What of it is taken
    /// as blocks is ours, to do without.
    struct Block(NonNull<libc::c_void>);

    impl Block {
        fn take() -> Option<Self> {
            // SAFETY: a size above 0; `drop` frees it.
            NonNull::new(unsafe { libc::malloc(BLOCK_BYTES) }).map(Self)
        }

        /// Drops the memory behind its whole pages; whether there was any.
        fn empty(&self) -> bool {
            // SAFETY: asks the system for a number.
            let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(0);
            if !page.is_power_of_two() {
                return false;
            }
            let start = self.0.as_ptr().addr().next_multiple_of(page);
            let end = (self.0.as_ptr().addr() + BLOCK_BYTES) & !(page - 1);
            let Some(bytes) = end.checked_sub(start).filter(|bytes| *bytes > 0) else {
                return false;
            };
            let pages = self.0.as_ptr().with_addr(start);
            let mut resident = vec![0_u8; bytes / page];
            // SAFETY: these pages lie in the block, which is ours and holds nothing; there is a byte
            // for each.
            unsafe {
                libc::mincore(pages, bytes, resident.as_mut_ptr());
                libc::madvise(pages, bytes, libc::MADV_DONTNEED);
            }
            resident.iter().any(|page| page & 1 == 1)
        }
    }

    impl Drop for Block {
        fn drop(&mut self) {
            // SAFETY: it came from `malloc`, and nobody else has it.
            unsafe { libc::free(self.0.as_ptr()) }
        }
    }
}
