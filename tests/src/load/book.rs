//! `make bench`, the book: a million rows, judged, and asked who looked at one patient, by the real program.
//!
//! `BENCH_ROWS` (1,000,000) makes it short. The time of a question is that of the whole command, from its start to its
//! end, with an index that is up to date; what making the index takes stands beside it.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use ledger::{Access, Book, BookKeys, Entry};
use phi::Phi;
use switchboard::{CallId, Fact, Stamped};

/// Rows in all.
const ROWS: u64 = 1_000_000;
/// Facts of a call, as many as an ordinary one has.
const ROWS_A_CALL: u64 = 19;
/// Looks at a call.
const LOOKS_A_CALL: u64 = 1;
/// Different callers.
const NUMBERS: u64 = 10_000;
/// Rows written at once.
const BATCH: usize = 1900;
/// What is good enough (issue 5): to judge all of it, and to say who looked at one patient.
const VERIFY_MAX: Duration = Duration::from_secs(10);
const WHO_MAX: Duration = Duration::from_secs(1);
/// A practice of this size has a call every ten minutes.
const BETWEEN_CALLS: SignedDuration = SignedDuration::from_mins(10);

/// Writes the books, asks, prints a line for each figure; `false` when one is over.
pub(crate) fn book(binary: &str) -> io::Result<bool> {
    let rows = std::env::var("BENCH_ROWS")
        .ok()
        .and_then(|rows| rows.parse().ok())
        .unwrap_or(ROWS);
    let calls = rows / (ROWS_A_CALL + LOOKS_A_CALL);
    let house = tempfile::Builder::new().prefix("bench-book").tempdir_in("target")?;
    let (keys, data) = (house.path().join("keys"), house.path().join("data"));
    run(binary, &["keys", "make", text(&keys)])?;
    let config = house.path().join("nightdesk.yaml");
    fs::write(
        &config,
        format!(
            "listen: [udp 127.0.0.1:5060]\nrtp ports: 20000 to 20099\ntrunks:\n  load:\n    from: [127.0.0.1]\n    outbound: udp 127.0.0.1:5070\n\
             practices: [{}]\ndata: {}\nkeys: {}\n",
            fs::canonicalize("tests/bench/practices")?.display(),
            fs::canonicalize(house.path())?.join("data").display(),
            fs::canonicalize(house.path())?.join("keys").display(),
        ),
    )?;
    let started = Instant::now();
    write(&data, &keys, calls)?;
    let mut good = true;
    let mut line = |what: &str, took: Duration, most: Option<Duration>| {
        let judged = match most {
            Some(most) if took > most => {
                good = false;
                format!("  OVER {:.0} s", most.as_secs_f64())
            }
            Some(most) => format!("  within {:.0} s", most.as_secs_f64()),
            None => String::new(),
        };
        println!("{what:<52} {:>8.2} s{judged}", took.as_secs_f64());
    };
    let octets = size(&data)?;
    println!(
        "{} rows of {calls} calls, {} MB",
        calls * (ROWS_A_CALL + LOOKS_A_CALL),
        octets / 1_000_000
    );
    line("written, 1,900 a sync", started.elapsed(), None);
    let public = keys.join("book.public");
    let (said, took) = run(binary, &["audit", "verify", text(&data), "--key", text(&public)])?;
    if !said.contains("good: nothing was changed") {
        return Err(io::Error::other(said));
    }
    line("audit verify", took, Some(VERIFY_MAX));
    let people = ::tests::people::People::of(Path::new(binary), &config, &house.path().join("people"));
    people.owner("marisol");
    let ask = |number: &str| -> io::Result<(String, Duration)> {
        let began = Instant::now();
        let output = people.run("marisol", &["audit", "who-accessed", "--caller", number], &[]);
        let took = began.elapsed();
        if !output.status.success() {
            return Err(io::Error::other(::tests::people::said(&output)));
        }
        Ok((String::from_utf8_lossy(&output.stdout).into_owned(), took))
    };
    let (_, took) = ask(&caller(calls / 2))?;
    line("the first question, which makes the index", took, None);
    println!("{:<52} {:>8} MB", "the index", size(&data.join("views"))? / 1_000_000);
    let mut worst = Duration::ZERO;
    for call in [1, calls / 3, calls - 1] {
        let (said, took) = ask(&caller(call))?;
        let theirs = (call % NUMBERS..calls).step_by(NUMBERS as usize).count() as u64;
        if said.lines().count() as u64 != theirs * LOOKS_A_CALL {
            return Err(io::Error::other(format!("not the looks at one caller's calls: {said}")));
        }
        worst = worst.max(took);
    }
    line("audit who-accessed, the slowest of three", worst, Some(WHO_MAX));
    Ok(good)
}

fn write(data: &Path, keys: &Path, calls: u64) -> io::Result<()> {
    let read = |name: &str| fs::read(keys.join(name));
    let book_keys = || -> io::Result<BookKeys> {
        Ok(BookKeys {
            seal: seal::BookKey::from_bytes(&read("book.key")?).map_err(io::Error::other)?,
            sign: seal::Signer::from_bytes(&read("book.signing")?).map_err(io::Error::other)?,
        })
    };
    let mut drawn = 0_u64;
    let draw = move || {
        drawn += 1;
        *seal::hash(&drawn.to_be_bytes()).first_chunk().expect("16 of 32")
    };
    let open = |name: &str| Book::open(data.join(name), book_keys()?, Box::new(draw)).map_err(io::Error::other);
    let (mut book, mut readers) = (open("book")?, open("readers")?);
    let mut batch = Vec::new();
    for call in 0..calls {
        batch.extend(facts(call).iter().map(entry));
        if batch.len() >= BATCH || call + 1 == calls {
            book.append(&batch).map_err(io::Error::other)?;
            batch.clear();
        }
    }
    let mut looks = Vec::new();
    for call in 0..calls {
        looks.push(look(call));
        if looks.len() >= BATCH || call + 1 == calls {
            readers.accesses(&looks).map_err(io::Error::other)?;
            looks.clear();
        }
    }
    book.close().map_err(io::Error::other)?;
    readers.close().map_err(io::Error::other)?;
    Ok(())
}

fn id(call: u64) -> CallId {
    CallId(*seal::hash(&call.to_le_bytes()).first_chunk().expect("16 of 32"))
}

fn caller(call: u64) -> String {
    // Numbers of an exchange that is not given out; nobody dials them here.
    format!("+1512555{:04}", call % NUMBERS)
}

fn began(call: u64) -> Timestamp {
    let start: Timestamp = "2025-01-01T00:00:00Z".parse().expect("a time");
    start + BETWEEN_CALLS * i32::try_from(call).unwrap_or(i32::MAX)
}

/// An ordinary call's facts.
fn facts(call: u64) -> Vec<Stamped> {
    let mut facts = vec![Fact::CallBegan {
        practice: "Cedar Family Medicine".into(),
        line: "main line".into(),
        trunk: "load".into(),
        caller: Phi::new(Some(caller(call))),
        release: "5f0c0f2c2d4a9b1e".into(),
        nobody_on_call: Some(false),
        called_lately: Some(false),
    }];
    let sections = (0..ROWS_A_CALL - 2).map(|number| Fact::Choice {
        question: format!("Do you have question {number} of the protocol?"),
        choice: "no".into(),
    });
    facts.extend(sections);
    facts.push(Fact::CallEnded {
        outcome: "message kept".into(),
        ended_by: "caller".into(),
        seconds: 95,
    });
    let stamped = facts.into_iter().zip(0..).map(|(fact, second)| Stamped {
        call: Some(id(call)),
        at: began(call) + SignedDuration::from_secs(second * 5),
        fact,
    });
    stamped.collect()
}

fn entry(fact: &Stamped) -> Entry {
    Entry {
        kind: fact.fact.kind().into(),
        call: fact.call.map(|call| call.0),
        at_ms: fact.at.as_millisecond(),
        body: fact.encode(),
        tenant: seal::Tenant::HOUSE,
        keep: fact.fact.keep(),
    }
}

fn look(call: u64) -> Access {
    Access {
        actor: format!("reviewer {}", call % 20),
        role: "ops reviewer".into(),
        action: "show".into(),
        reason: "quality review".into(),
        object: id(call).0,
        call: Some(id(call).0),
        source: "cli".into(),
        at_ms: (began(call) + SignedDuration::from_hours(9)).as_millisecond(),
        practice: None,
        session: None,
        refused: None,
    }
}

fn run(binary: &str, arguments: &[&str]) -> io::Result<(String, Duration)> {
    let started = Instant::now();
    let output = Command::new(binary).args(arguments).output()?;
    let took = started.elapsed();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        return Err(io::Error::other(format!(
            "{}: {said}{}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr)
        )));
    }
    Ok((said, took))
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap_or_default()
}

fn size(folder: &Path) -> io::Result<u64> {
    let mut octets = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        octets += if entry.file_type()?.is_dir() {
            size(&entry.path())?
        } else {
            entry.metadata()?.len()
        };
    }
    Ok(octets)
}
