//! 401 and 407 answered, once.

use sip::Body;
use sip::digest::{Answer, Challenge, Credentials, Gate, Proof};
use sip::message::{Method, Request, Uri};

use super::world::*;

const PROXY: (&str, &str) = (
    "Proxy-Authenticate",
    r#"Digest realm="sip.example", nonce="n1", qop="auth""#,
);
const STALE: (&str, &str) = (
    "Proxy-Authenticate",
    r#"Digest realm="sip.example", nonce="n2", qop="auth", stale=true"#,
);
const AGENT: (&str, &str) = (
    "WWW-Authenticate",
    r#"Digest realm="far.example", nonce="w1", qop="auth""#,
);

fn calling(alone: &mut Alone) -> (sip::SessionId, Request) {
    alone.calling_with(|invite| invite.credentials = Some(Credentials::new("user".into(), "secret".into())))
}

fn proves(request: &Request, proxy: bool) -> bool {
    let answers = Answer::all(&request.headers, proxy);
    answers.len() == 1 && answers[0].proves("secret", &request.method, &request.body)
}

#[test]
fn a_407_is_answered_with_a_new_branch_and_cseq() {
    let mut alone = Alone::new();
    let (_, first) = calling(&mut alone);
    alone.reply(&first, 407, "p", &[PROXY], "");
    let requests = alone.requests();
    let [ack, second] = &requests[..] else {
        panic!("{requests:?}")
    };
    assert_eq!(ack.top_via().unwrap().branch(), first.top_via().unwrap().branch());
    assert_eq!((ack.method.as_str(), ack.cseq().unwrap().number), ("ACK", 1));
    assert_ne!(second.top_via().unwrap().branch(), first.top_via().unwrap().branch());
    assert_eq!(second.vias().len(), 1);
    assert_eq!(second.cseq().unwrap().number, 2);
    assert_eq!(
        (second.call_id(), second.from_tag(), second.to_tag()),
        (first.call_id(), first.from_tag(), None)
    );
    assert_eq!(second.body, first.body);
    assert!(proves(second, true));
    assert_eq!(alone.take(), [""; 0]);
    alone.reply(second, 200, "b", &[CONTACT], "answer");
    assert_eq!(alone.take(), ["Accepted answer"]);
    // RFC 3261 §22.1: the ACK of the 2xx repeats the credentials.
    let ack = alone.requests().remove(0);
    assert_eq!(
        ack.headers.get("Proxy-Authorization"),
        second.headers.get("Proxy-Authorization")
    );
    assert_eq!(ack.cseq().unwrap().number, 2);
}

#[test]
fn the_same_question_again_is_the_end() {
    let mut alone = Alone::new();
    let (_, first) = calling(&mut alone);
    alone.reply(&first, 407, "p", &[PROXY], "");
    let second = alone.requests().pop().unwrap();
    alone.reply(&second, 407, "p", &[PROXY], "");
    assert_eq!(alone.take(), ["Refused 407"]);
    assert_eq!(alone.requests().len(), 1, "only the ACK");
}

#[test]
fn a_stale_nonce_is_answered_afresh_but_not_for_ever() {
    let mut alone = Alone::new();
    let (_, mut request) = calling(&mut alone);
    for tries in 0..4 {
        alone.reply(&request, 407, "p", &[if tries == 0 { PROXY } else { STALE }], "");
        request = alone.requests().pop().unwrap();
        assert_eq!(request.method.as_str(), "INVITE", "{tries}");
        assert!(proves(&request, true));
    }
    alone.reply(&request, 407, "p", &[STALE], "");
    assert_eq!(alone.take(), ["Refused 407"]);
}

#[test]
fn a_proxy_and_then_the_far_end_are_both_answered() {
    let mut alone = Alone::new();
    let (_, first) = calling(&mut alone);
    alone.reply(&first, 407, "p", &[PROXY], "");
    let second = alone.requests().pop().unwrap();
    alone.reply(&second, 401, "f", &[AGENT], "");
    let third = alone.requests().pop().unwrap();
    assert!(proves(&third, true) && proves(&third, false));
    assert_eq!(third.cseq().unwrap().number, 3);
}

#[test]
fn without_credentials_the_challenge_is_the_refusal() {
    let mut alone = Alone::new();
    let (_, first) = alone.calling();
    alone.reply(&first, 401, "p", &[AGENT], "");
    assert_eq!(alone.take(), ["Refused 401"]);
}

#[test]
fn a_challenged_bye_and_re_invite_are_answered_too() {
    let mut alone = Alone::new();
    // The trunk asks nobody at the beginning, so its realm must be known: see the next test.
    let (session, first) = alone.calling_with(|invite| {
        invite.credentials = Some(Credentials::new("user".into(), "secret".into()).for_realm("sip.example"));
    });
    alone.reply(&first, 200, "b", &[CONTACT], "answer");
    alone
        .act(|endpoint, now| endpoint.reinvite(now, session, Body::sdp("hold")))
        .unwrap();
    let reinvite = alone.requests().pop().unwrap();
    alone.reply(&reinvite, 407, "b", &[PROXY], "");
    let again = alone.requests().pop().unwrap();
    assert_eq!((again.method.as_str(), again.cseq().unwrap().number), ("INVITE", 3));
    assert!(proves(&again, true));
    alone.reply(&again, 200, "b", &[CONTACT], "held");
    assert_eq!(alone.take(), ["Accepted answer", "OfferAnswered 200 held"]);
    alone.act(|endpoint, now| endpoint.hang_up(now, session));
    let bye = alone.requests().pop().unwrap();
    assert_eq!((bye.method.as_str(), bye.cseq().unwrap().number), ("BYE", 4));
    alone.reply(&bye, 407, "b", &[PROXY], "");
    let again = alone.requests().pop().unwrap();
    assert_eq!((again.method.as_str(), again.cseq().unwrap().number), ("BYE", 5));
    assert!(proves(&again, true));
    alone.reply(&again, 200, "b", &[], "");
    alone.wait_ms(64_000);
    assert_eq!(alone.endpoint.counts(), sip::Counts::default());
}

/// CVE-2021-41158: whoever answers a call challenges our BYE, to have the trunk's password hashed with a nonce of his own.
#[test]
fn a_realm_that_has_not_asked_before_gets_nothing_within_a_dialog() {
    for status in [401, 407] {
        let mut alone = Alone::new();
        let (session, first) = calling(&mut alone);
        alone.reply(&first, 407, "p", &[PROXY], "");
        let second = alone.requests().pop().unwrap();
        alone.reply(&second, 200, "b", &[CONTACT], "answer");
        alone.requests();
        alone.act(|endpoint, now| endpoint.hang_up(now, session));
        let bye = alone.requests().pop().unwrap();
        let thief = if status == 401 {
            AGENT
        } else {
            ("Proxy-Authenticate", AGENT.1)
        };
        alone.reply(&bye, status, "b", &[thief], "");
        assert!(alone.requests().is_empty(), "{status}: no BYE again, no answer");
        alone.wait_ms(64_000);
        assert_eq!(alone.endpoint.counts(), sip::Counts::default());
    }
}

#[test]
fn who_calls_is_asked_and_may_call_again_with_the_answer() {
    let now = epoch();
    let mut gate = Gate::new("desk.example", now, [5; 32]);
    let source = std::net::IpAddr::from([192, 0, 2, 10]);
    let accounts = [Credentials::new("carrier".into(), "right".into())];
    let mut alone = Alone::new();
    let session = alone.invited();
    let challenges = gate.challenges(now, source, false);
    alone.act(|endpoint, now| endpoint.challenge(now, session, &challenges));
    let refusal = alone.responses().pop().unwrap();
    assert_eq!(refusal.status.code(), 401);
    assert!(refusal.to_tag().is_some());
    let mut asked = Challenge::all(&refusal.headers);
    assert_eq!(asked.len(), 2);
    let mut request = Request::new(Method::Invite, Uri::parse("sip:+15125550100@desk.example").unwrap());
    let uri = request.uri.to_wire();
    let (name, value) = asked[0].answer(&accounts[0], &request.method, &uri, b"", [1; 16]);
    request.headers.push(name, value);
    assert_eq!(gate.check(now, source, &request, &accounts), Proof::Of(0));
}

#[test]
fn a_challenge_after_we_hung_up_is_not_answered() {
    let mut alone = Alone::new();
    let (session, first) = calling(&mut alone);
    alone.act(|endpoint, now| endpoint.hang_up(now, session));
    alone.reply(&first, 407, "p", &[PROXY], "");
    assert_eq!(alone.take(), ["Refused 407"]);
    assert_eq!(alone.lines().len(), 1, "only the ACK");
    alone.wait_ms(40_000);
    assert_eq!(alone.endpoint.counts(), sip::Counts::default());
}
