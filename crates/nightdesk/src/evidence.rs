//! `nightdesk evidence pack`: the paragraphs of the Security Rule, what the program does about each, which tests show it,
//! how they ended when they were last run, and a hash over all of it.
//!
//! The tests of each promise are those of `crates/EVIDENCE.md`, which is made from the tests themselves; how they ended comes
//! from the report that `make test` leaves. A paragraph that asks something of people and not of a program says so: no test
//! stands in for a policy. Citations: 45 CFR 164.308 to 164.316 as in force in 2026 (78 FR 5566). R is required, A addressable.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use crate::{Failure, out};

const TABLE: &str = include_str!("../../EVIDENCE.md");

/// Largest report that is read.
const REPORT_BYTES_MAX: u64 = 64 << 20;

/// `evidence pack`
#[derive(Args)]
#[command(
    after_help = "Example: make test && nightdesk evidence pack --results target/nextest/default/junit.xml --out pack"
)]
pub(crate) struct Pack {
    /// The report of the last test run (JUnit, as `make test` leaves it); without it every test counts as not run
    #[arg(long)]
    results: Option<PathBuf>,
    /// The folder for evidence.json and evidence.md
    #[arg(long)]
    out: PathBuf,
}

/// One paragraph: what it asks, what stands for it.
struct Paragraph {
    cite: &'static str,
    kind: &'static str,
    asks: &'static str,
    control: &'static str,
    promises: &'static [&'static str],
}

const fn paragraph(
    cite: &'static str,
    kind: &'static str,
    asks: &'static str,
    control: &'static str,
    promises: &'static [&'static str],
) -> Paragraph {
    Paragraph {
        cite,
        kind,
        asks,
        control,
        promises,
    }
}

/// What a program cannot do for a practice.
const YOURS: &str = "yours to decide and to write down; the program keeps what it needs of it";

const RULE: &[Paragraph] = &[
    paragraph(
        "164.308(a)(1)(i)",
        "R",
        "prevent, find, contain and correct violations",
        "the rows below together",
        &["AUD-01", "AUD-04"],
    ),
    paragraph("164.308(a)(1)(ii)(A)", "R", "risk analysis", YOURS, &[]),
    paragraph("164.308(a)(1)(ii)(B)", "R", "risk management", YOURS, &[]),
    paragraph("164.308(a)(1)(ii)(C)", "R", "sanctions", YOURS, &[]),
    paragraph(
        "164.308(a)(1)(ii)(D)",
        "R",
        "review of activity",
        "audit search, who-accessed, anomalies, each with its reason",
        &["AUD-02", "AUD-06", "SEC-10"],
    ),
    paragraph("164.308(a)(2)", "R", "a security official", YOURS, &[]),
    paragraph(
        "164.308(a)(3)(i)",
        "R",
        "who may see what",
        "roles and practices, decided in one place",
        &["SEC-07"],
    ),
    paragraph(
        "164.308(a)(3)(ii)(A)",
        "A",
        "authorization and supervision",
        "people are added by an owner, each act a row",
        &["SEC-06", "AUD-04"],
    ),
    paragraph("164.308(a)(3)(ii)(B)", "A", "clearance", YOURS, &[]),
    paragraph(
        "164.308(a)(3)(ii)(C)",
        "A",
        "termination",
        "people disable: every session ends at once",
        &["SEC-08", "SEC-18"],
    ),
    paragraph(
        "164.308(a)(4)(i)",
        "R",
        "access management",
        "one table of commands and permissions",
        &["SEC-07"],
    ),
    paragraph(
        "164.308(a)(4)(ii)(A)",
        "R",
        "clearinghouse isolation",
        "the product is none",
        &[],
    ),
    paragraph(
        "164.308(a)(4)(ii)(B)",
        "A",
        "granting access",
        "people add, people role, with a reason, a row each",
        &["SEC-06", "AUD-04"],
    ),
    paragraph(
        "164.308(a)(4)(ii)(C)",
        "A",
        "review and change of access",
        "people list, people role",
        &["SEC-06"],
    ),
    paragraph(
        "164.308(a)(5)(i)",
        "R",
        "training",
        "training records gate roles",
        &["ADM-05"],
    ),
    paragraph("164.308(a)(5)(ii)(A)", "A", "reminders", YOURS, &[]),
    paragraph(
        "164.308(a)(5)(ii)(B)",
        "A",
        "malicious software",
        "nothing is executed that came from outside; parsers are fuzzed",
        &[],
    ),
    paragraph(
        "164.308(a)(5)(ii)(C)",
        "A",
        "log-in monitoring",
        "failed log-ins are rows, counted, slowed and shut",
        &["AUD-04", "SEC-18"],
    ),
    paragraph(
        "164.308(a)(5)(ii)(D)",
        "A",
        "passwords",
        "argon2id, length and a list of the guessed, a second factor",
        &["SEC-06", "SEC-18"],
    ),
    paragraph(
        "164.308(a)(6)(i)",
        "R",
        "incidents",
        "incident open, stage, scope, close",
        &["ADM-11"],
    ),
    paragraph(
        "164.308(a)(6)(ii)",
        "R",
        "response and report",
        "clocks from the agreement, 60 and 30 days; people counted from the book",
        &["ADM-09", "ADM-10"],
    ),
    paragraph(
        "164.308(a)(7)(i)",
        "R",
        "emergencies",
        "whatever is broken, the number is answered",
        &["ESC-12"],
    ),
    paragraph(
        "164.308(a)(7)(ii)(A)",
        "R",
        "backup",
        "the data folder is ciphertext and can be copied as it is; keys apart",
        &["SEC-05", "RET-06"],
    ),
    paragraph(
        "164.308(a)(7)(ii)(B)",
        "R",
        "recovery",
        "restore from a copy and the keys",
        &["SEC-05"],
    ),
    paragraph(
        "164.308(a)(7)(ii)(C)",
        "R",
        "emergency mode",
        "calls are answered and doctors rung without disk, book or network behind",
        &["ESC-12"],
    ),
    paragraph(
        "164.308(a)(7)(ii)(D)",
        "A",
        "testing of it",
        "the tests named here",
        &["SEC-05"],
    ),
    paragraph("164.308(a)(7)(ii)(E)", "A", "criticality", YOURS, &[]),
    paragraph("164.308(a)(8)", "R", "evaluation", "this pack", &[]),
    paragraph(
        "164.308(b)(1)",
        "R",
        "business associates",
        "no practice without an agreement, no service without one that carries anything of a patient",
        &["ADM-01", "ADM-03"],
    ),
    paragraph(
        "164.308(b)(3)",
        "R",
        "in writing",
        "parties, date, scope, use, safeguards, breach days, end, and the hash of the paper",
        &["ADM-02"],
    ),
    paragraph("164.310(a)(1)", "R", "facility access", YOURS, &[]),
    paragraph("164.310(a)(2)(i)", "A", "contingency operations", YOURS, &[]),
    paragraph("164.310(a)(2)(ii)", "A", "facility security plan", YOURS, &[]),
    paragraph("164.310(a)(2)(iii)", "A", "access control and validation", YOURS, &[]),
    paragraph("164.310(a)(2)(iv)", "A", "maintenance records", YOURS, &[]),
    paragraph(
        "164.310(b)",
        "R",
        "workstation use",
        "nothing of a patient in logs, notices or on a terminal that nobody asked for",
        &["SEC-13"],
    ),
    paragraph("164.310(c)", "R", "workstation security", "sessions end", &["SEC-08"]),
    paragraph(
        "164.310(d)(1)",
        "R",
        "devices and media",
        "a lost disk tells nothing",
        &["SEC-12"],
    ),
    paragraph(
        "164.310(d)(2)(i)",
        "R",
        "disposal",
        "keys are destroyed, and a certificate says so",
        &["RET-02"],
    ),
    paragraph("164.310(d)(2)(ii)", "R", "re-use of media", "the same", &["RET-02"]),
    paragraph("164.310(d)(2)(iii)", "A", "accountability", YOURS, &[]),
    paragraph(
        "164.310(d)(2)(iv)",
        "A",
        "copy before a move",
        "the data folder is ciphertext and can be copied as it is",
        &["RET-06"],
    ),
    paragraph(
        "164.312(a)(1)",
        "R",
        "access control",
        "authorize() decides and writes the row first",
        &["SEC-07", "AUD-04"],
    ),
    paragraph(
        "164.312(a)(2)(i)",
        "R",
        "unique users",
        "named people; a name is never used twice",
        &["SEC-06", "SEC-18"],
    ),
    paragraph(
        "164.312(a)(2)(ii)",
        "R",
        "emergency access",
        "break-glass: reason, an hour, an alarm, a review",
        &["AUD-04"],
    ),
    paragraph(
        "164.312(a)(2)(iii)",
        "A",
        "automatic logoff",
        "15 minutes idle, 12 hours in all, on the server's side",
        &["SEC-08"],
    ),
    paragraph(
        "164.312(a)(2)(iv)",
        "A",
        "encryption",
        "AES-256-GCM; keys apart from the data",
        &["SEC-01", "SEC-11", "SEC-14"],
    ),
    paragraph(
        "164.312(b)",
        "R",
        "audit controls",
        "no audit, no access: the row is on the disk before the answer",
        &["AUD-01", "AUD-03", "AUD-04"],
    ),
    paragraph(
        "164.312(c)(1)",
        "R",
        "integrity",
        "each stored thing's hash is in a signed chain",
        &["SEC-17"],
    ),
    paragraph(
        "164.312(c)(2)",
        "A",
        "authentication of what is stored",
        "AEAD on every chunk and row",
        &["SEC-17"],
    ),
    paragraph(
        "164.312(d)",
        "R",
        "authentication of people",
        "password and second factor, lockout",
        &["SEC-06"],
    ),
    paragraph(
        "164.312(e)(1)",
        "R",
        "transmission",
        "TLS and SRTP",
        &["SEC-02", "SEC-03"],
    ),
    paragraph(
        "164.312(e)(2)(i)",
        "A",
        "integrity in transit",
        "the same",
        &["SEC-02", "SEC-03"],
    ),
    paragraph(
        "164.312(e)(2)(ii)",
        "A",
        "encryption in transit",
        "the same; a clear call says so in its record",
        &["SEC-02", "SEC-03"],
    ),
    paragraph("164.314(a)(1)", "R", "contracts", "agreements", &["ADM-01", "ADM-02"]),
    paragraph(
        "164.314(a)(2)",
        "R",
        "what they say",
        "agreements; incidents run by their days",
        &["ADM-02", "ADM-09"],
    ),
    paragraph("164.314(b)", "R", "group health plans", "the product is none", &[]),
    paragraph("164.316(a)", "R", "policies", YOURS, &[]),
    paragraph(
        "164.316(b)(1)",
        "R",
        "documentation",
        "flows, releases, signatures and agreements are kept, and each call names its release",
        &["AUD-10"],
    ),
    paragraph(
        "164.316(b)(2)(i)",
        "R",
        "six years",
        "the audit trail is never kept for less",
        &["RET-01", "RET-07"],
    ),
    paragraph(
        "164.316(b)(2)(ii)",
        "R",
        "available",
        "audit search and export",
        &["AUD-06"],
    ),
    paragraph(
        "164.316(b)(2)(iii)",
        "R",
        "updates",
        "each release is reviewed, signed and kept",
        &["AUD-04"],
    ),
];

/// How a test ended.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Ended {
    Passed,
    Failed,
    NotRun,
}

#[derive(Serialize)]
struct Shown {
    promise: String,
    test: String,
    ended: Ended,
}

#[derive(Serialize)]
struct Line {
    cite: &'static str,
    kind: &'static str,
    asks: &'static str,
    control: &'static str,
    shown_by: Vec<Shown>,
    /// SHA-256 of everything in this line, as JSON with this field empty.
    sha256: String,
}

#[derive(Serialize)]
struct Whole {
    program: &'static str,
    results_sha256: Option<String>,
    results_at: Option<String>,
    lines: Vec<Line>,
    /// SHA-256 of the hashes of all lines, in order.
    sha256: String,
}

/// Writes the pack.
pub(crate) fn pack(pack: &Pack) -> Result<(), Failure> {
    let report = pack.results.as_deref().map(read).transpose()?;
    let ended = report.as_deref().map(results).transpose()?.unwrap_or_default();
    let promises = promises(TABLE);
    let mut lines = Vec::new();
    for paragraph in RULE {
        let mut shown_by = Vec::new();
        for promise in paragraph.promises {
            for test in promises.get(promise).into_iter().flatten() {
                let name = test.rsplit(' ').next().unwrap_or_default();
                shown_by.push(Shown {
                    promise: (*promise).to_owned(),
                    test: test.clone(),
                    ended: ended.get(name).copied().unwrap_or(Ended::NotRun),
                });
            }
        }
        let mut line = Line {
            cite: paragraph.cite,
            kind: paragraph.kind,
            asks: paragraph.asks,
            control: paragraph.control,
            shown_by,
            sha256: String::new(),
        };
        line.sha256 = hash(&json(&line)?);
        lines.push(line);
    }
    let all: String = lines.iter().map(|line| line.sha256.as_str()).collect();
    let whole = Whole {
        program: concat!("nightdesk ", env!("CARGO_PKG_VERSION")),
        results_sha256: report.as_deref().map(hash),
        results_at: pack.results.as_deref().and_then(written),
        lines,
        sha256: hash(&all),
    };
    std::fs::create_dir_all(&pack.out).map_err(Failure::file(&pack.out))?;
    for (name, text) in [("evidence.json", json(&whole)?), ("evidence.md", page(&whole))] {
        let path = pack.out.join(name);
        std::fs::write(&path, text).map_err(Failure::file(&path))?;
    }
    let count = |what: Ended| {
        whole
            .lines
            .iter()
            .flat_map(|line| &line.shown_by)
            .filter(|shown| shown.ended == what)
            .count()
    };
    out!(
        "{} paragraphs, {} tests passed, {} failed, {} not run; {}",
        whole.lines.len(),
        count(Ended::Passed),
        count(Ended::Failed),
        count(Ended::NotRun),
        pack.out.join("evidence.md").display()
    );
    if count(Ended::Failed) > 0 {
        return Err(Failure::new(
            "a test that stands for a paragraph failed",
            "read evidence.md, mend what it names, and run make test again",
        ));
    }
    Ok(())
}

fn page(whole: &Whole) -> String {
    let mut page = format!(
        "# Security Rule, 45 CFR 164.308 to 164.316\n\n{}; results of {}, SHA-256 {}; this pack: SHA-256 {}\n\n\
         | paragraph | | asks | what stands for it | shown by | hash |\n|---|---|---|---|---|---|\n",
        whole.program,
        whole.results_at.as_deref().unwrap_or("no run"),
        whole.results_sha256.as_deref().unwrap_or("none"),
        whole.sha256
    );
    for line in &whole.lines {
        let shown: Vec<String> = line
            .shown_by
            .iter()
            .map(|shown| {
                let ended = match shown.ended {
                    Ended::Passed => "passed",
                    Ended::Failed => "FAILED",
                    Ended::NotRun => "not run",
                };
                format!("{} {}: {ended}", shown.promise, shown.test)
            })
            .collect();
        let _ = writeln!(
            page,
            "| {} | {} | {} | {} | {} | {} |",
            line.cite,
            line.kind,
            line.asks,
            line.control,
            shown.join("<br>"),
            line.sha256.get(..16).unwrap_or_default()
        );
    }
    page
}

/// The tests of each promise, as the table names them.
fn promises(table: &str) -> BTreeMap<&str, Vec<String>> {
    let rows = table.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| ")?.split(" | ");
        let (id, _, tests) = (cells.next()?, cells.next()?, cells.next()?);
        let tests = tests.trim_end_matches(" |").split("<br>");
        Some((
            id,
            tests.filter(|test| test.starts_with('`')).map(str::to_owned).collect(),
        ))
    });
    rows.collect()
}

fn read(path: &Path) -> Result<String, Failure> {
    let about = std::fs::metadata(path).map_err(Failure::file(path))?;
    if about.len() > REPORT_BYTES_MAX {
        return Err(Failure::new(
            format!("{} is no report of a test run: it is too large", path.display()),
            "name target/nextest/default/junit.xml, which make test leaves",
        ));
    }
    std::fs::read_to_string(path).map_err(Failure::file(path))
}

/// How each test ended, by its own name; one that failed anywhere failed.
fn results(report: &str) -> Result<BTreeMap<String, Ended>, Failure> {
    let document = roxmltree::Document::parse(report).map_err(|fault| {
        Failure::new(
            format!("the report of the test run cannot be read: {fault}"),
            "name target/nextest/default/junit.xml, which make test leaves",
        )
    })?;
    let mut out = BTreeMap::new();
    for case in document.descendants().filter(|node| node.has_tag_name("testcase")) {
        let Some(name) = case.attribute("name").and_then(|name| name.rsplit("::").next()) else {
            continue;
        };
        let failed = case
            .children()
            .any(|child| child.has_tag_name("failure") || child.has_tag_name("error"));
        let ended = if failed { Ended::Failed } else { Ended::Passed };
        let entry = out.entry(name.to_owned()).or_insert(ended);
        if failed {
            *entry = ended;
        }
    }
    Ok(out)
}

fn written(path: &Path) -> Option<String> {
    let at = std::fs::metadata(path).ok()?.modified().ok()?;
    Some(format!("{:.0}", jiff::Timestamp::try_from(at).ok()?))
}

fn json(what: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string_pretty(what).map_err(|fault| Failure::new(fault.to_string(), "this is a fault of ours"))
}

fn hash(text: &str) -> String {
    seal::keys::hex(&seal::hash(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_promise_that_stands_for_a_paragraph_is_in_the_table() {
        let promises = promises(TABLE);
        for paragraph in RULE {
            for promise in paragraph.promises {
                assert!(promises.contains_key(promise), "{}: {promise}", paragraph.cite);
            }
        }
    }

    #[test]
    fn each_standard_of_the_rule_is_there() {
        for standard in [
            "164.308(a)(1)",
            "164.308(a)(8)",
            "164.308(b)",
            "164.310(d)",
            "164.312(e)",
            "164.314(a)",
            "164.316(b)",
        ] {
            assert!(
                RULE.iter().any(|paragraph| paragraph.cite.starts_with(standard)),
                "{standard}"
            );
        }
    }

    #[test]
    fn a_failure_anywhere_is_a_failure() {
        let report = r#"<testsuites><testsuite name="a"><testcase name="one::passes"/><testcase name="twice"><failure/></testcase></testsuite>
            <testsuite name="b"><testcase name="twice"/></testsuite></testsuites>"#;
        let ended = results(report).expect("a report");
        assert!(ended["passes"] == Ended::Passed && ended["twice"] == Ended::Failed);
        assert!(results("<a>").is_err());
    }
}
