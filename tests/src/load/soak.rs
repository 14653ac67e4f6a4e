//! `make soak`: 1,000 calls in a row, then 200 at once; nothing may be left over.
//!
//! The row is a steady one, twenty calls a second, each with an ending of its own: cancelled while it rings, hung up in
//! the greeting, after a key, in a message, on the ladder, in conversation with a doctor who takes the call, passes it on,
//! is busy, declines, lets it ring or has a voicemail. The same row in small, and the same 200, come before the measure is
//! taken, so that what is compared is the same house after the same peak, a thousand calls apart. Before that, thousands of
//! very short calls fill the memory that the index over the book may use (2 MiB): it would look like a leak otherwise.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use switchboard::{CallId, Fact, Stamped};

use super::bench::{more_files, root};
use super::caller::{Ending, Plan};
use super::doctor::Manner;
use super::field::Field;
use super::server::{ANYWHERE, Server, Setup, Usage, still_bound};
use super::wire::MS;

const PORT: u16 = 15_160;
const DOCTORS_PORT: u16 = 15_170;
const SHORT_LINE: &str = "+15125550114";

const PER_S: u64 = 20;

/// Calls that fill the index's memory: so many a round and a second, until a round adds little, or for so many rounds.
const FILLING: usize = 1_000;
const FILLING_PER_S: u64 = 250;
const FILLING_ADDS_KIB: u64 = 1024;
const FILLINGS_MAX: usize = 5;

/// Calls that use up RTP ports beyond those the server keeps in hand: a cancelled call gives its pair back.
const SWEEPING: usize = 90;

/// Growth that is no leak: pages an allocator keeps. A leak of three kilobytes a call would be over it.
const GROWTH_KIB_MAX: u64 = 3 * 1024;

/// Runs it. True when nothing is left over.
pub(crate) fn soak(binary: &str) -> io::Result<bool> {
    let row = std::env::var("SOAK_CALLS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(1_000usize);
    let root = root();
    let folder = root.join("target/soak");
    std::fs::create_dir_all(&folder)?;
    let _ = std::fs::remove_file(folder.join("server.log"));
    more_files();
    let setup = Setup {
        root,
        binary: PathBuf::from(binary),
        folder: folder.clone(),
        core: None,
        port: PORT,
        doctors_port: DOCTORS_PORT,
        ring_s: 1,
        // Ladders are climbed in seconds: every kind of try comes to its end within the soak.
        ladder_speed: 10,
        from: ANYWHERE,
        streams: false,
    };
    let mut server = Server::start(&setup)?;
    let mut field = Field::open(server.address, DOCTORS_PORT, manner)?;
    let mut faults = Vec::new();

    let mut full = server.usage().rss_kib;
    for _ in 0..FILLINGS_MAX {
        steadily(&mut field, FILLING, FILLING_PER_S, |_| short())?;
        let before = std::mem::replace(&mut full, server.usage().rss_kib);
        println!("after {} calls: {full} KiB", field.made());
        if full < before + FILLING_ADDS_KIB {
            break;
        }
    }
    steadily(&mut field, 100, PER_S, plan)?;
    at_once(&mut field, 200)?;
    let warm = settle(&mut field, &server, &mut faults)?;
    println!("after {} calls: {}", field.made(), shown(&warm));

    let start = Instant::now();
    steadily(&mut field, row, PER_S, plan)?;
    println!("{row} calls in a row in {:.0} s", start.elapsed().as_secs_f64());
    at_once(&mut field, 200)?;
    let end = settle(&mut field, &server, &mut faults)?;
    println!("after {} calls: {}", field.made(), shown(&end));

    let mut compare = |what: &str, before: u64, after: u64, more: u64| {
        if after > before + more {
            faults.push(format!("{what}: {before} after the warm-up, {after} at the end"));
        }
    };
    compare("resident memory, KiB", warm.rss_kib, end.rss_kib, GROWTH_KIB_MAX);
    compare("file descriptors", warm.fds as u64, end.fds as u64, 0);
    compare("RTP sockets", warm.rtp_sockets as u64, end.rtp_sockets as u64, 0);
    compare("threads", warm.threads as u64, end.threads as u64, 0);

    let mut endings: BTreeMap<String, usize> = BTreeMap::new();
    for ending in field.endings() {
        *endings
            .entry(ending.map_or("none".to_owned(), |ending| format!("{ending:?}")))
            .or_default() += 1;
        if matches!(ending, None | Some(Ending::Unanswered)) {
            faults.push("a caller's telephone heard no end of its call".to_owned());
        }
    }
    let (rang, bridged) = field.doctors();
    println!("callers: {endings:?}; doctors rung {rang} times, {bridged} heard a caller");
    if bridged == 0 || !endings.contains_key("Cancelled") {
        faults.push("no call was cancelled, or none reached a doctor: this was no soak".to_owned());
    }

    // SIGTERM: ladders that go on without their caller come to their end, then everything closes.
    let drained = server.drain(Duration::from_secs(120), || field.wait(Duration::from_millis(5)));
    if !drained {
        faults.push("the server did not drain and end with success".to_owned());
    }
    let left = still_bound(&end.sockets);
    if left > 0 {
        faults.push(format!("{left} of its UDP sockets are still bound after its end"));
    }
    outcomes(&server, &folder, &field, &mut faults)?;
    judge(&faults)
}

/// Waits until every telephone is back on its hook and SIP's timers have run out, then looks.
fn settle(field: &mut Field, server: &Server, faults: &mut Vec<String>) -> io::Result<Usage> {
    if !field.play(Duration::from_secs(60), |field, _| field.count_open() == 0) {
        faults.push(format!(
            "{} telephones were still in use a minute after the last call",
            field.count_open()
        ));
    }
    steadily(field, SWEEPING, 40, |_| short())?;
    // RFC 3261 §17: no transaction outlives 64 × T1, 32 s; none of ours may hold more than itself.
    field.wait(Duration::from_secs(36));
    Ok(server.usage())
}

/// What the n-th telephone that rings does.
fn manner(nth: u32) -> Manner {
    match nth % 8 {
        0 | 1 | 4 => Manner::Accepts,
        2 => Manner::Busy,
        3 => Manner::NoAnswer,
        5 => Manner::Voicemail,
        6 => Manner::Passes,
        _ => Manner::Declines,
    }
}

/// The n-th caller's wish. The greeting takes about six seconds; what comes later needs permission and a key.
fn plan(nth: usize) -> Plan {
    let spread = (nth as u64).wrapping_mul(2_654_435_761) % 1_000;
    let plan = |keys: &[(u64, char)], hang_up: Option<u64>, cancel: Option<u64>| Plan {
        number: SHORT_LINE,
        speaks: nth.is_multiple_of(3),
        keys: keys.iter().map(|(after, key)| (after * MS, *key)).collect(),
        hang_up: hang_up.map(|after| after * MS),
        cancel: cancel.map(|after| after * MS),
    };
    match nth % 10 {
        // While it rings; some of these cross the 200.
        0 | 1 => plan(&[], Some(50), Some(spread + 30)),
        // In the greeting.
        2 | 3 => plan(&[(200, '5')], Some(spread), None),
        4 => plan(&[(1_000, '1'), (1_400, '2')], Some(2_000 + spread), None),
        // A message, left or broken off.
        5 => plan(
            &[(7_000, '1'), (9_500, '2'), (12_000, '2')],
            Some(11_000 + spread * 8),
            None,
        ),
        // Hours, and the server says goodbye.
        6 => plan(
            &[(7_000, '2'), (9_500, '3'), (12_000, '3'), (14_500, '3')],
            Some(22_000),
            None,
        ),
        // The doctor, recorded: hangs up on the ladder or in conversation.
        7 | 8 => plan(
            &[(7_000, '1'), (9_500, '1'), (12_000, '1'), (14_500, '1')],
            Some(12_000 + spread * 10),
            None,
        ),
        // In the question.
        _ => plan(&[(7_000, '9')], Some(5_500 + spread * 3), None),
    }
}

/// A caller who hangs up as soon as somebody answers.
fn short() -> Plan {
    Plan {
        number: SHORT_LINE,
        speaks: false,
        keys: Vec::new(),
        hang_up: Some(50 * MS),
        cancel: None,
    }
}

/// A steady row.
fn steadily(field: &mut Field, calls: usize, per_second: u64, plan: impl Fn(usize) -> Plan) -> io::Result<()> {
    let (from, began) = (field.made(), super::wire::now());
    let mut broken = None;
    field.play(Duration::from_secs(calls as u64 / per_second + 90), |field, time| {
        while field.made() - from < calls && (time - began) * per_second / (1_000 * MS) >= (field.made() - from) as u64
        {
            if let Err(error) = field.call(plan(field.made())) {
                broken = Some(error);
                return true;
            }
        }
        field.made() - from >= calls && field.endings().skip(from).all(|ending| ending.is_some())
    });
    broken.map_or(Ok(()), Err)
}

/// All in one millisecond.
fn at_once(field: &mut Field, calls: usize) -> io::Result<()> {
    let from = field.made();
    for _ in 0..calls {
        field.call(plan(field.made()))?;
    }
    field.play(Duration::from_secs(90), |field, _| {
        field.endings().skip(from).all(|ending| ending.is_some())
    });
    Ok(())
}

/// Every call has exactly one outcome in the book, and there are as many calls as were made.
fn outcomes(server: &Server, folder: &std::path::Path, field: &Field, faults: &mut Vec<String>) -> io::Result<()> {
    let listed = server.ask(&["calls", "list"])?;
    let listed = listed.lines().count();
    let key = std::fs::read(folder.join("keys/book.key"))?;
    let key = seal::BookKey::from_bytes(&key).map_err(|fault| io::Error::other(fault.to_string()))?;
    let other = |fault: &dyn std::fmt::Display| io::Error::other(fault.to_string());
    let engine = std::fs::read(folder.join("keys/engine.secret"))?;
    let engine = seal::RecipientSecret::from_engine_bytes(&engine).map_err(|fault| other(&fault))?;
    let given = keyring::engine_keys(&folder.join("keys"), &engine).map_err(|fault| other(&fault))?;
    let rows = given.map_or_else(ledger::Rows::default, |given| ledger::Rows::new(given.rows));
    let keys = ledger::ReadKeys::from(key).with(rows);
    let reader = ledger::Reader::open(&folder.join("data/book"), keys, 0).map_err(|fault| other(&fault))?;
    let mut calls: BTreeMap<CallId, (usize, usize)> = BTreeMap::new();
    let (mut kinds, mut refused) = (BTreeMap::<String, usize>::new(), 0usize);
    for row in reader {
        let row = row.map_err(|fault| io::Error::other(fault.to_string()))?;
        if row.class != ledger::Class::Fact {
            continue;
        }
        let Ok(stamped) = Stamped::decode(&row.body) else {
            faults.push("a row of the book is no fact".to_owned());
            continue;
        };
        let Some(call) = stamped.call else { continue };
        let (began, ended) = calls.entry(call).or_default();
        match stamped.fact {
            Fact::CallBegan { .. } => *began += 1,
            Fact::CallEnded { outcome, .. } => {
                *ended += 1;
                *kinds.entry(outcome).or_default() += 1;
            }
            Fact::CallRefused { .. } => refused += 1,
            _ => {}
        }
    }
    println!(
        "the book: {} calls, {kinds:?}, {refused} refused; `nightdesk calls list`: {listed} lines",
        calls.len()
    );
    let wrong = calls
        .values()
        .filter(|(began, ended)| (*began, *ended) != (1, 1))
        .count();
    if wrong > 0 {
        let examples: Vec<String> = calls
            .iter()
            .filter(|(_, facts)| **facts != (1, 1))
            .take(3)
            .map(|(call, (began, ended))| format!("{call}: {began} began, {ended} ended"))
            .collect();
        faults.push(format!(
            "{wrong} calls without exactly one beginning and one outcome, such as {}",
            examples.join("; ")
        ));
    }
    if calls.len() + refused < field.made() || calls.len() > field.made() {
        faults.push(format!(
            "{} calls were made, {} stand in the book, {refused} were refused",
            field.made(),
            calls.len()
        ));
    }
    if listed != calls.len() {
        faults.push(format!(
            "`nightdesk calls list` shows {listed} of {} calls",
            calls.len()
        ));
    }
    Ok(())
}

fn shown(usage: &Usage) -> String {
    format!(
        "{} KiB, {} file descriptors, {} RTP sockets, {} threads, {:.1} s of CPU",
        usage.rss_kib, usage.fds, usage.rtp_sockets, usage.threads, usage.cpu_s
    )
}

fn judge(faults: &[String]) -> io::Result<bool> {
    let mut counted: BTreeMap<&str, usize> = BTreeMap::new();
    for fault in faults {
        *counted.entry(fault).or_default() += 1;
    }
    for (fault, times) in &counted {
        println!(
            "LEFT OVER: {fault}{}",
            if *times > 1 {
                format!(" ({times} times)")
            } else {
                String::new()
            }
        );
    }
    if counted.is_empty() {
        println!("nothing is left over");
    }
    Ok(counted.is_empty())
}
