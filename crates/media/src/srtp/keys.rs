//! Suites and the keys that go with them (RFC 4568 §6.2, RFC 7714 §14.2). A key never prints, and is wiped when dropped.

use std::fmt;
use zeroize::Zeroize;

/// Longest master key and salt of a suite: AES-256 and 12 bytes of salt.
pub const MASTER_BYTES_MAX: usize = 44;

/// A way to encrypt and authenticate one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Suite {
    /// AES-128 in counter mode, HMAC-SHA1 of 80 bits: the one everybody has (RFC 4568 §6.2.1).
    AesCm128HmacSha1Tag80,
    /// The same with tags of 32 bits on audio (RFC 4568 §6.2.2); reports keep 80.
    AesCm128HmacSha1Tag32,
    /// AES-128-GCM (RFC 7714).
    AeadAes128Gcm,
    /// AES-256-GCM (RFC 7714).
    AeadAes256Gcm,
}

impl Suite {
    /// All of them, in the order our offers list them unless told otherwise. The one everybody has comes first: some
    /// peers read no further than the first line.
    pub const ALL: [Self; 4] = [
        Self::AesCm128HmacSha1Tag80,
        Self::AeadAes256Gcm,
        Self::AeadAes128Gcm,
        Self::AesCm128HmacSha1Tag32,
    ];

    /// The name an `a=crypto` line gives it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AesCm128HmacSha1Tag80 => "AES_CM_128_HMAC_SHA1_80",
            Self::AesCm128HmacSha1Tag32 => "AES_CM_128_HMAC_SHA1_32",
            Self::AeadAes128Gcm => "AEAD_AES_128_GCM",
            Self::AeadAes256Gcm => "AEAD_AES_256_GCM",
        }
    }

    /// The suite of that name, in capitals or not.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|suite| name.eq_ignore_ascii_case(suite.name()))
    }

    /// Bytes of its master key.
    pub const fn key_bytes(self) -> usize {
        match self {
            Self::AesCm128HmacSha1Tag80 | Self::AesCm128HmacSha1Tag32 | Self::AeadAes128Gcm => 16,
            Self::AeadAes256Gcm => 32,
        }
    }

    /// Bytes of its master salt.
    pub const fn salt_bytes(self) -> usize {
        match self {
            Self::AesCm128HmacSha1Tag80 | Self::AesCm128HmacSha1Tag32 => 14,
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => 12,
        }
    }

    /// Bytes of both, as `inline:` carries them.
    pub const fn master_bytes(self) -> usize {
        self.key_bytes() + self.salt_bytes()
    }
}

/// The master key and salt of one direction.
#[derive(Clone, PartialEq, Eq)]
pub struct MasterKey {
    suite: Suite,
    bytes: [u8; MASTER_BYTES_MAX],
}

impl MasterKey {
    /// A key and its salt, one after the other; `None` when there are not as many bytes as the suite asks for.
    pub fn new(suite: Suite, bytes: &[u8]) -> Option<Self> {
        if bytes.len() != suite.master_bytes() {
            return None;
        }
        let mut key = Self {
            suite,
            bytes: [0; MASTER_BYTES_MAX],
        };
        key.bytes.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(key)
    }

    /// A fresh key, from the shell's randomness.
    pub fn drawn(suite: Suite, draw: &mut dyn FnMut() -> [u8; 16]) -> Self {
        let mut key = Self {
            suite,
            bytes: [0; MASTER_BYTES_MAX],
        };
        for chunk in key.bytes.chunks_mut(16) {
            let mut drawn = draw();
            for (to, from) in chunk.iter_mut().zip(&drawn) {
                *to = *from;
            }
            drawn.zeroize();
        }
        // Beyond the suite's own length nothing is kept, so that equal keys are equal values.
        key.bytes
            .iter_mut()
            .skip(suite.master_bytes())
            .for_each(|byte| *byte = 0);
        key
    }

    /// The suite it is for.
    pub fn suite(&self) -> Suite {
        self.suite
    }

    /// The key.
    pub fn key(&self) -> &[u8] {
        self.bytes.get(..self.suite.key_bytes()).unwrap_or_default()
    }

    /// The salt.
    pub fn salt(&self) -> &[u8] {
        self.bytes
            .get(self.suite.key_bytes()..self.suite.master_bytes())
            .unwrap_or_default()
    }

    /// Key and salt, as `inline:` carries them.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.suite.master_bytes()).unwrap_or_default()
    }
}

impl Drop for MasterKey {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("‹key›")
    }
}

/// What two parties agreed on to keep a stream to themselves: one key for each direction (RFC 4568 §6.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Srtp {
    /// How, in both directions.
    pub suite: Suite,
    /// What we seal with.
    pub send: MasterKey,
    /// What they seal with.
    pub receive: MasterKey,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_the_length_of_their_suite_and_never_print() {
        let lengths: Vec<usize> = Suite::ALL.into_iter().map(Suite::master_bytes).collect();
        assert_eq!(lengths, [30, 44, 28, 30]);
        let mut count = 0_u8;
        for suite in Suite::ALL {
            let key = MasterKey::drawn(suite, &mut || {
                count += 1;
                [count; 16]
            });
            assert_eq!(key.key().len() + key.salt().len(), suite.master_bytes());
            assert_eq!(MasterKey::new(suite, key.bytes()), Some(key.clone()));
            assert_eq!(MasterKey::new(suite, &[7; 45]), None);
            assert_eq!(format!("{key:?}"), "‹key›");
            assert_eq!(Suite::from_name(&suite.name().to_lowercase()), Some(suite));
        }
    }
}
