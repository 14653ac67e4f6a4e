//! The shares of sealed files: one small file each, beside the keys and away from the data.
//!
//! A share says nothing by itself. It is not in the backup of the data, and its own backups end after 30 days: so a share
//! that is wiped here is gone everywhere a month later, and with it what it belonged to.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use seal::{ItemShare, Month};
use zeroize::Zeroizing;

use crate::{Fault, file};

const SHARE: &str = "share";

/// The folder of shares.
#[derive(Debug, Clone)]
pub struct Shares {
    folder: PathBuf,
}

impl Shares {
    /// The shares in a folder of keys.
    pub fn in_keys(keys: &Path) -> Self {
        Self {
            folder: keys.join("shares"),
        }
    }

    /// Writes the share of a file that is begun, and gives the files and folders that have to be synced before the
    /// file itself may count as kept: a file without its share is nothing. Does not wait for the disk.
    pub fn keep(&self, month: Month, id: &[u8; 16], share: &ItemShare) -> io::Result<Vec<PathBuf>> {
        let folder = self.folder.join(month.to_string());
        let mut to_sync = Vec::new();
        if !folder.is_dir() {
            file::folder(&folder).map_err(io::Error::other)?;
            // The new folder's own name.
            to_sync.push(self.folder.clone());
            to_sync.extend(self.folder.parent().map(Path::to_owned));
        }
        let path = path(&folder, id);
        let mut out = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        let digits = Zeroizing::new(seal::keys::hex(share.secret()));
        let check = check(id, share);
        out.write_all(&Zeroizing::new(
            [digits.as_bytes(), b"\n", check.as_bytes(), b"\n"].concat(),
        ))?;
        to_sync.insert(0, path);
        to_sync.push(folder);
        Ok(to_sync)
    }

    /// The share of a file; `None` when there is none: wiped, or never made.
    pub fn find(&self, month: Month, id: &[u8; 16]) -> Result<Option<ItemShare>, Fault> {
        let path = path(&self.folder.join(month.to_string()), id);
        let bytes = match file::read(&path) {
            Ok(bytes) => bytes,
            Err(Fault::Disk { source, .. }) if source.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(fault) => return Err(fault),
        };
        let wrong = || Fault::malformed(&path, "no share of a sealed file, or a changed one");
        let text = std::str::from_utf8(&bytes).map_err(|_| wrong())?;
        let (digits, said) = text.trim_end().split_once('\n').ok_or_else(wrong)?;
        let share = ItemShare::new(Zeroizing::new(seal::keys::unhex(digits).ok_or_else(wrong)?));
        if check(id, &share) != said {
            return Err(wrong());
        }
        Ok(Some(share))
    }

    /// Wipes the share of a file, and every copy of the file with it. False when there was none.
    pub fn wipe(&self, month: Month, id: &[u8; 16]) -> Result<bool, Fault> {
        let path = path(&self.folder.join(month.to_string()), id);
        match file::wipe(&path) {
            Ok(()) => Ok(true),
            Err(gone) if gone.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(source) => Err(Fault::Disk { path, source }),
        }
    }

    /// How many shares there are, by month.
    pub fn count(&self) -> Result<Vec<(Month, usize)>, Fault> {
        let mut found = Vec::new();
        let Ok(months) = fs::read_dir(&self.folder) else {
            return Ok(found);
        };
        for month in months {
            let month = month.map_err(Fault::disk(&self.folder))?;
            let Some(named) = month.file_name().to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            let shares = fs::read_dir(month.path()).map_err(Fault::disk(month.path()))?;
            found.push((named, shares.count()));
        }
        found.sort_unstable();
        Ok(found)
    }
}

fn path(folder: &Path, id: &[u8; 16]) -> PathBuf {
    folder.join(format!("{}.{SHARE}", seal::keys::hex(id)))
}

fn check(id: &[u8; 16], share: &ItemShare) -> String {
    let hash = seal::hmac(share.secret(), id);
    format!("check {}", seal::keys::hex(hash.first_chunk::<4>().expect("4 of 32")))
}
