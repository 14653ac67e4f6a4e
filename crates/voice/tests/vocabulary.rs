//! Everything the engine itself can say is audible in both languages, and no two times, dates or digits that mean
//! different things sound the same to a caller.

use flow::words::appointment_vocabulary;
use flow::{Language, Part, Phrase, Piece, split, vocabulary};
use media::codec::Law;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use voice::{Engine, Library};

fn parts(language: Language) -> BTreeSet<Part> {
    let phrases = Phrase::ALL
        .iter()
        .flat_map(|phrase| split(phrase.text(language), language));
    let said = phrases.filter_map(|piece| match piece {
        Piece::Said(part) => Some(part),
        Piece::Fill(_) => None,
    });
    said.chain(vocabulary(language))
        .chain(appointment_vocabulary(language))
        .collect()
}

#[test]
fn every_built_in_sentence_and_every_fill_in_is_audible() {
    let path = std::env::var_os("PATH").expect("a PATH");
    let engine = Engine::find(&path).expect("espeak-ng is not installed: run sudo apt-get install -y espeak-ng");
    let folder = tempfile::tempdir().expect("a folder");
    let mut library = Library::open(folder.path(), Some(engine), &[]).expect("a cache");
    for language in Language::ALL {
        let parts: Vec<Part> = parts(language).into_iter().collect();
        assert!(parts.len() > 200, "{} sentences", parts.len());
        assert_eq!(library.prepare(&parts), [], "{language}");

        let mut sounds = HashMap::<Arc<[u8]>, &Part>::new();
        for part in &parts {
            let clip = library.get(part, Law::Pcmu).expect("it was prepared");
            let long = library.duration(part).expect("it was prepared");
            assert!(long.as_millis() >= 150, "{part:?} lasts {long:?}");
            if let Some(other) = sounds.insert(clip, part) {
                // Only the mark at the end may differ: "5" and "5," are one digit.
                let bare = |part: &Part| part.text.trim_end_matches(',').to_owned();
                assert_eq!(bare(part), bare(other), "they sound the same");
            }
        }
    }
}
