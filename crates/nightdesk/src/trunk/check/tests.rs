//! Cards of real peers on loopback: a telephone of our own, a host where nobody is, a host that says nothing, a TLS server with
//! a certificate nobody vouches for.

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::time::Duration;

use exchange::handset::{Act, Handset, Keys, Party, Setup};
use jiff::Timestamp;
use sip::message::{Host, NameAddr, Uri};
use switchboard::card::{Card, Grade, Item};
use switchboard::phone::Answering;

use super::{Plan, card, ping};

const LOOPBACK: std::net::Ipv4Addr = std::net::Ipv4Addr::LOCALHOST;

fn plan(remote: SocketAddr, number: Option<&str>) -> Plan {
    let host = || Host::V4(LOOPBACK);
    Plan {
        transport: sip::Transport::Udp,
        remote,
        name: "127.0.0.1".into(),
        roots: exchange::SYSTEM_ROOTS.into(),
        local: LOOPBACK.into(),
        advertised: None,
        rtp_ports: None,
        host: Uri::sip(None, host(), Some(remote.port())),
        called: number.map(|number| Uri::sip(Some(number), host(), Some(remote.port()))),
        from: NameAddr::new(Uri::sip(Some("+15125550199"), host(), None)),
        identity: None,
        credentials: None,
        headers: Vec::new(),
        codecs: vec![media::sdp::Codec::Pcmu, media::sdp::Codec::Pcma],
        security: media::sdp::Security::Off,
        reports_within: Duration::from_millis(200),
    }
}

/// Picks up and says nothing.
struct Silent;

impl Party for Silent {
    fn hears(&mut self, _words: &str) {}
    fn quiet(&mut self, _now: Timestamp) {}
    fn tone(&mut self) {}
    fn time(&mut self, _now: Timestamp) {}
    fn poll(&mut self) -> Option<Act> {
        None
    }
}

fn phone(answering: Answering) -> Handset {
    let handset = Handset::start(Setup {
        address: (LOOPBACK, 0).into(),
        media: LOOPBACK.into(),
        ear: None,
        pick_up: Duration::from_millis(100),
        keys: Keys::Events,
        offering: media::sdp::Offering::default(),
        answers: Box::new(|_, _| Box::new(Silent)),
    })
    .expect("a phone");
    handset.otherwise(answering);
    handset
}

fn grade(card: &Card, item: Item) -> Option<Grade> {
    card.line(item).map(|line| line.grade)
}

#[test]
fn the_card_of_our_own_telephone() {
    let phone = phone(Answering::Voicemail);
    let mut told = Vec::new();
    let card = card(&plan(phone.address(), Some("+15125550141")), &mut |line| {
        told.push(line.item);
    });
    for item in [
        Item::Reachable,
        Item::Options,
        Item::Call,
        Item::Codecs,
        Item::AudioIn,
        Item::Refresh,
        Item::Hold,
        Item::HangUp,
        Item::Mtu,
    ] {
        assert_eq!(grade(&card, item), Some(Grade::Pass), "{item:?}\n{card}");
    }
    // It takes no call without an offer, and the card says so.
    assert_eq!(grade(&card, Item::LateOffer), Some(Grade::Fail), "{card}");
    // It echoes no keys and sends no report, and nobody pretends otherwise.
    for item in [
        Item::KeysByEvent,
        Item::KeysByInfo,
        Item::KeysByTone,
        Item::AudioOut,
        Item::Encryption,
    ] {
        assert_eq!(grade(&card, item), Some(Grade::NotTried), "{item:?}\n{card}");
    }
    for item in Item::ALL {
        assert!(told.contains(item), "{item:?} was not told");
    }
}

#[test]
fn a_busy_number_fails_the_call_and_nothing_is_made_up_about_the_rest() {
    let phone = phone(Answering::Busy);
    let card = card(&plan(phone.address(), Some("+15125550141")), &mut |_| {});
    assert_eq!(grade(&card, Item::Call), Some(Grade::Fail), "{card}");
    assert!(
        card.line(Item::Call).is_some_and(|line| line.words.contains("486")),
        "{card}"
    );
    assert_eq!(grade(&card, Item::Hold), Some(Grade::NotTried), "{card}");
}

#[test]
fn without_a_number_nobody_is_called() {
    let phone = phone(Answering::Accepts);
    let card = card(&plan(phone.address(), None), &mut |_| {});
    assert_eq!(grade(&card, Item::Options), Some(Grade::Pass), "{card}");
    assert_eq!(grade(&card, Item::Call), Some(Grade::NotTried), "{card}");
    assert_eq!(card.count(Grade::Fail), 0, "{card}");
}

#[test]
fn nobody_there_is_said_at_once() {
    let free = TcpListener::bind((LOOPBACK, 0)).expect("a port");
    let remote = free.local_addr().expect("its address");
    drop(free);
    let plan = Plan {
        transport: sip::Transport::Tcp,
        ..plan(remote, None)
    };
    let card = ping(&plan, &mut |_| {});
    assert_eq!(grade(&card, Item::Reachable), Some(Grade::Fail), "{card}");
}

#[test]
fn silence_is_a_failure_of_options() {
    let deaf = UdpSocket::bind((LOOPBACK, 0)).expect("a socket");
    let card = ping(&plan(deaf.local_addr().expect("its address"), None), &mut |_| {});
    assert_eq!(grade(&card, Item::Options), Some(Grade::Fail), "{card}");
}
