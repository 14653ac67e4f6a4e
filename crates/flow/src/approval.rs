//! What a clinician signs: a fingerprint of the words as they stand, so that a change voids the signature (C007).
//!
//! It covers the file and its translations, spaces and comments apart, and not the fingerprint itself: `flow sign` writes
//! it into `clinical approval`.

use crate::diagnostic::Place;
use crate::model::Approval;
use crate::source::{Kind, Node, normalized};

/// Hex digits of a fingerprint in a file; half of SHA-256 is more than enough against anything but malice, and against
/// malice there is the release's signature.
const DIGITS: usize = 32;
/// Fewer digits than this are no fingerprint.
const DIGITS_MIN: usize = 16;

/// What stands to be signed in one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approvable {
    /// The file.
    pub file: String,
    /// Who approves it.
    pub approval: Approval,
    /// Of the words as they are now.
    pub fingerprint: String,
    /// What stands in the file as signed.
    pub signed: Option<String>,
}

impl Approvable {
    /// It was signed, and nothing has changed since.
    pub fn is_signed(&self) -> bool {
        self.signed
            .as_ref()
            .is_some_and(|signed| approved_as(signed, &self.fingerprint))
    }
}

/// An approval as read, and where it stands.
pub(crate) struct Approved {
    pub(crate) approval: Approval,
    pub(crate) review_by: Place,
    pub(crate) signed: Option<(String, Place)>,
}

/// Whether a fingerprint in a file is the one of its words.
pub(crate) fn approved_as(signed: &str, is: &str) -> bool {
    signed.len() >= DIGITS_MIN && is.starts_with(&signed.to_ascii_lowercase())
}

/// The fingerprint of a tree and of further words that belong to it.
pub(crate) fn fingerprint<'a>(tree: &Node, further: impl IntoIterator<Item = &'a str>) -> String {
    let mut digest = ring::digest::Context::new(&ring::digest::SHA256);
    feed(tree, false, &mut digest);
    for words in further {
        part(b't', words, &mut digest);
    }
    let hex = crate::words::hex(digest.finish().as_ref());
    hex.get(..DIGITS).unwrap_or(&hex).to_owned()
}

/// Every node with its kind and length, so that nothing can move from one to the next unseen.
fn feed(node: &Node, approval: bool, digest: &mut ring::digest::Context) {
    match &node.kind {
        Kind::Nothing => part(b'n', "", digest),
        Kind::Text(text) => part(b't', &normalized(text), digest),
        Kind::List(items) => {
            part(b'l', &items.len().to_string(), digest);
            items.iter().for_each(|item| feed(item, false, digest));
        }
        Kind::Map { entries, .. } => {
            let kept = || {
                entries
                    .iter()
                    .filter(|(name, _)| !(approval && name.text == "fingerprint"))
            };
            part(b'm', &kept().count().to_string(), digest);
            for (name, value) in kept() {
                part(b'k', &name.text, digest);
                feed(value, name.text == "clinical approval", digest);
            }
        }
    }
}

fn part(kind: u8, text: &str, digest: &mut ring::digest::Context) {
    digest.update(&[kind]);
    digest.update(&u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
    digest.update(text.as_bytes());
}
