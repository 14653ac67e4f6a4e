//! The wire codec from outside: torture messages, carriers' messages, properties, streams, and rsip as a second opinion.
#![allow(clippy::disallowed_methods, reason = "fixtures are files")]
#![allow(clippy::panic, clippy::indexing_slicing, reason = "all of this crate is tests")]

mod carriers;
mod differential;
mod framer;
mod properties;
mod torture;

use std::path::PathBuf;

/// Every `.sip` file of a folder under `fixtures/sip`, by name.
fn fixtures(folder: &str) -> Vec<(String, Vec<u8>)> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../fixtures/sip")
        .join(folder);
    let mut found = std::fs::read_dir(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "sip"))
        .map(|path| {
            let name = path
                .file_stem()
                .expect("a file has a name")
                .to_string_lossy()
                .into_owned();
            (name, std::fs::read(&path).expect("a readable file"))
        })
        .collect::<Vec<_>>();
    found.sort();
    assert!(!found.is_empty(), "{} holds no messages", path.display());
    found
}

fn fixture(folder: &str, name: &str) -> Vec<u8> {
    fixtures(folder)
        .into_iter()
        .find(|(own, _)| own == name)
        .unwrap_or_else(|| panic!("no fixture {name}"))
        .1
}
