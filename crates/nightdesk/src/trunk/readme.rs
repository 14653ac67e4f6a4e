//! Two parts of README's "Connect a trunk" are made of the code: the carriers and the response codes. `make readme`
//! rewrites them; this test fails while they differ.

use std::fmt::Write;
use std::path::Path;

use sip::fault::Fault;
use sip::message::StatusCode;

use super::preset::{Preset, Source};

/// Final responses after which carriers try the next site (Telnyx documents this very list).
const TRIED_ELSEWHERE: &[u16] = &[408, 480, 503, 504];

/// Every refusal we send, and why, by status.
fn faults() -> String {
    let mut rows: Vec<Fault> = Fault::ALL.to_vec();
    rows.sort_by_key(|fault| fault.status());
    let mut table = String::from("| we answer | because | Retry-After | the carrier then |\n|---|---|---|---|\n");
    for fault in rows {
        let status = fault.status();
        let reason = StatusCode::new(status).map(|status| status.reason().to_owned());
        let retry = fault
            .retry_after()
            .map_or_else(String::new, |seconds| format!("{seconds} s"));
        let then = if TRIED_ELSEWHERE.contains(&status) {
            "tries your next site"
        } else {
            ""
        };
        let _ = writeln!(
            table,
            "| {status} {} | {} | {retry} | {then} |",
            reason.unwrap_or_default(),
            fault.why()
        );
    }
    table
}

/// What to do at each carrier, and what nobody has checked.
fn carriers() -> String {
    let mut text = String::new();
    for preset in Preset::all() {
        let (inbound, outbound) = preset.words();
        let _ = writeln!(
            text,
            "**{}** (`preset: {}`; it says *{inbound}* for calls to us, *{outbound}* for calls from us)\n",
            preset.name(),
            preset.key()
        );
        for (number, step) in preset.steps().iter().enumerate() {
            let _ = writeln!(text, "{}. {step}", number + 1);
        }
        text.push('\n');
        for oddity in preset.oddities() {
            let _ = writeln!(text, "- {oddity}");
        }
        let guesses: Vec<&str> = preset
            .values()
            .filter(|(_, _, source)| matches!(source, Source::Guess(why) if !why.starts_with("our own choice")))
            .map(|(name, ..)| name)
            .collect();
        if !guesses.is_empty() {
            let _ = writeln!(text, "- ~ not checked by anybody: {}", guesses.join(", "));
        }
        text.push('\n');
    }
    text
}

fn between<'a>(readme: &'a str, name: &str) -> (&'a str, &'a str, &'a str) {
    let begin = format!("<!-- {name}: written by `make readme` -->\n\n");
    let end = format!("\n<!-- end of {name} -->");
    let (before, rest) = readme
        .split_once(begin.as_str())
        .expect("README has the mark where the part begins");
    let (part, after) = rest
        .split_once(end.as_str())
        .expect("README has the mark where the part ends");
    let before = &readme[..before.len() + begin.len()];
    let after = &readme[readme.len() - after.len() - end.len()..];
    (before, part, after)
}

#[test]
fn the_readme_says_what_the_code_does() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let mut readme = std::fs::read_to_string(&path).expect("README.md");
    let rewrite = std::env::var_os("NIGHTDESK_README").is_some();
    for (name, part) in [("carriers", carriers()), ("response codes", faults())] {
        let (before, written, after) = between(&readme, name);
        if rewrite {
            readme = format!("{before}{}{after}", part.trim_end().to_owned() + "\n");
        } else {
            assert_eq!(
                written.trim_end(),
                part.trim_end(),
                "{name} in README.md: run `make readme`"
            );
        }
    }
    if rewrite {
        std::fs::write(&path, readme).expect("README.md can be written");
    }
}
