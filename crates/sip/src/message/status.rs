//! Status codes: a number from 100 to 699, whether or not we have heard of it (RFC 3261 §7.2, §8.1.3.2).

use std::fmt;

/// A response's status code. An unknown one is treated as the `x00` of its class by whoever acts on it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StatusCode(u16);

impl StatusCode {
    /// 100, hop by hop.
    pub const TRYING: Self = Self(100);
    /// 180.
    pub const RINGING: Self = Self(180);
    /// 183.
    pub const SESSION_PROGRESS: Self = Self(183);
    /// 200.
    pub const OK: Self = Self(200);

    /// The code, when it lies where SIP has codes.
    pub const fn new(code: u16) -> Option<Self> {
        match code {
            100..=699 => Some(Self(code)),
            _ => None,
        }
    }

    /// A code our own source spells out.
    ///
    /// # Panics
    /// When the literal is outside 100..=699; in a `const` that is a compile error.
    pub const fn of(code: u16) -> Self {
        assert!(code >= 100 && code <= 699, "a SIP status lies between 100 and 699");
        Self(code)
    }

    /// The number.
    pub const fn code(self) -> u16 {
        self.0
    }

    /// 1xx.
    pub const fn is_provisional(self) -> bool {
        self.0 < 200
    }

    /// 2xx.
    pub const fn is_success(self) -> bool {
        self.0 >= 200 && self.0 < 300
    }

    /// 2xx to 6xx.
    pub const fn is_final(self) -> bool {
        self.0 >= 200
    }

    /// The first digit: 1 to 6.
    pub const fn class(self) -> u16 {
        self.0 / 100
    }

    /// The phrase RFC 3261 §21 or a later RFC suggests; for a code nobody registered, the phrase of its class.
    pub fn reason(self) -> &'static str {
        match PHRASES.binary_search_by_key(&self.0, |(code, _)| *code) {
            Ok(index) => PHRASES.get(index).map_or("", |(_, phrase)| phrase),
            Err(_) => match self.class() {
                1 => "Session Progress",
                2 => "OK",
                3 => "Multiple Choices",
                4 => "Bad Request",
                5 => "Server Internal Error",
                _ => "Busy Everywhere",
            },
        }
    }
}

/// The IANA "SIP Response Codes" registry, ascending.
const PHRASES: &[(u16, &str)] = &[
    (100, "Trying"),
    (180, "Ringing"),
    (181, "Call Is Being Forwarded"),
    (182, "Queued"),
    (183, "Session Progress"),
    (199, "Early Dialog Terminated"),
    (200, "OK"),
    (202, "Accepted"),
    (204, "No Notification"),
    (300, "Multiple Choices"),
    (301, "Moved Permanently"),
    (302, "Moved Temporarily"),
    (305, "Use Proxy"),
    (380, "Alternative Service"),
    (400, "Bad Request"),
    (401, "Unauthorized"),
    (402, "Payment Required"),
    (403, "Forbidden"),
    (404, "Not Found"),
    (405, "Method Not Allowed"),
    (406, "Not Acceptable"),
    (407, "Proxy Authentication Required"),
    (408, "Request Timeout"),
    (410, "Gone"),
    (412, "Conditional Request Failed"),
    (413, "Request Entity Too Large"),
    (414, "Request-URI Too Long"),
    (415, "Unsupported Media Type"),
    (416, "Unsupported URI Scheme"),
    (417, "Unknown Resource-Priority"),
    (420, "Bad Extension"),
    (421, "Extension Required"),
    (422, "Session Interval Too Small"),
    (423, "Interval Too Brief"),
    (424, "Bad Location Information"),
    (428, "Use Identity Header"),
    (429, "Provide Referrer Identity"),
    (430, "Flow Failed"),
    (433, "Anonymity Disallowed"),
    (436, "Bad Identity Info"),
    (437, "Unsupported Credential"),
    (438, "Invalid Identity Header"),
    (439, "First Hop Lacks Outbound Support"),
    (440, "Max-Breadth Exceeded"),
    (469, "Bad Info Package"),
    (470, "Consent Needed"),
    (480, "Temporarily Unavailable"),
    (481, "Call/Transaction Does Not Exist"),
    (482, "Loop Detected"),
    (483, "Too Many Hops"),
    (484, "Address Incomplete"),
    (485, "Ambiguous"),
    (486, "Busy Here"),
    (487, "Request Terminated"),
    (488, "Not Acceptable Here"),
    (489, "Bad Event"),
    (491, "Request Pending"),
    (493, "Undecipherable"),
    (494, "Security Agreement Required"),
    (500, "Server Internal Error"),
    (501, "Not Implemented"),
    (502, "Bad Gateway"),
    (503, "Service Unavailable"),
    (504, "Server Time-out"),
    (505, "Version Not Supported"),
    (513, "Message Too Large"),
    (555, "Push Notification Service Not Supported"),
    (580, "Precondition Failure"),
    (600, "Busy Everywhere"),
    (603, "Decline"),
    (604, "Does Not Exist Anywhere"),
    (606, "Not Acceptable"),
    (607, "Unwanted"),
    (608, "Rejected"),
];

impl fmt::Debug for StatusCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for StatusCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl PartialEq<u16> for StatusCode {
    fn eq(&self, other: &u16) -> bool {
        self.0 == *other
    }
}

impl From<StatusCode> for rsip::StatusCode {
    fn from(status: StatusCode) -> Self {
        rsip::StatusCode::from(status.0)
    }
}

/// rsip holds any `u16` in its `Other`; what is no SIP status is refused.
impl TryFrom<rsip::StatusCode> for StatusCode {
    type Error = u16;

    fn try_from(status: rsip::StatusCode) -> Result<Self, u16> {
        let code = status.code();
        Self::new(code).ok_or(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phrases_ascend_so_that_they_can_be_searched() {
        assert!(PHRASES.is_sorted_by(|(one, _), (next, _)| one < next));
        assert_eq!(StatusCode::of(488).reason(), "Not Acceptable Here");
        assert_eq!(StatusCode::of(499).reason(), "Bad Request");
        assert_eq!(StatusCode::new(99).or(StatusCode::new(700)), None);
    }

    /// rsip names three codes SIP never had (201, 409, 411), and calls 201 what is 202; the rest of its vocabulary is ours.
    #[test]
    fn every_code_rsip_names_is_in_the_registry() {
        let named = (100..700).filter(|code| !matches!(rsip::StatusCode::from(*code), rsip::StatusCode::Other(..)));
        let strange = named.filter(|code| PHRASES.binary_search_by_key(code, |(own, _)| *own).is_err());
        assert_eq!(strange.collect::<Vec<_>>(), [201, 409, 411]);
        for (code, _) in PHRASES {
            let theirs = rsip::StatusCode::from(StatusCode::of(*code));
            assert_eq!(StatusCode::try_from(theirs), Ok(StatusCode::of(*code)));
        }
        assert_eq!(StatusCode::try_from(rsip::StatusCode::from(7)), Err(7));
    }
}
