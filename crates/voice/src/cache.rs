//! Speech that was made once: a file for each clip, named by what it was made from.
//!
//! One thing to know: an entry is believed only when its own hash is right. Anything else (half a file after a power
//! cut, a flipped bit, another format) is made again, so nothing here is ever repaired or trusted twice.
//!
//! A file: 8 bytes of magic and format, 32 bytes SHA-256 of the rest, then µ-law and A-law, equally long.

use crate::audio::Clip;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What a file of ours begins with; the last byte is the format.
const MAGIC: &[u8; 8] = b"NDSPEECH";
const HEADER_BYTES: usize = MAGIC.len() + 32;
/// Both laws of the longest clip.
const ENTRY_BYTES_MAX: u64 = HEADER_BYTES as u64 + 2 * 8_000 * (crate::audio::SECONDS_MAX as u64 + 1);
/// A file that was being written when its process died is removed after this.
const LEFT_OVER: Duration = Duration::from_secs(3600);

/// The folder of entries.
#[derive(Debug, Clone)]
pub(crate) struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// Makes the folder if need be and clears what dead processes left.
    pub(crate) fn open(folder: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&folder)?;
        for entry in fs::read_dir(&folder)?.flatten() {
            let unfinished = entry.path().extension().is_some_and(|e| e == "unfinished");
            let age = entry
                .metadata()
                .and_then(|m| m.modified())
                .ok()
                .and_then(|t| t.elapsed().ok());
            if unfinished && age.is_some_and(|age| age > LEFT_OVER) {
                // Another process may have been quicker; what matters is that it is gone.
                let _ = fs::remove_file(entry.path());
            }
        }
        Ok(Self { folder })
    }

    /// The clip made from what `key` is the hash of, if it is here and whole.
    pub(crate) fn read(&self, key: &[u8; 32]) -> Option<Clip> {
        let path = self.path(key);
        if fs::metadata(&path).ok()?.len() > ENTRY_BYTES_MAX {
            return None;
        }
        let bytes = fs::read(path).ok()?;
        let (header, audio) = bytes.split_at_checked(HEADER_BYTES)?;
        let (magic, hash) = header.split_at_checked(MAGIC.len())?;
        let (pcmu, pcma) = audio.split_at_checked(audio.len() / 2)?;
        let whole = magic == MAGIC && hash == seal::hash(audio) && pcmu.len() == pcma.len() && !pcmu.is_empty();
        whole.then(|| Clip {
            pcmu: Arc::from(pcmu),
            pcma: Arc::from(pcma),
        })
    }

    /// How the program spoke that was last there, for a day on which it is not.
    pub(crate) fn manner(&self, language: flow::Language) -> Option<String> {
        fs::read_to_string(self.manner_file(language)).ok()
    }

    /// Remembers how the program speaks.
    pub(crate) fn keep_manner(&self, language: flow::Language, manner: &str) -> io::Result<()> {
        if self.manner(language).as_deref() == Some(manner) {
            return Ok(());
        }
        let unfinished = self.unfinished(&seal::hash(manner.as_bytes()));
        fs::write(&unfinished, manner)?;
        fs::rename(unfinished, self.manner_file(language))
    }

    fn manner_file(&self, language: flow::Language) -> PathBuf {
        self.folder.join(format!("manner.{}", language.suffix()))
    }

    /// Keeps a clip. It appears under its name whole or not at all.
    pub(crate) fn write(&self, key: &[u8; 32], clip: &Clip) -> io::Result<()> {
        let audio = [&*clip.pcmu, &*clip.pcma].concat();
        let bytes = [MAGIC.as_slice(), &seal::hash(&audio), &audio].concat();
        let unfinished = self.unfinished(key);
        fs::write(&unfinished, bytes)?;
        fs::rename(unfinished, self.path(key))
    }

    /// A name for a file being made, that no other process and no other thread of this one uses.
    pub(crate) fn unfinished(&self, key: &[u8; 32]) -> PathBuf {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let one = NEXT.fetch_add(1, Ordering::Relaxed);
        self.folder
            .join(format!("{}.{}-{one}.unfinished", hex(key), std::process::id()))
    }

    fn path(&self, key: &[u8; 32]) -> PathBuf {
        self.folder.join(format!("{}.speech", hex(key)))
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::{Cache, Clip};

    #[test]
    fn an_entry_is_whole_or_it_is_not_there() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Cache::open(folder.path().join("speech")).expect("a cache");
        let clip = Clip::beep();
        let key = [7; 32];
        assert_eq!(cache.read(&key), None);
        cache.write(&key, &clip).expect("room");
        assert_eq!(cache.read(&key), Some(clip));

        let path = cache.path(&key);
        let whole = std::fs::read(&path).expect("it was written");
        for damage in [0, 7, 8, 39, 40, whole.len() - 1] {
            let mut bytes = whole.clone();
            bytes[damage] ^= 1;
            std::fs::write(&path, bytes).expect("room");
            assert_eq!(cache.read(&key), None, "byte {damage}");
        }
        for length in [0, 5, 40, 41, whole.len() - 1] {
            std::fs::write(&path, &whole[..length]).expect("room");
            assert_eq!(cache.read(&key), None, "{length} bytes");
        }
        assert_eq!(
            std::fs::read_dir(cache.folder()).expect("a folder").count(),
            1,
            "nothing unfinished is left"
        );
    }
}
