//! What the desk tells a media thread.

use std::sync::Arc;
use std::time::Duration;

use media::LegStart;
use media::sdp::Stream;
use phi::Phi;
use switchboard::{CallId, LegId, RecordingId};

use crate::ports::Pair;

/// What a media thread is told to do. Orders for one leg are carried out in the order given.
#[derive(Debug)]
pub enum Order {
    /// Begin a party's audio.
    Open {
        /// Whose.
        call: CallId,
        /// The new leg.
        leg: LegId,
        /// Its sockets.
        pair: Pair,
        /// What was agreed; `None` while an offer of ours is unanswered.
        stream: Option<Box<Stream>>,
        /// Random numbers to begin RTP with.
        start: LegStart,
    },
    /// The agreement changed.
    Update {
        /// Whose.
        leg: LegId,
        /// What holds now.
        stream: Box<Stream>,
    },
    /// Play these clips, already in the leg's codec, one after the other.
    Play {
        /// To whom.
        leg: LegId,
        /// Comes back when they end.
        id: u64,
        /// The clips.
        audio: Vec<Arc<[u8]>>,
        /// Any key stops them.
        stops_at_key: bool,
    },
    /// Stop playing.
    Hush {
        /// To whom.
        leg: LegId,
    },
    /// Let two parties of this thread hear each other.
    Bridge {
        /// One.
        a: LegId,
        /// The other.
        b: LegId,
    },
    /// Undo that.
    Unbridge {
        /// One.
        a: LegId,
        /// The other.
        b: LegId,
    },
    /// Record what this party says and hears.
    Record {
        /// Whose call.
        leg: LegId,
        /// The recording.
        recording: RecordingId,
        /// The call it belongs to.
        call: CallId,
        /// Whose it is.
        tenant: seal::Tenant,
        /// SHA-256 of the release and consent words.
        consent: [u8; 32],
    },
    /// End a recording.
    StopRecord {
        /// Which.
        recording: RecordingId,
    },
    /// Beep, then keep what this party says.
    Clip {
        /// Whose words.
        leg: LegId,
        /// The clip.
        recording: RecordingId,
        /// The call it belongs to.
        call: CallId,
        /// Whose it is.
        tenant: seal::Tenant,
        /// The beep, in the leg's codec.
        beep: Arc<[u8]>,
        /// It ends at this length.
        longest: Duration,
        /// Less voice than this is nothing.
        shortest: Duration,
        /// It ends after this much silence.
        ends_after_silence: Duration,
    },
    /// End the clip now.
    EndClip {
        /// Whose.
        leg: LegId,
    },
    /// Look for keys in the audio, whatever was agreed.
    ListenForTones {
        /// Whose.
        leg: LegId,
    },
    /// A SIP INFO that may be a digit.
    InfoDigit {
        /// Whose.
        leg: LegId,
        /// Its body.
        body: Phi<Vec<u8>>,
    },
    /// Press keys towards the other side: for test phones.
    SendDigits {
        /// On which leg.
        leg: LegId,
        /// Which keys.
        digits: Vec<media::Digit>,
        /// How they travel.
        how: media::DigitWay,
    },
    /// The party is gone.
    Close {
        /// Whose.
        leg: LegId,
    },
    /// Falls over, as a fault of ours would.
    #[cfg(test)]
    Break {
        /// Whose audio.
        leg: LegId,
    },
}

impl Order {
    /// The leg it concerns.
    pub(super) fn leg(&self) -> Option<LegId> {
        match self {
            Order::Open { leg, .. }
            | Order::Update { leg, .. }
            | Order::Play { leg, .. }
            | Order::Hush { leg }
            | Order::Bridge { a: leg, .. }
            | Order::Unbridge { a: leg, .. }
            | Order::Record { leg, .. }
            | Order::Clip { leg, .. }
            | Order::EndClip { leg }
            | Order::ListenForTones { leg }
            | Order::InfoDigit { leg, .. }
            | Order::SendDigits { leg, .. }
            | Order::Close { leg } => Some(*leg),
            Order::StopRecord { .. } => None,
            #[cfg(test)]
            Order::Break { leg } => Some(*leg),
        }
    }
}
