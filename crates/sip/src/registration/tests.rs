//! The machine's figure, and registrars of every temper.

use std::fmt::Write as _;

use super::*;
use crate::message::StatusCode;

#[allow(
    clippy::disallowed_methods,
    reason = "an Instant can only be had from the clock; its value is not used"
)]
fn epoch() -> Instant {
    Instant::now()
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Every state with every input, on the tenth second of it, with the longest draw.
#[test]
fn the_figure() {
    let epoch = epoch();
    let now = epoch + seconds(10);
    let until = Some(epoch + seconds(60));
    let states = [
        State::Off,
        State::Asking {
            until: None,
            row: 0,
            answers: 0,
        },
        State::Asking {
            until: None,
            row: 4,
            answers: ANSWERS_MAX,
        },
        State::Asking {
            until,
            row: 0,
            answers: 0,
        },
        State::Registered {
            until: epoch + seconds(60),
            refresh: epoch + seconds(10),
        },
        State::Waiting {
            at: now,
            until: None,
            row: 1,
        },
        State::Waiting { at: now, until, row: 1 },
        State::Finishing { until: None },
        State::Finishing { until },
        State::Leaving { answers: 0 },
        State::Leaving { answers: ANSWERS_MAX },
    ];
    let inputs = [
        Input::Start,
        Input::Stop,
        Input::Granted(seconds(300)),
        Input::Challenged(401),
        Input::TooBrief,
        Input::Refused(403),
        Input::Trouble(503, None),
        Input::Trouble(503, Some(120)),
        Input::NoAnswer { elsewhere: true },
        Input::NoAnswer { elsewhere: false },
        Input::Time,
    ];
    let mut figure = String::new();
    for state in states {
        for input in inputs {
            let mut out = Vec::new();
            let next = state.step(now, input, 255, &mut out);
            if next == state && out.is_empty() {
                continue;
            }
            let when = match next {
                State::Waiting { at, .. } => format!("  again after {} s", (at - now).as_secs_f64()),
                State::Registered { refresh, .. } => format!("  refresh after {} s", (refresh - now).as_secs_f64()),
                _ => String::new(),
            };
            let _ = writeln!(
                figure,
                "{:<11}--{:-<38}--> {:<11}{out:?}{when}",
                state.name(),
                format!("{input:?}"),
                next.name()
            );
        }
    }
    insta::assert_snapshot!(figure);
}

fn config() -> RegistrationConfig {
    RegistrationConfig {
        registrar: Uri::parse("sip:chicago.registrar.example").expect("a URI"),
        aor: Uri::parse("sip:100000_desk@chicago.registrar.example").expect("a URI"),
        contact: Uri::parse("sip:100000_desk@192.0.2.7:5060").expect("a URI"),
        expires_s: 300,
        credentials: Some(Credentials::new("100000_desk".into(), "secret".into())),
    }
}

fn registration() -> Registration {
    let mut count = 0_u8;
    let draw = move || {
        count = count.wrapping_add(1);
        [count; 16]
    };
    Registration::new(config(), Box::new(draw))
}

fn sent(registration: &mut Registration) -> Option<Request> {
    let mut sent = None;
    while let Some(output) = registration.poll_output() {
        if let Output::Send(request) = output {
            assert!(sent.is_none(), "one REGISTER at a time (RFC 3261 §10.2)");
            sent = Some(request);
        }
    }
    sent
}

fn told(registration: &mut Registration) -> Vec<Output> {
    std::iter::from_fn(|| registration.poll_output())
        .filter(|output| !matches!(output, Output::Send(_)))
        .collect()
}

fn header(name: &str, value: &str) -> Headers {
    let mut headers = Headers::new();
    headers.push(name, value);
    headers
}

fn digest(realm: &str, nonce: &str, more: &str) -> Headers {
    header(
        "WWW-Authenticate",
        &format!(r#"Digest realm="{realm}", nonce="{nonce}", qop="auth"{more}"#),
    )
}

#[test]
fn a_register_has_what_section_10_2_wants() {
    let now = epoch();
    let mut registration = registration();
    registration.start(now);
    let request = sent(&mut registration).expect("a REGISTER");
    assert_eq!(request.method, Method::Register);
    assert_eq!(request.uri.to_wire(), "sip:chicago.registrar.example");
    let from = request.from().expect("From");
    let to = request.to().expect("To");
    assert!(from.uri == to.uri && from.tag().is_some() && to.tag().is_none());
    assert_eq!(request.expires(), Some(300));
    assert_eq!(request.contact().expect("Contact").params.get("expires"), Some("300"));
    assert_eq!(request.cseq().map(|cseq| cseq.number), Some(1));
    assert!(!request.headers.has("Via") && !request.headers.has("Authorization"));
    registration.handle_response(now, 200, &header("Expires", "300"));
    registration.handle_timeout(registration.timeout().expect("a refresh"));
    let again = sent(&mut registration).expect("a refresh");
    assert_eq!(again.call_id(), request.call_id());
    assert_eq!(again.cseq().map(|cseq| cseq.number), Some(2));
}

#[test]
fn a_challenge_is_answered_and_its_nonce_used_again() {
    let now = epoch();
    let mut registration = registration();
    registration.start(now);
    assert!(sent(&mut registration).is_some_and(|request| !request.headers.has("Authorization")));
    registration.handle_response(now, 401, &digest("r", "one", ""));
    let answer = sent(&mut registration)
        .expect("an answer")
        .headers
        .text("Authorization")
        .expect("credentials");
    assert!(answer.contains("nc=00000001"), "{answer}");
    registration.handle_response(now, 200, &header("Expires", "60"));
    assert_eq!(registration.standing(now), Standing::Up(now + seconds(60)));
    // The refresh brings its credentials along, counted on.
    let refresh = registration.timeout().expect("a refresh");
    registration.handle_timeout(refresh);
    let answer = sent(&mut registration)
        .expect("a refresh")
        .headers
        .text("Authorization")
        .expect("credentials");
    assert!(answer.contains("nc=00000002"), "{answer}");
    // The nonce has grown old: not a wrong password.
    registration.handle_response(refresh, 401, &digest("r", "two", ", stale=true"));
    let answer = sent(&mut registration)
        .expect("an answer")
        .headers
        .text("Authorization")
        .expect("credentials");
    assert!(
        answer.contains(r#"nonce="two""#) && answer.contains("nc=00000001"),
        "{answer}"
    );
    registration.handle_response(refresh, 200, &header("Expires", "60"));
    assert!(told(&mut registration).is_empty(), "it was up all the time");
}

#[test]
fn a_new_challenge_without_stale_after_a_refresh_is_answered_once() {
    let now = epoch();
    let mut registration = registration();
    registration.start(now);
    registration.handle_response(now, 401, &digest("r", "one", ""));
    registration.handle_response(now, 200, &header("Expires", "60"));
    let refresh = registration.timeout().expect("a refresh");
    let _ = told(&mut registration);
    registration.handle_timeout(refresh);
    let _ = sent(&mut registration);
    // A registrar that restarted knows no nonce of ours, and may not say so.
    registration.handle_response(refresh, 401, &digest("r", "two", ""));
    assert!(sent(&mut registration).is_some());
    registration.handle_response(refresh, 401, &digest("r", "three", ""));
    assert_eq!(told(&mut registration), [Output::Down(Why::Refused(401))]);
}

#[test]
fn a_wrong_password_is_not_tried_over_and_over() {
    let now = epoch();
    let mut registration = registration();
    registration.start(now);
    registration.handle_response(now, 401, &digest("r", "one", ""));
    registration.handle_response(now, 401, &digest("r", "two", ""));
    assert_eq!(told(&mut registration), [Output::Down(Why::Refused(401))]);
    let wait = registration.timeout().expect("a wait") - now;
    assert!((seconds(150)..=seconds(300)).contains(&wait), "{wait:?}");
    // A registrar that calls every answer stale has an end too.
    registration.start(now);
    for n in 0..100 {
        registration.handle_response(now, 401, &digest("r", &n.to_string(), ", stale=true"));
    }
    let requests = std::iter::from_fn(|| registration.poll_output())
        .filter(|output| matches!(output, Output::Send(_)))
        .count();
    assert_eq!(requests, 1 + usize::from(ANSWERS_MAX));
}

#[test]
fn nobody_else_s_realm_is_answered() {
    let now = epoch();
    let config = RegistrationConfig {
        credentials: Some(Credentials::new("u".into(), "p".into()).for_realm("registrar.example")),
        ..config()
    };
    let mut registration = Registration::new(config, Box::new(|| [1; 16]));
    registration.start(now);
    let _ = sent(&mut registration);
    registration.handle_response(now, 401, &digest("thief.example", "n", ""));
    assert_eq!(registration.poll_output(), Some(Output::Down(Why::Refused(401))));
    assert_eq!(registration.poll_output(), None);
}

#[test]
fn an_interval_too_brief_is_raised_and_kept() {
    let now = epoch();
    let mut registration = registration();
    registration.start(now);
    let _ = sent(&mut registration);
    registration.handle_response(now, 423, &header("Min-Expires", "1800"));
    assert_eq!(
        sent(&mut registration).and_then(|request| request.expires()),
        Some(1_800)
    );
    registration.handle_response(now, 200, &Headers::new());
    assert_eq!(registration.standing(now), Standing::Up(now + seconds(1_800)));
    // One that contradicts itself is a refusal, not a loop.
    registration.handle_timeout(registration.timeout().expect("a refresh"));
    let _ = sent(&mut registration);
    registration.handle_response(now, 423, &header("Min-Expires", "60"));
    assert!(sent(&mut registration).is_none());
}

#[test]
fn the_grant_is_read_where_it_stands_and_refreshed_before_its_end() {
    for (headers, granted_s) in [
        (header("Contact", "<sip:100000_desk@192.0.2.7:5060>;expires=120"), 120),
        (
            header("Contact", "<sip:100000_desk@192.0.2.7:40000;rinstance=1>;expires=90"),
            90,
        ),
        (
            header(
                "Contact",
                "<sip:other@192.0.2.8>;expires=10, <sip:100000_desk@192.0.2.7:5060>;expires=3600",
            ),
            3_600,
        ),
        (header("Expires", "45"), 45),
        (header("Expires", "1"), 20),
        (header("Expires", "4294967295"), 86_400),
        (
            header("Contact", "<sip:100000_desk@192.0.2.7:5060>;expires=banana"),
            300,
        ),
        (Headers::new(), 300),
    ] {
        let now = epoch();
        let mut registration = registration();
        registration.start(now);
        registration.handle_response(now, 200, &headers);
        assert_eq!(registration.standing(now), Standing::Up(now + seconds(granted_s)));
        let refresh = registration.timeout().expect("a refresh") - now;
        assert!(refresh < seconds(granted_s) - seconds(3), "{granted_s}: {refresh:?}");
        assert!(refresh > seconds(granted_s) / 2, "{granted_s}: {refresh:?}");
    }
}

#[test]
fn trouble_waits_longer_each_time_and_a_grant_outlives_it() {
    let mut now = epoch();
    let mut registration = registration();
    registration.start(now);
    registration.handle_response(now, 200, &header("Expires", "300"));
    let until = now + seconds(300);
    assert_eq!(told(&mut registration), [Output::Up]);
    now = registration.timeout().expect("a refresh");
    registration.handle_timeout(now);
    let mut tries = 0;
    while now < until {
        registration.handle_no_answer(now, false);
        tries += 1;
        let at = registration.timeout().expect("another try");
        assert!(at >= now + MARGIN.0);
        now = at;
        registration.handle_timeout(now);
    }
    assert!((1..10).contains(&tries), "{tries}");
    registration.handle_no_answer(now, false);
    assert_eq!(told(&mut registration), [Output::Down(Why::NoAnswer)]);
    // From here on it is half a minute, doubling to five.
    let mut waits = Vec::new();
    for _ in 0..8 {
        let at = registration.timeout().expect("another try");
        waits.push((at - now).as_secs());
        now = at;
        registration.handle_timeout(now);
        registration.handle_no_answer(now, false);
    }
    assert!(
        waits.iter().all(|wait| *wait <= 300) && waits.last() >= Some(&150),
        "{waits:?}"
    );
    // And back at once when it is answered.
    registration.handle_timeout(registration.timeout().expect("another try"));
    registration.handle_response(now, 200, &Headers::new());
    assert_eq!(told(&mut registration).last(), Some(&Output::Up));
}

#[test]
fn the_next_address_is_tried_at_once() {
    let now = epoch();
    let mut registration = registration();
    registration.start(now);
    assert!(sent(&mut registration).is_some());
    registration.handle_no_answer(now, true);
    assert!(sent(&mut registration).is_some());
    registration.handle_no_answer(now, false);
    assert!(sent(&mut registration).is_none());
}

#[test]
fn leaving_removes_the_binding_and_is_the_end() {
    let now = epoch();
    let mut registration = registration();
    registration.start(now);
    registration.handle_outcome(now, Some(&Response::new(StatusCode::OK)), false);
    assert_eq!(told(&mut registration), [Output::Up]);
    registration.stop(now);
    let outputs = std::iter::from_fn(|| registration.poll_output()).collect::<Vec<_>>();
    let [Output::Down(Why::Left), Output::Send(request)] = &outputs[..] else {
        panic!("{outputs:?}");
    };
    assert_eq!(request.expires(), Some(0));
    assert_eq!(request.contact().expect("Contact").params.get("expires"), Some("0"));
    registration.handle_response(now, 401, &digest("r", "n", ""));
    assert_eq!(sent(&mut registration).and_then(|request| request.expires()), Some(0));
    registration.handle_response(now, 200, &Headers::new());
    assert_eq!(
        (registration.standing(now), registration.timeout()),
        (Standing::Off, None)
    );
    // Off stays off, whatever comes late.
    registration.handle_response(now, 200, &Headers::new());
    registration.handle_timeout(now + seconds(100_000));
    assert_eq!(registration.poll_output(), None);
}

#[test]
fn nothing_of_it_is_printed() {
    let now = epoch();
    let mut registration = registration();
    registration.start(now);
    let printed = format!("{registration:?} {:?}", registration.poll_output());
    assert!(!printed.contains("100000") && !printed.contains("secret"), "{printed}");
}

proptest::proptest! {
    /// Whatever a registrar says in whatever order: one REGISTER is out at a time, and there is always something to wait for
    /// unless it is off.
    #[test]
    fn it_never_stands_still(inputs in proptest::collection::vec((0_u8..12, 0_u16..700, 0_u64..400), 0..200)) {
        let mut now = epoch();
        let mut registration = registration();
        let mut out = false;
        for (what, status, step) in inputs {
            now += seconds(step);
            match what {
                0 => registration.start(now),
                1 => registration.stop(now),
                2..6 if out => {
                    out = status < 200;
                    registration.handle_response(now, status, &digest("r", &step.to_string(), ", stale=true"));
                }
                6 if out => {
                    out = false;
                    registration.handle_no_answer(now, step % 2 == 0);
                }
                _ => registration.handle_timeout(now),
            }
            let outputs = std::iter::from_fn(|| registration.poll_output()).collect::<Vec<_>>();
            let sends = outputs.iter().filter(|output| matches!(output, Output::Send(_))).count();
            proptest::prop_assert!(sends <= 1);
            out |= sends == 1;
            let waits = registration.timeout().is_some();
            proptest::prop_assert!(out || waits || registration.standing(now) == Standing::Off);
        }
    }
}
