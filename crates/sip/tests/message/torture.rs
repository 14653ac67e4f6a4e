//! The torture set: the messages of RFC 4475 and RFC 5118, and what they left out, each with the verdict that
//! `fixtures/sip/torture/verdicts.tsv` gives it. The codec, the framer and an endpoint are held to it here; the running server
//! over real sockets is in `tests/`.

use std::time::Instant;

use phi::Phi;
use sip::message::{Frame, Framer, Host, Message, Method, Request, Response, Scheme, Uri, Via};
use sip::{Config, Endpoint, Event, Flow, Output, Refusal, Transport};

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

/// A row of `verdicts.tsv`; its README says what the columns mean.
struct Verdict {
    name: String,
    source: String,
    parser: String,
    udp: String,
    tcp: String,
}

fn verdicts() -> Vec<Verdict> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/sip/torture/verdicts.tsv");
    let table = std::fs::read_to_string(path).expect("the table of verdicts");
    let rows = table.lines().filter(|line| !line.starts_with('#'));
    rows.map(|row| {
        let columns = row.split('\t').map(str::to_owned).collect::<Vec<_>>();
        let [file, source, _section, parser, udp, tcp, _why] = columns.try_into().expect("seven columns");
        let name = file.strip_suffix(".sip").expect("a message").to_owned();
        Verdict {
            name,
            source,
            parser,
            udp,
            tcp,
        }
    })
    .collect()
}

/// What the codec makes of it, in the words of the table.
fn read(bytes: &[u8]) -> String {
    match Message::parse(bytes) {
        Ok(Message::Request(request)) => format!("reads {}", request.method),
        Ok(Message::Response(response)) => format!("reads {}", response.status),
        Err(unreadable) => match &unreadable.salvage {
            Some(salvage) => format!("refuses {}", salvage.refusal().status),
            None => "drops".to_owned(),
        },
    }
}

#[test]
fn the_rfcs_are_whole_and_every_message_has_its_verdict() {
    let verdicts = verdicts();
    let from = |source: &str| verdicts.iter().filter(|verdict| verdict.source == source).count();
    assert_eq!((from("RFC 4475"), from("RFC 5118")), (49, 12));
    let mut named = verdicts.iter().map(|verdict| verdict.name.clone()).collect::<Vec<_>>();
    named.sort();
    let files = fixtures("torture")
        .into_iter()
        .map(|(name, _)| name)
        .collect::<Vec<_>>();
    assert_eq!(named, files);
    for Verdict { name, parser, .. } in &verdicts {
        assert_eq!(&read(&fixture("torture", name)), parser, "{name}");
    }
}

/// What is wrong with each that is refused, and where.
#[test]
fn every_flaw_is_named() {
    let flaws = fixtures("torture")
        .iter()
        .filter_map(|(name, bytes)| Some(format!("{name:<14} {}", Message::parse(bytes).err()?)))
        .collect::<Vec<_>>()
        .join("\n");
    insta::assert_snapshot!(flaws);
}

/// The statuses an endpoint sends for one message, but for 100; an INVITE it hands on is turned away with 404.
fn answered(transport: Transport, bytes: &[u8]) -> Vec<u16> {
    // No clock is read for its value: any instant will do.
    let now = Instant::now();
    let mut endpoint = Endpoint::new(Config::default(), Box::new(|| [7; 16]));
    let flow = Flow {
        transport,
        local: ([192, 0, 2, 1], 5060).into(),
        remote: ([192, 0, 2, 99], 5060).into(),
        connection: (transport == Transport::Tcp).then_some(1),
    };
    endpoint.handle_received(now, flow, bytes);
    let mut statuses = Vec::new();
    loop {
        match endpoint.poll_output() {
            // A refusal brings back what was wrong as it was, so it need not be a message that we would read.
            Output::Transmit(transmit) => {
                let line = String::from_utf8_lossy(&transmit.bytes);
                let status = line
                    .strip_prefix("SIP/2.0 ")
                    .and_then(|rest| rest.get(..3)?.parse().ok());
                let status = status.expect("an endpoint that is asked answers");
                if status != 100 {
                    statuses.push(status);
                }
            }
            Output::Event(Event::Incoming { session, .. }) => {
                endpoint.refuse(now, session, Refusal::of(404));
            }
            Output::Event(_) => {}
            Output::Timeout(_) => return statuses,
        }
    }
}

fn is_one_of(verdict: &str, statuses: &[u16]) -> bool {
    match (verdict, statuses) {
        ("drop" | "wait", []) => true,
        (verdict, [status]) => verdict.split('|').any(|allowed| allowed == status.to_string()),
        _ => false,
    }
}

#[test]
fn a_datagram_is_answered_as_its_verdict_says() {
    for Verdict { name, udp, .. } in verdicts() {
        let statuses = answered(Transport::Udp, &fixture("torture", &name));
        assert!(is_one_of(&udp, &statuses), "{name}: {statuses:?} instead of {udp}");
    }
}

#[test]
fn a_stream_is_answered_as_its_verdict_says() {
    for Verdict { name, tcp, .. } in verdicts() {
        let bytes = fixture("torture", &name);
        let mut framer = Framer::new();
        framer.push(&bytes);
        let (mut statuses, mut closes) = (Vec::new(), false);
        while let Some(frame) = framer.next() {
            match frame {
                Ok(Frame::Message(message)) => statuses.push(answered(Transport::Tcp, &message)),
                Ok(Frame::Ping) => {}
                Err(_) => closes = true,
            }
        }
        assert_eq!(tcp == "close", closes, "{name}");
        if tcp == "wait" {
            assert!(statuses.is_empty() && framer.held() > 0, "{name}");
        } else if tcp == "drop" {
            assert!(statuses.iter().all(Vec::is_empty), "{name}: {statuses:?}");
        } else if !closes {
            let allowed = tcp.split(',').collect::<Vec<_>>();
            assert_eq!(allowed.len(), statuses.len(), "{name}: {statuses:?}");
            for (allowed, statuses) in allowed.iter().zip(&statuses) {
                assert!(
                    is_one_of(allowed, statuses),
                    "{name}: {statuses:?} instead of {allowed}"
                );
            }
        }
    }
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
    assert_eq!(from.display, Some(Phi::new(r#"J Rosenberg \""#.to_owned())));
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
    let signed = request("mpart01");
    assert_eq!(signed.body.len(), 553);
    let (_, part) = signed.body_of("application/octet-stream").expect("a second part");
    // A DER sequence of the length it says, NULs and all.
    assert_eq!(
        (part.len(), part.get(..4)),
        (0x152 + 4, Some(&[0x30, 0x82, 0x01, 0x52][..]))
    );
    assert!(part.contains(&0));
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

/// RFC 5118: where an address begins and ends.
#[test]
fn addresses_are_read_with_their_brackets_and_without() {
    let host = |name: &str| request(name).uri.host.to_string();
    let port = |name: &str| request(name).uri.port;
    assert_eq!((host("ipv6-good"), port("ipv6-good")), ("[2001:db8::10]".into(), None));
    // §4.3: "the port is taken as a part of the address".
    assert_eq!(
        (host("port-ambiguous"), port("port-ambiguous")),
        ("[2001:db8::10:5070]".into(), None)
    );
    assert_eq!(
        (host("port-unambiguous"), port("port-unambiguous")),
        ("[2001:db8::10]".into(), Some(5070))
    );
    let received = |name: &str| request(name).top_via().and_then(|via| via.received());
    let expected = "2001:db8::9:255".parse().ok();
    assert_eq!(received("via-received-param-with-delim"), expected);
    assert_eq!(received("via-received-param-no-delim"), expected);
    // §4.10: three colons are RFC 3261's mistake, and mean two.
    assert_eq!(host("ipv6-bug-abnf-3-colons"), host("ipv6-correct-abnf-2-colons"));
    let contact = request("ipv4-mapped-ipv6").contact().expect("checked");
    assert_eq!(contact.uri.host.to_string(), "[::ffff:192.0.2.2]");
    assert!(Uri::parse("sip:[2001:db8::::1]").is_err());
}
