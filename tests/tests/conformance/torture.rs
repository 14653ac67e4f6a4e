//! RFC 4475 and RFC 5118, every message over UDP and over TCP to the running engine, byte for byte as the RFCs have it; the
//! verdicts stand in `fixtures/sip/torture/verdicts.tsv`. After each one the engine answers OPTIONS.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use sip::Transport::{Tcp, Udp};
use switchboard::Network;
use tests::engine::Engine;
use tests::raw::{Line, Message, Phone, SOON};

use crate::house::{TALK, own};

/// Nothing more comes after this: every answer leaves at once.
const NOTHING: Duration = Duration::from_millis(150);
/// How long the engine waits for the rest of a message here.
const MESSAGE_WAITS: Duration = Duration::from_millis(1_200);
/// Where answers to datagrams go: the ports of the messages' Vias.
const VIA_PORTS: [u16; 4] = [5060, 5050, 6050, 19_823];

struct Verdict {
    file: String,
    bytes: Vec<u8>,
    udp: String,
    tcp: String,
}

fn verdicts() -> Vec<Verdict> {
    let folder: PathBuf = tests::root().join("fixtures/sip/torture");
    let table = std::fs::read_to_string(folder.join("verdicts.tsv")).expect("the table");
    let rows = table.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let verdicts: Vec<Verdict> = rows
        .map(|row| {
            let cells: Vec<&str> = row.split('\t').collect();
            let [file, source, _, _, udp, tcp, _] = cells[..] else {
                panic!("seven cells in {row:?}");
            };
            assert!(!source.is_empty());
            Verdict {
                file: file.to_owned(),
                bytes: std::fs::read(folder.join(file)).expect("the message"),
                udp: udp.to_owned(),
                tcp: tcp.to_owned(),
            }
        })
        .collect();
    let of = |rfc: &str| {
        table
            .lines()
            .filter(|line| line.split('\t').nth(1) == Some(rfc))
            .count()
    };
    assert_eq!((of("RFC 4475"), of("RFC 5118")), (49, 12), "all of them");
    let mut files: Vec<String> = std::fs::read_dir(&folder)
        .expect("the folder")
        .map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".sip"))
        .collect();
    files.sort();
    let mut judged: Vec<String> = verdicts.iter().map(|verdict| verdict.file.clone()).collect();
    judged.sort();
    assert_eq!(files, judged, "every message has its verdict");
    verdicts
}

fn engine() -> Engine {
    own(|config| {
        config.streams.message = MESSAGE_WAITS;
        for trunk in &mut config.desk.trunks {
            // The messages name ports of their own to be answered at, so they come from an address that has these free.
            trunk.sources = vec![Network {
                address: IpAddr::V4(Ipv4Addr::LOCALHOST),
                prefix: 8,
            }];
        }
    })
}

fn answers_options(engine: &Engine, after: &str) {
    let mut phone = Phone::new(Line::udp(engine.address(Udp)), TALK);
    let options = phone.request("OPTIONS");
    assert_eq!(phone.ask(&options).status(), 200, "OPTIONS after {after}");
}

/// Whether these are the answers asked for: statuses joined by `|`, a comma between the answers to several requests.
fn are_answers(wanted: &str, got: &[u16]) -> bool {
    let each: Vec<&str> = wanted.split(',').collect();
    each.len() == got.len()
        && each
            .iter()
            .zip(got)
            .all(|(wanted, got)| wanted.split('|').any(|status| status == got.to_string()))
}

/// The ACK of a refused INVITE, so that the refusal is not repeated (RFC 3261 §17.1.1.3).
fn acknowledgement(answer: &Message) -> Option<Vec<u8>> {
    if answer.method() != "INVITE" {
        return None;
    }
    let ack = format!(
        "ACK sip:user@example.com SIP/2.0\r\nVia: {}\r\nMax-Forwards: 70\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {} ACK\r\n\
         Content-Length: 0\r\n\r\n",
        answer.header("Via"),
        answer.header("From"),
        answer.header("To"),
        answer.header("Call-ID"),
        answer.cseq()
    );
    Some(ack.into_bytes())
}

#[test]
fn rfc4475_and_rfc5118_every_message_over_udp_gets_its_verdict() {
    let engine = engine();
    let process = std::process::id().to_be_bytes();
    // An address of this process alone, so that several test runs do not want the same ports.
    let address = Ipv4Addr::new(127, 64 | (process[1] & 63), process[2], process[3].max(1));
    let mut ears: BTreeMap<u16, Line> = VIA_PORTS
        .iter()
        .map(|port| {
            (
                *port,
                Line::udp_at(SocketAddr::new(address.into(), *port), engine.address(Udp)),
            )
        })
        .collect();
    let mut wrong = Vec::new();
    for Verdict { file, bytes, udp, .. } in verdicts() {
        ears.get_mut(&5060).expect("bound").send(&bytes);
        let wanted = if udp == "drop" { 0 } else { udp.split(',').count() };
        let mut got = Vec::new();
        let mut end = Instant::now() + if wanted == 0 { NOTHING } else { SOON };
        while Instant::now() < end {
            for line in ears.values_mut() {
                let Some(answer) = line.find(Duration::from_millis(2), |message| message.status() >= 200) else {
                    continue;
                };
                got.push(answer.status());
                if let Some(ack) = acknowledgement(&answer) {
                    line.send(&ack);
                }
            }
            if got.len() >= wanted && wanted > 0 {
                // One more would be one too many.
                end = end.min(Instant::now() + Duration::from_millis(40));
            }
        }
        let good = if udp == "drop" {
            got.is_empty()
        } else {
            are_answers(&udp, &got)
        };
        if !good {
            wrong.push(format!("{file}: {got:?} instead of {udp}"));
        }
        answers_options(&engine, &file);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn rfc4475_and_rfc5118_every_message_over_tcp_gets_its_verdict() {
    let engine = engine();
    let mut wrong = Vec::new();
    for Verdict { file, bytes, tcp, .. } in verdicts() {
        let mut line = Line::tcp(engine.address(Tcp));
        line.send(&bytes);
        let wanted = match tcp.as_str() {
            "drop" | "close" | "wait" => 0,
            answers => answers.split(',').count(),
        };
        let mut got = Vec::new();
        let mut end = Instant::now() + if wanted == 0 { NOTHING } else { SOON };
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            let Some(answer) = line.find(left, |message| message.status() >= 200) else {
                break;
            };
            // No ACK: on a stream nothing is repeated, and after some of these nobody could say where it begins.
            got.push(answer.status());
            if got.len() == wanted {
                end = end.min(Instant::now() + Duration::from_millis(40));
            }
        }
        let good = match tcp.as_str() {
            "drop" => got.is_empty() && !line.is_closed(NOTHING),
            "close" => got.iter().all(|status| *status == 400) && line.is_closed(SOON),
            "wait" => got.is_empty() && !line.is_closed(MESSAGE_WAITS / 3) && line.is_closed(SOON),
            answers => are_answers(answers, &got),
        };
        if !good {
            wrong.push(format!("{file}: {got:?} instead of {tcp}"));
        }
        answers_options(&engine, &file);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    // The port itself is open for the next.
    TcpStream::connect(engine.address(Tcp)).expect("the engine listens");
}
