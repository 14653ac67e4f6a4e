//! Streams: whatever the pieces bytes arrive in, the same messages come out.

use proptest::prelude::*;
use sip::message::limits::MESSAGE_BYTES_MAX;
use sip::message::{Frame, Framer, Message, Needed, What};

use super::{fixture, fixtures};

/// Pushes the bytes in pieces of these sizes, over and over, and drains after each.
fn frames(bytes: &[u8], sizes: &[usize]) -> Result<Vec<Frame>, What> {
    let mut framer = Framer::new();
    let mut out = Vec::new();
    let mut rest = bytes;
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, after) = rest.split_at((*size).min(rest.len()));
        rest = after;
        framer.push(piece);
        while let Some(frame) = framer.next() {
            out.push(frame.map_err(|error| error.malformed.what)?);
        }
        assert!(framer.held() <= piece.len().saturating_add(MESSAGE_BYTES_MAX));
    }
    Ok(out)
}

#[test]
fn messages_and_pings_come_out_one_by_one() {
    let mut stream = b"\r\n".to_vec();
    let mut expected = Vec::new();
    for (_, bytes) in fixtures("carriers") {
        stream.extend_from_slice(&bytes);
        expected.push(Frame::Message(bytes));
        stream.extend_from_slice(b"\r\n\r\n");
        expected.push(Frame::Ping);
    }
    for sizes in [&[1][..], &[7, 1, 300], &[usize::MAX]] {
        assert_eq!(frames(&stream, sizes).as_ref(), Ok(&expected));
    }
}

#[test]
fn a_stream_without_lengths_ends() {
    let head = "OPTIONS sip:x SIP/2.0\r\n";
    for (tail, what) in [
        ("\r\n", What::Missing(Needed::ContentLength)),
        (
            "l: 5\r\nContent-Length: 5\r\n\r\n",
            What::Duplicate(Needed::ContentLength),
        ),
        ("l: -1\r\n\r\n", What::ContentLength),
        ("l: 5 5\r\n\r\n", What::ContentLength),
        ("l: 0x5\r\n\r\n", What::ContentLength),
        ("l: 4294967295\r\n\r\n", What::MessageTooLarge),
        ("l: 99999999999999999999\r\n\r\n", What::ContentLength),
        ("l: 1\nl: 5\r\n\r\n", What::LoneLineEnd),
    ] {
        assert_eq!(frames(format!("{head}{tail}").as_bytes(), &[9]), Err(what), "{tail:?}");
    }
    assert_eq!(frames(&fixture("torture", "tls"), &[3]), Err(What::StartLine));
    assert_eq!(
        frames(&vec![b'x'; MESSAGE_BYTES_MAX + 1], &[1000]),
        Err(What::MessageTooLarge)
    );
}

/// One bad message does not cost a trunk its connection, as long as it is plain where it ends.
#[test]
fn a_message_with_a_bad_line_is_a_message() {
    let bad = b"OPTIONS  sip:x SIP/2.0\r\nno colon here\r\n(: y\r\nl: 2\r\n\r\nhi";
    let stream = [&bad[..], b"\r\n\r\n"].concat();
    assert_eq!(
        frames(&stream, &[5]),
        Ok(vec![Frame::Message(bad.to_vec()), Frame::Ping])
    );
}

/// RFC 3261 §18.3 lets a stream's bad length be answered before it is closed.
#[test]
fn what_broke_the_stream_can_still_be_answered() {
    let mut framer = Framer::new();
    framer.push(&fixture("torture", "ncl"));
    let error = framer.next().expect("a whole head").expect_err("a negative length");
    let head = error.head.expect("a whole head");
    let salvage = Message::parse(&head)
        .expect_err("still negative")
        .salvage
        .expect("a request with a Via");
    assert_eq!(salvage.refusal().status, 400);
    framer.push(b"\r\n\r\n");
    assert_eq!((framer.next(), framer.held()), (None, 0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn pieces_do_not_matter(bytes in stream(), sizes in prop::collection::vec(1_usize..200, 1..5)) {
        prop_assert_eq!(frames(&bytes, &sizes), frames(&bytes, &[usize::MAX]));
    }

    /// The framer and the parser agree on where a message ends, or one of them refuses.
    #[test]
    fn a_frame_is_exactly_one_message(bytes in stream()) {
        for frame in frames(&bytes, &[50]).unwrap_or_default() {
            let Frame::Message(bytes) = frame else { continue };
            let Ok(message) = Message::parse(&bytes) else { continue };
            let body = match &message {
                Message::Request(request) => &request.body,
                Message::Response(response) => &response.body,
            };
            let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a head") + 4;
            prop_assert_eq!(&bytes[end..], &body[..]);
        }
    }
}

/// Messages, pings and noise in a row.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let message = (0_usize..40, prop::option::of(0_usize..40)).prop_map(|(body, lie)| {
        let length = lie.map_or(body, |lie| lie);
        let head = format!("INFO sip:x SIP/2.0\r\nv: SIP/2.0/TCP x;branch=z9hG4bK1\r\nf: <sip:a@b>;tag=1\r\nt: <sip:c@d>;tag=2\r\ni: 1\r\nCSeq: 1 INFO\r\nl:\r\n {length}\r\n\r\n");
        [head.as_bytes(), &b"body\r\n\r\n".repeat(5)[..body]].concat()
    });
    let piece = prop_oneof![
        6 => message,
        1 => Just(b"\r\n\r\n".to_vec()),
        1 => Just(b"\r\n".to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..8),
    ];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}
