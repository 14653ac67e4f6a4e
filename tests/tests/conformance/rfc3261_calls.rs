//! RFC 3261 §9 and §12 to §15 with the engine as the one who is called: cancelling, dialogs, answers, re-INVITEs, BYE.

use std::time::{Duration, Instant};

use crate::house::{KEYS, QUICK_T1, TALK, house, own, phone, quick, ringing, tcp_phone, wait};
use tests::raw::{Line, Message, Phone, QUIET, Request, SOON};

const LONG: Duration = Duration::from_secs(60);

#[test]
fn rfc3261_s9_2_cancel_is_200_and_the_invite_487_with_the_same_tag() {
    let engine = ringing(LONG);
    let mut phone = phone(&engine, TALK);
    let invite = phone.invite();
    phone.send(&invite);
    let rings = phone.response("INVITE", |status| status == 180);
    let cancel = phone.cancel();
    let cancelled = phone.ask(&cancel);
    assert_eq!(cancelled.status(), 200);
    let answer = phone.answer("INVITE");
    assert_eq!(answer.status(), 487);
    let ack = phone.ack_of_refusal(&answer);
    phone.send(&ack);
    // §9.2: "the To tag of the response to the CANCEL and the To tag in the response to the original request SHOULD be the same".
    assert_eq!(cancelled.to_tag(), answer.to_tag());
    assert_eq!(rings.to_tag(), answer.to_tag());
    engine.is_empty(SOON);
}

#[test]
fn rfc3261_s9_2_cancel_after_final_has_no_effect() {
    let house = house();
    let mut phone = phone(&house, TALK);
    phone.call();
    let cancel = phone.cancel();
    let answer = phone.ask(&cancel);
    assert_eq!(
        answer.status(),
        200,
        "the INVITE's transaction is still known: {answer:?}"
    );
    phone.rtp.drain();
    phone.rtp.hears();
    assert!(
        phone.line.find(QUIET, |message| message.status() >= 300).is_none(),
        "no 487"
    );
    phone.hang_up();
}

#[test]
fn rfc3261_s9_2_cancel_of_nothing_is_481() {
    let house = house();
    let mut phone = phone(&house, TALK);
    phone.invite = Some(phone.invite());
    let cancel = phone.cancel();
    assert_eq!(phone.ask(&cancel).status(), 481);
}

#[test]
fn rfc3261_s9_2_cancel_with_another_branch_cancels_nothing() {
    let engine = ringing(LONG);
    let mut phone = phone(&engine, TALK);
    let invite = phone.invite();
    phone.send(&invite);
    phone.response("INVITE", |status| status == 180);
    let other = phone.cancel().set("Via", phone.via());
    assert_eq!(phone.ask(&other).status(), 481);
    assert!(
        phone
            .line
            .find(QUIET, |message| message.method() == "INVITE" && message.status() >= 200)
            .is_none()
    );
    let cancel = phone.cancel();
    phone.send(&cancel);
    assert_eq!(phone.answer("INVITE").status(), 487);
}

#[test]
fn rfc3261_s8_2_2_3_a_cancel_with_require_is_still_a_cancel() {
    let engine = ringing(LONG);
    let mut phone = phone(&engine, TALK);
    let invite = phone.invite();
    phone.send(&invite);
    phone.response("INVITE", |status| status == 180);
    let cancel = phone.cancel().add("Require", "no-such-thing");
    assert_eq!(phone.ask(&cancel).status(), 200);
    assert_eq!(phone.answer("INVITE").status(), 487);
}

#[test]
fn rfc3261_s12_1_1_a_2xx_carries_record_routes_and_a_contact() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let routes = [
        format!("<sip:{};lr;side=in>", phone.line.local),
        "<sip:192.0.2.1;lr>".to_owned(),
    ];
    let invite = phone
        .invite()
        .add("Record-Route", &*routes[0])
        .add("Record-Route", &*routes[1]);
    let answer = phone.ask(&invite);
    assert_eq!(answer.status(), 200, "{answer:?}");
    assert_eq!(
        answer.all("Record-Route").join(","),
        routes.join(","),
        "in order, parameters and all"
    );
    assert!(
        answer.contact().contains(&phone.line.server.port().to_string()),
        "{answer:?}"
    );
    assert!(answer.to_tag().is_some());
}

#[test]
fn rfc3261_s12_1_1_a_180_begins_the_dialog_that_the_200_confirms() {
    let engine = ringing(Duration::from_millis(300));
    let mut phone = phone(&engine, TALK);
    let invite = phone.invite();
    phone.send(&invite);
    let rings = phone.response("INVITE", |status| status == 180);
    let answer = phone.answer("INVITE");
    assert!(rings.has("Contact") && rings.to_tag().is_some(), "{rings:?}");
    assert_eq!((rings.to_tag(), rings.contact()), (answer.to_tag(), answer.contact()));
}

#[test]
fn rfc3261_s12_2_2_a_request_for_an_unknown_dialog_is_481() {
    let house = house();
    let mut phone = phone(&house, TALK);
    phone.to = format!("{};tag=nobodys", phone.to);
    for method in ["BYE", "INFO", "UPDATE"] {
        let request = phone.request(method);
        assert_eq!(phone.ask(&request).status(), 481, "{method}");
    }
    let invite = phone.invite();
    phone.is_refused(&invite, 481);
}

#[test]
fn rfc3261_s12_2_2_the_wrong_from_tag_is_another_dialog() {
    let house = house();
    let mut phone = phone(&house, TALK);
    phone.call();
    let bye = phone.request("BYE");
    let wrong = bye.clone().set("From", format!("{}x", phone.from));
    assert_eq!(phone.ask(&wrong).status(), 481);
    phone.rtp.drain();
    phone.rtp.hears();
    phone.hang_up();
}

#[test]
fn rfc3261_s12_2_2_a_lower_cseq_is_500() {
    let house = house();
    let mut phone = phone(&house, TALK);
    phone.cseq = 100;
    phone.call();
    let late = phone.request("INFO").set("CSeq", "99 INFO");
    assert_eq!(phone.ask(&late).status(), 500);
    phone.hang_up();
}

#[test]
fn rfc3261_s12_2_2_cseq_may_leave_gaps() {
    let house = house();
    let mut phone = phone(&house, TALK);
    phone.call();
    phone.cseq += 1_000_000;
    let info = phone.request("INFO");
    assert_eq!(phone.ask(&info).status(), 200);
    phone.hang_up();
}

#[test]
fn rfc3261_s12_2_1_1_requests_of_ours_follow_a_loose_route() {
    let engine = quick(|_| ());
    let mut phone = phone(&engine, TALK);
    let (target, route) = ("sip:far@192.0.2.7:5099;x=1", format!("sip:{};lr", phone.line.local));
    let invite = phone
        .invite()
        .set("Contact", format!("<{target}>"))
        .add("Record-Route", format!("<{route}>"))
        .add("Record-Route", "<sip:192.0.2.8;lr>");
    phone.send(&invite);
    assert_eq!(phone.answer("INVITE").status(), 200);
    // Without an ACK the engine gives up after 64 × T1 and says BYE (§13.3.1.4).
    let bye = phone.asked("BYE");
    assert_eq!(bye.uri(), target, "{bye:?}");
    let routes = bye.all("Route").join(",");
    assert_eq!(
        routes.replace(' ', ""),
        format!("<{route}>,<sip:192.0.2.8;lr>"),
        "as recorded: {bye:?}"
    );
    phone.reply(&bye, "200 OK", "", "");
    engine.is_empty(SOON);
}

#[test]
fn rfc3261_s12_2_1_1_requests_of_ours_follow_a_strict_route() {
    let engine = quick(|_| ());
    let mut phone = phone(&engine, TALK);
    let (target, strict) = ("sip:far@192.0.2.7:5099", format!("sip:router@{}", phone.line.local));
    let invite = phone
        .invite()
        .set("Contact", format!("<{target}>"))
        .add("Record-Route", format!("<{strict}>"))
        .add("Record-Route", "<sip:192.0.2.8;lr>");
    phone.send(&invite);
    assert_eq!(phone.answer("INVITE").status(), 200);
    let bye = phone.asked("BYE");
    assert_eq!(
        bye.uri(),
        strict,
        "the strict router finds itself in the Request-URI: {bye:?}"
    );
    let routes = bye.all("Route").join(",").replace(' ', "");
    assert_eq!(
        routes,
        format!("<sip:192.0.2.8;lr>,<{target}>"),
        "and the target last: {bye:?}"
    );
    phone.reply(&bye, "200 OK", "", "");
}

#[test]
fn rfc3261_s12_2_1_1_requests_of_ours_turn_from_and_to_around() {
    let engine = quick(|_| ());
    let mut phone = phone(&engine, TALK);
    let invite = phone.invite();
    phone.send(&invite);
    let answer = phone.answer("INVITE");
    let bye = phone.asked("BYE");
    assert_eq!(bye.header("From"), answer.header("To"));
    assert_eq!(bye.header("To"), answer.header("From"));
    assert_eq!(bye.header("Call-ID"), phone.call_id);
    assert!(bye.cseq() > 0 && bye.has("Max-Forwards"), "{bye:?}");
    assert!(
        bye.param("Via", "branch")
            .is_some_and(|branch| branch.starts_with("z9hG4bK")),
        "{bye:?}"
    );
    phone.reply(&bye, "200 OK", "", "");
}

#[test]
fn rfc3261_s12_2_2_a_re_invite_moves_the_target() {
    let engine = quick(|_| ());
    let mut phone = phone(&engine, TALK);
    phone.call();
    let moved = format!("sip:elsewhere@{};x=2", phone.line.local);
    let again = phone.invite().set("Contact", format!("<{moved}>"));
    assert_eq!(phone.ask(&again).status(), 200);
    // Its 200 is not acknowledged either, so the engine says BYE: to where the target is now.
    let bye = phone.asked("BYE");
    assert_eq!(bye.uri(), moved);
    phone.reply(&bye, "200 OK", "", "");
}

#[test]
fn rfc3261_s13_2_1_an_invite_without_offer_gets_one_and_answers_in_the_ack() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let invite = phone.invite().bare();
    let answer = phone.ask(&invite);
    assert_eq!((answer.status(), answer.sdp("m=audio ").len()), (200, 1), "{answer:?}");
    phone.enter(&answer);
    assert!(phone.rtp.next(QUIET).is_none(), "nobody knows yet where the audio goes");
    let sdp = phone.rtp.sdp();
    let ack = phone.ack().sdp(sdp);
    phone.send(&ack);
    phone.rtp.hears();
    phone.hang_up();
}

#[test]
fn rfc3261_s13_3_1_an_expired_invitation_is_487() {
    let engine = ringing(LONG);
    let mut phone = phone(&engine, TALK);
    let invite = phone.invite().add("Expires", "1");
    let began = Instant::now();
    let answer = phone.ask(&invite);
    assert_eq!(answer.status(), 487, "{answer:?}");
    assert!(began.elapsed() >= Duration::from_millis(900));
}

#[test]
fn rfc3261_s13_3_1_4_a_200_is_repeated_until_its_ack() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let invite = phone.invite();
    phone.send(&invite);
    let times: Vec<Instant> = (0..3)
        .map(|_| phone.response("INVITE", |status| status == 200).at)
        .collect();
    let (first, second) = (times[1] - times[0], times[2] - times[1]);
    assert!(first >= Duration::from_millis(400), "T1: {first:?}");
    assert!(second >= Duration::from_millis(900), "doubled: {second:?}");
    let answer = phone.ask(&invite);
    phone.enter(&answer);
    let ack = phone.ack();
    phone.send(&ack);
    wait(100);
    phone.line.forget();
    assert!(
        phone
            .line
            .find(Duration::from_millis(2_500), |message| message.status() == 200)
            .is_none(),
        "acknowledged"
    );
    phone.hang_up();
}

#[test]
fn rfc3261_s13_3_1_4_a_200_is_repeated_on_a_stream_too() {
    let engine = quick(|_| ());
    let mut phone = tcp_phone(&engine, TALK);
    let invite = phone.invite();
    phone.send(&invite);
    for _ in 0..3 {
        phone.response("INVITE", |status| status == 200);
    }
}

#[test]
fn rfc3261_s13_3_1_4_a_call_without_ack_ends_with_bye() {
    let engine = quick(|_| ());
    let mut phone = phone(&engine, TALK);
    let invite = phone.invite();
    phone.send(&invite);
    phone.answer("INVITE");
    let began = Instant::now();
    let bye = phone.asked("BYE");
    assert!(
        began.elapsed() >= QUICK_T1 * 50,
        "not before 64 × T1: {:?}",
        began.elapsed()
    );
    phone.reply(&bye, "200 OK", "", "");
    engine.is_empty(SOON);
}

#[test]
fn rfc3261_s13_3_1_4_an_ack_may_have_any_branch() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let invite = phone.invite();
    let answer = phone.ask(&invite);
    phone.enter(&answer);
    let ack = phone.ack().set("Via", invite.header("Via"));
    phone.send(&ack);
    wait(50);
    phone.line.forget();
    assert!(
        phone
            .line
            .find(Duration::from_millis(1_200), |message| message.status() == 200)
            .is_none()
    );
    phone.hang_up();
}

#[test]
fn rfc3261_s14_2_a_re_invite_that_changes_nothing_is_200() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let first = phone.call();
    let again = phone.invite();
    let second = phone.call_with(&again);
    assert_eq!(first.body, second.body, "the same description, the same version");
    phone.rtp.drain();
    phone.rtp.hears();
    phone.hang_up();
}

#[test]
fn rfc3261_s14_2_an_impossible_re_invite_is_488_and_the_call_goes_on() {
    let house = house();
    let mut phone = phone(&house, TALK);
    phone.call();
    let sdp = phone.rtp.sdp_with("RTP/AVP 18", "a=rtpmap:18 G729/8000\r\n");
    let again = phone.invite().sdp(sdp);
    phone.is_refused(&again, 488);
    phone.rtp.drain();
    phone.rtp.hears();
    phone.hang_up();
}

#[test]
fn rfc3261_s14_2_a_re_invite_without_offer_gets_one() {
    let house = house();
    let mut phone = phone(&house, TALK);
    phone.call();
    let again = phone.invite().bare();
    let answer = phone.ask(&again);
    assert_eq!((answer.status(), answer.sdp("m=audio ").len()), (200, 1), "{answer:?}");
    let sdp = phone.rtp.sdp();
    let ack = phone.ack().sdp(sdp);
    phone.send(&ack);
    wait(50);
    phone.rtp.drain();
    phone.rtp.hears();
    phone.hang_up();
}

#[test]
fn rfc3261_s14_2_a_re_invite_before_our_offer_is_answered_is_491() {
    let house = house();
    let mut phone = phone(&house, TALK);
    phone.call();
    let empty = phone.invite().bare();
    let offered = phone.ask(&empty);
    assert_eq!(offered.status(), 200);
    let crossing = phone.invite();
    let answer = phone.ask(&crossing);
    assert!(
        matches!(answer.status(), 491 | 500),
        "an offer of ours is pending: {answer:?}"
    );
    let ack = phone.ack_of_refusal(&answer);
    phone.send(&ack);
    phone.invite = Some(empty);
    let sdp = phone.rtp.sdp();
    let ack = phone.ack().sdp(sdp);
    phone.send(&ack);
    phone.hang_up();
}

/// Whoever calls the number of the report card is offered the session once more by us, at the first key.
#[test]
fn rfc3261_s14_1_our_re_invite_that_met_theirs_is_sent_again_after_a_while() {
    const CARD: &str = "+15125550190";
    let engine = own(|config| config.desk.trunks[0].report_card = Some(phi::Phi::new(CARD.to_owned())));
    let mut phone = phone(&engine, CARD);
    phone.call();
    let key = phone
        .request("INFO")
        .with("application/dtmf-relay", "Signal=5\r\nDuration=160\r\n");
    assert_eq!(phone.ask(&key).status(), 200);
    let mut last = 0;
    for status in ["491 Request Pending", "491 Request Pending", "200 OK"] {
        let offer = phone.line.expect("an offer of ours", |message| {
            message.status() == 0 && message.method() == "INVITE" && message.cseq() > last
        });
        last = offer.cseq();
        if status.starts_with("200") {
            let (contact, sdp) = (format!("Contact: {}\r\n", phone.contact()), phone.rtp.sdp());
            phone.reply(&offer, status, &contact, &sdp);
        } else {
            phone.reply(&offer, status, "", "");
        }
        let ack = phone.line.expect("its ACK", |message| {
            message.status() == 0 && message.method() == "ACK" && message.cseq() == last
        });
        let branch = |message: &Message| message.param("Via", "branch");
        assert_eq!(branch(&ack) == branch(&offer), !status.starts_with("200"), "{ack:?}");
    }
    let options = phone.request("OPTIONS");
    assert_eq!(phone.ask(&options).status(), 200, "the call goes on");
    phone.hang_up();
}

#[test]
fn rfc3261_s14_2_a_re_invite_while_the_first_is_unanswered_is_500_with_retry_after() {
    let engine = ringing(LONG);
    let mut phone = phone(&engine, TALK);
    let invite = phone.invite();
    phone.send(&invite);
    let rings = phone.response("INVITE", |status| status == 180);
    phone.enter(&rings);
    let again = phone.invite();
    let answer = phone.ask(&again);
    assert_eq!(answer.status(), 500, "{answer:?}");
    let seconds: u32 = answer.header("Retry-After").parse().expect("a Retry-After");
    assert!(seconds <= 10, "between 0 and 10");
}

#[test]
fn rfc3261_s15_1_2_bye_is_200_and_the_dialog_is_gone() {
    let house = house();
    let mut phone = phone(&house, TALK);
    phone.call();
    phone.hang_up();
    let late = phone.request("INFO");
    assert_eq!(phone.ask(&late).status(), 481);
    let again = phone.invite();
    phone.is_refused(&again, 481);
}

#[test]
fn rfc3261_s15_1_2_a_bye_sent_again_gets_the_same_answer() {
    let house = house();
    let mut phone = phone(&house, TALK);
    phone.call();
    let bye = phone.request("BYE");
    let first = phone.ask(&bye);
    let second = phone.ask(&bye);
    assert_eq!((first.status(), &first.bytes), (200, &second.bytes));
}

#[test]
fn rfc3261_s15_1_2_audio_ends_with_the_bye() {
    let house = house();
    let mut phone = phone(&house, TALK);
    phone.call();
    phone.rtp.hears();
    phone.hang_up();
    wait(60);
    phone.rtp.drain();
    assert!(phone.rtp.next(QUIET).is_none());
}

#[test]
fn rfc3261_s15_1_2_bye_in_an_early_dialog_ends_the_invite_with_487() {
    let engine = ringing(LONG);
    let mut phone = phone(&engine, TALK);
    let invite = phone.invite();
    phone.send(&invite);
    let rings = phone.response("INVITE", |status| status == 180);
    let to = phone.to.clone();
    phone.enter(&rings);
    let bye = phone.request("BYE");
    assert_eq!(phone.ask(&bye).status(), 200);
    phone.to = to;
    let answer = phone.answer("INVITE");
    assert_eq!(answer.status(), 487);
    let ack = phone.ack_of_refusal(&answer);
    phone.send(&ack);
    engine.is_empty(SOON);
}

#[test]
fn rfc3261_s15_bye_before_the_ack_is_taken() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let invite = phone.invite();
    let answer = phone.ask(&invite);
    phone.enter(&answer);
    phone.hang_up();
    wait(50);
    phone.line.forget();
    assert!(
        phone
            .line
            .find(Duration::from_millis(1_300), |message| message.status() == 200)
            .is_none(),
        "no more 200"
    );
}

#[test]
fn rfc3261_s15_the_engine_hangs_up_with_bye() {
    let house = house();
    let mut phone = phone(&house, KEYS);
    let answer = phone.call();
    let audio = answer.audio();
    house.waits_for("the notice", SOON, |fact| {
        matches!(fact, switchboard::Fact::Said { .. })
    });
    // The notice lets no key stop it; the menu after it does.
    let ended = press_until(&mut phone, audio, 1, |phone| {
        phone.line.find(Duration::from_millis(200), |message| {
            message.method() == "BYE" && message.status() == 0
        })
    });
    assert_eq!(ended.uri(), format!("sip:caller@{}", phone.line.local));
    phone.reply(&ended, "200 OK", "", "");
}

#[test]
fn rfc3261_s12_2_2_options_within_a_dialog_asks_whether_it_lives() {
    let house = house();
    let mut phone = phone(&house, TALK);
    phone.call();
    let options = phone.request("OPTIONS");
    assert_eq!(phone.ask(&options).status(), 200);
    phone.hang_up();
    let options = phone.request("OPTIONS");
    assert_eq!(phone.ask(&options).status(), 481);
}

#[test]
fn rfc3261_s12_2_2_a_method_that_is_not_ours_is_405_within_a_dialog_too() {
    let house = house();
    let mut phone = phone(&house, TALK);
    phone.call();
    let refer = phone.request("REFER").add("Refer-To", "<sip:+15125550141@127.0.0.1>");
    let answer = phone.ask(&refer);
    assert!(matches!(answer.status(), 405 | 603), "{answer:?}");
    phone.rtp.drain();
    phone.rtp.hears();
    phone.hang_up();
}

#[test]
fn rfc3261_s8_1_1_8_an_invite_without_contact_is_400() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let invite = phone.invite().without("Contact");
    phone.is_refused(&invite, 400);
}

#[test]
fn rfc3261_s12_1_1_a_caller_without_from_tag_may_call() {
    let house = house();
    let mut phone = phone(&house, TALK);
    phone.from = format!("<sip:+15125550199@{}>", phone.line.local);
    phone.call();
    phone.hang_up();
}

#[test]
fn rfc3261_s18_2_2_on_a_stream_the_answer_comes_back_on_it() {
    let house = house();
    let mut phone = tcp_phone(&house, TALK);
    // Whatever its Via says.
    let via = phone
        .via()
        .replace(&phone.line.local.to_string(), "192.0.2.9:5070")
        .replace(";rport", "");
    let invite: Request = phone.invite().set("Via", via);
    let answer = phone.ask(&invite);
    assert_eq!(answer.status(), 200);
}

#[test]
fn rfc3261_s18_1_1_a_call_may_go_on_over_another_connection() {
    let house = house();
    let mut phone = tcp_phone(&house, TALK);
    phone.call();
    let mut second = Phone::new(Line::tcp(phone.line.server), TALK);
    std::mem::swap(&mut second.line, &mut phone.line);
    let bye = phone.request("BYE");
    assert_eq!(phone.ask(&bye).status(), 200);
}

/// Presses a key again and again until this finds something.
pub(crate) fn press_until<T>(
    phone: &mut Phone,
    audio: std::net::SocketAddr,
    code: u8,
    mut look: impl FnMut(&mut Phone) -> Option<T>,
) -> T {
    let end = Instant::now() + Duration::from_secs(40);
    loop {
        phone.rtp.press(audio, 101, code);
        if let Some(found) = look(phone) {
            return found;
        }
        assert!(Instant::now() < end, "nothing came of the key");
    }
}
