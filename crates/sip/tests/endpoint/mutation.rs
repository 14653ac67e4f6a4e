//! Damaged messages against live sessions: no panic, no growth, and the calls go on or end, once.

use proptest::prelude::*;
use sip::{Body, Counts};

use super::world::*;

/// An endpoint in the middle of everything: a call ringing, one established, one of ours out, an offer pending.
fn busy() -> (Alone, Vec<Vec<u8>>) {
    let mut alone = Alone::new();
    let mut heard: Vec<String> = Vec::new();
    let (_, tag) = alone.answered();
    heard.push(within("INVITE", 2, &tag, "i2", "offer"));
    alone.hear(&heard[0]);
    heard.push(invite("b9").replace("call-1", "call-9"));
    alone.hear(&heard[1]);
    let (_, ours) = alone.calling();
    alone.events.clear();
    alone.sent.clear();
    heard.extend([
        within("BYE", 3, &tag, "b3", ""),
        within("INFO", 4, &tag, "i4", "Signal=1"),
        within("UPDATE", 5, &tag, "u5", "offer"),
        within("CANCEL", 2, &tag, "i2", ""),
        within("ACK", 2, &tag, "a2", "answer"),
        request("CANCEL", "b9", "", "", "").replace("call-1", "call-9"),
        request("OPTIONS", "o1", "", "", ""),
        invite("b10").replace("call-1", "call-10"),
        invite("b11").replace("call-1", "call-11").replace(
            "Max-Forwards",
            "Require: 100rel\nSupported: timer\nSession-Expires: 90;refresher=uac\nMax-Forwards",
        ),
        within_with("PRACK", 6, &tag, "p6", "RAck: 1 1 INVITE\n", ""),
        within_with(
            "UPDATE",
            7,
            &tag,
            "u7",
            "Supported: timer\nx: 30;refresher=uas\nMin-SE: 20\n",
            "",
        ),
    ]);
    let mut bytes: Vec<Vec<u8>> = heard
        .iter()
        .map(|text| text.replace('\n', "\r\n").into_bytes())
        .collect();
    for (status, tag) in [
        (100, ""),
        (183, "x"),
        (200, "x"),
        (200, "y"),
        (407, "x"),
        (422, "x"),
        (487, "x"),
        (491, "x"),
    ] {
        let status = sip::message::StatusCode::new(status).unwrap();
        let mut response = ours.respond_with_tag(status, tag);
        response.headers.push("Contact", "<sip:peer@192.0.2.1>");
        response.headers.push("Record-Route", "<sip:192.0.2.9;lr>");
        response
            .headers
            .push("Proxy-Authenticate", r#"Digest realm="r", nonce="n""#);
        response.headers.push("Session-Expires", "90;refresher=uac");
        response.headers.push("Min-SE", "2000");
        response.headers.push("Require", "100rel");
        response.headers.push("RSeq", "7");
        response.set_body("application/sdp", b"answer".to_vec());
        bytes.push(response.to_bytes());
    }
    (alone, bytes)
}

#[derive(Debug, Clone)]
enum Damage {
    Flip(prop::sample::Index, u8),
    Cut(prop::sample::Index),
    Insert(prop::sample::Index, Vec<u8>),
    Repeat(prop::sample::Index, prop::sample::Index),
    DropLine(prop::sample::Index),
    SwapLines(prop::sample::Index, prop::sample::Index),
}

fn damage() -> impl Strategy<Value = Damage> {
    use prop::sample::Index;
    prop_oneof![
        4 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Damage::Flip(at, byte)),
        1 => any::<Index>().prop_map(Damage::Cut),
        2 => (any::<Index>(), prop::collection::vec(any::<u8>(), 1..9)).prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
        1 => (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Damage::Repeat(from, to)),
        2 => any::<Index>().prop_map(Damage::DropLine),
        2 => (any::<Index>(), any::<Index>()).prop_map(|(one, other)| Damage::SwapLines(one, other)),
    ]
}

fn apply(message: &mut Vec<u8>, damage: &Damage) {
    if message.is_empty() {
        return;
    }
    match damage {
        Damage::Flip(at, byte) => {
            let at = at.index(message.len());
            message[at] = *byte;
        }
        Damage::Cut(at) => message.truncate(at.index(message.len())),
        Damage::Insert(at, bytes) => {
            let at = at.index(message.len());
            message.splice(at..at, bytes.iter().copied());
        }
        Damage::Repeat(from, to) => {
            let (from, to) = (from.index(message.len()), to.index(message.len()));
            let part = message[from.min(to)..from.max(to)].to_vec();
            message.extend(part);
        }
        Damage::DropLine(at) | Damage::SwapLines(at, _) => {
            let mut lines: Vec<Vec<u8>> = message
                .split_inclusive(|byte| *byte == b'\n')
                .map(<[u8]>::to_vec)
                .collect();
            let at = at.index(lines.len());
            match damage {
                Damage::SwapLines(_, other) => {
                    let other = other.index(lines.len());
                    lines.swap(at, other);
                }
                _ => {
                    lines.remove(at);
                }
            }
            *message = lines.concat();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_messages_harm_nobody(
        messages in prop::collection::vec((any::<prop::sample::Index>(), prop::collection::vec(damage(), 0..4)), 1..12),
        waits in prop::collection::vec(0_u64..5_000, 12),
    ) {
        let (mut alone, known) = busy();
        let flow = alone.flow;
        for ((which, damages), wait) in messages.iter().zip(waits) {
            let mut message = known[which.index(known.len())].clone();
            for damage in damages {
                apply(&mut message, damage);
            }
            alone.hear_bytes(flow, &message);
            alone.wait_ms(wait);
            for transmit in std::mem::take(&mut alone.sent) {
                // What we send can be read; the answer to what could not be read lacks what that lacked.
                let line = start_line(&transmit.bytes);
                let poor = ["400", "414", "505", "513"].iter().any(|status| line.contains(status));
                prop_assert!(poor || sip::message::Message::parse(&transmit.bytes).is_ok(), "{:?}", String::from_utf8_lossy(&transmit.bytes));
            }
        }
        let counts = alone.endpoint.counts();
        prop_assert!(counts.sessions <= 16 && counts.transactions <= 64, "{counts:?}");
        // Whoever is left hangs up, and everything fades.
        let sessions: Vec<_> = std::mem::take(&mut alone.events).iter().filter_map(sip::Event::session).collect();
        for session in sessions.into_iter().chain(all()) {
            alone.act(|endpoint, now| endpoint.hang_up(now, session));
        }
        alone.wait_ms(400_000);
        prop_assert_eq!(alone.endpoint.counts(), Counts::default());
    }
}

/// The sessions `busy` made: ids count from one.
fn all() -> Vec<sip::SessionId> {
    let mut alone = Alone::new();
    (0..3)
        .map(|_| {
            let mut invite = sip::Invite::new(alone.flow, uri("sip:a@192.0.2.1"), from());
            invite.body = Some(Body::sdp("offer"));
            alone.act(|endpoint, now| endpoint.invite(now, invite))
        })
        .collect()
}
