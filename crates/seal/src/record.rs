//! How a record of the book is sealed: AES-256-GCM under a key of its own.
//!
//! A record's key comes from its number and the key of its segment file; that one comes from the book's key and 32 random
//! octets in the segment's first lines. The book starts a new segment whenever it is opened and after every failed
//! write, so no key ever seals twice. Since each record has its own key, that key can be shown to an auditor
//! ([`RecordKey::to_hex`]): it opens this record and no other. A commitment before the ciphertext keeps it from being
//! opened to two texts with two keys, which AES-GCM alone would allow whoever wrote it.

use ring::aead;
use zeroize::Zeroizing;

use crate::keys::{hex, unhex};
use crate::{Fault, hash, hkdf};

/// Octets of the commitment to the key.
const COMMITMENT: usize = 16;
/// Octets sealing adds to a record: the commitment before it, the tag after it.
pub const RECORD_OVERHEAD: usize = COMMITMENT + 16;

/// The key all records of a book hang on. Wiped when dropped.
#[derive(Clone)]
pub struct BookKey(Zeroizing<[u8; 32]>);

/// The key of one segment file.
pub struct SegmentKey(hkdf::Prk);

/// The key of one record, which opens nothing else. Wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct RecordKey(Zeroizing<[u8; 32]>);

impl BookKey {
    pub(crate) fn new(key: Zeroizing<[u8; 32]>) -> Self {
        Self(key)
    }

    pub(crate) fn secret(&self) -> &[u8; 32] {
        &self.0
    }

    /// The key of the segment whose header carries `salt`.
    pub fn segment(&self, salt: &[u8; 32]) -> SegmentKey {
        SegmentKey::derive(&self.0, salt, b"nightdesk book segment v1")
    }

    /// What an index may keep of a word it has to find again: whoever has the index and not the key learns nothing of it.
    pub fn term(&self, word: &[u8]) -> [u8; 16] {
        term(&self.0, word)
    }
}

impl SegmentKey {
    pub(crate) fn derive(from: &[u8; 32], salt: &[u8; 32], label: &[u8]) -> Self {
        let key = Zeroizing::new(hkdf::<32>(from, salt, label));
        Self(hkdf::Prk::new_less_safe(hkdf::HKDF_SHA256, key.as_slice()))
    }

    /// The key of the record with this number.
    pub fn record(&self, sequence: u64) -> RecordKey {
        let mut key = Zeroizing::new([0; 32]);
        self.0
            .expand(
                &[b"nightdesk record v2", sequence.to_be_bytes().as_slice()],
                hkdf::HKDF_SHA256,
            )
            .and_then(|okm| okm.fill(key.as_mut_slice()))
            .expect("one hash of output is within RFC 5869 §2.3");
        RecordKey(key)
    }

    /// Seals `body` in place: it comes out [`RECORD_OVERHEAD`] longer. `clear` is what the record says in the clear.
    pub fn seal(&self, sequence: u64, clear: &[u8], body: &mut Vec<u8>) -> Result<(), Fault> {
        self.record(sequence).seal(clear, body)
    }

    /// Opens what [`SegmentKey::seal`] made, in place.
    pub fn open<'a>(&self, sequence: u64, clear: &[u8], sealed: &'a mut [u8]) -> Result<&'a mut [u8], Fault> {
        self.record(sequence).open(clear, sealed)
    }
}

impl RecordKey {
    fn seal(&self, clear: &[u8], body: &mut Vec<u8>) -> Result<(), Fault> {
        let mut schedule = cipher(&self.0);
        let tag = schedule.seal_in_place_separate_tag(nonce(), aead::Aad::from(clear), body);
        blank(&mut schedule);
        let tag = tag.map_err(|_| Fault::RefusedRecord)?;
        body.splice(0..0, self.commitment());
        body.extend_from_slice(tag.as_ref());
        Ok(())
    }

    /// Opens the one record it was made for, in place.
    pub fn open<'a>(&self, clear: &[u8], sealed: &'a mut [u8]) -> Result<&'a mut [u8], Fault> {
        let (commitment, rest) = sealed
            .split_first_chunk_mut::<COMMITMENT>()
            .ok_or(Fault::RefusedRecord)?;
        if *commitment != self.commitment() {
            return Err(Fault::RefusedRecord);
        }
        let mut schedule = cipher(&self.0);
        let opened = schedule.open_in_place(nonce(), aead::Aad::from(clear), rest);
        blank(&mut schedule);
        opened.map_err(|_| Fault::RefusedRecord)
    }

    /// As it is shown to whoever may read this one record.
    pub fn to_hex(&self) -> Zeroizing<String> {
        Zeroizing::new(hex(self.0.as_slice()))
    }

    /// Reads [`RecordKey::to_hex`].
    pub fn from_hex(digits: &str) -> Option<Self> {
        unhex(digits).map(|key| Self(Zeroizing::new(key)))
    }

    fn commitment(&self) -> [u8; COMMITMENT] {
        let whole = Zeroizing::new([b"nightdesk record commitment v2".as_slice(), self.0.as_slice()].concat());
        *hash(&whole).first_chunk().expect("16 of 32")
    }
}

pub(crate) fn term(key: &[u8; 32], word: &[u8]) -> [u8; 16] {
    let key = Zeroizing::new(hkdf::<32>(key, b"", b"nightdesk book terms v1"));
    let tag = crate::hmac(key.as_slice(), word);
    *tag.first_chunk().expect("16 of 32")
}

/// An AES-256-GCM key with its schedule.
pub(crate) fn cipher(key: &[u8; 32]) -> aead::LessSafeKey {
    aead::LessSafeKey::new(aead::UnboundKey::new(&aead::AES_256_GCM, key).expect("AES-256 takes 32 octets"))
}

/// Overwrites the stack below the caller: what functions it called before have left there, copies of keys among it. A
/// value that is moved leaves its octets behind, and nobody wipes those (C6 found them in a core dump).
#[inline(never)]
pub(crate) fn scrub() {
    let mut below = Zeroizing::new([0_u8; 48 * 1024]);
    std::hint::black_box(below.as_mut_slice());
}

/// Overwrites a key schedule, which ring does not do when it is dropped.
pub(crate) fn blank(key: &mut aead::LessSafeKey) {
    *key = cipher(&[0; 32]);
    std::hint::black_box(key);
}

/// A key seals one record, so that every record may have the same.
fn nonce() -> aead::Nonce {
    aead::Nonce::assume_unique_for_key([0; 12])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment() -> SegmentKey {
        BookKey::new(Zeroizing::new([7; 32])).segment(&[9; 32])
    }

    #[test]
    fn a_shown_key_opens_its_own_record_and_no_other() {
        let mut sealed = [b"first".to_vec(), b"second".to_vec()];
        for (number, body) in (1..).zip(&mut sealed) {
            segment().seal(number, b"clear", body).expect("sealed");
        }
        let shown = RecordKey::from_hex(&segment().record(1).to_hex()).expect("hexadecimal");
        let [mut first, mut second] = sealed;
        assert_eq!(shown.open(b"clear", &mut second).map(drop), Err(Fault::RefusedRecord));
        assert_eq!(
            shown.open(b"CLEAR", &mut first.clone()).map(drop),
            Err(Fault::RefusedRecord)
        );
        assert_eq!(
            shown.open(b"clear", &mut first).map(|body| body.to_vec()),
            Ok(b"first".to_vec())
        );
        assert_eq!(shown.open(b"clear", &mut [0; 15]).map(drop), Err(Fault::RefusedRecord));
    }

    #[test]
    fn every_octet_of_a_sealed_record_counts() {
        let mut sealed = b"body".to_vec();
        segment().seal(3, b"clear", &mut sealed).expect("sealed");
        assert_eq!(sealed.len(), 4 + RECORD_OVERHEAD);
        for at in 0..sealed.len() {
            let mut flipped = sealed.clone();
            if let Some(octet) = flipped.get_mut(at) {
                *octet ^= 1;
            }
            assert_eq!(
                segment().open(3, b"clear", &mut flipped).map(drop),
                Err(Fault::RefusedRecord)
            );
        }
    }
}
