//! The torture set: RFC 4475's messages, and what it left out, each with the verdict we stand by.
//!
//! `reads …` means the message is taken in; what a layer above then refuses (420, 416, 483 …) is not the codec's to say.
//! `answers N` means it is refused with N, `drops` that it cannot be answered: a response, an ACK, or no Via to answer to.

use phi::Phi;
use sip::message::{Host, Message, Method, Request, Response, Scheme, Via};

use super::{fixture, fixtures};

fn request(name: &str) -> Request {
    match Message::parse(&fixture("torture", name)) {
        Ok(Message::Request(request)) => request,
        other => panic!("{name}: {other:?}"),
    }
}

fn response(name: &str) -> Response {
    match Message::parse(&fixture("torture", name)) {
        Ok(Message::Response(response)) => response,
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn every_message_has_its_verdict() {
    let verdicts = fixtures("torture")
        .iter()
        .map(|(name, bytes)| {
            let verdict = match Message::parse(bytes) {
                Ok(Message::Request(request)) => format!("reads {}", request.method),
                Ok(Message::Response(response)) => format!("reads {}", response.status),
                Err(unreadable) => match &unreadable.salvage {
                    Some(salvage) => format!("answers {}: {unreadable}", salvage.refusal().status),
                    None => format!("drops: {unreadable}"),
                },
            };
            format!("{name:<14} {verdict}")
        })
        .collect::<Vec<_>>()
        .join("\n");
    insta::assert_snapshot!(verdicts);
}

/// What was salvaged is enough to be heard by its sender: the answer is a message that parses, and it is for that request.
#[test]
fn every_refusal_can_be_sent() {
    for (name, bytes) in fixtures("torture") {
        let Err(unreadable) = Message::parse(&bytes) else {
            continue;
        };
        let Some(salvage) = unreadable.salvage else { continue };
        let refusal = salvage.refusal();
        assert!(refusal.headers.has("v"), "{name}");
        assert!(salvage.top_via.host != Host::Absent, "{name}");
        assert_eq!(refusal.headers.get("i"), salvage.call_id(), "{name}");
        assert!(refusal.to_bytes().ends_with(b"Content-Length: 0\r\n\r\n"), "{name}");
    }
}

#[test]
fn what_is_written_reads_the_same() {
    for (name, bytes) in fixtures("torture").into_iter().chain(fixtures("carriers")) {
        let Ok(message) = Message::parse(&bytes) else { continue };
        let again = Message::parse(&message.to_bytes()).unwrap_or_else(|flaw| panic!("{name}: {flaw}"));
        // Content-Length may be added, and is written in one form; everything else is as it was.
        let (mut message, mut again) = (message, again);
        for message in [&mut message, &mut again] {
            match message {
                Message::Request(request) => request.headers.remove("l"),
                Message::Response(response) => response.headers.remove("l"),
            }
        }
        assert_eq!(message, again, "{name}");
    }
}

#[test]
fn wsinv_spaces_and_folds_are_only_spaces() {
    let invite = request("wsinv");
    assert_eq!(invite.to_tag().as_deref(), Some("1918181833n"));
    let from = invite.from().expect("checked when parsed");
    assert_eq!(from.display, Some(Phi::new(r#"Q. "Quiet" \ Caller"#.to_owned())));
    assert_eq!(from.tag(), Some("98asjd8"));
    assert_eq!(invite.max_forwards(), Some(68));
    assert_eq!(invite.cseq().expect("checked").number, 9);
    let vias = invite.vias().iter().map(Via::to_wire).collect::<Vec<_>>();
    assert_eq!(
        vias,
        [
            "SIP/2.0/UDP 192.0.2.2;branch=390skdjuw",
            "SIP/2.0/TCP spindle.example.com;branch=z9hG4bK9ikj8",
            "SIP/2.0/UDP 192.168.255.111;branch=z9hG4bK30239",
        ]
    );
    assert_eq!(
        invite.headers.get("NewFangledHeader"),
        Some(&b"newfangled value continued newfangled value"[..])
    );
    assert_eq!(
        invite.headers.get("unknownheaderwithunusualvalue"),
        Some(&b";;,,;;,;"[..])
    );
    assert_eq!(invite.headers.get("Subject"), Some(&b""[..]));
    let route = invite.routes().remove(0).uri;
    assert!(route.is_loose() && route.params.has("unknown-no-value"));
    assert_eq!(invite.contact().expect("checked").params.get("q"), Some("0.33"));
    assert!(invite.body.starts_with(b"v=0"));
}

#[test]
fn intmeth_every_legal_character_is_legal() {
    let odd = request("intmeth");
    assert_eq!(
        odd.method,
        Method::Other("!interesting-Method0123456789_*+`.%indeed'~".into())
    );
    assert_eq!(
        odd.uri.password,
        Some(Phi::new("&it+has=1,weird!*pas$wo~d_too.(doesn't-it)".to_owned()))
    );
    assert_eq!(
        odd.to().expect("checked").display,
        Some(Phi::new("BEL:\u{7} NUL:\0 DEL:\u{7f}".to_owned()))
    );
    assert_eq!(odd.from_tag().as_deref(), Some("_token~1'+`*%!-."));
    assert_eq!(
        odd.headers.text("extensionHeader-!.%*+_`'~").as_deref(),
        Some("\u{feff}大停電")
    );
}

#[test]
fn escapes_are_of_the_uri_and_of_nothing_else() {
    let invite = request("esc01");
    assert_eq!(invite.uri.scheme, Scheme::Sip);
    assert_eq!(
        invite.uri.user_text(),
        Some(Phi::new("sips:user@example.com".to_owned()))
    );
    assert_eq!(
        invite.to().expect("checked").uri.user_text(),
        Some(Phi::new("user".to_owned()))
    );
    let register = request("escnull");
    assert_eq!(register.contacts().len(), 2);
    assert!(!register.contacts()[0].uri.equivalent(&register.contacts()[1].uri));
    // A method or a header name with a percent sign is just another one.
    let odd = request("esc02");
    assert_eq!(odd.method, Method::Other("RE%47IST%45R".into()));
    assert_eq!(odd.contacts().len(), 2);
    assert_eq!(odd.from().expect("checked").display, Some(Phi::new("%Z%45".to_owned())));
}

#[test]
fn the_rest_of_the_valid_ones_say_what_they_say() {
    assert_eq!(
        request("lwsdisp").from().expect("checked").display,
        Some(Phi::new("caller".to_owned()))
    );
    assert_eq!(request("longreq").vias().len(), 34);
    assert!(
        request("dblreq").body.is_empty(),
        "what follows Content-Length is not ours"
    );
    let semi = request("semiuri").uri;
    assert_eq!(semi.user_text(), Some(Phi::new("user;par=u@example.net".to_owned())));
    assert_eq!(semi.host, Host::Name("example.com".to_owned()));
    assert_eq!(
        request("transports")
            .vias()
            .iter()
            .map(|via| via.transport.clone())
            .collect::<Vec<_>>(),
        ["UDP", "SCTP", "TLS", "UNKNOWN", "TCP"]
    );
    let part = request("mpart01").body;
    assert!(
        part.windows(256)
            .any(|window| window.iter().enumerate().all(|(at, byte)| usize::from(*byte) == at))
    );
    assert_eq!(
        response("unreason").reason,
        "= 2**3 * 5**2 но сто девяносто девять - простое"
    );
    assert_eq!(response("noreason").reason, "");
    assert_eq!(
        request("cparam01")
            .contact()
            .expect("checked")
            .params
            .get("unknownparam"),
        Some("")
    );
    assert_eq!(
        request("cparam02")
            .contact()
            .expect("checked")
            .uri
            .param("unknownparam"),
        Some("")
    );
    assert_eq!(
        request("bext01").require(),
        ["nothingSupportsThis", "nothingSupportsThisEither"]
    );
    assert_eq!(request("zeromf").max_forwards(), Some(0));
    assert_eq!(
        request("badbranch").top_via().expect("checked").branch(),
        Some("z9hG4bK")
    );
    assert_eq!(request("inv2543").from_tag(), None);
    assert_eq!(request("regescrt").contact().expect("checked").uri.headers.len(), 1);
    assert_eq!(
        request("unkscm").uri.scheme,
        Scheme::Other("nobodyknowsthisscheme".into())
    );
}
