//! A flow on paper: what a clinician reads and signs, what a manager looks at, what changed since the last release.
//!
//! | room | makes | for |
//! |---|---|---|
//! | [`copy`] | the review copy: every word a caller hears, a page for each section, a signature line for each protocol | signing |
//! | [`graph`] | the same as a picture: Mermaid, DOT, SVG | the wall |
//! | [`explain`] | what counts as urgent, where messages go, how long a caller waits | the file |
//! | [`diff`] | what changed, in clinical words, and what of it is a downgrade | the second approver |
//!
//! All of it is made from the compiled [`Practice`](crate::Practice), so it can say nothing that does not run, and none of
//! it shows a telephone number: these pages are mailed around.

pub mod diff;
pub mod explain;
pub mod graph;
mod page;
mod read;
mod wording;

pub use page::{Document, Page, Row};
pub use read::{Lengths, copy};
pub use wording::condition;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::model::Practice;
    use crate::words::Language;
    use crate::{Folder, compile};

    const FILES: [(&str, &str); 5] = [
        (
            "practice.yaml",
            include_str!("../../../flows/cedar-family-medicine/practice.yaml"),
        ),
        (
            "after-hours.flow.yaml",
            include_str!("../../../flows/cedar-family-medicine/after-hours.flow.yaml"),
        ),
        ("adult-symptoms.protocol.yaml", CEDAR_PROTOCOL),
        (
            "after-hours.es.yaml",
            include_str!("../../../flows/cedar-family-medicine/after-hours.es.yaml"),
        ),
        (
            "adult-symptoms.es.yaml",
            include_str!("../../../flows/cedar-family-medicine/adult-symptoms.es.yaml"),
        ),
    ];

    pub(super) const CEDAR_PROTOCOL: &str =
        include_str!("../../../flows/cedar-family-medicine/adult-symptoms.protocol.yaml");

    /// The shipped practice.
    pub(super) fn cedar() -> Arc<Practice> {
        cedar_of("practice.yaml", FILES[0].1)
    }

    /// The shipped practice with one file otherwise.
    fn cedar_of(file: &str, text: &str) -> Arc<Practice> {
        built(file, text, false)
    }

    /// The shipped practice, speaking English only, with one file otherwise: new words have no Spanish yet.
    pub(super) fn english_of(file: &str, text: &str) -> Arc<Practice> {
        built(file, text, true)
    }

    fn built(file: &str, text: &str, english: bool) -> Arc<Practice> {
        let mut files: std::collections::BTreeMap<String, String> = FILES
            .into_iter()
            .map(|(name, known)| (name.to_owned(), if name == file { text } else { known }.to_owned()))
            .collect();
        if english {
            files.retain(|name, _| !name.ends_with(".es.yaml"));
            for text in files.values_mut() {
                *text = text.replace("[English, Spanish]", "[English]");
            }
        }
        let compiled = compile(&Folder {
            files,
            ..Folder::default()
        });
        compiled
            .practice
            .unwrap_or_else(|| panic!("{:#?}", compiled.diagnostics))
    }

    /// The text of a shipped file with some words otherwise.
    pub(super) fn reworded(file: &str, from: &str, to: &str) -> String {
        let (_, text) = FILES.into_iter().find(|(name, _)| *name == file).expect("a file");
        assert!(text.contains(from), "{file} does not say {from}");
        text.replacen(from, to, 1)
    }

    /// The shipped practice with some words of one file otherwise.
    pub(super) fn cedar_with(file: &str, from: &str, to: &str) -> Arc<Practice> {
        cedar_of(file, &reworded(file, from, to))
    }

    #[test]
    fn the_review_copy_of_cedar() {
        let practice = cedar();
        let document = super::copy(&practice, &practice.flows[0], Language::English, &|_| None);
        insta::assert_snapshot!(document.to_text());
        let html = document.to_html();
        assert_eq!(html.matches("<section>").count(), document.pages.len());
        assert!(html.contains("break-before: page") && html.contains("Signature"));
    }

    #[test]
    fn the_review_copy_in_spanish_prints_what_a_spanish_caller_hears() {
        let practice = cedar();
        let text = super::copy(&practice, &practice.flows[0], Language::Spanish, &|_| None).to_text();
        assert!(text.contains("una receta, marque 2."), "{text}");
    }

    #[test]
    fn the_written_protocol_says_who_is_urgent_who_is_rung_and_until_when_it_holds() {
        let practice = cedar();
        let text = super::explain::protocol(&practice, &crate::proof::Estimate, 20).to_text();
        for said in [
            "to be reviewed by",
            "WHAT COUNTS AS URGENT",
            "WHO IS ON CALL",
            "as QGenda has it",
            "Dr. Okafor answers for every gap",
            "key 1 accepts, 2 passes it on",
            "WHERE MESSAGES GO",
            "WAIT AT WORST",
        ] {
            assert!(text.contains(said), "{said}\n{text}");
        }
    }

    #[test]
    fn no_page_shows_a_telephone_number() {
        let practice = cedar();
        let flow = &practice.flows[0];
        let pages = [
            super::copy(&practice, flow, Language::English, &|_| None).to_text(),
            super::explain::urgent(&practice).to_text(),
            super::explain::delivery(&practice).to_text(),
            super::explain::on_call(&practice).to_text(),
            super::graph::Graph::new(flow).to_svg(),
        ];
        for page in pages {
            assert!(!page.contains("5550") && !page.contains("555 0"), "{page}");
        }
    }

    #[test]
    fn known_lengths_are_used_instead_of_the_estimate() {
        let practice = cedar();
        let flow = &practice.flows[0];
        let text = super::copy(&practice, flow, Language::English, &|_| {
            Some(std::time::Duration::from_secs(7))
        })
        .to_text();
        assert!(text.contains("Thank you. Goodbye.  (7 seconds)"), "{text}");
    }
}
