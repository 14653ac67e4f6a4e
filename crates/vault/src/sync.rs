//! The thread that waits for the disk so that whoever records does not have to.
//!
//! Recordings that have something new gather for a moment and are synced together: a few one by one, many by one barrier
//! for their whole file system, because each `fdatasync` costs a commit of its journal. A file stands in the queue at most
//! once, so the queue is as long as there are recordings.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::Fault;

/// Files that may wait; beyond that a file waits for its next chunk.
const WAITING_MAX: usize = 16_384;
/// How long files gather before they are synced.
const GATHER: Duration = Duration::from_millis(50);
/// From so many files on, one barrier for all is cheaper than one for each.
const TOGETHER_MIN: usize = 8;

/// The syncing thread of a vault. It ends when the vault and its writers are gone.
pub(crate) struct Syncer {
    queue: SyncSender<Arc<Syncing>>,
}

/// A file being written, as its syncing thread sees it.
pub(crate) struct Syncing {
    pub(crate) file: File,
    /// The folder to sync once, for the file's name.
    folder: PathBuf,
    folder_synced: AtomicBool,
    /// What has to be on its disk before anything of the file counts: its share, with the keys.
    before: Vec<PathBuf>,
    before_synced: AtomicBool,
    queued: AtomicBool,
    written: AtomicU32,
    durable: AtomicU32,
    failed: AtomicBool,
}

impl Syncer {
    pub(crate) fn start() -> Result<Self, Fault> {
        let (queue, files) = sync_channel::<Arc<Syncing>>(WAITING_MAX);
        thread::Builder::new()
            .name("vault-sync".to_owned())
            .spawn(move || work(&files))
            .map_err(Fault::disk("start its threads"))?;
        Ok(Self { queue })
    }

    /// The queue for one more file.
    pub(crate) fn queue(&self) -> SyncSender<Arc<Syncing>> {
        self.queue.clone()
    }
}

impl Syncing {
    pub(crate) fn new(file: File, folder: PathBuf, before: Vec<PathBuf>) -> Arc<Self> {
        Arc::new(Self {
            file,
            folder,
            folder_synced: AtomicBool::new(false),
            before_synced: AtomicBool::new(before.is_empty()),
            before,
            queued: AtomicBool::new(false),
            written: AtomicU32::new(0),
            durable: AtomicU32::new(0),
            failed: AtomicBool::new(false),
        })
    }

    /// `chunks` are written: have them synced soon. Never waits.
    pub(crate) fn ask(self: &Arc<Self>, chunks: u32, queue: &SyncSender<Arc<Self>>) {
        self.written.store(chunks, Ordering::Release);
        if !self.queued.swap(true, Ordering::AcqRel) && queue.try_send(Arc::clone(self)).is_err() {
            self.queued.store(false, Ordering::Release);
        }
    }

    /// Syncs now, on the thread that asks.
    pub(crate) fn sync(&self) -> io::Result<()> {
        let written = self.written.load(Ordering::Acquire);
        let synced = self.sync_before().and_then(|()| {
            self.file.sync_data()?;
            if !self.folder_synced.load(Ordering::Acquire) {
                File::open(&self.folder)?.sync_all()?;
                self.folder_synced.store(true, Ordering::Release);
            }
            Ok(())
        });
        match &synced {
            Ok(()) => {
                self.durable.fetch_max(written, Ordering::AcqRel);
            }
            Err(_) => self.failed.store(true, Ordering::Release),
        }
        synced
    }

    fn sync_before(&self) -> io::Result<()> {
        if !self.before_synced.load(Ordering::Acquire) {
            for path in &self.before {
                File::open(path)?.sync_all()?;
            }
            self.before_synced.store(true, Ordering::Release);
        }
        Ok(())
    }

    /// What was written before is on the disk, by a barrier for the whole file system.
    fn synced_with_others(&self, written: u32) {
        self.folder_synced.store(true, Ordering::Release);
        self.durable.fetch_max(written, Ordering::AcqRel);
    }

    /// Chunks that are on the disk for certain.
    pub(crate) fn durable(&self) -> u32 {
        self.durable.load(Ordering::Acquire)
    }

    /// A sync has failed; what it was about may be gone (fsync says so only once).
    pub(crate) fn failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }
}

fn work(files: &Receiver<Arc<Syncing>>) {
    let mut due: Vec<Arc<Syncing>> = Vec::new();
    while let Ok(first) = files.recv() {
        due.push(first);
        let until = Instant::now() + GATHER;
        while due.len() < WAITING_MAX
            && let Ok(file) = files.recv_timeout(until.saturating_duration_since(Instant::now()))
        {
            due.push(file);
        }
        for file in &due {
            // Before the sync: what is written during it asks again.
            file.queued.store(false, Ordering::Release);
        }
        if due.len() < TOGETHER_MIN || !sync_together(&due) {
            for file in &due {
                if let Err(error) = file.sync() {
                    tracing::error!(%error, "a recording cannot be synced");
                }
            }
        }
        due.clear();
    }
}

/// One barrier for all of them. When it fails, each is asked for its own fate: the fault may be another file's.
fn sync_together(files: &[Arc<Syncing>]) -> bool {
    let written: Vec<u32> = files.iter().map(|file| file.written.load(Ordering::Acquire)).collect();
    let Some(any) = files.first() else { return true };
    // A vault is one folder on one file system: any of its files names it.
    if nix::unistd::syncfs(&any.file).is_err() {
        return false;
    }
    for (file, written) in files.iter().zip(written) {
        // The shares lie elsewhere.
        match file.sync_before() {
            Ok(()) => file.synced_with_others(written),
            Err(error) => {
                tracing::error!(%error, "the share of a recording cannot be synced");
                file.failed.store(true, Ordering::Release);
            }
        }
    }
    true
}
