//! The edge of SIP: digest, the answers of name servers, telephone numbers, names of people, a registrar's moods; and what comes to
//! a port and is neither SIP nor RTP.

use std::cell::RefCell;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use phi::Phi;
use sip::Transport;
use sip::digest::{Answer as Said, Challenge, Credentials, Gate, NONCES_MAX, Proof};
use sip::identity::{Caller, DIVERSIONS_MAX, NAME_CHARS_MAX, called, presentable};
use sip::locate::{
    Answer, DESTINATIONS_MAX, DeadTargets, Failure, Families, Locate, Naptr, Preferences, QUESTIONS_MAX, Question, Srv,
    Target,
};
use sip::message::limits::HEADER_VALUE_BYTES_MAX;
use sip::message::{Framer, HeaderName, Headers, Message, Method, Request, Uri};
use sip::number::{Barred, Country, CrisisLine, DIGITS_MAX, DIGITS_MIN, Format, e164, e164_of, outbound, outbound_of};
use sip::registration::{Output, Registration, RegistrationConfig, Standing};

use super::{about, verdict};

/// Virtual time counts from here.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

const SOURCE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 10));

/// The bytes as a challenge, which is answered; and as an answer to ours, which proves nothing.
pub fn digest(bytes: &[u8]) -> u64 {
    /// What does not change from input to input.
    struct Desk {
        gate: Gate,
        inputs: u32,
        accounts: [Credentials; 1],
        uri: Uri,
    }
    thread_local! {
        static DESK: RefCell<Desk> = RefCell::new(Desk {
            gate: Gate::new("desk.example", *START, [7; 32]),
            inputs: 0,
            accounts: [Credentials::new("carrier".into(), "right".into())],
            uri: Uri::parse("sip:+15125550100@desk.example").expect("a URI"),
        });
    }
    // What is longer never gets this far.
    let bytes = bytes.get(..HEADER_VALUE_BYTES_MAX).unwrap_or(bytes);
    DESK.with_borrow_mut(|desk| {
        let Desk {
            gate,
            inputs,
            accounts,
            uri,
        } = desk;
        let account = &accounts[0];
        *inputs = inputs.wrapping_add(1);
        let now = *START + Duration::from_millis(u64::from(*inputs));
        // 401 and 407 are read by the same lines; which it is, is all that differs.
        let asks = match bytes.len() % 4 {
            0 => HeaderName::ProxyAuthenticate,
            _ => HeaderName::WwwAuthenticate,
        };
        let (mut seen, mut answered) = (Headers::new(), 0);
        seen.push(asks, bytes);
        let mut challenges = Challenge::to_answer(&seen, account);
        for challenge in &mut challenges {
            let (name, value) = challenge.answer(account, &Method::Invite, "sip:x", b"body", [1; 16]);
            assert!(!value.contains(['\r', '\n', '\0']), "an answer is one line");
            let mut headers = Headers::new();
            headers.push(&name, &value);
            let said = Said::all(&headers, name == HeaderName::ProxyAuthorization);
            answered += said
                .iter()
                .filter(|said| said.proves("right", &Method::Invite, b"body"))
                .count();
        }
        // Now and then somebody who knows the password calls, so that there is a memory to spoil.
        if inputs.is_multiple_of(64) {
            let mut asked = Headers::new();
            asked.push(HeaderName::WwwAuthenticate, &gate.challenges(now, SOURCE, false)[0]);
            let mut good = Request::new(Method::Invite, uri.clone());
            let wire = good.uri.to_wire();
            let (name, value) = Challenge::all(&asked)
                .remove(0)
                .answer(account, &Method::Invite, &wire, b"", [2; 16]);
            good.headers.push(name, value);
            assert_eq!(gate.check(now, SOURCE, &good, accounts), Proof::Of(0));
        }
        let mut request = Request::new(Method::Invite, uri.clone());
        request.headers.push(HeaderName::Authorization, bytes);
        let proof = gate.check(now, SOURCE, &request, accounts);
        assert!(
            matches!(proof, Proof::Missing | Proof::Wrong),
            "nobody guesses {NONCES_MAX} nonces"
        );
        verdict((challenges.len(), answered, proof == Proof::Wrong))
    })
}

/// A registrar: a byte says what happens, the rest of its line is a header of what is answered.
pub fn registrar(bytes: &[u8]) -> u64 {
    static CONFIG: LazyLock<RegistrationConfig> = LazyLock::new(|| {
        let uri = |text: &str| Uri::parse(text).expect("a URI");
        RegistrationConfig {
            registrar: uri("sip:registrar.example"),
            aor: uri("sip:desk@registrar.example"),
            contact: uri("sip:desk@192.0.2.7:5060"),
            expires_s: 300,
            credentials: Some(Credentials::new("desk".into(), "secret".into())),
        }
    });
    let mut registration = Registration::new(CONFIG.clone(), Box::new(|| [9; 16]));
    // Few lines reach every state; one input in eight may go on for as long as it likes.
    let lines = if bytes.len().is_multiple_of(8) { 64 } else { 12 };
    let (mut now, mut out, mut sent, mut ups) = (*START, false, 0_usize, 0_usize);
    for line in bytes.split(|byte| *byte == b'\n').take(lines) {
        let (what, rest) = line.split_first().unwrap_or((&0, &[]));
        let rest = rest.get(..HEADER_VALUE_BYTES_MAX).unwrap_or(rest);
        now += Duration::from_secs(u64::from(*what) * 7);
        match what % 8 {
            0 => registration.start(now),
            1 => registration.stop(now),
            2 if out => {
                out = false;
                registration.handle_no_answer(now, what & 8 == 8);
            }
            3..=6 if out => {
                let mut headers = Headers::new();
                for name in ["WWW-Authenticate", "Contact", "Expires", "Min-Expires", "Retry-After"] {
                    headers.push(name, rest);
                }
                let status = [100, 200, 401, 403, 407, 423, 503, 699][usize::from(what >> 3 & 7)];
                out = status < 200;
                registration.handle_response(now, status, &headers);
            }
            _ => registration.handle_timeout(now),
        }
        while let Some(output) = registration.poll_output() {
            match output {
                Output::Send(request) => {
                    assert!(!out, "one REGISTER at a time");
                    out = true;
                    sent += 1;
                    assert!(Message::parse(&with_via(request)).is_ok(), "what we send is SIP");
                }
                Output::Up => ups += 1,
                Output::Down(_) => {}
            }
        }
        assert!(out || registration.timeout().is_some() || registration.standing(now) == Standing::Off);
    }
    verdict((
        about(sent),
        about(ups),
        std::mem::discriminant(&registration.standing(now)),
    ))
}

fn with_via(mut request: Request) -> Vec<u8> {
    request
        .headers
        .insert_front("Via", "SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK1");
    request.to_bytes()
}

/// A walk through the DNS: the first line is whom to find, each further one an answer to the next question.
pub fn locate(bytes: &[u8]) -> u64 {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let Some(target) = lines
        .next()
        .and_then(|line| Uri::parse(line).ok())
        .and_then(|uri| Target::of(&uri))
    else {
        return verdict(0);
    };
    let flags = bytes.len();
    let transports = Transport::ALL.into_iter().filter(|own| flags >> *own as usize & 1 == 0);
    let preferences = Preferences {
        transports: transports.collect(),
        families: [Families::V4, Families::V6, Families::V4ThenV6, Families::V6ThenV4][flags % 4],
    };
    let mut locate = Locate::new(target, preferences.clone(), [3; 16]);
    let (mut open, mut asked) = (Vec::new(), 0);
    loop {
        while let Some(question) = locate.poll() {
            assert!(!open.contains(&question), "asked once");
            open.push(question);
            asked += 1;
        }
        let Some(question) = open.pop() else { break };
        assert_eq!(locate.finished(), None);
        let answer = answer(&question, lines.next());
        locate.answer(&question, &answer);
    }
    assert!(asked <= QUESTIONS_MAX);
    let found = locate.finished().expect("every question was answered");
    assert!(found.len() <= DESTINATIONS_MAX);
    let mut dead = DeadTargets::new();
    for (at, destination) in found.iter().enumerate() {
        assert!(preferences.transports.contains(&destination.transport) && destination.address.port() != 0);
        assert!(!locate.target().secure || destination.transport.is_secure());
        assert!(!found[..at].contains(destination), "nowhere twice");
        if at % 2 == 0 {
            dead.failed(*START, *destination, Failure::Broken);
        }
    }
    assert_eq!(dead.arrange(*START, &found).len(), found.len());
    verdict((
        about(asked),
        about(found.len()),
        locate.is_doubtful(),
        locate.lasts() > Duration::from_secs(60),
    ))
}

/// A line as an answer: records between `|`, fields between spaces.
fn answer(question: &Question, line: Option<&[u8]>) -> Answer {
    let ttl = Duration::from_secs(61);
    let Some(line) = line.filter(|line| !line.is_empty()) else {
        return Answer::Nothing(ttl);
    };
    if line == b"!" {
        return Answer::Failed;
    }
    let text = String::from_utf8_lossy(line).into_owned();
    let records = text.split('|').map(|record| record.split(' ').collect::<Vec<_>>());
    let field = |record: &[&str], at: usize| (*record.get(at).unwrap_or(&"")).to_owned();
    let number = |record: &[&str], at: usize| field(record, at).parse().unwrap_or(0);
    match question {
        Question::Naptr(_) => Answer::Naptr(
            records
                .map(|record| Naptr {
                    order: number(&record, 0),
                    preference: number(&record, 1),
                    flags: field(&record, 2),
                    services: field(&record, 3),
                    replacement: field(&record, 4),
                    regexp: field(&record, 5),
                })
                .collect(),
            ttl,
        ),
        Question::Srv(_) => Answer::Srv(
            records
                .map(|record| Srv {
                    priority: number(&record, 0),
                    weight: number(&record, 1),
                    port: number(&record, 2),
                    target: field(&record, 3),
                })
                .collect(),
            ttl,
        ),
        Question::Addresses(_) => Answer::Addresses(
            text.split(['|', ' '])
                .filter_map(|address| address.parse().ok())
                .collect(),
            ttl,
        ),
    }
}

/// A number or a name: dialled, and shown.
pub fn number(bytes: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(bytes);
    let uri = Uri::parse(bytes).ok();
    let (mut numbers, mut barred) = (0_u64, 0_u64);
    for (bit, home) in Country::ALL.iter().enumerate() {
        let read = [e164_of(&text, *home), uri.as_ref().and_then(|uri| e164(uri, *home))];
        for number in read.into_iter().flatten() {
            numbers |= 1 << bit;
            is_number(&number);
            for format in [Format::Plus, Format::Bare, Format::National] {
                black_box(format.write(number.expose(), *home));
            }
        }
        let dialled = [
            Some(outbound_of(&text, *home, CrisisLine::Barred)),
            uri.as_ref().map(|uri| outbound(uri, *home, CrisisLine::Barred)),
        ];
        for dialled in dialled.into_iter().flatten() {
            match dialled {
                Ok(number) => {
                    is_number(&number);
                    assert!(!number.expose().starts_with("+1911"), "an ambulance for a server room");
                }
                Err(why) => {
                    let why = [
                        Barred::Emergency,
                        Barred::Service,
                        Barred::CrisisLine,
                        Barred::Premium,
                        Barred::NoNumber,
                    ]
                    .iter()
                    .position(|own| *own == why);
                    barred |= 1 << why.expect("these are all");
                }
            }
        }
    }
    verdict((numbers, barred, presented(&text)))
}

fn is_number(number: &Phi<String>) {
    let digits = number.expose().strip_prefix('+').expect("E.164");
    assert!((DIGITS_MIN..=DIGITS_MAX).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()));
}

/// A name that can stand anywhere.
fn presented(text: &str) -> Option<u32> {
    presentable(text).map(|name| {
        let name = name.expose();
        assert!(name.chars().count() <= NAME_CHARS_MAX);
        assert!(
            !name.contains(|char: char| char.is_control() || "<>\"'`;|$%{}[]\\/=*?!#~^\u{202e}\u{2066}".contains(char))
        );
        about(name.len())
    })
}

/// Who calls by this request, believed and not.
pub fn caller(request: &Request) -> impl std::hash::Hash + use<> {
    let [believed, stranger] = [true, false].map(|trusted| Caller::of(request, trusted));
    assert!(stranger.diverted_from.is_empty() && stranger.verdict.said_by.is_none());
    assert!(believed.diverted_from.len() <= DIVERSIONS_MAX);
    for caller in [&believed, &stranger] {
        assert!(!caller.private || (caller.number.is_none() && caller.name.is_none()));
        if let Some(name) = &caller.name {
            black_box(presented(name.expose()));
        }
    }
    (
        believed.private,
        believed.number.is_some(),
        believed.withheld.is_some(),
        believed.name.is_some(),
        about(believed.diverted_from.len()),
        believed.diverted_because,
        believed.verdict.said_by,
        believed.verdict.result,
        about(called(request, Country::US).len()),
    )
}

/// What comes to a SIP port and is not SIP: survived, and nothing of it kept.
pub fn stray(bytes: &[u8]) -> u64 {
    let read = match Message::parse(bytes) {
        Ok(_) => (1, None),
        Err(unreadable) => (0, Some((unreadable.malformed.what, unreadable.salvage.is_some()))),
    };
    let mut framer = Framer::new();
    framer.push(bytes);
    let mut frames = 0;
    while let Some(Ok(_)) = framer.next() {
        frames += 1;
    }
    verdict((read, about(frames), Message::is_keep_alive(bytes), framer.held() > 0))
}

/// Challenges and answers to begin with.
pub const DIGESTS: &[&str] = &[
    "Digest realm=\"sip.example\", nonce=\"n\", qop=\"auth,auth-int\", algorithm=SHA-256, opaque=\"o\", stale=TRUE",
    "Digest realm=\"sip.example\",nonce=\"n\",algorithm=MD5-sess,qop=auth , Basic realm=\"x\", Digest realm=\"y\",nonce=\"m\"",
    "Digest username=\"carrier\", realm=\"desk.example\", nonce=\"0000000000000001aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\", uri=\"sip:+15125550100@desk.example\", response=\"8ca523f5e9506fed4657c9700eebdbec\", algorithm=MD5, qop=auth, nc=00000001, cnonce=\"c\"",
    "NoOneKnowsThisScheme opaque-data=here",
    "Digest realm=\"a \\\"b\\\" c\", nonce=\"\"",
];

/// Registrars to begin with.
pub const REGISTRARS: &[&str] = &[
    "\0\n\u{13}Digest realm=\"r\", nonce=\"n\", qop=\"auth\"\n\u{b}300\n\u{f}\n\u{b}60\n\u{9}",
    "\0\n\u{2b}1800\n\u{b}<sip:desk@192.0.2.7:5060>;expires=120\n\u{7f}\n\u{1b}\n\u{7}\n\u{3}",
];

/// Walks to begin with.
pub const WALKS: &[&str] = &[
    "sip:carrier.example\n50 50 s SIPS+D2T _sips._tcp.carrier.example|90 50 s SIP+D2T _sip._tcp.carrier.example|100 50 s SIP+D2U _sip._udp.carrier.example\n0 1 5060 edge1.carrier.example|1 1 5060 edge2.carrier.example\n192.0.2.1 2001:db8::1\n192.0.2.2",
    "sips:carrier.example:5061;transport=tcp\n192.0.2.1",
    "sip:plain.example;transport=udp\n0 10 5060 a.plain.example|0 90 5070 b.plain.example|1 0 0 .\n!\n192.0.2.9",
    "sip:192.0.2.9;maddr=[2001:db8::1]",
    "sip:bare.example\n\n\n\n\n192.0.2.40",
];

/// Numbers and names to begin with.
pub const NUMBERS: &[&str] = &[
    "sip:+1-512-555-0142;verstat=TN-Validation-Passed-A@carrier.example;user=phone",
    "tel:555-0142;phone-context=+1-512",
    "sip:911;phone-context=+1@x.example",
    "+1 (512) 555-0142",
    "011441632960001",
    "988",
    "Siobhán O'Neil (Main St.) & Sons",
    "\u{1b}[31m\u{202e}<script>x</script>\u{7}",
];

/// STUN, TURN, DTLS, ZRTP and HTTP to begin with.
pub fn strays() -> Vec<Vec<u8>> {
    let stun = |kind: u16, attributes: &[u8]| {
        let length = u16::try_from(attributes.len()).expect("it is short");
        let mut packet = kind.to_be_bytes().to_vec();
        packet.extend(length.to_be_bytes());
        packet.extend([0x21, 0x12, 0xA4, 0x42]);
        packet.extend([0x5A; 12]);
        packet.extend(attributes);
        packet
    };
    let mut username = vec![0x00, 0x06, 0x02, 0x00];
    username.resize(4 + 512, b'u');
    let mut packets = vec![
        stun(0x0001, &[]),
        stun(
            0x0101,
            &[0x00, 0x20, 0x00, 0x08, 0x00, 0x01, 0x5A, 0x5A, 0xE1, 0x12, 0xA6, 0x43],
        ),
        stun(0x0001, &username),
        stun(0x0111, &[0x00, 0x09, 0xFF, 0xFF]),
        vec![0x40, 0x00, 0x00, 0x04, 1, 2, 3, 4],
        b"\x10\x00ZRTP\0\0\0\0PZ".to_vec(),
        b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n".to_vec(),
        b"\r\n\r\n".to_vec(),
        vec![0; 8],
    ];
    // A DTLS ClientHello, and a TLS one.
    packets.push([&[0x16, 0xFE, 0xFD, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x2E, 0x01][..], &[0; 45]].concat());
    packets.push([&[0x16, 0x03, 0x01, 0x00, 0x2E, 0x01][..], &[0; 45]].concat());
    packets
}

/// Words of all these.
pub const WORDS: &[&str] = &[
    "\n",
    "|",
    " ",
    ",",
    ";",
    "\"",
    "=",
    "\\\"",
    "Digest ",
    "realm=\"desk.example\"",
    "nonce=\"",
    "username=\"carrier\"",
    "uri=\"sip:+15125550100@desk.example\"",
    "response=\"",
    "qop=auth",
    "qop=\"auth-int\"",
    "nc=00000001",
    "nc=ffffffff",
    "cnonce=\"c\"",
    "algorithm=SHA-256",
    "algorithm=MD5",
    "stale=true",
    "opaque=\"\"",
    "sip:",
    "sips:",
    "tel:",
    "@",
    "+1",
    "+",
    "911",
    "112",
    "988",
    "phone-context=",
    "verstat=",
    ";transport=tls",
    ";transport=ws",
    ";maddr=",
    "SIP+D2U",
    "SIPS+D2T",
    "SIP+D2W",
    "_sip._udp.",
    "_sips._tcp.",
    ".example",
    "192.0.2.1",
    "2001:db8::1",
    "0 0 5060 ",
    "65535",
    ".",
    "!",
    "\u{1b}[",
    "\u{202e}",
    "<b>",
    "\u{0}",
];
