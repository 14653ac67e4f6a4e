//! Writing a container: a header once, then chunk after chunk, then perhaps a final one.
//!
//! A [`Sealer`] lives as long as its recording is being made and cannot be had again: there is no way to go on with a
//! file after a restart, so no pair of key and nonce is used twice (C13).
#![allow(
    clippy::indexing_slicing,
    reason = "ranges are constants inside arrays of constant size"
)]

use ring::aead;
use zeroize::Zeroizing;

use crate::container::{
    CHUNK, CHUNK_SEALED, FIXED, HEADER, KIND_AUDIO, KIND_FINAL, KIND_PEAKS, MAC_AT, REMAINDER_MAX, assemble,
};
use crate::record::{blank, cipher, scrub};
use crate::{Entropy, Fault, Fixed, Hasher, ItemShare, RECIPIENTS_MAX, RecipientPublic, hash, hkdf, hmac};

/// Seals one recording.
pub struct Sealer {
    keys: FileKeys,
    next: u32,
    tags: Hasher,
    peaks_sealed: bool,
}

impl Sealer {
    /// Draws a file key, wraps it for everyone in `recipients`, forgets it, and gives the header to write first. With a
    /// `share` nobody opens the file without it.
    pub fn begin(
        fixed: &Fixed,
        recipients: &[RecipientPublic],
        share: Option<&ItemShare>,
        entropy: Entropy<'_>,
    ) -> Result<(Self, [u8; HEADER]), Fault> {
        let begun = Self::draw(fixed, recipients, share, entropy);
        scrub();
        begun
    }

    #[inline(never)]
    fn draw(
        fixed: &Fixed,
        recipients: &[RecipientPublic],
        share: Option<&ItemShare>,
        entropy: Entropy<'_>,
    ) -> Result<(Self, [u8; HEADER]), Fault> {
        let fixed = fixed.to_bytes();
        Fixed::parse(&fixed)?;
        let mut file_key = Zeroizing::new([0; 32]);
        entropy(file_key.as_mut_slice());
        let header = head(&fixed, &file_key, recipients, share, entropy)?;
        Ok((
            Self {
                keys: FileKeys::derive(&file_key, &fixed),
                next: 0,
                tags: Hasher::new(),
                peaks_sealed: false,
            },
            header,
        ))
    }

    /// Seals the first [`CHUNK`] octets of `buffer` in place and puts the tag behind them. Returns which chunk it is.
    pub fn chunk(&mut self, buffer: &mut [u8; CHUNK_SEALED]) -> Result<u32, Fault> {
        let index = self.next;
        // The last number is kept for a final chunk.
        let next = index
            .checked_add(1)
            .filter(|next| *next < u32::MAX)
            .ok_or(Fault::ExhaustedChunks)?;
        let (audio, tag_place) = buffer.split_at_mut(CHUNK);
        let tag = self.keys.seal(index, KIND_AUDIO, audio)?;
        tag_place.copy_from_slice(tag.as_ref());
        self.tags.update(tag.as_ref());
        self.next = next;
        Ok(index)
    }

    /// Chunks sealed so far.
    pub fn chunks(&self) -> u32 {
        self.next
    }

    /// Seals what a waveform is drawn from under the same key, with a nonce no chunk has; once, for [`Opener::peaks`].
    ///
    /// [`Opener::peaks`]: crate::Opener::peaks
    pub fn peaks(&mut self, peaks: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        if std::mem::replace(&mut self.peaks_sealed, true) {
            return Ok(None);
        }
        let mut out = Vec::with_capacity(peaks.len() + crate::TAG);
        out.extend_from_slice(peaks);
        let tag = self.keys.seal(0, KIND_PEAKS, &mut out)?;
        out.extend_from_slice(tag.as_ref());
        Ok(Some(out))
    }

    /// The final chunk: the audio left over (at most [`REMAINDER_MAX`]), how many frames there are in all, when it ended.
    pub fn finish(self, remainder: &[u8], frames: u64, end_ms: i64) -> Result<Vec<u8>, Fault> {
        if remainder.len() > REMAINDER_MAX {
            return Err(Fault::MisuseRemainder(remainder.len()));
        }
        let Self { keys, next, tags, .. } = self;
        let mut out = Vec::with_capacity(remainder.len() + crate::FINAL_SEALED_MIN);
        out.extend_from_slice(remainder);
        out.extend_from_slice(&frames.to_be_bytes());
        out.extend_from_slice(&end_ms.to_be_bytes());
        out.extend_from_slice(&tags.finish());
        let tag = keys.seal(next, KIND_FINAL, &mut out)?;
        out.extend_from_slice(tag.as_ref());
        Ok(out)
    }
}

/// Facts, slots for all recipients, and the MAC over them.
pub(crate) fn head(
    fixed: &[u8; FIXED],
    file_key: &[u8; 32],
    recipients: &[RecipientPublic],
    share: Option<&ItemShare>,
    entropy: Entropy<'_>,
) -> Result<[u8; HEADER], Fault> {
    if recipients.is_empty() || recipients.len() > RECIPIENTS_MAX {
        return Err(Fault::MisuseRecipients(recipients.len()));
    }
    let info = wrap_info(fixed);
    let slots = recipients
        .iter()
        .map(|recipient| recipient.wrap(file_key, &info, &file_id(fixed), share, &mut *entropy))
        .collect::<Result<Vec<_>, _>>()?;
    let mut header = assemble(fixed, &slots);
    let mac = header_mac(file_key, fixed, &header);
    header[MAC_AT..].copy_from_slice(&mac);
    Ok(header)
}

/// What the file key is turned into; the file key itself is not kept.
pub(crate) struct FileKeys {
    payload: Box<aead::LessSafeKey>,
    prefix: [u8; 7],
    commit: [u8; 16],
    file: [u8; 16],
}

impl FileKeys {
    pub(crate) fn derive(file_key: &[u8; 32], fixed: &[u8; FIXED]) -> Self {
        let salt = hash(fixed);
        let payload = Zeroizing::new(hkdf::<32>(file_key, &salt, b"cfrec payload"));
        Self {
            payload: Box::new(cipher(&payload)),
            prefix: hkdf(file_key, &salt, b"cfrec nonce"),
            commit: hkdf(file_key, &salt, b"cfrec commit"),
            file: file_id(fixed),
        }
    }

    fn seal(&self, index: u32, kind: u8, in_out: &mut [u8]) -> Result<aead::Tag, Fault> {
        let (aad, length) = self.aad(index, kind);
        self.payload
            .seal_in_place_separate_tag(self.nonce(index, kind), aead::Aad::from(&aad[..length]), in_out)
            .map_err(|_| Fault::RefusedChunk { index })
    }

    pub(crate) fn open<'a>(&self, index: u32, kind: u8, sealed: &'a mut [u8]) -> Result<&'a mut [u8], Fault> {
        let (aad, length) = self.aad(index, kind);
        self.payload
            .open_in_place(self.nonce(index, kind), aead::Aad::from(&aad[..length]), sealed)
            .map_err(|_| Fault::RefusedChunk { index })
    }

    fn nonce(&self, index: u32, kind: u8) -> aead::Nonce {
        let mut nonce = [0; 12];
        nonce[..7].copy_from_slice(&self.prefix);
        nonce[7..11].copy_from_slice(&index.to_be_bytes());
        nonce[11] = kind;
        aead::Nonce::assume_unique_for_key(nonce)
    }

    /// File id, index, kind; and for index 0 the key commitment, whichever kind it is.
    fn aad(&self, index: u32, kind: u8) -> ([u8; 37], usize) {
        let mut aad = [0; 37];
        aad[..16].copy_from_slice(&self.file);
        aad[16..20].copy_from_slice(&index.to_be_bytes());
        aad[20] = kind;
        aad[21..].copy_from_slice(&self.commit);
        (aad, if index == 0 { 37 } else { 21 })
    }
}

impl Drop for FileKeys {
    fn drop(&mut self) {
        blank(&mut self.payload);
    }
}

pub(crate) fn file_id(fixed: &[u8; FIXED]) -> [u8; 16] {
    *fixed[24..40].first_chunk().expect("24..40 are 16 octets")
}

/// The HPKE `info`: it binds a wrapped key to the facts of its file.
pub(crate) fn wrap_info(fixed: &[u8; FIXED]) -> Vec<u8> {
    [b"cfrec v1".as_slice(), fixed].concat()
}

/// HMAC over everything before it. It also commits to the file key, which AES-GCM alone does not.
pub(crate) fn header_mac(file_key: &[u8; 32], fixed: &[u8; FIXED], header: &[u8; HEADER]) -> [u8; 32] {
    hmac(mac_key(file_key, fixed).as_slice(), &header[..MAC_AT])
}

pub(crate) fn mac_key(file_key: &[u8; 32], fixed: &[u8; FIXED]) -> Zeroizing<[u8; 32]> {
    Zeroizing::new(hkdf(file_key, &hash(fixed), b"cfrec header"))
}
