//! Names of header fields: the ones RFC 3261 and its extensions define, and any other byte for byte.

use std::fmt;
use std::hash::{Hash, Hasher};

macro_rules! names {
    ($($variant:ident $name:literal $($compact:literal)?, $rfc:literal;)*) => {
        /// A header field's name. Known names are written in full and in the RFC's case, unknown ones as they came; all
        /// compare without regard to case, and a compact form is its long form (RFC 3261 §7.3.1, §7.3.3).
        #[derive(Clone)]
        #[non_exhaustive]
        pub enum HeaderName {
            $(#[doc = $rfc] $variant,)*
            /// Any other token, byte for byte as received.
            Other(Box<str>),
        }

        impl HeaderName {
            /// The name in full.
            pub fn as_str(&self) -> &str {
                match self {
                    $(HeaderName::$variant => $name,)*
                    HeaderName::Other(name) => name,
                }
            }

            fn known(name: &str) -> Option<Self> {
                // RFC 3261 §7.3.3 and the IANA registry: compact forms are one letter.
                if name.len() == 1 {
                    $($(if name.eq_ignore_ascii_case($compact) { return Some(HeaderName::$variant); })?)*
                    return None;
                }
                $(if name.eq_ignore_ascii_case($name) { return Some(HeaderName::$variant); })*
                None
            }

            #[cfg(test)]
            pub(crate) const ALL: &[(HeaderName, &'static str)] = &[$((HeaderName::$variant, $name),)*];
        }
    };
}

names! {
    Via "Via" "v", "RFC 3261 §20.42.";
    From "From" "f", "RFC 3261 §20.20.";
    To "To" "t", "RFC 3261 §20.39.";
    CallId "Call-ID" "i", "RFC 3261 §20.8.";
    CSeq "CSeq", "RFC 3261 §20.16.";
    MaxForwards "Max-Forwards", "RFC 3261 §20.22.";
    Contact "Contact" "m", "RFC 3261 §20.10.";
    ContentLength "Content-Length" "l", "RFC 3261 §20.14.";
    ContentType "Content-Type" "c", "RFC 3261 §20.15.";
    Route "Route", "RFC 3261 §20.34.";
    RecordRoute "Record-Route", "RFC 3261 §20.30.";
    Allow "Allow", "RFC 3261 §20.5.";
    Supported "Supported" "k", "RFC 3261 §20.37.";
    Require "Require", "RFC 3261 §20.32.";
    ProxyRequire "Proxy-Require", "RFC 3261 §20.29.";
    Unsupported "Unsupported", "RFC 3261 §20.40.";
    Accept "Accept", "RFC 3261 §20.1.";
    AcceptEncoding "Accept-Encoding", "RFC 3261 §20.2.";
    AcceptLanguage "Accept-Language", "RFC 3261 §20.3.";
    AlertInfo "Alert-Info", "RFC 3261 §20.4.";
    Authorization "Authorization", "RFC 3261 §20.7.";
    ProxyAuthorization "Proxy-Authorization", "RFC 3261 §20.28.";
    WwwAuthenticate "WWW-Authenticate", "RFC 3261 §20.44.";
    ProxyAuthenticate "Proxy-Authenticate", "RFC 3261 §20.27.";
    AuthenticationInfo "Authentication-Info", "RFC 3261 §20.6.";
    CallInfo "Call-Info", "RFC 3261 §20.9.";
    ContentDisposition "Content-Disposition", "RFC 3261 §20.11.";
    ContentEncoding "Content-Encoding" "e", "RFC 3261 §20.12.";
    ContentLanguage "Content-Language", "RFC 3261 §20.13.";
    Date "Date", "RFC 3261 §20.17.";
    ErrorInfo "Error-Info", "RFC 3261 §20.18.";
    Expires "Expires", "RFC 3261 §20.19.";
    InReplyTo "In-Reply-To", "RFC 3261 §20.21.";
    MinExpires "Min-Expires", "RFC 3261 §20.23.";
    MimeVersion "MIME-Version", "RFC 3261 §20.24.";
    Organization "Organization", "RFC 3261 §20.25.";
    Priority "Priority", "RFC 3261 §20.26.";
    ReplyTo "Reply-To", "RFC 3261 §20.31.";
    RetryAfter "Retry-After", "RFC 3261 §20.33.";
    Server "Server", "RFC 3261 §20.35.";
    Subject "Subject" "s", "RFC 3261 §20.36.";
    Timestamp "Timestamp", "RFC 3261 §20.38.";
    UserAgent "User-Agent", "RFC 3261 §20.41.";
    Warning "Warning", "RFC 3261 §20.43.";
    RSeq "RSeq", "RFC 3262 §7.1.";
    RAck "RAck", "RFC 3262 §7.2.";
    Event "Event" "o", "RFC 6665 §8.2.1.";
    AllowEvents "Allow-Events" "u", "RFC 6665 §8.2.2.";
    SubscriptionState "Subscription-State", "RFC 6665 §8.2.3.";
    ReferTo "Refer-To" "r", "RFC 3515 §2.1.";
    ReferredBy "Referred-By" "b", "RFC 3892 §3.";
    Replaces "Replaces", "RFC 3891 §6.1.";
    Join "Join", "RFC 3911 §7.1.";
    SessionExpires "Session-Expires" "x", "RFC 4028 §4.";
    MinSe "Min-SE", "RFC 4028 §5.";
    Reason "Reason", "RFC 3326 §2.";
    Privacy "Privacy", "RFC 3323 §4.2.";
    PAssertedIdentity "P-Asserted-Identity", "RFC 3325 §9.1.";
    PPreferredIdentity "P-Preferred-Identity", "RFC 3325 §9.2.";
    PCalledPartyId "P-Called-Party-ID", "RFC 7315 §4.2.";
    RemotePartyId "Remote-Party-ID", "draft-ietf-sip-privacy-04, still sent by trunks.";
    Diversion "Diversion", "RFC 5806 §4.";
    HistoryInfo "History-Info", "RFC 7044 §5.";
    Path "Path", "RFC 3327 §4.";
    ServiceRoute "Service-Route", "RFC 3608 §5.";
    Identity "Identity" "y", "RFC 8224 §4.";
    InfoPackage "Info-Package", "RFC 6086 §7.2.";
    RecvInfo "Recv-Info", "RFC 6086 §7.3.";
    SipEtag "SIP-ETag", "RFC 3903 §11.3.1.";
    SipIfMatch "SIP-If-Match", "RFC 3903 §11.3.2.";
    RequestDisposition "Request-Disposition" "d", "RFC 3841 §9.1.";
    AcceptContact "Accept-Contact" "a", "RFC 3841 §9.2.";
    RejectContact "Reject-Contact" "j", "RFC 3841 §9.2.";
    ResourcePriority "Resource-Priority", "RFC 4412 §3.1.";
    Geolocation "Geolocation", "RFC 6442 §4.1.";
    UserToUser "User-to-User", "RFC 7433 §4.";
    SessionId "Session-ID", "RFC 7989 §5.";
}

impl HeaderName {
    /// Whether a comma in the value separates values, so that they may be taken apart into fields of their own without
    /// changing what they say (RFC 3261 §7.3.1: only where the grammar is a comma list).
    pub(crate) const fn is_address_list(&self) -> bool {
        matches!(
            self,
            HeaderName::Via
                | HeaderName::Contact
                | HeaderName::Route
                | HeaderName::RecordRoute
                | HeaderName::PAssertedIdentity
                | HeaderName::PPreferredIdentity
                | HeaderName::Diversion
                | HeaderName::HistoryInfo
                | HeaderName::Path
                | HeaderName::ServiceRoute
                | HeaderName::RemotePartyId
        )
    }

    /// Whether the value speaks only of the protocol, never of a person: the ones `Debug` may print.
    pub(crate) const fn is_impersonal(&self) -> bool {
        matches!(
            self,
            HeaderName::Via
                | HeaderName::CallId
                | HeaderName::CSeq
                | HeaderName::MaxForwards
                | HeaderName::ContentLength
                | HeaderName::ContentType
                | HeaderName::ContentEncoding
                | HeaderName::Allow
                | HeaderName::Supported
                | HeaderName::Require
                | HeaderName::ProxyRequire
                | HeaderName::Unsupported
                | HeaderName::Accept
                | HeaderName::Expires
                | HeaderName::MinExpires
                | HeaderName::RetryAfter
                | HeaderName::RSeq
                | HeaderName::RAck
                | HeaderName::SessionExpires
                | HeaderName::MinSe
                | HeaderName::Server
                | HeaderName::UserAgent
        )
    }
}

impl From<&str> for HeaderName {
    fn from(name: &str) -> Self {
        HeaderName::known(name).unwrap_or_else(|| HeaderName::Other(name.into()))
    }
}

impl From<&HeaderName> for HeaderName {
    fn from(name: &HeaderName) -> Self {
        name.clone()
    }
}

impl PartialEq for HeaderName {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (HeaderName::Other(own), HeaderName::Other(theirs)) => own.eq_ignore_ascii_case(theirs),
            _ => std::mem::discriminant(self) == std::mem::discriminant(other),
        }
    }
}

impl Eq for HeaderName {}

impl Hash for HeaderName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for byte in self.as_str().bytes() {
            state.write_u8(byte.to_ascii_lowercase());
        }
    }
}

impl fmt::Debug for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_any_case_and_in_compact_form() {
        for (name, text) in HeaderName::ALL {
            assert_eq!(&HeaderName::from(*text), name);
            assert_eq!(&HeaderName::from(text.to_uppercase().as_str()), name);
        }
        for (compact, name) in [
            ("v", "Via"),
            ("F", "From"),
            ("t", "To"),
            ("i", "Call-ID"),
            ("M", "Contact"),
            ("l", "Content-Length"),
            ("c", "Content-Type"),
            ("e", "Content-Encoding"),
            ("k", "Supported"),
            ("s", "Subject"),
            ("o", "Event"),
            ("u", "Allow-Events"),
            ("r", "Refer-To"),
            ("b", "Referred-By"),
            ("x", "Session-Expires"),
            ("y", "Identity"),
        ] {
            assert_eq!(HeaderName::from(compact).as_str(), name);
        }
    }

    #[test]
    fn unknown_names_keep_their_case_and_ignore_it() {
        assert_eq!(HeaderName::from("X-fOO").as_str(), "X-fOO");
        assert_eq!(HeaderName::from("X-fOO"), HeaderName::from("x-Foo"));
        assert_eq!(HeaderName::from("z").as_str(), "z");
    }
}
