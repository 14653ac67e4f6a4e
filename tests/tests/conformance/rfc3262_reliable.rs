//! RFC 3262: provisional responses that are acknowledged, in both roles.

use std::time::{Duration, Instant};

use tests::engine::{Engine, Setup};
use tests::raw::{Desk, Message, Phone, QUIET, Request, SOON};

use crate::house::{BRIDGED, QUICK_T1, TALK, doctored, house, phone, practice, ringing, wait};

const LONG: Duration = Duration::from_secs(60);

/// A caller who requires 100rel, and the reliable 180 that it got.
struct Alerted {
    engine: Engine,
    phone: Phone,
    rings: Message,
}

impl Alerted {
    fn new(ring: Duration) -> Self {
        Self::at(ringing(ring))
    }

    fn at(engine: Engine) -> Self {
        let mut phone = phone(&engine, TALK);
        let invite = phone.invite().add("Require", "100rel").add("Supported", "100rel");
        phone.send(&invite);
        let rings = phone.response("INVITE", |status| (101..200).contains(&status));
        Self { engine, phone, rings }
    }

    fn prack(&mut self, rack: &str) -> Request {
        let to = self.phone.to.clone();
        self.phone.enter(&self.rings);
        let prack = self.phone.request("PRACK").add("RAck", rack);
        self.phone.to = to;
        prack
    }

    fn right(&self) -> String {
        format!("{} {} INVITE", self.rings.header("RSeq"), self.rings.cseq())
    }
}

#[test]
fn rfc3262_s3_a_provisional_is_reliable_when_the_caller_requires_it() {
    let alerted = Alerted::new(LONG);
    let rings = &alerted.rings;
    assert!(rings.lists("Require", "100rel"), "{rings:?}");
    let rseq: u32 = rings.header("RSeq").parse().expect("an RSeq");
    assert!((1..=0x7fff_ffff).contains(&rseq), "between 1 and 2^31 - 1");
    assert!(rings.to_tag().is_some() && rings.has("Contact"), "{rings:?}");
}

#[test]
fn rfc3262_s3_a_100_is_never_reliable() {
    let engine = ringing(LONG);
    let mut phone = phone(&engine, TALK);
    let invite = phone.invite().add("Require", "100rel");
    phone.send(&invite);
    let trying = phone.response("INVITE", |status| status == 100);
    assert!(!trying.has("RSeq") && !trying.lists("Require", "100rel"), "{trying:?}");
}

#[test]
fn rfc3262_s3_without_100rel_no_provisional_is_reliable() {
    let engine = ringing(LONG);
    let mut phone = phone(&engine, TALK);
    let invite = phone.invite();
    phone.send(&invite);
    let rings = phone.response("INVITE", |status| status == 180);
    assert!(!rings.has("RSeq") && !rings.lists("Require", "100rel"), "{rings:?}");
}

#[test]
fn rfc3262_s3_a_reliable_provisional_is_repeated_until_its_prack() {
    let mut alerted = Alerted::new(LONG);
    let first = alerted.rings.clone();
    let second = alerted.phone.response("INVITE", |status| status == first.status());
    let third = alerted.phone.response("INVITE", |status| status == first.status());
    assert!(second.bytes == first.bytes, "{second:?}");
    assert!(second.at - first.at >= Duration::from_millis(400), "T1");
    assert!(third.at - second.at >= Duration::from_millis(900), "doubled");
    let right = alerted.right();
    let prack = alerted.prack(&right);
    assert_eq!(alerted.phone.ask(&prack).status(), 200);
    alerted.phone.line.forget();
    let again = alerted
        .phone
        .line
        .find(Duration::from_millis(2_600), |message| message.method() == "INVITE");
    assert!(again.is_none(), "{again:?}");
}

#[test]
fn rfc3262_s3_a_prack_that_matches_nothing_is_481() {
    let mut alerted = Alerted::new(LONG);
    let rseq: u32 = alerted.rings.header("RSeq").parse().expect("an RSeq");
    let cseq = alerted.rings.cseq();
    for wrong in [
        format!("{} {cseq} INVITE", rseq + 1),
        format!("{rseq} {} INVITE", cseq + 7),
        format!("{rseq} {cseq} BYE"),
    ] {
        let prack = alerted.prack(&wrong);
        assert_eq!(alerted.phone.ask(&prack).status(), 481, "{wrong}");
    }
    let right = alerted.right();
    let prack = alerted.prack(&right);
    assert_eq!(alerted.phone.ask(&prack).status(), 200);
}

#[test]
fn rfc3262_s3_a_prack_for_what_was_acknowledged_already_is_481() {
    let mut alerted = Alerted::new(LONG);
    let right = alerted.right();
    let prack = alerted.prack(&right);
    assert_eq!(alerted.phone.ask(&prack).status(), 200);
    assert_eq!(
        alerted.phone.ask(&prack).status(),
        200,
        "sent again it is the same transaction"
    );
    let second = alerted.prack(&right);
    assert_eq!(alerted.phone.ask(&second).status(), 481);
}

#[test]
fn rfc3262_s3_a_prack_without_rack_is_400() {
    let mut alerted = Alerted::new(LONG);
    let prack = alerted.prack("1 1 INVITE").without("RAck");
    assert_eq!(alerted.phone.ask(&prack).status(), 400);
}

#[test]
fn rfc3262_s3_a_prack_outside_a_dialog_is_481() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let prack = phone.request("PRACK").add("RAck", "1 1 INVITE");
    assert_eq!(phone.ask(&prack).status(), 481);
}

#[test]
fn rfc3262_s3_without_a_prack_the_invite_is_refused() {
    let engine = crate::house::quick(|config| config.desk.ring_before_answer = LONG);
    let mut alerted = Alerted::at(engine);
    let began = Instant::now();
    let answer = alerted.phone.answer("INVITE");
    assert!((500..600).contains(&answer.status()), "{answer:?}");
    assert!(began.elapsed() >= QUICK_T1 * 40, "after 64 × T1");
    let ack = alerted.phone.ack_of_refusal(&answer);
    alerted.phone.send(&ack);
    alerted.engine.is_empty(SOON);
}

#[test]
fn rfc3262_s3_a_call_with_prack_is_answered_and_heard() {
    let mut alerted = Alerted::new(Duration::from_millis(400));
    let right = alerted.right();
    let prack = alerted.prack(&right);
    assert_eq!(alerted.phone.ask(&prack).status(), 200);
    let answer = alerted.phone.answer("INVITE");
    assert_eq!(answer.status(), 200, "{answer:?}");
    assert_eq!(answer.to_tag(), alerted.rings.to_tag());
    alerted.phone.enter(&answer);
    let ack = alerted.phone.ack();
    alerted.phone.send(&ack);
    alerted.phone.rtp.hears();
    alerted.phone.hang_up();
}

#[test]
fn rfc3262_s3_cancel_works_beside_a_reliable_provisional() {
    let mut alerted = Alerted::new(LONG);
    let cancel = alerted.phone.cancel();
    assert_eq!(alerted.phone.ask(&cancel).status(), 200);
    assert_eq!(alerted.phone.answer("INVITE").status(), 487);
    alerted.phone.line.forget();
    let more = alerted.phone.line.find(Duration::from_millis(700), |message| {
        (101..200).contains(&message.status())
    });
    assert!(more.is_none(), "{more:?}");
}

#[test]
fn rfc3262_s7_1_prack_and_100rel_are_told() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let request = phone.request("OPTIONS");
    let answer = phone.ask(&request);
    assert!(
        answer.lists("Allow", "PRACK") && answer.lists("Supported", "100rel"),
        "{answer:?}"
    );
}

/// The doctor's telephone, and the INVITE that rings it.
fn rung(tune: impl FnOnce(&mut exchange::Config) + 'static) -> (Engine, Phone, Desk, Message) {
    let (engine, mut desk) = doctored(tune);
    let mut caller = phone(&engine, BRIDGED);
    caller.call();
    let invite = desk.rings();
    (engine, caller, desk, invite)
}

#[test]
fn rfc3262_s4_our_invite_says_that_it_can() {
    let (_engine, _caller, _desk, invite) = rung(|_| ());
    assert!(invite.lists("Supported", "100rel"), "{invite:?}");
    assert!(invite.lists("Allow", "PRACK"), "{invite:?}");
}

#[test]
fn rfc3262_s4_a_reliable_183_gets_a_prack_within_the_early_dialog() {
    let (_engine, _caller, mut desk, invite) = rung(|_| ());
    let extra = format!("{}Require: 100rel\r\nRSeq: 4711\r\n", desk.contact());
    desk.reply(&invite, "183 Session Progress", &extra, "");
    let prack = desk.asked("PRACK");
    assert_eq!(prack.header("RAck"), format!("4711 {} INVITE", invite.cseq()));
    assert_eq!(prack.uri(), format!("sip:doctor@{}", desk.address()));
    assert_eq!(prack.to_tag().as_deref(), Some(desk.tag.as_str()));
    assert_eq!(prack.cseq(), invite.cseq() + 1, "a request of its own");
    desk.reply(&prack, "200 OK", "", "");
    desk.picks_up(&invite);
}

#[test]
fn rfc3262_s4_a_repeated_reliable_provisional_is_acknowledged_once() {
    let (_engine, _caller, mut desk, invite) = rung(|_| ());
    let extra = format!("{}Require: 100rel\r\nRSeq: 1\r\n", desk.contact());
    desk.reply(&invite, "180 Ringing", &extra, "");
    let prack = desk.asked("PRACK");
    desk.reply(&prack, "200 OK", "", "");
    desk.reply(&invite, "180 Ringing", &extra, "");
    wait(50);
    let again = desk.line.find(QUIET, |message| {
        message.method() == "PRACK" && message.cseq() != prack.cseq()
    });
    assert!(again.is_none(), "{again:?}");
}

#[test]
fn rfc3262_s4_a_provisional_out_of_order_is_not_acknowledged() {
    let (_engine, _caller, mut desk, invite) = rung(|_| ());
    let reliable = |desk: &Desk, rseq: u32| format!("{}Require: 100rel\r\nRSeq: {rseq}\r\n", desk.contact());
    let first = reliable(&desk, 10);
    desk.reply(&invite, "180 Ringing", &first, "");
    let prack = desk.asked("PRACK");
    desk.reply(&prack, "200 OK", "", "");
    let third = reliable(&desk, 12);
    desk.reply(&invite, "183 Session Progress", &third, "");
    let early = desk
        .line
        .find(QUIET, |message| message.header("RAck").starts_with("12 "));
    assert!(early.is_none(), "{early:?}");
    let second = reliable(&desk, 11);
    desk.reply(&invite, "183 Session Progress", &second, "");
    let prack = desk.asked("PRACK");
    assert!(prack.header("RAck").starts_with("11 "), "{prack:?}");
}

#[test]
fn rfc3262_s4_an_unreliable_provisional_gets_no_prack() {
    let (_engine, _caller, mut desk, invite) = rung(|_| ());
    let contact = desk.contact();
    desk.reply(&invite, "180 Ringing", &contact, "");
    assert!(desk.line.find(QUIET, |message| message.method() == "PRACK").is_none());
    desk.picks_up(&invite);
}

#[test]
fn rfc3262_s5_an_answer_in_a_reliable_183_is_the_answer() {
    let (_engine, _caller, mut desk, invite) = rung(|_| ());
    let extra = format!("{}Require: 100rel\r\nRSeq: 5\r\n", desk.contact());
    let sdp = desk.rtp.sdp_with("RTP/AVP 8", "a=rtpmap:8 PCMA/8000\r\n");
    desk.reply(&invite, "183 Session Progress", &extra, &sdp);
    let prack = desk.asked("PRACK");
    desk.reply(&prack, "200 OK", "", "");
    // §5: then the 200 carries none.
    let contact = desk.contact();
    desk.reply(&invite, "200 OK", &contact, "");
    desk.asked("ACK");
    assert_eq!(desk.rtp.hears().kind, 8);
}

/// What asks to be acknowledged and comes first must bring our offer (also RFC 3261 §13.2.1): a bare 180 may not.
#[test]
fn rfc3262_s5_the_first_reliable_message_to_an_invite_without_offer_brings_ours() {
    for reliability in ["Require", "Supported"] {
        let engine = Engine::start(Setup {
            practice: practice(),
            ring_before_answer: Duration::from_millis(500),
            ..Setup::default()
        });
        let mut phone = phone(&engine, TALK);
        let invite = phone.invite().bare().add(reliability, "100rel");
        phone.send(&invite);
        let answer = loop {
            let response = phone.response("INVITE", |status| status > 100);
            if response.status() >= 200 {
                break response;
            }
            assert!(!response.has("RSeq"), "reliable, and without an offer: {response:?}");
        };
        assert_eq!(answer.status(), 200);
        assert!(!answer.sdp("m=audio").is_empty(), "{answer:?}");
        phone.enter(&answer);
        let ack = phone.ack().sdp(phone.rtp.sdp());
        phone.send(&ack);
        phone.rtp.hears();
        phone.hang_up();
    }
}
