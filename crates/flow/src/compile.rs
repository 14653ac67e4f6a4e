//! A folder of text → a practice that can run, beside everything that is wrong with it.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::Date;

use crate::approval::Approvable;
use crate::check;
use crate::diagnostic::{Diagnostic, Place, sort};
use crate::model::Practice;
use crate::parse::flow::{Around, flow};
use crate::parse::practice::practice;
use crate::parse::shared::{expanded, is_shared};
use crate::parse::translations::{Translations, language_of};
use crate::recording::SoundFile;
use crate::source::{self, Node};

/// The files of one practice, as the shell read them.
#[derive(Clone, Debug, Default)]
pub struct Folder {
    /// Name to text: `practice.yaml`, `*.flow.yaml`, `*.protocol.yaml`, `*.shared.yaml`, `*.<lang>.yaml`.
    /// Others are left alone.
    pub files: BTreeMap<String, String>,
    /// The sound files in `words/` by name, for the rules on recordings; `None` where nobody has looked. Their list
    /// stands among the files as `words/index.txt`.
    pub recordings: Option<BTreeMap<String, SoundFile>>,
}

/// What a folder came to.
#[derive(Clone, Debug, Default)]
pub struct Compiled {
    /// The practice; `None` when anything is an error. A running practice then keeps its release.
    pub practice: Option<Arc<Practice>>,
    /// Everything there is to say, file by file, from top to bottom.
    pub diagnostics: Vec<Diagnostic>,
    /// What a clinician signs, file by file.
    pub approvals: Vec<Approvable>,
}

/// Reads, checks and compiles a folder. Nothing is overdue here, because only the shell knows the date: an approval that
/// ran out last night must not take a practice off the air at the next restart.
pub fn compile(folder: &Folder) -> Compiled {
    compile_on(folder, None)
}

/// The same on a known day, for `flow check` and the release gate: an approval past its review is an error (C001).
pub fn compile_on(folder: &Folder, today: Option<Date>) -> Compiled {
    let mut out = Vec::new();
    let mut approvals = Vec::new();
    let practice = read(folder, today, &mut out, &mut approvals);
    sort(&mut out);
    let practice = practice.filter(|_| !out.iter().any(Diagnostic::is_error));
    Compiled {
        practice: practice.map(Arc::new),
        diagnostics: out,
        approvals,
    }
}

fn read(
    folder: &Folder,
    today: Option<Date>,
    out: &mut Vec<Diagnostic>,
    approvals: &mut Vec<Approvable>,
) -> Option<Practice> {
    let mut practice_files: Vec<(&str, Option<Node>)> = Vec::new();
    let mut flows: Vec<Node> = Vec::new();
    let mut protocols: BTreeMap<String, Option<Node>> = BTreeMap::new();
    let mut pieces: BTreeMap<String, Option<Node>> = BTreeMap::new();
    let mut translations = Translations::default();
    for (file, text) in &folder.files {
        let mut tree = || {
            let read = source::read(file, text);
            if read.tree.is_none() && read.diagnostics.is_empty() {
                out.push(empty(file));
            }
            out.extend(read.diagnostics);
            read.tree
        };
        if file == "practice.yaml" || file.ends_with(".practice.yaml") {
            practice_files.push((file, tree()));
        } else if file.ends_with(".flow.yaml") {
            flows.extend(tree());
        } else if file.ends_with(".protocol.yaml") {
            protocols.insert(file.clone(), tree());
        } else if is_shared(file) {
            pieces.insert(file.clone(), tree());
        } else if let Some(language) = language_of(file)
            && let Some(tree) = tree()
        {
            translations.add(language, file, &tree, out);
        }
    }
    let (practice_file, tree) = match practice_files.as_slice() {
        [(file, Some(tree))] => (*file, tree),
        [(_, None)] => return None,
        [] => {
            out.push(folder_fault(
                "practice.yaml",
                "The folder has no practice file.",
                "Write `practice.yaml`: lines, hours, people, ladders.",
            ));
            return None;
        }
        [_, (second, _), ..] => {
            out.push(folder_fault(
                second,
                "The folder has a second practice file.",
                "Give each practice a folder of its own.",
            ));
            return None;
        }
    };
    let draft = practice(tree, &translations, out)?;
    check::practice(&draft, out);
    if flows.is_empty() && !folder.files.keys().any(|file| file.ends_with(".flow.yaml")) {
        out.push(folder_fault(
            practice_file,
            "The folder has no flow.",
            "Write one `*.flow.yaml` for each line.",
        ));
    }
    let around = Around {
        practice: &draft.practice,
        practice_file,
        protocols: &protocols,
        translations: &translations,
    };
    let mut compiled = draft.practice.clone();
    let mut whole = true;
    for tree in &flows {
        let tree = expanded(tree, &pieces, out);
        let Some(flow) = flow(&tree, &around, out) else {
            whole = false;
            continue;
        };
        check::flow(&flow, &draft, today, out);
        whole &= !flow.hole;
        approvals.extend(flow.approvables());
        compiled.flows.push(Arc::new(flow.flow));
    }
    approvals.sort_by(|a, b| a.file.cmp(&b.file));
    approvals.dedup();
    // A flow that cannot be read answers a line nobody knows.
    let flow_files = folder.files.keys().filter(|file| file.ends_with(".flow.yaml"));
    if whole && compiled.flows.len() == flow_files.count() {
        check::lines(&draft, &compiled, out);
    }
    if whole {
        check::recordings(folder, &compiled, out);
    }
    // A broken flow does not ask for its sentences, so nothing can be said about the ones left over.
    if whole && !out.iter().any(|found| found.code != "F009" && found.is_error()) {
        translations.unused(out);
    }
    compiled.fingerprint = crate::release::fingerprint(&folder.files).unwrap_or_default();
    whole.then_some(compiled)
}

fn empty(file: &str) -> Diagnostic {
    folder_fault(file, "The file is empty.", "Write something in it, or delete it.")
}

fn folder_fault(file: &str, what: &str, fix: &str) -> Diagnostic {
    let at = Place {
        file: file.into(),
        span: 0..0,
        line: 1,
    };
    Diagnostic::error(
        "F020",
        &at,
        what,
        "Calls to this practice would be answered by nothing but the emergency notice.",
        fix,
    )
}
