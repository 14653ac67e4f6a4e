//! Rows of a book for somebody who has neither the book nor its keys, with what proves them (AUD-01, AUD-06).
//!
//! An [`Export`] is the rows as text, JSON or CSV. Its [`Proof`] is a second text: for every row the stretch of the chain from
//! the checkpoint before it to the checkpoint after it, each record sealed as it lies in the book, and the one key that
//! opens each shown record and no other. [`judge_export`] needs both texts and the public key: it walks each stretch, checks
//! the signature at its end, opens the shown records, and holds every word of the export against what it found. What the
//! stretch holds beside the shown rows stays sealed.
//!
//! ```text
//! nightdesk-proof 1
//! book NAME ID                   a part: the rows the export says are of this book, and the id that is under its signatures
//! stretch HEAD                   the chain before what follows
//! segment HEX | record HEX       as they lie in the book, one after the other; the last record is a checkpoint
//! open NUMBER KEY                a record of this stretch that is shown, and its key
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::Path;

use seal::keys::{hex, unhex};
use seal::{RecordKey, Verifier};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::book::{segment_path, segments};
use crate::format::{Class, Found, SEGMENT_HEADER, SegmentHeader, look};
use crate::{Fault, ReadKeys, Row};

/// Rows of one export: beyond it, export a shorter time.
pub const EXPORT_ROWS_MAX: usize = 100_000;
/// Octets of an export or proof that is judged.
pub const EXPORT_BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;

const FIRST_LINE: &str = "nightdesk-proof 1";
const COLUMNS: &str = "book,row,hash,at,class,kind,call,what";

/// A row as it is exported.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// The book's name: `book` for what happened, `readers` for who looked.
    pub book: String,
    /// Its number.
    pub row: u64,
    /// The chain up to and with it.
    pub hash: String,
    /// When it happened, RFC 3339.
    pub at: String,
    /// `fact` or `access`.
    pub class: String,
    /// What kind of fact.
    pub kind: String,
    /// The call it belongs to.
    pub call: Option<String>,
    /// The fact itself.
    pub what: Value,
}

impl Line {
    /// A row of the book called `book`.
    pub fn new(book: &str, row: &Row) -> Self {
        Self {
            book: book.to_owned(),
            row: row.position.sequence,
            hash: hex(&row.hash),
            at: at(row.at_ms),
            class: class(row.class).to_owned(),
            kind: row.kind.clone(),
            call: row.call.map(|call| hex(&call)),
            what: what(&row.body),
        }
    }
}

/// Lines as JSON: an array with a line for each.
pub fn to_json(lines: &[Line]) -> String {
    let lines = lines
        .iter()
        .map(|line| serde_json::to_string(line).expect("text keys and values that were JSON already"));
    format!("[\n{}\n]\n", lines.collect::<Vec<_>>().join(",\n"))
}

/// Lines as CSV (RFC 4180), with a first line of names.
pub fn to_csv(lines: &[Line]) -> String {
    let mut out = format!("{COLUMNS}\r\n");
    for line in lines {
        let what = line.what.to_string();
        let row = line.row.to_string();
        let call = line.call.clone().unwrap_or_default();
        let cells = [
            &line.book,
            &row,
            &line.hash,
            &line.at,
            &line.class,
            &line.kind,
            &call,
            &what,
        ];
        let cells = cells.map(|cell| format!("\"{}\"", cell.replace('"', "\"\"")));
        out.push_str(&cells.join(","));
        out.push_str("\r\n");
    }
    out
}

/// Reads what [`to_json`] or [`to_csv`] wrote; the error says where it is something else.
pub fn from_text(text: &str) -> Result<Vec<Line>, String> {
    if text.trim_start().starts_with('[') {
        return serde_json::from_str(text).map_err(|fault| format!("line {}: no row of an export", fault.line()));
    }
    let mut records = csv(text)?.into_iter();
    if records.next().map(|names| names.join(",")).as_deref() != Some(COLUMNS) {
        return Err("neither an export in JSON nor one in CSV".to_owned());
    }
    records
        .enumerate()
        .map(|(number, cells)| {
            let bad = || format!("row {}: no row of an export", number + 1);
            let [book, row, hash, at, class, kind, call, what] = <[String; 8]>::try_from(cells).map_err(|_| bad())?;
            Ok(Line {
                book,
                row: row.parse().map_err(|_| bad())?,
                hash,
                at,
                class,
                kind,
                call: (!call.is_empty()).then_some(call),
                what: serde_json::from_str(&what).map_err(|_| bad())?,
            })
        })
        .collect()
}

/// What proves rows of one book.
#[derive(Default)]
pub struct Proof {
    text: String,
    /// Wanted rows under no signature yet: they are not proved, and must not be exported.
    pub unsigned: BTreeSet<u64>,
}

impl Proof {
    /// The start of a proof file.
    pub fn begin() -> String {
        format!("{FIRST_LINE}\n")
    }

    /// The part of a proof file about one book.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Collects the stretches of the book in `folder` that hold the rows `wanted`.
    pub fn of(name: &str, folder: &Path, keys: &ReadKeys, wanted: &BTreeSet<u64>) -> Result<Self, Fault> {
        let book = crate::verify::book_in(folder)?.unwrap_or_default();
        let mut proof = Self {
            text: format!("book {name} {}\n", hex(&book)),
            unsigned: BTreeSet::new(),
        };
        let mut open = wanted.iter().copied().peekable();
        let all = segments(folder)?;
        let mut stretch = Stretch::default();
        for (place, first) in all.iter().copied().enumerate() {
            // A stretch that began in the segment before may end here.
            let after = all.get(place + 1).copied().unwrap_or(u64::MAX);
            if stretch.open.is_empty() {
                match open.peek() {
                    None => break,
                    Some(wanted) if *wanted >= after => continue,
                    Some(_) => {}
                }
            }
            let bytes = fs::read(segment_path(folder, first)).map_err(Fault::disk("read a segment"))?;
            let tampered = |offset: usize, what| Fault::Tampered {
                segment: first,
                offset: offset as u64,
                what,
            };
            let start = bytes
                .first_chunk::<SEGMENT_HEADER>()
                .ok_or_else(|| tampered(0, "not a segment of a book"))?;
            let (header, mut head) = SegmentHeader::parse(start).map_err(|what| tampered(0, what))?;
            if stretch.open.is_empty() {
                stretch = Stretch::from(header.before);
            }
            stretch.push("segment", start);
            let mut keys = keys.segment(&header.salt);
            let mut at = SEGMENT_HEADER;
            while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
                let record = match look(rest, Some(&head)) {
                    Found::Record(record) if record.follows(&head) => record,
                    Found::Incomplete { .. } => break,
                    _ => return Err(tampered(at, "a row was changed")),
                };
                let before = head;
                head = record.head_after();
                at += record.bytes.len();
                stretch.push("record", record.bytes);
                if open.next_if_eq(&record.sequence).is_some() {
                    let key = keys.record(&record).ok_or(Fault::RefusedKey)?;
                    stretch.open.push((record.sequence, key));
                }
                if record.class == Some(Class::Checkpoint) {
                    stretch.write(&mut proof.text);
                    // The next one begins with this signature.
                    stretch = Stretch::from(before);
                    stretch.push("record", record.bytes);
                }
            }
        }
        proof.unsigned = stretch.open.iter().map(|(sequence, _)| *sequence).chain(open).collect();
        Ok(proof)
    }
}

#[derive(Default)]
struct Stretch {
    before: [u8; 32],
    pieces: String,
    open: Vec<(u64, RecordKey)>,
}

impl Stretch {
    fn from(before: [u8; 32]) -> Self {
        Self {
            before,
            ..Self::default()
        }
    }

    fn push(&mut self, what: &str, bytes: &[u8]) {
        self.pieces.push_str(&format!("{what} {}\n", hex(bytes)));
    }

    /// A stretch that shows nothing proves nothing, and is left out.
    fn write(self, out: &mut String) {
        if self.open.is_empty() {
            return;
        }
        out.push_str(&format!("stretch {}\n{}", hex(&self.before), self.pieces));
        for (sequence, key) in &self.open {
            out.push_str(&format!("open {sequence} {}\n", key.to_hex().as_str()));
        }
    }
}

/// What an export is worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JudgedExport {
    /// Rows shown.
    pub rows: usize,
    /// Stretches whose chain and signature were walked.
    pub stretches: usize,
    /// Rows that stand in the same stretches and are not shown.
    pub beside: u64,
    /// What is wrong, in the order in which it was found.
    pub findings: Vec<String>,
}

impl JudgedExport {
    /// Nothing is wrong, and there was something to judge.
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty() && self.rows > 0
    }
}

impl fmt::Display for JudgedExport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} rows shown, in {} signed stretches of the book; {} rows beside them stay sealed",
            self.rows, self.stretches, self.beside
        )?;
        for finding in self.findings.iter().take(crate::FINDINGS_MAX) {
            writeln!(f, "  {finding}")?;
        }
        if self.is_clean() {
            f.write_str("good: every row is what was written and signed")
        } else if self.rows == 0 && self.findings.is_empty() {
            f.write_str("nothing to judge: there is no row")
        } else {
            write!(f, "NOT what was written: {} findings", self.findings.len())
        }
    }
}

/// Judges an export by its proof and the book's public key. The error says why there is nothing to judge.
pub fn judge_export(export: &str, proof: &str, key: &Verifier) -> Result<JudgedExport, String> {
    let lines = from_text(export)?;
    let mut judged = JudgedExport {
        rows: lines.len(),
        stretches: 0,
        beside: 0,
        findings: Vec::new(),
    };
    let mut proved = BTreeMap::new();
    let mut text = proof.lines().enumerate().peekable();
    if text.next().map(|(_, line)| line) != Some(FIRST_LINE) {
        return Err("the second file is no proof of an export".to_owned());
    }
    let mut book = Named::default();
    while let Some((number, line)) = text.next() {
        let bad = || format!("line {} of the proof: not understood", number + 1);
        match line.split_once(' ').ok_or_else(bad)? {
            ("book", named) => {
                let (name, id) = named.split_once(' ').ok_or_else(bad)?;
                book = Named {
                    name: name.to_owned(),
                    id: unhex(id).ok_or_else(bad)?,
                };
            }
            ("stretch", head) => {
                let head = unhex(head).ok_or_else(bad)?;
                let mut pieces = Vec::new();
                let mut open = BTreeMap::new();
                while let Some((number, line)) = text.next_if(|(_, line)| {
                    ["segment ", "record ", "open "]
                        .iter()
                        .any(|start| line.starts_with(start))
                }) {
                    let bad = || format!("line {} of the proof: not understood", number + 1);
                    let (what, rest) = line.split_once(' ').ok_or_else(bad)?;
                    if what == "open" {
                        let (number, key) = rest.split_once(' ').ok_or_else(bad)?;
                        let number: u64 = number.parse().map_err(|_| bad())?;
                        open.insert(number, RecordKey::from_hex(key).ok_or_else(bad)?);
                    } else {
                        pieces.push((what == "segment", octets(rest).ok_or_else(bad)?));
                    }
                }
                judged.stretches += 1;
                let beside = walk(&book, head, &pieces, &open, key, &mut proved);
                match beside {
                    Ok(beside) => judged.beside += beside,
                    Err(what) => {
                        judged
                            .findings
                            .push(format!("{}, the stretch of line {}: {what}", book.name, number + 1))
                    }
                }
            }
            _ => return Err(bad()),
        }
    }
    let mut seen = BTreeSet::new();
    for line in &lines {
        let place = (line.book.clone(), line.row);
        let wrong = match proved.get(&place) {
            None => Some("no signed stretch holds it".to_owned()),
            Some(_) if !seen.insert(place) => Some("shown twice".to_owned()),
            Some(written) if written != line => Some(differs(written, line)),
            Some(_) => None,
        };
        judged
            .findings
            .extend(wrong.map(|what| format!("{}, row {}: {what}", line.book, line.row)));
    }
    let left_out = proved.keys().filter(|place| !seen.contains(place));
    judged
        .findings
        .extend(left_out.map(|(book, row)| format!("{book}, row {row}: proved, and taken out of the export")));
    Ok(judged)
}

/// The book a part of a proof is about.
#[derive(Default)]
struct Named {
    name: String,
    id: [u8; 16],
}

/// Walks one stretch; says how many of its rows are not shown.
fn walk(
    book: &Named,
    before: [u8; 32],
    pieces: &[(bool, Vec<u8>)],
    open: &BTreeMap<u64, RecordKey>,
    key: &Verifier,
    proved: &mut BTreeMap<(String, u64), Line>,
) -> Result<u64, String> {
    let mut head = before;
    let mut expected = None;
    let mut found = Vec::new();
    let mut beside = 0;
    let mut signed = false;
    for (is_segment, bytes) in pieces {
        signed = false;
        if *is_segment {
            let start = bytes
                .as_slice()
                .try_into()
                .map_err(|_| "a segment's head of another length")?;
            let (header, after) = SegmentHeader::parse(start)?;
            if header.book != book.id
                || header.before != head
                || expected.is_some_and(|expected| expected != header.first)
            {
                return Err("a segment does not go on where the one before ended".to_owned());
            }
            head = after;
            expected = Some(header.first);
            continue;
        }
        let record = match look(bytes, Some(&head)) {
            Found::Record(record) if record.bytes.len() == bytes.len() && record.follows(&head) => record,
            _ => return Err("a row does not follow the one before it".to_owned()),
        };
        if expected.is_some_and(|expected| expected != record.sequence) {
            return Err(format!("row {} stands where another belongs", record.sequence));
        }
        expected = Some(record.sequence.saturating_add(1));
        if record.class == Some(Class::Checkpoint) {
            signed = record.signed(book.id, &head, key);
            if !signed {
                return Err(format!("checkpoint {} is not signed by this key", record.sequence));
            }
        } else if let Some(key) = open.get(&record.sequence) {
            let (kind, body) = record
                .open_with(key)
                .ok_or_else(|| format!("row {} is not opened by the key shown for it", record.sequence))?;
            found.push(Line {
                book: book.name.clone(),
                row: record.sequence,
                hash: hex(&record.head_after()),
                at: at(record.at_ms),
                class: record.class.map_or("", class).to_owned(),
                kind,
                call: record.call.map(|call| hex(&call)),
                what: what(&body),
            });
        } else {
            beside += 1;
        }
        head = record.head_after();
    }
    if !signed {
        return Err("it does not end in a checkpoint".to_owned());
    }
    if found.len() != open.len() {
        return Err("a key is shown for a row that is not in it".to_owned());
    }
    proved.extend(found.into_iter().map(|line| ((line.book.clone(), line.row), line)));
    Ok(beside)
}

fn differs(written: &Line, shown: &Line) -> String {
    let columns = [
        ("hash", written.hash != shown.hash),
        ("at", written.at != shown.at),
        ("class", written.class != shown.class),
        ("kind", written.kind != shown.kind),
        ("call", written.call != shown.call),
        ("what", written.what != shown.what),
    ];
    let changed = columns.iter().filter(|(_, changed)| *changed).map(|(name, _)| *name);
    format!(
        "changed: {} is not what was written",
        changed.collect::<Vec<_>>().join(", ")
    )
}

fn class(class: Class) -> &'static str {
    match class {
        Class::Fact => "fact",
        Class::Access => "access",
        Class::Checkpoint => "checkpoint",
    }
}

fn at(at_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(at_ms).map_or_else(|_| at_ms.to_string(), |at| at.to_string())
}

/// A body as JSON: what it is when it is JSON, its text otherwise, its octets when it is no text.
fn what(body: &[u8]) -> Value {
    serde_json::from_slice(body)
        .unwrap_or_else(|_| Value::String(std::str::from_utf8(body).map_or_else(|_| hex(body), str::to_owned)))
}

fn octets(digits: &str) -> Option<Vec<u8>> {
    let (pairs, []) = digits.as_bytes().as_chunks::<2>() else {
        return None;
    };
    let nibble = |digit: u8| char::from(digit).to_digit(16);
    pairs
        .iter()
        .map(|[high, low]| u8::try_from(nibble(*high)? * 16 + nibble(*low)?).ok())
        .collect()
}

/// Records of RFC 4180 text.
fn csv(text: &str) -> Result<Vec<Vec<String>>, String> {
    let mut records = vec![Vec::new()];
    let mut cell = String::new();
    let mut quoted = false;
    let mut letters = text.chars().peekable();
    let end = |records: &mut Vec<Vec<String>>, cell: &mut String| {
        if let Some(last) = records.last_mut() {
            last.push(std::mem::take(cell));
        }
    };
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.next_if_eq(&'"').is_some() => cell.push('"'),
            '"' => quoted = !quoted,
            ',' if !quoted => end(&mut records, &mut cell),
            '\r' if !quoted => {}
            '\n' if !quoted => {
                end(&mut records, &mut cell);
                records.push(Vec::new());
            }
            other => cell.push(other),
        }
    }
    if quoted {
        return Err("a cell has no end".to_owned());
    }
    if !cell.is_empty() {
        end(&mut records, &mut cell);
    }
    records.retain(|record| !record.is_empty());
    Ok(records)
}
