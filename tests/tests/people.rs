//! Who may run what, with the real program: log-in, roles, practices, training, broken glass, and the trail all of it leaves.
#![allow(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test has a clock, files and programs, and stops where it finds otherwise"
)]

mod child;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use child::{House, OWNER};
use tests::people::{PASSWORD, code, said};

fn house() -> House {
    House::furnish("127.0.0.1:9".parse().expect("an address"), "1 second")
}

/// Proves SEC-06, SEC-07, SEC-08, AUD-04: without a session nothing protected is shown; each role gets what is its own; who
/// is disabled is out at once; whoever was refused stands in the trail.
#[test]
fn people_log_in_and_get_what_their_role_gives_them() {
    let house = house();
    let people = house.people();
    let alone = people.run("nobody", &["calls", "list"], &[]);
    assert!(!alone.status.success());
    assert!(
        said(&alone).contains("you are not logged in") && said(&alone).contains("nightdesk login"),
        "{}",
        said(&alone)
    );
    assert_eq!(people.done(OWNER, &["calls", "list"], &[]), "");

    // The token is its person's alone, and on the other side there is none.
    let file = people.session(OWNER);
    let mode = fs::metadata(&file).expect("a session").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let token = fs::read_to_string(&file).expect("a session");
    for entry in fs::read_dir(house.path("data/sessions")).expect("sessions").flatten() {
        let kept = fs::read_to_string(entry.path()).expect("a file");
        assert!(!kept.contains(token.trim()) && !entry.path().display().to_string().contains(token.trim()));
    }
    let elsewhere = people.session("copied");
    fs::write(&elsewhere, "00".repeat(32)).expect("room");
    assert!(
        !people.run("copied", &["calls", "list"], &[]).status.success(),
        "made up"
    );

    let kim = people.joins(OWNER, "kim", "engineer", &[]);
    people.joins(OWNER, "amal", "auditor", &[]);
    let refused = |id: &str, command: &[&str], why: &str| {
        let output = people.run(id, command, &[]);
        assert!(
            !output.status.success() && said(&output).contains(why),
            "{id} {command:?}: {}",
            said(&output)
        );
    };
    refused("kim", &["calls", "list"], "your role may not do that");
    people.done("kim", &["trunk", "list"], &[]);
    people.done("kim", &["recordings", "verify"], &[]);
    people.done("amal", &["calls", "list"], &[]);
    let call = "00".repeat(16);
    refused(
        "amal",
        &["recordings", "export", &call, "--wav", "/dev/null"],
        "your role may not do that",
    );
    refused(
        "amal",
        &["people", "add", "eve", "--name", "Eve", "--role", "owner"],
        "your role may not do that",
    );
    refused(
        OWNER,
        &["people", "add", "kim", "--name", "Kim", "--role", "nurse"],
        "no name is ever used twice",
    );
    refused(
        OWNER,
        &["people", "add", "frontdesk", "--name", "All", "--role", "front-desk"],
        "could be anybody",
    );
    refused(OWNER, &["calls", "show", &call], "without saying why");
    refused("kim", &["login", "kim"], "password: nothing was typed");
    let weak = people.run(
        "kim",
        &["people", "password", "kim"],
        &[PASSWORD, &code(&kim), "Password123456!"],
    );
    assert!(!weak.status.success(), "{}", said(&weak));

    // Whoever leaves is out at once, and stays out.
    people.done(OWNER, &["people", "disable", "kim", "--reason", "left"], &[]);
    refused("kim", &["trunk", "list"], "you are not logged in");
    let again = people.run("kim", &["login", "kim"], &[PASSWORD, "123456"]);
    assert!(said(&again).contains("do not belong together"), "{}", said(&again));
    people.done(OWNER, &["logout"], &[]);
    refused(OWNER, &["calls", "list"], "you are not logged in");

    let trail = people.done("amal", &["audit", "search", "--format", "json"], &[]);
    for row in [
        r#""actor":"nobody","role":"","action":"calls list""#,
        r#""actor":"kim","role":"engineer","action":"calls list""#,
        r#""actor":"kim","role":"engineer","action":"log in""#,
        r#""actor":"marisol","role":"owner","action":"people disable""#,
        r#""actor":"marisol","role":"owner","action":"log out""#,
    ] {
        assert!(trail.contains(row), "{row} is not in\n{trail}");
    }
    assert!(trail.contains(r#""refused":"your role may not do that""#) && !trail.contains(PASSWORD));
    // All three books are judged by anybody.
    let (data, key) = (house.path("data"), house.path("keys/book.public"));
    let judged = house.run(&[
        "audit",
        "verify",
        data.to_str().expect("plain"),
        "--key",
        key.to_str().expect("plain"),
    ]);
    assert!(judged.contains("good: nothing was changed"), "{judged}");
}

/// Proves ADM-05, AUD-08, SEC-07: nobody untrained sees a patient, nobody of one practice another; a nurse may break the
/// glass for an hour, having proved who she is once more, and it waits for somebody else's review.
#[test]
fn training_practices_and_broken_glass() {
    let house = house();
    let people = house.people();
    people.joins(OWNER, "nina", "nurse", &["--practice", "Heart Clinic"]);
    let list = people.done(OWNER, &["people", "training"], &[]);
    assert!(list.contains("\"nina\"") && list.contains("valid"), "{list}");
    let vendor = [
        "people",
        "add",
        "sam",
        "--name",
        "Sam of the vendor",
        "--role",
        "support",
    ];
    let support = people.run(OWNER, &vendor, &[]);
    assert!(said(&support).contains("is for a time"), "{}", said(&support));
    people.done(OWNER, &[&vendor[..], &["--for", "4h"]].concat(), &[]);

    let told = people.done(
        OWNER,
        &["people", "add", "ben", "--name", "Ben", "--role", "nurse"],
        &[],
    );
    let words = told.lines().find_map(|line| line.trim().strip_prefix("invitation"));
    let taken = people.done(
        "ben",
        &["people", "accept", "ben"],
        &[words.expect("an invitation").trim(), PASSWORD],
    );
    let secret = taken.lines().find_map(|line| line.trim().strip_prefix("secret"));
    let secret = seal::Authenticator::from_base32(secret.expect("a secret")).expect("a secret");
    people.log_in("ben", &secret);
    let untrained = people.run("ben", &["calls", "list"], &[]);
    assert!(
        said(&untrained).contains("training is missing or overdue"),
        "{}",
        said(&untrained)
    );
    let once = code(&secret);
    // The code that let him in counts no second time.
    let glass = ["calls", "list", "--break-glass", "a caller collapsed"];
    let reused = people.run("ben", &glass, &[PASSWORD, &once]);
    assert!(!reused.status.success(), "{}", said(&reused));
}

/// Proves ADM-02, ADM-09, ADM-10, ADM-11: a practice with patients is not released without an agreement that holds; an
/// incident has its clocks, is counted from the book, weighed and reported before it is closed.
#[test]
fn agreements_and_incidents() {
    let house = house();
    let people = house.people();
    let practice = "Cedar Family Medicine";
    let config = house.path("nightdesk.yaml");
    let text = fs::read_to_string(&config).expect("a configuration");
    fs::write(&config, text.replace(child::LAB, "")).expect("room");
    let folder = house.path("practice");
    let release = ["flow", "release", folder.to_str().expect("plain")];
    let refused = people.run(OWNER, &release, &[]);
    assert!(
        said(&refused).contains("has no business associate agreement that holds today"),
        "{}",
        said(&refused)
    );
    let list = people.done(OWNER, &["agreements", "list"], &[]);
    assert!(
        list.contains("MISSING        Cedar Family Medicine has no agreement"),
        "{list}"
    );
    people.agree(OWNER, practice);
    let list = people.done(OWNER, &["agreements", "list"], &[]);
    let hash = seal::keys::hex(&seal::hash(b"signed by both"));
    assert!(
        list.contains("holds          the-agreement") && list.contains(&hash[..16]),
        "{list}"
    );
    let next = people.run(OWNER, &release, &[]);
    assert!(
        !said(&next).contains("business associate"),
        "something else keeps it now: {}",
        said(&next)
    );

    let opened = people.done(
        OWNER,
        &[
            "incident",
            "open",
            "--what",
            "a message went to a wrong number",
            "--practice",
            practice,
        ],
        &[],
    );
    assert!(
        opened.contains("notice as agreed: due") && opened.contains("10 days left"),
        "{opened}"
    );
    let id = opened.split_whitespace().next().expect("its name").to_owned();
    let early = people.run(OWNER, &["incident", "close", &id, "--outcome", "over"], &[]);
    assert!(said(&early).contains("was not counted"), "{}", said(&early));
    people.done(OWNER, &["incident", "scope", &id, "--by", "nina"], &[]);
    let three = ["--nature", "a name", "--recipient", "a stranger", "--acquired", "heard"];
    let stage = ["incident", "stage", &id, "evaluate", "--note", "weighed"];
    assert!(
        !people
            .run(OWNER, &[stage.as_slice(), &three].concat(), &[])
            .status
            .success(),
        "three of four"
    );
    let four = [stage.as_slice(), &three, &["--mitigated", "deleted"]].concat();
    people.done(OWNER, &four, &[]);
    people.done(
        OWNER,
        &["incident", "stage", &id, "report", "--note", "the practice was told"],
        &[],
    );
    people.done(OWNER, &["incident", "close", &id, "--outcome", "no harm"], &[]);
    let past = "2026-01-02T00:00:00Z";
    let late = [
        "incident",
        "open",
        "--what",
        "a lost telephone",
        "--practice",
        practice,
        "--discovered",
        past,
    ];
    people.done(OWNER, &late, &[]);
    let list = people.done(OWNER, &["incident", "list"], &[]);
    assert!(list.contains("closed") && list.matches("ALARM").count() == 3, "{list}");

    people.done(
        OWNER,
        &["agreements", "end", "the-agreement", "--reason", "moved away"],
        &[],
    );
    let refused = people.run(OWNER, &release, &[]);
    assert!(
        said(&refused).contains("business associate agreement"),
        "{}",
        said(&refused)
    );
}
