//! sngrep, which engineers of carriers look at signalling with: it opens our traces, and it is the collector that our copies
//! of the signalling go to (HEP3, as Homer takes it).
#![allow(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test has sockets, files and programs, and stops where it finds otherwise"
)]

mod child;

use std::net::UdpSocket;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use child::{Desk, House};

const SOON: Duration = Duration::from_secs(10);
const NOBODY: &str = "+15125550177";

fn house(more: &str) -> House {
    House::of(Path::new("flows/cedar-family-medicine"), |_| {
        format!(
            "listen: [udp 127.0.0.1:0]\nrtp ports: 20000 to 29999\nmedia threads: 1\n\
             trunks:\n  lab: {{from: [127.0.0.1], outbound: none}}\n\
             practices: [practice]\ndata: data\nkeys: keys\ndrain for: 5 seconds\n{more}"
        )
    })
}

/// A carrier asks how we are, and calls a number that is nobody's.
fn calls(desk: &Desk) {
    let socket = UdpSocket::bind(("127.0.0.1", 0)).expect("a port");
    socket.set_read_timeout(Some(SOON)).expect("our own");
    let us = socket.local_addr().expect("bound");
    for (method, status) in [("OPTIONS", "200"), ("INVITE", "404")] {
        let message = |method: &str, to: &str| {
            format!(
                "{method} sip:{NOBODY}@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {us};branch=z9hG4bKsngrep\r\nMax-Forwards: 70\r\n\
                 From: <sip:+15125550199@{us}>;tag=1\r\nTo: {to}\r\nCall-ID: seen-{status}\r\nCSeq: 1 {method}\r\n\
                 Contact: <sip:carrier@{us}>\r\nContent-Length: 0\r\n\r\n"
            )
        };
        let asked = message(method, &format!("<sip:{NOBODY}@127.0.0.1>"));
        socket.send_to(asked.as_bytes(), desk.address).expect("loopback");
        let mut answer = [0; 4096];
        loop {
            let length = socket.recv(&mut answer).expect("an answer");
            let text = String::from_utf8_lossy(&answer[..length]).into_owned();
            if text.starts_with(&format!("SIP/2.0 {status}")) {
                let to = text.lines().find_map(|line| line.strip_prefix("To: ")).expect("a To");
                if method == "INVITE" {
                    let ack = message("ACK", to);
                    socket.send_to(ack.as_bytes(), desk.address).expect("loopback");
                }
                break;
            }
            assert!(text.starts_with("SIP/2.0 100"), "{text}");
        }
    }
}

/// sngrep without its screen; whatever it saw it writes down when it ends.
fn sngrep(arguments: &[&str]) -> Child {
    Command::new("sngrep")
        .arg("-N")
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("sngrep is installed by `make setup`")
}

#[test]
fn a_trace_opens_in_sngrep() {
    let house = house("");
    let desk = house.start("info");
    let (trace, copy) = (house.path("lab.pcapng"), house.path("copy.pcap"));
    let mut tracing = Command::new(tests::target().join("debug/nightdesk"))
        .args(["trunk", "trace", "lab", "--for", "3s", "--out"])
        .env("NIGHTDESK_SESSION", house.session())
        .arg(&trace)
        .arg("--config")
        .arg(house.path("nightdesk.yaml"))
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary was just built");
    let mut said = std::io::BufReader::new(tracing.stdout.take().expect("piped"));
    let mut line = String::new();
    std::io::BufRead::read_line(&mut said, &mut line).expect("it says that it began");
    calls(&desk);
    std::io::copy(&mut said, &mut std::io::sink()).expect("it ends");
    assert!(tracing.wait().expect("our own child").success());
    let mut reader = sngrep(&[
        "-I",
        trace.to_str().expect("plain"),
        "-O",
        copy.to_str().expect("plain"),
    ]);
    assert!(reader.wait().expect("our own child").success());
    let seen = tests::sip_in(&copy);
    for line in [
        "OPTIONS\t\tseen-200",
        "\t200\tseen-200",
        "INVITE\t\tseen-404",
        "\t404\tseen-404",
        "ACK\t\tseen-404",
    ] {
        assert!(seen.contains(line), "{line:?} is not in {seen}");
    }
}

#[test]
fn sngrep_takes_our_signalling_as_homer_would() {
    let port = tests::free_ports();
    let house = house(&format!("homer: {{to: \"udp 127.0.0.1:{port}\"}}\n"));
    let desk = house.start("info");
    let written = house.path("homer.pcap");
    let mut collector = sngrep(&[
        "-L",
        &format!("udp:127.0.0.1:{port}"),
        "-O",
        written.to_str().expect("plain"),
    ]);
    tests::listens("sngrep", std::net::SocketAddr::new(tests::LOOPBACK, port), false, SOON);
    calls(&desk);
    // What was sent is on its way.
    std::thread::sleep(Duration::from_secs(1));
    let pid = i32::try_from(collector.id()).expect("Linux counts processes in 22 bits");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::SIGINT).expect("it runs");
    collector.wait().expect("our own child");
    let seen = tests::sip_in(&written);
    for line in ["OPTIONS\t\t", "\t200\t", "INVITE\t\t", "\t404\t", "ACK\t\t"] {
        assert!(seen.contains(line), "{line:?} is not in {seen}");
    }
    let bytes = std::fs::read(&written).expect("written");
    assert!(
        !bytes.windows(7).any(|window| window == b"5550199"),
        "numbers are masked unless it is said otherwise"
    );
}
