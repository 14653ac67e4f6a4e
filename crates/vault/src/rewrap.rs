//! Headers made anew for other keys, in place: the sound is not touched, and calls in progress go on.
//!
//! New headers are gathered in a journal, which is synced before the first of them is written over an old one. So a file
//! is either as it was or its new header stands in the journal: after a crash [`Vault::recover`] writes them again.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};

use seal::{FIXED, HEADER, Header};

use crate::{Fault, FileId, Vault, shelf};

const JOURNAL: &str = "rewrap.journal";
const ENTRY: usize = 16 + HEADER;
/// So many files share two syncs.
const TOGETHER: usize = 256;

/// What a re-wrap did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rewrapped {
    /// Files that have a new header.
    pub wrapped: usize,
    /// Files that needed none.
    pub left: usize,
}

impl Vault {
    /// Offers the header of every file, those being written too, to `wrap`, and writes what it gives in the old one's
    /// place: a header for the same facts, or `None` to leave it. Only one may do this at a time.
    pub fn rewrap(
        &self,
        mut wrap: impl FnMut(&Header) -> Result<Option<[u8; HEADER]>, Fault>,
    ) -> Result<Rewrapped, Fault> {
        self.finish_rewrap()?;
        let mut done = Rewrapped::default();
        let files = self.files()?;
        for some in files.chunks(TOGETHER) {
            let mut journal = Vec::with_capacity(ENTRY * some.len());
            for path in some {
                let Some(id) = shelf::id_of(path) else { continue };
                let mut head = [0; HEADER];
                let read = open(path, false).and_then(|file| file.read_exact_at(&mut head, 0));
                match read {
                    Ok(()) => {}
                    // Finished under our eyes, or taken away.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {
                        match self.path_of(id).and_then(|path| {
                            let reading = Fault::disk("read a recording");
                            open(&path, false)
                                .and_then(|file| file.read_exact_at(&mut head, 0))
                                .map_err(reading)
                        }) {
                            Ok(()) => {}
                            Err(Fault::RefusedUnknown(_)) => continue,
                            Err(fault) => return Err(fault),
                        }
                    }
                    // No head yet: it begins just now, for the newest keys.
                    Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => continue,
                    Err(error) => return Err(Fault::disk("read a recording")(error)),
                }
                let header = Header::parse(&head)?;
                match wrap(&header)? {
                    Some(new) if new.first_chunk::<FIXED>() == head.first_chunk::<FIXED>() => {
                        journal.extend_from_slice(&id.0);
                        journal.extend_from_slice(&new);
                        done.wrapped += 1;
                    }
                    Some(_) => return Err(seal::Fault::RefusedHeader.into()),
                    None => done.left += 1,
                }
            }
            if !journal.is_empty() {
                self.write_journal(&journal)
                    .map_err(Fault::disk("write the journal of a re-wrap"))?;
                self.apply(&journal)?;
            }
        }
        Ok(done)
    }

    /// Finishes what a crash interrupted. Gives how many headers the journal held; a journal that was not whole was never
    /// begun to be followed.
    pub(crate) fn finish_rewrap(&self) -> Result<usize, Fault> {
        let path = self.folder().join(JOURNAL);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            Err(error) => return Err(Fault::disk("read the journal of a re-wrap")(error)),
        };
        let whole = bytes
            .split_last_chunk::<32>()
            .filter(|(entries, hash)| seal::hash(entries) == **hash)
            .map(|(entries, _)| entries);
        match whole {
            Some(entries) => self.apply(entries),
            None => {
                fs::remove_file(&path).map_err(Fault::disk("take away the journal of a re-wrap"))?;
                Ok(0)
            }
        }
    }

    fn write_journal(&self, entries: &[u8]) -> io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(self.folder().join(JOURNAL))?;
        file.write_all(entries)?;
        file.write_all(&seal::hash(entries))?;
        file.sync_all()?;
        File::open(self.folder())?.sync_all()
    }

    fn apply(&self, entries: &[u8]) -> Result<usize, Fault> {
        let rewriting = || Fault::disk("write a header");
        let mut last = None;
        let entries = entries.as_chunks::<ENTRY>().0;
        // One look at the folders for all of them.
        let files: std::collections::BTreeMap<FileId, std::path::PathBuf> = self
            .files()?
            .into_iter()
            .filter_map(|path| Some((shelf::id_of(&path)?, path)))
            .collect();
        for entry in entries {
            let (id, header) = entry.split_first_chunk::<16>().expect("an entry begins with an id");
            let id = FileId(*id);
            let listed = match files.get(&id) {
                Some(path) => open(path, true),
                None => continue,
            };
            let file = match listed {
                Err(error) if error.kind() == io::ErrorKind::NotFound => match self.path_of(id) {
                    Ok(path) => open(&path, true).map_err(rewriting())?,
                    Err(Fault::RefusedUnknown(_)) => continue,
                    Err(fault) => return Err(fault),
                },
                other => other.map_err(rewriting())?,
            };
            file.write_all_at(header, 0).map_err(rewriting())?;
            last = Some(file);
        }
        if let Some(file) = last {
            // All of them lie on one file system.
            nix::unistd::syncfs(&file)
                .map_err(io::Error::from)
                .map_err(rewriting())?;
        }
        fs::remove_file(self.folder().join(JOURNAL)).map_err(Fault::disk("take away the journal of a re-wrap"))?;
        Ok(entries.len())
    }
}

fn open(path: &std::path::Path, to_write: bool) -> io::Result<File> {
    OpenOptions::new().read(true).write(to_write).open(path)
}
