//! The one table from what is wrong to the SIP status that says so (house.md §5, invariant 8).
//!
//! Every refusal this engine sends is a row here, whichever room decides it. The table is documentation and test at once: the
//! test below prints it, and a changed row is a changed snapshot.

use crate::message::{HeaderName, Request, Response, StatusCode};

macro_rules! faults {
    ($($(#[$doc:meta])* $fault:ident => $status:literal, $why:literal $(, retry $retry:literal)?;)*) => {
        /// Why a request is refused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Fault {
            $($(#[$doc])* $fault,)*
        }

        impl Fault {
            /// Every row, in the order of the table.
            pub const ALL: &'static [Fault] = &[$(Fault::$fault,)*];

            /// The SIP status.
            pub const fn status(self) -> u16 {
                match self { $(Fault::$fault => $status,)* }
            }

            /// Why, in words for an engineer. It never names a person or a number, so it may be logged and sent.
            pub const fn why(self) -> &'static str {
                match self { $(Fault::$fault => $why,)* }
            }

            /// Seconds after which asking again may help (RFC 3261 §20.33).
            pub const fn retry_after(self) -> Option<u32> {
                match self { $(Fault::$fault => faults!(@retry $($retry)?),)* }
            }
        }
    };
    (@retry) => { None };
    (@retry $retry:literal) => { Some($retry) };
}

faults! {
    // their bytes
    /// The message does not follow the grammar (RFC 3261 §21.4.1).
    Malformed => 400, "malformed message";
    /// The Request-URI is longer than we read (§21.4.12).
    UriTooLong => 414, "Request-URI longer than we read";
    /// The message, or a part of it, is larger than we read (§21.5.7).
    MessageTooLarge => 513, "message larger than we read";
    /// Not SIP/2.0 (§21.5.6).
    VersionNotSupported => 505, "not SIP/2.0";
    /// The body's session description cannot be read (RFC 3264 §6).
    MalformedOffer => 400, "malformed session description";

    // their wish, which SIP itself cannot fulfil
    /// Neither `sip:` nor `sips:` nor `tel:` (§21.4.14).
    UnknownScheme => 416, "URI scheme we do not serve";
    /// A method we do not have; answered with Allow (§21.4.6).
    MethodNotAllowed => 405, "method we do not have";
    /// A REFER, inside a call or outside; answered with Allow, which has none (RFC 3515 §2.4.2 leaves it to us).
    TransferRefused => 405, "transfer asked for: we call only whom a practice names";
    /// An extension we do not have is required; answered with Unsupported (§21.4.15).
    BadExtension => 420, "extension we do not have";
    /// A body we cannot read; answered with Accept (§21.4.13).
    UnsupportedBody => 415, "body of a type we do not read";
    /// A required body encoding we cannot undo (§21.4.13).
    UnsupportedEncoding => 415, "body encoded in a way we do not read";
    /// The response formats asked for are none of ours (§21.4.7).
    NotAcceptable => 406, "no response format in common";
    /// The offer has no codec, transport or address in common with us (§21.4.26).
    NothingInCommon => 488, "nothing in common in the offer";
    /// The offer has only plain audio and this trunk must encrypt it, or the other way round (§21.4.26).
    NotProtected => 488, "audio must be encrypted on this trunk";
    /// A session refreshed more often than we allow; answered with Min-SE (RFC 4028 §6).
    SessionIntervalTooSmall => 422, "session interval below our minimum";
    /// An INFO whose package we did not ask for (RFC 6086 §4.2.2).
    BadInfoPackage => 469, "INFO package we did not announce";
    /// An event package we do not have (RFC 6665 §8.3.2).
    BadEvent => 489, "event package we do not have";

    // their place in the conversation
    /// A request inside a dialog we do not know (§21.4.19).
    NoSuchDialog => 481, "no such dialog";
    /// A CANCEL or PRACK for a transaction we do not know (§9.2).
    NoSuchTransaction => 481, "no such transaction";
    /// A NOTIFY: we subscribe to nothing (RFC 6665 §4.1.3).
    NoSuchSubscription => 481, "no such subscription";
    /// The same request came by two ways (§8.2.2.2).
    Merged => 482, "the same request arrived twice by different ways";
    /// A call of ours that somebody's telephone has forwarded back to us (§21.4.20).
    Looped => 482, "our own call has come back";
    /// Max-Forwards is used up (§21.4.21).
    TooManyHops => 483, "Max-Forwards used up";
    /// A re-INVITE or UPDATE while one of ours is pending (RFC 3261 §14.2, RFC 3311 §5.2).
    Glare => 491, "our own offer is pending";
    /// A re-INVITE or UPDATE while one of theirs is unanswered (RFC 3261 §14.2, RFC 3311 §5.2).
    Overlapping => 500, "an earlier offer is not answered yet", retry 2;
    /// A CSeq lower than one seen in this dialog (§12.2.2).
    OutOfOrder => 500, "CSeq lower than one already seen";
    /// The caller cancelled (§9.2).
    Cancelled => 487, "cancelled by the caller";

    // who they are and whom they want
    /// A call from anywhere, where a trunk may be anywhere; answered with WWW-Authenticate (§22.2).
    Unproved => 401, "caller of a trunk that must prove itself by digest";
    /// From an address no trunk is configured for.
    Stranger => 403, "source is no configured trunk";
    /// A dialog's request from somewhere else than its peer.
    WrongPeer => 403, "source is not this dialog's peer";
    /// A known trunk asks for a number no practice has (§21.4.5).
    UnknownNumber => 404, "number belongs to no practice";
    /// The Request-URI names no number at all (§21.4.22).
    AddressIncomplete => 484, "address names no number";

    // our limits and our state
    /// Our call gave up waiting (§21.4.18).
    NotAnswered => 480, "not answered in time";
    /// Every call, session or transaction we may hold is held (§21.5.4).
    Exhausted => 503, "at our limit of calls", retry 5;
    /// No PRACK came for a reliable provisional response of ours (RFC 3262 §3).
    NotAcknowledged => 504, "our reliable provisional response was never acknowledged";
    /// This trunk has all the calls, or all the calls a second, that it may have (§21.5.4).
    TrunkFull => 503, "at this trunk's limit of calls", retry 5;
    /// This practice has all the calls it may have, so that the others have some (§21.5.4). Not 486: the carrier should try
    /// our other site.
    PracticeFull => 503, "at this practice's limit of calls", retry 5;
    /// We are being shut down; calls in progress go on (§21.5.4).
    Draining => 503, "going out of service", retry 30;
    /// No RTP port, no media thread: a call could not be heard (§21.5.4).
    NoMedia => 503, "no media to be had", retry 5;
    /// We did something we cannot answer for (§21.5.1).
    Internal => 500, "internal fault";
}

impl Fault {
    /// The response: status, the copied headers, and Retry-After when the row has one. What a row says is *answered with*
    /// (Allow, Accept, Unsupported, Min-SE) is added by who knows it.
    pub fn response(self, request: &Request) -> Response {
        let mut response = request.respond(StatusCode::new(self.status()).unwrap_or(StatusCode::of(500)));
        self.complete(&mut response);
        response
    }

    pub(crate) fn complete(self, response: &mut Response) {
        if let Some(seconds) = self.retry_after() {
            response.headers.set(HeaderName::RetryAfter, seconds.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_what_it_is() {
        let table = Fault::ALL
            .iter()
            .map(|fault| {
                let status = StatusCode::new(fault.status()).expect("every row is a SIP status");
                let retry = fault
                    .retry_after()
                    .map(|seconds| format!(", retry after {seconds} s"))
                    .unwrap_or_default();
                format!(
                    "{:<24} {status} {:<30} {}{retry}",
                    format!("{fault:?}"),
                    status.reason(),
                    fault.why()
                )
            })
            .collect::<Vec<_>>()
            .join("\n");
        insta::assert_snapshot!(table);
    }

    /// 486 and 603 stop a carrier from trying the other site (integrations.md §1.2), and what is wrong with us is none of the
    /// callee's doing.
    #[test]
    fn no_row_keeps_a_carrier_from_the_next_site() {
        let final_for_all = Fault::ALL.iter().filter(|fault| matches!(fault.status(), 486 | 600..));
        assert_eq!(final_for_all.collect::<Vec<_>>(), [] as [&Fault; 0]);
    }
}
