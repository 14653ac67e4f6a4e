//! From a folder somebody edits to words callers hear: the gate, the swap, and the way back, with the real program.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test has a clock, sockets and files, and stops where it finds otherwise"
)]

mod child;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use child::{Cue, Diary, House, LAB, NUMBER, Person, begin, handset, press};
use exchange::handset::Act;
use switchboard::Fact;

const SOON: Duration = Duration::from_secs(60);
const DIRECTOR: &str = "Adaeze Okafor MD";
const SECOND: &str = "Linh Nguyen MD";

/// Cedar as a practice with patients: the engine's configuration calls it no lab, and its protocol is no sample.
fn furnish(doctors: std::net::SocketAddr) -> House {
    let house = without_agreement(doctors);
    house.people().agree(child::OWNER, "Cedar Family Medicine");
    // Cedar's file names records.
    house
        .people()
        .agree_as(child::OWNER, "records-2026", ["--service", "athenahealth"]);
    house
}

fn without_agreement(doctors: std::net::SocketAddr) -> House {
    let house = House::furnish(doctors, "5 seconds");
    let file = house.path("nightdesk.yaml");
    let text = fs::read_to_string(&file).expect("a configuration");
    assert!(text.contains(LAB), "houses have labs: {text}");
    fs::write(&file, text.replace(LAB, "")).expect("room");
    // Ten scenarios are enough here; what is released is the same.
    fs::remove_file(house.path("practice/more.tests.yaml")).expect("a file of the practice");
    fs::remove_file(house.path("practice/appointments.tests.yaml")).expect("a file of the practice");
    let protocol = house.path("practice/adult-symptoms.protocol.yaml");
    let text = fs::read_to_string(&protocol).expect("a file of the practice");
    let lines = text.lines().map(|line| {
        if line.starts_with("source:") {
            "source: The practice's own wording."
        } else {
            line
        }
    });
    fs::write(&protocol, lines.collect::<Vec<_>>().join("\n") + "\n").expect("room");
    // The gate goes by today, and this test is run on days to come.
    let review = jiff::Zoned::now().date().saturating_add(jiff::Span::new().days(60));
    for file in ["adult-symptoms.protocol.yaml", "after-hours.flow.yaml"] {
        edit(&house, file, "review by: 2027-02-18", &format!("review by: {review}"));
    }
    house
}

fn edit(house: &House, file: &str, from: &str, to: &str) {
    let path = house.path("practice").join(file);
    let text = fs::read_to_string(&path).expect("a file of the practice");
    assert!(text.contains(from), "{file} says {from}");
    fs::write(&path, text.replace(from, to)).expect("room");
}

/// Runs a command that may fail.
fn nightdesk(house: &House, arguments: &[&str]) -> Output {
    let tests = std::env::current_exe().expect("this test is a file");
    let program = tests.ancestors().nth(2).expect("tests lie in deps").join("nightdesk");
    Command::new(program)
        .args(arguments)
        .args(["--config", path(&house.path("nightdesk.yaml"))])
        .env("NIGHTDESK_SESSION", house.session())
        .output()
        .expect("the binary was just built")
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn refused(house: &House, because: &str) -> Option<i32> {
    let output = nightdesk(house, &["flow", "release", path(&house.path("practice"))]);
    assert!(!output.status.success(), "{}", said(&output));
    assert!(said(&output).contains(because), "{because}: {}", said(&output));
    output.status.code()
}

fn released(house: &House) -> String {
    house.show(&["flow", "release", path(&house.path("practice"))])
}

/// Makes somebody an approver of this house.
fn appoint(house: &House, name: &str, known_as: &str) {
    let own = house.path("own");
    house.run(&["keys", "approver", name, path(&own)]);
    let approvers = house.path("keys/approvers");
    fs::create_dir_all(&approvers).expect("room");
    let public = format!("{known_as}.public");
    fs::copy(own.join(&public), approvers.join(&public)).expect("a key");
}

fn sign(house: &House, name: &str, known_as: &str) {
    let key = house.path("own").join(format!("{known_as}.secret"));
    house.run(&[
        "flow",
        "sign",
        path(&house.path("practice")),
        "--as",
        name,
        "--key",
        path(&key),
    ]);
}

/// Calls and listens; nobody presses a key.
fn listens(callers: &exchange::handset::Handset, line: u64, desk: std::net::SocketAddr) -> Diary {
    let (party, diary) = Person::with([]);
    callers.call(line, desk, NUMBER, Some(&format!("+1512555018{line}")), party);
    diary
}

/// Waits until the book says that callers hear this release (the first letters of it).
fn waits_for_release(house: &House, print: &str) {
    let taken = format!("release {print}");
    house.waits_for("the release to be taken", SOON, |facts| {
        let is = |stamped: &switchboard::Stamped| matches!(&stamped.fact, Fact::Released { says, .. } if says.starts_with(&taken));
        facts.iter().any(is).then_some(())
    });
}

/// Proves AUD-02, AUD-03, AUD-06, CON-04, SEC-14: what was asked, by which law, who looked at a patient's call and why can be
/// asked and exported, from sealed rows that the public key alone holds against the book.
#[test]
fn nothing_goes_live_unsigned_untested_or_as_a_sample_and_a_release_reaches_the_next_call() {
    let callers = handset(&child::words(None), |_| {
        Person::with([(Cue::Hears("Press 1 to take it now"), press("1"))]).0
    });
    callers.otherwise(switchboard::phone::Answering::Accepts);
    let house = furnish(callers.address());
    // Nobody is listed as primary: that is told, and Dr. Okafor is rung.
    let list = "zone: America/Chicago\nbackup | Dr. Lindqvist | every Monday to Sunday 08:00 | 08:00\n";
    fs::write(house.path("practice/on-call.txt"), list).expect("room");

    // Nobody has signed a word of it: its number is answered all the same, by 911 advice and a person, and it is told.
    let desk = house.start("info");
    assert!(desk.out().contains("was never released"), "{}", desk.out());
    assert!(desk.out().contains("lab practices: ["), "{}", desk.out());
    let unsigned = listens(&callers, 9, desk.address);
    unsigned.waits_for("The usual service of this line", SOON);
    house.waits_for("caller and doctor to be connected", SOON, |facts| {
        let talks = |stamped: &switchboard::Stamped| matches!(stamped.fact, Fact::Bridged { .. });
        facts.iter().any(talks).then_some(())
    });
    let order = ["hang up and dial 911", "The usual service of this line"].map(|words| unsigned.when(words));
    assert!(order[0].is_some() && order[0] < order[1], "{}", unsigned.all());
    assert!(unsigned.when("Cedar").is_none(), "{}", unsigned.all());
    let status = house.show(&["flow", "status"]);
    assert!(
        status.contains("the emergency notice alone; `doctor on call` is rung")
            && status.contains("was never released")
            && status.contains("on call       nobody is listed as primary now, nor in the next 14 days; "),
        "{status}"
    );
    assert!(
        house.facts().iter().any(
            |stamped| matches!(&stamped.fact, Fact::PracticeAlarm { what, .. } if what.contains("never released"))
        ),
        "the alarm is in the book"
    );

    // The gate, one refusal after the other; each says what is missing.
    refused(&house, "nobody has signed them");
    appoint(&house, DIRECTOR, "adaeze-okafor-md");
    appoint(&house, SECOND, "linh-nguyen-md");
    sign(&house, DIRECTOR, "adaeze-okafor-md");
    assert_eq!(
        refused(&house, "this is the first release, and one person has signed"),
        Some(3)
    );
    sign(&house, SECOND, "linh-nguyen-md");
    edit(
        &house,
        "after-hours.flow.yaml",
        "say: Thank you. Goodbye.",
        "say: Thank you. Good night.",
    );
    edit(
        &house,
        "after-hours.es.yaml",
        "Thank you. Goodbye.:",
        "Thank you. Good night.:",
    );
    refused(&house, "changed after they were signed");
    sign(&house, DIRECTOR, "adaeze-okafor-md");
    sign(&house, SECOND, "linh-nguyen-md");
    edit(
        &house,
        "adult-symptoms.protocol.yaml",
        "source: The",
        "source: Sample wording. The",
    );
    refused(&house, "sample wording");
    edit(
        &house,
        "adult-symptoms.protocol.yaml",
        "source: Sample wording. The",
        "source: The",
    );
    edit(
        &house,
        "after-hours.tests.yaml",
        "outcome: told to call 911",
        "outcome: ended",
    );
    refused(&house, "Chest pain is told to call 911");
    edit(
        &house,
        "after-hours.tests.yaml",
        "outcome: ended",
        "outcome: told to call 911",
    );
    assert!(released(&house).contains("10 scenarios passed"));
    // The engine that runs takes it, and the approvers who were appointed meanwhile, by itself.
    waits_for_release(&house, "");
    listens(&callers, 8, desk.address).waits_for("Thank you for calling Cedar", SOON);
    let (doctor, anything) = ("I will reach the doctor on call", "To be called back at the number");
    let number = |line: u64| format!("+1213555{:04}", 100 + line);
    let presses_4 = |line, menu: Duration| {
        let mut script = begin();
        script.push((Cue::Hears("How can we help"), vec![]));
        script.push((Cue::After(menu), press("4")));
        // Who was understood has nothing more to say.
        script.push((Cue::Hears("To be called back at the number"), vec![Act::HangUp]));
        let (party, diary) = Person::with(script);
        callers.call(line, desk.address, NUMBER, Some(&number(line)), party);
        diary
    };
    // Fifty callers are in the menu while 4 and 5 change places, are signed for by one person, and released.
    let begins = |line| {
        // No trunk sends fifty calls in an instant, and none is allowed to.
        std::thread::sleep(Duration::from_millis(150));
        presses_4(line, Duration::from_secs(24))
    };
    let before: Vec<Diary> = (0..50).map(begins).collect();
    before.iter().for_each(|caller| {
        caller.waits_for("How can we help", SOON);
    });
    for (from, to) in [("press 4:", "\u{1}"), ("press 5:", "press 4:"), ("\u{1}", "press 5:")] {
        edit(&house, "after-hours.flow.yaml", from, to);
    }
    // Keys are said in the order they are written; the menu itself is no clinical matter.
    sign(&house, DIRECTOR, "adaeze-okafor-md");
    let told = house.show(&["flow", "diff", "live", path(&house.path("practice"))]);
    assert!(told.contains("Section “Main menu”"), "{told}");
    let scenarios = house.path("practice/after-hours.tests.yaml");
    let text = fs::read_to_string(&scenarios).expect("a file of the practice");
    let swapped = text
        .replace("presses: [1, 1, 4", "presses: [1, 1, 5")
        .replace("presses: [1, 2, 4", "presses: [1, 2, 5");
    fs::write(&scenarios, swapped).expect("room");
    assert!(released(&house).contains("new calls take it now"));
    let newest = house.show(&["flow", "releases", path(&house.path("practice"))]);
    let newest = newest.split("  ").nth(1).expect("a fingerprint").to_owned();
    waits_for_release(&house, &newest);
    assert!(
        before.iter().all(|caller| caller.when("[presses 4]").is_none()),
        "the release was taken while all of them were deciding"
    );
    let after = presses_4(60, Duration::ZERO);
    for caller in &before {
        caller.waits_for(doctor, SOON);
    }
    after.waits_for(anything, SOON);
    assert!(after.when(doctor).is_none(), "{}", after.all());
    let facts = house.facts();
    let release_of = |line: u64| {
        let number = number(line);
        facts.iter().find_map(|stamped| match &stamped.fact {
            Fact::CallBegan { caller, release, .. } if caller.expose().as_ref() == Some(&number) => Some(release),
            _ => None,
        })
    };
    let began_with = release_of(0);
    assert!((0..50).all(|line| release_of(line).is_some() && release_of(line) == began_with));
    assert!(release_of(60).is_some() && release_of(60) != began_with);

    // And back in one command.
    let back = house.show(&["flow", "rollback", path(&house.path("practice"))]);
    assert!(back.contains("new calls take it now"), "{back}");
    let list = house.show(&["flow", "releases", path(&house.path("practice"))]);
    let lines: Vec<&str> = list.lines().collect();
    assert_eq!(lines.len(), 3, "{list}");
    assert!(
        lines[0].contains("in force") && lines[0].contains("adaeze-okafor-md, linh-nguyen-md"),
        "{list}"
    );
    let prints = |line: &str| line.split("  ").nth(1).map(str::to_owned);
    assert_eq!(prints(lines[0]), prints(lines[2]), "{list}");

    // Each of them was asked before a frame was kept, and the record names the law: 213 is Los Angeles.
    let call = house.call_of(&number(0)).expect("it is in the book");
    let people = house.people();
    people.joins(child::OWNER, "priya", "ops-reviewer", &[]);
    people.joins(child::OWNER, "amal", "auditor", &[]);
    let call_id = call.to_string();
    let explain = ["consent", "explain", &call_id, "--reason", "the quarter's review"];
    let consent = people.done("priya", &explain, &[]);
    let order = [
        "said yes",
        "every party: California (Cal. Penal Code §§ 632, 632.7), by the caller's number",
        "began",
    ];
    let order = order.map(|words| consent.find(words));
    assert!(order.is_sorted() && order[0].is_some(), "{consent}");

    // And who looked at that is told, to the next who looks: by call, and by the number the patient called from.
    let search = people.done("amal", &["audit", "search", "--by", "priya", "--format", "csv"], &[]);
    let row = format!(
        "\"priya\",\"ops-reviewer\",\"consent explain\",\"{call}\",\"{call}\",\"the quarter's review\",\"cli\",\"Cedar Family Medicine\""
    );
    assert!(search.contains(&row), "{search}");
    let accessed = |caller: &str| people.done("amal", &["audit", "who-accessed", "--caller", caller], &[]);
    let who = accessed("+1 213 555 0100");
    assert!(
        who.contains("priya (ops-reviewer)  consent explain") && !who.contains("amal"),
        "{who}"
    );
    assert_eq!(accessed(&number(1)), "", "nobody has looked at that caller's call");

    // All of it is in the book, which anybody can judge with the public key while the engine writes on.
    let (data, key) = (house.path("data"), house.path("keys/book.public"));
    let judge = |command: &str| house.run(&["audit", command, path(&data), "--key", path(&key)]);
    assert!(judge("verify").contains("good: nothing was changed"));
    assert!(judge("checkpoint").starts_with("nightdesk-checkpoint 1 book="));
    can_be_exported_and_asked_with_any_index(&house, &call.to_string(), &accessed);

    // The other words again, but not before Monday.
    let practice = house.path("practice");
    let at = ["flow", "release", path(&practice), "--at", "Monday 6 am"];
    let told = house.show(&at);
    assert!(!told.contains("take it now"), "{told}");
    let list = house.show(&["flow", "releases", path(&practice)]);
    let lines: Vec<&str> = list.lines().collect();
    let to_come = lines.iter().find(|line| line.contains("to come")).expect("it waits");
    assert_eq!(prints(to_come), Some(newest), "{list}");
    let in_force = lines.iter().find(|line| line.contains("in force")).expect("one is");
    assert_ne!(prints(in_force), prints(to_come), "{list}");
}

/// An export is good for whoever has the public key, a changed word is named; both indexes
/// can be deleted while the engine runs, and hold no number.
fn can_be_exported_and_asked_with_any_index(house: &House, call: &str, accessed: &dyn Fn(&str) -> String) {
    let (export, key) = (house.path("call.json"), house.path("keys/book.public"));
    let into = [
        "--what",
        "all",
        "--call",
        call,
        "--into",
        path(&export),
        "--reason",
        "the auditor asked",
    ];
    let told = house.show(&[["audit", "export"].as_slice(), &into].concat());
    assert!(told.contains(" rows, proved by "), "{told}");
    let judged = || {
        let key = fs::read(&key).expect("a key");
        let verifier = seal::Verifier::from_bytes(&key).expect("a key");
        let text = |file: &Path| fs::read_to_string(file).expect("an export");
        ledger::judge_export(&text(&export), &text(&house.path("call.json.proof")), &verifier).expect("an export")
    };
    let good = judged();
    assert!(good.is_clean() && good.rows > 10, "{good}");
    let text = fs::read_to_string(&export).expect("an export");
    assert!(
        text.contains("+12135550100") && text.contains("\"actor\":\"priya\""),
        "{text}"
    );
    fs::write(&export, text.replace("+12135550100", "+12135550111")).expect("room");
    let changed = judged().to_string();
    assert!(changed.contains("what is not what was written"), "{changed}");

    let views = house.path("data/views");
    let mut found = 0;
    for book in ["book", "readers"] {
        for file in fs::read_dir(views.join(book))
            .expect("an index")
            .flatten()
            .filter(|file| file.path().is_file())
        {
            let bytes = fs::read(file.path()).expect("a file of the index");
            assert!(
                !bytes
                    .windows(10)
                    .any(|part| part == b"2135550100" || part == b"priya (ops")
            );
            found += bytes.len();
        }
    }
    assert!(found > 1000);
    fs::remove_dir_all(&views).expect("the index may be deleted");
    fs::remove_dir_all(house.path("data/index")).expect("the engine's index may be deleted");
    assert!(accessed("+1 213 555 0100").contains("priya (ops-reviewer)  consent explain"));
    assert!(house.show(&["audit", "reindex"]).contains("made again from the books"));
    assert!(accessed("+1 213 555 0100").contains("marisol (owner)  audit export"));
    let anomalies = house.show(&["audit", "anomalies", "--days", "1", "--zone", "America/Chicago"]);
    assert!(
        anomalies.contains("looks and refusals of 1 days gone through"),
        "{anomalies}"
    );
}

/// Proves ADM-01: without an agreement a practice's number says that it is not in service, rings nobody, and nothing of the
/// call is written but that somebody was turned away; an agreement that comes or ends while the engine runs counts for the
/// next caller, and a call in progress finishes.
#[test]
fn a_practice_is_in_service_while_an_agreement_holds() {
    const NOT_IN_SERVICE: &str =
        "The number you have called is not in service. If this is an emergency, hang up and dial 911";
    let rung = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let counted = rung.clone();
    let callers = handset(&child::words(None), move |_| {
        counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Person::with([(Cue::Hears("Press 1 to take it now"), press("1"))]).0
    });
    callers.otherwise(switchboard::phone::Answering::Accepts);
    let house = without_agreement(callers.address());
    let rings = || rung.load(std::sync::atomic::Ordering::Relaxed);
    let turned_away = |house: &House| {
        let facts = house.facts();
        let away = facts
            .iter()
            .filter(|stamped| matches!(stamped.fact, Fact::TurnedAway { .. }));
        away.count()
    };
    let desk = house.start("info");
    let away = listens(&callers, 1, desk.address);
    away.waits_for(NOT_IN_SERVICE, SOON);
    house.waits_for("the row of a caller turned away", SOON, |_| {
        (turned_away(&house) == 1).then_some(())
    });
    std::thread::sleep(Duration::from_secs(1));
    let facts = house.facts();
    assert!(
        away.when("Cedar").is_none() && away.when("message").is_none(),
        "{}",
        away.all()
    );
    assert_eq!(rings(), 0, "nobody is rung");
    for stamped in &facts {
        assert_eq!(stamped.call, None, "{:?}", stamped.fact);
        let text = String::from_utf8(stamped.encode()).expect("JSON");
        assert!(!text.contains("5125550181"), "{text}");
    }
    assert_eq!(
        house.vault().list().map_or(0, |(kept, _)| kept.len()),
        0,
        "nothing is recorded"
    );
    let status = house.show(&["flow", "status"]);
    for words in [
        "that the number is not in service; nobody is rung, nothing is kept",
        "no business associate agreement holds: none is on file",
        "nightdesk agreements add NAME --practice \"Cedar Family Medicine\" … --file PAPER",
    ] {
        assert!(status.contains(words), "{words}: {status}");
    }
    assert!(
        desk.err().contains("no business associate agreement holds"),
        "{}",
        desk.err()
    );
    assert!(!desk.err().contains("5125550181") && !desk.out().contains("5125550181"));

    // It comes while the engine runs.
    let says = |words: &'static str, times: usize| {
        let is = move |stamped: &&switchboard::Stamped| matches!(&stamped.fact, Fact::Released { says, .. } if says.contains(words));
        house.waits_for(words, SOON, |facts| {
            (facts.iter().filter(is).count() == times).then_some(())
        });
    };
    house.people().agree(child::OWNER, "Cedar Family Medicine");
    says("the emergency notice alone", 1);
    let served = listens(&callers, 2, desk.address);
    served.waits_for("The usual service of this line", SOON);
    house.waits_for("caller and doctor to be connected", SOON, |facts| {
        let talks = |stamped: &switchboard::Stamped| matches!(stamped.fact, Fact::Bridged { .. });
        facts.iter().any(talks).then_some(())
    });
    assert_eq!(rings(), 1);

    // An office that cannot be read is no contract that ended: callers are served, and somebody is told.
    fs::rename(house.path("data/office"), house.path("data/elsewhere")).expect("room");
    house.waits_for("the alarm", SOON, |facts| {
        let told = |stamped: &switchboard::Stamped| matches!(&stamped.fact, Fact::HouseAlarm { what } if what.contains("the office cannot be read"));
        facts.iter().any(told).then_some(())
    });
    listens(&callers, 3, desk.address).waits_for("The usual service of this line", SOON);
    fs::rename(house.path("data/elsewhere"), house.path("data/office")).expect("room");

    // It ends, and who talks with the doctor goes on.
    house.show(&["agreements", "end", "the-agreement", "--reason", "moved away"]);
    says("not in service", 2);
    let before = rings();
    listens(&callers, 4, desk.address).waits_for(NOT_IN_SERVICE, SOON);
    house.waits_for("the second row", SOON, |_| (turned_away(&house) == 2).then_some(()));
    assert_eq!(rings(), before);
    let talking = house.call_of("+15125550182").expect("it is in the book");
    let over = |stamped: &switchboard::Stamped| {
        stamped.call == Some(talking) && matches!(stamped.fact, Fact::CallEnded { .. })
    };
    assert!(!house.facts().iter().any(over), "{}", house.book());
    let status = house.show(&["flow", "status"]);
    assert!(
        status.contains("the-agreement ended, ") && !status.contains("moved away"),
        "{status}"
    );
    assert!(!status.contains("cannot be read"), "{status}");
}

/// Proves ADM-03: a service is told of patients while the agreement that the configuration names for it holds: without one its
/// copies of calls are masked, with one they are not, and from its end on they are masked again; the alarm says so.
#[test]
fn a_service_is_told_of_patients_under_its_agreement_only() {
    let collector = std::net::UdpSocket::bind((child::LOOPBACK, 0)).expect("a port");
    collector
        .set_read_timeout(Some(Duration::from_millis(300)))
        .expect("a socket");
    let callers = handset(&child::words(None), |_| Person::with([]).0);
    let house = House::furnish(callers.address(), "5 seconds");
    let file = house.path("nightdesk.yaml");
    let text = fs::read_to_string(&file).expect("a configuration");
    let port = collector.local_addr().expect("bound").port();
    let homer = |more: &str| format!("{text}homer: {{to: udp 127.0.0.1:{port}, numbers: shown{more}}}\n");
    let people = house.people();
    // Nothing is begun where no agreement is named.
    fs::write(&file, homer("")).expect("room");
    let refused = nightdesk(&house, &["serve"]);
    assert!(
        !refused.status.success() && said(&refused).contains("N018") && said(&refused).contains("baa: NAME"),
        "{}",
        said(&refused)
    );
    let with = homer(", baa: homer-2026").replace(
        "    from: [127.0.0.0/8]\n",
        "    from: [127.0.0.0/8]\n    baa: carrier-2026\n",
    );
    fs::write(&file, with).expect("room");
    let desk = house.start("info");
    let packets = || {
        let mut all = Vec::new();
        let mut packet = vec![0; 65_536];
        while let Ok(length) = collector.recv(&mut packet) {
            all.extend_from_slice(&packet[..length]);
        }
        String::from_utf8_lossy(&all).into_owned()
    };
    let told = |line: u64| {
        packets();
        let diary = listens(&callers, line, desk.address);
        diary.waits_for("Thank you for calling Cedar", SOON);
        let text = packets();
        assert!(text.contains("INVITE sip:"), "a copy of the call comes: {text}");
        text.contains(&format!("512555018{line}"))
    };
    let became = |shown: bool, times: usize| {
        let is = move |stamped: &&switchboard::Stamped| matches!(&stamped.fact, Fact::TraceBegan { into, numbers_shown, .. } if into == "collector" && *numbers_shown == shown);
        house.waits_for("the collector to be told otherwise", SOON, |facts| {
            (facts.iter().filter(is).count() == times).then_some(())
        });
    };
    became(false, 1);
    assert!(!told(1), "no agreement is on file");
    let status = house.show(&["flow", "status"]);
    for alarm in [
        "homer: the agreement with it does not hold (homer-2026 is not on file)",
        "trunk loopback: the agreement",
    ] {
        assert!(status.contains(alarm), "{alarm}: {status}");
    }
    // The engine that sees the second has seen the first.
    people.agree_as(child::OWNER, "carrier-2026", ["--service", "trunk loopback"]);
    people.agree_as(child::OWNER, "homer-2026", ["--service", "homer"]);
    became(true, 1);
    assert!(told(2), "it may know");
    let list = house.show(&["agreements", "list"]);
    assert!(
        list.contains("homer: callers' numbers, by homer-2026")
            && list.contains("trunk loopback: voices that pass, by carrier-2026"),
        "{list}"
    );
    let status = house.show(&["flow", "status"]);
    assert!(!status.contains("ALARM"), "{status}");
    house.show(&["agreements", "end", "homer-2026", "--reason", "another collector"]);
    house.show(&["agreements", "end", "carrier-2026", "--reason", "another carrier"]);
    became(false, 2);
    assert!(!told(3), "it may not know any more");
    house.waits_for("the carrier's alarm", SOON, |facts| {
        let is = |stamped: &switchboard::Stamped| matches!(&stamped.fact, Fact::HouseAlarm { what } if what.starts_with("trunk loopback: ") && what.contains("carrier-2026 ended") && what.contains("its calls go on"));
        facts.iter().any(is).then_some(())
    });
}

/// P8: real calls, and a draft in which a fever is no longer urgent.
/// Proves AUD-10: one call's time line says what was heard, chosen and done.
#[test]
fn past_calls_are_put_through_a_draft_and_exactly_those_it_changes_are_named() {
    let callers = handset(&child::words(None), |_| {
        Person::with([(Cue::Hears("Press 1 to take it now"), press("1"))]).0
    });
    callers.otherwise(switchboard::phone::Answering::Accepts);
    let house = House::furnish(callers.address(), "5 seconds");
    let desk = house.start("info");
    let chest_pain = "chest pain";
    let emergencies = [
        chest_pain,
        "sudden weakness",
        "passed out",
        "bleeding that will not stop",
        "thinking about suicide",
    ];
    let no_to_emergencies = Vec::from(emergencies.map(|words| (Cue::Hears(words), press("2"))));
    // A red-flag question takes no key in its first half second.
    let patiently = |script: Vec<(Cue, Vec<Act>)>| {
        let late = |(cue, acts)| [(cue, vec![]), (Cue::After(Duration::from_millis(900)), acts)];
        script.into_iter().flat_map(late).collect::<Vec<_>>()
    };
    let calls = |line: u64, then: Vec<(Cue, Vec<_>)>| {
        let mut script = begin();
        script.extend(then);
        let (party, diary) = Person::with(script);
        let number = format!("+1512555018{line}");
        callers.call(line, desk.address, NUMBER, Some(&number), party);
        (number, diary)
    };
    let symptoms = || (Cue::Hears("How can we help"), press("1"));
    let hangs_up = || vec![Act::HangUp];
    let mut feverish = vec![symptoms()];
    feverish.extend(patiently(no_to_emergencies));
    feverish.extend(patiently(vec![(Cue::Hears("fever over 103"), press("1"))]));
    feverish.push((Cue::Hears("I will reach the doctor"), hangs_up()));
    let mut pained = vec![symptoms()];
    pained.extend(patiently(vec![(Cue::Hears(chest_pain), press("1"))]));
    pained.push((Cue::Hears("call 911 now"), hangs_up()));
    let asks = vec![
        (Cue::Hears("How can we help"), press("5")),
        (Cue::Hears("To be called back at the number"), hangs_up()),
    ];
    let (fever, _) = calls(1, feverish);
    let others = [calls(2, pained).0, calls(3, asks).0];
    house.waits_for("three calls to end", Duration::from_secs(120), |facts| {
        let ended = |stamped: &&switchboard::Stamped| matches!(stamped.fact, Fact::CallEnded { .. });
        (facts.iter().filter(ended).count() == 3).then_some(())
    });
    let replay = |folder: &Path| nightdesk(&house, &["flow", "replay", path(folder), "--last", "2w"]);

    // As it is written now, nothing changes for anybody.
    let same = replay(&house.path("practice"));
    assert!(same.status.success(), "{}", said(&same));
    assert!(
        said(&same).contains("3 end as before, 0 end elsewhere"),
        "{}",
        said(&same)
    );

    // A draft has the name of its practice's folder.
    let draft = house.path("draft/practice");
    fs::create_dir_all(&draft).expect("room");
    for entry in fs::read_dir(house.path("practice")).expect("a practice").flatten() {
        if entry.path().is_file() {
            fs::copy(entry.path(), draft.join(entry.file_name())).expect("room");
        }
    }
    let protocol = draft.join("adult-symptoms.protocol.yaml");
    let text = fs::read_to_string(&protocol).expect("a protocol");
    let question = "  - Is there a fever over 103, or a fever with a stiff neck or a new rash?\n";
    assert!(text.contains(question), "{text}");
    let moved = text
        .replace(question, "")
        .replace("semi-urgent:\n", &format!("semi-urgent:\n{question}"));
    fs::write(&protocol, moved).expect("room");
    let changed = replay(&draft);
    let told = said(&changed);
    assert_eq!(changed.status.code(), Some(4), "{told}");
    assert!(
        told.contains("2 end as before, 1 end elsewhere (1 with less help than before)"),
        "{told}"
    );
    let id = |number: &str| house.call_of(number).expect("a call").to_string();
    let line = told
        .lines()
        .find(|line| line.starts_with("LESS"))
        .expect("a call that is helped less");
    assert!(
        line.contains(&id(&fever)) && line.contains("urgent, Dr. Okafor is calling back → semi-urgent"),
        "{told}"
    );
    assert!(told.contains("“Is there a fever over 103"), "{told}");
    for other in others {
        assert!(!told.contains(&id(&other)), "{told}");
        assert!(!told.contains(&other), "{told}");
    }
    assert!(!told.contains(&fever), "no number is printed: {told}");
    let looked = house.show(&["calls", "show", &id(&fever), "--reason", "why it was changed"]);
    assert!(
        looked.contains("choice “How can we help?”: for a medical question or a symptom"),
        "{looked}"
    );
}
