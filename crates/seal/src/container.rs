//! What a sealed recording looks like on disk (design/recording-format.md §2): the parts that are in the clear.
//!
//! 128 octets of facts, 896 of recipients, 32 of MAC, then chunks of 8016. All integers are big-endian. Nothing here
//! needs a key: a node that records, and one that only tidies up after a crash, can still tell what a file is.
#![allow(
    clippy::indexing_slicing,
    reason = "ranges are constants inside arrays of constant size"
)]

use crate::Fault;

/// Octets of the immutable facts at the start of a file.
pub const FIXED: usize = 128;
/// Octets before the first chunk.
pub const HEADER: usize = 1056;
/// Octets of audio in a chunk: half a second of two channels, a second of one.
pub const CHUNK: usize = 8000;
/// Octets an AES-GCM tag adds.
pub const TAG: usize = 16;
/// Octets of a chunk on disk.
pub const CHUNK_SEALED: usize = CHUNK + TAG;
/// Most recipients a header has room for.
pub const RECIPIENTS_MAX: usize = 6;
/// Samples per second and channel.
pub const SAMPLE_RATE: u32 = 8000;
/// Most octets of audio a final chunk carries. One less than would make it as long as an audio chunk, so that the
/// length of a file says without a key whether a final chunk can be there; a longer rest is padded to a whole chunk
/// with silence and the final chunk's frame count says where the audio ends.
pub const REMAINDER_MAX: usize = CHUNK - FINAL_FACTS - 1;
/// Octets of the shortest final chunk on disk.
pub const FINAL_SEALED_MIN: usize = FINAL_FACTS + TAG;
/// Octets of the longest final chunk on disk.
pub const FINAL_SEALED_MAX: usize = REMAINDER_MAX + FINAL_SEALED_MIN;
/// Flag: the caller agreed to the recording before its first sample.
pub const FLAG_CONSENT_BEFORE_START: u16 = 1;
/// Flag: a message clip, spoken for the practice, rather than the recording of a call.
pub const FLAG_CLIP: u16 = 4;

pub(crate) const FINAL_FACTS: usize = 8 + 8 + 32;
pub(crate) const RECIPIENTS_AT: usize = FIXED;
pub(crate) const SLOT: usize = 144;
pub(crate) const MAC_AT: usize = 1024;
pub(crate) const KIND_AUDIO: u8 = 0;
pub(crate) const KIND_FINAL: u8 = 1;
/// What a waveform is drawn from; it lies beside the container, in a file of its own.
pub(crate) const KIND_PEAKS: u8 = 2;

const MAGIC: [u8; 8] = [0x89, 0x43, 0x46, 0x52, 0x45, 0x43, 0x0D, 0x0A];
const VERSION: u16 = 1;
const SUITE: u16 = 4;
const SLOT_EMPTY: u16 = 0;
const SLOT_HPKE: u16 = 1;
const SLOT_HPKE_PSK: u16 = 2;

/// Where chunk `index` starts.
pub const fn chunk_offset(index: u32) -> u64 {
    HEADER as u64 + CHUNK_SEALED as u64 * index as u64
}

/// How many whole chunks a file of `length` octets has, and how many octets follow them. `None` when there is not
/// even a header.
pub const fn split_length(length: u64) -> Option<(u64, u64)> {
    match length.checked_sub(HEADER as u64) {
        Some(payload) => Some((payload / CHUNK_SEALED as u64, payload % CHUNK_SEALED as u64)),
        None => None,
    }
}

/// How a sample is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Codec {
    /// G.711 mu-law, RTP payload type 0.
    MuLaw,
    /// G.711 A-law, RTP payload type 8.
    ALaw,
}

impl Codec {
    /// The octet that sounds like nothing.
    pub const fn silence(self) -> u8 {
        match self {
            Self::MuLaw => 0xFF,
            Self::ALaw => 0xD5,
        }
    }

    const fn octet(self) -> u8 {
        match self {
            Self::MuLaw => 0,
            Self::ALaw => 8,
        }
    }
}

/// The facts at the start of a recording; immutable, readable by anyone, and the salt of all its keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fixed {
    /// How a sample is kept.
    pub codec: Codec,
    /// 1, or 2: octets of caller and other side in turns.
    pub channels: u8,
    /// [`FLAG_CONSENT_BEFORE_START`], [`FLAG_CLIP`].
    pub flags: u16,
    /// This file, drawn at random.
    pub file: [u8; 16],
    /// Whose it is.
    pub tenant: [u8; 16],
    /// Our own record of the call; never the SIP Call-ID, which a stranger chooses.
    pub call: [u8; 16],
    /// The first sample, Unix milliseconds.
    pub start_ms: i64,
    /// The same instant on the monotonic clock, to find gaps against the book.
    pub monotonic_ns: u64,
    /// SHA-256 of the consent and flow version record.
    pub consent: [u8; 32],
}

impl Fixed {
    /// As it stands at the start of the file.
    pub fn to_bytes(&self) -> [u8; FIXED] {
        let mut out = [0; FIXED];
        out[0..8].copy_from_slice(&MAGIC);
        out[8..10].copy_from_slice(&VERSION.to_be_bytes());
        out[10..12].copy_from_slice(&SUITE.to_be_bytes());
        out[12] = self.codec.octet();
        out[13] = self.channels;
        out[14..16].copy_from_slice(&self.flags.to_be_bytes());
        out[16..20].copy_from_slice(&SAMPLE_RATE.to_be_bytes());
        out[20..24].copy_from_slice(&(CHUNK as u32).to_be_bytes());
        out[24..40].copy_from_slice(&self.file);
        out[40..56].copy_from_slice(&self.tenant);
        out[56..72].copy_from_slice(&self.call);
        out[72..80].copy_from_slice(&self.start_ms.to_be_bytes());
        out[80..88].copy_from_slice(&self.monotonic_ns.to_be_bytes());
        out[88..120].copy_from_slice(&self.consent);
        out
    }

    /// Reads what [`Fixed::to_bytes`] wrote. Says nothing yet about who wrote it.
    pub fn parse(bytes: &[u8; FIXED]) -> Result<Self, Fault> {
        let malformed = |what| Err(Fault::MalformedHeader(what));
        if bytes[0..8] != MAGIC {
            return malformed("other magic");
        }
        if bytes[8..10] != VERSION.to_be_bytes() {
            return malformed("unknown version");
        }
        if bytes[10..12] != SUITE.to_be_bytes() {
            return malformed("unknown suite");
        }
        let codec = match bytes[12] {
            0 => Codec::MuLaw,
            8 => Codec::ALaw,
            _ => return malformed("unknown codec"),
        };
        let channels = bytes[13];
        if !matches!(channels, 1 | 2) {
            return malformed("neither one channel nor two");
        }
        let flags = u16::from_be_bytes(array(&bytes[14..16]));
        if flags & !(FLAG_CONSENT_BEFORE_START | 2 | FLAG_CLIP) != 0 {
            return malformed("unknown flags");
        }
        if bytes[16..20] != SAMPLE_RATE.to_be_bytes() {
            return malformed("other sample rate");
        }
        if bytes[20..24] != (CHUNK as u32).to_be_bytes() {
            return malformed("other chunk size");
        }
        if bytes[120..128] != [0; 8] {
            return malformed("reserved octets are not zero");
        }
        Ok(Self {
            codec,
            channels,
            flags,
            file: array(&bytes[24..40]),
            tenant: array(&bytes[40..56]),
            call: array(&bytes[56..72]),
            start_ms: i64::from_be_bytes(array(&bytes[72..80])),
            monotonic_ns: u64::from_be_bytes(array(&bytes[80..88])),
            consent: array(&bytes[88..120]),
        })
    }
}

/// How a slot's file key is wrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlotKind {
    /// HPKE base mode (RFC 9180 §5.1.1): the recipient's secret key opens it.
    Base,
    /// HPKE PSK mode (RFC 9180 §5.1.2): the secret key and the file's [`crate::ItemShare`] together.
    Shared,
}

/// A file key wrapped for one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// What opens it.
    pub kind: SlotKind,
    /// Which generation of the recipient's key.
    pub epoch: u32,
    /// First half of SHA-256 of the recipient's public key.
    pub key_id: [u8; 16],
    pub(crate) enc: [u8; 32],
    pub(crate) wrapped: [u8; 48],
}

/// The 1056 octets before the first chunk, read without a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The facts.
    pub fixed: Fixed,
    /// For whom it was sealed.
    pub slots: Vec<Slot>,
    pub(crate) bytes: [u8; HEADER],
}

impl Header {
    /// Reads the start of a file; `bytes` may go on after the header.
    pub fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        let bytes: &[u8; HEADER] = bytes
            .first_chunk()
            .ok_or(Fault::MalformedHeader("shorter than a header"))?;
        let fixed = Fixed::parse(&array(&bytes[..FIXED]))?;
        let (slots, rest) = bytes[RECIPIENTS_AT..MAC_AT].split_at(SLOT * RECIPIENTS_MAX);
        if rest.iter().any(|octet| *octet != 0) {
            return Err(Fault::MalformedHeader("octets after the recipients are not zero"));
        }
        let mut recipients = Vec::with_capacity(RECIPIENTS_MAX);
        let mut ended = false;
        for slot in slots.as_chunks::<SLOT>().0 {
            let kind = match u16::from_be_bytes([slot[0], slot[1]]) {
                SLOT_HPKE => Some(SlotKind::Base),
                SLOT_HPKE_PSK => Some(SlotKind::Shared),
                _ => None,
            };
            match (u16::from_be_bytes([slot[0], slot[1]]), kind) {
                (SLOT_EMPTY, _) if slot.iter().all(|octet| *octet == 0) => ended = true,
                (_, Some(kind)) if !ended && slot[102..].iter().all(|octet| *octet == 0) => recipients.push(Slot {
                    kind,
                    epoch: u32::from_be_bytes(array(&slot[2..6])),
                    key_id: array(&slot[6..22]),
                    enc: array(&slot[22..54]),
                    wrapped: array(&slot[54..102]),
                }),
                _ => return Err(Fault::MalformedHeader("a recipient slot is not as it should be")),
            }
        }
        if recipients.is_empty() {
            return Err(Fault::MalformedHeader("sealed for nobody"));
        }
        Ok(Self {
            fixed,
            slots: recipients,
            bytes: *bytes,
        })
    }
}

impl Header {
    pub(crate) fn fixed_bytes(&self) -> &[u8; FIXED] {
        self.bytes
            .first_chunk()
            .expect("a header is longer than its fixed part")
    }

    /// Whether nothing but the file's [`crate::ItemShare`] can open it.
    pub fn asks_for_share(&self) -> bool {
        self.slots.iter().all(|slot| slot.kind == SlotKind::Shared)
    }
}

/// Fixed part and slots as they stand before the MAC; the MAC's place is still zero.
pub(crate) fn assemble(fixed: &[u8; FIXED], slots: &[Slot]) -> [u8; HEADER] {
    let mut out = [0; HEADER];
    out[..FIXED].copy_from_slice(fixed);
    for (place, slot) in out[RECIPIENTS_AT..MAC_AT]
        .as_chunks_mut::<SLOT>()
        .0
        .iter_mut()
        .zip(slots)
    {
        let kind = match slot.kind {
            SlotKind::Base => SLOT_HPKE,
            SlotKind::Shared => SLOT_HPKE_PSK,
        };
        place[0..2].copy_from_slice(&kind.to_be_bytes());
        place[2..6].copy_from_slice(&slot.epoch.to_be_bytes());
        place[6..22].copy_from_slice(&slot.key_id);
        place[22..54].copy_from_slice(&slot.enc);
        place[54..102].copy_from_slice(&slot.wrapped);
    }
    out
}

fn array<const N: usize>(slice: &[u8]) -> [u8; N] {
    slice
        .try_into()
        .expect("every caller above passes a range of exactly this length")
}
