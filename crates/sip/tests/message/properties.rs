//! Properties: no bytes make the codec panic, and what it writes it reads back as the same thing.

use phi::Phi;
use proptest::prelude::*;
use sip::message::{CSeq, Framer, HeaderName, Headers, Host, Message, Method, NameAddr, Params, Request, Uri, Via};

use super::fixtures;

/// Asks everything of a message that can be asked.
fn ask_everything(message: &Message) {
    let headers = message.headers();
    let _ = (
        headers.vias(),
        headers.top_via(),
        headers.from(),
        headers.to(),
        headers.call_id(),
        headers.cseq(),
    );
    let _ = (
        headers.contacts(),
        headers.routes(),
        headers.record_routes(),
        headers.max_forwards(),
        headers.privacy(),
    );
    let _ = (
        headers.p_asserted_identity(),
        headers.diversion(),
        headers.history_info(),
        headers.p_called_party_id(),
    );
    let _ = (
        headers.require(),
        headers.supported(),
        headers.allow(),
        headers.session_expires(),
        headers.rack(),
    );
    let _ = (
        headers.retry_after(),
        headers.expires(),
        headers.min_se(),
        headers.rseq(),
        headers.refer_to(),
    );
    let _ = (
        sip::digest::Challenge::all(headers),
        sip::digest::Answer::all(headers, true),
        format!("{message:?}"),
    );
    let _ = headers.content_is("application/sdp");
    for via in headers.vias() {
        let _ = (via.received(), via.rport(), via.unique_branch());
    }
}

/// What a parsed message promises to everybody above.
fn keeps_its_promise(message: &Message) -> Result<(), TestCaseError> {
    let headers = message.headers();
    prop_assert!(headers.top_via().is_some() && headers.from().is_some() && headers.to().is_some());
    prop_assert!(headers.call_id().is_some() && headers.cseq().is_some());
    prop_assert_eq!(headers.vias().len(), headers.all(HeaderName::Via).count());
    let again = Message::parse(&message.to_bytes());
    prop_assert!(again.is_ok(), "written but not read: {:?}", again);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let _ = Message::parse(&bytes).map(|message| ask_everything(&message));
        let _ = (Uri::parse(&bytes), Via::parse(&bytes), NameAddr::parse(&bytes), CSeq::parse(&bytes), Host::parse(&bytes));
        let mut framer = Framer::new();
        framer.push(&bytes);
        while framer.next().is_some() {}
    }

    #[test]
    fn nor_do_the_bytes_of_messages_gone_wrong(
        which in any::<prop::sample::Index>(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4_u8), 0..12),
    ) {
        let mut corpus = fixtures("torture");
        corpus.extend(fixtures("carriers"));
        let mut bytes = which.get(&corpus).1.clone();
        for (place, byte, edit) in edits {
            if bytes.is_empty() {
                break;
            }
            let at = place.index(bytes.len());
            match edit {
                0 => bytes[at] = byte,
                1 => bytes.truncate(at),
                2 => bytes.insert(at, byte),
                _ => bytes.splice(at..at, *b"\r\n ").for_each(drop),
            }
        }
        match Message::parse(&bytes) {
            Ok(message) => {
                ask_everything(&message);
                keeps_its_promise(&message)?;
            }
            Err(unreadable) => {
                prop_assert!(unreadable.malformed.at <= bytes.len());
                if let Some(salvage) = unreadable.salvage {
                    prop_assert!(salvage.method != Method::Ack);
                    prop_assert!(salvage.refusal().headers.has(HeaderName::Via));
                }
            }
        }
    }

    #[test]
    fn a_uri_written_is_the_uri_read(uri in uri()) {
        let read = Uri::parse(uri.to_wire());
        prop_assert_eq!(read.as_ref(), Ok(&uri), "{}", uri.to_wire());
        prop_assert!(uri.equivalent(&uri));
    }

    #[test]
    fn an_address_written_is_the_address_read(
        uri in uri(),
        display in "[^\r\n]{0,20}",
        params in params(),
    ) {
        let mut address = NameAddr::new(uri).with_display(Phi::new(display));
        address.params = params;
        prop_assert_eq!(NameAddr::parse(address.to_wire().as_bytes()), Ok(address));
    }

    #[test]
    fn a_via_written_is_the_via_read(transport in "[A-Z]{2,5}", host in host(), port in any::<Option<u16>>(), params in params()) {
        let via = Via { transport, host, port, params };
        prop_assert_eq!(Via::parse(via.to_wire().as_bytes()), Ok(via));
    }

    #[test]
    fn a_message_written_is_the_message_read(
        uri in uri(),
        method in "[A-Z][A-Z-]{0,9}",
        extra in prop::collection::vec(("X-[A-Za-z]{1,8}", prop::collection::vec(1_u8.., 0..30)), 0..8),
        body in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let uri = Uri { headers: Vec::new(), ..uri };
        let method = Method::from(method.as_str());
        let mut request = Request::new(method.clone(), uri.clone());
        request.headers.push(HeaderName::Via, "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1");
        request.headers.push(HeaderName::From, NameAddr::new(uri.clone()).with_tag("1").to_wire());
        request.headers.push(HeaderName::To, NameAddr::new(uri).to_wire());
        request.headers.push(HeaderName::CallId, "1");
        request.headers.push(HeaderName::CSeq, CSeq::new(1, method).to_string());
        for (name, value) in extra {
            request.headers.push(name.as_str(), value);
        }
        request.headers.push(HeaderName::ContentLength, body.len().to_string());
        request.body = body;
        prop_assert_eq!(Message::parse(&request.to_bytes()).expect("ours"), Message::Request(request));
    }

    /// No value handed to the builders can break out of its line.
    #[test]
    fn nothing_we_write_injects_a_line(value in "[\r\n a-z:<>;\"]{0,40}") {
        let mut headers = Headers::new();
        headers.push("Subject", &value);
        headers.set("X-Other", &value);
        headers.push("From", NameAddr::new(Uri::sip(Some(&value), Host::Absent, None)).with_display(Phi::new(value.clone())).with_tag(&value).to_wire());
        let mut request = Request::new(Method::Info, Uri::tel(&value));
        request.headers = headers;
        let written = request.to_bytes();
        prop_assert_eq!(written.iter().filter(|byte| **byte == b'\n').count(), 6, "{:?}", String::from_utf8_lossy(&written));
    }
}

fn host() -> impl Strategy<Value = Host> {
    prop_oneof![
        "[a-z]([a-z0-9-]{0,8}[a-z0-9])?(\\.[a-z]{2,4}){0,2}".prop_map(Host::Name),
        any::<std::net::Ipv4Addr>().prop_map(Host::V4),
        any::<std::net::Ipv6Addr>().prop_map(Host::V6),
    ]
}

fn params() -> impl Strategy<Value = Params> {
    prop::collection::btree_map("[a-z][a-z0-9-]{0,6}", "([a-zA-Z0-9.+]{0,8}|\"[a-z ,;]{0,6}\")", 0..5).prop_map(
        |pairs| {
            let mut params = Params::new();
            for (name, value) in pairs {
                params.set(&name, &value);
            }
            params
        },
    )
}

fn uri() -> impl Strategy<Value = Uri> {
    let tel = "[+]?[0-9]{1,15}".prop_map(|number| Uri::tel(&number));
    let user = prop_oneof![Just(None), "\\PC{1,12}".prop_map(Some), "[+]1[0-9]{10}".prop_map(Some)];
    let params = prop::collection::btree_map("[a-z]{1,6}", "[a-z0-9.:]{0,6}", 0..4);
    let sip =
        (user, host(), any::<Option<u16>>(), params, 0..3_usize).prop_map(|(user, host, port, params, headers)| {
            let mut uri = Uri::sip(user.as_deref(), host, port);
            for (name, value) in params {
                uri = uri.with_param(&name, &value);
            }
            uri.headers = (0..headers)
                .map(|index| (format!("h{index}"), Phi::new("v%20w".to_owned())))
                .collect();
            uri
        });
    prop_oneof![1 => tel, 5 => sip]
}
