//! What the book looks like on disk. All integers are big-endian.
//!
//! ```text
//! segment   0 magic 8 | version 2 | flags 2 | zero 4 | book id 16 | first sequence 8 | at ms 8 | salt 32
//!          80 head of the segment before 32 | 112 SHA-256 of 0..112 = the head this segment starts from
//! record    0 length of all after it 4 | 4 check 4 | 8 sequence 8 | at ms 8 | class 1 | has call 1 | call id 16
//!          42 key id 16 | 58 body | SHA-256(head before, 0..here) 32 = the head after it
//! ```
//! The key id names the row key (of a practice, a month and a class) the body's own key comes from; all zero is the book's
//! own. When the row key is destroyed the body is gone, and everything above still verifies: chain and signatures run over what is
//! sealed.
//! `check` is the start of SHA-256(head before, length, sequence): a damaged length is told from a record the power cut
//! short. The body of a checkpoint is in the clear: 1 octet (1 = the segment is closed), 64 of signature.
#![allow(
    clippy::indexing_slicing,
    reason = "ranges are constants inside arrays and slices whose length was checked"
)]

use seal::{RECORD_OVERHEAD, RecordKey, RowKeyId, SIGNATURE, SegmentKey, Signer, Verifier};

use crate::keys::OWN;
use crate::{Entry, Fault};

/// Longest body of a row.
pub const BODY_MAX: usize = 256 * 1024;
/// Longest kind of a row.
pub const KIND_MAX: usize = 64;

pub(crate) const SEGMENT_HEADER: usize = 144;
pub(crate) const RECORD_HEAD: usize = 58;
pub(crate) const HASH: usize = 32;
/// The shortest record there can be: an empty body, sealed.
pub(crate) const RECORD_MIN: usize = RECORD_HEAD + 1 + RECORD_OVERHEAD + HASH;
/// Octets of a record after its length and check that are in the clear.
const CLEAR: usize = RECORD_HEAD - 8;
pub(crate) const RECORD_MAX: usize = RECORD_MIN + KIND_MAX + BODY_MAX;
/// Octets of a record before which its length cannot be believed.
pub(crate) const RECORD_CHECKED: usize = 16;
pub(crate) const FLAG_AFTER_DAMAGE: u16 = 1;

const MAGIC: [u8; 8] = [0x89, b'N', b'D', b'B', b'O', b'O', b'K', 0x0A];
const VERSION: u16 = 2;
const CHECKPOINT_BODY: usize = 1 + SIGNATURE;

/// What a row is, as far as everyone may know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// Something that happened.
    Fact,
    /// Somebody saw or heard something.
    Access,
    /// The writer's signature under everything before.
    Checkpoint,
}

impl Class {
    pub(crate) fn octet(self) -> u8 {
        match self {
            Self::Fact => 0,
            Self::Access => 1,
            Self::Checkpoint => 2,
        }
    }

    fn from_octet(octet: u8) -> Option<Self> {
        match octet {
            0 => Some(Self::Fact),
            1 => Some(Self::Access),
            2 => Some(Self::Checkpoint),
            _ => None,
        }
    }
}

/// The start of a segment file.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) after_damage: bool,
    pub(crate) book: [u8; 16],
    pub(crate) first: u64,
    pub(crate) at_ms: i64,
    pub(crate) salt: [u8; 32],
    pub(crate) before: [u8; 32],
}

impl SegmentHeader {
    pub(crate) fn to_bytes(&self) -> [u8; SEGMENT_HEADER] {
        let mut out = [0; SEGMENT_HEADER];
        out[0..8].copy_from_slice(&MAGIC);
        out[8..10].copy_from_slice(&VERSION.to_be_bytes());
        out[10..12].copy_from_slice(&(if self.after_damage { FLAG_AFTER_DAMAGE } else { 0 }).to_be_bytes());
        out[16..32].copy_from_slice(&self.book);
        out[32..40].copy_from_slice(&self.first.to_be_bytes());
        out[40..48].copy_from_slice(&self.at_ms.to_be_bytes());
        out[48..80].copy_from_slice(&self.salt);
        out[80..112].copy_from_slice(&self.before);
        let head = seal::hash(&out[..112]);
        out[112..].copy_from_slice(&head);
        out
    }

    /// The header and the head its records start from.
    pub(crate) fn parse(bytes: &[u8; SEGMENT_HEADER]) -> Result<(Self, [u8; 32]), &'static str> {
        if bytes[0..8] != MAGIC {
            return Err("not a segment of a book");
        }
        if bytes[8..10] != VERSION.to_be_bytes() {
            return Err("a version of the book that this nightdesk does not read");
        }
        let flags = u16::from_be_bytes([bytes[10], bytes[11]]);
        let head: [u8; 32] = array(&bytes[112..]);
        if seal::hash(&bytes[..112]) != head || flags & !FLAG_AFTER_DAMAGE != 0 || bytes[12..16] != [0; 4] {
            return Err("the segment's header was changed");
        }
        let header = Self {
            after_damage: flags & FLAG_AFTER_DAMAGE != 0,
            book: array(&bytes[16..32]),
            first: u64::from_be_bytes(array(&bytes[32..40])),
            at_ms: i64::from_be_bytes(array(&bytes[40..48])),
            salt: array(&bytes[48..80]),
            before: array(&bytes[80..112]),
        };
        Ok((header, head))
    }
}

/// A record, found whole in `bytes`.
#[derive(Clone, Copy)]
pub(crate) struct Record<'a> {
    pub(crate) sequence: u64,
    pub(crate) at_ms: i64,
    pub(crate) class: Option<Class>,
    pub(crate) call: Option<[u8; 16]>,
    /// What its own key comes from.
    pub(crate) key: RowKeyId,
    /// Everything of it, hash included.
    pub(crate) bytes: &'a [u8],
}

/// What stands at a place of a segment.
pub(crate) enum Found<'a> {
    /// A record of a believable length; its hash has not been checked.
    Record(Record<'a>),
    /// The start of one: more octets are needed, this many in all as far as is known.
    Incomplete { needed: usize },
    /// A length that was never written here.
    BadLength,
}

/// Looks at the start of `bytes`. With `head`, the length is held against its check.
pub(crate) fn look<'a>(bytes: &'a [u8], head: Option<&[u8; 32]>) -> Found<'a> {
    let Some(start) = bytes.first_chunk::<RECORD_CHECKED>() else {
        return Found::Incomplete { needed: RECORD_CHECKED };
    };
    let length = u32::from_be_bytes(array(&start[0..4])) as usize;
    let Some(whole) = length
        .checked_add(4)
        .filter(|whole| (RECORD_MIN..=RECORD_MAX).contains(whole))
    else {
        return Found::BadLength;
    };
    if head.is_some_and(|head| length_check(head, &start[0..4], &start[8..16]) != start[4..8]) {
        return Found::BadLength;
    }
    let Some(bytes) = bytes.get(..whole) else {
        return Found::Incomplete { needed: whole };
    };
    Found::Record(Record {
        sequence: u64::from_be_bytes(array(&bytes[8..16])),
        at_ms: i64::from_be_bytes(array(&bytes[16..24])),
        class: Class::from_octet(bytes[24]),
        call: (bytes[25] == 1).then(|| array(&bytes[26..42])),
        key: RowKeyId(array(&bytes[42..58])),
        bytes,
    })
}

/// What a drive writes whole or not at all.
const SECTOR: usize = 512;

/// Whether what stands at `offset` of the last segment, to its end, is what a loss of power leaves of rows that were on
/// their way: a sector of it never arrived and reads as zeros. Nothing after that can be believed, and nothing in it was
/// acknowledged. A signature further on says otherwise: what it signs had been synced, so somebody took a part of it away.
pub(crate) fn lost_power(rest: &[u8], offset: u64, head: &[u8; 32]) -> bool {
    let in_sector = usize::try_from(offset % SECTOR as u64).unwrap_or(0);
    let (first, others) = rest.split_at((SECTOR - in_sector).min(rest.len()));
    let empty = |sector: &[u8]| sector.iter().all(|octet| *octet == 0);
    // A length is four octets and never zero; where fewer end a sector, zeros may be its own.
    let began = empty(first) && (first.len() >= 4 || length_lost(rest, first.len(), head));
    let hole = began || others.chunks_exact(SECTOR).any(empty);
    let length = u32::try_from(4 + CLEAR + CHECKPOINT_BODY + HASH)
        .unwrap_or(0)
        .to_be_bytes();
    let signed = |from: &[u8]| from.starts_with(&length) && from.get(24..26) == Some(&[Class::Checkpoint.octet(), 0]);
    hole && !(0..rest.len()).any(|at| rest.get(at..).is_some_and(signed))
}

/// Whether the length at the start of `rest` was another one before its first octets, zeros now, were lost: one that its own
/// check knows.
fn length_lost(rest: &[u8], lost: usize, head: &[u8; 32]) -> bool {
    let Some(start) = rest.first_chunk::<RECORD_CHECKED>() else {
        return false;
    };
    let lengths = (RECORD_MIN..=RECORD_MAX).filter_map(|whole| u32::try_from(whole - 4).ok());
    lengths
        .map(u32::to_be_bytes)
        .any(|length| length[lost..] == start[lost..4] && length_check(head, &length, &start[8..16]) == start[4..8])
}

impl<'a> Record<'a> {
    /// The hash it carries, which is the head after it.
    pub(crate) fn head_after(&self) -> [u8; 32] {
        array(&self.bytes[self.bytes.len() - HASH..])
    }

    /// Whether it is the record that was written after `head`.
    pub(crate) fn follows(&self, head: &[u8; 32]) -> bool {
        let (content, hash) = self.bytes.split_at(self.bytes.len() - HASH);
        chain(head, content) == *hash && self.class.is_some() && self.bytes[25] <= 1
    }

    /// What is said in the clear, the associated data of the body.
    fn clear(&self) -> &'a [u8] {
        &self.bytes[8..RECORD_HEAD]
    }

    fn body(&self) -> &'a [u8] {
        &self.bytes[RECORD_HEAD..self.bytes.len() - HASH]
    }

    /// Kind and body, opened.
    pub(crate) fn open_with(&self, key: &RecordKey) -> Option<(String, Vec<u8>)> {
        let mut sealed = self.body().to_vec();
        let opened = key.open(self.clear(), &mut sealed).ok()?;
        let (length, rest) = opened.split_first()?;
        let (kind, body) = rest.split_at_checked(usize::from(*length))?;
        Some((std::str::from_utf8(kind).ok()?.to_owned(), body.to_vec()))
    }

    /// Whether it is a checkpoint over `head` by the holder of the signing key.
    pub(crate) fn signed(&self, book: [u8; 16], head: &[u8; 32], key: &Verifier) -> bool {
        self.checkpoint(book, head)
            .is_some_and(|checkpoint| checkpoint.is_signed_by(key))
    }

    /// The checkpoint in it, when it is one; `head` is the head before it.
    pub(crate) fn checkpoint(&self, book: [u8; 16], head: &[u8; 32]) -> Option<Checkpoint> {
        let body: &[u8; CHECKPOINT_BODY] = self.body().try_into().ok()?;
        (self.class == Some(Class::Checkpoint)).then(|| Checkpoint {
            book,
            sequence: self.sequence,
            at_ms: self.at_ms,
            head: *head,
            closing: body[0] == 1,
            signature: array(&body[1..]),
        })
    }
}

/// Appends a sealed record to `out` and moves `head` on.
pub(crate) fn write_entry(
    out: &mut Vec<u8>,
    head: &mut [u8; 32],
    sequence: u64,
    class: Class,
    entry: &Entry,
    (id, key): (RowKeyId, &SegmentKey),
) -> Result<(), Fault> {
    if entry.kind.len() > KIND_MAX {
        return Err(Fault::MisuseTooLong("a kind"));
    }
    if entry.body.len() > BODY_MAX {
        return Err(Fault::MisuseTooLong("a body"));
    }
    let mut body = Vec::with_capacity(1 + entry.kind.len() + entry.body.len() + RECORD_OVERHEAD);
    body.push(u8::try_from(entry.kind.len()).map_err(|_| Fault::MisuseTooLong("a kind"))?);
    body.extend_from_slice(entry.kind.as_bytes());
    body.extend_from_slice(&entry.body);
    let clear = clear(sequence, entry.at_ms, class, entry.call, id);
    key.seal(sequence, &clear, &mut body)
        .map_err(|_| Fault::MisuseTooLong("a body"))?;
    write_record(out, head, &clear, &body);
    Ok(())
}

/// Appends a signed checkpoint to `out` and moves `head` on.
pub(crate) fn write_checkpoint(
    out: &mut Vec<u8>,
    head: &mut [u8; 32],
    book: [u8; 16],
    sequence: u64,
    at_ms: i64,
    closing: bool,
    signer: &Signer,
) -> Checkpoint {
    let mut checkpoint = Checkpoint {
        book,
        sequence,
        at_ms,
        head: *head,
        closing,
        signature: [0; SIGNATURE],
    };
    checkpoint.signature = signer.sign(&checkpoint.message());
    let mut body = [0; CHECKPOINT_BODY];
    body[0] = u8::from(closing);
    body[1..].copy_from_slice(&checkpoint.signature);
    let clear = clear(sequence, at_ms, Class::Checkpoint, None, OWN);
    write_record(out, head, &clear, &body);
    checkpoint
}

fn write_record(out: &mut Vec<u8>, head: &mut [u8; 32], clear: &[u8; CLEAR], body: &[u8]) {
    let start = out.len();
    let length = u32::try_from(4 + clear.len() + body.len() + HASH)
        .expect("kinds and bodies were held against their limits")
        .to_be_bytes();
    out.extend_from_slice(&length);
    out.extend_from_slice(&length_check(head, &length, &clear[..8]));
    out.extend_from_slice(clear);
    out.extend_from_slice(body);
    *head = chain(head, &out[start..]);
    out.extend_from_slice(head);
}

fn clear(sequence: u64, at_ms: i64, class: Class, call: Option<[u8; 16]>, key: RowKeyId) -> [u8; CLEAR] {
    let mut out = [0; CLEAR];
    out[0..8].copy_from_slice(&sequence.to_be_bytes());
    out[8..16].copy_from_slice(&at_ms.to_be_bytes());
    out[16] = class.octet();
    out[17] = u8::from(call.is_some());
    out[18..34].copy_from_slice(&call.unwrap_or_default());
    out[34..50].copy_from_slice(&key.0);
    out
}

fn chain(head: &[u8; 32], content: &[u8]) -> [u8; 32] {
    let mut running = seal::Hasher::new();
    running.update(head);
    running.update(content);
    running.finish()
}

fn length_check(head: &[u8; 32], length: &[u8], sequence: &[u8]) -> [u8; 4] {
    let mut running = seal::Hasher::new();
    running.update(head);
    running.update(length);
    running.update(sequence);
    let hash = running.finish();
    [hash[0], hash[1], hash[2], hash[3]]
}

/// The writer's signature under everything before it. Kept elsewhere, it tells later whether the end was cut off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which book.
    pub book: [u8; 16],
    /// Its own number.
    pub sequence: u64,
    /// When it was made, Unix milliseconds.
    pub at_ms: i64,
    /// The chain up to the row before it.
    pub head: [u8; 32],
    /// The segment was closed in order.
    pub closing: bool,
    /// By the book's signing key.
    pub signature: [u8; SIGNATURE],
}

impl Checkpoint {
    fn message(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(96);
        out.extend_from_slice(b"nightdesk checkpoint v1");
        out.extend_from_slice(&self.book);
        out.extend_from_slice(&self.sequence.to_be_bytes());
        out.extend_from_slice(&self.at_ms.to_be_bytes());
        out.extend_from_slice(&self.head);
        out.push(u8::from(self.closing));
        out
    }

    /// Whether the holder of the signing key made it.
    pub fn is_signed_by(&self, key: &Verifier) -> bool {
        key.check(&self.message(), &self.signature).is_ok()
    }

    /// One line of text, to be kept off this machine.
    pub fn to_line(&self) -> String {
        use seal::keys::hex;
        format!(
            "nightdesk-checkpoint 1 book={} sequence={} at_ms={} head={} closing={} signature={}",
            hex(&self.book),
            self.sequence,
            self.at_ms,
            hex(&self.head),
            u8::from(self.closing),
            hex(&self.signature)
        )
    }

    /// Reads [`Checkpoint::to_line`].
    pub fn from_line(line: &str) -> Option<Self> {
        use seal::keys::unhex;
        let mut words = line.trim().strip_prefix("nightdesk-checkpoint 1 ")?.split(' ');
        let mut value = |name: &str| words.next()?.strip_prefix(name)?.strip_prefix('=');
        Some(Self {
            book: unhex(value("book")?)?,
            sequence: value("sequence")?.parse().ok()?,
            at_ms: value("at_ms")?.parse().ok()?,
            head: unhex(value("head")?)?,
            closing: value("closing")? == "1",
            signature: unhex(value("signature")?)?,
        })
    }
}

fn array<const N: usize>(slice: &[u8]) -> [u8; N] {
    slice
        .try_into()
        .expect("every caller above passes a range of exactly this length")
}
