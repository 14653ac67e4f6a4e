//! CSeq: which request within a dialog this is or answers (RFC 3261 §20.16).

use std::fmt;

use super::lex::{Scan, number, text};
use super::limits::METHOD_BYTES_MAX;
use super::malformed::{Malformed, What};
use super::method::Method;

/// A sequence number and the method it counts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CSeq {
    /// Below 2^31 (RFC 3261 §8.1.1.5).
    pub number: u32,
    /// The request's method.
    pub method: Method,
}

impl CSeq {
    /// The two together.
    pub const fn new(number: u32, method: Method) -> Self {
        Self { number, method }
    }

    /// Reads a CSeq's value.
    pub fn parse(value: &[u8]) -> Result<Self, Malformed> {
        let mut scan = Scan::new(value);
        let digits = scan.take_while(|byte| byte.is_ascii_digit());
        // RFC 3261 §8.1.1.5: "MUST be expressible as a 32-bit unsigned integer and MUST be less than 2**31".
        let count = number(digits)
            .and_then(|count| u32::try_from(count).ok())
            .filter(|count| *count < 1 << 31);
        let Some(count) = count else {
            return Err(Malformed::new(What::CSeq, 0));
        };
        let gap = scan.at();
        scan.skip_space();
        let spaced = scan.at() > gap;
        let method = scan.token();
        if !spaced || method.is_empty() || method.len() > METHOD_BYTES_MAX || !scan.is_done() {
            return scan.fail(What::CSeq);
        }
        Ok(Self {
            number: count,
            method: Method::from(text(method).as_ref()),
        })
    }
}

impl fmt::Display for CSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.number, self.method)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_end_below_two_to_the_31() {
        assert_eq!(CSeq::parse(b"0009 \tINVITE"), Ok(CSeq::new(9, Method::Invite)));
        assert_eq!(
            CSeq::parse(b"2147483647 X"),
            Ok(CSeq::new(2_147_483_647, Method::Other("X".into())))
        );
        for value in [
            "2147483648 X",
            "36893488147419103232 X",
            "1",
            "1 ",
            "1INVITE",
            " 1 X",
            "1 X Y",
            "-1 X",
            "",
            "1 (X",
        ] {
            assert_eq!(
                CSeq::parse(value.as_bytes()).map_err(|flaw| flaw.what),
                Err(What::CSeq),
                "{value}"
            );
        }
    }
}
