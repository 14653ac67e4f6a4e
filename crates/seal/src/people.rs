//! How a person proves who they are: a password (Argon2id, RFC 9106), a time-based code (TOTP, RFC 6238), and the token of a
//! session, of which the house keeps only a keyed hash.
//!
//! Nothing here is compared octet by octet until the first difference: a guess that is nearly right takes as long as any.

use argon2::{Algorithm, Argon2, Params, Version};
use ring::hmac;
use zeroize::Zeroizing;

use crate::{Entropy, Fault};

/// Memory, passes and lanes of a password's hash (OWASP password storage: 19 MiB, 2, 1).
pub const PASSWORD_COST: (u32, u32, u32) = (19_456, 2, 1);
/// The longest password that is hashed; NIST SP 800-63B wants at least 64 letters to be possible.
pub const PASSWORD_OCTETS_MAX: usize = 512;
/// How long one code of an authenticator holds (RFC 6238 §5.2).
pub const STEP_S: i64 = 30;
/// The steps before and after the present one that are taken, for clocks that differ (RFC 6238 §6).
pub const STEPS_ASIDE: i64 = 1;
/// Octets of an authenticator's secret (RFC 4226 §4, R6: 160 bits).
pub const AUTHENTICATOR: usize = 20;

/// A password as it is kept: its cost, its salt and its hash.
#[derive(Clone, PartialEq, Eq)]
pub struct Password {
    cost: (u32, u32, u32),
    salt: [u8; 16],
    hash: [u8; 32],
}

impl Password {
    /// What is kept of a new password.
    pub fn keep(password: &str, entropy: Entropy<'_>) -> Result<Self, Fault> {
        let mut salt = [0; 16];
        entropy(&mut salt);
        let hash = stretch(password, &salt, PASSWORD_COST)?;
        Ok(Self {
            cost: PASSWORD_COST,
            salt,
            hash: *hash,
        })
    }

    /// Whether this is the password.
    pub fn is(&self, password: &str) -> bool {
        stretch(password, &self.salt, self.cost).is_ok_and(|hash| same(hash.as_slice(), &self.hash))
    }

    /// As it is written down.
    pub fn to_text(&self) -> String {
        let (memory, passes, lanes) = self.cost;
        let (salt, hash) = (crate::keys::hex(&self.salt), crate::keys::hex(&self.hash));
        format!("argon2id {memory} {passes} {lanes} {salt} {hash}")
    }

    /// Reads what was written down.
    pub fn from_text(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        if words.next() != Some("argon2id") {
            return None;
        }
        let mut number = || words.next()?.parse().ok();
        let cost = (number()?, number()?, number()?);
        let salt = crate::keys::unhex(words.next()?)?;
        let hash = crate::keys::unhex(words.next()?)?;
        words.next().is_none().then_some(Self { cost, salt, hash })
    }
}

fn stretch(
    password: &str,
    salt: &[u8],
    (memory, passes, lanes): (u32, u32, u32),
) -> Result<Zeroizing<[u8; 32]>, Fault> {
    let unusable = Fault::MalformedKey("no password one can keep");
    if password.len() > PASSWORD_OCTETS_MAX {
        return Err(unusable);
    }
    let params = Params::new(memory, passes, lanes, Some(32)).map_err(|_| unusable)?;
    let mut hash = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(password.as_bytes(), salt, hash.as_mut_slice())
        .map_err(|_| unusable)?;
    Ok(hash)
}

/// The secret that a person's authenticator and the house share.
#[derive(Clone, PartialEq, Eq)]
pub struct Authenticator(Zeroizing<[u8; AUTHENTICATOR]>);

impl Authenticator {
    /// A new one.
    pub fn generate(entropy: Entropy<'_>) -> Self {
        let mut secret = Zeroizing::new([0; AUTHENTICATOR]);
        entropy(secret.as_mut_slice());
        Self(secret)
    }

    /// The six digits of a moment, Unix seconds (RFC 6238 §4, RFC 4226 §5.3).
    pub fn code(&self, at_s: i64) -> u32 {
        self.at_step(at_s.div_euclid(STEP_S))
    }

    /// The step whose code this is, when it is one of now. A step below `unused` was taken already and counts no more
    /// (RFC 6238 §5.2).
    pub fn accepts(&self, code: &str, at_s: i64, unused: i64) -> Option<i64> {
        let digits: String = code.chars().filter(|digit| !digit.is_whitespace()).collect();
        if digits.len() != 6 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
            return None;
        }
        let now = at_s.div_euclid(STEP_S);
        let mut near = (now - STEPS_ASIDE..=now + STEPS_ASIDE).filter(|step| *step >= unused);
        near.rfind(|step| same(format!("{:06}", self.at_step(*step)).as_bytes(), digits.as_bytes()))
    }

    fn at_step(&self, step: i64) -> u32 {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, self.0.as_slice());
        let tag = hmac::sign(&key, &step.to_be_bytes());
        let tag = tag.as_ref();
        let offset = tag.last().map_or(0, |last| usize::from(last & 15));
        let four = tag.get(offset..offset + 4).and_then(|four| four.first_chunk());
        u32::from_be_bytes(*four.expect("SHA-1 has twenty octets")) % (1 << 31) % 1_000_000
    }

    /// The secret as authenticators take it by hand: base 32 (RFC 4648 §6) without padding.
    pub fn to_base32(&self) -> String {
        let (mut bits, mut held) = (0_u32, 0);
        let mut out = String::with_capacity(32);
        for octet in self.0.iter() {
            bits = (bits << 8) | u32::from(*octet);
            held += 8;
            while held >= 5 {
                held -= 5;
                let five = (bits >> held) & 31;
                out.extend(ALPHABET.get(five as usize).map(|letter| char::from(*letter)));
            }
        }
        out
    }

    /// Reads a secret as authenticators show it.
    pub fn from_base32(text: &str) -> Option<Self> {
        let mut secret = Zeroizing::new([0; AUTHENTICATOR]);
        let (mut bits, mut held) = (0_u32, 0);
        let mut octets = secret.iter_mut();
        for letter in text.bytes().filter(|letter| !letter.is_ascii_whitespace()) {
            let five = ALPHABET
                .iter()
                .position(|known| *known == letter.to_ascii_uppercase())?;
            bits = (bits << 5) | u32::try_from(five).ok()?;
            held += 5;
            if held >= 8 {
                held -= 8;
                *octets.next()? = ((bits >> held) & 255) as u8;
            }
        }
        octets.next().is_none().then_some(Self(secret))
    }

    /// What an authenticator scans or takes pasted.
    pub fn to_uri(&self, person: &str) -> String {
        format!(
            "otpauth://totp/Nightdesk:{person}?secret={}&issuer=Nightdesk",
            self.to_base32()
        )
    }
}

const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// With what the house knows a session's token again, without keeping the token.
#[derive(Clone)]
pub struct TokenKey(Zeroizing<[u8; 32]>);

impl TokenKey {
    /// A new key.
    pub fn generate(entropy: Entropy<'_>) -> Self {
        let mut key = Zeroizing::new([0; 32]);
        entropy(key.as_mut_slice());
        Self(key)
    }

    pub(crate) fn new(key: Zeroizing<[u8; 32]>) -> Self {
        Self(key)
    }

    pub(crate) fn secret(&self) -> &[u8; 32] {
        &self.0
    }

    /// What is kept of these octets: they cannot be had back from it, nor it be made without the key.
    pub fn mark(&self, octets: &[u8]) -> [u8; 32] {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.0.as_slice());
        let tag = hmac::sign(&key, octets);
        *tag.as_ref().first_chunk().expect("SHA-256 has thirty-two octets")
    }

    /// Whether this mark was made of these octets.
    pub fn knows(&self, octets: &[u8], mark: &[u8; 32]) -> bool {
        same(&self.mark(octets), mark)
    }
}

/// Whether both are the same, in a time that says nothing about where they differ.
fn same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counting() -> impl FnMut(&mut [u8]) {
        let mut next = 0_u8;
        move |out: &mut [u8]| {
            for octet in out {
                next = next.wrapping_add(41);
                *octet = next;
            }
        }
    }

    /// RFC 6238, appendix B (SHA-1), the last six of its eight digits.
    #[test]
    fn codes_are_those_of_the_rfc() {
        let ours = Authenticator(Zeroizing::new(*b"12345678901234567890"));
        let known = [
            (59, 287_082),
            (1_111_111_109, 81_804),
            (1_111_111_111, 50_471),
            (1_234_567_890, 5_924),
            (2_000_000_000, 279_037),
            (20_000_000_000, 353_130),
        ];
        for (at_s, code) in known {
            assert_eq!(ours.code(at_s), code, "{at_s}");
        }
        assert_eq!(ours.to_base32(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
    }

    #[test]
    fn a_code_counts_once_and_for_a_minute_and_a_half() {
        let ours = Authenticator::generate(&mut counting());
        let now = 1_800_000_015;
        let step = now / STEP_S;
        let code = format!("{:06}", ours.code(now));
        assert_eq!(ours.accepts(&code, now, 0), Some(step));
        assert_eq!(
            ours.accepts(&format!("{} {}", &code[..3], &code[3..]), now, 0),
            Some(step)
        );
        assert_eq!(ours.accepts(&code, now + STEP_S, 0), Some(step), "a slow clock");
        assert_eq!(ours.accepts(&code, now - STEP_S, 0), Some(step), "a fast clock");
        assert_eq!(ours.accepts(&code, now + 2 * STEP_S, 0), None, "too old");
        assert_eq!(ours.accepts(&code, now, step + 1), None, "used");
        assert_eq!(ours.accepts("12345", now, 0), None);
        assert_eq!(ours.accepts("１２３４５６", now, 0), None);
    }

    #[test]
    fn a_secret_reads_back_from_what_a_person_types() {
        let ours = Authenticator::generate(&mut counting());
        let typed = ours.to_base32().to_lowercase();
        assert!(Authenticator::from_base32(&format!("{} {}", &typed[..4], &typed[4..])) == Some(ours));
        for wrong in [
            "",
            "ABC",
            "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQAA",
            "1EZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ",
        ] {
            assert!(Authenticator::from_base32(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn a_password_is_known_again_and_no_other() {
        let kept = Password::keep("a fortnight of rain", &mut counting()).expect("short enough");
        let read = Password::from_text(&kept.to_text()).expect("what was written");
        assert!(read.is("a fortnight of rain") && !read.is("a fortnight of Rain") && !read.is(""));
        assert!(kept.to_text().starts_with("argon2id 19456 2 1 "));
        assert!(Password::keep(&"x".repeat(PASSWORD_OCTETS_MAX + 1), &mut counting()).is_err());
    }

    #[test]
    fn a_mark_is_known_with_its_key_only() {
        let mut entropy = counting();
        let (ours, theirs) = (TokenKey::generate(&mut entropy), TokenKey::generate(&mut entropy));
        let mark = ours.mark(b"token");
        assert!(ours.knows(b"token", &mark) && !ours.knows(b"tokem", &mark) && !theirs.knows(b"token", &mark));
    }
}
