//! Cryptography and nothing else: keys, the sealed container, sealed records, signatures.
//!
//! Everything here is a function of its arguments: randomness comes in as an [`Entropy`], the time is a number in a
//! header, bytes go in and out. `ring` does all of it but one step, the HPKE wrap of a file key, which is the `hpke`
//! crate's; both stay behind the small types below so that a FIPS module can take their place.
//!
//! * [`Sealer`] and [`Opener`]: the container recordings are kept in (design/recording-format.md §2), chunk by chunk.
//!   Whoever seals needs public keys only, so a node that records cannot read what it wrote.
//! * [`Parent`], [`KeyName`]: root → practice → month and class, each key wrapped by itself. [`RowRing`]: the keys of rows.
//! * [`ItemShare`]: without it a single file stays shut, whoever has the month's key.
//! * [`BookKey`]: the records of the ledger. [`Signer`], [`Verifier`]: its checkpoints.
//! * [`Password`], [`Authenticator`], [`TokenKey`]: how a person proves who they are, and what is kept of it.
//! * [`keys`]: how keys look in a file. None of them has a `Debug`; all of them are wiped when dropped.

mod container;
pub mod keys;
mod open;
mod passkey;
mod people;
mod record;
mod rows;
mod seal;
mod sign;
mod split;
mod tree;

pub use container::{
    CHUNK, CHUNK_SEALED, Codec, FINAL_SEALED_MAX, FINAL_SEALED_MIN, FIXED, FLAG_CLIP, FLAG_CONSENT_BEFORE_START, Fixed,
    HEADER, Header, RECIPIENTS_MAX, REMAINDER_MAX, SAMPLE_RATE, Slot, SlotKind, TAG, chunk_offset, split_length,
};
pub use keys::{ItemShare, RecipientPublic, RecipientSecret};
pub use open::{Ending, Final, Opener, Reading, TORN_CHUNKS_MAX, open_file, rewrap};
pub use passkey::PasskeyKey;
pub use people::{
    AUTHENTICATOR, Authenticator, PASSWORD_COST, PASSWORD_OCTETS_MAX, Password, STEP_S, STEPS_ASIDE, TokenKey,
};
pub use record::{BookKey, RECORD_OVERHEAD, RecordKey, SegmentKey};
pub use rows::{Current, Place, Recipient, RecipientRing, RowKey, RowKeyId, RowRing};
pub use seal::Sealer;
pub use sign::{SIGNATURE, Signer, Verifier};
pub use split::{PARTS, Part, combine, split};
pub use tree::{Held, KeyName, Month, Parent, Retention, Tenant, WRAPPED};

use ring::{digest, hkdf, hmac};

/// Randomness handed in by a shell: fills the whole slice, or does not return.
pub type Entropy<'a> = &'a mut dyn FnMut(&mut [u8]);

/// Why something was not sealed, opened or believed. Carries no key and no content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The first 1056 octets are not a container of ours.
    #[error("not a sealed recording: {0}")]
    MalformedHeader(&'static str),
    /// A key file or a key's bytes are not what their first line says.
    #[error("not a usable key: {0}")]
    MalformedKey(&'static str),
    /// No slot of the header was made for this key.
    #[error("sealed for other keys")]
    RefusedKey,
    /// The file also asks for its item share, which was not handed in: it was destroyed, or lies in a backup of keys.
    #[error("the file's own share of its key is not there")]
    RefusedShare,
    /// A wrapped key was changed, stands in another key's place, or hangs on another parent.
    #[error("the wrapped key does not open: changed, misplaced, or under another key")]
    RefusedWrap,
    /// Text that is not a part of a recovery key as it was printed.
    #[error("part of a recovery key: {0}")]
    MalformedPart(&'static str),
    /// The header was changed after it was written.
    #[error("the header is not authentic")]
    RefusedHeader,
    /// A chunk is not the one that was written at this place of this file.
    #[error("chunk {index} is not authentic")]
    RefusedChunk {
        /// Its place in the file, from 0.
        index: u32,
    },
    /// The final chunk says something else than the chunks before it.
    #[error("the final chunk does not belong to the chunks before it")]
    RefusedFinal,
    /// A record of the book was changed, moved, or sealed with another key.
    #[error("the record is not authentic")]
    RefusedRecord,
    /// A signature is not by the key it should be by.
    #[error("the signature is not authentic")]
    RefusedSignature,
    /// A recording may have 2^32 - 1 chunks.
    #[error("the recording is as long as a recording can be")]
    ExhaustedChunks,
    /// More recipients than slots, or none at all.
    #[error("a recording needs 1 to {RECIPIENTS_MAX} recipients, not {0}")]
    MisuseRecipients(usize),
    /// More left over than a final chunk can hold.
    #[error("{0} octets do not fit a final chunk")]
    MisuseRemainder(usize),
}

/// SHA-256.
pub fn hash(bytes: &[u8]) -> [u8; 32] {
    let mut running = Hasher::new();
    running.update(bytes);
    running.finish()
}

/// SHA-256 over parts as they come.
#[derive(Clone)]
pub struct Hasher(digest::Context);

impl Hasher {
    /// Nothing hashed yet.
    pub fn new() -> Self {
        Self(digest::Context::new(&digest::SHA256))
    }

    /// Adds the next part.
    pub fn update(&mut self, part: &[u8]) {
        self.0.update(part);
    }

    /// The hash of all parts.
    pub fn finish(self) -> [u8; 32] {
        let mut out = [0; 32];
        for (to, from) in out.iter_mut().zip(self.0.finish().as_ref()) {
            *to = *from;
        }
        out
    }
}

impl Default for Hasher {
    fn default() -> Self {
        Self::new()
    }
}

/// HMAC-SHA256.
pub fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message);
    let mut out = [0; 32];
    for (to, from) in out.iter_mut().zip(tag.as_ref()) {
        *to = *from;
    }
    out
}

/// Whether `tag` is the HMAC-SHA256 of `message`, in time that does not depend on where they differ.
pub fn hmac_is(key: &[u8], message: &[u8], tag: &[u8]) -> bool {
    hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, key), message, tag).is_ok()
}

/// HKDF-SHA256, extract and expand (RFC 5869), for outputs of at most 255 hashes.
pub fn hkdf<const N: usize>(secret: &[u8], salt: &[u8], info: &[u8]) -> [u8; N] {
    struct Length(usize);
    impl hkdf::KeyType for Length {
        fn len(&self) -> usize {
            self.0
        }
    }
    const { assert!(N <= 255 * 32, "RFC 5869 §2.3: L <= 255 * HashLen") };
    let mut out = [0; N];
    hkdf::Salt::new(hkdf::HKDF_SHA256, salt)
        .extract(secret)
        .expand(&[info], Length(N))
        .and_then(|okm| okm.fill(&mut out))
        .expect("the length was checked when this was compiled");
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::hex;

    /// FIPS 180-4 example "abc"; RFC 4231 case 2; RFC 5869 A.1: that we call ring the way we think we do.
    #[test]
    fn published_vectors() {
        assert_eq!(
            hex(&hash(b"abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(
            hex(&hmac(b"Jefe", b"what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        let okm: [u8; 42] = hkdf(
            &[0x0b; 22],
            &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
            &[0xf0, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9],
        );
        assert_eq!(
            hex(&okm),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
        );
    }

    #[test]
    fn a_hash_in_parts_is_the_hash_of_the_whole() {
        let mut parts = Hasher::new();
        parts.update(b"a");
        parts.update(b"");
        parts.update(b"bc");
        assert_eq!(parts.finish(), hash(b"abc"));
    }
}
