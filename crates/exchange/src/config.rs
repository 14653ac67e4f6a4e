//! What an exchange needs to be told. Plain values: whoever starts it reads files and environment.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use switchboard::records::Records;
use switchboard::{DeskConfig, Health};

use crate::resolver::Resolver;
use crate::trace::{Hep, Trace};
use crate::transport::{FloodLimits, StreamLimits, Tls};

/// Everything about one exchange.
pub struct Config {
    /// Listeners, trunks, limits and timings of the desk. A listener's port 0 takes any.
    pub desk: DeskConfig,
    /// Limits of connections.
    pub streams: StreamLimits,
    /// What trunks and strangers may send before it is dropped.
    pub floods: FloodLimits,
    /// Whose pages a browser may open a WebSocket to us for (RFC 6455 §10.2), as browsers write them:
    /// `https://phones.example.com`. None: no browser gets one.
    pub origins: Vec<String>,
    /// Who we are over TLS, and whom we trust. Without it others can be connected to by the system's authorities, and
    /// there can be no TLS or WSS listener.
    pub tls: Option<Tls>,
    /// Which name servers are asked, and for how long.
    pub resolver: Resolver,
    /// A trace of the signalling, from the start on.
    pub trace: Option<Trace>,
    /// A Homer collector that gets every message.
    pub hep: Option<Hep>,
    /// Where and how audio flows.
    pub media: Media,
    /// Folders of practices: each holds one, or folders that do.
    pub practices: Vec<PathBuf>,
    /// Practices among them, or folders of such, that have no patients: they are answered as they are written, signed or
    /// not, until they are first released, and need no agreement. It stands here, and not in a practice's own file, so that nobody who may only
    /// edit a practice can put words on the air that nobody signed.
    pub labs: Vec<PathBuf>,
    /// Where the book, the recordings and the spoken words are kept.
    pub data: PathBuf,
    /// The program that speaks sentences nobody has recorded.
    pub speech: Option<voice::Engine>,
    /// What the book and the recordings are sealed with.
    pub keys: Keys,
    /// The practices' records systems; [`NotConnected`](switchboard::records::NotConnected) where there are none.
    pub records: Arc<dyn Records>,
    /// Outside services whose agreements somebody must be told of when they do not hold.
    pub services: Vec<Service>,
    /// What the engine cannot see itself and somebody must be told of, such as keys that are missing: asked at the start and
    /// every quarter of an hour.
    pub alarms: Option<Alarms>,
    /// How long draining waits for calls before it ends them.
    pub drain: Duration,
    /// How far the clock that calls live by is ahead of the machine's. Zero, but where a scenario of another night is
    /// rehearsed.
    pub clock_ahead: SignedDuration,
}

/// What else somebody must be told of, given the names of the practices with patients: whole sentences without a word about
/// any caller; each is told once while it stays the same.
pub type Alarms = Arc<dyn Fn(&[String], jiff::Timestamp) -> Vec<String> + Send + Sync>;

/// An outside service that something of a patient may reach, under the agreement that the configuration names for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// As people call it: `trunk carrier`.
    pub name: String,
    /// The agreement, by its name in the office.
    pub agreement: String,
    /// What becomes of it while that does not hold, for a person to read.
    pub without: String,
}

/// The media plane's part.
#[derive(Debug, Clone)]
pub struct Media {
    /// The local address RTP sockets are bound to; what SDP says is [`DeskConfig::media_address`].
    pub bind: IpAddr,
    /// RTP and RTCP ports are taken from here.
    pub ports: RangeInclusive<u16>,
    /// Media threads; 0 means one per core but one, at least one.
    pub threads: usize,
}

/// What a rehearsal pretends to be broken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Drill {
    /// What the house is said to know of.
    pub known: Health,
    /// The book writes what a call hands in and answers that it could not: the call is the first to learn of it.
    pub book_refuses: bool,
}

/// Keys of an exchange. It can write recordings and not read them.
pub struct Keys {
    /// Seals and signs the book.
    pub book: ledger::BookKeys,
    /// What the book's rows are sealed with, by practice, month and class; none: the book's own key, and no row can be
    /// destroyed by itself.
    pub rows: ledger::Rows,
    /// For whom recordings are sealed.
    pub locks: vault::Locks,
    /// The folder of those whose signatures make a release, a file `NAME.public` each; it may yet come to be. Read anew with
    /// the practices.
    pub approvers: PathBuf,
    /// The file in which the agreements known last are kept, for a night on which the office's book cannot be read. Not on the
    /// data disk, which may be what is broken then.
    pub agreements: PathBuf,
}

impl Media {
    /// The number of threads meant.
    pub(crate) fn thread_count(&self) -> usize {
        match self.threads {
            0 => std::thread::available_parallelism()
                .map_or(1, |cores| cores.get().saturating_sub(1))
                .max(1),
            threads => threads,
        }
    }
}
