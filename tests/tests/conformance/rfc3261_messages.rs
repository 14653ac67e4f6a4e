//! RFC 3261 §7, §8.2, §11, §18.3, §19 to §21: how one request is read and answered.

use crate::house::{TALK, house, is_alive, own, phone, tcp_phone};
use tests::raw::{QUIET, SOON, fresh};

#[test]
fn rfc3261_s7_3_1_header_names_mean_the_same_in_any_case() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let request = phone
        .request("OPTIONS")
        .rename("Call-ID", "cALL-id")
        .rename("CSeq", "CSEQ")
        .rename("Via", "via");
    assert_eq!(phone.ask(&request).status(), 200);
}

#[test]
fn rfc3261_s7_3_1_a_folded_header_is_one_line() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let folded = format!("\"A\r\n \tB\"\r\n {}", phone.from);
    let request = phone.request("OPTIONS").set("From", folded);
    let answer = phone.ask(&request);
    assert_eq!(answer.status(), 200, "{answer:?}");
    assert!(answer.from_tag().is_some());
}

#[test]
fn rfc3261_s7_3_1_white_space_may_stand_before_the_colon() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let request = phone.request("OPTIONS").rename("To", "To  \t").rename("CSeq", "CSeq ");
    assert_eq!(phone.ask(&request).status(), 200);
}

#[test]
fn rfc3261_s7_3_3_compact_names_are_understood() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let mut invite = phone.invite();
    for (name, compact) in [
        ("Via", "v"),
        ("From", "f"),
        ("To", "t"),
        ("Call-ID", "i"),
        ("Contact", "m"),
        ("Content-Type", "c"),
    ] {
        invite = invite.rename(name, compact);
    }
    let length = invite.body.len().to_string();
    let answer = phone.call_with(&invite.add("l", length));
    assert_eq!(answer.sdp("m=audio ").len(), 1, "the offer was read");
    phone.hang_up();
}

#[test]
fn rfc3261_s7_3_1_several_vias_on_one_line_are_several() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let two = format!("{}, SIP/2.0/UDP far.example.com;branch=z9hG4bKfar", phone.via());
    let request = phone.request("OPTIONS").set("Via", two);
    let answer = phone.ask(&request);
    assert_eq!(answer.status(), 200);
    let vias = answer.all("Via").join(", ");
    assert!(vias.contains("far.example.com"), "both are copied, in order: {vias}");
    assert!(
        vias.find("far.example.com") > vias.find(&phone.line.local.to_string()),
        "{vias}"
    );
}

#[test]
fn rfc3261_s8_1_1_5_a_cseq_of_another_method_is_malformed() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let request = phone.request("OPTIONS").set("CSeq", "1 INVITE");
    phone.send(&request);
    let answer = phone.line.expect("a refusal", |message| message.status() >= 200);
    assert_eq!(answer.status(), 400, "{answer:?}");
}

#[test]
fn rfc3261_s8_2_1_an_unknown_method_is_405_with_allow() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let request = phone.request("PAGE");
    let answer = phone.ask(&request);
    assert_eq!(answer.status(), 405, "{answer:?}");
    for method in ["INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "INFO", "UPDATE"] {
        assert!(answer.lists("Allow", method), "{method} in {answer:?}");
    }
}

#[test]
fn rfc3261_s8_2_1_message_publish_and_refer_are_not_taken() {
    let house = house();
    for method in ["MESSAGE", "PUBLISH", "REFER"] {
        let mut phone = phone(&house, TALK);
        let request = phone.request(method).add("Refer-To", "<sip:+15125550141@127.0.0.1>");
        let answer = phone.ask(&request);
        assert_eq!(answer.status(), 405, "{method}: {answer:?}");
        assert!(answer.has("Allow") && !answer.lists("Allow", method), "{answer:?}");
    }
}

#[test]
fn rfc3261_s8_2_2_1_an_unknown_scheme_is_416() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let request = phone.request("OPTIONS").start("OPTIONS http://example.com/ SIP/2.0");
    assert_eq!(phone.ask(&request).status(), 416);
}

#[test]
fn rfc3261_s8_2_2_2_the_same_request_by_two_ways_is_482() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let invite = phone.invite();
    phone.send(&invite);
    assert_eq!(phone.answer("INVITE").status(), 200);
    // RFC 3261 §8.2.2.2: same From tag, Call-ID and CSeq, no To tag, and another branch.
    let other = invite.set("Via", phone.via());
    phone.line.send(&other.bytes());
    let merged = phone.response("INVITE", |status| status >= 300);
    assert_eq!(merged.status(), 482, "{merged:?}");
}

#[test]
fn rfc3261_s8_2_2_3_a_required_extension_that_is_not_ours_is_420() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let request = phone.request("OPTIONS").add("Require", "no-such-thing, nor-this");
    let answer = phone.ask(&request);
    assert_eq!(answer.status(), 420, "{answer:?}");
    assert!(
        answer.lists("Unsupported", "no-such-thing") && answer.lists("Unsupported", "nor-this"),
        "{answer:?}"
    );
    assert!(!answer.lists("Supported", "no-such-thing"));
}

#[test]
fn rfc3261_s8_2_2_3_an_invite_that_requires_what_we_have_not_is_420() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let invite = phone.invite().add("Require", "no-such-thing");
    let answer = phone.is_refused(&invite, 420);
    assert_eq!(answer.header("Unsupported"), "no-such-thing");
}

#[test]
fn rfc3261_s8_2_2_3_proxy_require_is_for_proxies() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let request = phone.request("OPTIONS").add("Proxy-Require", "no-such-thing");
    assert_eq!(phone.ask(&request).status(), 200, "we are no proxy");
}

#[test]
fn rfc3261_s8_2_3_a_body_of_another_type_is_415_with_accept() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let invite = phone.invite().with("text/plain", "hello");
    let answer = phone.is_refused(&invite, 415);
    assert!(answer.lists("Accept", "application/sdp"), "{answer:?}");
}

#[test]
fn rfc3261_s8_2_3_a_body_in_an_unknown_encoding_is_415_with_accept_encoding() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let invite = phone.invite().add("Content-Encoding", "gzip");
    let answer = phone.is_refused(&invite, 415);
    assert!(answer.lists("Accept-Encoding", "identity"), "{answer:?}");
}

#[test]
fn rfc3261_s8_2_6_1_a_timestamp_comes_back_in_100() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let invite = phone.invite().add("Timestamp", "54.21");
    phone.send(&invite);
    let trying = phone.response("INVITE", |status| status == 100);
    assert!(trying.header("Timestamp").starts_with("54.21"), "{trying:?}");
    assert!(trying.to_tag().is_none(), "a 100 begins no dialog");
    assert_eq!(phone.answer("INVITE").status(), 200);
}

#[test]
fn rfc3261_s8_2_6_2_what_names_the_request_is_copied() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let request = phone.request("OPTIONS").set(
        "From",
        format!("\"Ann \\\"A\\\" B\" <sip:a@example.com;x=y>;tag={};other=1", fresh()),
    );
    let answer = phone.ask(&request);
    for name in ["From", "Call-ID", "CSeq"] {
        assert_eq!(answer.header(name), request.header(name), "{answer:?}");
    }
    assert!(answer.header("To").starts_with(request.header("To")));
    assert!(
        answer.to_tag().is_some_and(|tag| !tag.is_empty()),
        "a tag is added: {answer:?}"
    );
}

#[test]
fn rfc3261_s8_2_6_2_a_tag_of_the_request_is_kept() {
    let house = house();
    let mut phone = phone(&house, TALK);
    phone.call();
    let options = phone.request("OPTIONS");
    let answer = phone.ask(&options);
    assert_eq!((answer.status(), answer.header("To")), (200, options.header("To")));
    phone.hang_up();
}

#[test]
fn rfc3261_s8_2_7_copies_of_a_request_get_the_same_tag() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let request = phone.request("OPTIONS").add("Require", "no-such-thing");
    let first = phone.ask(&request);
    let second = phone.ask(&request);
    assert_eq!(first.to_tag(), second.to_tag());
    let other = phone.request("OPTIONS").add("Require", "no-such-thing");
    assert_ne!(phone.ask(&other).to_tag(), first.to_tag());
}

#[test]
fn rfc3261_s11_2_options_tells_what_an_invite_would_find() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let request = phone.request("OPTIONS").add("Accept", "application/sdp");
    let answer = phone.ask(&request);
    assert_eq!(answer.status(), 200);
    for method in ["INVITE", "ACK", "CANCEL", "BYE", "OPTIONS"] {
        assert!(answer.lists("Allow", method), "{answer:?}");
    }
    assert!(answer.lists("Accept", "application/sdp"), "{answer:?}");
    for name in ["Accept-Encoding", "Accept-Language", "Supported"] {
        assert!(answer.has(name), "{name} in {answer:?}");
    }
}

#[test]
fn rfc3261_s11_2_options_while_draining_is_503_with_retry_after() {
    let engine = own(|_| ());
    let mut phone = phone(&engine, TALK);
    engine.drain();
    let request = phone.request("OPTIONS");
    let answer = phone.ask(&request);
    assert_eq!(answer.status(), 503, "{answer:?}");
    assert!(answer.header("Retry-After").parse::<u32>().is_ok(), "{answer:?}");
}

#[test]
fn rfc3261_s16_3_options_with_no_hops_left_is_answered_by_whom_it_reached() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let request = phone.request("OPTIONS").set("Max-Forwards", "0");
    assert_eq!(phone.ask(&request).status(), 200, "§11: as if it were for us");
}

#[test]
fn rfc7332_s4_an_invite_with_no_hops_left_is_483() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let invite = phone.invite().set("Max-Forwards", "0");
    phone.is_refused(&invite, 483);
}

#[test]
fn rfc3261_s18_3_bytes_beyond_content_length_are_ignored() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let mut bytes = phone.request("OPTIONS").bytes();
    bytes.extend_from_slice(b"more than was said");
    phone.line.send(&bytes);
    assert_eq!(phone.answer("OPTIONS").status(), 200);
}

#[test]
fn rfc3261_s18_3_a_datagram_without_content_length_has_the_rest_as_body() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let invite = phone.invite();
    let bytes = invite.bytes();
    let text = String::from_utf8(bytes).expect("text");
    let text = text.replace(&format!("Content-Length: {}\r\n", invite.body.len()), "");
    assert!(!text.contains("Content-Length"));
    phone.invite = Some(invite);
    phone.line.send(text.as_bytes());
    let answer = phone.answer("INVITE");
    assert_eq!((answer.status(), answer.sdp("m=audio ").len()), (200, 1), "{answer:?}");
}

#[test]
fn rfc3261_s18_3_a_datagram_shorter_than_content_length_is_400() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let request = phone.request("OPTIONS").add("Content-Length", "400");
    assert_eq!(phone.ask(&request).status(), 400);
}

#[test]
fn rfc3261_s18_3_a_stream_may_be_cut_anywhere() {
    let house = house();
    let mut phone = tcp_phone(&house, TALK);
    let bytes = phone.invite().bytes();
    for piece in bytes.chunks(37) {
        phone.line.send(piece);
        std::thread::sleep(std::time::Duration::from_millis(3));
    }
    let answer = phone.answer("INVITE");
    assert_eq!(answer.status(), 200, "{answer:?}");
}

#[test]
fn rfc3261_s18_3_two_requests_in_one_segment_are_two() {
    let house = house();
    let mut phone = tcp_phone(&house, TALK);
    let (one, two) = (phone.request("OPTIONS"), phone.request("OPTIONS"));
    phone.line.send(&[one.bytes(), two.bytes()].concat());
    let mut answered = vec![phone.answer("OPTIONS").cseq(), phone.answer("OPTIONS").cseq()];
    answered.sort_unstable();
    assert_eq!(answered, [1, 2]);
}

#[test]
fn rfc3261_s18_3_a_stream_without_content_length_is_given_up() {
    let house = house();
    let mut phone = tcp_phone(&house, TALK);
    let text = String::from_utf8(phone.request("OPTIONS").bytes()).expect("text");
    let text = text.replace("Content-Length: 0\r\n", "");
    phone.line.send(text.as_bytes());
    // §18.3: it MUST be there on a stream, for nobody can say where the next message begins.
    let refused = phone.line.find(QUIET, |message| message.status() >= 300);
    assert!(refused.is_some() || phone.line.is_closed(SOON));
    is_alive(&mut tcp_phone(&house, TALK));
}

#[test]
fn rfc5626_s3_5_1_a_double_line_end_on_a_stream_is_answered_with_one() {
    let house = house();
    let mut phone = tcp_phone(&house, TALK);
    phone.line.send(b"\r\n\r\n");
    assert_eq!(phone.line.octets(2), b"\r\n");
    is_alive(&mut phone);
}

#[test]
fn rfc3261_s7_5_line_ends_before_a_request_are_skipped() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let bytes = [b"\r\n\r\n".to_vec(), phone.request("OPTIONS").bytes()].concat();
    phone.line.send(&bytes);
    assert_eq!(phone.answer("OPTIONS").status(), 200);
}

#[test]
fn rfc3261_s19_1_4_an_escaped_number_is_the_same_number() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let uri = format!("sip:%2B1512555%30110@{}", phone.line.server);
    let invite = phone
        .invite()
        .start(format!("INVITE {uri} SIP/2.0"))
        .set("To", format!("<{uri}>"));
    phone.call_with(&invite);
    phone.hang_up();
}

#[test]
fn rfc3261_s19_1_1_uri_parameters_do_not_change_the_number() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let server = phone.line.server;
    let invite = phone.invite().start(format!(
        "INVITE sip:{TALK};npdi=yes@{server};user=phone;transport=udp SIP/2.0"
    ));
    phone.call_with(&invite);
    phone.hang_up();
}

#[test]
fn rfc3966_s3_a_tel_uri_with_separators_is_the_number() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let invite = phone
        .invite()
        .start("INVITE tel:+1-512-555-0110;phone-context=example.com SIP/2.0")
        .set("To", "<tel:+1-512-555-0110>");
    phone.call_with(&invite);
    phone.hang_up();
}

#[test]
fn rfc3261_s20_10_a_display_name_with_a_comma_is_quoted_and_whole() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let from = format!("\"DOE, JANE\" {}", phone.from);
    phone.from = from.clone();
    let answer = phone.call();
    assert_eq!(answer.header("From"), from);
    phone.hang_up();
}

#[test]
fn rfc3261_s21_4_1_a_request_without_call_id_is_400() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let request = phone.request("OPTIONS").without("Call-ID");
    phone.send(&request);
    let answer = phone.line.expect("a refusal", |message| message.status() >= 200);
    assert_eq!(answer.status(), 400, "{answer:?}");
}

#[test]
fn rfc3261_s21_4_5_a_number_of_nobody_is_404() {
    let house = house();
    let mut phone = phone(&house, "+15125550177");
    let invite = phone.invite();
    let answer = phone.is_refused(&invite, 404);
    assert!(answer.to_tag().is_some());
}

#[test]
fn rfc3261_s21_4_12_a_request_uri_without_end_is_414() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let long = "a".repeat(3_000);
    let request = phone
        .request("OPTIONS")
        .start(format!("OPTIONS sip:{long}@127.0.0.1 SIP/2.0"));
    assert_eq!(phone.ask(&request).status(), 414);
}

#[test]
fn rfc3261_s21_5_4_a_new_call_while_draining_is_503_and_the_old_one_goes_on() {
    let engine = own(|_| ());
    let (mut old, mut new) = (phone(&engine, TALK), phone(&engine, TALK));
    old.call();
    engine.drain();
    let invite = new.invite();
    let answer = new.is_refused(&invite, 503);
    assert!(answer.has("Retry-After"), "{answer:?}");
    old.rtp.drain();
    old.rtp.hears();
    old.hang_up();
}

#[test]
fn rfc3261_s21_5_6_another_version_is_505() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let request = phone.request("OPTIONS");
    let text = String::from_utf8(request.bytes())
        .expect("text")
        .replacen("SIP/2.0\r\n", "SIP/7.0\r\n", 1);
    phone.line.send(text.as_bytes());
    assert_eq!(phone.answer("OPTIONS").status(), 505);
}

#[test]
fn rfc3261_s20_35_no_version_is_told() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let request = phone.request("OPTIONS");
    let options = phone.ask(&request);
    let answer = phone.call();
    for message in [options, answer, phone.hang_up()] {
        assert!(!message.has("Server") && !message.has("User-Agent"), "{message:?}");
        assert!(!message.start.to_lowercase().contains("nightdesk"));
    }
}

#[test]
fn rfc3261_s8_2_an_ack_is_never_answered() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let ack = phone.request("ACK").set("CSeq", "1 ACK");
    phone.send(&ack);
    let odd = phone
        .request("ACK")
        .set("CSeq", "2 ACK")
        .add("Require", "no-such-thing");
    phone.send(&odd);
    assert!(phone.line.next(QUIET).is_none());
}

#[test]
fn rfc3261_s8_2_1_subscribe_to_an_unknown_event_is_not_taken() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let request = phone
        .request("SUBSCRIBE")
        .add("Event", "presence")
        .add("Expires", "3600");
    let answer = phone.ask(&request);
    assert!(matches!(answer.status(), 405 | 489), "{answer:?}");
}

#[test]
fn rfc3261_s10_3_nobody_registers_with_us() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let contact = phone.contact();
    let request = phone.request("REGISTER").add("Contact", contact).add("Expires", "60");
    let answer = phone.ask(&request);
    assert_eq!(answer.status(), 405, "{answer:?}");
    assert!(!answer.has("Contact"));
}
