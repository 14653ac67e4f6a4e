//! A whole exchange on loopback: a trunk's INVITE becomes an answered call with audio, a row in the book, and nothing
//! that is left over.
#![allow(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::indexing_slicing,
    dead_code,
    reason = "a phone at the other end of real sockets; each file uses a part of it"
)]

mod phone;

use std::net::Ipv4Addr;
use std::time::Duration;

use exchange::serve;
use phi::Phi;
use phone::*;
use sip::Transport;
use switchboard::{CallId, Fact, OpenEscalation, Outbound, Reached, Stamped};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_answered_heard_ended_and_written_down() {
    let data = tempfile::tempdir().expect("a folder");
    let running = start(data.path()).await;
    let handle = running.handle();
    let ready = handle.held().await.expect("running").ports_ready;
    assert!(ready > 0);

    let caller = Caller::new(&handle, Ipv4Addr::LOCALHOST, 1).await;
    let (tag, audio) = caller.call("+15125550100").await;
    let (length, from) = caller.hear().await;
    assert_eq!(
        (length, from),
        (172, audio),
        "20 ms of G.711 from the port we were promised"
    );
    assert_eq!(handle.held().await.expect("running").desk.calls, 1);
    caller.send(&caller.request("BYE", "+15125550100", &tag, "")).await;
    assert_eq!(caller.answer(200).await.0, 200);
    all_gone(&handle).await;
    assert_eq!(
        handle.held().await.expect("running").ports_ready,
        ready,
        "the pool is full again"
    );
    assert!(handle.snapshot().media.packets_out > 0);

    running.stop().await.expect("in order");
    let facts = facts(data.path());
    let count = |test: fn(&Fact) -> bool| facts.iter().filter(|stamped| test(&stamped.fact)).count();
    assert_eq!(count(|fact| matches!(fact, Fact::Started { .. })), 1);
    assert_eq!(count(|fact| matches!(fact, Fact::CallBegan { .. })), 1);
    assert_eq!(count(|fact| matches!(fact, Fact::CallEnded { .. })), 1);
    assert_eq!(count(|fact| matches!(fact, Fact::Stopped)), 1);
}

/// `play:`: the caller hears the practice's own file, sample by sample; no program speaks here.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_a_flow_plays_is_heard_as_it_was_recorded() {
    const GREETING: &str = "Thank you for calling Cedar Family Medicine. Our office is closed.";
    let data = tempfile::tempdir().expect("a folder");
    let practice = data.path().join("practice");
    std::fs::create_dir_all(practice.join("words")).expect("a folder");
    for entry in std::fs::read_dir(shipped().join("cedar-family-medicine"))
        .expect("shipped")
        .flatten()
    {
        if entry.path().is_file() {
            std::fs::copy(entry.path(), practice.join(entry.file_name())).expect("copied");
        }
    }
    let flow = practice.join("after-hours.flow.yaml");
    let text = std::fs::read_to_string(&flow).expect("a flow");
    let (said, played) = (
        format!("- say: {GREETING}\n"),
        format!("- play: welcome.wav\n      words: {GREETING}\n"),
    );
    assert!(text.contains(&said));
    std::fs::write(&flow, text.replace(&said, &played)).expect("written");
    let recording = fixtures().join("flows/good/F014-the-file-is-there/words/welcome.wav");
    std::fs::copy(recording, practice.join("words/welcome.wav")).expect("copied");

    let part = flow::Part::new(GREETING, flow::Language::English);
    let mut library = voice::Library::open(data.path().join("ours"), None, &[]).expect("a cache");
    assert_eq!(
        library.play(&practice.join("words"), [("welcome.wav", part.clone())]),
        Vec::<String>::new()
    );
    assert_eq!(library.prepare(std::slice::from_ref(&part)), []);
    let wanted = library.get(&part, media::Law::Pcmu).expect("recorded");

    let running = serve(config(&data.path().join("data"), &practice))
        .await
        .expect("starts");
    let handle = running.handle();
    let caller = Caller::new(&handle, Ipv4Addr::LOCALHOST, 7).await;
    caller.call("+15125550100").await;
    let mut heard = Vec::new();
    let begins = |heard: &[u8]| heard.windows(wanted.len()).any(|window| *window == *wanted);
    while !begins(&heard) {
        assert!(heard.len() < 3 * wanted.len(), "something else is heard");
        heard.extend(caller.frame().await);
    }
    running.stop().await.expect("in order");
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_get_nothing_and_wrong_numbers_a_404() {
    let data = tempfile::tempdir().expect("a folder");
    let running = start(data.path()).await;
    let handle = running.handle();
    let stranger = Caller::new(&handle, Ipv4Addr::new(127, 0, 0, 2), 2).await;
    stranger
        .send(&stranger.request("INVITE", "+15125550100", "", &stranger.offer()))
        .await;
    let caller = Caller::new(&handle, Ipv4Addr::LOCALHOST, 3).await;
    caller
        .send(&caller.request("INVITE", "+15125550177", "", &caller.offer()))
        .await;
    assert_eq!(caller.answer(200).await.0, 404);
    assert!(
        stranger.signalling.try_recv(&mut [0; 16]).is_err(),
        "not even a refusal"
    );
    assert_eq!(handle.snapshot().strangers, 1);
    running.stop().await.expect("in order");
}

#[tokio::test(flavor = "multi_thread")]
async fn draining_refuses_new_calls_and_waits_for_the_others() {
    let data = tempfile::tempdir().expect("a folder");
    let running = start(data.path()).await;
    let handle = running.handle();
    let caller = Caller::new(&handle, Ipv4Addr::LOCALHOST, 4).await;
    let (tag, _) = caller.call("+15125550100").await;

    let draining = tokio::spawn(running.drain());
    let late = Caller::new(&handle, Ipv4Addr::LOCALHOST, 5).await;
    // The order to drain and this question travel different ways.
    let mut asked = 0;
    let refused = loop {
        asked += 1;
        late.send(
            &late
                .request("OPTIONS", "+15125550100", "", "")
                .replace("5OPTIONS", &format!("5OPTIONS{asked}")),
        )
        .await;
        let (status, text) = late.answer(200).await;
        if status != 200 {
            break (status, text);
        }
    };
    assert_eq!((refused.0, header(&refused.1, "Retry-After")), (503, "7"));
    late.send(&late.request("INVITE", "+15125550100", "", &late.offer()))
        .await;
    assert_eq!(late.answer(200).await.0, 503);

    assert!(!draining.is_finished(), "a call is still in progress");
    caller.send(&caller.request("BYE", "+15125550100", &tag, "")).await;
    let finished = timeout(Duration::from_secs(20), draining)
        .await
        .expect("in time")
        .expect("no panic")
        .expect("in order");
    assert!(finished, "every call ended by itself");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trunk_on_tcp_is_answered_on_its_connection() {
    let data = tempfile::tempdir().expect("a folder");
    let running = start(data.path()).await;
    let handle = running.handle();
    let mut trunk = TcpStream::connect(address(&handle, Transport::Tcp))
        .await
        .expect("accepted");
    let us = trunk.local_addr().expect("connected");
    let options = format!(
        "OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP {us};branch=z9hG4bK77\r\nMax-Forwards: 70\r\n\
         From: <sip:trunk@127.0.0.1>;tag=1\r\nTo: <sip:127.0.0.1>\r\nCall-ID: o1\r\nCSeq: 1 OPTIONS\r\n\
         Content-Length: 0\r\n\r\n"
    );
    let (first, second) = options.split_at(61);
    trunk.write_all(first.as_bytes()).await.expect("written");
    trunk.write_all(second.as_bytes()).await.expect("written");
    let mut buffer = vec![0; 4096];
    let length = timeout(PATIENCE, trunk.read(&mut buffer))
        .await
        .expect("in time")
        .expect("open");
    assert!(
        buffer[..length].starts_with(b"SIP/2.0 200 "),
        "{}",
        String::from_utf8_lossy(&buffer[..length])
    );
    assert_eq!(handle.held().await.expect("running").connections, 1);
    running.stop().await.expect("in order");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_that_breaks_a_practice_keeps_its_release() {
    let data = tempfile::tempdir().expect("a folder");
    let practices = data.path().join("practices");
    std::fs::create_dir(&practices).expect("a folder");
    for entry in std::fs::read_dir(shipped().join("cedar-family-medicine"))
        .expect("shipped")
        .flatten()
    {
        if entry.path().is_file() {
            std::fs::copy(entry.path(), practices.join(entry.file_name())).expect("copied");
        }
    }
    let running = serve(config(&data.path().join("data"), &practices))
        .await
        .expect("starts");
    let handle = running.handle();
    std::fs::write(practices.join("practice.yaml"), "practice: [not, a, practice\n").expect("written");
    let problems = handle.reload().await.expect("speech is not needed");
    assert!(problems.iter().any(|problem| problem.serious), "{problems:?}");
    let caller = Caller::new(&handle, Ipv4Addr::LOCALHOST, 6).await;
    caller.call("+15125550100").await;
    running.stop().await.expect("in order");
    // The call was cut by the stop; at the next start it gets its one outcome.
    std::fs::copy(
        shipped().join("cedar-family-medicine/practice.yaml"),
        practices.join("practice.yaml"),
    )
    .expect("copied");
    let running = serve(config(&data.path().join("data"), &practices))
        .await
        .expect("starts again");
    running.stop().await.expect("in order");
    let outcomes = facts(&data.path().join("data"));
    let ended: Vec<_> = outcomes
        .iter()
        .filter(|stamped| matches!(stamped.fact, Fact::CallEnded { .. }))
        .collect();
    assert_eq!(ended.len(), 1, "exactly one outcome");
}

/// A restart finds a ladder nobody had answered: the doctor's phone rings (D4).
#[tokio::test(flavor = "multi_thread")]
async fn a_ladder_interrupted_by_a_crash_goes_on_ringing() {
    assert_eq!(rung_after_a_crash(None).await, "+15125550141");
}

/// Whoever was rung in vain before the crash is not rung before the one whose turn it was.
#[tokio::test(flavor = "multi_thread")]
async fn a_ladder_interrupted_on_its_second_rung_goes_on_there() {
    let second = Reached {
        rung: 1,
        attempt: 0,
        page: None,
        not_before: None,
        passed: Vec::new(),
        next_try: 3,
    };
    assert_eq!(rung_after_a_crash(Some(second)).await, "+15125550142");
}

/// The number that is rung first by an engine that finds a ladder in its book.
async fn rung_after_a_crash(reached: Option<Reached>) -> String {
    let data = tempfile::tempdir().expect("a folder");
    let call = CallId([7; 16]);
    let at = jiff::Timestamp::now();
    let open = OpenEscalation {
        call,
        practice: "Cedar Family Medicine".into(),
        ladder: "doctor on call".into(),
        began: at,
        call_back: Phi::new(Some("+15125550199".into())),
        message: None,
        by_safety_net: false,
        reached: None,
    };
    let began = Fact::EscalationBegan(Box::new(open));
    let climbed = reached.map(|reached| Fact::Climbed {
        ladder: "doctor on call".into(),
        reached,
    });
    let entries: Vec<ledger::Entry> = [began]
        .into_iter()
        .chain(climbed)
        .map(|fact| Stamped {
            call: Some(call),
            at,
            fact,
        })
        .map(|fact| ledger::Entry {
            kind: fact.fact.kind().into(),
            call: Some(call.0),
            at_ms: at.as_millisecond(),
            body: fact.encode(),
            tenant: seal::Tenant::HOUSE,
            keep: fact.fact.keep(),
        })
        .collect();
    let mut book = ledger::Book::open(data.path().join("book"), book_keys(), Box::new(|| [4; 16])).expect("a book");
    book.append(&entries).expect("written");
    drop(book);

    let trunk = UdpSocket::bind(ANY).await.expect("a port");
    let mut config = config(data.path(), &shipped());
    config.desk.trunks[0].outbound = Some(Outbound::at(Transport::Udp, trunk.local_addr().expect("bound")));
    let running = serve(config).await.expect("starts");
    let mut buffer = vec![0; 4096];
    let (length, from) = timeout(PATIENCE, trunk.recv_from(&mut buffer))
        .await
        .expect("in time")
        .expect("a socket");
    let invite = String::from_utf8_lossy(&buffer[..length]).into_owned();
    assert_eq!(from, address(&running.handle(), Transport::Udp));
    running.stop().await.expect("in order");
    let rung = invite.strip_prefix("INVITE sip:").and_then(|rest| rest.split_once('@'));
    rung.unwrap_or_else(|| panic!("no number in {invite}")).0.to_owned()
}
