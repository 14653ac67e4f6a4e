//! The office as its people meet it: on a clock of the tests' own, with a book on a disk.

use std::collections::BTreeSet;
use std::path::Path;

use jiff::Timestamp;
use seal::{Authenticator, BookKey, Signer, TokenKey};

use super::*;
use crate::agreement::{Agreement, Filed, With};
use crate::incident::{Factors, Scope, Stage};

const PASSWORD: &str = "a fortnight of rain";
const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

fn keys() -> Keys {
    let books = || BookKeys {
        seal: BookKey::generate(&mut |out| out.fill(1)),
        sign: Signer::generate(&mut |out| out.fill(2)),
    };
    Keys {
        office: books(),
        readers: books(),
        rows: ledger::Rows::default(),
        tokens: TokenKey::generate(&mut |out| out.fill(3)),
    }
}

fn office(data: &Path) -> Office {
    let began = std::time::SystemTime::now();
    let seed = began
        .duration_since(std::time::UNIX_EPOCH)
        .expect("after 1970")
        .as_nanos();
    Office::open(data, keys(), IDLE_MS, move || {
        let mut count = seed;
        Box::new(move || {
            count = count
                .wrapping_mul(0x2545_f491_4f6c_dd1d_2545_f491_4f6c_dd1d)
                .wrapping_add(7);
            count.to_be_bytes()
        })
    })
    .expect("a folder")
}

fn at(ms: i64) -> Timestamp {
    let start: Timestamp = "2026-11-21T20:00:00Z".parse().expect("a time");
    Timestamp::from_millisecond(start.as_millisecond() + ms).expect("a time")
}

fn code(of: &Authenticator, now: Timestamp) -> String {
    format!("{:06}", of.code(now.as_second()))
}

fn asking(permission: Permission) -> Asking<'static> {
    Asking {
        permission,
        action: permission.name(),
        practice: None,
        object: [7; 16],
        call: None,
        reason: "a test",
        source: "test",
    }
}

/// A house with its owner, Marisol, trained and logged in.
struct House {
    folder: tempfile::TempDir,
    office: Office,
    owner: Token,
    authenticator: Authenticator,
}

impl House {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut office = office(folder.path());
        let authenticator = office
            .first("marisol", "Marisol Vega", PASSWORD, at(0))
            .expect("nobody is here");
        let (owner, _) = office
            .log_in("marisol", PASSWORD, &code(&authenticator, at(0)), at(0))
            .expect("both are right");
        let mut house = Self {
            folder,
            office,
            owner,
            authenticator,
        };
        house.train("marisol");
        house
    }

    fn may(&mut self, permission: Permission) -> Allowed {
        let asked = self.office.authorize(Some(&self.owner), &asking(permission), at(1_000));
        asked.expect("an owner may")
    }

    fn train(&mut self, id: &str) {
        let allowed = self.may(Permission::ManageTraining);
        let day = at(0).to_zoned(jiff::tz::TimeZone::UTC).date();
        let trained = self.office.train(&allowed, id, day, "privacy", None, at(0));
        trained.expect("a training of today");
    }

    /// Somebody new, with a password and an authenticator.
    fn joins(&mut self, id: &str, role: Role, practices: &[&str], until: Option<Timestamp>) -> Authenticator {
        let allowed = self.may(Permission::ManagePeople);
        let own = practices.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        let own = (!own.is_empty()).then_some(own);
        let invited = self
            .office
            .add(&allowed, id, "Somebody", role, own, until, at(0))
            .expect("new");
        let taken = self.office.take_up(id, &invited.words, PASSWORD, at(0));
        taken.expect("an invitation that holds")
    }

    fn comes(&mut self, id: &str, role: Role, practices: &[&str]) -> (Token, Authenticator) {
        let authenticator = self.joins(id, role, practices, None);
        let in_ = self.office.log_in(id, PASSWORD, &code(&authenticator, at(0)), at(0));
        (in_.expect("both are right").0, authenticator)
    }

    fn asks(
        &mut self,
        token: &Token,
        permission: Permission,
        practice: Option<&'static str>,
        ms: i64,
    ) -> Result<Allowed, Fault> {
        let asked = Asking {
            practice,
            ..asking(permission)
        };
        self.office.authorize(Some(token), &asked, at(ms))
    }

    fn rows(&self) -> Vec<Access> {
        let reader = ledger::Reader::open(&self.folder.path().join(READERS), keys().readers.seal, 0);
        let rows = reader.expect("a book").map(|row| row.expect("as written"));
        rows.filter_map(|row| row.access()).collect()
    }
}

fn refusal<T>(asked: Result<T, Fault>) -> Refusal {
    match asked {
        Err(Fault::Refused(refusal)) => refusal,
        Err(other) => panic!("another fault: {other}"),
        Ok(_) => panic!("it was granted"),
    }
}

/// Proves AUD-04, SEC-06: whatever is asked is a row with the actor, the role and the session before it is answered, and
/// what is refused is a row too.
#[test]
fn every_answer_is_a_row_before_it_is_given() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut fresh = office(folder.path());
    let asked = fresh.authorize(None, &asking(Permission::SeeCalls), at(0));
    assert_eq!(refusal(asked), Refusal::Nobody);
    drop(fresh);

    let mut house = House::new();
    assert_eq!(
        refusal(house.office.authorize(None, &asking(Permission::SeeCalls), at(0))),
        Refusal::NotLoggedIn
    );
    let owner = Token::parse(&house.owner.to_text()).expect("a token");
    let allowed = house
        .asks(&owner, Permission::Listen, Some("Cedar"), 2_000)
        .expect("an owner may");
    assert_eq!(allowed.receipt.object(), [7; 16]);
    let (engineer, _) = house.comes("kim", Role::Engineer, &[]);
    assert_eq!(
        refusal(house.asks(&engineer, Permission::Listen, None, 3_000)),
        Refusal::Role
    );
    let rows = house.rows();
    let told: Vec<String> = rows
        .iter()
        .map(|row| {
            let refused = row.refused.as_deref().unwrap_or("granted");
            format!("{} ({}) {}: {refused}", row.actor, row.role, row.action)
        })
        .collect();
    insta::assert_snapshot!(told.join("\n"));
    assert!(
        rows.iter()
            .all(|row| row.role.is_empty() || row.session.is_some() || !row.action.contains("listen"))
    );
}

/// Proves SEC-07, SEC-18: every role × every permission, asked of the real thing; what it says is what the table says.
#[test]
fn every_role_gets_what_the_table_gives_it_and_nothing_else() {
    let mut house = House::new();
    for role in Role::ALL {
        let id = format!("one.{}", role.name().replace("front-", ""));
        let until = role.is_time_boxed().then(|| at(4 * HOUR));
        let authenticator = house.joins(&id, role, &[], until);
        house.train(&id);
        let token = house.office.log_in(&id, PASSWORD, &code(&authenticator, at(0)), at(0));
        let token = token.expect("both are right").0;
        for permission in Permission::ALL {
            let answer = house.asks(&token, permission, None, 1_000);
            match answer {
                Ok(allowed) => {
                    assert!(role.may(permission), "{role:?} {permission:?}");
                    assert_eq!((allowed.role, allowed.by_glass), (role, false));
                }
                Err(Fault::Refused(refusal)) => {
                    assert_eq!(
                        (role.may(permission), refusal),
                        (false, Refusal::Role),
                        "{role:?} {permission:?}"
                    );
                }
                Err(other) => panic!("{other}"),
            }
        }
    }
}

/// Proves SEC-07: whoever works for one practice sees nothing of another.
#[test]
fn a_practice_is_a_bound() {
    let mut house = House::new();
    let (nurse, _) = house.comes("nina", Role::Nurse, &["Cedar"]);
    let works_for = |house: &House, person: &str, practice: &str| house.office.state().works_for(person, practice);
    assert_eq!(works_for(&house, "nina", "Cedar"), Some(true));
    assert_eq!(works_for(&house, "nina", "Maple"), Some(false));
    assert_eq!(works_for(&house, "nobody", "Maple"), None);
    house.train("nina");
    assert!(house.asks(&nurse, Permission::OpenCall, Some("Cedar"), 1_000).is_ok());
    assert_eq!(
        refusal(house.asks(&nurse, Permission::OpenCall, Some("Heart"), 1_000)),
        Refusal::Practice
    );
    let lists = house
        .asks(&nurse, Permission::SeeCalls, None, 1_000)
        .expect("their own");
    assert!(lists.sees(Some("Cedar")) && !lists.sees(Some("Heart")) && !lists.sees(None));
    let (auditor, _) = house.comes("amal", Role::Auditor, &["Cedar"]);
    house.train("amal");
    assert_eq!(
        refusal(house.asks(&auditor, Permission::VerifyRecordings, None, 1_000)),
        Refusal::Practice
    );
}

/// Proves SEC-08: idle after 15 minutes, over after twelve hours whatever is asked, and judged here: the same token is
/// worth nothing afterwards, from anywhere.
#[test]
fn sessions_end_idle_and_absolutely() {
    let mut house = House::new();
    let token = Token::parse(&house.owner.to_text()).expect("a token");
    let mut see = |ms| house.asks(&token, Permission::SeeCalls, None, ms).map(drop);
    assert!(see(1_000 + IDLE_MS).is_ok(), "just in time");
    assert_eq!(refusal(see(1_000 + 2 * IDLE_MS + 1_000)), Refusal::Idle);
    assert_eq!(refusal(see(1_000 + 2 * IDLE_MS)), Refusal::NotLoggedIn, "it is gone");

    let later = at(DAY);
    let again = house
        .office
        .log_in("marisol", PASSWORD, &code(&house.authenticator, later), later);
    let (token, session) = again.expect("a new code");
    let mut ms = DAY;
    while ms + 10 * MINUTE < DAY + SESSION_MS_MAX {
        ms += 10 * MINUTE;
        house
            .asks(&token, Permission::SeeTrunks, None, ms)
            .map(drop)
            .expect("busy");
    }
    assert_eq!(
        refusal(house.asks(&token, Permission::SeeTrunks, None, DAY + SESSION_MS_MAX)),
        Refusal::TooLong
    );
    // What lies on the disk is no token, and changed by hand it is nothing.
    let later = at(2 * DAY);
    let third = house
        .office
        .log_in("marisol", PASSWORD, &code(&house.authenticator, later), later);
    let (token, _) = third.expect("a new code");
    let folder = house.folder.path().join("sessions");
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let text = std::fs::read_to_string(entry.path()).expect("a file");
        assert!(!text.contains(&token.to_text()) && !entry.path().display().to_string().contains(&token.to_text()));
        std::fs::write(entry.path(), text.replace("\"began_ms\":1", "\"began_ms\":2")).expect("room");
    }
    assert_eq!(
        refusal(house.asks(&token, Permission::SeeTrunks, None, 2 * DAY)),
        Refusal::NotLoggedIn
    );
    assert_ne!(session.id, token.to_text());
}

/// Ten wrong answers shut a name; they are slowed down before; recovery needs two people, or a day.
#[test]
fn wrong_answers_are_counted_slowed_and_shut_the_name() {
    let mut house = House::new();
    let (manager, _) = house.comes("omar", Role::Manager, &[]);
    let own = house.joins("nina", Role::Nurse, &[], None);
    let mut ms = 0;
    for wrong in 1..=10 {
        if wrong % 5 == 1 && wrong > 1 {
            let early = house.office.log_in("nina", PASSWORD, &code(&own, at(ms)), at(ms));
            assert!(matches!(early, Err(Fault::RefusedPace)), "even with the right one");
            ms += 2 * MINUTE;
        }
        let answer = house.office.log_in("nina", "wrong", &code(&own, at(ms)), at(ms));
        assert!(matches!(answer, Err(Fault::RefusedLogIn)), "{wrong}");
    }
    ms += 10 * MINUTE;
    let right = house.office.log_in("nina", PASSWORD, &code(&own, at(ms)), at(ms));
    assert!(matches!(right, Err(Fault::RefusedLocked)));
    // One person alone opens nothing, and nobody opens their own.
    let allowed = house.may(Permission::ManagePeople);
    assert!(matches!(
        house.office.reset(&allowed, "nina", at(0)),
        Ok(Reset::WaitsForSecond)
    ));
    let allowed = house.may(Permission::ManagePeople);
    assert!(matches!(
        house.office.reset(&allowed, "nina", at(0)),
        Ok(Reset::WaitsForSecond)
    ));
    let allowed = house.may(Permission::ManagePeople);
    assert!(matches!(
        house.office.reset(&allowed, "marisol", at(0)),
        Err(Fault::RefusedAct(_))
    ));
    let second = house
        .asks(&manager, Permission::ManagePeople, None, 1_000)
        .expect("a manager may");
    let Ok(Reset::Invited(invited)) = house.office.reset(&second, "nina", at(0)) else {
        panic!("two have asked");
    };
    assert!(
        house
            .office
            .take_up("nina", "AAAAA-AAAAA-AAAAA-AAAAA", PASSWORD, at(0))
            .is_err()
    );
    let new = house
        .office
        .take_up("nina", &invited.words.to_lowercase(), "rain for a fortnight", at(ms));
    let new = new.expect("an invitation that holds");
    assert!(
        house.office.take_up("nina", &invited.words, PASSWORD, at(ms)).is_err(),
        "once"
    );
    let in_ = house
        .office
        .log_in("nina", "rain for a fortnight", &code(&new, at(ms)), at(ms));
    assert!(in_.is_ok());
    let twice = house
        .office
        .log_in("nina", "rain for a fortnight", &code(&new, at(ms)), at(ms));
    assert!(matches!(twice, Err(Fault::RefusedLogIn)), "a code counts once");
    // Nobody is told who is here.
    let unknown = house.office.log_in("nobody.here", PASSWORD, "123456", at(ms));
    assert!(matches!(unknown, Err(Fault::RefusedLogIn)));
    assert!(!house.rows().iter().any(|row| row.actor == "nobody.here"));
}

/// Proves SEC-06, SEC-18: an id is one person's for good; a shared one is refused; the last owner stays; whoever is disabled
/// has no session from that moment.
#[test]
fn people_come_change_and_go() {
    let mut house = House::new();
    let (manager, _) = house.comes("omar", Role::Manager, &[]);
    let (nurse, _) = house.comes("nina", Role::Nurse, &[]);
    let add = |house: &mut House, id: &str, role: Role| {
        let allowed = house.may(Permission::ManagePeople);
        house
            .office
            .add(&allowed, id, "Somebody", role, None, None, at(0))
            .map(drop)
    };
    for shared in ["frontdesk", "nurse1", "admin", "test", "Nina", "n", "näna"] {
        assert!(
            matches!(add(&mut house, shared, Role::Nurse), Err(Fault::RefusedAct(_))),
            "{shared}"
        );
    }
    assert!(
        matches!(add(&mut house, "sam", Role::Support), Err(Fault::RefusedAct(_))),
        "for how long?"
    );
    assert!(
        house.office.first("eve", "Eve", PASSWORD, at(0)).is_err(),
        "there are people"
    );

    let allowed = house
        .asks(&manager, Permission::ManagePeople, None, 1_000)
        .expect("a manager may");
    assert!(matches!(
        house
            .office
            .add(&allowed, "otto", "Otto", Role::Owner, None, None, at(0)),
        Err(Fault::RefusedAct(_))
    ));
    assert!(matches!(
        house.office.disable(&allowed, "marisol", "a coup", at(0)),
        Err(Fault::RefusedAct(_))
    ));
    let own = house.may(Permission::ManagePeople);
    assert!(
        house.office.disable(&own, "marisol", "leaves", at(0)).is_err(),
        "the last owner"
    );
    assert!(
        house
            .office
            .change_role(&own, "marisol", Role::Nurse, None, None, at(0))
            .is_err()
    );
    assert_eq!(
        house
            .office
            .disable(&own, "nina", "left on Friday", at(0))
            .expect("an owner may"),
        1
    );
    assert_eq!(
        refusal(house.asks(&nurse, Permission::SeeCalls, None, 2_000)),
        Refusal::NotLoggedIn
    );
    assert!(
        matches!(add(&mut house, "nina", Role::Nurse), Err(Fault::RefusedAct(_))),
        "never twice"
    );
    // All of it stands in the book, and is there again when it is opened.
    house.office.close().expect("a good disk");
    let again = office(house.folder.path());
    let people: Vec<(&str, Role, bool)> = again
        .state()
        .people
        .values()
        .map(|person| (person.id.as_str(), person.role, person.disabled.is_some()))
        .collect();
    assert_eq!(
        people,
        [
            ("marisol", Role::Owner, false),
            ("nina", Role::Nurse, true),
            ("omar", Role::Manager, false)
        ]
    );
}

/// Proves ADM-05, AUD-08: without a valid training a role sees no patient; a year later it is overdue.
#[test]
fn training_gates_roles() {
    let mut house = House::new();
    let (nurse, own) = house.comes("nina", Role::Nurse, &[]);
    assert_eq!(
        refusal(house.asks(&nurse, Permission::SeeCalls, None, 1_000)),
        Refusal::Training
    );
    house.train("nina");
    assert!(house.asks(&nurse, Permission::SeeCalls, None, 2_000).is_ok());
    let allowed = house.may(Permission::ManageTraining);
    let year = at(366 * DAY);
    let (nurse, _) = house
        .office
        .log_in("nina", PASSWORD, &code(&own, year), year)
        .expect("right");
    assert_eq!(
        refusal(house.asks(&nurse, Permission::SeeCalls, None, 366 * DAY)),
        Refusal::Training
    );
    let day = at(0).to_zoned(jiff::tz::TimeZone::UTC).date();
    let forever = day.saturating_add(jiff::Span::new().years(3));
    assert!(
        house
            .office
            .train(&allowed, "nina", day, "privacy", Some(forever), at(0))
            .is_err()
    );
    assert!(
        house
            .office
            .train(&allowed, "nina", forever, "privacy", None, at(0))
            .is_err(),
        "to come"
    );
}

/// A role for a time ends by itself.
#[test]
fn support_is_for_hours() {
    let mut house = House::new();
    let own = house.joins("sam", Role::Support, &[], Some(at(HOUR)));
    let (token, _) = house
        .office
        .log_in("sam", PASSWORD, &code(&own, at(0)), at(0))
        .expect("right");
    assert!(house.asks(&token, Permission::SeeTrunks, None, 10 * MINUTE).is_ok());
    assert!(house.asks(&token, Permission::SeeTrunks, None, 24 * MINUTE).is_ok());
    assert!(house.asks(&token, Permission::SeeTrunks, None, 38 * MINUTE).is_ok());
    assert!(house.asks(&token, Permission::SeeTrunks, None, 52 * MINUTE).is_ok());
    assert_eq!(
        refusal(house.asks(&token, Permission::SeeTrunks, None, HOUR)),
        Refusal::RoleOver
    );
}

/// Broken glass: proved again, for an hour, in one session, told and reviewed by somebody else.
#[test]
fn the_glass_opens_for_an_hour_and_waits_for_its_review() {
    let mut house = House::new();
    let (nurse, own) = house.comes("nina", Role::Nurse, &["Cedar"]);
    assert_eq!(
        refusal(house.asks(&nurse, Permission::OpenCall, Some("Heart"), 1_000)),
        Refusal::Practice
    );
    let mut now = 2 * MINUTE;
    let broken = house
        .office
        .break_glass(&nurse, "caller collapsed", PASSWORD, "000000", at(now));
    assert!(matches!(broken, Err(Fault::RefusedLogIn)));
    let right = code(&own, at(now));
    let until = house
        .office
        .break_glass(&nurse, "caller collapsed", PASSWORD, &right, at(now));
    assert_eq!(until.expect("proved"), at(now + GLASS_MS));
    let opened = house
        .asks(&nurse, Permission::OpenCall, Some("Heart"), now + 1)
        .expect("glass");
    assert!(opened.by_glass && opened.sees(Some("Heart")));
    assert_eq!(
        refusal(house.asks(&nurse, Permission::SearchAudit, None, now + 2)),
        Refusal::Role
    );
    let last = house.rows();
    let row = last.iter().rev().find(|row| row.refused.is_none()).expect("a row");
    assert!(row.reason.starts_with("BREAK-GLASS") && row.reason.contains("caller collapsed"));
    for _ in 0..6 {
        now += 10 * MINUTE - 1_000;
        let _ = house.asks(&nurse, Permission::OpenCall, Some("Heart"), now);
    }
    now = 2 * MINUTE + GLASS_MS;
    assert_eq!(
        refusal(house.asks(&nurse, Permission::OpenCall, Some("Heart"), now)),
        Refusal::Practice,
        "an hour is over"
    );
    let glass = house.office.state().glass.first().cloned().expect("it was broken");
    assert!(!glass.is_overdue(at(2 * MINUTE + REVIEW_MS - 1)) && glass.is_overdue(at(2 * MINUTE + REVIEW_MS)));
    let allowed = house.may(Permission::ReviewBreakGlass);
    assert!(house.office.review_glass(&allowed, &glass.id, "", at(now)).is_err());
    house
        .office
        .review_glass(&allowed, &glass.id, "she was right", at(now))
        .expect("somebody else");
    assert!(
        !house
            .office
            .state()
            .glass
            .iter()
            .any(|glass| glass.is_overdue(at(10 * DAY)))
    );
    // An auditor has no patient on the line.
    let (auditor, own) = house.comes("amal", Role::Auditor, &[]);
    let code = code(&own, at(now));
    assert!(
        house
            .office
            .break_glass(&auditor, "curious", PASSWORD, &code, at(MINUTE))
            .is_err()
    );
}

fn agreement(id: &str, with: With) -> Agreement {
    let day = |text: &str| text.parse().expect("a day");
    Agreement {
        id: id.to_owned(),
        with,
        parties: vec!["Cedar Family Medicine".to_owned(), "Nightdesk".to_owned()],
        signed: day("2026-01-05"),
        until: Some(day("2027-01-04")),
        scope: "after-hours telephone".to_owned(),
        permitted_uses: "answering, triage, messages".to_owned(),
        safeguards: "as in the security rule".to_owned(),
        breach_days: 10,
        termination: "return or destroy within 30 days".to_owned(),
        liability: "each for their own".to_owned(),
        file_hash: "00".repeat(32),
    }
}

/// Proves ADM-02: an agreement has all its parts, holds from its day to its last, and no longer than until it ends.
#[test]
fn agreements_hold_between_their_days() {
    let mut house = House::new();
    let cedar = With::Practice("Cedar Family Medicine".to_owned());
    let day = |text: &str| text.parse().expect("a day");
    let allowed = house.may(Permission::ManageAgreements);
    let lacking = Agreement {
        safeguards: String::new(),
        parties: vec!["Nightdesk".to_owned()],
        breach_days: 61,
        // The hash of an empty file.
        file_hash: seal::keys::hex(&seal::hash(b"")),
        ..agreement("cedar", cedar.clone())
    };
    let Err(Fault::RefusedAct(why)) = house.office.file_agreement(&allowed, lacking, at(0)) else {
        panic!("it lacks four things");
    };
    assert_eq!(
        why,
        "the agreement lacks: safeguards, two parties, breach days from 1 to 60, the hash of the signed paper"
    );
    let whole = agreement("cedar", cedar.clone());
    house
        .office
        .file_agreement(&allowed, whole.clone(), at(0))
        .expect("whole");
    assert!(
        house.office.file_agreement(&allowed, whole, at(0)).is_err(),
        "one name, one agreement"
    );
    let holds = |house: &House, on: &str| house.office.state().agreement(&cedar, day(on)).is_some();
    assert!(!holds(&house, "2026-01-04") && holds(&house, "2026-01-05"));
    assert!(holds(&house, "2027-01-04") && !holds(&house, "2027-01-05"));
    house
        .office
        .end_agreement(&allowed, "cedar", day("2026-12-01"), "moved away", at(0))
        .expect("it is there");
    assert!(holds(&house, "2026-11-30") && !holds(&house, "2026-12-01"));
    let service = With::Service("trunk carrier".to_owned());
    assert!(house.office.state().agreement(&service, day("2026-11-30")).is_none());

    // Why not, in words that somebody can act on; and what the engine keeps of it reads back.
    let filed = house.office.state().agreements.clone();
    assert_eq!(filed[0].last_day(), Some(day("2026-11-30")));
    let why = |filed: &[Filed], with: &With, on: &str| agreement::covering(filed, with, day(on)).err();
    assert_eq!(why(&filed, &service, "2026-11-30").as_deref(), Some("none is on file"));
    assert_eq!(why(&filed, &cedar, "2026-06-01"), None);
    assert_eq!(
        why(&filed, &cedar, "2026-12-01").as_deref(),
        Some("cedar ended, 2026-12-01 is the first day without it")
    );
    let wrong = |file_hash: &str| {
        let mut filed = filed.clone();
        filed[0].agreement.file_hash = file_hash.to_owned();
        why(&filed, &cedar, "2026-06-01")
    };
    for hash in ["", "00", &"zz".repeat(32), &seal::keys::hex(&seal::hash(b""))] {
        assert_eq!(
            wrong(hash).as_deref(),
            Some("cedar lacks: the hash of the signed paper"),
            "{hash}"
        );
    }
    let text = serde_json::to_string(&filed).expect("plain");
    assert_eq!(serde_json::from_str::<Vec<Filed>>(&text).expect("its own"), filed);
}

/// Proves ADM-09, ADM-10, ADM-11: the clocks run from discovery, are told at half their time, and nothing is closed that was
/// not counted, weighed and reported.
#[test]
fn an_incident_is_counted_weighed_and_reported_before_it_closes() {
    let mut house = House::new();
    let allowed = house.may(Permission::ManageAgreements);
    let cedar = agreement("cedar", With::Practice("Cedar".to_owned()));
    house.office.file_agreement(&allowed, cedar, at(0)).expect("whole");
    let allowed = house.may(Permission::ManageIncidents);
    let id = house
        .office
        .open_incident(&allowed, "a message went to a wrong number", "Cedar", at(0), at(0));
    let id = id.expect("an owner may");
    assert_eq!(id, "2026-001");
    let clocks = |house: &House, ms| {
        let incident = house.office.state().incident(&id).expect("it is open");
        let clocks = incident.clocks(at(ms));
        let clocks = clocks
            .iter()
            .map(|clock| (clock.what, clock.days_left(at(ms)), clock.is_alarm()));
        clocks.collect::<Vec<_>>()
    };
    assert_eq!(
        clocks(&house, 0),
        [
            ("notice as agreed", 10, false),
            ("correction", 30, false),
            ("notice by law", 60, false)
        ]
    );
    assert_eq!(
        clocks(&house, 16 * DAY),
        [
            ("notice as agreed", -6, true),
            ("correction", 14, true),
            ("notice by law", 44, false)
        ]
    );
    assert!(house.office.close_incident(&allowed, &id, "over", at(DAY)).is_err());
    let scope = |individuals, unknown| Scope {
        person: "nina".to_owned(),
        from_ms: 0,
        to_ms: at(0).as_millisecond(),
        individuals,
        unknown,
    };
    house
        .office
        .scope_incident(&allowed, &id, scope(498, 1), at(DAY))
        .expect("open");
    assert!(!house.office.state().incident(&id).expect("open").is_large());
    house
        .office
        .scope_incident(&allowed, &id, scope(499, 1), at(DAY))
        .expect("open");
    assert!(
        house.office.state().incident(&id).expect("open").is_large(),
        "500 and more"
    );
    let half = Factors {
        nature: "a name and a symptom".to_owned(),
        recipient: "a stranger".to_owned(),
        acquired: String::new(),
        mitigated: "deleted in front of us".to_owned(),
    };
    let whole = Factors {
        acquired: "it was read".to_owned(),
        ..half.clone()
    };
    let evaluate = |house: &mut House, factors| {
        house
            .office
            .stage_incident(&allowed, &id, Stage::Evaluate, "weighed", Some(factors), at(DAY))
    };
    assert!(evaluate(&mut house, half).is_err(), "three of four");
    evaluate(&mut house, whole).expect("four of four");
    let staged = house
        .office
        .stage_incident(&allowed, &id, Stage::Report, "the practice was told", None, at(DAY));
    staged.expect("forward");
    let back = house
        .office
        .stage_incident(&allowed, &id, Stage::Identify, "again", None, at(DAY));
    assert!(back.is_err(), "forward only");
    house
        .office
        .close_incident(&allowed, &id, "patients were told by letter", at(DAY))
        .expect("all is done");
    assert_eq!(clocks(&house, 16 * DAY), []);
}

/// An act with the proof of another permission is a mistake of ours, and does nothing.
#[test]
fn a_proof_is_for_what_it_was_given_for() {
    let mut house = House::new();
    let allowed = house.may(Permission::SeeCalls);
    assert!(matches!(
        house
            .office
            .add(&allowed, "nina", "Nina", Role::Nurse, None, None, at(0)),
        Err(Fault::Misuse)
    ));
    assert!(house.office.state().people.len() == 1);
}

/// What is written down of a password or a secret is printed nowhere.
#[test]
fn secrets_are_not_printed() {
    let fact = Fact::CredentialsSet {
        id: "nina".to_owned(),
        password: Secret("argon2id 1 2 3".to_owned()),
        authenticator: Secret("GEZDGNBV".to_owned()),
    };
    assert!(holds_secret(&serde_json::to_vec(&fact).expect("plain text")) && holds_secret(b"{}"));
    let failed = Fact::LogInFailed { id: "nina".to_owned() };
    let body = serde_json::to_vec(&failed).expect("plain text");
    assert!(!holds_secret(&body));
    // The search for odd looks reads these two words.
    assert_eq!(
        String::from_utf8_lossy(&body),
        r#"{"fact":"log-in-failed","id":"nina"}"#
    );
    let shown = format!("{fact:?}");
    assert!(!shown.contains("argon2id") && !shown.contains("GEZDGNBV"), "{shown}");
}

/// Proves SEC-06, SEC-18: a passkey stands for both factors of one person: it lets in, once for each question; wrong answers count and lock
/// as wrong passwords do; a counter that goes back shuts it; one that was removed, a reset, and somebody who left let nobody in.
#[test]
fn a_passkey_lets_its_person_in_and_nobody_else() {
    use crate::passkey::tests::{Device, site};
    let mut house = House::new();
    let secret = house.joins("nina", Role::Nurse, &[], None);
    let mut minutes = 60;
    // Each proof needs a code of its own.
    let proves = |house: &mut House, minutes: i64| {
        let now = at(minutes * MINUTE);
        house
            .office
            .prove_for_passkey("nina", PASSWORD, &code(&secret, now), now)
    };
    let mut device = Device::new(false);
    let proved = proves(&mut house, minutes).expect("it is her");
    let asked = house.office.challenge(at(minutes * MINUTE));
    let created = device.creates(&asked);
    let added = house
        .office
        .add_passkey(proved, "laptop", asked, &site(), &created, at(minutes * MINUTE));
    added.expect("as it should be");

    let enters = |house: &mut House, device: &Device, id: &str, minutes: i64| {
        let asked = house.office.challenge(at(minutes * MINUTE));
        let answer = device.asserts(&asked);
        house
            .office
            .log_in_by_passkey(id, asked, &site(), &answer, at(minutes * MINUTE))
    };
    minutes += 1;
    device.counter = 10;
    let (token, session) = enters(&mut house, &device, "nina", minutes).expect("her own");
    assert_eq!(session.person, "nina");
    assert!(house.office.session(&token, at(minutes * MINUTE)).is_some());
    let passkey = &house.office.state().people["nina"].passkeys[0];
    assert_eq!((passkey.counter, passkey.shut), (10, false));
    // Of the same question, and for somebody else.
    device.counter = 11;
    let (first, second) = (
        house.office.challenge(at(minutes * MINUTE)),
        house.office.challenge(at(minutes * MINUTE)),
    );
    let answer = device.asserts(&first);
    let other = house
        .office
        .log_in_by_passkey("nina", second, &site(), &answer, at(minutes * MINUTE));
    assert!(matches!(other, Err(Fault::RefusedPasskey)));
    assert!(matches!(
        enters(&mut house, &device, "marisol", minutes),
        Err(Fault::RefusedPasskey)
    ));
    assert!(matches!(
        enters(&mut house, &device, "nobody-here", minutes),
        Err(Fault::RefusedLogIn)
    ));

    // Wrong ones count as wrong passwords do: five a minute, ten in a row.
    let stranger = Device::new(true);
    minutes += 5;
    for _ in 0..PACE_MAX {
        assert!(matches!(
            enters(&mut house, &stranger, "nina", minutes),
            Err(Fault::RefusedPasskey)
        ));
    }
    assert!(matches!(
        enters(&mut house, &device, "nina", minutes),
        Err(Fault::RefusedPace)
    ));
    minutes += 2;
    device.counter = 12;
    enters(&mut house, &device, "nina", minutes).expect("her own, and the count begins anew");
    for _ in 0..WRONG_MAX {
        minutes += 1;
        assert!(matches!(
            enters(&mut house, &stranger, "nina", minutes),
            Err(Fault::RefusedPasskey)
        ));
    }
    minutes += 1;
    device.counter = 13;
    assert!(matches!(
        enters(&mut house, &device, "nina", minutes),
        Err(Fault::RefusedLocked)
    ));
    minutes += LOCKED_MS / MINUTE;
    enters(&mut house, &device, "nina", minutes).expect("a day later");

    // A copy of it counts on its own.
    minutes += 1;
    device.counter = 13;
    assert!(matches!(
        enters(&mut house, &device, "nina", minutes),
        Err(Fault::RefusedPasskey)
    ));
    assert!(house.office.state().people["nina"].passkeys[0].shut);
    device.counter = 99;
    assert!(
        matches!(enters(&mut house, &device, "nina", minutes), Err(Fault::RefusedPasskey)),
        "shut is shut"
    );

    // Another one; removed, it is nobody's, and the sessions it began are over.
    minutes += 1;
    let mut device = Device::new(true);
    let proved = proves(&mut house, minutes).expect("it is her");
    let remove = proves(&mut house, minutes + 1).expect("it is her");
    let shut = house.office.remove_passkey(remove, "laptop", at(minutes * MINUTE));
    shut.expect("it is hers");
    let asked = house.office.challenge(at(minutes * MINUTE));
    let created = device.creates(&asked);
    let added = house
        .office
        .add_passkey(proved, "telephone", asked, &site(), &created, at(minutes * MINUTE));
    added.expect("as it should be");
    device.counter = 2;
    let (token, _) = enters(&mut house, &device, "nina", minutes).expect("her own");
    let remove = proves(&mut house, minutes + 2).expect("it is her");
    house
        .office
        .remove_passkey(remove, "telephone", at(minutes * MINUTE))
        .expect("it is hers");
    assert!(house.office.session(&token, at(minutes * MINUTE)).is_none());
    device.counter = 3;
    assert!(matches!(
        enters(&mut house, &device, "nina", minutes),
        Err(Fault::RefusedPasskey)
    ));

    // Whoever left is nobody, with any passkey.
    let proved = proves(&mut house, minutes + 3).expect("it is her");
    let asked = house.office.challenge(at(minutes * MINUTE));
    let created = device.creates(&asked);
    let added = house
        .office
        .add_passkey(proved, "again", asked, &site(), &created, at(minutes * MINUTE));
    added.expect("as it should be");
    let now = at(minutes * MINUTE);
    let token = house
        .office
        .log_in("marisol", PASSWORD, &code(&house.authenticator, now), now);
    let (token, _) = token.expect("both are right");
    let allowed = house
        .office
        .authorize(Some(&token), &asking(Permission::ManagePeople), now);
    let allowed = allowed.expect("an owner may");
    house.office.disable(&allowed, "nina", "left", now).expect("she left");
    device.counter = 9;
    assert!(matches!(
        enters(&mut house, &device, "nina", minutes),
        Err(Fault::RefusedLogIn)
    ));
}
