//! SRTP and SRTCP by hand (RFC 3711, RFC 7714), for a telephone that shares no line with the engine's: AES here is
//! FIPS 197 as it stands, HMAC and GCM are ring's.

use ring::{aead, hmac};

/// A crypto suite of RFC 4568 §6.2 or RFC 7714 §14.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suite {
    /// `AES_CM_128_HMAC_SHA1_80`
    Cm80,
    /// `AES_CM_128_HMAC_SHA1_32`
    Cm32,
    /// `AEAD_AES_128_GCM`
    Gcm128,
    /// `AEAD_AES_256_GCM`
    Gcm256,
}

impl Suite {
    /// As SDP writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cm80 => "AES_CM_128_HMAC_SHA1_80",
            Self::Cm32 => "AES_CM_128_HMAC_SHA1_32",
            Self::Gcm128 => "AEAD_AES_128_GCM",
            Self::Gcm256 => "AEAD_AES_256_GCM",
        }
    }

    /// Octets of master key and master salt.
    pub const fn lengths(self) -> (usize, usize) {
        match self {
            Self::Cm80 | Self::Cm32 => (16, 14),
            Self::Gcm128 => (16, 12),
            Self::Gcm256 => (32, 12),
        }
    }

    const fn is_gcm(self) -> bool {
        matches!(self, Self::Gcm128 | Self::Gcm256)
    }

    const fn tag(self) -> usize {
        match self {
            Self::Cm80 => 10,
            Self::Cm32 => 4,
            Self::Gcm128 | Self::Gcm256 => 16,
        }
    }
}

/// One direction's keys.
#[derive(Clone)]
pub struct Keys {
    suite: Suite,
    rtp: Derived,
    rtcp: Derived,
}

#[derive(Clone)]
struct Derived {
    encrypt: Vec<u8>,
    authenticate: Vec<u8>,
    salt: Vec<u8>,
}

impl Keys {
    /// From master key and salt, one after the other, as `inline:` carries them.
    pub fn new(suite: Suite, master: &[u8]) -> Self {
        let (key, salt) = suite.lengths();
        assert_eq!(master.len(), key + salt, "key and salt of {}", suite.name());
        let (key, salt) = master.split_at(key);
        let derive = |first: u8| Derived {
            encrypt: derived(key, salt, first, key.len()),
            authenticate: derived(key, salt, first + 1, 20),
            salt: derived(key, salt, first + 2, salt.len()),
        };
        Self {
            suite,
            rtp: derive(0),
            rtcp: derive(3),
        }
    }

    /// Seals an RTP packet; `roc` is the rollover counter.
    pub fn seal(&self, packet: &[u8], roc: u32) -> Vec<u8> {
        let header = header_length(packet);
        let sequence = u16::from_be_bytes([packet[2], packet[3]]);
        let (head, payload) = packet.split_at(header);
        if self.suite.is_gcm() {
            let nonce = self
                .rtp
                .gcm_iv(ssrc(packet), u64::from(roc) << 16 | u64::from(sequence));
            return [head, &self.gcm_seal(&self.rtp, nonce, head, payload)].concat();
        }
        let index = u64::from(roc) << 16 | u64::from(sequence);
        let mut sealed = [head, &self.rtp.counter_mode(ssrc(packet), index, payload)].concat();
        let tag = self.rtp.tag(&[&sealed[..], &roc.to_be_bytes()].concat());
        sealed.extend_from_slice(&tag[..self.suite.tag()]);
        sealed
    }

    /// Opens an SRTP packet; `None` when it is not what its sender sealed.
    pub fn open(&self, packet: &[u8], roc: u32) -> Option<Vec<u8>> {
        if packet.len() < 12 + self.suite.tag() {
            return None;
        }
        let header = header_length(packet);
        let sequence = u16::from_be_bytes([packet[2], packet[3]]);
        let index = u64::from(roc) << 16 | u64::from(sequence);
        let head = packet.get(..header)?;
        if self.suite.is_gcm() {
            let nonce = self.rtp.gcm_iv(ssrc(packet), index);
            let payload = self.gcm_open(&self.rtp, nonce, head, packet.get(header..)?)?;
            return Some([head, &payload].concat());
        }
        let (sealed, tag) = packet.split_at(packet.len() - self.suite.tag());
        let expected = self.rtp.tag(&[sealed, &roc.to_be_bytes()].concat());
        if tag != &expected[..self.suite.tag()] {
            return None;
        }
        let payload = self.rtp.counter_mode(ssrc(packet), index, sealed.get(header..)?);
        Some([head, &payload].concat())
    }

    /// Seals an RTCP packet under this index (RFC 3711 §3.4).
    pub fn seal_rtcp(&self, packet: &[u8], index: u32) -> Vec<u8> {
        let (head, rest) = packet.split_at(8);
        let ssrc = u32::from_be_bytes([packet[4], packet[5], packet[6], packet[7]]);
        let word = (index | 0x8000_0000).to_be_bytes();
        if self.suite.is_gcm() {
            let nonce = self.rtcp.gcm_iv(ssrc, u64::from(index));
            let aad = [head, &word].concat();
            return [head, &self.gcm_seal(&self.rtcp, nonce, &aad, rest), &word].concat();
        }
        let mut sealed = [head, &self.rtcp.counter_mode(ssrc, u64::from(index), rest), &word].concat();
        let tag = self.rtcp.tag(&sealed);
        // RFC 4568 §6.2: SRTCP's tag has 80 bits in the _32 suite too.
        sealed.extend_from_slice(&tag[..10]);
        sealed
    }

    /// Opens an SRTCP packet and gives its index; `None` when it is not what its sender sealed, or was not encrypted.
    pub fn open_rtcp(&self, packet: &[u8]) -> Option<(Vec<u8>, u32)> {
        let ssrc = u32::from_be_bytes(*packet.get(4..8)?.first_chunk::<4>()?);
        let head = packet.get(..8)?;
        let index_of = |word: &[u8]| -> Option<u32> {
            let word = u32::from_be_bytes(*word.first_chunk::<4>()?);
            (word & 0x8000_0000 != 0).then_some(word & 0x7fff_ffff)
        };
        if self.suite.is_gcm() {
            let (sealed, word) = packet.split_at(packet.len().checked_sub(4)?);
            let index = index_of(word)?;
            let nonce = self.rtcp.gcm_iv(ssrc, u64::from(index));
            let aad = [head, word].concat();
            let rest = self.gcm_open(&self.rtcp, nonce, &aad, sealed.get(8..)?)?;
            return Some(([head, &rest].concat(), index));
        }
        let (sealed, tag) = packet.split_at(packet.len().checked_sub(10)?);
        if tag != &self.rtcp.tag(sealed)[..10] {
            return None;
        }
        let (sealed, word) = sealed.split_at(sealed.len().checked_sub(4)?);
        let index = index_of(word)?;
        let rest = self.rtcp.counter_mode(ssrc, u64::from(index), sealed.get(8..)?);
        Some(([head, &rest].concat(), index))
    }

    fn gcm_key(&self, derived: &Derived) -> aead::LessSafeKey {
        let algorithm = match self.suite {
            Suite::Gcm256 => &aead::AES_256_GCM,
            _ => &aead::AES_128_GCM,
        };
        aead::LessSafeKey::new(aead::UnboundKey::new(algorithm, &derived.encrypt).expect("a key of the suite's length"))
    }

    fn gcm_seal(&self, derived: &Derived, nonce: [u8; 12], aad: &[u8], plain: &[u8]) -> Vec<u8> {
        let mut sealed = plain.to_vec();
        let nonce = aead::Nonce::assume_unique_for_key(nonce);
        let key = self.gcm_key(derived);
        key.seal_in_place_append_tag(nonce, aead::Aad::from(aad), &mut sealed)
            .expect("short enough");
        sealed
    }

    fn gcm_open(&self, derived: &Derived, nonce: [u8; 12], aad: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let mut opened = sealed.to_vec();
        let nonce = aead::Nonce::assume_unique_for_key(nonce);
        let plain = self
            .gcm_key(derived)
            .open_in_place(nonce, aead::Aad::from(aad), &mut opened)
            .ok()?;
        Some(plain.to_vec())
    }
}

impl Derived {
    /// RFC 3711 §4.1.1.
    fn counter_mode(&self, ssrc: u32, index: u64, text: &[u8]) -> Vec<u8> {
        let mut iv = [0u8; 16];
        iv[..14].copy_from_slice(&self.salt);
        for (octet, with) in iv[4..8].iter_mut().zip(ssrc.to_be_bytes()) {
            *octet ^= with;
        }
        for (octet, with) in iv[8..14].iter_mut().zip(&index.to_be_bytes()[2..]) {
            *octet ^= with;
        }
        let stream = key_stream(&self.encrypt, iv, text.len());
        text.iter().zip(stream).map(|(text, key)| text ^ key).collect()
    }

    /// RFC 7714 §8.1 and §9.1.
    fn gcm_iv(&self, ssrc: u32, index: u64) -> [u8; 12] {
        let mut iv = [0u8; 12];
        iv[2..6].copy_from_slice(&ssrc.to_be_bytes());
        iv[6..].copy_from_slice(&index.to_be_bytes()[2..]);
        for (octet, with) in iv.iter_mut().zip(&self.salt) {
            *octet ^= with;
        }
        iv
    }

    fn tag(&self, text: &[u8]) -> [u8; 20] {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &self.authenticate);
        let mut tag = [0; 20];
        tag.copy_from_slice(hmac::sign(&key, text).as_ref());
        tag
    }
}

/// RFC 3711 §4.3.1, key derivation rate 0.
fn derived(key: &[u8], salt: &[u8], label: u8, length: usize) -> Vec<u8> {
    let mut x = [0u8; 16];
    x[..salt.len()].copy_from_slice(salt);
    x[7] ^= label;
    key_stream(key, x, length)
}

fn key_stream(key: &[u8], mut counter: [u8; 16], length: usize) -> Vec<u8> {
    let aes = Aes::new(key);
    let mut stream = Vec::with_capacity(length + 16);
    for block in 0..length.div_ceil(16) {
        counter[14..].copy_from_slice(&u16::try_from(block).expect("a packet is short").to_be_bytes());
        stream.extend_from_slice(&aes.encrypt(counter));
    }
    stream.truncate(length);
    stream
}

fn ssrc(packet: &[u8]) -> u32 {
    u32::from_be_bytes([packet[8], packet[9], packet[10], packet[11]])
}

fn header_length(packet: &[u8]) -> usize {
    let fixed = 12 + 4 * usize::from(packet[0] & 0x0f);
    if packet[0] & 0x10 == 0 {
        return fixed;
    }
    let words = packet
        .get(fixed + 2..fixed + 4)
        .map_or(0, |two| u16::from_be_bytes([two[0], two[1]]));
    fixed + 4 + 4 * usize::from(words)
}

/// FIPS 197, encryption only.
struct Aes {
    rounds: Vec<[u8; 16]>,
}

impl Aes {
    fn new(key: &[u8]) -> Self {
        let words = key.len() / 4;
        let mut schedule: Vec<[u8; 4]> = key.chunks(4).map(|word| [word[0], word[1], word[2], word[3]]).collect();
        let mut constant = 1u8;
        for at in words..4 * (words + 7) {
            let mut word = schedule[at - 1];
            if at % words == 0 {
                word.rotate_left(1);
                word = word.map(substitute);
                word[0] ^= constant;
                constant = double(constant);
            } else if words > 6 && at % words == 4 {
                word = word.map(substitute);
            }
            let before = schedule[at - words];
            schedule.push(std::array::from_fn(|n| word[n] ^ before[n]));
        }
        let rounds = schedule
            .chunks(4)
            .map(|four| {
                let mut round = [0; 16];
                round.copy_from_slice(&four.concat());
                round
            })
            .collect();
        Self { rounds }
    }

    fn encrypt(&self, mut state: [u8; 16]) -> [u8; 16] {
        let last = self.rounds.len() - 1;
        for (number, key) in self.rounds.iter().enumerate() {
            if number > 0 {
                state = state.map(substitute);
                // Rows shift: the octet in row r, column c comes from column c + r.
                state = std::array::from_fn(|at| state[(at + 4 * (at % 4)) % 16]);
                if number < last {
                    for column in state.chunks_mut(4) {
                        let [a, b, c, d] = [column[0], column[1], column[2], column[3]];
                        let all = a ^ b ^ c ^ d;
                        column[0] = a ^ all ^ double(a ^ b);
                        column[1] = b ^ all ^ double(b ^ c);
                        column[2] = c ^ all ^ double(c ^ d);
                        column[3] = d ^ all ^ double(d ^ a);
                    }
                }
            }
            state = std::array::from_fn(|at| state[at] ^ key[at]);
        }
        state
    }
}

/// Times x in GF(2^8).
fn double(octet: u8) -> u8 {
    (octet << 1) ^ if octet & 0x80 != 0 { 0x1b } else { 0 }
}

fn multiply(mut a: u8, mut b: u8) -> u8 {
    let mut product = 0;
    while b != 0 {
        if b & 1 != 0 {
            product ^= a;
        }
        a = double(a);
        b >>= 1;
    }
    product
}

/// The S-box, by its definition: the inverse, then the affine map (FIPS 197 §5.1.1).
fn substitute(octet: u8) -> u8 {
    static BOX: std::sync::LazyLock<[u8; 256]> = std::sync::LazyLock::new(|| {
        std::array::from_fn(|octet| {
            let octet = u8::try_from(octet).expect("256 of them");
            // x^254 is the inverse, and 0 for 0.
            let mut inverse = 1;
            for _ in 0..254 {
                inverse = multiply(inverse, octet);
            }
            (0..5)
                .map(|by| inverse.rotate_left(by))
                .fold(0x63, |sum, turned| sum ^ turned)
        })
    });
    BOX[usize::from(octet)]
}

/// Base64 (RFC 4648 §4), as `inline:` has it.
pub fn base64(octets: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in octets.chunks(3) {
        let at = |n: usize| u32::from(three.get(n).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for letter in 0..4 {
            if letter <= three.len() {
                let six = bits >> (18 - 6 * letter) & 63;
                text.push(char::from(LETTERS[six as usize]));
            } else {
                text.push('=');
            }
        }
    }
    text
}

/// Back again; `None` for anything else.
pub fn unbase64(text: &str) -> Option<Vec<u8>> {
    let (mut bits, mut held, mut octets) = (0u32, 0, Vec::new());
    for letter in text.trim_end_matches('=').bytes() {
        let six = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(six);
        held += 6;
        if held >= 8 {
            held -= 8;
            octets.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    Some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
            .collect()
    }

    #[test]
    fn aes_is_that_of_fips_197() {
        let plain: [u8; 16] = hex("00112233445566778899aabbccddeeff").try_into().unwrap();
        let aes = Aes::new(&hex("000102030405060708090a0b0c0d0e0f"));
        assert_eq!(aes.encrypt(plain).to_vec(), hex("69c4e0d86a7b0430d8cdb78070b4c55a"));
        let aes = Aes::new(&hex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"));
        assert_eq!(aes.encrypt(plain).to_vec(), hex("8ea2b7ca516745bfeafc49904b496089"));
    }

    #[test]
    fn keys_are_derived_as_in_rfc_3711_appendix_b_3() {
        let (key, salt) = (
            hex("E1F97A0D3E018BE0D64FA32C06DE4139"),
            hex("0EC675AD498AFEEBB6960B3AABE6"),
        );
        assert_eq!(derived(&key, &salt, 0, 16), hex("C61E7A93744F39EE10734AFE3FF7A087"));
        assert_eq!(derived(&key, &salt, 2, 14), hex("30CBBC08863D8C85D49DB34A9AE1"));
        assert_eq!(
            derived(&key, &salt, 1, 20),
            hex("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4")
        );
    }

    /// RFC 7714 §16.1.1, §16.2.1, §17.1 and §17.2: the session keys and salt are given there, not derived.
    #[test]
    fn gcm_packets_are_those_of_rfc_7714() {
        let plain = "8040f17b8041f8d35501a0b247616c6c696120657374206f6d6e697320646976\
                     69736120696e207061727465732074726573";
        let report = "81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61\
                      deadbeefdeadbeefdeadbeefdeadbeefdeadbeef";
        for (suite, key, sealed, sealed_report) in [
            (
                Suite::Gcm128,
                "000102030405060708090a0b0c0d0e0f",
                "8040f17b8041f8d35501a0b2f24de3a3fb34de6cacba861c9d7e4bcabe633bd5\
                 0d294e6f42a5f47a51c7d19b36de3adf8833899d7f27beb16a9152cf765ee4390cce",
                "81c8000d4d61727363e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32d\
                 c676a5f1730d6fda4ce09b4686303ded0bb9275bc84aa45896cf4d2fc5abf87245d9eade800005d4",
            ),
            (
                Suite::Gcm256,
                "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
                "8040f17b8041f8d35501a0b232b1de78a822fe12ef9f78fa332e33aab1801238\
                 9a58e2f3b50b2a0276ffae0f1ba63799b87b7aa3db36dfffd6b0f9bb7878d7a76c13",
                "81c8000d4d617273d50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50\
                 a2eaa5c1110555be8415f658c61de0476f1b6fad1d1eb30c4446839f57ff6f6cb26ac3be800005d4",
            ),
        ] {
            let session = Derived {
                encrypt: hex(key),
                authenticate: Vec::new(),
                salt: hex("517569642070726f2071756f"),
            };
            let keys = Keys {
                suite,
                rtp: session.clone(),
                rtcp: session,
            };
            assert_eq!(keys.seal(&hex(plain), 0), hex(sealed), "{suite:?}");
            assert_eq!(keys.open(&hex(sealed), 0), Some(hex(plain)));
            assert_eq!(keys.seal_rtcp(&hex(report), 0x5d4), hex(sealed_report), "{suite:?}");
            assert_eq!(keys.open_rtcp(&hex(sealed_report)), Some((hex(report), 0x5d4)));
        }
    }

    #[test]
    fn what_is_sealed_is_opened_and_nothing_else() {
        for suite in [Suite::Cm80, Suite::Cm32, Suite::Gcm128, Suite::Gcm256] {
            let (key, salt) = suite.lengths();
            let keys = Keys::new(suite, &vec![7; key + salt]);
            let packet = crate::raw::rtp(0, false, 65_535, 160, 0xdead_beef, &[0x55; 160]);
            let sealed = keys.seal(&packet, 3);
            assert_eq!(sealed.len(), packet.len() + suite.tag());
            assert_eq!(keys.open(&sealed, 3).unwrap(), packet);
            assert!(keys.open(&sealed, 4).is_none());
            let mut spoilt = sealed.clone();
            spoilt[20] ^= 1;
            assert!(keys.open(&spoilt, 3).is_none());
            let report = [0x80, 201, 0, 1, 1, 2, 3, 4, 9, 9, 9, 9];
            let sealed = keys.seal_rtcp(&report, 17);
            assert_eq!(keys.open_rtcp(&sealed).unwrap(), (report.to_vec(), 17));
        }
    }

    #[test]
    fn base64_goes_there_and_back() {
        assert_eq!(base64(b"Man"), "TWFu");
        assert_eq!(base64(b"M"), "TQ==");
        for length in 0..50u8 {
            let octets: Vec<u8> = (0..length).map(|octet| octet.wrapping_mul(37)).collect();
            assert_eq!(unbase64(&base64(&octets)).unwrap(), octets);
        }
    }
}
