//! Everything the language has, and the test that shows it, as one table: `crates/flow/INVENTORY.md`.
//!
//! `INVENTORY=write cargo nextest run -p flow inventory` writes the table anew. What there is to show comes from the
//! language's own tables (rules, verbs, settings, details, scenario words), from the list of commands, and from the
//! specification where the code has no list (§5, §6, §13). What shows it stands in `inventory/shown.rs`. A thing that
//! nothing shows is a failure; so is a test that is not there, a proof of nothing, and a table that is not up to date.
#![allow(clippy::disallowed_methods, reason = "a test reads the files it is about")]
#![allow(
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper of tests fails as a test does"
)]

#[path = "inventory/shown.rs"]
mod shown;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use flow::manual::{self, Entry, Holds, Name, Takes};
use flow::rehearse::{Suite, solo};
use flow::{Field, Fill, Folder, Note, RULES, Severity, compile};
use shown::{FILES, SHOWN};

/// §13, as it is written there.
const SPECIFICATION: &str = "S001 E S002 E S003 E S004 E S005 E S006 E S007 E S008 E S009 E S010 W S011 E S012 E S013 E \
    S014 W S015 E S016 W C001 E C002 E C003 E C004 W C005 W C006 W C007 E C008 E C009 W C010 E C011 W P001 E P002 W P003 E \
    P004 E P005 E P006 E P007 W P008 E F001 E F002 E F003 E F004 E F005 W F006 E F007 E F008 W F009 E F010 W F011 E F012 E \
    U001 W U002 W U003 W U004 A U005 A U006 W T001 E";

/// The conditions of §6: facts, things, operators.
const CONDITIONS: [&str; 28] = [
    "the office is open",
    "the office is closed",
    "today is a holiday",
    "it is lunch time",
    "nobody is on call",
    "records are down",
    "recording is allowed",
    "this number called in the last hour",
    "language",
    "line called",
    "time",
    "day",
    "caller state",
    "age group, or any remembered name",
    "patient age",
    "is",
    "is not",
    "is one of",
    "is under",
    "is over",
    "is at least",
    "is at most",
    "is between … and …",
    "is known",
    "is unknown",
    "… and …",
    "an amount with its unit",
    "an unknown value is no",
];

/// What goes wrong, and what is done about it (§5), with every override; then what §18 taught.
const EVENTS: [&str; 22] = [
    "no key in the wait: said again, shorter the second time",
    "no key: `every question: wait` and `ask again` decide how long and how often",
    "a question's own `if no answer`",
    "wrong key: sorry, and the question again",
    "still nothing after `ask again`: `every question: then`",
    "silence inside triage: the protocol's `if an answer is unclear`",
    "the quiet-caller rule: no details, the calling number, escalate",
    "0 pressed: the `press 0` section",
    "star pressed: hear it again",
    "hang-up while collecting: delivered, marked cut off",
    "hang-up while escalating: the ladder goes on",
    "hang-up while escalating: `stop`",
    "speech fails: what was cached or recorded is heard",
    "disk full: the safety net",
    "database down: the safety net",
    "records down: a person will call",
    "internet down: nothing a caller hears",
    "a bug in a verb: the safety net",
    "everything broken: the safety net, compiled and its audio ready",
    "step budget (200): one warning, then the safety net",
    "60 minutes: one warning, then the safety net",
    "a section that runs out: the safety net",
];

/// What stands in files that have no settings: there is no table of them, since their names are the author's sentences.
const OF_WORDS: [&str; 13] = [
    "a translation file: an English sentence, a colon, its translation",
    "a translation that is missing",
    "a translation that nobody asks for",
    "a translation with other fill-ins than its sentence",
    "`words/`: a recording is of one sentence, by its name or a line of `index.txt`",
    "`words/`: a recording is not heard once its sentence has changed",
    "the booth's script (`flow words export`) and its takes",
    "`on-call.txt`: `zone:`",
    "`on-call.txt`: role, person, from, until",
    "`on-call.txt`: `every Monday to Friday 17:00 | 08:00`",
    "`on-call.txt`: `turns of 7 days from …`",
    "`on-call.txt`: `cover`",
    "`on-call.txt`: a line that cannot be read",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn text(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).unwrap_or_default()
}

/// The names in a folder, in order.
fn names(folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(root().join(folder)).expect("the folder is there");
    let mut names: Vec<String> = entries
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// What the table says, and what is wrong with it.
#[derive(Default)]
struct Table {
    text: String,
    wrong: Vec<String>,
    used: BTreeSet<&'static str>,
    read: BTreeMap<String, String>,
}

impl Table {
    fn heading(&mut self, title: &str, columns: &str) {
        let lines: String = columns.split('|').map(|_| "|---").collect();
        // A String takes whatever is written to it.
        let _ = write!(self.text, "\n## {title}\n\n| {columns} |\n{lines}|\n");
    }

    /// A row with what shows it.
    fn row(&mut self, what: &str) {
        let shown = self.shown(what);
        let _ = writeln!(self.text, "| {what} | {shown} |");
    }

    fn shown(&mut self, what: &str) -> String {
        let Some((key, proofs)) = SHOWN.iter().find(|(key, _)| *key == what) else {
            self.wrong.push(format!("nothing shows `{what}`"));
            return String::new();
        };
        self.used.insert(key);
        let each: Vec<&str> = proofs.split(" + ").collect();
        for proof in &each {
            if let Err(why) = self.is_there(proof) {
                self.wrong.push(format!("`{what}`: {why}"));
            }
        }
        each.join("; ")
    }

    /// `run: a_test` is a test function of the file called `run`; `cedar: A fever …` is one of its scenarios.
    fn is_there(&mut self, proof: &str) -> Result<(), String> {
        let (short, name) = proof
            .split_once(": ")
            .ok_or_else(|| format!("`{proof}` names no file"))?;
        let (_, file) = FILES
            .iter()
            .find(|(known, _)| *known == short)
            .ok_or_else(|| format!("no file is called `{short}`"))?;
        let text = self.read.entry((*file).to_owned()).or_insert_with(|| text(file));
        let there = if file.ends_with(".rs") {
            is_a_test(text, name)
        } else {
            let suite = Suite::parse(file, text).0;
            suite.is_some_and(|suite| suite.scenarios.iter().any(|scenario| scenario.name == name))
        };
        if there {
            Ok(())
        } else {
            Err(format!("{file} has no `{name}`"))
        }
    }
}

/// A function of that name that a test runner runs.
fn is_a_test(text: &str, name: &str) -> bool {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    lines.iter().enumerate().any(|(at, line)| {
        line.split_once("fn ")
            .is_some_and(|(_, rest)| rest.strip_prefix(name).is_some_and(|rest| rest.starts_with('(')))
            && lines
                .get(..at)
                .into_iter()
                .flatten()
                .rev()
                .take_while(|before| before.starts_with("#[") || before.starts_with("///"))
                .any(|before| before.starts_with("#[test") || before.starts_with("#[tokio::test"))
    })
}

#[test]
fn inventory() {
    let mut table = Table::default();
    table.text.push_str(
        "# What the language holds, and what shows it\n\nWritten by `INVENTORY=write cargo nextest run -p flow inventory`; do not edit.\n\
         What shows a thing is a test (`name_of_the_test`) or a scenario (a sentence) of one of these files:\n\n| | file |\n|---|---|\n",
    );
    for (short, file) in FILES {
        let _ = writeln!(table.text, "| {short} | `{file}` |");
    }
    rules(&mut table);
    table.heading("Verbs, and what may stand beside them (§4)", "verb | shown by");
    for verb in manual::VERBS {
        table.row(verb.name);
        if let (true, Some(Holds::One(Takes::OneOf(these)) | Holds::List(Takes::OneOf(these)))) =
            (verb.name != "take refill", verb.after)
        {
            these.iter().for_each(|one| table.row(&format!("{}: {one}", verb.name)));
        }
        entries(&mut table, verb.name, verb.beside);
    }
    table.row(manual::IF.written().as_str());
    table.heading("When things go wrong (§5)", "event | shown by");
    EVENTS.iter().for_each(|event| table.row(event));
    table.heading("Conditions (§6)", "condition | shown by");
    CONDITIONS.iter().for_each(|condition| table.row(condition));
    table.heading("Details callers are asked for (§8)", "detail | shown by");
    for field in Field::ALL {
        table.row(&format!("{} ({})", field.name(), field.class().name()));
    }
    table.heading("Fill-ins (§8)", "fill-in | shown by");
    table.row("{practice}");
    for fill in Fill::ALL {
        table.row(&format!("{{{}}}", fill.name()));
    }
    for (title, file) in [
        ("What a flow says beside its steps (§3, §5, §10)", manual::FLOW),
        ("What a protocol says (§7)", manual::PROTOCOL),
        ("What a shared piece says (§4)", manual::SHARED),
        ("What a practice says (§3, §9)", manual::PRACTICE),
        ("What a scenario says (§12)", manual::TESTS),
    ] {
        table.heading(title, "setting | shown by");
        let whose = file.first().map_or(String::new(), Entry::written);
        entries(&mut table, &format!("({whose})"), file);
    }
    table.heading(
        "Files that hold sentences, takes or shifts (§3, §8, §9)",
        "what | shown by",
    );
    OF_WORDS.iter().for_each(|what| table.row(what));
    commands(&mut table);
    each_verb_is_come_to(&mut table);
    let unused = SHOWN
        .iter()
        .map(|(key, _)| *key)
        .filter(|key| !table.used.contains(key));
    let mut wrong = std::mem::take(&mut table.wrong);
    wrong.extend(unused.map(|key| format!("`{key}` is shown, and is nothing of the language")));
    let idle = FILES.iter().filter(|(_, file)| !table.read.contains_key(*file));
    wrong.extend(idle.map(|(short, _)| format!("nothing is shown by `{short}`")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("INVENTORY.md");
    if std::env::var_os("INVENTORY").is_some() {
        std::fs::write(&path, &table.text).expect("the table can be written");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == table.text,
        "write the table anew: INVENTORY=write cargo nextest run -p flow inventory"
    );
}

/// Every rule with its severity, where it lives, and its wrong and right writings.
fn rules(table: &mut Table) {
    let (bad, good) = (names("fixtures/flows/bad"), names("fixtures/flows/good"));
    let specified: Vec<&str> = SPECIFICATION.split_whitespace().collect();
    let specified: BTreeMap<&str, &str> = specified
        .chunks_exact(2)
        .filter_map(|pair| Some((*pair.first()?, *pair.get(1)?)))
        .collect();
    let sources = [
        "source.rs",
        "compile.rs",
        "verb.rs",
        "parse.rs",
        "parse/settings.rs",
        "parse/translations.rs",
        "parse/shared.rs",
        "rehearse/broken.rs",
        "rehearse/suite.rs",
    ];
    table.heading(
        "Rules (§13, and those of reading and proof)",
        "rule | | says | lives in | wrong | right",
    );
    for rule in RULES {
        let letter = match (rule.severity, rule.blocks_release) {
            (Severity::Error, _) => "E",
            (Severity::Warning, true) => "W, E at the release",
            (Severity::Warning, false) => "W",
            (Severity::Advice, _) => "A",
        };
        let asked = specified.get(rule.code);
        // What §13 forbids and a laboratory may still run is told there and refused by the release.
        let agrees = |asked: &&str| letter == *asked || (*asked == "E" && rule.blocks_release);
        if !asked.is_none_or(agrees) {
            table.wrong.push(format!("{} is {letter}, not {asked:?}", rule.code));
        }
        let own = format!("check/{}.rs", rule.code.to_lowercase());
        let lives = if text(&format!("crates/flow/src/{own}")).contains(&format!("\"{}\"", rule.code)) {
            own
        } else {
            let said = format!("\"{}\"", rule.code);
            let found = sources
                .iter()
                .find(|file| text(&format!("crates/flow/src/{file}")).contains(&said));
            if asked.is_some() || found.is_none() {
                table.wrong.push(format!("{} has no file of its own", rule.code));
            }
            (*found.unwrap_or(&"")).to_owned()
        };
        let prefix = format!("{}-", rule.code);
        let of = |all: &[String]| -> Vec<String> {
            let own = all.iter().filter_map(|name| name.strip_prefix(&prefix));
            own.map(|rest| format!("`{rest}`")).collect()
        };
        let (mut wrong, mut right) = (of(&bad), of(&good));
        if rule.code.starts_with('T') {
            // No file is wrong: a scenario is missing or fails, or none does.
            wrong = vec![table.shown(&format!("{} wrong", rule.code))];
            right = vec![table.shown(&format!("{} right", rule.code))];
        }
        if wrong.is_empty() || right.is_empty() {
            table
                .wrong
                .push(format!("{} lacks a wrong or a right writing", rule.code));
        }
        let _ = writeln!(
            table.text,
            "| {} | {letter} | {} | `{lives}` | {} | {} |",
            rule.code,
            rule.what.replace('|', "\\|"),
            wrong.join(", "),
            right.join(", ")
        );
    }
    for code in codes_in("crates/flow/src") {
        if RULES.iter().all(|rule| rule.code != code) {
            table.wrong.push(format!("{code} is told and is no rule of the list"));
        }
    }
    for code in specified
        .keys()
        .filter(|code| RULES.iter().all(|rule| rule.code != **code))
    {
        table.wrong.push(format!("{code} of §13 is not there"));
    }
}

/// Every code of a rule that stands between quotation marks in the sources of a folder.
fn codes_in(folder: &str) -> BTreeSet<String> {
    let is_code = |word: &&str| {
        word.len() == 4
            && word.starts_with(|first: char| first.is_ascii_uppercase())
            && word.bytes().skip(1).all(|octet| octet.is_ascii_digit())
    };
    let mut codes = BTreeSet::new();
    for name in names(folder) {
        let path = format!("{folder}/{name}");
        if name.ends_with(".rs") {
            codes.extend(text(&path).split('"').filter(is_code).map(str::to_owned));
        } else if root().join(&path).is_dir() {
            codes.extend(codes_in(&path));
        }
    }
    codes
}

/// Every setting, and every word it may be.
fn entries(table: &mut Table, whose: &str, all: &[Entry]) {
    for entry in all {
        let name = match entry.name {
            Name::Own(what) => format!("‹{what}›"),
            _ => entry.written(),
        };
        let path = format!("{whose} / {name}");
        let mut words = |these: &[&str]| these.iter().for_each(|one| table.row(&format!("{path}: {one}")));
        match entry.holds {
            // Which of the four levels it may be is C003's business.
            Holds::One(Takes::OneOf(["emergency", ..])) => table.row(&path),
            Holds::One(Takes::OneOf(these)) | Holds::List(Takes::OneOf(these)) => words(these),
            Holds::Map(more) | Holds::Maps(more) | Holds::Either(_, more) | Holds::Eithers(_, more) => {
                if let Holds::Eithers(Takes::OneOf(these), _) = entry.holds {
                    words(these);
                }
                entries(table, &path, more);
            }
            _ => table.row(&path),
        }
    }
}

/// Every subcommand of `nightdesk flow`, as its source lists them.
fn commands(table: &mut Table) {
    let source = text("crates/nightdesk/src/flows.rs");
    let listed = source.split_once("enum Flow {").map_or("", |(_, rest)| rest);
    let listed = listed.split("\n}\n").next().unwrap_or_default();
    let variants = listed
        .lines()
        .filter_map(|line| line.strip_prefix("    "))
        .filter(|line| line.starts_with(char::is_uppercase));
    let commands: BTreeSet<String> = variants
        .map(|line| {
            line.split(['(', ' ', ',', '{'])
                .next()
                .unwrap_or_default()
                .to_lowercase()
        })
        .collect();
    table.heading(
        "Commands of `nightdesk flow` (§11, §12, §14, issue 4)",
        "command | shown by",
    );
    let rows: Vec<&str> = SHOWN
        .iter()
        .map(|(key, _)| *key)
        .filter(|key| key.starts_with("flow "))
        .collect();
    for row in &rows {
        let command = row.split(' ').nth(1).unwrap_or_default();
        if !commands.contains(command) {
            table.wrong.push(format!("there is no command `{row}`"));
        }
        table.row(row);
    }
    for command in &commands {
        if !rows.iter().any(|row| row.split(' ').nth(1) == Some(command.as_str())) {
            table.wrong.push(format!("nothing shows `flow {command}`"));
        }
    }
}

/// A scenario that is said to show a verb comes to a section in which it stands.
fn each_verb_is_come_to(table: &mut Table) {
    const EVERYTHING: &str = "fixtures/flows/good/everything";
    let mut folder = Folder::default();
    for name in names(EVERYTHING) {
        folder.files.insert(name.clone(), text(&format!("{EVERYTHING}/{name}")));
    }
    let practice = compile(&folder).practice.expect("nothing is wrong with it");
    let written = folder.files.values().map(String::as_str).collect::<Vec<_>>().join("\n");
    let suite = Suite::parse("everything.tests.yaml", &folder.files["everything.tests.yaml"]).0;
    let suite = suite.expect("it has no slip");
    for verb in manual::VERBS {
        let step = format!("    - {}", verb.name);
        let mut section = "";
        let mut stands_in = BTreeSet::new();
        for line in written.lines() {
            if let Some(name) = line.strip_prefix("  ").filter(|name| !name.starts_with(' ')) {
                section = name.trim_end_matches(':');
            }
            if line
                .strip_prefix(&step)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
            {
                stands_in.insert(section.to_owned());
            }
        }
        let said = SHOWN
            .iter()
            .find(|(key, _)| *key == verb.name)
            .map_or("", |(_, proof)| proof);
        let Some(name) = said.strip_prefix("everything: ") else {
            continue;
        };
        let scenario = suite.scenarios.iter().find(|scenario| scenario.name == name);
        let comes_to = scenario.is_some_and(|scenario| {
            let notes = solo::play(&practice, &practice.flows[0], scenario).notes;
            notes
                .iter()
                .any(|note| matches!(note, Note::Section(name) if stands_in.contains(name)))
        });
        if !comes_to {
            table.wrong.push(format!("`{name}` does not come to `{}`", verb.name));
        }
    }
}
