//! Memory for a key that is neither swapped out nor written into a core dump: a page of its own, wiped when dropped.
#![allow(
    clippy::indexing_slicing,
    reason = "the page is longer than the 32 octets at its start"
)]

use memmap2::{Advice, MmapMut};
use zeroize::{Zeroize, Zeroizing};

/// 32 octets in a page of their own.
pub struct Locked {
    page: MmapMut,
    locked: bool,
}

impl Locked {
    /// Moves a key in. Where the system allows no locked memory (`ulimit -l`) the key is kept all the same, and
    /// [`Locked::is_locked`] says so: who cannot listen because of a limit learns nothing from a refusal.
    pub fn new(key: &[u8; 32]) -> std::io::Result<Self> {
        let mut page = MmapMut::map_anon(4096)?;
        let locked = page.lock().is_ok();
        // Not in core dumps, and not in a child's memory.
        let _ = page.advise(Advice::DontDump);
        let _ = page.advise(Advice::DontFork);
        page[..32].copy_from_slice(key);
        Ok(Self { page, locked })
    }

    /// Takes a key out of memory that is wiped anyway.
    pub fn take(key: Zeroizing<[u8; 32]>) -> std::io::Result<Self> {
        Self::new(&key)
    }

    /// Whether the system keeps the page in memory.
    pub fn is_locked(&self) -> bool {
        self.locked
    }
}

impl seal::Held for Locked {
    fn key(&self) -> &[u8; 32] {
        self.page.first_chunk().expect("a page is longer than a key")
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        self.page[..32].zeroize();
    }
}

#[cfg(test)]
mod tests {
    use seal::Held;

    use super::*;

    /// The kernel's own word for it: the page is locked, and left out of dumps ("lo", "dd").
    #[test]
    fn a_key_lies_in_locked_memory() {
        let key = Locked::new(&[0x5A; 32]).expect("a page");
        assert_eq!(key.key(), &[0x5A; 32]);
        assert!(key.is_locked(), "a page is below every limit");
        let place = key.key().as_ptr() as usize;
        let maps = std::fs::read_to_string("/proc/self/smaps").expect("Linux");
        let mut inside = false;
        let flags = maps.lines().find_map(|line| {
            let range = line.split(' ').next().and_then(|range| range.split_once('-'));
            if let Some((from, to)) = range
                && let (Ok(from), Ok(to)) = (usize::from_str_radix(from, 16), usize::from_str_radix(to, 16))
            {
                inside = (from..to).contains(&place);
            }
            line.strip_prefix("VmFlags:").filter(|_| inside)
        });
        let flags: Vec<&str> = flags.expect("our page").split_whitespace().collect();
        assert!(
            flags.contains(&"lo") && flags.contains(&"dd") && flags.contains(&"dc"),
            "{flags:?}"
        );
    }
}
