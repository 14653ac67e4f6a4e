//! RFC 3261 §22 and RFC 7616 with the engine as the one who asks: a trunk that may be anywhere, and proves itself by digest.
//! The answers are computed here, by hand.

use std::time::Duration;

use switchboard::Trunk;
use switchboard::trunk::InboundDigest;
use tests::engine::Engine;
use tests::raw::{Message, Phone, QUIET, Request};

use crate::house::{TALK, own, stranger};
use crate::rfc3261_calling::{digest, md5, sha256};

const REALM: &str = "nightdesk.example.com";
const USER: &str = "clinic";
const PASSWORD: &str = "staple battery";

fn engine() -> Engine {
    own(|config| {
        let mut anywhere = Trunk::new("anywhere", []);
        anywhere.inbound_digest = Some(InboundDigest {
            realm: REALM.to_owned(),
            accounts: vec![sip::Credentials::new(USER.to_owned(), PASSWORD.to_owned())],
        });
        config.desk.trunks.push(anywhere);
    })
}

/// A caller from an address that no trunk has.
fn caller(engine: &Engine) -> Phone {
    Phone::new(stranger(engine), TALK)
}

/// Which hash, and its name in a challenge.
type Algorithm = (&'static str, fn(&str) -> String);
const ALGORITHMS: [Algorithm; 2] = [("SHA-256", sha256), ("MD5", md5)];

/// An INVITE is asked who it is from; gives the challenges.
fn challenged(phone: &mut Phone) -> Message {
    let invite = phone.invite();
    is_refused(phone, &invite, 401)
}

/// Sends an INVITE as RFC 3261 §17.1.1.2 does, again and again: of strangers' datagrams some may be left where there are many.
fn answer(phone: &mut Phone, invite: &Request) -> Message {
    let cseq = invite.header("CSeq").to_owned();
    for _ in 0..10 {
        phone.send(invite);
        let of_it = |message: &Message| message.status() >= 200 && message.header("CSeq") == cseq;
        if let Some(answer) = phone.line.find(Duration::from_secs(1), of_it) {
            return answer;
        }
    }
    panic!("no answer to an INVITE sent ten times");
}

fn is_refused(phone: &mut Phone, invite: &Request, status: u16) -> Message {
    let refusal = answer(phone, invite);
    let ack = phone.ack_of_refusal(&refusal);
    phone.send(&ack);
    assert_eq!(refusal.status(), status, "{refusal:?}");
    refusal
}

/// The call is answered, and acknowledged.
fn is_let_in(phone: &mut Phone, invite: &Request) -> Message {
    let accepted = answer(phone, invite);
    assert_eq!(accepted.status(), 200, "{accepted:?}");
    phone.enter(&accepted);
    let ack = phone.ack();
    phone.send(&ack);
    accepted
}

/// What answers the challenge of this algorithm in `asked`.
struct Answer<'a> {
    asked: &'a Message,
    algorithm: Algorithm,
    user: &'a str,
    password: &'a str,
    method: &'a str,
    count: u32,
}

impl<'a> Answer<'a> {
    fn to(asked: &'a Message, algorithm: Algorithm) -> Self {
        Self {
            asked,
            algorithm,
            user: USER,
            password: PASSWORD,
            method: "INVITE",
            count: 1,
        }
    }

    /// RFC 7616 §3.4.1, with qop=auth.
    fn within(&self, request: Request) -> Request {
        let (name, hash) = self.algorithm;
        let challenges = self.asked.all("WWW-Authenticate");
        let challenge = challenges
            .iter()
            .find(|challenge| digest(challenge, "algorithm") == name)
            .unwrap_or_else(|| panic!("{name} is not among {challenges:?}"));
        let uri = request.start.split(' ').nth(1).unwrap_or_default().to_owned();
        let nonce = digest(challenge, "nonce");
        let a1 = hash(&format!("{}:{REALM}:{}", self.user, self.password));
        let a2 = hash(&format!("{}:{uri}", self.method));
        let count = format!("{:08x}", self.count);
        let response = hash(&format!("{a1}:{nonce}:{count}:0a4f113b:auth:{a2}"));
        request.add(
            "Authorization",
            format!(
                "Digest username=\"{}\", realm=\"{REALM}\", nonce=\"{nonce}\", uri=\"{uri}\", response=\"{response}\", \
                 algorithm={name}, cnonce=\"0a4f113b\", qop=auth, nc={count}",
                self.user
            ),
        )
    }
}

#[test]
fn rfc8760_s2_3_who_may_be_anywhere_is_asked_by_each_algorithm_best_first() {
    let engine = engine();
    let mut phone = caller(&engine);
    let asked = challenged(&mut phone);
    let challenges = asked.all("WWW-Authenticate");
    let names: Vec<String> = challenges
        .iter()
        .map(|challenge| digest(challenge, "algorithm"))
        .collect();
    assert_eq!(names, ["SHA-256", "MD5"], "{asked:?}");
    for challenge in challenges {
        assert_eq!(
            (digest(challenge, "realm").as_str(), digest(challenge, "qop").as_str()),
            (REALM, "auth")
        );
    }
    for header in ["Server", "User-Agent", "Contact"] {
        assert!(!asked.has(header), "a stranger learns nothing: {asked:?}");
    }
    assert!(phone.line.next(QUIET).is_none(), "one datagram for one");
}

#[test]
fn rfc3261_s22_4_whoever_answers_the_challenge_is_let_in_and_its_dialog_is_believed() {
    let engine = engine();
    for algorithm in ALGORITHMS {
        let mut phone = caller(&engine);
        let asked = challenged(&mut phone);
        let invite = Answer::to(&asked, algorithm).within(phone.invite());
        let answer = is_let_in(&mut phone, &invite);
        phone.rtp.speak(answer.audio(), 3);
        phone.rtp.hears();
        // §22.1: what comes within the dialog, from where it began, is not asked again.
        let info = phone.request("INFO");
        assert_eq!(phone.ask(&info).status(), 200, "{}", algorithm.0);
        phone.hang_up();
    }
}

#[test]
fn rfc7616_s5_wrong_names_and_passwords_are_refused_alike() {
    let engine = engine();
    let mut refusals = Vec::new();
    for (user, password, method) in [
        (USER, "staple", "INVITE"),
        ("nobody", PASSWORD, "INVITE"),
        // Overheard from another request of the same user.
        (USER, PASSWORD, "REGISTER"),
    ] {
        let mut phone = caller(&engine);
        let asked = challenged(&mut phone);
        let answer = Answer {
            user,
            password,
            method,
            ..Answer::to(&asked, ALGORITHMS[0])
        };
        let invite = answer.within(phone.invite());
        let refusal = is_refused(&mut phone, &invite, 403);
        let names: Vec<&str> = ["Reason", "Warning", "Contact", "Server"]
            .into_iter()
            .filter(|name| refusal.has(name))
            .collect();
        refusals.push((refusal.status(), names, refusal.body.len()));
    }
    assert!(
        refusals.windows(2).all(|pair| pair[0] == pair[1]),
        "whether a name exists is nobody's business: {refusals:?}"
    );
}

#[test]
fn rfc7616_s3_4_an_answer_that_was_used_is_stale_and_the_next_count_is_good() {
    let engine = engine();
    let mut phone = caller(&engine);
    let asked = challenged(&mut phone);
    let right = Answer::to(&asked, ALGORITHMS[0]);
    let invite = right.within(phone.invite());
    is_let_in(&mut phone, &invite);
    // Overheard, and used for a call of somebody else's.
    let mut thief = caller(&engine);
    let again = right.within(thief.invite());
    let refusal = is_refused(&mut thief, &again, 401);
    let stale = refusal.all("WWW-Authenticate");
    assert!(
        stale.iter().all(|challenge| digest(challenge, "stale") == "true"),
        "{refusal:?}"
    );
    // §3.4: the same nonce serves whoever knows the password once more.
    let mut second = caller(&engine);
    second.from = second.from.replace("0199", "0198");
    let next = Answer { count: 2, ..right };
    let invite = next.within(second.invite());
    is_let_in(&mut second, &invite);
    second.hang_up();
    phone.hang_up();
}

#[test]
fn rfc3261_s22_whoever_does_not_call_is_not_even_asked() {
    let engine = engine();
    let mut phone = caller(&engine);
    for method in ["OPTIONS", "REGISTER", "SUBSCRIBE", "MESSAGE", "PUBLISH"] {
        let request = phone.request(method);
        phone.send(&request);
    }
    assert!(
        phone.line.next(QUIET).is_none(),
        "a challenge would tell that somebody is here"
    );
    challenged(&mut phone);
}
