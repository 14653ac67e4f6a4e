//! SIP as text, just enough for a telephone that knows its peer: requests by `format!`, answers that give headers back.
//!
//! Written against RFC 3261 and not against our `sip` crate.

/// A message, borrowed from the datagram.
pub(crate) struct Message<'a> {
    start: &'a str,
    head: &'a str,
    body: &'a str,
}

impl<'a> Message<'a> {
    /// Splits a datagram; `None` when it is no SIP message.
    pub(crate) fn read(bytes: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let (head, body) = text.split_once("\r\n\r\n")?;
        let (start, head) = head.split_once("\r\n")?;
        (start.starts_with("SIP/2.0 ") || start.ends_with(" SIP/2.0")).then_some(Self { start, head, body })
    }

    /// The status of a response.
    pub(crate) fn status(&self) -> Option<u16> {
        self.start.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
    }

    /// The method of a request.
    pub(crate) fn method(&self) -> Option<&'a str> {
        if self.start.starts_with("SIP/2.0 ") {
            return None;
        }
        self.start.split(' ').next()
    }

    /// The first header of this name.
    pub(crate) fn header(&self, name: &str) -> Option<&'a str> {
        self.headers(name).next()
    }

    /// Every header of this name, whole lines' values.
    pub(crate) fn headers(&self, name: &str) -> impl Iterator<Item = &'a str> {
        let compact = match name {
            "Via" => "v",
            "From" => "f",
            "To" => "t",
            "Call-ID" => "i",
            "Contact" => "m",
            _ => "",
        };
        let name = name.to_owned();
        self.head.split("\r\n").filter_map(move |line| {
            let (key, value) = line.split_once(':')?;
            let key = key.trim_end();
            let same = key.eq_ignore_ascii_case(&name) || (!compact.is_empty() && key.eq_ignore_ascii_case(compact));
            same.then_some(value.trim())
        })
    }

    /// Number and method of CSeq.
    pub(crate) fn cseq(&self) -> Option<(u32, &'a str)> {
        let (number, method) = self.header("CSeq")?.split_once(' ')?;
        Some((number.trim().parse().ok()?, method.trim()))
    }

    /// The URI of the first Contact.
    pub(crate) fn contact(&self) -> Option<&'a str> {
        let contact = self.header("Contact")?;
        match contact.split_once('<') {
            Some((_, rest)) => rest.split('>').next(),
            None => contact.split(';').next(),
        }
    }

    /// Where SDP wants audio, and under which number it takes keys.
    pub(crate) fn audio(&self) -> Option<Described> {
        let line = |prefix: &str| self.body.lines().find_map(|line| line.strip_prefix(prefix));
        let address = line("c=IN IP4 ")?.trim().parse().ok()?;
        let mut media = line("m=audio ")?.split_whitespace();
        let port: u16 = media.next()?.parse().ok()?;
        let formats: Vec<u8> = media.skip(1).filter_map(|format| format.parse().ok()).collect();
        let event = self.body.lines().find_map(|line| {
            let (number, kind) = line.strip_prefix("a=rtpmap:")?.split_once(' ')?;
            kind.starts_with("telephone-event/8000").then(|| number.parse().ok())?
        });
        Some(Described {
            to: std::net::SocketAddr::new(address, port),
            pcmu: formats.contains(&0),
            event,
        })
    }

    /// A response to this request. `tag` is added to a To that has none; `extra` holds whole header lines.
    pub(crate) fn answer(&self, status: &str, tag: &str, extra: &str, body: &str) -> String {
        let mut text = format!("SIP/2.0 {status}\r\n");
        for via in self.headers("Via") {
            text.push_str(&format!("Via: {via}\r\n"));
        }
        let to = self.header("To").unwrap_or_default();
        let tag = if to.contains(";tag=") || status.starts_with("100") {
            String::new()
        } else {
            format!(";tag={tag}")
        };
        text.push_str(&format!(
            "From: {}\r\nTo: {to}{tag}\r\nCall-ID: {}\r\nCSeq: {}\r\n{extra}Content-Length: {}\r\n\r\n{body}",
            self.header("From").unwrap_or_default(),
            self.header("Call-ID").unwrap_or_default(),
            self.header("CSeq").unwrap_or_default(),
            body.len(),
        ));
        text
    }
}

/// What SDP said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Described {
    /// Where audio goes.
    pub(crate) to: std::net::SocketAddr,
    /// PCMU is among the formats.
    pub(crate) pcmu: bool,
    /// The payload type for keys (RFC 4733).
    pub(crate) event: Option<u8>,
}

/// SDP of a telephone with PCMU and keys.
pub(crate) fn sdp(port: u16, event: u8) -> String {
    format!(
        "v=0\r\no=- {port} 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {port} RTP/AVP 0 {event}\r\n\
         a=rtpmap:0 PCMU/8000\r\na=rtpmap:{event} telephone-event/8000\r\na=fmtp:{event} 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folded_down_message_is_read_and_answered() {
        let body = sdp(4000, 96);
        let text = format!(
            "INVITE sip:+15125550141@127.0.0.1:5070 SIP/2.0\r\nv: SIP/2.0/UDP a;branch=z9hG4bK1\r\nVIA : SIP/2.0/UDP b\r\nf: <sip:x>;tag=1\r\n\
             To: <sip:y>\r\ni: abc\r\nCSeq: 7 INVITE\r\nm: \"x\" <sip:x@127.0.0.1:5060>;expires=3\r\n\r\n{body}"
        );
        let message = Message::read(text.as_bytes()).unwrap();
        assert_eq!(message.method(), Some("INVITE"));

        assert_eq!(message.cseq(), Some((7, "INVITE")));
        assert_eq!(message.contact(), Some("sip:x@127.0.0.1:5060"));
        let described = message.audio().unwrap();
        assert_eq!(
            described,
            Described {
                to: "127.0.0.1:4000".parse().unwrap(),
                pcmu: true,
                event: Some(96)
            }
        );
        let answer = message.answer("180 Ringing", "t2", "Contact: <sip:z>\r\n", "");
        let answer = Message::read(answer.as_bytes()).unwrap();
        assert_eq!(answer.status(), Some(180));
        assert_eq!(answer.method(), None);
        assert_eq!(
            answer.headers("Via").collect::<Vec<_>>(),
            ["SIP/2.0/UDP a;branch=z9hG4bK1", "SIP/2.0/UDP b"]
        );
        assert_eq!(answer.header("To"), Some("<sip:y>;tag=t2"));
        assert!(Message::read(b"\x80\x00garbage\r\n\r\n").is_none());
    }
}
