//! A manager's editor: Neovim from Debian as the client of `nightdesk flow lsp`, and a JSON Schema checker that is not ours on
//! the files that ship.
#![allow(
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test reads files and the clock, and fails loudly"
)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// What Neovim does, typed by nobody: opens the flow, waits for findings, asks, takes the offered fix, waits for them to go.
const DRIVE: &str = r#"
local told = {}
local client = vim.lsp.start_client({ name = "nightdesk", cmd = { vim.env.NIGHTDESK, "flow", "lsp" }, root_dir = vim.env.PRACTICE })
vim.cmd("edit " .. vim.env.PRACTICE .. "/after-hours.flow.yaml")
vim.lsp.buf_attach_client(0, client)
vim.wait(20000, function() return #vim.diagnostic.get(0) > 0 end, 20)
told.found = vim.diagnostic.get(0)

local function where(words, beyond)
  for number, line in ipairs(vim.api.nvim_buf_get_lines(0, 0, -1, true)) do
    local first, last = line:find(words, 1, true)
    if first then return { line = number - 1, character = (beyond and last or first) } end
  end
end
local function ask(method, position, context)
  local params = { textDocument = vim.lsp.util.make_text_document_params(0), position = position, context = context,
    range = { start = position, ["end"] = position } }
  local answers = vim.lsp.buf_request_sync(0, method, params, 10000) or {}
  return (answers[client] or {}).result
end
local function labels(position)
  local all = {}
  for _, item in ipairs((ask("textDocument/completion", position) or { items = {} }).items) do table.insert(all, item.label) end
  return all
end
told.sections = labels(where("if urgent: ", true))
told.ladders = labels(where("escalate to: ", true))
told.hover = (ask("textDocument/hover", where("escalate to", false)) or {}).contents
told.goes = (ask("textDocument/definition", where("start: wel", true)) or {}).range
told.symbols = #(ask("textDocument/documentSymbol", { line = 0, character = 0 }) or {})

local slip = told.found[1].user_data.lsp
slip = { range = { start = { line = told.found[1].lnum, character = told.found[1].col },
  ["end"] = { line = told.found[1].end_lnum, character = told.found[1].end_col } }, message = told.found[1].message,
  code = slip.code, data = { instead = "menu" } }
local fix = ask("textDocument/codeAction", slip.range.start, { diagnostics = { slip } })
told.fix = fix[1].title
vim.lsp.util.apply_workspace_edit(fix[1].edit, "utf-16")
told.mended = vim.wait(20000, function()
  for _, one in ipairs(vim.diagnostic.get(0)) do
    if one.severity == vim.diagnostic.severity.ERROR then return false end
  end
  return true
end, 20)
told.line = vim.api.nvim_buf_get_lines(0, slip.range.start.line, slip.range.start.line + 1, true)[1]
vim.lsp.stop_client(client)
vim.wait(5000, function() return vim.lsp.client_is_stopped(client) end, 20)
told.stopped = vim.lsp.client_is_stopped(client)
vim.fn.writefile({ vim.json.encode(told) }, vim.env.TOLD)
vim.cmd("qa!")
"#;

fn copy_of_cedar() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let practice = folder.path().join("cedar");
    std::fs::create_dir(&practice).expect("room");
    for file in std::fs::read_dir(tests::root().join("flows/cedar-family-medicine")).expect("it ships") {
        let path = file.expect("a file").path();
        if path.is_file() {
            std::fs::copy(&path, practice.join(path.file_name().expect("a name"))).expect("room");
        }
    }
    (folder, practice)
}

#[test]
fn a_real_editor_finds_mends_completes_and_follows() {
    let (folder, practice) = copy_of_cedar();
    let flow = practice.join("after-hours.flow.yaml");
    let text = std::fs::read_to_string(&flow).expect("the flow");
    std::fs::write(&flow, text.replace("- menu: How", "- menuu: How")).expect("room");
    let (drive, told) = (folder.path().join("drive.lua"), folder.path().join("told.json"));
    std::fs::write(&drive, DRIVE).expect("room");
    let status = Command::new("timeout")
        .args(["120", "nvim", "--clean", "--headless", "-n", "-c"])
        .arg(format!("luafile {}", drive.display()))
        .env("NIGHTDESK", tests::target().join("debug/nightdesk"))
        .env("PRACTICE", &practice)
        .env("TOLD", &told)
        .env("HOME", folder.path())
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .status()
        .expect("Neovim is installed by `make setup`");
    assert!(status.success(), "{status}");
    let told: Value = serde_json::from_slice(&std::fs::read(&told).expect("the editor told")).expect("JSON");
    let found = &told["found"][0];
    assert_eq!(found["source"], "nightdesk");
    let message = found["message"].as_str().unwrap_or_default();
    assert!(
        message.contains("`menuu` is not a verb") && message.contains("Did you mean `menu`?"),
        "{message}"
    );
    let names = |of: &str| -> BTreeSet<&str> {
        told[of]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect()
    };
    let sections = names("sections");
    assert!(
        ["call 911", "reach the doctor", "cannot wait"]
            .iter()
            .all(|name| sections.contains(name)),
        "{sections:?}"
    );
    assert_eq!(names("ladders"), BTreeSet::from(["doctor on call"]));
    assert!(
        told["hover"]["value"]
            .as_str()
            .is_some_and(|text| text.contains("a voicemail cannot"))
    );
    let line = text
        .lines()
        .position(|line| line == "  welcome:")
        .expect("the first section");
    assert_eq!(told["goes"]["start"]["line"], line);
    assert!(
        told["symbols"].as_u64().is_some_and(|count| count > 15),
        "{}",
        told["symbols"]
    );
    assert_eq!(told["fix"], "Write `menu`");
    assert!(
        told["line"].as_str().is_some_and(|line| line.contains("- menu: How")),
        "{}",
        told["line"]
    );
    assert_eq!(
        (&told["mended"], &told["stopped"]),
        (&Value::Bool(true), &Value::Bool(true))
    );
}

/// Reads YAML as words, as the engine does, and prints what the schema has against it.
const FITS: &str = r#"
import json, sys, yaml, jsonschema
schema = json.load(open(sys.argv[1]))
jsonschema.Draft202012Validator.check_schema(schema)
against = jsonschema.Draft202012Validator(schema).iter_errors(yaml.load(open(sys.argv[2]), yaml.BaseLoader))
print("\n".join(f"{list(one.absolute_path)}: {one.message}" for one in against))
"#;

#[test]
fn what_ships_fits_the_schema_and_a_slip_does_not() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let fits = |kind: &str, file: &Path| {
        let schema = folder.path().join(format!("{kind}.json"));
        if !schema.exists() {
            let printed = Command::new(tests::target().join("debug/nightdesk"))
                .args(["flow", "schema", kind])
                .output()
                .expect("built");
            std::fs::write(&schema, printed.stdout).expect("room");
        }
        let said = Command::new("python3")
            .args(["-c", FITS])
            .args([&schema, file])
            .output()
            .expect("Python is installed by `make setup`");
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
        String::from_utf8_lossy(&said.stdout).trim().to_owned()
    };
    let mut tried = BTreeSet::new();
    for practice in std::fs::read_dir(tests::root().join("flows")).expect("practices ship") {
        let practice = practice.expect("a folder").path();
        for file in std::fs::read_dir(&practice).into_iter().flatten() {
            let file = file.expect("a file").path();
            let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let kind = ["practice", "flow", "protocol", "shared", "tests"]
                .into_iter()
                .find(|kind| name == format!("{kind}.yaml") || name.ends_with(&format!(".{kind}.yaml")));
            if let Some(kind) = kind {
                assert_eq!(fits(kind, &file), "", "{}", file.display());
                tried.insert(kind);
            }
        }
    }
    assert!(
        ["practice", "flow", "protocol", "tests"]
            .iter()
            .all(|kind| tried.contains(kind)),
        "{tried:?}"
    );
    let cedar = std::fs::read_to_string(tests::root().join("flows/cedar-family-medicine/after-hours.flow.yaml"));
    let wrong = folder.path().join("wrong.flow.yaml");
    let cedar = cedar.expect("it ships").replace("if semi-urgent:", "if semiurgent:");
    std::fs::write(&wrong, cedar).expect("room");
    let against = fits("flow", &wrong);
    assert!(against.contains("'if semi-urgent' is a required property"), "{against}");
}
