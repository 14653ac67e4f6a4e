//! Traces of the signalling (T3): every message in and out, written to pcapng files, or sent to a Homer collector.
//!
//! The loop hands a copy over a bounded queue and goes on; a thread covers what must not be told ([`mask`]) and writes.
//! When it falls behind, messages are missing in the trace and counted, and no call notices.

mod hep;
mod mask;
mod pcapng;

use std::collections::BTreeSet;
use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use ring::rand::{SecureRandom, SystemRandom};
use sip::Flow;

use mask::Mask;
use pcapng::Packets;

/// Messages taken and not yet written.
const QUEUE: usize = 4096;

/// Octets of them.
const QUEUE_BYTES: usize = 16 * 1024 * 1024;

/// What has been written is on its way to the disk after this long without a message.
const FLUSH: Duration = Duration::from_millis(200);

/// The smallest file worth having: one message may be this long.
const FILE_BYTES_MIN: u64 = 128 * 1024;

/// Whether the numbers and names of a trace can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Numbers {
    /// Each is a token of its own, the same throughout one trace: the trace may be shown to a carrier.
    #[default]
    Masked,
    /// As they were: the trace is patient information and must be kept like it.
    Shown,
}

/// A trace into files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// Where; made for its owner only when it is not there.
    pub folder: PathBuf,
    /// Numbers and names.
    pub numbers: Numbers,
    /// Only what this trunk says and is told, by its name; `None`: everybody.
    pub trunk: Option<String>,
    /// A file that has grown to this many octets is followed by the next.
    pub file_bytes_max: u64,
    /// Files kept, those of earlier traces in the folder among them; the oldest go first.
    pub files_max: usize,
}

impl Trace {
    /// A masked trace of at most ten files of 10 MB.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            numbers: Numbers::Masked,
            trunk: None,
            file_bytes_max: 10_000_000,
            files_max: 10,
        }
    }
}

/// A Homer collector.
#[derive(Clone, PartialEq, Eq)]
pub struct Hep {
    /// Its address; HEP goes over UDP, in the clear.
    pub collector: SocketAddr,
    /// Who is speaking, for the collector.
    pub capture_id: u32,
    /// What it wants to be told first.
    pub password: Option<String>,
    /// Numbers and names. They are shown while the agreement with whoever runs it holds, and masked otherwise (ADM-03).
    pub numbers: Numbers,
    /// That agreement, by its name in the office.
    pub agreement: Option<String>,
}

impl fmt::Debug for Hep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hep({}, {}, {:?})", self.collector, self.capture_id, self.numbers)
    }
}

/// Why a trace does not begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TraceFault {
    /// The folder or the first file cannot be written.
    #[error("{path}: no trace can be written")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// No socket towards the collector.
    #[error("the collector {collector} cannot be sent to")]
    Collector {
        /// Which.
        collector: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Nobody is called so.
    #[error("there is no trunk `{0}`")]
    NoSuchTrunk(String),
    /// No thread.
    #[error("no thread for the trace")]
    Thread(#[source] io::Error),
    /// The exchange has ended.
    #[error("the exchange has ended")]
    Ended,
}

/// What a trace has taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TraceFigures {
    /// Messages written or sent.
    pub written: u64,
    /// Messages missing because the trace fell behind.
    pub dropped: u64,
    /// Messages missing because the disk or the network refused them.
    pub failed: u64,
}

/// The loop's end of a trace.
pub(crate) struct Tap {
    queue: Option<SyncSender<Taken>>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    waiting: AtomicUsize,
    written: AtomicU64,
    dropped: AtomicU64,
    failed: AtomicU64,
}

struct Taken {
    at: SystemTime,
    flow: Flow,
    ours: bool,
    message: Vec<u8>,
}

impl fmt::Debug for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tap({:?})", self.shared)
    }
}

impl Tap {
    /// Begins a trace into files.
    pub(crate) fn files(trace: Trace) -> Result<Self, TraceFault> {
        let mask = mask_for(trace.numbers);
        let mut files = Files::open(trace)?;
        let mut packets = Packets::default();
        Self::start("trace", move |taken: Option<Taken>| match taken {
            Some(mut taken) => {
                mask.cover(&mut taken.message);
                files.write(&packets.of(taken.at, taken.flow, taken.ours, &taken.message))
            }
            None => files.flush(),
        })
    }

    /// Begins to tell a collector.
    pub(crate) fn collector(hep: Hep) -> Result<Self, TraceFault> {
        let mask = mask_for(hep.numbers);
        let any: SocketAddr = match hep.collector {
            SocketAddr::V4(_) => (std::net::Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (std::net::Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let collector = hep.collector;
        let fault = |source| TraceFault::Collector { collector, source };
        let socket = UdpSocket::bind(any).map_err(fault)?;
        socket.connect(collector).map_err(fault)?;
        Self::start("hep", move |taken: Option<Taken>| {
            let Some(mut taken) = taken else { return Ok(()) };
            mask.cover(&mut taken.message);
            let Taken {
                at,
                flow,
                ours,
                message,
            } = taken;
            let packet = hep::packet(at, flow, ours, &message, hep.capture_id, hep.password.as_deref());
            socket.send(&packet).map(drop)
        })
    }

    fn start(
        name: &str,
        mut put: impl FnMut(Option<Taken>) -> io::Result<()> + Send + 'static,
    ) -> Result<Self, TraceFault> {
        let (queue, taken) = sync_channel(QUEUE);
        let shared = Arc::new(Shared::default());
        let counts = shared.clone();
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || run(&taken, &counts, &mut put))
            .map_err(TraceFault::Thread)?;
        Ok(Self {
            queue: Some(queue),
            shared,
            thread: Some(thread),
        })
    }

    /// Takes a copy of a message; never waits.
    pub(crate) fn take(&self, flow: Flow, ours: bool, message: &[u8]) {
        let size = message.len();
        let room = self.shared.waiting.load(Relaxed).saturating_add(size) <= QUEUE_BYTES;
        let taken = || Taken {
            at: SystemTime::now(),
            flow,
            ours,
            message: message.to_vec(),
        };
        self.shared.waiting.fetch_add(size, Relaxed);
        if !room || self.queue.as_ref().is_none_or(|queue| queue.try_send(taken()).is_err()) {
            self.shared.waiting.fetch_sub(size, Relaxed);
            self.shared.dropped.fetch_add(1, Relaxed);
        }
    }

    pub(crate) fn figures(&self) -> TraceFigures {
        TraceFigures {
            written: self.shared.written.load(Relaxed),
            dropped: self.shared.dropped.load(Relaxed),
            failed: self.shared.failed.load(Relaxed),
        }
    }

    /// Ends the trace; what was taken is written first. Waits for the disk: not for the loop.
    pub(crate) fn end(mut self) -> TraceFigures {
        self.queue = None;
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("a trace did not end in order");
        }
        self.figures()
    }
}

fn run(taken: &Receiver<Taken>, counts: &Shared, put: &mut dyn FnMut(Option<Taken>) -> io::Result<()>) {
    let mut fine = true;
    loop {
        match taken.recv_timeout(FLUSH) {
            Ok(message) => {
                counts.waiting.fetch_sub(message.message.len(), Relaxed);
                let put = put(Some(message));
                let count = if put.is_ok() { &counts.written } else { &counts.failed };
                count.fetch_add(1, Relaxed);
                match put {
                    Ok(()) => fine = true,
                    Err(fault) => {
                        if fine {
                            tracing::warn!(%fault, "the trace has gaps");
                        }
                        fine = false;
                    }
                }
            }
            Err(end) => {
                if let Err(fault) = put(None) {
                    tracing::warn!(%fault, "the trace cannot be written");
                }
                if end == RecvTimeoutError::Disconnected {
                    return;
                }
            }
        }
    }
}

fn mask_for(numbers: Numbers) -> Mask {
    match numbers {
        Numbers::Shown => Mask::secrets(),
        Numbers::Masked => {
            let mut key = [0; 32];
            SystemRandom::new()
                .fill(&mut key)
                .expect("the kernel's generator never fails once the machine is up");
            Mask::numbers(&key)
        }
    }
}

/// The files of a trace, one after the other.
struct Files {
    trace: Trace,
    began: String,
    number: u32,
    file: BufWriter<File>,
    length: u64,
}

/// How a file of ours is named: `sip-<when>-<number>.pcapng`, so that their names sort as they were written.
const PREFIX: &str = "sip-";
const SUFFIX: &str = ".pcapng";

impl Files {
    fn open(trace: Trace) -> Result<Self, TraceFault> {
        let fault = |path: &PathBuf, source| TraceFault::File {
            path: path.clone(),
            source,
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&trace.folder)
            .map_err(|source| fault(&trace.folder, source))?;
        let began = Timestamp::now().strftime("%Y%m%dT%H%M%S%.6fZ").to_string();
        let (file, length) = create(&trace, &began, 1).map_err(|source| fault(&trace.folder, source))?;
        let trace = Trace {
            file_bytes_max: trace.file_bytes_max.max(FILE_BYTES_MIN),
            files_max: trace.files_max.max(1),
            ..trace
        };
        let files = Self {
            trace,
            began,
            number: 1,
            file,
            length,
        };
        files.sweep();
        Ok(files)
    }

    fn write(&mut self, packets: &[u8]) -> io::Result<()> {
        let size = u64::try_from(packets.len()).unwrap_or(u64::MAX);
        if self.length.saturating_add(size) > self.trace.file_bytes_max {
            self.file.flush()?;
            let (file, length) = create(&self.trace, &self.began, self.number + 1)?;
            (self.file, self.length, self.number) = (file, length, self.number + 1);
            self.sweep();
        }
        self.file.write_all(packets)?;
        self.length += size;
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }

    /// Takes the oldest files away.
    fn sweep(&self) {
        let names: BTreeSet<PathBuf> = std::fs::read_dir(&self.trace.folder)
            .map(|entries| {
                entries
                    .filter_map(|entry| entry.ok().map(|entry| entry.path()))
                    .collect()
            })
            .unwrap_or_default();
        let ours = |path: &PathBuf| {
            path.file_name()
                .and_then(|name| name.to_str())
                .is_some_and(|name| name.starts_with(PREFIX) && name.ends_with(SUFFIX))
        };
        let ours: Vec<PathBuf> = names.into_iter().filter(ours).collect();
        let surplus = ours.len().saturating_sub(self.trace.files_max);
        for path in ours.iter().take(surplus) {
            if let Err(fault) = std::fs::remove_file(path) {
                tracing::warn!(%fault, path = %path.display(), "an old trace stays");
            }
        }
    }
}

/// A new file for its owner only, with its header.
fn create(trace: &Trace, began: &str, number: u32) -> io::Result<(BufWriter<File>, u64)> {
    let path = trace.folder.join(format!("{PREFIX}{began}-{number:05}{SUFFIX}"));
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let mut file = BufWriter::new(file);
    let header = pcapng::header(env!("CARGO_PKG_VERSION"));
    file.write_all(&header)?;
    Ok((file, u64::try_from(header.len()).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sip::Transport;
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;

    const OPTIONS: &str = "OPTIONS sip:+15125550177@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK1\r\n\
        Max-Forwards: 70\r\nFrom: <sip:+15125550177@192.0.2.9>;tag=1\r\nTo: <sip:192.0.2.1>\r\nCall-ID: one\r\n\
        CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n";

    fn flow(transport: Transport, local: &str, remote: &str) -> Flow {
        Flow {
            transport,
            local: local.parse().expect("an address"),
            remote: remote.parse().expect("an address"),
            connection: Some(1),
        }
    }

    fn files(folder: &std::path::Path) -> Vec<PathBuf> {
        let mut files: Vec<_> = std::fs::read_dir(folder)
            .expect("a folder")
            .map(|entry| entry.expect("an entry").path())
            .collect();
        files.sort();
        files
    }

    /// What Wireshark, which is not ours, makes of a file: one line of fields for each SIP message.
    fn tshark(file: &std::path::Path, fields: &[&str]) -> Vec<String> {
        let fields = fields.iter().flat_map(|field| ["-e", field]);
        let output = Command::new("tshark")
            .args([
                "-n",
                "-o",
                "ip.check_checksum:TRUE",
                "-o",
                "udp.check_checksum:TRUE",
                "-o",
                "tcp.check_checksum:TRUE",
            ])
            .arg("-r")
            .arg(file)
            .args(["-Y", "sip", "-T", "fields", "-E", "separator=|"])
            .args(fields)
            .output()
            .expect("tshark is there: make setup");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).expect("text");
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn wireshark_reads_what_was_said_over_every_transport() {
        let folder = tempfile::tempdir().expect("a folder");
        let tap = Tap::files(Trace::new(folder.path().join("traces"))).expect("begins");
        let ways = [
            flow(Transport::Udp, "192.0.2.1:5060", "192.0.2.9:5060"),
            flow(Transport::Tcp, "192.0.2.1:5060", "192.0.2.9:40000"),
            flow(Transport::Tls, "192.0.2.1:5061", "192.0.2.9:40001"),
            flow(Transport::Tls, "192.0.2.1:40002", "192.0.2.9:5061"),
            flow(Transport::Wss, "[2001:db8::1]:443", "[2001:db8::9]:40003"),
            flow(Transport::Udp, "[2001:db8::1]:5060", "[2001:db8::9]:5080"),
        ];
        let large = OPTIONS.replace("Content-Length: 0", "Content-Type: text/plain\r\nContent-Length: 64000")
            + &"a".repeat(64_000);
        for way in ways {
            tap.take(way, false, OPTIONS.as_bytes());
            tap.take(way, true, OPTIONS.replace("OPTIONS", "MESSAGE").as_bytes());
        }
        tap.take(ways[1], true, large.as_bytes());
        tap.take(ways[1], false, OPTIONS.replace("OPTIONS", "PUBLISH").as_bytes());
        assert_eq!(
            tap.end(),
            TraceFigures {
                written: 14,
                ..TraceFigures::default()
            }
        );
        let files = files(&folder.path().join("traces"));
        assert_eq!(files.len(), 1);
        let mode = |path: &std::path::Path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!((mode(&files[0]), mode(&folder.path().join("traces"))), (0o600, 0o700));
        let seen = tshark(
            &files[0],
            &[
                "sip.Method",
                "frame.protocols",
                "ip.src",
                "ipv6.src",
                "sip.from.host",
                "frame.comment",
            ],
        );
        let methods: Vec<_> = seen
            .iter()
            .map(|line| line.split('|').next().expect("a field"))
            .collect();
        let pairs = std::iter::repeat_n(["OPTIONS", "MESSAGE"], 6).flatten();
        assert_eq!(
            methods,
            pairs.chain(["OPTIONS", "PUBLISH"]).collect::<Vec<_>>(),
            "{seen:#?}"
        );
        assert!(seen[0].contains("raw:ip:udp:sip|192.0.2.9|"), "{}", seen[0]);
        assert!(seen[1].contains("|192.0.2.1|"), "{}", seen[1]);
        assert!(
            seen[5].ends_with("TLS between 192.0.2.1:5061 and 192.0.2.9:40001, decrypted"),
            "{}",
            seen[5]
        );
        assert!(seen[8].contains("raw:ipv6:tcp:sip||2001:db8::9|"), "{}", seen[8]);
        let bad = tshark(
            &files[0],
            &["ip.checksum.status", "udp.checksum.status", "tcp.checksum.status"],
        );
        // 1 is good; 0 is bad. IPv6 has none of its own.
        assert!(bad.iter().all(|line| !line.contains('0')), "{bad:?}");
        let raw = std::fs::read(&files[0]).expect("a file");
        assert!(
            !raw.windows(7).any(|window| window == b"5550177"),
            "a number is in the file"
        );
    }

    #[test]
    fn files_follow_each_other_and_the_oldest_go() {
        let folder = tempfile::tempdir().expect("a folder");
        let other = folder.path().join("notes.txt");
        std::fs::write(&other, "not ours").expect("written");
        let trace = Trace {
            file_bytes_max: 1,
            files_max: 3,
            ..Trace::new(folder.path())
        };
        let tap = Tap::files(trace.clone()).expect("begins");
        let way = flow(Transport::Udp, "192.0.2.1:5060", "192.0.2.9:5060");
        let (mut taken, large) = (0, "x".repeat(60_000));
        for _ in 0..20 {
            tap.take(way, true, large.as_bytes());
            taken += 1;
            sleep_until(|| tap.figures().written == taken);
        }
        tap.end();
        Tap::files(trace).expect("a second trace beside the first").end();
        let left = files(folder.path());
        assert_eq!(left.len(), 4, "three of ours, and what is not ours: {left:?}");
        assert!(other.exists());
        for file in &left[1..] {
            assert!(std::fs::metadata(file).expect("there").len() <= FILE_BYTES_MIN);
        }
    }

    fn sleep_until(done: impl Fn() -> bool) {
        for _ in 0..5000 {
            if done() {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        panic!("never");
    }

    #[test]
    fn what_does_not_fit_is_counted_and_waited_for_by_nobody() {
        let (open, gate) = std::sync::mpsc::channel::<()>();
        let tap = Tap::start("slow", move |taken: Option<Taken>| {
            if taken.is_some() {
                // A disk that hangs until it is let go.
                let _ = gate.recv();
            }
            Ok(())
        })
        .expect("a thread");
        let way = flow(Transport::Udp, "192.0.2.1:5060", "192.0.2.9:5060");
        let large = vec![b'x'; 60_000];
        for _ in 0..1000 {
            tap.take(way, true, &large);
        }
        let dropped = tap.figures().dropped;
        assert!(
            dropped >= 1000 - u64::try_from(QUEUE_BYTES / 60_000).expect("small") - 1,
            "{dropped}"
        );
        drop(open);
        let figures = tap.end();
        assert_eq!(figures.written + figures.dropped, 1000);
    }

    #[test]
    fn a_collector_is_told_the_covered_message_and_a_missing_one_disturbs_nobody() {
        let collector = UdpSocket::bind("127.0.0.1:0").expect("a port");
        collector
            .set_read_timeout(Some(Duration::from_secs(5)))
            .expect("a socket");
        let address = collector.local_addr().expect("bound");
        let hep = Hep {
            collector: address,
            capture_id: 7,
            password: Some("home".into()),
            numbers: Numbers::Masked,
            agreement: None,
        };
        assert!(!format!("{hep:?}").contains("home"));
        let tap = Tap::collector(hep).expect("a socket");
        tap.take(
            flow(Transport::Udp, "192.0.2.1:5060", "192.0.2.9:5060"),
            false,
            OPTIONS.as_bytes(),
        );
        let mut buffer = vec![0; 65_536];
        let length = collector.recv(&mut buffer).expect("a packet");
        let packet = &buffer[..length];
        assert!(packet.starts_with(b"HEP3") && packet.ends_with(b"Content-Length: 0\r\n\r\n"));
        assert!(!packet.windows(7).any(|window| window == b"5550177"));
        drop(collector);
        for _ in 0..10 {
            tap.take(
                flow(Transport::Udp, "192.0.2.1:5060", "192.0.2.9:5060"),
                false,
                OPTIONS.as_bytes(),
            );
        }
        let figures = tap.end();
        assert_eq!(figures.written + figures.failed, 11);
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_a_fault_at_the_start() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("file");
        std::fs::write(&file, "").expect("written");
        assert!(matches!(
            Tap::files(Trace::new(file.join("traces"))),
            Err(TraceFault::File { .. })
        ));
    }
}
