//! A printed page: a title and rows with a label each; as plain text and as HTML that prints.

use std::fmt::Write as _;

/// How wide the plain text is.
const WIDTH: usize = 112;
/// Where the text of a row begins.
const INDENT: usize = 21;

/// Something to print.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Document {
    /// What it is.
    pub title: String,
    /// What stands under the title.
    pub front: Vec<Row>,
    /// A page each in print, a paragraph each in text.
    pub pages: Vec<Page>,
}

/// One page.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Page {
    /// Its heading.
    pub title: String,
    /// From top to bottom.
    pub rows: Vec<Row>,
    /// Who is to sign it, where somebody is.
    pub signed_by: Option<String>,
}

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// On the left.
    pub label: String,
    /// On the right. Two spaces or more stay together; a line break begins a new line.
    pub text: String,
}

impl Row {
    /// A row of this label and text.
    pub fn new(label: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            text: text.into(),
        }
    }
}

impl Page {
    /// An empty page.
    pub fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            ..Self::default()
        }
    }

    /// Adds a row.
    pub fn row(&mut self, label: impl Into<String>, text: impl Into<String>) {
        self.rows.push(Row::new(label, text));
    }
}

impl Document {
    /// For a terminal, a mail, a printer that knows letters only.
    pub fn to_text(&self) -> String {
        let mut out = format!("{}\n", self.title);
        rows(&self.front, &mut out);
        for page in &self.pages {
            let _ = write!(out, "\n{}\n", page.title.to_uppercase());
            rows(&page.rows, &mut out);
            if let Some(who) = &page.signed_by {
                let _ = write!(
                    out,
                    "\n  {who}\n  Signature ______________________________   Date ______________\n"
                );
            }
        }
        out
    }

    /// For a browser, whose print makes the PDF: a page for each section, nothing fetched from anywhere.
    pub fn to_html(&self) -> String {
        let mut out = String::from(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n",
        );
        let _ = write!(
            out,
            "<title>{}</title>\n<style>\n{STYLE}</style></head><body>\n",
            escaped(&self.title)
        );
        let _ = writeln!(out, "<header><h1>{}</h1>", escaped(&self.title));
        table(&self.front, &mut out);
        out.push_str("</header>\n");
        for page in &self.pages {
            let _ = writeln!(out, "<section><h2>{}</h2>", escaped(&page.title));
            table(&page.rows, &mut out);
            if let Some(who) = &page.signed_by {
                let _ = writeln!(
                    out,
                    "<footer><p>{}</p><p class=\"sign\"><span>Signature</span><span>Date</span></p></footer>",
                    escaped(who)
                );
            }
            out.push_str("</section>\n");
        }
        out.push_str("</body></html>\n");
        out
    }
}

const STYLE: &str = "\
body { font: 11pt/1.45 Georgia, 'Times New Roman', serif; color: #111; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0 0 .5rem; } h2 { font-size: 1.15rem; border-bottom: 1px solid #999; padding-bottom: .2rem; }
table { border-collapse: collapse; width: 100%; } th { text-align: left; vertical-align: top; width: 9.5rem; padding: .25rem .75rem .25rem 0;
font: 9.5pt/1.5 Arial, Helvetica, sans-serif; color: #444; } td { vertical-align: top; padding: .25rem 0; white-space: pre-wrap; }
footer { margin-top: 2.5rem; } .sign { display: flex; gap: 2rem; } .sign span { border-top: 1px solid #111; flex: 2; padding-top: .2rem; font-size: 9pt; }
.sign span + span { flex: 1; }
@media print { body { margin: 0; max-width: none; padding: 0; } section { break-before: page; } tr, footer { break-inside: avoid; } }
@page { margin: 2cm; }
";

fn rows(rows: &[Row], out: &mut String) {
    for row in rows {
        let mut label = row.label.as_str();
        // A label as wide as its column stands alone above its text.
        if label.chars().count() + 3 > INDENT {
            out.push_str("  ");
            out.push_str(label);
            out.push('\n');
            label = "";
        }
        for line in row.text.split('\n') {
            for wrapped in wrapped(line, WIDTH - INDENT) {
                let line = format!("  {label:<width$}{wrapped}", width = INDENT - 2);
                out.push_str(line.trim_end());
                out.push('\n');
                label = "";
            }
        }
    }
}

/// A line cut between words; several spaces between two words stay unless the line is cut there.
fn wrapped(line: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut rest = line;
    while rest.chars().count() > width {
        let end = rest.char_indices().nth(width).map_or(rest.len(), |(at, _)| at);
        let head = rest.get(..end).unwrap_or(rest);
        // A word longer than the line stands alone on it.
        let cut = head.rfind(' ').filter(|cut| *cut > 0).or_else(|| rest.find(' '));
        let Some((head, tail)) = cut.and_then(|cut| rest.split_at_checked(cut)) else {
            break;
        };
        lines.push(head.trim_end().to_owned());
        rest = tail.trim_start();
    }
    lines.push(rest.to_owned());
    lines
}

fn table(rows: &[Row], out: &mut String) {
    if rows.is_empty() {
        return;
    }
    out.push_str("<table>\n");
    for row in rows {
        let _ = writeln!(
            out,
            "<tr><th>{}</th><td>{}</td></tr>",
            escaped(&row.label),
            escaped(&row.text)
        );
    }
    out.push_str("</table>\n");
}

/// Text as HTML and SVG may hold it.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_wrapped_between_words_under_its_label() {
        let mut page = Page::new("main menu");
        page.row("Then", "word ".repeat(40).trim());
        let text = Document {
            title: "A".to_owned(),
            pages: vec![page],
            ..Document::default()
        }
        .to_text();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[2], "MAIN MENU");
        assert!(lines[3].starts_with("  Then               word"), "{text}");
        assert!(lines[4].starts_with("                     word"), "{text}");
        assert!(lines.iter().all(|line| line.chars().count() <= WIDTH), "{text}");
    }

    #[test]
    fn a_word_longer_than_a_line_ends_and_nothing_of_html_comes_through() {
        assert_eq!(wrapped(&"a".repeat(300), 10).len(), 1);
        assert_eq!(
            wrapped(&format!("{} b", "ä".repeat(30)), 10),
            ["ä".repeat(30), "b".to_owned()]
        );
        let document = Document {
            title: "<script>".to_owned(),
            front: vec![Row::new("a", "\"&\"")],
            ..Document::default()
        };
        let html = document.to_html();
        assert!(
            !html.contains("<script>") && html.contains("&quot;&amp;&quot;"),
            "{html}"
        );
    }
}
