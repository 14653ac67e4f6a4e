//! The few things the book asks of a disk, in one place so that a test can have them fail.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// One operation that can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Create,
    Write,
    Sync,
    Cut,
}

/// The disk under a book.
#[derive(Default)]
pub(crate) struct Disk {
    #[cfg(test)]
    pub(crate) fails: Option<Box<dyn FnMut(Step) -> Option<io::Error> + Send>>,
}

impl Disk {
    /// A new file that must not have been there.
    pub(crate) fn create(&mut self, path: &Path) -> io::Result<File> {
        self.may(Step::Create)?;
        OpenOptions::new().read(true).write(true).create_new(true).open(path)
    }

    /// Writes all of `bytes` at `offset`. A test's failure leaves the first half on the disk.
    pub(crate) fn write(&mut self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        if let Err(error) = self.may(Step::Write) {
            let half = bytes.get(..bytes.len() / 2).unwrap_or_default();
            file.write_all_at(half, offset)?;
            return Err(error);
        }
        file.write_all_at(bytes, offset)
    }

    /// `fdatasync`: content, and the length when it grew.
    pub(crate) fn sync(&mut self, file: &File) -> io::Result<()> {
        self.may(Step::Sync)?;
        file.sync_data()
    }

    /// Makes names in a folder durable.
    pub(crate) fn sync_folder(&mut self, folder: &Path) -> io::Result<()> {
        self.may(Step::Sync)?;
        File::open(folder)?.sync_all()
    }

    /// Cuts a file and makes that durable.
    pub(crate) fn cut(&mut self, path: &Path, length: u64) -> io::Result<()> {
        self.may(Step::Cut)?;
        let file = OpenOptions::new().write(true).open(path)?;
        file.set_len(length)?;
        file.sync_all()
    }

    #[cfg(test)]
    fn may(&mut self, step: Step) -> io::Result<()> {
        match self.fails.as_mut().and_then(|fails| fails(step)) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    #[cfg(not(test))]
    #[expect(
        clippy::unused_self,
        clippy::unnecessary_wraps,
        reason = "the same shape as in tests"
    )]
    fn may(&mut self, _: Step) -> io::Result<()> {
        Ok(())
    }
}
