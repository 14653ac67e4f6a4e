//! Which practices may be served, by the agreements in the office's book (ADM-01, 45 CFR 164.502(e)).
//!
//! The engine only reads the office. What it last read is kept beside the keys, not on the data disk: a book of people that
//! cannot be read tonight says nothing about the contract, and the callers of a practice that has one must not pay for it.
//! So the last known agreements go on, each to its own last day, and somebody is told. An office that has fewer agreements
//! than before is taken for one that cannot be read: agreements end by a row, none ever goes.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use office::State;
use office::agreement::{Filed, With, covering};
use seal::BookKey;

/// Somebody may be writing at the moment: a book that fails is read again so often before anybody is told.
const READINGS_MAX: u8 = 3;

/// Between these readings.
const BETWEEN_READINGS: Duration = Duration::from_millis(100);

/// What is kept is no longer; some thousand agreements.
const KEPT_BYTES_MAX: u64 = 16 << 20;

/// The office's agreements, as the engine knows them.
pub(crate) struct Agreements {
    data: PathBuf,
    key: BookKey,
    kept: PathBuf,
    /// The office's files as they were when it was last read, well or not.
    files: Option<Vec<(PathBuf, u64, Option<SystemTime>)>>,
    state: Option<State>,
    filed: Vec<Filed>,
    trouble: Option<String>,
}

/// It holds a key and people's secrets, and shows nothing of them.
impl std::fmt::Debug for Agreements {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Agreements").finish_non_exhaustive()
    }
}

impl Agreements {
    /// Of the office in a data folder. What is known is kept in the file `kept`.
    pub(crate) fn new(data: PathBuf, key: BookKey, kept: PathBuf) -> Self {
        let filed = remembered(&kept);
        Self {
            data,
            key,
            kept,
            files: None,
            state: None,
            filed,
            trouble: None,
        }
    }

    /// Reads the office again if it has changed since it was last read, or could not be read then.
    pub(crate) fn look(&mut self) {
        let files = self.files();
        if self.trouble.is_none() && self.files.as_ref() == Some(&files) {
            return;
        }
        // Noted before it is read: what is written in between is seen as a change.
        self.files = Some(files);
        match self.read() {
            Ok(state) => {
                if self.filed != state.agreements {
                    self.filed.clone_from(&state.agreements);
                    if let Err(fault) = keep(&self.kept, &self.filed) {
                        tracing::warn!(%fault, file = %self.kept.display(), "the agreements cannot be kept for a bad day");
                    }
                }
                self.trouble = None;
                self.state = Some(state);
            }
            Err(why) => {
                let known = self.filed.len();
                self.trouble = Some(format!(
                    "the office cannot be read ({why}): the {known} agreements known before go on, each to its own last day, and a \
                     new or ended one is not seen; see that {} is there and this user's to read, and judge it with `nightdesk \
                     audit verify`",
                    self.data.join(office::FOLDER).display()
                ));
            }
        }
    }

    /// Why callers of this practice cannot be served at a moment; none when an agreement with it holds, by its own calendar.
    pub(crate) fn why_not(&self, practice: &str, zone: &TimeZone, now: Timestamp) -> Option<String> {
        let today = now.to_zoned(zone.clone()).date();
        covering(&self.filed, &With::Practice(practice.to_owned()), today).err()
    }

    /// Everything on file.
    pub(crate) fn filed(&self) -> &[Filed] {
        &self.filed
    }

    /// The office, when it could ever be read since the start.
    pub(crate) fn state(&self) -> Option<&State> {
        self.state.as_ref()
    }

    /// Why what is known may be old.
    pub(crate) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    fn read(&self) -> Result<State, String> {
        let mut readings = 0;
        loop {
            readings += 1;
            match self.read_once() {
                Err(_) if readings < READINGS_MAX && self.trouble.is_none() => std::thread::sleep(BETWEEN_READINGS),
                read => return read,
            }
        }
    }

    fn read_once(&self) -> Result<State, String> {
        let folder = self.data.join(office::FOLDER);
        // A folder that may not be entered looks like one that is not there to whoever only asks.
        match fs::read_dir(&folder) {
            Err(fault) if fault.kind() != io::ErrorKind::NotFound => return Err(fault.to_string()),
            _ => {}
        }
        let state = office::read(&self.data, self.key.clone()).map_err(|fault| {
            let mut text = fault.to_string();
            let mut next = std::error::Error::source(&fault);
            while let Some(cause) = next {
                text.push_str(&format!(": {cause}"));
                next = cause.source();
            }
            text
        })?;
        if state.agreements.len() < self.filed.len() {
            return Err("agreements are missing in it that were there before".to_owned());
        }
        Ok(state)
    }

    fn files(&self) -> Vec<(PathBuf, u64, Option<SystemTime>)> {
        let mut files: Vec<_> = office::files(&self.data)
            .into_iter()
            .filter_map(|path| {
                let about = fs::metadata(&path).ok()?;
                Some((path, about.len(), about.modified().ok()))
            })
            .collect();
        files.sort();
        files
    }
}

/// What is different from one day to the next: by the last day of what holds today.
pub(crate) fn ends_within(filed: &[Filed], with: &With, today: Date, days: i32) -> Option<(String, Date)> {
    let holds = || {
        filed
            .iter()
            .filter(|filed| filed.agreement.with == *with && filed.agreement.missing().is_empty())
    };
    let soon = today.saturating_add(jiff::Span::new().days(days));
    let now = covering(filed, with, today).ok()?;
    let last = now.last_day().filter(|last| *last <= soon)?;
    // Another one goes on from there.
    let after = last.tomorrow().ok()?;
    let goes_on = holds().any(|filed| filed.holds(after));
    (!goes_on).then(|| (now.agreement.id.clone(), last))
}

fn remembered(kept: &Path) -> Vec<Filed> {
    let about = match fs::metadata(kept) {
        Ok(about) if about.len() <= KEPT_BYTES_MAX => about,
        _ => return Vec::new(),
    };
    let read = fs::read(kept).ok().filter(|_| about.is_file());
    read.and_then(|text| serde_json::from_slice(&text).ok())
        .unwrap_or_default()
}

/// Whole or not at all, and for this user alone.
fn keep(kept: &Path, filed: &[Filed]) -> io::Result<()> {
    let text = serde_json::to_vec(filed).map_err(io::Error::other)?;
    let unfinished = kept.with_extension("new");
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&unfinished)?;
    file.write_all(&text)?;
    file.sync_all()?;
    fs::rename(unfinished, kept)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use office::Fact;
    use office::agreement::Agreement;

    const CEDAR: &str = "Cedar Family Medicine";

    pub(crate) fn key() -> BookKey {
        BookKey::generate(&mut |octets: &mut [u8]| octets.fill(3))
    }

    /// Writes rows into the office of a data folder.
    pub(crate) fn write(data: &Path, facts: &[Fact]) {
        let keys = ledger::BookKeys {
            seal: key(),
            sign: seal::Signer::generate(&mut |octets: &mut [u8]| octets.fill(4)),
        };
        let mut book = ledger::Book::open(data.join(office::FOLDER), keys, crate::serve::draw()).expect("a book");
        for fact in facts {
            let entry = ledger::Entry {
                kind: office::KIND.into(),
                call: None,
                at_ms: 0,
                body: serde_json::to_vec(fact).expect("plain"),
                tenant: seal::Tenant::HOUSE,
                keep: seal::Retention::Audit,
            };
            book.append(&[entry]).expect("room");
        }
        book.close().expect("whole");
    }

    fn added(id: &str, signed: &str, until: Option<&str>) -> Fact {
        let agreement = Agreement {
            id: id.to_owned(),
            with: With::Practice(CEDAR.to_owned()),
            parties: vec![CEDAR.to_owned(), "Nightdesk".to_owned()],
            signed: signed.parse().expect("a day"),
            until: until.map(|until| until.parse().expect("a day")),
            scope: "after-hours telephone".to_owned(),
            permitted_uses: "answering".to_owned(),
            safeguards: "the security rule".to_owned(),
            breach_days: 10,
            termination: "return or destroy".to_owned(),
            liability: "each for their own".to_owned(),
            file_hash: seal::keys::hex(&seal::hash(b"signed by both")),
        };
        Fact::AgreementAdded {
            agreement,
            by: "marisol".to_owned(),
        }
    }

    fn ended(id: &str, on: &str) -> Fact {
        Fact::AgreementEnded {
            agreement: id.to_owned(),
            on: on.parse().expect("a day"),
            reason: "moved away".to_owned(),
            by: "marisol".to_owned(),
        }
    }

    fn chicago() -> TimeZone {
        TimeZone::get("America/Chicago").expect("in the machine's time zones")
    }

    fn why(agreements: &Agreements, at: &str) -> Option<String> {
        agreements.why_not(CEDAR, &chicago(), at.parse().expect("a time"))
    }

    fn of(folder: &Path) -> Agreements {
        let mut agreements = Agreements::new(folder.join("data"), key(), folder.join("known"));
        agreements.look();
        agreements
    }

    /// Proves ADM-01: none, not begun, over, ended and without the paper's hash are no agreement; its days are the practice's own.
    #[test]
    fn an_agreement_holds_on_its_days_where_the_practice_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut agreements = of(folder.path());
        assert_eq!(
            why(&agreements, "2026-11-22T18:00:00Z").as_deref(),
            Some("none is on file")
        );
        write(
            &folder.path().join("data"),
            &[added("first", "2026-11-23", Some("2026-12-31"))],
        );
        agreements.look();
        assert_eq!(
            why(&agreements, "2026-11-22T18:00:00Z").as_deref(),
            Some("first begins on 2026-11-23 only")
        );
        assert_eq!(why(&agreements, "2026-11-23T18:00:00Z"), None);
        // New Year's Eve, 11 pm in Chicago, when it is morning in the code's own zone.
        assert_eq!(why(&agreements, "2027-01-01T05:00:00Z"), None);
        assert_eq!(
            why(&agreements, "2027-01-01T06:00:00Z").as_deref(),
            Some("first ran out, 2026-12-31 was its last day")
        );
        let Fact::AgreementAdded { mut agreement, by } = added("second", "2026-01-01", None) else {
            panic!("it was just made");
        };
        agreement.file_hash = "no paper".to_owned();
        write(
            &folder.path().join("data"),
            &[ended("first", "2026-12-01"), Fact::AgreementAdded { agreement, by }],
        );
        agreements.look();
        assert_eq!(
            why(&agreements, "2026-12-01T18:00:00Z").as_deref(),
            Some("second lacks: the hash of the signed paper")
        );
        assert_eq!(
            why(&agreements, "2026-11-30T18:00:00Z"),
            None,
            "the first one's last day"
        );
        assert_eq!(agreements.trouble(), None);
    }

    /// Proves ADM-01: an office that cannot be read takes nobody out of service before their agreement's own last day, also after
    /// a restart; and it is told.
    #[test]
    fn an_office_that_cannot_be_read_is_no_agreement_that_ended() {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("data");
        write(&data, &[added("first", "2026-01-01", Some("2026-12-31"))]);
        let mut agreements = of(folder.path());
        let served = |agreements: &Agreements| {
            let (held, over) = ("2026-11-22T18:00:00Z", "2027-01-01T18:00:00Z");
            why(agreements, held).is_none() && why(agreements, over).is_some()
        };
        assert!(served(&agreements) && agreements.trouble().is_none());
        let breaks: [&dyn Fn(); 3] = [
            &|| fs::rename(data.join(office::FOLDER), data.join("away")).expect("room"),
            // An empty one in its place, as of a disk that was not mounted.
            &|| fs::create_dir(data.join(office::FOLDER)).expect("room"),
            &|| {
                fs::remove_dir(data.join(office::FOLDER)).expect("empty");
                crate::agreements::tests::copy(&data.join("away"), &data.join(office::FOLDER));
                for file in office::files(&data) {
                    let mut octets = fs::read(&file).expect("a file");
                    octets.iter_mut().for_each(|octet| *octet ^= 0xff);
                    fs::write(&file, octets).expect("room");
                }
            },
        ];
        for broken in breaks {
            broken();
            agreements.look();
            assert!(served(&agreements));
            assert!(
                agreements
                    .trouble()
                    .is_some_and(|what| what.contains("the office cannot be read")),
                "{:?}",
                agreements.trouble()
            );
            // An engine that starts now.
            let fresh = of(folder.path());
            assert!(served(&fresh) && fresh.trouble().is_some());
        }
        fs::remove_dir_all(data.join(office::FOLDER)).expect("there");
        fs::rename(data.join("away"), data.join(office::FOLDER)).expect("room");
        agreements.look();
        assert!(served(&agreements) && agreements.trouble().is_none());
    }

    fn copy(from: &Path, to: &Path) {
        fs::create_dir_all(to).expect("room");
        for entry in fs::read_dir(from).expect("a folder").flatten() {
            fs::copy(entry.path(), to.join(entry.file_name())).expect("room");
        }
    }

    #[test]
    fn the_end_is_told_a_month_before_unless_another_one_follows() {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("data");
        write(&data, &[added("first", "2026-01-01", Some("2026-12-31"))]);
        let mut agreements = of(folder.path());
        let with = With::Practice(CEDAR.to_owned());
        let told = |agreements: &Agreements, on: &str| {
            ends_within(agreements.filed(), &with, on.parse().expect("a day"), 30)
                .map(|(id, last)| format!("{id} {last}"))
        };
        assert_eq!(told(&agreements, "2026-11-30"), None);
        assert_eq!(told(&agreements, "2026-12-01").as_deref(), Some("first 2026-12-31"));
        assert_eq!(
            told(&agreements, "2027-01-01"),
            None,
            "it is over, which is told elsewhere"
        );
        write(&data, &[added("second", "2027-01-01", None)]);
        agreements.look();
        assert_eq!(told(&agreements, "2026-12-31"), None);
    }
}
