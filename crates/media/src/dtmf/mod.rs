//! Keys, and the three ways one press can reach us: RFC 4733 events, tones in the audio, SIP INFO. [`press`] makes one
//! press one digit, however many ways it came.

pub mod event;
pub mod info;
pub mod press;
pub mod tone;

use std::fmt;

/// A key of a telephone: `0`–`9`, `*`, `#`, `A`–`D`. What a caller presses concerns a patient, so it never prints.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digit(u8);

/// The keys in the order of their RFC 4733 event codes (§3.2 table 3).
const KEYS: [char; 16] = [
    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '#', 'A', 'B', 'C', 'D',
];

impl Digit {
    /// How many keys there are.
    pub const COUNT: usize = KEYS.len();

    /// The key with this character; letters in either case.
    pub fn from_char(character: char) -> Option<Self> {
        let character = character.to_ascii_uppercase();
        KEYS.iter()
            .position(|key| *key == character)
            .map(|event| Self(event as u8))
    }

    /// The key with this RFC 4733 event code, if the event is a key at all (16 is a hook flash).
    pub fn from_event(event: u8) -> Option<Self> {
        (usize::from(event) < KEYS.len()).then_some(Self(event))
    }

    /// The character on the key.
    pub fn as_char(self) -> char {
        KEYS.get(usize::from(self.0)).copied().unwrap_or('0')
    }

    /// Its RFC 4733 event code, 0–15.
    pub fn event(self) -> u8 {
        self.0
    }
}

impl fmt::Debug for Digit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("‹redacted›")
    }
}

/// How we send a digit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DigitWay {
    /// RFC 4733, or tones when the peer did not agree to events.
    TelephoneEvent,
    /// Two sines in the audio (ITU-T Q.23).
    Tone,
}

#[cfg(test)]
mod tests {
    use super::Digit;

    #[test]
    fn keys_and_codes_agree_and_never_print() {
        for event in 0..16 {
            let digit = Digit::from_event(event).expect("sixteen keys");
            assert_eq!(Digit::from_char(digit.as_char()), Some(digit));
            assert_eq!(digit.event(), event);
            assert_eq!(format!("{digit:?}"), "‹redacted›");
        }
        assert_eq!(Digit::from_event(16), None);
        assert_eq!(Digit::from_char('x'), None);
        assert_eq!(Digit::from_char('d').map(Digit::as_char), Some('D'));
        assert_eq!(Digit::from_char('*').map(Digit::event), Some(10));
        assert_eq!(Digit::from_char('#').map(Digit::event), Some(11));
    }
}
