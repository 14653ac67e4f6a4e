//! The folder of recordings: begin, list, recover, verify, read.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use ledger::Receipt;
use seal::{
    CHUNK, CHUNK_SEALED, Ending, FINAL_SEALED_MIN, FIXED, FLAG_CLIP, FLAG_CONSENT_BEFORE_START, Fixed, HEADER, Hasher,
    Header, ItemShare, Month, Opener, Sealer, Tenant, chunk_offset, split_length,
};

use crate::sync::{Syncer, Syncing};
use crate::{Audio, Draw, Fault, FileId, Key, Kind, Locks, NewRecording, Peaks, Writer};

const DONE: &str = "ndrec";
const PART: &str = "ndrec.part";
/// The waveform beside a recording, sealed under the same key.
pub(crate) const PEAKS: &str = "ndpeaks";
/// Longest recording that is opened into memory: a day of two channels, sealed, and its header.
const READ_MAX: u64 = 2 * 24 * 3600 * 8000 / 8000 * CHUNK_SEALED as u64 + 2 * HEADER as u64;

/// The recordings in a folder.
pub struct Vault {
    folder: PathBuf,
    locks: Locks,
    draw: Draw,
    syncer: Option<Syncer>,
}

/// How a recording stands, as far as can be told without a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It is being written.
    Recording,
    /// It was being written when the engine was stopped; [`Vault::recover`] has not seen it yet.
    Abandoned,
    /// It ends with whole chunks and no final one.
    Interrupted,
    /// It ends with something that has the length of a final chunk.
    Complete,
}

/// A recording in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub id: FileId,
    /// Where it lies.
    pub path: PathBuf,
    /// What its head says; not authentic before somebody with a key has looked.
    pub header: Header,
    /// The facts in it.
    pub fixed: Fixed,
    /// A call or a clip.
    pub kind: Kind,
    /// How it stands.
    pub state: State,
    /// Octets on disk.
    pub bytes: u64,
    /// About how long it is.
    pub duration_ms: u64,
}

/// What is in the folder and no recording.
#[derive(Debug)]
pub struct Trouble {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub fault: Fault,
}

/// A recording that was cut to its whole chunks, for the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interrupted {
    /// Its name.
    pub id: FileId,
    /// The call it belongs to.
    pub call: [u8; 16],
    /// Whole chunks.
    pub chunks: u32,
    /// Samples per channel.
    pub frames: u64,
    /// Octets on disk.
    pub bytes: u64,
    /// Octets cut off.
    pub torn: u64,
    /// Of the fixed part and all chunks as they are on disk.
    pub sha256: [u8; 32],
}

/// What the ledger says about a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// It was finished, or else interrupted.
    pub complete: bool,
    /// Octets on disk.
    pub bytes: u64,
    /// [`crate::Sealed::sha256`] or [`Interrupted::sha256`].
    pub sha256: [u8; 32],
}

/// What a verification found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// What it should be. `ending` when a secret key was at hand, and then every chunk is authentic.
    Good {
        /// How it ends.
        ending: Option<Ending>,
    },
    /// It is shorter than what the ledger says: its end was cut off.
    CutShort {
        /// Octets that should be there.
        expected: u64,
        /// Octets that are there.
        found: u64,
    },
    /// It is of the right length or longer, but not what was written.
    Changed,
    /// This chunk is not what was written.
    ChangedChunk {
        /// From 0.
        index: u32,
    },
    /// The final chunk is not there, or not what was written, though the length says it should be.
    ChangedEnd,
    /// The header is not what was written, or was made for other keys.
    ChangedHeader,
}

impl Vault {
    /// The vault in `folder`. Everything recorded is sealed as `locks` say; without any recipient it can only be read.
    pub fn open(folder: impl Into<PathBuf>, locks: impl Into<Locks>, draw: Draw) -> Result<Self, Fault> {
        let folder = folder.into();
        fs::create_dir_all(&folder).map_err(Fault::disk("make its folder"))?;
        Ok(Self {
            folder,
            locks: locks.into(),
            draw,
            syncer: None,
        })
    }

    /// Begins a recording: its head is written before this returns, and on its way to the disk.
    pub fn begin(&mut self, new: &NewRecording) -> Result<Writer, Fault> {
        let id = new.id.unwrap_or_else(|| FileId((self.draw)()));
        let mut flags = 0;
        let channels = match new.kind {
            Kind::Call => 2,
            Kind::Clip => {
                flags |= FLAG_CLIP;
                1
            }
        };
        if new.consent_before_start {
            flags |= FLAG_CONSENT_BEFORE_START;
        }
        let fixed = Fixed {
            codec: new.codec,
            channels,
            flags,
            file: id.0,
            tenant: new.tenant,
            call: new.call,
            start_ms: new.start_ms,
            monotonic_ns: new.monotonic_ns,
            consent: new.consent,
        };
        let month = Month::of_unix_ms(new.start_ms);
        let (recipients, overdue) = self.locks.recipients(Tenant(new.tenant), month, new.kind);
        let draw = &mut self.draw;
        let mut entropy = |out: &mut [u8]| {
            for part in out.chunks_mut(16) {
                for (to, from) in part.iter_mut().zip(draw()) {
                    *to = from;
                }
            }
        };
        let share = self.locks.shares().map(|_| ItemShare::generate(&mut entropy));
        let (sealer, header) = Sealer::begin(&fixed, &recipients, share.as_ref(), &mut entropy)?;
        // What could not be destroyed as promised is not recorded; the call goes on.
        let before = match self.locks.shares().zip(share) {
            Some((shares, share)) => shares
                .keep(month, &id.0, &share)
                .map_err(Fault::disk("keep the share of a recording with the keys"))?,
            None => Vec::new(),
        };
        let folder = self.folder.join(month.to_string());
        let made = !folder.exists();
        fs::create_dir_all(&folder).map_err(Fault::disk("make a month's folder"))?;
        if made {
            File::open(&self.folder)
                .and_then(|top| top.sync_all())
                .map_err(Fault::disk("make a month's folder"))?;
        }
        let (part, path) = (folder.join(format!("{id}.{PART}")), folder.join(format!("{id}.{DONE}")));
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&part)
            .map_err(Fault::disk("begin a recording"))?;
        // Held as long as the writer lives: whoever recovers leaves this file alone.
        file.try_lock().map_err(|error| Fault::Disk {
            doing: "begin a recording",
            source: error.into(),
        })?;
        if let Err(source) = file.write_all_at(&header, 0) {
            let _ = fs::remove_file(&part);
            return Err(Fault::Disk {
                doing: "begin a recording",
                source,
            });
        }
        let queue = match &self.syncer {
            Some(syncer) => syncer.queue(),
            None => self.syncer.insert(Syncer::start()?).queue(),
        };
        Ok(Writer::new(
            id,
            part,
            path,
            Syncing::new(file, folder, before),
            queue,
            sealer,
            &fixed,
            overdue,
        ))
    }

    /// Tidies up after a crash, without any key: every file somebody was writing is cut to whole chunks, synced and
    /// given its final name. Files being written now are left alone. What it gives belongs into the ledger.
    pub fn recover(&self) -> Result<(Vec<Interrupted>, Vec<Trouble>), Fault> {
        self.finish_rewrap()?;
        let mut found = Vec::new();
        let mut troubles = Vec::new();
        for path in self.files()? {
            if !is_part(&path) {
                continue;
            }
            match recover_file(&path) {
                Ok(Some(interrupted)) => found.push(interrupted),
                Ok(None) => {}
                Err(fault) => troubles.push(Trouble { path, fault }),
            }
        }
        Ok((found, troubles))
    }

    /// All recordings, oldest first, and the files that are none.
    pub fn list(&self) -> Result<(Vec<Listed>, Vec<Trouble>), Fault> {
        let mut found = Vec::new();
        let mut troubles = Vec::new();
        for path in self.files()? {
            match look(&path) {
                Ok(listed) => found.push(listed),
                Err(fault) => troubles.push(Trouble { path, fault }),
            }
        }
        found.sort_by_key(|listed| (listed.fixed.start_ms, listed.id));
        Ok((found, troubles))
    }

    /// One recording of the list.
    pub fn find(&self, id: FileId) -> Result<Listed, Fault> {
        look(&self.path_of(id)?)
    }

    /// Whether a recording is what was written. Without `expected` and without `key` only its shape can be judged;
    /// `expected` finds every change, `key` says where it is.
    pub fn verify(&self, id: FileId, expected: Option<&Expected>, key: Option<&Key>) -> Result<Verdict, Fault> {
        let path = self.path_of(id)?;
        if is_part(&path) {
            return Err(Fault::RefusedBusy(id));
        }
        let bytes = load(&path)?;
        let Ok(header) = Header::parse(&bytes) else {
            return Ok(Verdict::ChangedHeader);
        };
        if header.fixed.file != id.0 {
            return Ok(Verdict::ChangedHeader);
        }
        let length = bytes.len() as u64;
        let (_, tail) = split_length(length).unwrap_or_default();
        if let Some(expected) = expected {
            if length < expected.bytes {
                return Ok(Verdict::CutShort {
                    expected: expected.bytes,
                    found: length,
                });
            }
            let sha256 = sha256_of(&bytes);
            if sha256 != expected.sha256 && key.is_none() {
                return Ok(Verdict::Changed);
            }
            if let Some(verdict) = key.map(|key| judge(bytes, &header, key)) {
                return Ok(match verdict {
                    Verdict::Good {
                        ending: Some(Ending::Interrupted { torn: 1.., .. }),
                    } if sha256 != expected.sha256 => Verdict::ChangedEnd,
                    Verdict::Good { .. } if sha256 != expected.sha256 => Verdict::Changed,
                    Verdict::Good {
                        ending: Some(Ending::Interrupted { .. }),
                    } if expected.complete => Verdict::ChangedEnd,
                    // Octet for octet what recovery found: a torn end was the power's doing.
                    verdict => verdict,
                });
            }
            return Ok(Verdict::Good { ending: None });
        }
        match key {
            Some(key) => Ok(match judge(bytes, &header, key) {
                // Whose doing a torn end is, the file alone does not say.
                Verdict::Good {
                    ending: Some(Ending::Interrupted { torn: 1.., .. }),
                } => Verdict::ChangedEnd,
                verdict => verdict,
            }),
            None if tail == 0 || tail >= FINAL_SEALED_MIN as u64 => Ok(Verdict::Good { ending: None }),
            None => Ok(Verdict::ChangedEnd),
        }
    }

    /// Opens a recording for whoever the receipt was made out to. Everything that comes back is authentic; a recording
    /// with a changed chunk is a fault, one without its end says so in [`Audio::ending`].
    pub fn read(&self, id: FileId, receipt: &Receipt, key: &Key) -> Result<Audio, Fault> {
        if receipt.object() != id.0 {
            return Err(Fault::RefusedReceipt);
        }
        let mut bytes = load(&self.path_of(id)?)?;
        let header = Header::parse(&bytes)?;
        if header.fixed.file != id.0 {
            return Err(seal::Fault::RefusedHeader.into());
        }
        let opener = Opener::new(&header, &key.secret, key.share.as_ref())?;
        let (_, payload) = bytes
            .split_at_mut_checked(HEADER)
            .ok_or(seal::Fault::MalformedHeader("too short"))?;
        let mut audio = Audio::new(header.fixed, payload.len());
        let ending = opener.read(payload, |heard| audio.push(heard));
        zeroize::Zeroize::zeroize(payload);
        Ok(audio.end(ending?))
    }

    /// Opens a recording and writes it to `wav`: 16 bit, caller left, other side right.
    pub fn export_wav(&self, id: FileId, receipt: &Receipt, key: &Key, wav: &Path) -> Result<Audio, Fault> {
        let audio = self.read(id, receipt, key)?;
        audio.write_wav(wav)?;
        Ok(audio)
    }

    /// Opens a part of a recording, from one millisecond of it to another, and reads nothing of the file but its head and
    /// the chunks that part lies in. It is authentic; whether the file ends as it should is told by [`Vault::read`] alone.
    pub fn read_part(
        &self,
        id: FileId,
        receipt: &Receipt,
        key: &Key,
        from_ms: u64,
        to_ms: u64,
    ) -> Result<Audio, Fault> {
        if receipt.object() != id.0 {
            return Err(Fault::RefusedReceipt);
        }
        let reading = || Fault::disk("read a recording");
        let file = File::open(self.path_of(id)?).map_err(reading())?;
        let length = file.metadata().map_err(reading())?.len();
        let mut head = [0; HEADER];
        file.read_exact_at(&mut head, 0).map_err(reading())?;
        let header = Header::parse(&head)?;
        if header.fixed.file != id.0 {
            return Err(seal::Fault::RefusedHeader.into());
        }
        let opener = Opener::new(&header, &key.secret, key.share.as_ref())?;
        let (chunks, tail) = split_length(length).ok_or(seal::Fault::MalformedHeader("too short"))?;
        let frame = u64::from(header.fixed.channels.max(1));
        // Octets of sound: eight samples a millisecond, each of so many octets as there are sides.
        let place = |ms: u64| ms.saturating_mul(8 * frame);
        let there = chunks * CHUNK as u64 + tail.saturating_sub(FINAL_SEALED_MIN as u64);
        let (from, to) = (place(from_ms).min(there), place(to_ms.max(from_ms)).min(there));
        let room = usize::try_from(to - from).map_err(|_| Fault::ExhaustedLength)?;
        let mut audio = Audio::new(header.fixed, room);
        let mut at = from;
        let mut sealed = Box::new([0; CHUNK_SEALED]);
        while at < to {
            let index = at / CHUNK as u64;
            let offset = usize::try_from(at % CHUNK as u64).map_err(|_| Fault::ExhaustedLength)?;
            let number = u32::try_from(index).map_err(|_| Fault::ExhaustedLength)?;
            let mut end;
            let plain: &[u8] = if index < chunks {
                file.read_exact_at(sealed.as_mut_slice(), chunk_offset(number))
                    .map_err(reading())?;
                opener.chunk(number, &mut sealed)?
            } else {
                end = vec![0; usize::try_from(tail).map_err(|_| Fault::ExhaustedLength)?];
                file.read_exact_at(&mut end, chunk_offset(number)).map_err(reading())?;
                opener.last(number, &mut end)?.0
            };
            audio.read_chunk();
            let until = plain.len().min(offset + usize::try_from(to - at).unwrap_or(usize::MAX));
            let Some(heard) = plain.get(offset..until).filter(|heard| !heard.is_empty()) else {
                break;
            };
            audio.push(heard);
            at += heard.len() as u64;
        }
        zeroize::Zeroize::zeroize(sealed.as_mut_slice());
        Ok(audio)
    }

    /// What the waveform of a recording is drawn from; `None` for one that was interrupted or is older than waveforms.
    pub fn peaks(&self, id: FileId, receipt: &Receipt, key: &Key) -> Result<Option<Peaks>, Fault> {
        if receipt.object() != id.0 {
            return Err(Fault::RefusedReceipt);
        }
        let listed = self.find(id)?;
        let path = listed.path.with_extension(PEAKS);
        if listed.state == State::Recording || !path.exists() {
            return Ok(None);
        }
        let opener = Opener::new(&listed.header, &key.secret, key.share.as_ref())?;
        let mut sealed = load(&path)?;
        let peaks = Peaks::from_bytes(opener.peaks(&mut sealed)?);
        zeroize::Zeroize::zeroize(&mut sealed);
        Ok(peaks)
    }

    /// Takes a recording away with its waveform and its share, for one in which there is nothing.
    pub fn discard(&self, id: FileId) -> Result<(), Fault> {
        let listed = self.find(id)?;
        let _ = fs::remove_file(listed.path.with_extension(PEAKS));
        fs::remove_file(&listed.path).map_err(Fault::disk("take a recording away"))?;
        if let Some(shares) = self.locks.shares() {
            let month = Month::of_unix_ms(listed.fixed.start_ms);
            shares.wipe(month, &id.0).map_err(Fault::Share)?;
        }
        Ok(())
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn path_of(&self, id: FileId) -> Result<PathBuf, Fault> {
        self.files()?
            .into_iter()
            .find(|path| id_of(path).is_some_and(|found| found == id))
            .ok_or(Fault::RefusedUnknown(id))
    }

    /// Every file in a month's folder that is named like a recording.
    pub(crate) fn files(&self) -> Result<Vec<PathBuf>, Fault> {
        let listing = Fault::disk("list its folder");
        let mut out = Vec::new();
        let mut collect = || -> io::Result<()> {
            for month in fs::read_dir(&self.folder)? {
                let month = month?.path();
                if !month.is_dir() {
                    continue;
                }
                for file in fs::read_dir(month)? {
                    let path = file?.path();
                    if id_of(&path).is_some() {
                        out.push(path);
                    }
                }
            }
            Ok(())
        };
        collect().map_err(listing)?;
        out.sort_unstable();
        Ok(out)
    }
}

/// Opens every chunk and says how the file stands.
fn judge(mut bytes: Vec<u8>, header: &Header, key: &Key) -> Verdict {
    let Ok(opener) = Opener::new(header, &key.secret, key.share.as_ref()) else {
        return Verdict::ChangedHeader;
    };
    let Some((_, payload)) = bytes.split_at_mut_checked(HEADER) else {
        return Verdict::ChangedHeader;
    };
    let ending = opener.read(payload, |_| {});
    zeroize::Zeroize::zeroize(payload);
    match ending {
        Err(seal::Fault::RefusedFinal) => Verdict::ChangedEnd,
        Ok(ending) => Verdict::Good { ending: Some(ending) },
        Err(seal::Fault::RefusedChunk { index }) => Verdict::ChangedChunk { index },
        Err(_) => Verdict::Changed,
    }
}

fn recover_file(path: &Path) -> Result<Option<Interrupted>, Fault> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .map_err(Fault::disk("open a recording"))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(source)) => {
            return Err(Fault::Disk {
                doing: "open a recording",
                source,
            });
        }
    }
    let length = file.metadata().map_err(Fault::disk("open a recording"))?.len();
    let Some((chunks, torn)) = split_length(length) else {
        // Not even a head was written: there is no sound in it, and no name to keep.
        fs::remove_file(path).map_err(Fault::disk("take away an empty recording"))?;
        return Ok(None);
    };
    let mut head = [0; HEADER];
    file.read_exact_at(&mut head, 0)
        .map_err(Fault::disk("read a recording"))?;
    let header = Header::parse(&head)?;
    let id = FileId(header.fixed.file);
    if id_of(path) != Some(id) {
        return Err(seal::Fault::MalformedHeader("it has another file's name").into());
    }
    let chunks = u32::try_from(chunks).map_err(|_| seal::Fault::ExhaustedChunks)?;
    let whole = chunk_offset(chunks);
    if torn > 0 {
        file.set_len(whole).map_err(Fault::disk("cut a recording"))?;
    }
    file.sync_all().map_err(Fault::disk("sync a recording"))?;
    let mut sha256 = Hasher::new();
    sha256.update(&header.fixed.to_bytes());
    let mut chunk = vec![0; CHUNK_SEALED];
    for index in 0..chunks {
        file.read_exact_at(&mut chunk, chunk_offset(index))
            .map_err(Fault::disk("read a recording"))?;
        sha256.update(&chunk);
    }
    let done = path.with_file_name(format!("{id}.{DONE}"));
    fs::rename(path, &done)
        .and_then(|()| File::open(done.parent().unwrap_or(Path::new(".")))?.sync_all())
        .map_err(Fault::disk("name a recording"))?;
    Ok(Some(Interrupted {
        id,
        call: header.fixed.call,
        chunks,
        frames: u64::from(chunks) * seal::CHUNK as u64 / u64::from(header.fixed.channels),
        bytes: whole,
        torn,
        sha256: sha256.finish(),
    }))
}

fn look(path: &Path) -> Result<Listed, Fault> {
    let file = File::open(path).map_err(Fault::disk("open a recording"))?;
    let bytes = file.metadata().map_err(Fault::disk("open a recording"))?.len();
    let (chunks, tail) = split_length(bytes).ok_or(seal::Fault::MalformedHeader("shorter than a header"))?;
    let mut head = [0; HEADER];
    file.read_exact_at(&mut head, 0)
        .map_err(Fault::disk("read a recording"))?;
    let header = Header::parse(&head)?;
    let fixed = header.fixed.clone();
    let id = FileId(fixed.file);
    if id_of(path) != Some(id) {
        return Err(seal::Fault::MalformedHeader("it has another file's name").into());
    }
    let state = if is_part(path) {
        match file.try_lock_shared() {
            Ok(()) => State::Abandoned,
            Err(_) => State::Recording,
        }
    } else if tail == 0 {
        State::Interrupted
    } else {
        State::Complete
    };
    let rest = if state == State::Complete {
        tail.saturating_sub(FINAL_SEALED_MIN as u64)
    } else {
        0
    };
    let octets = chunks * seal::CHUNK as u64 + rest;
    let kind = if fixed.channels == 2 { Kind::Call } else { Kind::Clip };
    let duration_ms = octets / u64::from(fixed.channels) / u64::from(seal::SAMPLE_RATE / 1000);
    Ok(Listed {
        id,
        path: path.to_owned(),
        header,
        fixed,
        kind,
        state,
        bytes,
        duration_ms,
    })
}

fn load(path: &Path) -> Result<Vec<u8>, Fault> {
    let reading = Fault::disk("read a recording");
    let length = fs::metadata(path).map(|metadata| metadata.len());
    match length {
        Ok(length) if length > READ_MAX => Err(Fault::ExhaustedLength),
        Ok(_) => fs::read(path).map_err(reading),
        Err(source) => Err(reading(source)),
    }
}

/// Of the fixed part and the payload: what re-wrapping for new keys leaves as it is.
fn sha256_of(file: &[u8]) -> [u8; 32] {
    let mut sha256 = Hasher::new();
    sha256.update(file.get(..FIXED).unwrap_or_default());
    sha256.update(file.get(HEADER..).unwrap_or_default());
    sha256.finish()
}

fn is_part(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "part")
}

pub(crate) fn id_of(path: &Path) -> Option<FileId> {
    let (id, kind) = path.file_name()?.to_str()?.split_once('.')?;
    matches!(kind, DONE | PART).then(|| id.parse().ok()).flatten()
}
