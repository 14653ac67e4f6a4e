//! `nightdesk trunk report`: the cards that carriers' engineers have filled by calling the number of `report card`.
//!
//! A card holds no number, name or key, so showing one leaves no row, and it may be mailed to the carrier as it is.

use jiff::Timestamp;
use switchboard::card::{Card, Grade};
use switchboard::{CallId, Fact};

use crate::archive::Archive;
use crate::{Failure, out};

/// Letters of an id that must be given at least, for one to be found by its beginning.
const BEGINNING_MIN: usize = 4;

/// One card in the book.
struct Kept {
    at: Timestamp,
    id: CallId,
    trunk: String,
    seconds: u32,
    card: Card,
}

fn kept(archive: &Archive) -> Result<Vec<Kept>, Failure> {
    let cards = archive.facts()?.into_iter().filter_map(|stamped| match stamped.fact {
        Fact::ReportCard {
            id,
            trunk,
            seconds,
            card,
        } => Some(Kept {
            at: stamped.at,
            id,
            trunk,
            seconds,
            card,
        }),
        _ => None,
    });
    Ok(cards.collect())
}

/// One line a card, oldest first.
pub(super) fn list(archive: &Archive) -> Result<(), Failure> {
    let cards = kept(archive)?;
    if cards.is_empty() {
        out!("no card yet: give a trunk `report card: +1…`, and its carrier's engineers that number");
    }
    for Kept {
        at,
        id,
        trunk,
        seconds,
        card,
    } in cards
    {
        out!(
            "{id}  {at:.0}  {trunk}  {} passed, {} failed, {} not tried  ({seconds} s)",
            card.count(Grade::Pass),
            card.count(Grade::Fail),
            card.count(Grade::NotTried)
        );
    }
    Ok(())
}

/// The whole of one card.
pub(super) fn show(archive: &Archive, id: &str) -> Result<(), Failure> {
    let found: Vec<Kept> = kept(archive)?
        .into_iter()
        .filter(|kept| id.len() >= BEGINNING_MIN && kept.id.to_string().starts_with(id))
        .collect();
    match found.as_slice() {
        [one] => {
            out!(
                "report card {} of trunk {}, {:.0}, {} s",
                one.id,
                one.trunk,
                one.at,
                one.seconds
            );
            out!("{}", one.card);
            Ok(())
        }
        [] => Err(Failure::new(
            "the book has no card of that id",
            "copy the id from `nightdesk trunk report --config …`; its first four letters may do",
        )),
        several => Err(Failure::new(
            format!("{} cards begin so", several.len()),
            "give more letters of the id",
        )),
    }
}
