//! Where a key hangs: root → practice → (month, retention class) → item, and how one key is wrapped under another.
//!
//! Each key is drawn by itself and wrapped by itself, so that taking one wrapped key away takes away exactly what hung on
//! it. A wrap is AES-256-GCM with the key's whole name as associated data: a wrapped key put into another one's place
//! does not open.

use ring::aead;
use zeroize::Zeroizing;

use crate::record::{blank, cipher};
use crate::{Entropy, Fault, hash};

/// Octets of a wrapped key: nonce, key, tag.
pub const WRAPPED: usize = 12 + 32 + 16;

/// How long something is kept: each class has its own finite period in each practice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Retention {
    /// Recordings of calls.
    Audio,
    /// Messages and notes, spoken or written.
    Messages,
    /// Keys that callers pressed.
    Keys,
    /// That there was a call: numbers, times, how it ended.
    Calls,
    /// Who did what: access, releases, checkpoints; six years at least (45 CFR 164.316(b)(2)(i)).
    Audit,
}

impl Retention {
    /// Every class.
    pub const ALL: [Self; 5] = [Self::Audio, Self::Messages, Self::Keys, Self::Calls, Self::Audit];

    /// As it is written in files and on screens.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Audio => "audio",
            Self::Messages => "messages",
            Self::Keys => "keys",
            Self::Calls => "calls",
            Self::Audit => "audit",
        }
    }

    /// The class of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.name() == name)
    }

    /// As it stands in a header; these numbers never change.
    pub const fn octet(self) -> u8 {
        match self {
            Self::Audio => 1,
            Self::Messages => 2,
            Self::Keys => 3,
            Self::Calls => 4,
            Self::Audit => 5,
        }
    }

    /// The class of a header's octet.
    pub fn from_octet(octet: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.octet() == octet)
    }
}

impl std::fmt::Display for Retention {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// A month of the calendar, in UTC; prints as `2026-11`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month(u16);

impl Month {
    /// `month` counts from 1; years from 1 to 5000.
    pub fn new(year: u16, month: u8) -> Option<Self> {
        if !(1..=5000).contains(&year) || !(1..=12).contains(&month) {
            return None;
        }
        Some(Self(year * 12 + u16::from(month) - 1))
    }

    /// The month a time lies in; a time before 1970 lies in its first month.
    pub fn of_unix_ms(at_ms: i64) -> Self {
        // Days to a civil date: eras of 400 years that begin on the first of March.
        let days = at_ms.max(0) / 86_400_000 + 719_468;
        let of_era = days % 146_097;
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * day_of_year + 2) / 153;
        let (month, next) = if from_march < 10 {
            (from_march + 3, 0)
        } else {
            (from_march - 9, 1)
        };
        let year = year_of_era + days / 146_097 * 400 + next;
        u16::try_from(year)
            .ok()
            .zip(u8::try_from(month).ok())
            .and_then(|(year, month)| Self::new(year, month))
            .unwrap_or(Self(5000 * 12 + 11))
    }

    /// The year.
    pub const fn year(self) -> u16 {
        self.0 / 12
    }

    /// 1 to 12.
    pub const fn month(self) -> u8 {
        (self.0 % 12) as u8 + 1
    }

    /// The month `months` later.
    #[must_use]
    pub const fn plus(self, months: u16) -> Self {
        Self(self.0.saturating_add(months))
    }

    /// How many months after `earlier` this is; 0 when it is not later.
    pub const fn since(self, earlier: Self) -> u16 {
        self.0.saturating_sub(earlier.0)
    }

    /// The month and a class as the generation of a recipient's key: a header tells without a key when what it heads
    /// expires. Keys that are for no month have generations below 4096.
    pub fn generation(self, class: Retention) -> u32 {
        u32::from(self.0) << 4 | u32::from(class.octet())
    }

    /// What [`Month::generation`] was made of.
    pub fn of_generation(generation: u32) -> Option<(Self, Retention)> {
        let class = Retention::from_octet((generation & 15) as u8)?;
        let months = u16::try_from(generation >> 4).ok()?;
        Some((Self::new(months / 12, (months % 12) as u8 + 1)?, class)).filter(|_| generation >= 4096)
    }
}

impl std::fmt::Display for Month {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04}-{:02}", self.year(), self.month())
    }
}

impl std::str::FromStr for Month {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let malformed = Fault::MalformedKey("a month is written 2026-11");
        let digits = |part: &str, count| part.len() == count && part.bytes().all(|octet| octet.is_ascii_digit());
        match text.split_once('-') {
            Some((year, month)) if digits(year, 4) && digits(month, 2) => {
                let (year, month) = (year.parse().ok(), month.parse().ok());
                year.zip(month)
                    .and_then(|(year, month)| Self::new(year, month))
                    .ok_or(malformed)
            }
            _ => Err(malformed),
        }
    }
}

/// A practice as keys and sealed files know it: 128 bits made of its name. Prints as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tenant(pub [u8; 16]);

impl Tenant {
    /// What belongs to no practice: the engine's own rows.
    pub const HOUSE: Self = Self([0; 16]);

    /// The practice of this name; a name is never used again for another practice (164.312(a)(2)(i)).
    pub fn named(practice: &str) -> Self {
        let whole = hash(&[b"nightdesk tenant v1\0".as_slice(), practice.as_bytes()].concat());
        Self(*whole.first_chunk().expect("16 of 32"))
    }
}

impl std::fmt::Display for Tenant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&crate::keys::hex(&self.0))
    }
}

impl std::fmt::Debug for Tenant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

/// The whole name of a wrapped key; it is what its wrap is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyName {
    /// A root, under whatever keeps it: a passphrase or a token.
    Root([u8; 8]),
    /// A practice's key, under the root.
    Practice(Tenant),
    /// The secret half of the recipient of a month's and class's sealed files, under the practice's key.
    Recipient(Tenant, Month, Retention),
    /// The key of a month's and class's rows in the book, under the practice's key.
    Rows(Tenant, Month, Retention),
}

impl std::fmt::Display for KeyName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Root(id) => write!(f, "root {}", crate::keys::hex(id)),
            Self::Practice(tenant) => write!(f, "practice {tenant}"),
            Self::Recipient(tenant, month, class) => write!(f, "recipient {tenant} {month} {class}"),
            Self::Rows(tenant, month, class) => write!(f, "rows {tenant} {month} {class}"),
        }
    }
}

/// A key that lies somewhere: in wiped memory, or in memory that a shell has locked.
pub trait Held: Send + Sync {
    /// Its 32 octets.
    fn key(&self) -> &[u8; 32];
}

impl Held for Zeroizing<[u8; 32]> {
    fn key(&self) -> &[u8; 32] {
        self
    }
}

/// A key that wraps other keys: a root or a practice's. Wiped when dropped, as whatever holds it does it.
pub struct Parent(Box<dyn Held>);

impl Parent {
    /// A new one.
    pub fn generate(entropy: Entropy<'_>) -> Self {
        let mut key = Zeroizing::new([0; 32]);
        entropy(key.as_mut_slice());
        Self::new(key)
    }

    /// One from where it lies.
    pub fn new(key: impl Held + 'static) -> Self {
        Self(Box::new(key))
    }

    /// Its 32 octets, for whoever wraps, splits or keeps it.
    pub fn secret(&self) -> &[u8; 32] {
        self.0.key()
    }

    /// Which key this is, without saying anything about it: the first 8 octets of a hash.
    pub fn id(&self) -> [u8; 8] {
        crate::hkdf(self.secret(), b"", b"nightdesk parent id v1")
    }

    /// Wraps a key under this one. The nonce is drawn: NIST SP 800-38D §8.3 allows 2^32 of them, a parent makes thousands.
    pub fn wrap(&self, name: KeyName, key: &[u8; 32], entropy: Entropy<'_>) -> [u8; WRAPPED] {
        let mut nonce = [0; 12];
        entropy(&mut nonce);
        let mut sealed = Zeroizing::new(*key);
        let mut cipher = cipher(self.secret());
        let tag = cipher
            .seal_in_place_separate_tag(
                aead::Nonce::assume_unique_for_key(nonce),
                aead::Aad::from(label(name)),
                sealed.as_mut_slice(),
            )
            .expect("32 octets are not too many");
        blank(&mut cipher);
        let mut out = [0; WRAPPED];
        let parts = nonce.iter().chain(sealed.iter()).chain(tag.as_ref());
        for (to, from) in out.iter_mut().zip(parts) {
            *to = *from;
        }
        out
    }

    /// Unwraps what [`Parent::wrap`] made under the same name.
    pub fn unwrap(&self, name: KeyName, wrapped: &[u8; WRAPPED]) -> Result<Zeroizing<[u8; 32]>, Fault> {
        let (nonce, sealed) = wrapped.split_first_chunk::<12>().expect("12 of 60");
        let mut sealed: Zeroizing<[u8; 48]> = Zeroizing::new(*sealed.first_chunk().expect("48 of 48"));
        let mut cipher = cipher(self.secret());
        let opened = cipher
            .open_in_place(
                aead::Nonce::assume_unique_for_key(*nonce),
                aead::Aad::from(label(name)),
                sealed.as_mut_slice(),
            )
            .map(|key| Zeroizing::new(*key.first_chunk::<32>().expect("32 of 32")))
            .map_err(|_| Fault::RefusedWrap);
        blank(&mut cipher);
        opened
    }
}

fn label(name: KeyName) -> Vec<u8> {
    format!("nightdesk key v1 {name}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::hex;

    #[test]
    fn a_time_lies_in_its_month() {
        let cases = [
            (0, "1970-01"),
            (-1, "1970-01"),
            (951_782_400_000, "2000-02"),
            (951_868_799_999, "2000-02"),
            (951_868_800_000, "2000-03"),
            (1_795_219_199_999, "2026-11"),
            (1_796_083_200_000, "2026-12"),
            (4_107_542_399_999, "2100-02"),
            (4_107_542_400_000, "2100-03"),
            (i64::MAX, "5000-12"),
        ];
        for (at_ms, expected) in cases {
            assert_eq!(Month::of_unix_ms(at_ms).to_string(), expected, "{at_ms}");
        }
    }

    #[test]
    fn a_month_goes_through_text_and_generation() {
        let november = Month::new(2026, 11).expect("a month");
        assert_eq!("2026-11".parse(), Ok(november));
        assert_eq!(november.plus(2).to_string(), "2027-01");
        assert_eq!(november.plus(26).since(november), 26);
        for class in Retention::ALL {
            assert_eq!(
                Month::of_generation(november.generation(class)),
                Some((november, class))
            );
            assert_eq!(Retention::named(class.name()), Some(class));
        }
        assert_eq!(Month::of_generation(1), None, "a key for no month");
        for wrong in [
            "2026-13",
            "2026-00",
            "0000-01",
            "2026-1",
            "26-11",
            "2026-11-01",
            "+026-11",
            "",
        ] {
            assert!(wrong.parse::<Month>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_key_opens_in_its_own_place_only() {
        let mut next = 0_u8;
        let mut count = |out: &mut [u8]| {
            for octet in out {
                *octet = next;
                next = next.wrapping_add(1);
            }
        };
        let parent = Parent::generate(&mut count);
        let (tenant, month) = (Tenant::named("cedar"), Month::new(2026, 11).expect("a month"));
        let name = KeyName::Rows(tenant, month, Retention::Keys);
        let wrapped = parent.wrap(name, &[7; 32], &mut count);
        // The AES-GCM of `tests/independent/read_container.py` opens these octets under this name.
        assert_eq!(hex(&wrapped), KNOWN);
        assert_eq!(*parent.unwrap(name, &wrapped).expect("its own"), [7; 32]);
        for other in [
            KeyName::Practice(tenant),
            KeyName::Recipient(tenant, month, Retention::Keys),
            KeyName::Rows(tenant, month.plus(1), Retention::Keys),
            KeyName::Rows(tenant, month, Retention::Calls),
            KeyName::Rows(Tenant::HOUSE, month, Retention::Keys),
        ] {
            assert_eq!(
                parent.unwrap(other, &wrapped).err(),
                Some(Fault::RefusedWrap),
                "{other}"
            );
        }
        for bit in 0..WRAPPED * 8 {
            let mut flipped = wrapped;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(parent.unwrap(name, &flipped).is_err(), "bit {bit}");
        }
        assert!(
            Parent::generate(&mut count).unwrap(name, &wrapped).is_err(),
            "another parent"
        );
    }

    const KNOWN: &str = concat!(
        "202122232425262728292a2bd53da1776b9f1d091d7b45c9c61ff3fed74eeb9b",
        "808764e96bf16b154e8d590e8dac652fa70f0a5fd3210b034f8da8e7"
    );
}
