//! The practices that ship, for tests and benchmarks.
#![allow(dead_code, reason = "each test uses a part of it")]
#![allow(unreachable_pub, reason = "a module of each test, not a door")]
#![allow(
    clippy::disallowed_methods,
    clippy::panic,
    reason = "a test reads the files it is about, and fails loudly"
)]

use std::path::Path;
use std::sync::Arc;

use flow::{Compiled, Folder, Practice, compile};

/// Every folder below `flows/`, one for each template.
pub const PRACTICES: [&str; 9] = [
    "cedar-family-medicine",
    "bright-harbor-pediatrics",
    "stillwater-behavioral-health",
    "marigold-womens-health",
    "sandhill-regional-hospital",
    "larkspur-heart-group",
    "wren-street-infusion",
    "camas-urgent-care",
    "saguaro-home-health",
];

/// Where a practice of the repository lies.
pub fn path(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../flows").join(name)
}

/// A folder below `flows/`.
pub fn folder(name: &str) -> Folder {
    read(&path(name))
}

/// The folder that uses everything the language has.
pub fn everything() -> Folder {
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/flows/good/everything"))
}

fn read(path: &Path) -> Folder {
    let mut folder = Folder::default();
    for entry in std::fs::read_dir(path).expect("the folder is there").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(".yaml") {
            let text = std::fs::read_to_string(entry.path()).expect("a text");
            folder.files.insert(name, text);
        }
    }
    folder
}

/// What it means; nothing is wrong with it.
pub fn compiled(folder: &Folder) -> Arc<Practice> {
    let Compiled {
        practice, diagnostics, ..
    } = compile(folder);
    practice.unwrap_or_else(|| panic!("{diagnostics:#?}"))
}
