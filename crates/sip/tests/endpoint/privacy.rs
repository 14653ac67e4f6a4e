//! Nothing an endpoint prints about itself names anybody (BRF: numbers, names and digits are `Phi`).

use sip::digest::Credentials;
use sip::{Body, Endpoint, Output};

use super::world::*;

#[test]
fn planted_names_and_numbers_are_in_no_debug_output() {
    const PLANTED: [&str; 6] = ["5550123", "5550100", "Rivera", "Signal=7", "c=IN", "hunter2"];
    let mut alone = Alone::new();
    let text = invite("b1")
        .replace("From: <", "From: \"Ana Rivera\" <")
        .replace("\n\noffer", "\n\nc=IN ");
    let mut printed = String::new();
    let mut look = |endpoint: &mut Endpoint| {
        loop {
            let output = endpoint.poll_output();
            printed.push_str(&format!("{output:?} {output:#?} {endpoint:?}\n"));
            if matches!(output, Output::Timeout(_)) {
                break;
            }
        }
    };
    let now = alone.now;
    alone
        .endpoint
        .handle_received(now, alone.flow, text.replace('\n', "\r\n").as_bytes());
    look(&mut alone.endpoint);
    let mut call = sip::Invite::new(alone.flow, uri("sip:+15125550100@192.0.2.1"), from());
    call.body = Some(Body::sdp("c=IN "));
    call.credentials = Some(Credentials::new("Rivera".into(), "hunter2".into()));
    call.headers
        .push(("Diversion".into(), "<sip:+15125550100@example.com>".into()));
    printed_call(&call, &PLANTED);
    alone.endpoint.invite(now, call);
    look(&mut alone.endpoint);
    let mut alone = Alone::new();
    let (_, tag) = alone.answered();
    let info = within("INFO", 2, &tag, "i2", "Signal=7").replace('\n', "\r\n");
    alone.endpoint.handle_received(now, alone.flow, info.as_bytes());
    look(&mut alone.endpoint);
    assert!(printed.contains("Incoming") && printed.contains("Info"));
    for planted in PLANTED {
        assert!(!printed.contains(planted), "{planted} is in {printed}");
    }
}

fn printed_call(call: &sip::Invite, planted: &[&str]) {
    let printed = format!("{call:?} {call:#?}");
    for planted in planted {
        assert!(!printed.contains(planted), "{planted} is in {printed}");
    }
}

/// The shell keeps the endpoint on whichever thread it likes.
#[test]
fn an_endpoint_can_move_between_threads() {
    fn is_send<T: Send>() {}
    is_send::<Endpoint>();
}
