//! How a record of the book is sealed: AES-256-GCM under a key of its segment file, the sequence number as nonce.
//!
//! A segment's key comes from the book's key and 32 random octets in the segment's first lines. The book starts a new
//! segment whenever it is opened and after every failed write, so no sequence number is ever sealed twice under one key.

use ring::aead;
use zeroize::Zeroizing;

use crate::{Fault, hkdf};

/// Octets sealing adds to a record.
pub const RECORD_OVERHEAD: usize = 16;

/// The key all records of a book hang on. Wiped when dropped.
#[derive(Clone)]
pub struct BookKey(Zeroizing<[u8; 32]>);

/// The key of one segment file.
pub struct SegmentKey(Box<aead::LessSafeKey>);

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
}

impl SegmentKey {
    pub(crate) fn derive(from: &[u8; 32], salt: &[u8; 32], label: &[u8]) -> Self {
        let key = Zeroizing::new(hkdf::<32>(from, salt, label));
        Self(Box::new(cipher(&key)))
    }

    /// Seals `body` in place: it comes out [`RECORD_OVERHEAD`] longer. `clear` is what the record says in the clear.
    pub fn seal(&self, sequence: u64, clear: &[u8], body: &mut Vec<u8>) -> Result<(), Fault> {
        self.0
            .seal_in_place_append_tag(nonce(sequence), aead::Aad::from(clear), body)
            .map_err(|_| Fault::RefusedRecord)
    }

    /// Opens what [`SegmentKey::seal`] made, in place.
    pub fn open<'a>(&self, sequence: u64, clear: &[u8], sealed: &'a mut [u8]) -> Result<&'a mut [u8], Fault> {
        self.0
            .open_in_place(nonce(sequence), aead::Aad::from(clear), sealed)
            .map_err(|_| Fault::RefusedRecord)
    }
}

impl Drop for SegmentKey {
    fn drop(&mut self) {
        blank(&mut self.0);
    }
}

/// An AES-256-GCM key with its schedule.
pub(crate) fn cipher(key: &[u8; 32]) -> aead::LessSafeKey {
    aead::LessSafeKey::new(aead::UnboundKey::new(&aead::AES_256_GCM, key).expect("AES-256 takes 32 octets"))
}

/// Overwrites a key schedule, which ring does not do when it is dropped.
pub(crate) fn blank(key: &mut aead::LessSafeKey) {
    *key = cipher(&[0; 32]);
    std::hint::black_box(key);
}

fn nonce(sequence: u64) -> aead::Nonce {
    let mut nonce = [0; 12];
    for (to, from) in nonce.iter_mut().skip(4).zip(sequence.to_be_bytes()) {
        *to = from;
    }
    aead::Nonce::assume_unique_for_key(nonce)
}
