//! `nightdesk trunk check` against a far end that is not ours: SIPp, whose own echo sends back what it hears.
#![allow(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test has files and programs, and stops where it finds otherwise"
)]

mod child;

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use child::House;

/// Ends with the test.
struct Peer(Child);

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_strange_far_end_gets_the_card_it_earned() {
    let first = tests::free_ports();
    let address = SocketAddr::new(tests::LOOPBACK, first);
    let house = House::of(Path::new("flows/cedar-family-medicine"), |_| {
        format!(
            "listen: [udp 127.0.0.1:0]\nrtp ports: 20000 to 29999\nmedia threads: 1\n\
             trunks:\n  peer: {{from: [127.0.0.1], outbound: udp {address}}}\n\
             practices: [practice]\ndata: data\nkeys: keys\n"
        )
    });
    let peer = Command::new("sipp")
        .arg("-sf")
        .arg(tests::root().join("tests/sipp/peer.xml"))
        .args([
            "-i",
            "127.0.0.1",
            "-p",
            &first.to_string(),
            "-cp",
            &(first + 1).to_string(),
        ])
        .args(["-mi", "127.0.0.1", "-mp", &(first + 4).to_string(), "-rtp_echo"])
        .args(["-nostdin", "-timeout", "150s"])
        .current_dir(house.path(""))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("SIPp is installed by `make setup`");
    let _peer = Peer(peer);
    tests::listens("SIPp", address, false, Duration::from_secs(10));
    let checked = Command::new(tests::target().join("debug/nightdesk"))
        .args(["trunk", "check", "peer", "--call", "+15125550190", "--config"])
        .env("NIGHTDESK_SESSION", house.session())
        .arg(house.path("nightdesk.yaml"))
        .stdin(Stdio::null())
        .output()
        .expect("the binary was just built");
    let card = String::from_utf8_lossy(&checked.stdout).into_owned();
    // It says that it only hears, and its echo goes on: that is a fault of its own, and it is found.
    assert!(!checked.status.success(), "{card}");
    for line in [
        "pass       OPTIONS             200",
        "pass       a call is answered",
        "pass       audio from them",
        "pass       keys by events      key 1 was sent and echoed",
        "not tried  keys by INFO        key 2 was sent and not echoed",
        "pass       keys by tones       key 3 was sent and echoed",
        "pass       audio to them       keys we sent in the audio were echoed",
        "pass       refresh             re-INVITE with the same description: 200",
        "FAIL       hold and resume     answered recvonly, and",
        "pass       late offer          their 200 offers PCMU/8000",
        "alone: PCMU taken, PCMA answered with PCMU/8000",
        "not tried  PRACK",
        "pass       large datagrams",
        "12 passed, 1 failed, 7 not tried",
    ] {
        assert!(card.contains(line), "{line:?} is not in\n{card}");
    }
    let told = card.lines().filter(|line| line.contains(" hanging up ")).count();
    assert_eq!(told, 1, "a line is told when something new is known of it\n{card}");
}
