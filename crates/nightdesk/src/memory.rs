//! What leaves this process's memory: nothing into a core dump, nothing into swap, nothing stays behind where it was freed.
//!
//! Callers' words and the keys of rows are in memory while they are needed. A dump of a crashed engine would carry them to a
//! disk that nobody sealed, so the kernel is told to leave our memory out of dumps (core(5), `coredump_filter`; `gcore` asks
//! it too), and to write none by itself. Whatever is freed is overwritten, by an allocator that does nothing else: what is left of
//! a call that has ended is what somebody still holds. Where we may lock memory all of it stays out of swap.

use std::alloc::System;
use std::fs;

use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use zeroizing_alloc::ZeroAlloc;

/// Wipes what is freed. It only wraps the system's own: `realloc` moves, so that no half of a block is left unwiped.
#[global_allocator]
static WIPES: ZeroAlloc<System> = ZeroAlloc(System);

/// Which mappings a dump may hold (core(5)): bits for anonymous and file-backed memory, all of them off.
const FILTER: &str = "/proc/self/coredump_filter";

/// The capability to lock as much memory as one likes (capabilities(7), `CAP_IPC_LOCK`).
const IPC_LOCK: u32 = 14;

/// Keeps memory in from here on. True when it is locked too.
pub(crate) fn keep_in() -> bool {
    // Both are tried: a system may pipe its dumps to a program, which asks no limit (core(5)).
    let _ = fs::write(FILTER, "0");
    let _ = setrlimit(
        Resource::Core,
        Rlimit {
            current: Some(0),
            maximum: Some(0),
        },
    );
    // With a limit on locked memory, locking what is still to come would make us fail for want of memory later on.
    let free = getrlimit(Resource::Memlock).current.is_none() || is_capable(IPC_LOCK);
    free && mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT).is_ok()
}

/// Whether the machine swaps at all (proc(5)).
pub(crate) fn may_be_swapped() -> bool {
    fs::read_to_string("/proc/swaps").is_ok_and(|table| table.lines().count() > 1)
}

fn is_capable(of: u32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| u64::from_str_radix(line.strip_prefix("CapEff:")?.trim(), 16).ok())
        .is_some_and(|effective| effective >> of & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves SEC-01: the kernel's own word for it.
    #[test]
    fn a_dump_holds_no_memory_and_none_is_written() {
        let locked = keep_in();
        let filter = fs::read_to_string(FILTER).expect("Linux");
        assert_eq!(filter.trim(), "00000000");
        assert_eq!(getrlimit(Resource::Core).maximum, Some(0));
        let status = fs::read_to_string("/proc/self/status").expect("Linux");
        let kib = status.lines().find_map(|line| {
            let (number, _) = line.strip_prefix("VmLck:")?.trim().split_once(' ')?;
            number.parse::<u64>().ok()
        });
        assert_eq!(locked, kib.is_some_and(|kib| kib > 1024), "{kib:?} KiB are locked");
    }
}
