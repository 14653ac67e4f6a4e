//! The recorder: one thread that turns the taps of all calls into sealed files, and one that finishes them.
//!
//! Frames come numbered. Where numbers are missing the file holds silence, so that an offset in it stays an instant of
//! the call, and the gap is counted. The vault seals and writes; its own threads sync, so that taking a frame never
//! waits for the disk. Finishing does, and has its own thread: a slow disk at the end of one call must not cost frames
//! of another. A file that cannot be written is given up and reported; the call goes on (recording-format.md §3, C9).

use std::collections::HashMap;
use std::io;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use media::Law;
use switchboard::{LegId, MediaEvent, RecordingId};
use tokio::sync::mpsc::Sender;
use vault::{FileId, NewRecording, Vault, Writer};

use crate::plane::{Begin, Kind, Tap};

/// Files waiting to be finished. Beyond it the recorder itself waits, and its taps overflow into counted gaps.
const FINISHING_MAX: usize = 1024;

/// How long taps gather before they are taken: far less than the queue holds.
const GATHER: Duration = Duration::from_millis(10);

/// Samples in a frame.
const FRAME_SAMPLES: u64 = 160;

/// The recorder's threads. They end when every tap is gone.
pub struct Recorder {
    taking: JoinHandle<()>,
    finishing: JoinHandle<()>,
}

/// A recording in the making.
struct Open {
    begin: Begin,
    /// None once the disk has refused.
    writer: Option<Writer>,
}

/// For the finishing thread, in order.
enum Last {
    /// Seal it, and say so.
    Seal { open: Open, heard: Option<Duration> },
    /// A leg whose clips went before.
    Closed(MediaEvent),
}

impl Recorder {
    /// Starts recording what comes out of `taps` into `vault`. `shelf` is the same vault, for taking empty clips away.
    pub fn start(vault: Vault, shelf: Vault, taps: Receiver<Tap>, events: Sender<MediaEvent>) -> io::Result<Self> {
        let (last, lasts) = sync_channel(FINISHING_MAX);
        let reports = events.clone();
        let finishing = Builder::new().name("recorder end".into()).spawn(move || {
            while let Ok(last) = lasts.recv() {
                for event in finish(last, &shelf) {
                    report(&reports, event);
                }
            }
        })?;
        let taking = Builder::new().name("recorder".into()).spawn(move || {
            let mut taking = Taking {
                vault,
                open: HashMap::new(),
                last,
                events,
            };
            loop {
                match taps.try_recv() {
                    Ok(tap) => taking.take(tap),
                    Err(TryRecvError::Disconnected) => break,
                    // Asleep by the clock, not on the queue: to wake a sleeper costs the media thread more than the frame.
                    Err(TryRecvError::Empty) if !taking.open.is_empty() => std::thread::sleep(GATHER),
                    Err(TryRecvError::Empty) => match taps.recv() {
                        Ok(tap) => taking.take(tap),
                        Err(_) => break,
                    },
                }
            }
            // Nobody is left to end these: they end here.
            let left: Vec<RecordingId> = taking.open.keys().copied().collect();
            for recording in left {
                taking.end(recording, 0, None);
            }
        })?;
        Ok(Self { taking, finishing })
    }

    /// Waits until everything is on the disk. The taps must be gone, and events still be read or their reader dropped.
    pub fn join(self) {
        if self.taking.join().is_err() || self.finishing.join().is_err() {
            tracing::error!("the recorder had panicked");
        }
    }
}

struct Taking {
    vault: Vault,
    open: HashMap<RecordingId, Open>,
    last: SyncSender<Last>,
    events: Sender<MediaEvent>,
}

impl Taking {
    fn take(&mut self, tap: Tap) {
        match tap {
            Tap::Begin(begin) => self.begin(*begin),
            Tap::Frame {
                recording,
                number,
                caller,
                other,
            } => {
                let Some(open) = self.open.get_mut(&recording) else {
                    return;
                };
                let Some(writer) = &mut open.writer else { return };
                let written = fill(writer, number).and_then(|()| writer.push(&caller, &other));
                if let Err(fault) = written {
                    tracing::error!(%recording, %fault, "a recording stops; the call goes on");
                    open.writer = None;
                    report(&self.events, MediaEvent::RecordingFailed { recording });
                }
            }
            Tap::End {
                recording,
                frames,
                heard,
            } => self.end(recording, frames, heard),
            Tap::Closed { leg, quality } => self.finally(Last::Closed(MediaEvent::Closed { leg, quality })),
        }
    }

    fn begin(&mut self, begin: Begin) {
        let (kind, consent) = match begin.kind {
            Kind::Call { consent } => (vault::Kind::Call, consent),
            Kind::Clip => (vault::Kind::Clip, [0; 32]),
        };
        let new = NewRecording {
            id: Some(FileId(begin.recording.0)),
            tenant: begin.tenant.0,
            call: begin.call.0,
            codec: match begin.law {
                Law::Pcmu => vault::Codec::MuLaw,
                Law::Pcma => vault::Codec::ALaw,
            },
            kind,
            start_ms: unix_ms(),
            monotonic_ns: monotonic_ns(),
            consent,
            consent_before_start: kind == vault::Kind::Call,
        };
        let writer = match self.vault.begin(&new) {
            Ok(writer) => {
                if writer.is_overdue() {
                    let recording = begin.recording;
                    tracing::error!(
                        %recording,
                        "this month was not provisioned: the recording is sealed for another key; run `nightdesk keys provision`"
                    );
                }
                Some(writer)
            }
            Err(fault) => {
                let recording = begin.recording;
                tracing::error!(%recording, %fault, "a recording cannot begin; the call goes on");
                report(&self.events, MediaEvent::RecordingFailed { recording });
                None
            }
        };
        self.open.insert(begin.recording, Open { begin, writer });
    }

    fn end(&mut self, recording: RecordingId, frames: u32, heard: Option<Duration>) {
        let Some(mut open) = self.open.remove(&recording) else {
            return;
        };
        // Frames lost at the very end are a gap like any other.
        if let Some(writer) = &mut open.writer
            && let Err(fault) = fill(writer, frames)
        {
            tracing::error!(%recording, %fault, "a recording stops at its end");
        }
        self.finally(Last::Seal { open, heard });
    }

    fn finally(&mut self, last: Last) {
        if self.last.send(last).is_err() {
            tracing::error!("the thread that finishes recordings is gone");
        }
    }
}

/// Puts silence where frames before `number` are missing.
fn fill(writer: &mut Writer, number: u32) -> Result<(), vault::Fault> {
    writer.fill_to(u64::from(number) * FRAME_SAMPLES).map(|_| ())
}

/// Finishes one file; gives what is to be told.
fn finish(last: Last, shelf: &Vault) -> Vec<MediaEvent> {
    let (Open { begin, writer }, heard) = match last {
        Last::Closed(event) => return vec![event],
        Last::Seal { open, heard } => (open, heard),
    };
    let Begin {
        recording, leg, kind, ..
    } = begin;
    let nothing_said = kind == Kind::Clip && heard.is_none();
    let sealed = match writer {
        None => None,
        Some(writer) if nothing_said => {
            discard(writer, shelf);
            None
        }
        Some(writer) => match writer.finish(unix_ms()) {
            Ok(sealed) => Some(sealed),
            Err(fault) => {
                tracing::error!(%recording, %fault, "a recording cannot be finished");
                let ended = MediaEvent::ClipEnded {
                    leg,
                    recording,
                    heard: None,
                };
                let failed = MediaEvent::RecordingFailed { recording };
                return if kind == Kind::Clip {
                    vec![failed, ended]
                } else {
                    vec![failed]
                };
            }
        },
    };
    match (kind, sealed) {
        (Kind::Clip, sealed) => vec![ended_clip(leg, recording, heard.filter(|_| sealed.is_some()))],
        (Kind::Call { .. }, Some(sealed)) => vec![MediaEvent::RecordingSealed {
            recording,
            milliseconds: sealed.frames / 8,
            sha256: sealed.sha256,
            gaps: sealed.silent_frames.div_ceil(FRAME_SAMPLES),
        }],
        // Its failure was told when it happened.
        (Kind::Call { .. }, None) => vec![],
    }
}

/// Takes away a clip in which nothing was said.
fn discard(writer: Writer, shelf: &Vault) {
    let id = writer.id();
    let gone = writer.finish(unix_ms()).and_then(|_| shelf.discard(id));
    match gone {
        Ok(()) => {}
        Err(fault) => tracing::warn!(%id, %fault, "an empty clip stays"),
    }
}

fn ended_clip(leg: LegId, recording: RecordingId, heard: Option<Duration>) -> MediaEvent {
    MediaEvent::ClipEnded { leg, recording, heard }
}

/// Tells the desk; waits for a place, for these reports must not be lost.
fn report(events: &Sender<MediaEvent>, event: MediaEvent) {
    if events.blocking_send(event).is_err() {
        tracing::debug!("the desk is gone and hears of no recording any more");
    }
}

fn unix_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

fn monotonic_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    u64::try_from(now.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0)
}
