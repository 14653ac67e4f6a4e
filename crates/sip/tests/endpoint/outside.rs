//! Requests of ours outside any dialog: completed, challenged, answered, or not.

use sip::digest::{Answer, Credentials};
use sip::message::{Method, Request};
use sip::{Config, Counts, Event, Limits};

use super::world::*;

const AGENT: (&str, &str) = (
    "WWW-Authenticate",
    r#"Digest realm="r.example", nonce="n1", qop="auth""#,
);
const STALE: (&str, &str) = (
    "WWW-Authenticate",
    r#"Digest realm="r.example", nonce="n2", qop="auth", stale=true"#,
);

fn register() -> Request {
    let mut request = Request::new(Method::Register, uri("sip:registrar.example"));
    request.headers.push("From", "<sip:desk@registrar.example>");
    request.headers.push("To", "<sip:desk@registrar.example>");
    request.headers.push("Contact", "<sip:desk@192.0.2.2:5060>;expires=300");
    request.headers.push("Call-ID", "registration-1");
    request.headers.push("CSeq", "41 REGISTER");
    request
}

fn ask(alone: &mut Alone, request: Request, credentials: Option<Credentials>) -> (sip::RequestId, Request) {
    let flow = alone.flow;
    let id = alone.act(|endpoint, now| endpoint.request(now, flow, request, credentials));
    (id, alone.requests().remove(0))
}

#[test]
fn an_options_is_completed_and_its_answer_told() {
    let mut alone = Alone::new();
    let options = Request::new(Method::Options, uri("sip:192.0.2.1"));
    let (id, sent) = ask(&mut alone, options, None);
    assert_eq!((sent.max_forwards(), sent.cseq().unwrap().number), (Some(70), 1));
    assert_eq!(sent.to().unwrap().uri.to_wire(), "sip:192.0.2.1");
    assert!(sent.from_tag().is_some() && sent.to_tag().is_none() && sent.call_id().is_some());
    assert!(sent.headers.has("Accept") && sent.top_via().unwrap().unique_branch().is_some());
    assert_eq!(alone.endpoint.counts().requests, 1);
    alone.reply(&sent, 100, "", &[], "");
    assert_eq!(alone.take(), [""; 0]);
    alone.reply(&sent, 200, "t", &[("Allow", "INVITE")], "");
    match &std::mem::take(&mut alone.events)[..] {
        [
            Event::Response {
                request,
                status: 200,
                response: Some(response),
            },
        ] => {
            assert_eq!((*request, response.allow()), (id, vec!["INVITE".to_owned()]));
        }
        other => panic!("{other:?}"),
    }
    // A repeated answer is not told again.
    alone.reply(&sent, 200, "t", &[], "");
    assert_eq!(alone.take(), [""; 0]);
    alone.wait_ms(6_000);
    assert_eq!(alone.endpoint.counts(), Counts::default());
}

#[test]
fn a_register_answers_its_challenges_and_a_stale_nonce_once_more() {
    let mut alone = Alone::new();
    let credentials = Credentials::new("user".into(), "secret".into());
    let (_, first) = ask(&mut alone, register(), Some(credentials));
    assert_eq!(
        first.headers.text("Contact").as_deref(),
        Some("<sip:desk@192.0.2.2:5060>;expires=300")
    );
    let tag = first.from_tag();
    alone.reply(&first, 401, "t", &[AGENT], "");
    let second = alone.requests().remove(0);
    assert_eq!(
        (second.cseq().unwrap().number, second.call_id(), second.from_tag()),
        (42, Some("registration-1"), tag)
    );
    assert_eq!(second.vias().len(), 1);
    assert_ne!(second.top_via().unwrap().branch(), first.top_via().unwrap().branch());
    let answers = Answer::all(&second.headers, false);
    assert!(answers[0].proves("secret", &second.method, &second.body));
    alone.reply(&second, 401, "t", &[STALE], "");
    let third = alone.requests().remove(0);
    assert_eq!(
        (
            third.cseq().unwrap().number,
            Answer::all(&third.headers, false)[0].nonce.as_str()
        ),
        (43, "n2")
    );
    assert_eq!(alone.take(), [""; 0]);
    alone.reply(&third, 200, "t", &[], "");
    assert_eq!(alone.take(), ["Response 200"]);
}

#[test]
fn a_password_that_is_wrong_is_not_tried_again() {
    let mut alone = Alone::new();
    let credentials = Credentials::new("user".into(), "secret".into());
    let (_, first) = ask(&mut alone, register(), Some(credentials));
    alone.reply(
        &first,
        407,
        "t",
        &[("Proxy-Authenticate", r#"Digest realm="p", nonce="1""#)],
        "",
    );
    let second = alone.requests().remove(0);
    alone.reply(
        &second,
        407,
        "t",
        &[("Proxy-Authenticate", r#"Digest realm="p", nonce="2""#)],
        "",
    );
    assert_eq!(
        (alone.requests().len(), alone.take()),
        (0, vec!["Response 407".to_owned()])
    );
    let (_, first) = ask(&mut alone, register(), None);
    alone.reply(&first, 401, "t", &[AGENT], "");
    assert_eq!(
        (alone.requests().len(), alone.take()),
        (0, vec!["Response 401".to_owned()])
    );
}

#[test]
fn nobody_there_is_408_and_no_way_there_503() {
    let mut alone = Alone::new();
    ask(&mut alone, register(), None);
    // Timer E: T1 doubling to T2, until timer F at 64*T1 (RFC 3261 §17.1.2.2).
    let mut at = Vec::new();
    for ms in 1..=32_000 {
        alone.wait_ms(1);
        at.extend(alone.lines().iter().map(|_| ms));
    }
    assert_eq!(
        at,
        [500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]
    );
    assert_eq!(alone.take(), ["Response 408"]);
    ask(&mut alone, register(), None);
    let flow = alone.flow;
    alone.act(|endpoint, now| endpoint.handle_transport_failed(now, flow));
    assert_eq!(alone.take(), ["Response 503"]);
    assert_eq!(alone.endpoint.counts(), Counts::default());
}

#[test]
fn what_is_no_such_request_or_one_too_many_is_told_at_once() {
    let mut alone = Alone::with(Config {
        limits: Limits {
            requests_max: 1,
            ..Limits::default()
        },
        ..Config::default()
    });
    let flow = alone.flow;
    let invite = Request::new(Method::Invite, uri("sip:a@192.0.2.1"));
    alone.act(|endpoint, now| endpoint.request(now, flow, invite, None));
    assert_eq!(
        (alone.lines().len(), alone.take()),
        (0, vec!["Response 500".to_owned()])
    );
    ask(&mut alone, register(), None);
    alone.act(|endpoint, now| endpoint.request(now, flow, register(), None));
    assert_eq!(
        (alone.lines().len(), alone.take()),
        (0, vec!["Response 503".to_owned()])
    );
}
