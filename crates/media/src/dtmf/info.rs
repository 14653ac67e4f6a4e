//! Digits in SIP INFO bodies: `application/dtmf-relay` (`Signal=5`, `Duration=160`) and `application/dtmf` (`5`).
//! Neither is a standard; what is read here is what gateways send.

use super::Digit;
use std::time::Duration;

/// Longest body read.
pub const BODY_BYTES_MAX: usize = 512;

/// Longest press a body may claim; longer is cut, so that a claim cannot reach far into the past.
pub const DURATION_MAX: Duration = Duration::from_secs(10);

/// How long a press lasts when the body does not say.
const DURATION_DEFAULT: Duration = Duration::from_millis(160);

/// A press as INFO tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InfoDigit {
    /// The key.
    pub digit: Digit,
    /// How long it was held; INFO is usually sent when it is released.
    pub duration: Duration,
}

/// Reads a body of either type; `None` when it holds no key (a hook flash, say, or nonsense).
pub fn read(body: &[u8]) -> Option<InfoDigit> {
    if body.len() > BODY_BYTES_MAX {
        return None;
    }
    let text = std::str::from_utf8(body).ok()?.trim();
    if let Some(digit) = key(text) {
        return Some(InfoDigit {
            digit,
            duration: DURATION_DEFAULT,
        });
    }
    let mut digit = None;
    let mut duration = DURATION_DEFAULT;
    for line in text.lines() {
        // `Signal=5`, `Signal= 5`, `signal: 5` are all seen.
        let Some((name, value)) = line.split_once(['=', ':']) else {
            continue;
        };
        match name.trim().to_ascii_lowercase().as_str() {
            "signal" => digit = Some(key(value.trim())?),
            "duration" => {
                if let Ok(ms) = value.trim().parse::<u64>() {
                    duration = Duration::from_millis(ms).min(DURATION_MAX);
                }
            }
            _ => {}
        }
    }
    digit.map(|digit| InfoDigit { digit, duration })
}

/// The key itself, or its RFC 4733 event code when that has two figures.
fn key(text: &str) -> Option<Digit> {
    let mut characters = text.chars();
    match (characters.next(), characters.next()) {
        (Some(only), None) => Digit::from_char(only),
        (Some('1'), Some(_)) => text.parse().ok().and_then(Digit::from_event),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn heard(body: &str) -> Option<(char, u64)> {
        read(body.as_bytes()).map(|info| (info.digit.as_char(), info.duration.as_millis() as u64))
    }

    #[test]
    fn both_types_as_gateways_write_them() {
        assert_eq!(heard("Signal=5\r\nDuration=160\r\n"), Some(('5', 160)));
        assert_eq!(heard("Signal= *\nDuration= 250"), Some(('*', 250)));
        assert_eq!(heard("signal=#\r\n"), Some(('#', 160)));
        assert_eq!(heard("Duration=90\r\nSignal=d\r\n"), Some(('D', 90)));
        assert_eq!(heard("Signal=11\r\nDuration=100\r\n"), Some(('#', 100)));
        assert_eq!(heard("7"), Some(('7', 160)));
        assert_eq!(heard("0\r\n"), Some(('0', 160)));
        assert_eq!(heard("Signal=1\r\nDuration=99999999\r\n"), Some(('1', 10_000)));
        assert_eq!(heard("Signal=1\r\nDuration=-4\r\n"), Some(('1', 160)));
    }

    #[test]
    fn no_key_no_digit() {
        for body in [
            "",
            "Signal=16\r\nDuration=100",
            "Signal=\r\n",
            "Signal=55\r\n",
            "hf",
            "12345",
            "Duration=100",
            "Signal",
        ] {
            assert_eq!(heard(body), None, "{body:?}");
        }
        assert_eq!(read(&[b'5'; BODY_BYTES_MAX + 1]), None);
        assert_eq!(read(&[0xFF, 0xFE]), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..600), text in "(Signal|Duration)?[=: ]{0,2}[0-9A-Z*#]{0,4}(\r\n)?.{0,40}") {
            read(&bytes);
            read(text.as_bytes());
        }
    }
}
