//! `a=crypto` (SDES, RFC 4568): one line offers one suite with one key. A line we cannot honour to the letter is passed
//! over; what is left decides.

use crate::srtp::{MASTER_BYTES_MAX, MasterKey, Suite};
use std::fmt::Write;
use zeroize::Zeroize;

/// Fewest packets a key must be good for: an hour of 20 ms, the longest call, is 180,000.
const LIFETIME_LEAST: u64 = 1 << 18;

/// RFC 4568 §9.1: a tag has at most nine digits.
const TAG_DIGITS_MAX: usize = 9;

/// One usable line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Crypto {
    pub(super) tag: u32,
    pub(super) key: MasterKey,
}

impl Crypto {
    /// Reads what follows `a=crypto:`; `None` for a line we cannot honour.
    pub(super) fn parse(value: &str) -> Option<Self> {
        let mut fields = value.split_ascii_whitespace();
        let tag = fields.next()?;
        if tag.is_empty() || tag.len() > TAG_DIGITS_MAX || !tag.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let suite = Suite::from_name(fields.next()?)?;
        let key = key(suite, fields.next()?)?;
        // RFC 4568 §6.3: what is not understood makes the line unusable, unless a minus says that it may be ignored.
        // UNENCRYPTED_* and UNAUTHENTICATED_SRTP are understood and not wanted; a key derivation rate nobody uses.
        let honoured = |parameter: &str| {
            parameter.starts_with('-')
                || parameter.eq_ignore_ascii_case("KDR=0")
                // A hint at how large our replay window should be (§6.3.7); it stays as large as it is.
                || parameter.get(..4).is_some_and(|name| name.eq_ignore_ascii_case("WSH="))
        };
        if !fields.all(honoured) {
            return None;
        }
        Some(Self {
            tag: tag.parse().ok()?,
            key,
        })
    }

    pub(super) fn suite(&self) -> Suite {
        self.key.suite()
    }

    /// Writes the line, its end included.
    pub(super) fn write(&self, text: &mut String) {
        // `write!` to a String cannot fail; its Result has nothing to say.
        let _ = write!(text, "a=crypto:{} {} inline:", self.tag, self.suite().name());
        encode(self.key.bytes(), text);
        text.push_str("\r\n");
    }
}

/// `inline:<key||salt>["|" lifetime]["|" MKI ":" length]`, RFC 4568 §6.1. One key: several need an MKI to be told
/// apart, and we do not speak MKI.
fn key(suite: Suite, parameters: &str) -> Option<MasterKey> {
    let (method, rest) = parameters.split_once(':')?;
    if !method.eq_ignore_ascii_case("inline") || rest.contains(';') {
        return None;
    }
    let mut parts = rest.split('|');
    let text = parts.next()?;
    for part in parts {
        // A colon is an MKI's; anything else is the lifetime.
        if part.contains(':') || lifetime(part)? < LIFETIME_LEAST {
            return None;
        }
    }
    let mut bytes = [0; MASTER_BYTES_MAX];
    let length = decode(text, &mut bytes);
    let key = length.and_then(|length| MasterKey::new(suite, bytes.get(..length)?));
    bytes.zeroize();
    key
}

/// `2^31` or `2147483648`.
fn lifetime(text: &str) -> Option<u64> {
    match text.strip_prefix("2^") {
        Some(power) => 1_u64.checked_shl(power.parse().ok()?),
        None => text.parse().ok(),
    }
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// RFC 4648 §4, with padding.
fn encode(bytes: &[u8], text: &mut String) {
    for chunk in bytes.chunks(3) {
        let [a, b, c] = [0, 1, 2].map(|at| chunk.get(at).copied().unwrap_or(0));
        let bits = u32::from_be_bytes([0, a, b, c]);
        for digit in 0..4 {
            let symbol = ALPHABET.get(((bits >> (18 - 6 * digit)) & 63) as usize).copied();
            text.push(
                if digit <= chunk.len() {
                    symbol.unwrap_or(b'A')
                } else {
                    b'='
                }
                .into(),
            );
        }
    }
}

/// Reads base64 with its padding or without; `None` when it is none or too long.
fn decode(text: &str, bytes: &mut [u8; MASTER_BYTES_MAX]) -> Option<usize> {
    let text = text.trim_end_matches('=');
    let (mut bits, mut held, mut length) = (0_u32, 0, 0);
    for symbol in text.bytes() {
        let value = ALPHABET.iter().position(|known| *known == symbol)?;
        bits = (bits << 6) | value as u32;
        held += 6;
        if held >= 8 {
            held -= 8;
            *bytes.get_mut(length)? = (bits >> held) as u8;
            length += 1;
        }
    }
    (held < 6).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// RFC 4568 §6.1's own example, its 30 bytes counted.
    const KEY: &str = "inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR";

    #[test]
    fn lines_of_the_rfc_and_of_the_field() {
        let taken = [
            format!("1 AES_CM_128_HMAC_SHA1_80 {KEY}"),
            format!("1 AES_CM_128_HMAC_SHA1_80 {KEY}|2^20"),
            format!("1 AES_CM_128_HMAC_SHA1_32 {KEY}|2^31"),
            format!("1 AES_CM_128_HMAC_SHA1_32 {KEY}|2147483648"),
            format!("999999999 aes_cm_128_hmac_sha1_80 {KEY} WSH=64"),
            format!("2 AES_CM_128_HMAC_SHA1_80 {KEY} KDR=0 -UNHEARD_OF"),
            format!("3 AEAD_AES_128_GCM inline:{}==", "A".repeat(38)),
            format!("3 AEAD_AES_128_GCM inline:{}", "A".repeat(38)),
            format!("3 AEAD_AES_256_GCM inline:{}=", "A".repeat(59)),
        ];
        for line in taken {
            let crypto = Crypto::parse(&line).unwrap_or_else(|| panic!("{line}"));
            let mut again = String::new();
            crypto.write(&mut again);
            assert_eq!(
                Crypto::parse(again.trim_start_matches("a=crypto:").trim()),
                Some(crypto)
            );
        }
        let passed_over = [
            "".to_owned(),
            "1".to_owned(),
            format!("x AES_CM_128_HMAC_SHA1_80 {KEY}"),
            format!("1234567890 AES_CM_128_HMAC_SHA1_80 {KEY}"),
            format!("1 F8_128_HMAC_SHA1_80 {KEY}"),
            "1 AES_CM_128_HMAC_SHA1_80 inline:".to_owned(),
            "1 AES_CM_128_HMAC_SHA1_80 inline:short".to_owned(),
            format!("1 AES_CM_128_HMAC_SHA1_80 {KEY}AAAA"),
            format!("1 AEAD_AES_256_GCM {KEY}"),
            format!("1 AES_CM_128_HMAC_SHA1_80 {}", KEY.replace('P', "*")),
            format!("1 AES_CM_128_HMAC_SHA1_80 {KEY}|1:4"),
            format!("1 AES_CM_128_HMAC_SHA1_80 {KEY}|2^20|1:32"),
            format!("1 AES_CM_128_HMAC_SHA1_80 {KEY};{KEY}"),
            format!("1 AES_CM_128_HMAC_SHA1_80 {KEY}|2^10"),
            format!("1 AES_CM_128_HMAC_SHA1_80 {KEY}|2^99"),
            format!("1 AES_CM_128_HMAC_SHA1_80 {KEY} UNENCRYPTED_SRTP"),
            format!("1 AES_CM_128_HMAC_SHA1_80 {KEY} UNAUTHENTICATED_SRTP"),
            format!("1 AES_CM_128_HMAC_SHA1_80 {KEY} KDR=1"),
            format!("1 AES_CM_128_HMAC_SHA1_80 {KEY} FEC_KEY=x"),
        ];
        for line in passed_over {
            assert_eq!(Crypto::parse(&line), None, "{line}");
        }
    }

    proptest! {
        #[test]
        fn base64_there_and_back(bytes in prop::collection::vec(any::<u8>(), 0..=MASTER_BYTES_MAX)) {
            let mut text = String::new();
            encode(&bytes, &mut text);
            prop_assert_eq!(text.len(), bytes.len().div_ceil(3) * 4);
            let mut back = [0; MASTER_BYTES_MAX];
            let length = decode(&text, &mut back);
            prop_assert_eq!(length.and_then(|length| back.get(..length)), Some(bytes.as_slice()));
        }

        #[test]
        fn any_line_is_read_or_passed_over(line in "\\PC{0,120}") {
            Crypto::parse(&line);
        }
    }
}
