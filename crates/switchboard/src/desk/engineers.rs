//! Engineers of carriers at the number of their report card, in raw SIP: what they do stands in the card, and nothing else.
#![allow(clippy::indexing_slicing, clippy::panic, reason = "a test fails loudly")]

use std::time::Duration;

use media::dtmf::press::Way;
use media::{Digit, DigitWay, Quality};
use phi::Phi;

use super::tests::{Bench, DESK, OFFER, TRUNK, tail};
use super::visit::VISITS_MAX;
use crate::card::{Card, Grade, Item};
use crate::door::{Input, LegId, MediaCommand, MediaEvent};
use crate::fact::Fact;
use crate::trunk::{Network, Security, Trunk};

const CARD: &str = "+15125550190";
const CEDAR: &str = "+15125550100";
const EVENTS: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.2\r\ns=-\r\nc=IN IP4 127.0.0.2\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 101\r\n\
                      a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n";

/// A desk whose trunk has a number for its engineers.
fn bench() -> Bench {
    Bench::with(64, |config| {
        config.trunks[0].report_card = Some(Phi::new(CARD.to_owned()));
        let other = Trunk::new("other", [Network::host([127, 0, 0, 3].into())]);
        config.trunks.push(other);
    })
}

/// A request of an engineer's call.
fn request(method: &str, name: &str, cseq: u32, to_tag: &str, more: &str, body: &str) -> String {
    format!(
        "{method} sip:{CARD}@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.2:5060;branch=z9hG4bK{name}{cseq}{method}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:+15125550199@127.0.0.2>;tag={name}\r\nTo: <sip:{CARD}@127.0.0.1>{to_tag}\r\n\
         Call-ID: {name}\r\nCSeq: {cseq} {method}\r\nContact: <sip:127.0.0.2:5060>\r\n{more}{}",
        tail(body)
    )
}

impl Bench {
    fn calls_the_card(&mut self, name: &str, more: &str, body: &str) {
        self.receive_from(TRUNK, &request("INVITE", name, 1, "", more, body));
    }

    /// The tag we gave our side of the latest call.
    fn tag(&self) -> String {
        let text = self.sent("SIP/2.0 1").or(self.sent("SIP/2.0 200")).expect("an answer");
        let to = text.lines().find(|line| line.starts_with("To:")).expect("a To");
        format!(";tag={}", to.rsplit("tag=").next().expect("a tag"))
    }

    fn leg(&self) -> LegId {
        let opened = |order: &MediaCommand| match order {
            MediaCommand::Open { leg, .. } => Some(*leg),
            _ => None,
        };
        self.media.iter().rev().find_map(opened).expect("audio is open")
    }

    fn reports(&mut self, event: MediaEvent) {
        let now = self.now;
        self.desk.handle(now, Input::Media(event));
        self.drain();
    }

    /// The words under way are out.
    fn hears_it_out(&mut self) {
        let playing = |order: &MediaCommand| match order {
            MediaCommand::Play { id, .. } => Some(*id),
            _ => None,
        };
        let id = self.media.iter().rev().find_map(playing).expect("something is said");
        let leg = self.leg();
        self.reports(MediaEvent::Played { leg, id, whole: true });
    }

    fn said(&self) -> String {
        let said = |order: &MediaCommand| match order {
            MediaCommand::Play { words, .. } => Some(words.text()),
            _ => None,
        };
        self.media.iter().rev().find_map(said).unwrap_or_default()
    }

    fn presses_a_key(&mut self, digit: char, way: Way) {
        let leg = self.leg();
        let digit = Phi::new(digit);
        self.reports(MediaEvent::Digit { leg, digit, way });
    }

    fn echoed(&self) -> Vec<(Digit, DigitWay)> {
        let sent = |order: &MediaCommand| match order {
            MediaCommand::SendDigits { digits, how, .. } => Some((*digits.expose().first()?, *how)),
            _ => None,
        };
        self.media.iter().filter_map(sent).collect()
    }

    fn audio_is_closed(&mut self, quality: Quality) {
        let leg = self.leg();
        assert!(
            self.media
                .iter()
                .any(|order| matches!(order, MediaCommand::Close { leg: closed } if *closed == leg)),
            "{:?}",
            self.media
        );
        self.reports(MediaEvent::Closed { leg, quality });
    }

    fn cards(&self) -> Vec<&Card> {
        let cards = self.facts.iter().filter_map(|fact| match fact {
            Fact::ReportCard { card, .. } => Some(card),
            _ => None,
        });
        cards.collect()
    }

    /// The engineer's side answers our BYE.
    fn answers_the_bye(&mut self, status: u16) {
        let bye = self.sent("BYE ").expect("we hang up");
        let copied: Vec<&str> = bye
            .lines()
            .filter(|line| {
                let name = line.split(':').next().unwrap_or_default();
                ["Via", "From", "To", "Call-ID", "CSeq"].contains(&name)
            })
            .collect();
        let answer = format!(
            "SIP/2.0 {status} So\r\n{}\r\nContent-Length: 0\r\n\r\n",
            copied.join("\r\n")
        );
        self.receive_from(TRUNK, &answer);
    }

    /// What only a patient's call leaves.
    fn rows_of_calls(&self) -> usize {
        self.facts
            .iter()
            .filter(|fact| {
                matches!(
                    fact,
                    Fact::CallBegan { .. } | Fact::Signal { .. } | Fact::Quality { .. }
                )
            })
            .count()
    }

    fn card(&self) -> &Card {
        let cards = self.cards();
        assert_eq!(cards.len(), 1, "one call, one card");
        cards[0]
    }

    fn holds_nothing(&mut self) {
        self.wait(Duration::from_secs(40));
        self.wait(Duration::from_secs(40));
        let counts = self.desk.counts();
        assert_eq!(
            (counts.calls, counts.sessions, counts.legs, counts.endpoint.sessions),
            (0, 0, 0, 0)
        );
    }
}

fn grade(card: &Card, item: Item) -> Grade {
    card.line(item).unwrap_or_else(|| panic!("{item:?} has no line")).grade
}

#[test]
fn what_an_engineer_did_stands_in_the_card_and_what_nobody_did_was_not_tried() {
    let mut bench = bench();
    bench.calls_the_card("eng", "Supported: 100rel, timer\r\nSession-Expires: 1800\r\n", EVENTS);
    let early = bench.sent("SIP/2.0 183").expect("early media is described");
    assert!(early.contains("RSeq:") && early.contains("m=audio"), "{early}");
    assert_eq!(bench.said(), "This is early media.");
    bench.hears_it_out();
    assert!(bench.sent("SIP/2.0 200").is_none(), "the answer waits for the PRACK");
    let rseq = early
        .lines()
        .find_map(|line| line.strip_prefix("RSeq: "))
        .expect("an RSeq");
    let tag = bench.tag();
    let prack = request("PRACK", "eng", 2, &tag, &format!("RAck: {rseq} 1 INVITE\r\n"), "");
    bench.receive_from(TRUNK, &prack);
    assert!(
        bench
            .sent
            .iter()
            .any(|text| text.starts_with("SIP/2.0 200") && text.contains("1 INVITE"))
    );
    let ack = request("ACK", "eng", 1, &tag, "", "");
    bench.receive_from(TRUNK, &ack);
    let large = bench.sent("OPTIONS ").expect("a large datagram is tried");
    assert!(large.len() > 3_600);
    let leg = bench.leg();
    bench.reports(MediaEvent::FirstPacket { leg });
    assert!(
        bench.said().starts_with("This is the report card of Nightdesk."),
        "{}",
        bench.said()
    );
    bench.hears_it_out();
    // Said once more, what was agreed changes nothing.
    let again = bench.sent("INVITE ").expect("a refresh");
    assert!(again.contains("m=audio"), "{again}");
    bench.presses_a_key('5', Way::Event);
    bench.presses_a_key('6', Way::Tone);
    bench.presses_a_key('7', Way::Info);
    assert_eq!(
        bench.echoed(),
        [
            (Digit::from_char('5').expect("a key"), DigitWay::TelephoneEvent),
            (Digit::from_char('6').expect("a key"), DigitWay::Tone)
        ]
    );
    let info = bench.sent("INFO ").expect("an INFO is answered with one");
    assert!(info.contains("Signal=7"), "{info}");
    bench.presses_a_key('#', Way::Event);
    assert!(bench.said().contains("Your report."), "{}", bench.said());
    bench.hears_it_out();
    bench.answers_the_bye(200);
    let quality = Quality {
        sent: 500,
        received: 480,
        lost: 1,
        their_loss: Some(0.0),
        ..Quality::default()
    };
    bench.audio_is_closed(quality);
    insta::assert_snapshot!(bench.card());
    for item in Item::ALL {
        grade(bench.card(), *item);
    }
    assert!(!bench.card().to_string().contains("555"), "no number stands in a card");
    assert_eq!(bench.rows_of_calls(), 0, "it is no patient's call");
    bench.holds_nothing();
}

#[test]
fn held_and_taken_back_by_the_engineer() {
    let mut bench = bench();
    bench.calls_the_card("hold", "", EVENTS);
    bench.hears_it_out();
    let tag = bench.tag();
    bench.receive_from(TRUNK, &request("ACK", "hold", 1, &tag, "", ""));
    for (cseq, direction) in [(2, "sendonly"), (3, "sendrecv")] {
        let offer = EVENTS.replace("o=- 1 1", &format!("o=- 1 {cseq}")) + &format!("a={direction}\r\n");
        bench.receive_from(TRUNK, &request("INVITE", "hold", cseq, &tag, "", &offer));
        bench.receive_from(TRUNK, &request("ACK", "hold", cseq, &tag, "", ""));
    }
    bench.receive_from(TRUNK, &request("BYE", "hold", 4, &tag, "", ""));
    bench.audio_is_closed(Quality::default());
    let card = bench.card();
    assert_eq!(grade(card, Item::Hold), Grade::Pass, "{card}");
    assert_eq!(grade(card, Item::HangUp), Grade::Pass, "{card}");
    assert_eq!(grade(card, Item::Prack), Grade::NotTried, "{card}");
    assert_eq!(grade(card, Item::AudioIn), Grade::Fail, "not one packet came\n{card}");
    assert_eq!(grade(card, Item::AudioOut), Grade::NotTried, "{card}");
    bench.holds_nothing();
}

#[test]
fn an_offer_made_late_is_answered_in_the_ack_or_the_card_says_so() {
    for (answer, expected) in [(OFFER, Grade::Pass), ("", Grade::Fail)] {
        let mut bench = bench();
        bench.calls_the_card("late", "", "");
        let ok = bench.sent("SIP/2.0 200").expect("answered at once");
        assert!(ok.contains("m=audio"), "{ok}");
        let tag = bench.tag();
        bench.receive_from(TRUNK, &request("ACK", "late", 1, &tag, "", answer));
        if expected == Grade::Pass {
            assert!(bench.said().contains("mu law"), "{}", bench.said());
            bench.receive_from(TRUNK, &request("BYE", "late", 2, &tag, "", ""));
        } else {
            bench.answers_the_bye(200);
        }
        bench.audio_is_closed(Quality::default());
        assert_eq!(grade(bench.card(), Item::LateOffer), expected, "{}", bench.card());
        bench.holds_nothing();
    }
}

#[test]
fn our_bye_is_answered_or_the_card_says_so() {
    for (status, expected) in [(Some(200), Grade::Pass), (Some(481), Grade::Fail), (None, Grade::Fail)] {
        let mut bench = bench();
        bench.calls_the_card("bye", "", EVENTS);
        bench.hears_it_out();
        let tag = bench.tag();
        bench.receive_from(TRUNK, &request("ACK", "bye", 1, &tag, "", ""));
        bench.presses_a_key('#', Way::Event);
        bench.hears_it_out();
        bench.audio_is_closed(Quality::default());
        assert!(bench.cards().is_empty(), "the answer to the BYE is awaited");
        match status {
            Some(status) => bench.answers_the_bye(status),
            None => bench.wait(Duration::from_secs(8)),
        }
        let card = bench.card();
        assert_eq!(grade(card, Item::HangUp), expected, "{status:?}\n{card}");
        bench.holds_nothing();
    }
}

#[test]
fn whoever_never_acknowledges_fails_that_line_and_no_other() {
    let mut bench = bench();
    bench.calls_the_card("mute", "", EVENTS);
    bench.hears_it_out();
    for _ in 0..80 {
        bench.wait(Duration::from_millis(500));
    }
    bench.audio_is_closed(Quality::default());
    let card = bench.card();
    assert_eq!(grade(card, Item::Call), Grade::Fail, "{card}");
    assert_eq!(card.count(Grade::Fail), 1, "{card}");
    bench.holds_nothing();

    let mut bench = self::bench();
    bench.calls_the_card("unpracked", "Supported: 100rel\r\n", EVENTS);
    for _ in 0..80 {
        bench.wait(Duration::from_millis(500));
    }
    assert!(bench.sent("SIP/2.0 504").is_some());
    bench.audio_is_closed(Quality::default());
    let card = bench.card();
    assert_eq!(grade(card, Item::Prack), Grade::Fail, "{card}");
    assert_eq!(card.count(Grade::Fail), 1, "{card}");
    bench.holds_nothing();
}

#[test]
fn a_card_is_written_even_when_the_figures_of_its_audio_never_come() {
    let mut bench = bench();
    bench.calls_the_card("gone", "", EVENTS);
    let cancel = request("CANCEL", "gone", 1, "", "", "").replace("1CANCEL", "1INVITE");
    bench.receive_from(TRUNK, &cancel);
    assert!(bench.cards().is_empty());
    bench.wait(Duration::from_secs(4));
    assert_eq!(grade(bench.card(), Item::Call), Grade::NotTried, "{}", bench.card());
}

#[test]
fn nobody_but_the_trunk_itself_gets_a_card_and_a_practice_comes_first() {
    let mut bench = bench();
    let other = "127.0.0.3:5060".parse().expect("an address");
    bench.receive_from(other, &request("INVITE", "other", 1, "", "", EVENTS));
    assert!(
        bench.sent("SIP/2.0 404").is_some(),
        "another trunk's number is nobody's"
    );
    bench.sent.clear();
    let stranger = "198.51.100.9:5060".parse().expect("an address");
    bench.receive_from(stranger, &request("INVITE", "strange", 1, "", "", EVENTS));
    assert!(bench.sent.is_empty());
    // Forwarded by a practice to the engineers' number: it is the engineers'.
    let forwarded = format!("Diversion: <sip:{CEDAR}@127.0.0.2>\r\n");
    bench.calls_the_card("forwarded", &forwarded, EVENTS);
    assert!(bench.sent("SIP/2.0 183").is_some());
    assert_eq!(bench.rows_of_calls(), 0);

    let mut mistaken = Bench::with(64, |config| {
        config.trunks[0].report_card = Some(Phi::new(CEDAR.to_owned()))
    });
    mistaken.invite("patient", OFFER);
    mistaken.wait(Duration::from_secs(1));
    assert!(mistaken.sent("SIP/2.0 200").is_some());
    assert!(mistaken.cards().is_empty());
    assert!(mistaken.facts.iter().any(|fact| matches!(fact, Fact::CallBegan { .. })));
}

#[test]
fn engineers_are_few_at_a_time_and_leave_room_for_patients() {
    let mut bench = bench();
    for n in 0..=VISITS_MAX {
        bench.calls_the_card(&format!("n{n}"), "", EVENTS);
    }
    let refusal = bench.sent("SIP/2.0 503").expect("one too many");
    assert!(refusal.contains("Retry-After: 5"), "{refusal}");
    assert_eq!(bench.desk.trunks(bench.now)[0].calls_in, VISITS_MAX);
    assert_eq!(bench.desk.counts().calls, VISITS_MAX);
    bench.invite("patient", OFFER);
    assert!(bench.sent("SIP/2.0 180").is_some());
}

#[test]
fn a_clear_call_where_encryption_is_required_gets_488_like_any_other() {
    let mut bench = Bench::with(64, |config| {
        config.trunks[0].report_card = Some(Phi::new(CARD.to_owned()));
        config.trunks[0].security = Security::Required;
    });
    bench.calls_the_card("clear", "", EVENTS);
    assert!(bench.sent("SIP/2.0 488").is_some());
    assert!(bench.cards().is_empty());
    bench.holds_nothing();
    let flow = bench.went.last().expect("something was sent");
    assert_eq!((flow.local, flow.remote), (DESK, TRUNK));
}
