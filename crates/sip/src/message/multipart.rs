//! Parts of a multipart body (RFC 2046 §5.1, RFC 5621): trunks that speak ISUP, and callers who send their location, wrap the
//! session description in one. What a part means is, as with any body, not this room's business.

use super::header_name::HeaderName;
use super::lex::{Scan, text, trim};
use super::limits::{MULTIPART_DEPTH_MAX, PARTS_MAX};
use super::params::Params;
use super::parse::Lines;

/// The first part of this media type, with its Content-Type: the body itself, or a part of a multipart body.
pub(crate) fn find<'a>(content_type: &str, body: &'a [u8], wanted: &str) -> Option<(String, &'a [u8])> {
    find_within(content_type, body, wanted, MULTIPART_DEPTH_MAX)
}

fn find_within<'a>(content_type: &str, body: &'a [u8], wanted: &str, depth: usize) -> Option<(String, &'a [u8])> {
    if is(content_type, wanted) {
        return Some((content_type.to_owned(), body));
    }
    let boundary = boundary(content_type)?;
    let depth = depth.checked_sub(1)?;
    parts(body, &boundary).find_map(|(content_type, part)| find_within(&content_type, part, wanted, depth))
}

/// Whether a Content-Type is of this media type, whatever its parameters.
pub(crate) fn is(content_type: &str, media_type: &str) -> bool {
    let own = content_type.split(';').next().unwrap_or_default();
    let (own, wanted) = (own.split_once('/'), media_type.split_once('/'));
    // RFC 3261 §25.1: space may stand around the slash.
    own.zip(wanted).is_some_and(|(own, wanted)| {
        own.0.trim().eq_ignore_ascii_case(wanted.0) && own.1.trim().eq_ignore_ascii_case(wanted.1)
    })
}

/// The line that separates the parts, when there are any.
fn boundary(content_type: &str) -> Option<Vec<u8>> {
    let (kind, params) = content_type.split_at(content_type.find(';')?);
    if !kind
        .split('/')
        .next()
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("multipart"))
    {
        return None;
    }
    let params = Params::parse(&mut Scan::new(params.as_bytes())).ok()?;
    let boundary = params.text("boundary")?;
    // RFC 2046 §5.1.1: one to seventy characters.
    (1..=70)
        .contains(&boundary.len())
        .then(|| [b"--", boundary.as_bytes()].concat())
}

fn parts<'a>(body: &'a [u8], boundary: &[u8]) -> impl Iterator<Item = (String, &'a [u8])> {
    let mut rest = delimiter(body, boundary).map(|(_, rest)| rest);
    std::iter::from_fn(move || {
        loop {
            let (part, after) = delimiter(rest.take()??, boundary)?;
            rest = Some(after);
            if let Some(part) = read(part) {
                return Some(part);
            }
        }
    })
    .take(PARTS_MAX)
}

/// What stands before the next delimiter line, and what follows it: nothing, when it was the closing one.
fn delimiter<'a>(bytes: &'a [u8], boundary: &[u8]) -> Option<(&'a [u8], Option<&'a [u8]>)> {
    let mut from = 0;
    loop {
        let found = from
            + bytes
                .get(from..)?
                .windows(boundary.len())
                .position(|window| window == boundary)?;
        let (before, rest) = bytes.split_at(found);
        let rest = rest.get(boundary.len()..).unwrap_or_default();
        from = found + boundary.len();
        // RFC 2046 §5.1.1: the line end before a delimiter belongs to it; the preamble may be missing altogether.
        let before = match before.strip_suffix(b"\r\n") {
            Some(before) => before,
            None if before.is_empty() => before,
            None => continue,
        };
        if rest.starts_with(b"--") {
            return Some((before, None));
        }
        let padding = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        if let Some(after) = rest.get(padding..).and_then(|rest| rest.strip_prefix(b"\r\n")) {
            return Some((before, Some(after)));
        }
    }
}

/// A part's Content-Type (RFC 2046 §5.1: without one it is plain text) and its bytes.
fn read(part: &[u8]) -> Option<(String, &[u8])> {
    let mut lines = Lines { bytes: part, at: 0 };
    let mut content_type = None;
    while let Some(field) = lines.next().ok()? {
        if HeaderName::from(text(field.name).as_ref()) == HeaderName::ContentType {
            content_type.get_or_insert(field.unfolded().0);
        }
    }
    let content_type = content_type.map(|value| text(trim(&value).0).into_owned());
    Some((
        content_type.unwrap_or_else(|| "text/plain".to_owned()),
        part.get(lines.at..)?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sdp(content_type: &str, body: &str) -> Option<String> {
        find(content_type, body.as_bytes(), "application/sdp")
            .map(|(_, part)| String::from_utf8_lossy(part).into_owned())
    }

    #[test]
    fn a_part_is_found_whatever_stands_around_it() {
        assert_eq!(sdp("Application / SDP;x=y", "v=0").as_deref(), Some("v=0"));
        let body = "preamble\r\n--b 1 \r\nContent-Type: application/isup\r\n\r\n--b 1x\0\r\n--b 1\r\nc:\r\n application/sdp\r\n\r\nv=0\r\n\r\n--b 1--\r\nepilogue";
        assert_eq!(
            sdp("multipart/mixed; Boundary=\"b 1\"", body).as_deref(),
            Some("v=0\r\n")
        );
        let nested = format!("--o\r\nContent-Type: multipart/alternative;boundary=\"b 1\"\r\n\r\n{body}\r\n--o--");
        assert_eq!(sdp("multipart/mixed;boundary=o", &nested).as_deref(), Some("v=0\r\n"));
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        let empty = "--b\r\n\r\nplain text\r\n--b\r\nContent-Type: application/sdp\r\nno end of headers\r\n--b--";
        for (content_type, body) in [
            ("multipart/mixed;boundary=b", ""),
            ("multipart/mixed;boundary=b", "--b"),
            ("multipart/mixed;boundary=b", "--b--\r\n"),
            ("multipart/mixed;boundary=b", empty),
            (
                "multipart/mixed;boundary=b",
                "x--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--b--",
            ),
            (
                "multipart/mixed;boundary=b",
                "--b\r\nContent-Type: application/sdp\r\n\r\nv=0 cut off",
            ),
            (
                "multipart/mixed",
                "--\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n----",
            ),
            (
                "text/plain;boundary=b",
                "--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--b--",
            ),
        ] {
            assert_eq!(sdp(content_type, body), None, "{content_type} {body:?}");
        }
    }

    #[test]
    fn parts_within_parts_have_an_end() {
        let mut body = "v=0".to_owned();
        let mut content_type = "application/sdp".to_owned();
        for depth in 0..=MULTIPART_DEPTH_MAX {
            assert_eq!(sdp(&content_type, &body).as_deref(), Some("v=0"), "{depth}");
            body = format!("--b{depth}\r\nContent-Type: {content_type}\r\n\r\n{body}\r\n--b{depth}--");
            content_type = format!("multipart/mixed;boundary=b{depth}");
        }
        assert_eq!(sdp(&content_type, &body), None);
        let many = "--b\r\n\r\n".repeat(PARTS_MAX) + "--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--b--";
        assert_eq!(sdp("multipart/mixed;boundary=b", &many.replace("--b", "\r\n--b")), None);
    }
}
