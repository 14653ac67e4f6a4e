//! The threads that wait for the disk so that whoever records does not have to.
//!
//! Each file belongs to one of [`THREADS`] threads and stands in its queue at most once, so the queue is as long as
//! there are recordings. Several threads, because a file system's journal commits for all that wait at that moment.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use crate::Fault;

/// Threads that sync.
const THREADS: usize = 4;
/// Files one thread may have waiting; beyond that a file waits for its next chunk.
const WAITING_MAX: usize = 4096;

/// The syncing threads of a vault. They end when it and its writers are gone.
pub(crate) struct Syncer {
    queues: Vec<SyncSender<Arc<Syncing>>>,
    next: usize,
}

/// A file being written, as its syncing thread sees it.
pub(crate) struct Syncing {
    pub(crate) file: File,
    /// The folder to sync once, for the file's name.
    folder: PathBuf,
    folder_synced: AtomicBool,
    queued: AtomicBool,
    written: AtomicU32,
    durable: AtomicU32,
    failed: AtomicBool,
}

impl Syncer {
    pub(crate) fn start() -> Result<Self, Fault> {
        let mut queues = Vec::with_capacity(THREADS);
        for _ in 0..THREADS {
            let (queue, files) = sync_channel::<Arc<Syncing>>(WAITING_MAX);
            thread::Builder::new()
                .name("vault-sync".to_owned())
                .spawn(move || work(&files))
                .map_err(Fault::disk("start its threads"))?;
            queues.push(queue);
        }
        Ok(Self { queues, next: 0 })
    }

    /// The queue for one more file.
    pub(crate) fn queue(&mut self) -> Option<SyncSender<Arc<Syncing>>> {
        self.next = (self.next + 1) % THREADS;
        self.queues.get(self.next).cloned()
    }
}

impl Syncing {
    pub(crate) fn new(file: File, folder: PathBuf) -> Arc<Self> {
        Arc::new(Self {
            file,
            folder,
            folder_synced: AtomicBool::new(false),
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
        let synced = self.file.sync_data().and_then(|()| {
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
    while let Ok(file) = files.recv() {
        // Before the sync: what is written during it asks again.
        file.queued.store(false, Ordering::Release);
        if let Err(error) = file.sync() {
            tracing::error!(%error, "a recording cannot be synced");
        }
    }
}
