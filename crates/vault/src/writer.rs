//! A recording being made.
//!
//! Sound is put in as it is heard, sample beside sample; every 8000 octets are sealed where they lie and written with
//! one call. Nothing is allocated and nothing waited for. When the disk refuses, the recording stops and says so: what
//! it has is cut to whole chunks and stays an authentic prefix, and the call goes on.
#![allow(
    clippy::indexing_slicing,
    reason = "`filled` stays below the chunk's size between any two lines of `take`"
)]

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use seal::{CHUNK, CHUNK_SEALED, Codec, Hasher, REMAINDER_MAX, SAMPLE_RATE, Sealer, chunk_offset};
use zeroize::Zeroize;

use crate::peaks::Counting;
use crate::sync::Syncing;
use crate::{Fault, FileId};

/// Longest recording, samples per channel: a day.
pub const RECORDING_FRAMES_MAX: u64 = 24 * 3600 * SAMPLE_RATE as u64;
/// Most silence one call of [`Writer::fill_to`] makes, samples per channel: ten minutes.
pub const GAP_FRAMES_MAX: u64 = 600 * SAMPLE_RATE as u64;
/// With more chunks than this written but not synced, the disk is not keeping up ([`Writer::is_behind`]).
pub const UNSYNCED_CHUNKS_MAX: u32 = seal::TORN_CHUNKS_MAX as u32;

/// Writes one recording.
pub struct Writer {
    id: FileId,
    part: PathBuf,
    path: PathBuf,
    syncing: Arc<Syncing>,
    queue: SyncSender<Arc<Syncing>>,
    sealer: Option<Sealer>,
    sha256: Hasher,
    codec: Codec,
    channels: usize,
    buffer: Box<[u8; CHUNK_SEALED]>,
    filled: usize,
    frames: u64,
    silent_frames: u64,
    written: u64,
    peaks: Option<Counting>,
    overdue: bool,
}

/// A recording that was finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Its name.
    pub id: FileId,
    /// Whole chunks before the final one.
    pub chunks: u32,
    /// Samples per channel.
    pub frames: u64,
    /// Of these, silence that was put in where nothing had come.
    pub silent_frames: u64,
    /// Octets on disk.
    pub bytes: u64,
    /// Of the fixed part and all chunks as they are on disk; what the ledger is told.
    pub sha256: [u8; 32],
}

impl Writer {
    pub(crate) fn new(
        id: FileId,
        part: PathBuf,
        path: PathBuf,
        syncing: Arc<Syncing>,
        queue: SyncSender<Arc<Syncing>>,
        sealer: Sealer,
        fixed: &seal::Fixed,
        overdue: bool,
    ) -> Self {
        let mut sha256 = Hasher::new();
        sha256.update(&fixed.to_bytes());
        syncing.ask(0, &queue);
        Self {
            id,
            part,
            path,
            syncing,
            queue,
            sealer: Some(sealer),
            sha256,
            codec: fixed.codec,
            channels: usize::from(fixed.channels),
            buffer: Box::new([0; CHUNK_SEALED]),
            filled: 0,
            frames: 0,
            silent_frames: 0,
            written: seal::HEADER as u64,
            peaks: Some(Counting::new(fixed.codec, usize::from(fixed.channels))),
            overdue,
        }
    }

    /// Its name.
    pub fn id(&self) -> FileId {
        self.id
    }

    /// It is sealed for another month's key, or the house's: nobody has provisioned its own.
    pub fn is_overdue(&self) -> bool {
        self.overdue
    }

    /// Samples per channel so far.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Samples per channel that a loss of power would leave.
    pub fn durable_frames(&self) -> u64 {
        u64::from(self.syncing.durable()) * (CHUNK / self.channels) as u64
    }

    /// The disk is not keeping up. More than the last second would be lost if the power went now.
    pub fn is_behind(&self) -> bool {
        let written = self.sealer.as_ref().map_or(0, Sealer::chunks);
        written.saturating_sub(self.syncing.durable()) > UNSYNCED_CHUNKS_MAX
    }

    /// A write or a sync has failed and nothing more is kept.
    pub fn is_stopped(&self) -> bool {
        self.sealer.is_none() || self.syncing.failed()
    }

    /// Puts in what both sides said at the same time. Where one is shorter it was silent. For a clip `other` is ignored.
    pub fn push(&mut self, caller: &[u8], other: &[u8]) -> Result<(), Fault> {
        let silence = self.codec.silence();
        if self.channels == 1 {
            return self.take(caller.len(), |frame, place| place[0] = caller[frame]);
        }
        self.take(caller.len().max(other.len()), |frame, place| {
            place[0] = caller.get(frame).copied().unwrap_or(silence);
            place[1] = other.get(frame).copied().unwrap_or(silence);
        })
    }

    /// Puts in silence until there are `frames` in all, at most [`GAP_FRAMES_MAX`] at once, so that a place in the file
    /// is a time on the wall. Says how many were put in.
    pub fn fill_to(&mut self, frames: u64) -> Result<u64, Fault> {
        let gap = frames.saturating_sub(self.frames).min(GAP_FRAMES_MAX);
        let silence = self.codec.silence();
        let before = self.frames;
        let taken = self.take(usize::try_from(gap).unwrap_or(0), |_, place| place.fill(silence));
        self.silent_frames += self.frames - before;
        taken.map(|()| gap)
    }

    /// Waits until every whole chunk is on the disk.
    pub fn sync(&mut self) -> Result<(), Fault> {
        if self.is_stopped() {
            return Err(Fault::Stopped);
        }
        self.syncing.sync().map_err(Fault::disk("sync a recording"))
    }

    /// Writes the final chunk, syncs, and gives the file its name. Waits for the disk.
    pub fn finish(mut self, end_ms: i64) -> Result<Sealed, Fault> {
        if self.is_stopped() {
            return Err(Fault::Stopped);
        }
        if self.filled > REMAINDER_MAX {
            // No room for the final facts beside it: the rest becomes a whole chunk, and `frames` says where it ends.
            let silence = self.codec.silence();
            self.buffer[self.filled..CHUNK].fill(silence);
            self.seal_chunk()?;
        }
        let mut sealer = self.sealer.take().ok_or(Fault::Stopped)?;
        // A picture of the sound and no part of it: without it the recording is as good.
        let peaks = self.peaks.take().map(|counting| counting.finish().to_bytes());
        if let Some(mut peaks) = peaks {
            if let Ok(Some(sealed)) = sealer.peaks(&peaks) {
                let _ = fs::write(self.path.with_extension(crate::shelf::PEAKS), sealed);
            }
            peaks.zeroize();
        }
        let chunks = sealer.chunks();
        let last = sealer.finish(&self.buffer[..self.filled], self.frames, end_ms)?;
        self.buffer.zeroize();
        self.filled = 0;
        self.sha256.update(&last);
        let folder = self.path.parent().map(PathBuf::from).unwrap_or_default();
        self.syncing
            .file
            .write_all_at(&last, self.written)
            .and_then(|()| self.syncing.file.sync_data())
            .and_then(|()| fs::rename(&self.part, &self.path))
            .and_then(|()| fs::File::open(folder)?.sync_all())
            .map_err(Fault::disk("finish a recording"))?;
        Ok(Sealed {
            id: self.id,
            chunks,
            frames: self.frames,
            silent_frames: self.silent_frames,
            bytes: self.written + last.len() as u64,
            sha256: self.sha256.clone().finish(),
        })
    }

    /// Takes in `count` frames, each put into its place by `put`.
    fn take(&mut self, count: usize, mut put: impl FnMut(usize, &mut [u8])) -> Result<(), Fault> {
        if self.is_stopped() {
            self.stop();
            return Err(Fault::Stopped);
        }
        if self.frames + count as u64 > RECORDING_FRAMES_MAX {
            return Err(Fault::ExhaustedLength);
        }
        for frame in 0..count {
            let place = &mut self.buffer[self.filled..self.filled + self.channels];
            put(frame, place);
            if let Some(peaks) = &mut self.peaks {
                peaks.take(place);
            }
            self.filled += self.channels;
            self.frames += 1;
            if self.filled == CHUNK {
                self.seal_chunk()?;
            }
        }
        Ok(())
    }

    /// Seals the buffer and writes it. When that fails the recording stops.
    fn seal_chunk(&mut self) -> Result<(), Fault> {
        let written = match self.sealer.as_mut() {
            None => return Err(Fault::Stopped),
            Some(sealer) => sealer.chunk(&mut self.buffer).map_err(Fault::Seal).and_then(|index| {
                self.syncing
                    .file
                    .write_all_at(self.buffer.as_slice(), chunk_offset(index))
                    .map(|()| index + 1)
                    .map_err(Fault::disk("write a recording"))
            }),
        };
        let chunks = match written {
            Ok(chunks) => chunks,
            Err(fault) => {
                self.stop();
                return Err(fault);
            }
        };
        self.sha256.update(self.buffer.as_slice());
        self.written = chunk_offset(chunks);
        self.filled = 0;
        self.syncing.ask(chunks, &self.queue);
        Ok(())
    }

    /// Nothing more will be written; what is there is cut to whole chunks, when the disk still lets us.
    fn stop(&mut self) {
        if self.sealer.take().is_some() {
            self.buffer.zeroize();
            self.filled = 0;
            let _ = self.syncing.file.set_len(self.written);
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.buffer.zeroize();
    }
}
