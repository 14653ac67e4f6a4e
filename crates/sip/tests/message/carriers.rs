//! Messages as trunks send them, and what the desk reads out of them. Numbers are reserved ones, so they may stand here.

use phi::Phi;
use sip::digest::{Algorithm, Challenge, Credentials};
use sip::message::{HeaderName, Host, Message, NameAddr, Request, Response, StatusCode};

use super::{fixture, fixtures};

fn request(name: &str) -> Request {
    match Message::parse(&fixture("carriers", name)) {
        Ok(Message::Request(request)) => request,
        other => panic!("{name}: {other:?}"),
    }
}

fn response(name: &str) -> Response {
    match Message::parse(&fixture("carriers", name)) {
        Ok(Message::Response(response)) => response,
        other => panic!("{name}: {other:?}"),
    }
}

fn number(address: &NameAddr) -> String {
    address.uri.number().map_or_else(|| "?".to_owned(), Phi::into_exposed)
}

fn numbers(addresses: &[NameAddr]) -> Vec<String> {
    addresses.iter().map(number).collect()
}

#[test]
fn a_trunks_invite_says_who_calls_whom_by_which_way() {
    let invite = request("trunk-invite");
    assert_eq!(invite.uri.number(), Some(Phi::new("+15125550142".to_owned())));
    assert_eq!(invite.vias().len(), 2);
    assert_eq!(invite.record_routes().len(), 2);
    assert_eq!(invite.record_routes()[0].uri.param("did"), Some("3a.b1"));
    let from = invite.from().expect("checked when parsed");
    assert_eq!(from.display, Some(Phi::new("RIVERA, ANA".to_owned())));
    assert_eq!(numbers(&invite.p_asserted_identity()), ["+15125550199", "+15125550199"]);
    assert_eq!(numbers(&invite.diversion()), ["+15125550123", "+15125550100"]);
    assert_eq!(invite.diversion()[1].params.get("reason"), Some("no-answer"));
    assert_eq!(numbers(&invite.history_info()), ["+15125550123", "+15125550142"]);
    assert_eq!(invite.history_info()[1].params.get("index"), Some("1.1"));
    assert_eq!(invite.privacy(), ["none"]);
    assert_eq!(invite.session_expires().map(|(seconds, _)| seconds), Some(1800));
    assert_eq!(invite.allow().len(), 14);
    // Unknown fields stay byte for byte where they were.
    assert_eq!(invite.headers.get("X-Carrier-Trace"), Some(&br#"a=1, b="x,y";z"#[..]));
    let text = String::from_utf8(invite.to_bytes()).expect("ASCII fixture");
    assert!(text.contains("\r\nMin-SE: 90\r\nX-Carrier-Trace: a=1, b=\"x,y\";z\r\nIdentity: "));
    assert!(text.contains("\r\nP-Charge-Info: <sip:+15125550199@198.51.100.21>;npi=ISDN;noa=2\r\n"));
}

#[test]
fn compact_names_ipv6_and_tel_are_understood() {
    let invite = request("compact");
    assert_eq!(invite.uri.number(), Some(Phi::new("+15125550142".to_owned())));
    assert_eq!(invite.uri.host, Host::Absent);
    let via = invite.top_via().expect("checked when parsed");
    assert_eq!(
        (via.host.to_string().as_str(), via.port, via.rport()),
        ("[2001:db8::21]", Some(5070), Some(None))
    );
    assert_eq!(
        invite.contact().expect("checked").uri.to_wire(),
        "sip:gw@[2001:db8::21]:5070;transport=tcp"
    );
    assert!(invite.headers.supports("timer"));
    assert!(invite.headers.content_is("application/sdp"));
}

#[test]
fn latin_1_is_kept_as_bytes_and_read_as_text() {
    let invite = request("latin1");
    assert_eq!(
        invite.from().expect("checked").display,
        Some(Phi::new("José Muñoz".to_owned()))
    );
    assert_eq!(invite.headers.get("s"), Some(&b"ni\xf1o con fiebre"[..]));
    assert_eq!(
        invite.contact().expect("checked").uri.to_wire(),
        "sip:jos%E9@198.51.100.40"
    );
    assert!(
        invite
            .to_bytes()
            .windows(12)
            .any(|bytes| bytes == b"Jos\xe9 Mu\xf1oz\" ")
    );
}

#[test]
fn a_withheld_number_is_known_only_to_the_trunk() {
    let invite = request("anonymous");
    assert_eq!(invite.from().expect("checked").uri.number(), None);
    assert_eq!(numbers(&invite.p_asserted_identity()), ["+15125550199"]);
    assert_eq!(
        invite.p_called_party_id().as_ref().map(number).as_deref(),
        Some("+15125550142")
    );
    assert_eq!(invite.privacy(), ["id", "header", "user"]);
}

#[test]
fn a_binary_body_is_not_touched() {
    let bytes = fixture("carriers", "isup");
    let body = request("isup").body;
    assert!(bytes.ends_with(&body));
    assert!(request("isup").to_bytes().ends_with(&body));
    let (content_type, sdp) = request("isup")
        .body_of("application/sdp")
        .map(|(kind, part)| (kind, part.to_vec()))
        .expect("a part");
    assert_eq!(
        (content_type.as_str(), sdp),
        ("application/sdp", request("trunk-invite").body)
    );
    let isup = request("isup");
    let (_, part) = isup.body_of("application/isup").expect("a part");
    assert!(part.ends_with(b"\xff\r\n\r\n\0"));
    assert_eq!(request("isup").uri.number(), Some(Phi::new("5125550142".to_owned())));
}

#[test]
fn folded_and_challenging_responses_are_read() {
    let ok = response("ok-folded");
    assert_eq!(ok.top_via().expect("checked").branch(), Some("z9hG4bKours1"));
    assert_eq!(
        ok.to().expect("checked").display,
        Some(Phi::new("Dr. Brown".to_owned()))
    );
    assert_eq!(ok.to_tag().as_deref(), Some("theirs"));
    assert_eq!(ok.allow(), ["INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "UPDATE"]);
    let challenge = response("challenge");
    let credentials = Credentials::new("desk".into(), "s3cret".into());
    let chosen = Challenge::to_answer(&challenge.headers, &credentials);
    assert_eq!(
        chosen.iter().map(|challenge| challenge.algorithm).collect::<Vec<_>>(),
        [Algorithm::Sha256]
    );
}

#[test]
fn an_answer_copies_what_rfc_3261_asks_for() {
    let mut invite = request("trunk-invite");
    invite.headers.push(HeaderName::Timestamp, "54");
    invite.stamp_source("198.51.100.20:40123".parse().expect("literal"));
    let trying = invite.respond_with_tag(StatusCode::TRYING, "t1");
    let busy = invite.respond_with_tag(StatusCode::of(486), "t1");
    insta::assert_snapshot!(String::from_utf8(busy.to_bytes()).expect("ASCII fixture").replace('\r', ""), @r#"
    SIP/2.0 486 Busy Here
    Via: SIP/2.0/UDP 198.51.100.20:5060;branch=z9hG4bK9f1.6e2c4f7.0;rport=40123;received=198.51.100.20
    Via: SIP/2.0/UDP 198.51.100.21:5080;received=10.0.0.7;branch=z9hG4bK0cB2
    From: "RIVERA, ANA" <sip:+15125550199@198.51.100.21;isup-oli=62>;tag=gK0c1
    To: <sip:+15125550142@198.51.100.20>;tag=t1
    Call-ID: 1224539_91827364@198.51.100.21
    CSeq: 17832 INVITE
    Content-Length: 0
    "#);
    assert!(trying.to_tag().is_none() && trying.headers.has(HeaderName::Timestamp));
}

#[test]
fn debug_of_a_message_names_nobody() {
    for (name, bytes) in fixtures("carriers") {
        let message = Message::parse(&bytes).unwrap_or_else(|flaw| panic!("{name}: {flaw}"));
        let printed = match &message {
            Message::Request(request) => {
                let addresses = [
                    request.p_asserted_identity(),
                    request.diversion(),
                    request.history_info(),
                    request.contacts(),
                ];
                format!(
                    "{request:?} {request:#?} {addresses:?} {:?} {:?}",
                    request.from(),
                    request.to()
                )
            }
            Message::Response(response) => format!("{response:?} {:?} {:?}", response.from(), response.contacts()),
        };
        for private in ["555", "RIVERA", "Mu", "fiebre", "Brown", "Signal"] {
            assert!(!printed.contains(private), "{name} prints {private}: {printed}");
        }
    }
}
