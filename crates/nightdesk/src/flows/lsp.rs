//! `nightdesk flow lsp`: the other half of an editor, by the Language Server Protocol 3.17 over standard input and output.
//!
//! What is wrong is what `flow check` says, for the files as they are on the screen; what may be typed, what a word means and
//! where a name leads is [`flow::editor`]'s. One thread, one message after the other; while somebody types fast, only the
//! last state of a file is judged.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};

use flow::editor::{self, Sort};
use flow::rehearse::Suite;
use flow::{Diagnostic, Folder, Severity};
use lsp_server::{Connection, ErrorCode, Message, Notification, Request, Response};
use serde_json::{Value, json};
use url::Url;

use crate::Failure;

/// Serves one editor until it says goodbye.
pub(super) fn lsp() -> Result<(), Failure> {
    let (connection, threads) = Connection::stdio();
    serve(&connection)?;
    // The writing thread ends when nobody can write any more.
    drop(connection);
    threads.join().map_err(|fault| {
        Failure::new(
            format!("the editor's pipe: {fault}"),
            "start the editor's language server again",
        )
    })
}

fn serve(connection: &Connection) -> Result<(), Failure> {
    let broken = |fault: lsp_server::ProtocolError| {
        Failure::new(
            format!("the editor does not speak the Language Server Protocol: {fault}"),
            "let an editor start `nightdesk flow lsp`; it is not for the keyboard",
        )
    };
    let (id, wishes) = connection.initialize_start().map_err(broken)?;
    let counts = Counts::agreed(&wishes);
    connection.initialize_finish(id, abilities(counts)).map_err(broken)?;
    let mut desk = Desk {
        counts,
        open: BTreeMap::new(),
        told: BTreeSet::new(),
    };
    let mut stale: BTreeSet<PathBuf> = BTreeSet::new();
    while let Ok(message) = connection.receiver.recv() {
        match message {
            Message::Request(request) => {
                if connection.handle_shutdown(&request).map_err(broken)? {
                    return Ok(());
                }
                let _ = connection.sender.send(Message::Response(desk.answer(request)));
            }
            Message::Notification(note) => stale.extend(desk.noted(&note)),
            Message::Response(_) => {}
        }
        if connection.receiver.is_empty() {
            for folder in std::mem::take(&mut stale) {
                for note in desk.judge(&folder) {
                    let _ = connection.sender.send(Message::Notification(note));
                }
            }
        }
    }
    Ok(())
}

fn abilities(counts: Counts) -> Value {
    const WHOLE_TEXT: u8 = 1;
    json!({
        "serverInfo": {"name": "nightdesk", "version": env!("CARGO_PKG_VERSION")},
        "capabilities": {
            "positionEncoding": counts.name(),
            "textDocumentSync": {"openClose": true, "change": WHOLE_TEXT, "save": true},
            "completionProvider": {"triggerCharacters": ["-", " ", ":", "["]},
            "hoverProvider": true,
            "definitionProvider": true,
            "documentSymbolProvider": true,
            "codeActionProvider": {"codeActionKinds": ["quickfix"]},
        },
    })
}

/// What an editor counts columns in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counts {
    Bytes,
    /// The protocol's own way, and the only one many editors know.
    Utf16,
}

impl Counts {
    fn agreed(wishes: &Value) -> Self {
        let offered = wishes
            .pointer("/capabilities/general/positionEncodings")
            .and_then(Value::as_array);
        match offered.is_some_and(|offered| offered.iter().any(|one| one == "utf-8")) {
            true => Self::Bytes,
            false => Self::Utf16,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Bytes => "utf-8",
            Self::Utf16 => "utf-16",
        }
    }

    fn wide(self, letter: char) -> usize {
        match self {
            Self::Bytes => letter.len_utf8(),
            Self::Utf16 => letter.len_utf16(),
        }
    }

    fn position(self, text: &str, at: usize) -> Value {
        // A place inside a letter is the place before it.
        let at = (0..=at.min(text.len()))
            .rev()
            .find(|at| text.is_char_boundary(*at))
            .unwrap_or(0);
        let before = text.get(..at).unwrap_or_default();
        let begins = before.rfind('\n').map_or(0, |end| end + 1);
        let column: usize = before
            .get(begins..)
            .unwrap_or_default()
            .chars()
            .map(|letter| self.wide(letter))
            .sum();
        json!({"line": before.matches('\n').count(), "character": column})
    }

    fn range(self, text: &str, span: &Range<usize>) -> Value {
        json!({"start": self.position(text, span.start), "end": self.position(text, span.end)})
    }

    /// The byte a position means; the end of its line, or of the text, where it lies beyond.
    fn byte(self, text: &str, position: &Value) -> Option<usize> {
        let number = |name: &str| {
            position
                .get(name)?
                .as_u64()
                .and_then(|number| usize::try_from(number).ok())
        };
        let (line, mut column) = (number("line")?, number("character")?);
        let mut at = 0;
        for _ in 0..line {
            match text.get(at..)?.find('\n') {
                Some(end) => at += end + 1,
                None => return Some(text.len()),
            }
        }
        for letter in text.get(at..)?.chars() {
            if letter == '\n' || column < self.wide(letter) {
                break;
            }
            column -= self.wide(letter);
            at += letter.len_utf8();
        }
        Some(at)
    }
}

/// One editor's files.
struct Desk {
    counts: Counts,
    /// What stands on the screen, saved or not.
    open: BTreeMap<PathBuf, String>,
    /// Files the editor has findings of.
    told: BTreeSet<PathBuf>,
}

impl Desk {
    /// Takes in what the editor tells; the folder that must be judged again.
    fn noted(&mut self, note: &Notification) -> Option<PathBuf> {
        let path = path_of(note.params.pointer("/textDocument/uri")?)?;
        let text = |at: &str| note.params.pointer(at).and_then(Value::as_str).map(str::to_owned);
        match note.method.as_str() {
            "textDocument/didOpen" => {
                self.open.insert(path.clone(), text("/textDocument/text")?);
            }
            "textDocument/didChange" => {
                let last = note.params.get("contentChanges")?.as_array()?.last()?;
                self.open.insert(path.clone(), last.get("text")?.as_str()?.to_owned());
            }
            "textDocument/didClose" => {
                self.open.remove(&path);
            }
            "textDocument/didSave" => {}
            _ => return None,
        }
        path.parent().map(Path::to_owned)
    }

    /// A practice's folder with what stands on the screen.
    fn folder(&self, folder: &Path) -> Folder {
        let mut read = exchange::releases::draft(folder).unwrap_or_default();
        for (path, text) in &self.open {
            if path.parent() == Some(folder)
                && let Some(name) = path.file_name().and_then(|name| name.to_str())
            {
                read.files.insert(name.to_owned(), text.clone());
            }
        }
        read
    }

    /// Everything that is wrong in a folder, for each of its files; and nothing, for files where that was mended.
    fn judge(&mut self, folder: &Path) -> Vec<Notification> {
        let read = self.folder(folder);
        let mut found = flow::compile_on(&read, Some(super::today())).diagnostics;
        // What is wrong with a sound is nothing an editor could show.
        found.retain(|found| !found.file.contains('/'));
        for (name, text) in read.files.iter().filter(|(name, _)| name.ends_with(".tests.yaml")) {
            found.extend(Suite::parse(name, text).1);
        }
        let mut by_file: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
        for one in &found {
            let text = read.files.get(&one.file).map_or("", String::as_str);
            by_file.entry(&one.file).or_default().push(self.shown(one, text));
        }
        let mut files: BTreeSet<PathBuf> = by_file.keys().map(|name| folder.join(name)).collect();
        let mended: Vec<PathBuf> = self
            .told
            .iter()
            .filter(|path| path.parent() == Some(folder))
            .cloned()
            .collect();
        files.extend(mended);
        let on_screen = self.open.keys().filter(|path| path.parent() == Some(folder));
        files.extend(on_screen.cloned());
        files
            .into_iter()
            .filter_map(|path| {
                let findings = path
                    .file_name()
                    .and_then(|name| by_file.remove(name.to_str()?))
                    .unwrap_or_default();
                match findings.is_empty() {
                    true => self.told.remove(&path),
                    false => self.told.insert(path.clone()),
                };
                let uri = Url::from_file_path(&path).ok()?;
                let params = json!({"uri": uri.as_str(), "diagnostics": findings});
                Some(Notification::new("textDocument/publishDiagnostics".to_owned(), params))
            })
            .collect()
    }

    fn shown(&self, found: &Diagnostic, text: &str) -> Value {
        let severity = match found.severity {
            Severity::Error => 1,
            Severity::Warning => 2,
            Severity::Advice => 3,
        };
        let instead = found
            .fix
            .strip_prefix("Did you mean `")
            .and_then(|rest| rest.strip_suffix("`?"));
        json!({
            "range": self.counts.range(text, &found.span), "severity": severity, "code": found.code, "source": "nightdesk",
            "message": format!("{}\n{}\n{}", found.what, found.suffers, found.fix), "data": {"instead": instead},
        })
    }

    fn answer(&self, request: Request) -> Response {
        let answer = match request.method.as_str() {
            "textDocument/completion" => self.complete(&request.params),
            "textDocument/hover" => self.hover(&request.params),
            "textDocument/definition" => self.definition(&request.params),
            "textDocument/documentSymbol" => self.symbols(&request.params),
            "textDocument/codeAction" => actions(&request.params),
            method => {
                let text = format!("nightdesk does not do {method}");
                return Response::new_err(request.id, ErrorCode::MethodNotFound as i32, text);
            }
        };
        // A file we know nothing of has nothing to say; that is no fault of the editor's.
        Response::new_ok(request.id, answer.unwrap_or(Value::Null))
    }

    /// The folder, the file's name and text, and the byte a request is about.
    fn place(&self, params: &Value) -> Option<(PathBuf, Folder, String, usize)> {
        let path = path_of(params.pointer("/textDocument/uri")?)?;
        let parent = path.parent()?.to_owned();
        let folder = self.folder(&parent);
        let name = path.file_name()?.to_str()?.to_owned();
        let at = match params.get("position") {
            Some(position) => self.counts.byte(folder.files.get(&name)?, position)?,
            None => 0,
        };
        Some((parent, folder, name, at))
    }

    fn complete(&self, params: &Value) -> Option<Value> {
        let (_, folder, file, at) = self.place(params)?;
        let text = folder.files.get(&file)?;
        let items: Vec<Value> = editor::suggest(&folder, &file, at)
            .into_iter()
            .enumerate()
            .map(|(nth, one)| {
                let kind = match one.sort {
                    Sort::Verb => 3,
                    Sort::Setting => 10,
                    Sort::Value => 12,
                    Sort::Name => 18,
                };
                json!({
                    "label": one.label, "kind": kind, "documentation": one.means, "filterText": one.label,
                    // In our order, which is the specification's or the file's.
                    "sortText": format!("{nth:04}"),
                    "textEdit": {"range": self.counts.range(text, &one.over), "newText": one.text},
                })
            })
            .collect();
        Some(json!({"isIncomplete": false, "items": items}))
    }

    fn hover(&self, params: &Value) -> Option<Value> {
        let (_, folder, file, at) = self.place(params)?;
        let told = editor::meaning(&folder, &file, at)?;
        let range = self.counts.range(folder.files.get(&file)?, &told.span);
        Some(json!({"contents": {"kind": "plaintext", "value": told.text}, "range": range}))
    }

    fn definition(&self, params: &Value) -> Option<Value> {
        let (parent, folder, file, at) = self.place(params)?;
        let found = editor::definition(&folder, &file, at)?;
        let uri = Url::from_file_path(parent.join(&*found.file)).ok()?;
        let range = self.counts.range(folder.files.get(&*found.file)?, &found.span);
        Some(json!({"uri": uri.as_str(), "range": range}))
    }

    fn symbols(&self, params: &Value) -> Option<Value> {
        const MODULE: u8 = 2;
        let (_, folder, file, _) = self.place(params)?;
        let text = folder.files.get(&file)?;
        let all: Vec<Value> = editor::landmarks(text)
            .into_iter()
            .map(|one| {
                json!({
                    "name": one.name, "detail": one.among, "kind": MODULE,
                    "range": self.counts.range(text, &one.whole), "selectionRange": self.counts.range(text, &one.span),
                })
            })
            .collect();
        Some(Value::Array(all))
    }
}

/// What puts right the findings under the cursor: the word that was meant.
fn actions(params: &Value) -> Option<Value> {
    let uri = params.pointer("/textDocument/uri")?.as_str()?;
    let found = params.pointer("/context/diagnostics")?.as_array()?;
    let all: Vec<Value> = found
        .iter()
        .filter_map(|found| {
            let instead = found.pointer("/data/instead")?.as_str()?;
            let edit = json!([{"range": found.get("range")?, "newText": instead}]);
            Some(json!({
                "title": format!("Write `{instead}`"), "kind": "quickfix", "diagnostics": [found],
                "edit": {"changes": {uri: edit}}, "isPreferred": true,
            }))
        })
        .collect();
    Some(Value::Array(all))
}

fn path_of(uri: &Value) -> Option<PathBuf> {
    Url::parse(uri.as_str()?).ok()?.to_file_path().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_counted_as_agreed() {
        let text = "a: ñ\nb: 𝄞x\n";
        let at = text.find('x').expect("it is there");
        for counts in [Counts::Bytes, Counts::Utf16] {
            let position = counts.position(text, at);
            assert_eq!(counts.byte(text, &position), Some(at), "{counts:?} {position}");
            for wild in [json!({"line": 99, "character": 0}), json!({"line": 0, "character": 99})] {
                assert!(counts.byte(text, &wild).is_some_and(|at| text.is_char_boundary(at)));
            }
        }
        assert_eq!(Counts::Utf16.position(text, at)["character"], 5);
        assert_eq!(Counts::Bytes.position(text, at)["character"], 7);
        assert_eq!(Counts::agreed(&json!({})), Counts::Utf16);
        let both = json!({"capabilities": {"general": {"positionEncodings": ["utf-16", "utf-8"]}}});
        assert_eq!(Counts::agreed(&both), Counts::Bytes);
    }

    #[test]
    fn what_is_typed_is_judged_and_what_was_mended_is_taken_back() {
        let practice = tempfile::tempdir().expect("room");
        let flow = practice.path().join("a.flow.yaml");
        std::fs::write(practice.path().join("practice.yaml"), "practice: A\n").expect("room");
        let uri = Url::from_file_path(&flow).expect("a path");
        let (ours, theirs) = Connection::memory();
        let served = std::thread::spawn(move || serve(&ours).is_ok());
        let ask = |id: i32, method: &str, params: Value| {
            let request = Request::new(id.into(), method.to_owned(), params);
            theirs.sender.send(Message::Request(request)).expect("somebody listens");
        };
        let tell = |method: &str, params: Value| {
            let note = Notification::new(method.to_owned(), params);
            theirs
                .sender
                .send(Message::Notification(note))
                .expect("somebody listens");
        };
        let within = std::time::Duration::from_secs(20);
        let answer = || loop {
            if let Message::Response(response) = theirs.receiver.recv_timeout(within).expect("an answer") {
                return response
                    .response_result
                    .unwrap_or_else(|fault| json!({"code": fault.code}));
            }
        };
        let findings = || loop {
            if let Message::Notification(note) = theirs.receiver.recv_timeout(within).expect("findings")
                && note.params["uri"] == uri.as_str()
            {
                return note.params["diagnostics"].as_array().expect("a list").clone();
            }
        };
        ask(1, "initialize", json!({"capabilities": {}}));
        assert_eq!(answer()["capabilities"]["hoverProvider"], true);
        tell("initialized", json!({}));
        let text = "flow: A\nsections:\n  s:\n    - menuu: Which?\n";
        tell(
            "textDocument/didOpen",
            json!({"textDocument": {"uri": uri.as_str(), "text": text}}),
        );
        let found = findings();
        let slip = found.iter().find(|one| one["code"] == "F022").expect("a slip").clone();
        assert_eq!(
            (&slip["range"]["start"]["line"], &slip["data"]["instead"]),
            (&json!(3), &json!("menu"))
        );
        let here = json!({"textDocument": {"uri": uri.as_str()}, "context": {"diagnostics": [slip]}});
        ask(2, "textDocument/codeAction", here);
        assert_eq!(answer()[0]["edit"]["changes"][uri.as_str()][0]["newText"], "menu");
        let mended = text.replace("menuu", "menu");
        let changed = json!({"textDocument": {"uri": uri.as_str()}, "contentChanges": [{"text": mended}]});
        tell("textDocument/didChange", changed);
        assert!(findings().iter().all(|one| one["code"] != "F022"));
        ask(3, "textDocument/rename", json!({}));
        assert!(answer()["code"].is_i64(), "what is not done is said");
        ask(4, "shutdown", Value::Null);
        answer();
        tell("exit", Value::Null);
        assert!(served.join().expect("it ends"));
    }
}
