//! A registration through the endpoint's door: what `Registration` wants sent leaves as a transaction, and what comes of it is told back.

use std::time::Duration;

use sip::Event;
use sip::digest::{Answer, Credentials};
use sip::message::Request;
use sip::registration::{Output, Registration, RegistrationConfig, Standing, Why};

use super::world::*;

/// The registration and the endpoint it sends by, as a shell joins them.
struct Joined {
    alone: Alone,
    registration: Registration,
    told: Vec<Output>,
}

impl Joined {
    fn new() -> Self {
        let config = RegistrationConfig {
            registrar: uri("sip:registrar.example"),
            aor: uri("sip:desk@registrar.example"),
            contact: uri("sip:desk@192.0.2.9:5060"),
            expires_s: 300,
            credentials: Some(Credentials::new("desk".into(), "secret".into())),
        };
        Self {
            alone: Alone::new(),
            registration: Registration::new(config, Chance::draw(7)),
            told: Vec::new(),
        }
    }

    /// Does something to the registration, and gives the REGISTERs that left.
    fn act(&mut self, act: impl FnOnce(&mut Registration, std::time::Instant)) -> Vec<Request> {
        act(&mut self.registration, self.alone.now);
        self.drain()
    }

    fn drain(&mut self) -> Vec<Request> {
        loop {
            for event in std::mem::take(&mut self.alone.events) {
                if let Event::Response { response, .. } = event {
                    self.registration
                        .handle_outcome(self.alone.now, response.as_deref(), false);
                }
            }
            let Some(output) = self.registration.poll_output() else {
                break;
            };
            match output {
                Output::Send(request) => {
                    let flow = self.alone.flow;
                    self.alone
                        .act(|endpoint, now| endpoint.request(now, flow, request, None));
                }
                told => self.told.push(told),
            }
        }
        self.alone.requests()
    }

    fn reply(&mut self, request: &Request, status: u16, extra: &[(&str, &str)]) -> Vec<Request> {
        self.alone.reply(request, status, "r", extra, "");
        self.drain()
    }

    fn wait(&mut self, wait: Duration) -> Vec<Request> {
        self.alone.wait_ms(u64::try_from(wait.as_millis()).unwrap() + 1);
        self.act(Registration::handle_timeout)
    }

    fn up_for(&self) -> Option<u64> {
        match self.registration.standing(self.alone.now) {
            Standing::Up(until) => Some((until - self.alone.now).as_secs()),
            _ => None,
        }
    }
}

const ASKED: (&str, &str) = ("WWW-Authenticate", r#"Digest realm="r", nonce="n1", qop="auth""#);

fn proves(request: &Request, count: u32) -> bool {
    let answers = Answer::all(&request.headers, false);
    answers.len() == 1 && answers[0].proves("secret", &request.method, b"") && answers[0].count == Some(count)
}

#[test]
fn it_registers_refreshes_and_takes_leave() {
    let mut joined = Joined::new();
    let sent = joined.act(Registration::start);
    let [first] = &sent[..] else { panic!("{sent:?}") };
    assert!(first.top_via().unwrap().unique_branch().is_some() && first.max_forwards() == Some(70));
    let sent = joined.reply(first, 401, &[ASKED]);
    let [second] = &sent[..] else { panic!("{sent:?}") };
    assert!(proves(second, 1));
    assert_eq!((second.call_id(), second.cseq().unwrap().number), (first.call_id(), 2));
    assert_eq!(
        joined.reply(second, 200, &[("Contact", "<sip:desk@192.0.2.9:5060>;expires=120")]),
        []
    );
    assert_eq!((joined.up_for(), &joined.told[..]), (Some(120), &[Output::Up][..]));

    let refresh = joined.registration.timeout().unwrap() - joined.alone.now;
    let sent = joined.wait(refresh);
    let [third] = &sent[..] else { panic!("{sent:?}") };
    assert!(proves(third, 2));
    assert_eq!(third.cseq().unwrap().number, 3);
    assert_eq!(joined.reply(third, 200, &[("Expires", "120")]), []);
    assert_eq!(
        (joined.up_for(), joined.told.len()),
        (Some(120), 1),
        "it was up all the time"
    );

    let sent = joined.act(Registration::stop);
    let [last] = &sent[..] else { panic!("{sent:?}") };
    assert_eq!(
        (last.expires(), joined.told.last()),
        (Some(0), Some(&Output::Down(Why::Left)))
    );
    assert_eq!(joined.reply(last, 200, &[]), []);
    assert_eq!(joined.registration.standing(joined.alone.now), Standing::Off);
    joined.alone.wait_ms(40_000);
    assert_eq!(joined.alone.endpoint.counts(), sip::Counts::default());
}

/// Thirty-two seconds of silence are one failure; the next try is a transaction of its own.
#[test]
fn silence_is_found_by_the_transaction_and_tried_again() {
    let mut joined = Joined::new();
    let sent = joined.act(Registration::start);
    let branch = sent[0].top_via().unwrap().branch().map(str::to_owned);
    let repeated = joined.wait(Duration::from_secs(33));
    let branches = repeated
        .iter()
        .map(|request| request.top_via().unwrap().branch().map(str::to_owned));
    assert!(
        repeated.len() > 5 && branches.clone().all(|own| own == branch),
        "the transaction's own repetitions"
    );
    assert_eq!(joined.told, [Output::Down(Why::NoAnswer)]);
    let wait = joined.registration.timeout().unwrap() - joined.alone.now;
    assert!(wait <= Duration::from_secs(30), "{wait:?}");
    let again = joined.wait(wait);
    assert_eq!(again.len(), 1);
    assert_ne!(again[0].top_via().unwrap().branch().map(str::to_owned), branch);
    assert_eq!(
        (again[0].call_id(), again[0].cseq().unwrap().number),
        (sent[0].call_id(), 2)
    );
}
