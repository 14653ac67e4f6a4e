//! Reliable provisional responses, both roles (RFC 3262).

use sip::{Body, Counts, Event, Misuse, Provisional, Refusal, Reliable};

use super::world::*;

/// The usual INVITE, with these headers and this offer.
fn inviting(headers: &str, offer: &str) -> String {
    request(
        "INVITE",
        "b1",
        "",
        &format!("Contact: <sip:caller@192.0.2.1:5060>\nContent-Type: application/sdp\n{headers}"),
        offer,
    )
}

fn invited(alone: &mut Alone, headers: &str, offer: &str) -> sip::SessionId {
    alone.hear(&inviting(headers, offer));
    alone.sent.clear();
    match alone.events.pop() {
        Some(Event::Incoming { session, .. }) => session,
        other => panic!("no call came in: {other:?}"),
    }
}

fn early(status: u16, body: &str) -> Provisional {
    Provisional {
        status,
        body: (!body.is_empty()).then(|| Body::sdp(body)),
        reliable: Reliable::IfSupported,
    }
}

fn prack(cseq: u32, tag: &str, rseq: u32, body: &str) -> String {
    let kind = if body.is_empty() {
        ""
    } else {
        "Content-Type: application/sdp\n"
    };
    within_with(
        "PRACK",
        cseq,
        tag,
        &format!("p{cseq}"),
        &format!("RAck: {rseq} 1 INVITE\n{kind}"),
        body,
    )
}

#[test]
fn early_media_is_acknowledged_and_the_200_says_nothing_more() {
    let mut alone = Alone::new();
    let session = invited(&mut alone, "Supported: 100rel\n", "offer");
    alone.act(|endpoint, now| endpoint.progress(now, session, early(183, "answer")));
    let ringing = alone.response();
    assert_eq!((ringing.status.code(), &ringing.body[..]), (183, &b"answer"[..]));
    assert_eq!(ringing.require(), ["100rel"]);
    let rseq = ringing.rseq().expect("§3: an RSeq");
    assert!((1..1 << 31).contains(&rseq));
    let tag = ringing.to_tag().unwrap();
    // §5: the 2xx waits for the PRACK.
    alone.act(|endpoint, now| endpoint.accept(now, session, Body::sdp("answer")));
    assert_eq!(alone.lines(), [""; 0]);
    alone.hear(&prack(2, &tag, rseq, ""));
    let responses = alone.responses();
    let statuses: Vec<_> = responses.iter().map(|response| response.status.code()).collect();
    assert_eq!(statuses, [200, 200]);
    assert_eq!(responses[0].cseq().unwrap().method.as_str(), "PRACK");
    assert_eq!(
        (responses[1].cseq().unwrap().method.as_str(), responses[1].body.len()),
        ("INVITE", 0)
    );
    alone.hear(&within("ACK", 1, &tag, "back", ""));
    assert_eq!(alone.take(), ["Confirmed"]);
    // The same PRACK again gets the same answer, another one none of its kind.
    alone.hear(&prack(2, &tag, rseq, ""));
    assert_eq!(alone.response().status, 200);
    alone.hear(&prack(3, &tag, rseq, ""));
    assert_eq!(alone.response().status, 481);
}

#[test]
fn a_reliable_provisional_is_repeated_at_t1_doubling_until_64_t1_and_then_the_call_is_refused() {
    for transport in [sip::Transport::Udp, sip::Transport::Tcp] {
        let mut alone = Alone::new();
        alone.flow.transport = transport;
        let session = invited(&mut alone, "Supported: 100rel\n", "offer");
        alone.act(|endpoint, now| endpoint.progress(now, session, early(180, "")));
        alone.sent.clear();
        let mut at = Vec::new();
        for ms in 1..=32_000_u32 {
            alone.wait_ms(1);
            for line in alone.lines() {
                at.push((ms, line));
            }
        }
        let again = [500, 1_500, 3_500, 7_500, 15_500, 31_500].map(|ms| (ms, "SIP/2.0 180 Ringing".to_owned()));
        assert_eq!(at[..6], again, "§3: T1, doubling, on every transport");
        assert_eq!(at[6], (32_000, "SIP/2.0 504 Server Time-out".to_owned()));
        assert_eq!(alone.take(), ["Ended NoAck"]);
        alone.wait_ms(64_000);
        assert_eq!(alone.endpoint.counts(), Counts::default());
    }
}

#[test]
fn who_requires_it_gets_every_provisional_reliably_one_after_the_other() {
    let mut alone = Alone::new();
    let session = invited(&mut alone, "Require: 100rel\n", "offer");
    alone.act(|endpoint, now| {
        endpoint.ring(now, session);
        endpoint.progress(
            now,
            session,
            Provisional {
                reliable: Reliable::IfRequired,
                ..early(183, "answer")
            },
        );
    });
    let first = alone.response();
    assert_eq!((first.status.code(), first.require()), (180, vec!["100rel".to_owned()]));
    let tag = first.to_tag().unwrap();
    let rseq = first.rseq().unwrap();
    // Neither a wrong number nor a wrong INVITE is its PRACK.
    alone.hear(&prack(2, &tag, rseq + 1, ""));
    assert_eq!(alone.response().status, 481);
    alone.hear(&prack(3, &tag, rseq, "").replace(" 1 INVITE", " 7 INVITE"));
    assert_eq!(alone.response().status, 481);
    alone.hear(&prack(4, &tag, rseq, "").replace("RAck: ", "X-RAck: "));
    assert_eq!(alone.response().status, 400);
    alone.hear(&prack(5, &tag, rseq, ""));
    let responses = alone.responses();
    assert_eq!(responses[0].status, 200);
    assert_eq!((responses[1].status.code(), responses[1].rseq()), (183, Some(rseq + 1)));
    alone.act(|endpoint, now| endpoint.refuse(now, session, Refusal::of(486)));
    assert_eq!(alone.response().status, 486, "a refusal waits for no PRACK");
    assert_eq!(alone.take(), ["Ended ByOurRefusal"]);
}

#[test]
fn without_100rel_nothing_is_reliable() {
    let mut alone = Alone::new();
    let session = invited(&mut alone, "Supported: timer\n", "offer");
    alone.act(|endpoint, now| endpoint.progress(now, session, early(183, "answer")));
    let ringing = alone.response();
    assert_eq!(
        (ringing.rseq(), ringing.require().len(), &ringing.body[..]),
        (None, 0, &b"answer"[..])
    );
    alone.act(|endpoint, now| endpoint.accept(now, session, Body::sdp("answer")));
    assert_eq!(alone.response().body, b"answer");
    // RFC 3262 §5: an offer cannot travel in what may be lost.
    let mut alone = Alone::new();
    let session = invited(&mut alone, "", "");
    alone.act(|endpoint, now| endpoint.progress(now, session, early(183, "our offer")));
    assert_eq!(alone.response().body, b"");
}

#[test]
fn a_200_without_a_description_outstanding_waits_for_nothing_and_the_late_prack_is_answered() {
    let mut alone = Alone::new();
    let session = invited(&mut alone, "Supported: 100rel\n", "offer");
    alone.act(|endpoint, now| endpoint.progress(now, session, early(180, "")));
    let ringing = alone.response();
    let (tag, rseq) = (ringing.to_tag().unwrap(), ringing.rseq().unwrap());
    alone.act(|endpoint, now| endpoint.accept(now, session, Body::sdp("answer")));
    assert_eq!(alone.response().body, b"answer");
    alone.hear(&prack(2, &tag, rseq, ""));
    assert_eq!(alone.response().status, 200);
    alone.hear(&prack(3, &tag, rseq, ""));
    assert_eq!(alone.response().status, 481);
}

#[test]
fn our_offer_in_a_provisional_is_answered_in_the_prack() {
    let mut alone = Alone::new();
    let session = invited(&mut alone, "Supported: 100rel\nAllow: INVITE, UPDATE\n", "");
    alone.act(|endpoint, now| endpoint.progress(now, session, early(183, "our offer")));
    let ringing = alone.response();
    let (tag, rseq) = (ringing.to_tag().unwrap(), ringing.rseq().unwrap());
    assert_eq!(ringing.body, b"our offer");
    // RFC 3311 §5.2: our offer has no answer yet.
    alone.hear(&within("UPDATE", 2, &tag, "u2", "theirs"));
    assert_eq!(alone.response().status, 491);
    alone.hear(&prack(3, &tag, rseq, "their answer"));
    assert_eq!(alone.response().status, 200);
    assert_eq!(alone.take(), ["OfferAnswered 200 their answer"]);
    // Now either side may offer, by UPDATE.
    assert_eq!(
        alone.act(|endpoint, now| endpoint.reinvite(now, session, Body::sdp("more"))),
        Ok(())
    );
    let update = alone.requests().remove(0);
    assert_eq!((update.method.as_str(), &update.body[..]), ("UPDATE", &b"more"[..]));
    alone.act(|endpoint, now| endpoint.accept(now, session, Body::sdp("unused")));
    assert_eq!(alone.lines(), [""; 0], "the 2xx waits for the answer to our UPDATE");
    alone.reply(&update, 200, "theirs", &[CONTACT], "fine");
    assert_eq!(alone.take(), ["OfferAnswered 200 fine"]);
    assert_eq!(alone.response().body, b"");
    alone.hear(&within("ACK", 1, &tag, "back", ""));
    assert_eq!(alone.take(), ["Confirmed"]);
}

/// RFC 3262 §5: where the INVITE brought no offer, the first reliable response must.
#[test]
fn without_their_offer_no_reliable_provisional_leaves_without_ours() {
    let mut alone = Alone::new();
    let session = invited(&mut alone, "Supported: 100rel\n", "");
    alone.act(|endpoint, now| endpoint.progress(now, session, early(183, "")));
    let ringing = alone.response();
    assert_eq!((ringing.status.code(), ringing.rseq()), (183, None));
    alone.act(|endpoint, now| endpoint.progress(now, session, early(183, "our offer")));
    let described = alone.response();
    assert_eq!(
        (described.rseq().is_some(), &described.body[..]),
        (true, &b"our offer"[..])
    );
    let mut alone = Alone::new();
    let session = invited(&mut alone, "Require: 100rel\n", "");
    alone.act(|endpoint, now| endpoint.ring(now, session));
    assert_eq!(alone.lines(), [""; 0], "whoever insists hears nothing before the 200");
    alone.act(|endpoint, now| endpoint.accept(now, session, Body::sdp("our offer")));
    let answer = alone.response();
    assert_eq!((answer.status.code(), &answer.body[..]), (200, &b"our offer"[..]));
}

#[test]
fn an_offer_in_the_prack_is_answered_in_its_200() {
    let mut alone = Alone::new();
    let session = invited(&mut alone, "Supported: 100rel\n", "offer");
    alone.act(|endpoint, now| endpoint.progress(now, session, early(183, "answer")));
    let ringing = alone.response();
    let tag = ringing.to_tag().unwrap();
    alone.hear(&prack(2, &tag, ringing.rseq().unwrap(), "new offer"));
    assert_eq!(alone.lines(), [""; 0]);
    let offer = offer_of(&std::mem::take(&mut alone.events));
    alone.act(|endpoint, now| endpoint.accept(now, session, Body::sdp("unused")));
    assert_eq!(alone.lines(), [""; 0]);
    alone.act(|endpoint, now| endpoint.answer_offer(now, session, offer, Body::sdp("new answer")));
    let responses = alone.responses();
    assert_eq!(
        (responses[0].cseq().unwrap().method.as_str(), &responses[0].body[..]),
        ("PRACK", &b"new answer"[..])
    );
    assert_eq!(
        (responses[1].cseq().unwrap().method.as_str(), responses[1].body.len()),
        ("INVITE", 0)
    );
}

#[test]
fn an_early_update_changes_the_session_before_it_is_answered() {
    let mut alone = Alone::new();
    let session = invited(&mut alone, "Supported: 100rel\n", "offer");
    alone.act(|endpoint, now| endpoint.progress(now, session, early(183, "answer")));
    let ringing = alone.response();
    let tag = ringing.to_tag().unwrap();
    // RFC 3311 §5.2: the first offer is not settled before the PRACK.
    alone.hear(&within("UPDATE", 2, &tag, "u2", "too soon"));
    assert_eq!(alone.response().status, 500);
    alone.hear(&prack(3, &tag, ringing.rseq().unwrap(), ""));
    alone.sent.clear();
    alone.hear(&within("UPDATE", 4, &tag, "u4", "hold"));
    let offer = offer_of(&std::mem::take(&mut alone.events));
    alone.hear(&within("UPDATE", 5, &tag, "u5", "again"));
    let response = alone.response();
    assert_eq!(response.status, 500);
    assert!(response.retry_after().is_some_and(|seconds| seconds <= 10));
    alone.act(|endpoint, now| endpoint.answer_offer(now, session, offer, Body::sdp("held")));
    assert_eq!(alone.response().body, b"held");
    // One that is left lying is 504 (RFC 3311 §5.2), and the call rings on.
    alone.hear(&within("UPDATE", 6, &tag, "u6", "lies"));
    alone.wait_ms(10_001);
    assert_eq!(alone.response().status, 504);
    // They said nothing of UPDATE, so we do not send any.
    assert_eq!(
        alone.act(|endpoint, now| endpoint.reinvite(now, session, Body::sdp("ours"))),
        Err(Misuse::NotEstablished)
    );
}

fn reliable(rseq: &str) -> [(&str, &str); 4] {
    [
        ("Require", "100rel"),
        ("RSeq", rseq),
        ("Allow", "INVITE, UPDATE"),
        CONTACT,
    ]
}

#[test]
fn a_caller_acknowledges_in_order_and_each_fork_by_itself() {
    let mut alone = Alone::new();
    let (session, invite) = alone.calling();
    assert!(invite.supported().contains(&"100rel".to_owned()));
    alone.reply(&invite, 183, "one", &reliable("41"), "answer one");
    let first = alone.requests().remove(0);
    assert_eq!(first.method.as_str(), "PRACK");
    assert_eq!(first.headers.text("RAck").as_deref(), Some("41 1 INVITE"));
    assert_eq!(
        (first.cseq().unwrap().number, first.to_tag().unwrap()),
        (2, "one".to_owned())
    );
    assert_eq!(first.uri.to_wire(), "sip:peer@192.0.2.1:5060");
    alone.reply(&invite, 183, "two", &reliable("7"), "answer two");
    let second = alone.requests().remove(0);
    assert_eq!(
        (second.headers.text("RAck").as_deref(), second.to_tag().unwrap()),
        (Some("7 1 INVITE"), "two".to_owned())
    );
    // A repetition is not acknowledged anew, and what came before its time not at all.
    alone.reply(&invite, 183, "one", &reliable("41"), "answer one");
    alone.reply(&invite, 180, "one", &reliable("43"), "");
    assert_eq!(alone.requests().len(), 0);
    assert_eq!(alone.take(), ["Progress 183 answer one", "Progress 183 answer two"]);
    alone.reply(&invite, 180, "one", &reliable("42"), "");
    assert_eq!(alone.requests()[0].headers.text("RAck").as_deref(), Some("42 1 INVITE"));
    // The one that answers: its description stood in the 183, and its CSeq counts on.
    alone.reply(&invite, 200, "two", &[CONTACT], "to be ignored");
    assert_eq!(alone.take(), ["Progress 180", "Accepted answer two"]);
    let ack = alone.requests().remove(0);
    assert_eq!((ack.method.as_str(), ack.cseq().unwrap().number), ("ACK", 1));
    alone.act(|endpoint, now| endpoint.hang_up(now, session));
    let bye = alone.requests().remove(0);
    assert_eq!((bye.method.as_str(), bye.cseq().unwrap().number), ("BYE", 3));
}

#[test]
fn a_prack_that_is_challenged_is_sent_again() {
    let mut alone = Alone::new();
    let (_, invite) = alone.calling_with(|invite| {
        invite.credentials = Some(sip::Credentials::new("user".into(), "secret".into()).for_realm("r"));
    });
    alone.reply(&invite, 183, "one", &reliable("41"), "answer");
    let prack = alone.requests().remove(0);
    alone.reply(
        &prack,
        407,
        "one",
        &[("Proxy-Authenticate", r#"Digest realm="r", nonce="n", qop="auth""#)],
        "",
    );
    let again = alone.requests().remove(0);
    assert_eq!((again.method.as_str(), again.cseq().unwrap().number), ("PRACK", 3));
    assert_eq!(again.headers.text("RAck").as_deref(), Some("41 1 INVITE"));
    assert!(again.headers.has("Proxy-Authorization"));
}

#[test]
fn their_offer_in_a_provisional_is_answered_in_our_prack() {
    let mut alone = Alone::new();
    let (session, invite) = alone.calling_with(|invite| invite.body = None);
    alone.reply(&invite, 183, "one", &reliable("5"), "their offer");
    let events = std::mem::take(&mut alone.events);
    assert_eq!(kinds(&events), ["Progress 183", "Offered their offer"]);
    let offer = offer_of(&events[1..]);
    assert_eq!(alone.requests().len(), 0, "the PRACK waits for the answer");
    alone.act(|endpoint, now| endpoint.answer_offer(now, session, offer, Body::sdp("our answer")));
    let prack = alone.requests().remove(0);
    assert_eq!((prack.method.as_str(), &prack.body[..]), ("PRACK", &b"our answer"[..]));
    alone.reply(&prack, 200, "one", &[], "");
    alone.reply(&invite, 200, "one", &[CONTACT], "");
    assert_eq!(alone.take(), ["Accepted their offer"]);
    assert_eq!(alone.requests()[0].body, b"");
}

#[test]
fn an_early_offer_nobody_answers_takes_the_call_back() {
    let mut alone = Alone::new();
    let (_, invite) = alone.calling_with(|invite| invite.body = None);
    alone.reply(&invite, 183, "one", &reliable("5"), "their offer");
    alone.sent.clear();
    alone.wait_ms(10_000);
    assert!(alone.lines()[0].starts_with("CANCEL"));
    alone.reply(&invite, 487, "one", &[], "");
    assert_eq!(alone.take(), ["Progress 183", "Offered their offer", "Refused 487"]);
}

#[test]
fn a_callee_may_update_an_early_session_of_ours() {
    let mut alone = Alone::new();
    let (session, invite) = alone.calling();
    let tag = invite.from_tag().unwrap();
    let update = |cseq: u32, body: &str| {
        let kind = if body.is_empty() {
            ""
        } else {
            "Content-Type: application/sdp\n"
        };
        let (call, to) = (invite.call_id().unwrap(), invite.headers.text("From").unwrap());
        format!(
            "UPDATE sip:192.0.2.2:5060 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKu{cseq}\nMax-Forwards: 70\n\
             From: <sip:+15550100@192.0.2.1>;tag=one\nTo: {to}\nCall-ID: {call}\nCSeq: {cseq} UPDATE\n\
             Contact: <sip:peer@192.0.2.1:5060>\n{kind}Content-Length: {}\n\n{body}",
            body.len()
        )
    };
    assert!(!tag.is_empty());
    alone.hear(&update(1, "x"));
    assert_eq!(alone.response().status, 481, "nobody has rung yet");
    alone.reply(&invite, 180, "one", &[CONTACT], "");
    // RFC 3311 §5.2: our INVITE's offer has no answer.
    alone.hear(&update(2, "x"));
    assert_eq!(alone.response().status, 491);
    alone.hear(&update(3, ""));
    assert_eq!(alone.response().status, 200);
    alone.reply(&invite, 183, "one", &reliable("9"), "answer");
    alone.sent.clear();
    alone.hear(&update(4, "announcement"));
    let events = std::mem::take(&mut alone.events);
    let offer = offer_of(&events[2..]);
    alone.act(|endpoint, now| endpoint.answer_offer(now, session, offer, Body::sdp("listening")));
    assert_eq!(alone.response().body, b"listening");
    // And we may, as it is settled.
    alone
        .act(|endpoint, now| endpoint.reinvite(now, session, Body::sdp("ours")))
        .unwrap();
    let ours = alone.requests().remove(0);
    assert_eq!((ours.method.as_str(), ours.cseq().unwrap().number), ("UPDATE", 3));
    alone.reply(&ours, 200, "one", &[], "agreed");
    assert_eq!(alone.take(), ["OfferAnswered 200 agreed"]);
    alone.reply(&invite, 200, "one", &[], "");
    assert_eq!(alone.take(), ["Accepted agreed"]);
    assert!(
        alone.lines()[0].starts_with("ACK sip:peer@192.0.2.1:5060"),
        "the early Contact stands"
    );
}

/// Found by a storm: the 2xx of the INVITE brings a session timer, and the 2xx of the UPDATE before it comes later and names none.
#[test]
fn an_early_update_that_is_overtaken_by_the_answer_ends_no_session_timer() {
    let mut alone = Alone::new();
    let (session, invite) = alone.calling();
    alone.reply(&invite, 183, "one", &reliable("9"), "answer");
    alone.sent.clear();
    alone
        .act(|endpoint, now| endpoint.reinvite(now, session, Body::sdp("ours")))
        .unwrap();
    let update = alone.requests().remove(0);
    let timer = ("Session-Expires", "300;refresher=uas");
    alone.reply(&invite, 200, "one", &[CONTACT, timer], "");
    alone.reply(&update, 200, "one", &[], "agreed");
    let vitals = alone.endpoint.vitals(session).expect("it is established");
    assert_eq!((vitals.interval_s, vitals.we_refresh), (Some(300), false));
}

#[test]
fn a_reliable_answer_to_a_re_invite_is_acknowledged() {
    let mut alone = Alone::new();
    let (session, _) = alone.answered();
    alone
        .act(|endpoint, now| endpoint.reinvite(now, session, Body::sdp("hold")))
        .unwrap();
    let invite = alone.requests().remove(0);
    alone.reply(&invite, 183, "theirs", &reliable("3"), "held");
    let prack = alone.requests().remove(0);
    assert_eq!(
        prack.headers.text("RAck"),
        Some(format!("3 {} INVITE", invite.cseq().unwrap().number))
    );
    alone.reply(&invite, 183, "theirs", &reliable("3"), "held");
    assert_eq!(alone.requests().len(), 0);
    alone.reply(&prack, 200, "theirs", &[], "");
    alone.reply(&invite, 200, "theirs", &[CONTACT], "");
    assert_eq!(alone.take(), ["OfferAnswered 200 held"]);
}

#[test]
fn a_whole_call_with_early_media_over_a_bad_line() {
    for seed in 0..200 {
        let weather = Weather {
            lost_percent: 30,
            doubled_percent: 20,
            delay_ms: 20,
            jitter_ms: 200,
        };
        let mut world = World::new(seed, sip::Transport::Udp, weather);
        let caller = world.call();
        for _ in 0..400 {
            world.run_ms(100);
            if !world.events[CALLEE].is_empty() {
                break;
            }
        }
        let callee = world.incoming();
        world.on(CALLEE, |side, now| {
            side.progress(now, callee, early(183, "answer"));
            side.accept(now, callee, Body::sdp("unused"));
        });
        world.run_ms(40_000);
        let told = kinds(&world.take(CALLER));
        let fine = told == ["Progress 183 answer", "Accepted answer"];
        let missed = told.is_empty()
            || told[0].starts_with("Refused")
            || told.last().unwrap().starts_with("Ended")
            || told.last().unwrap().starts_with("Refused");
        assert!(fine || missed, "seed {seed}: {told:?} {:#?}", world.trace);
        world.on(CALLER, |side, now| side.hang_up(now, caller));
        world.finish();
    }
}
