//! A small internet on paper, and every case of RFC 3263 §4 walked in it; the snapshot is the table to review.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::*;

const TTL: Duration = Duration::from_secs(300);

/// What the DNS knows.
#[derive(Default)]
struct Zone(BTreeMap<Question, Answer>);

impl Zone {
    fn naptr(mut self, name: &str, records: &[(u16, u16, &str, &str, &str)]) -> Self {
        let records = records
            .iter()
            .map(|(order, preference, flags, services, replacement)| Naptr {
                order: *order,
                preference: *preference,
                flags: (*flags).into(),
                services: (*services).into(),
                regexp: String::new(),
                replacement: (*replacement).into(),
            });
        self.0
            .insert(Question::Naptr(name.into()), Answer::Naptr(records.collect(), TTL));
        self
    }

    fn srv(mut self, name: &str, records: &[(u16, u16, u16, &str)]) -> Self {
        let records = records.iter().map(|(priority, weight, port, target)| Srv {
            priority: *priority,
            weight: *weight,
            port: *port,
            target: (*target).into(),
        });
        self.0
            .insert(Question::Srv(name.into()), Answer::Srv(records.collect(), TTL));
        self
    }

    fn host(mut self, name: &str, addresses: &[&str]) -> Self {
        let addresses = addresses.iter().map(|address| address.parse().expect("an address"));
        self.0.insert(
            Question::Addresses(name.into()),
            Answer::Addresses(addresses.collect(), TTL),
        );
        self
    }

    fn broken(mut self, question: Question) -> Self {
        self.0.insert(question, Answer::Failed);
        self
    }

    fn answer(&self, question: &Question) -> Answer {
        self.0
            .get(question)
            .cloned()
            .unwrap_or(Answer::Nothing(Duration::from_secs(60)))
    }

    /// Walks to the end, answering the latest question first when `reversed`.
    fn walk(&self, mut locate: Locate, reversed: bool) -> (Vec<Question>, Locate) {
        let (mut asked, mut open) = (Vec::new(), Vec::new());
        loop {
            while let Some(question) = locate.poll() {
                asked.push(question.clone());
                open.push(question);
            }
            let question = if reversed {
                open.pop()
            } else {
                (!open.is_empty()).then(|| open.remove(0))
            };
            match question {
                Some(question) => {
                    assert_eq!(locate.finished(), None, "a question is open");
                    locate.answer(&question, &self.answer(&question));
                }
                None => return (asked, locate),
            }
        }
    }
}

/// A carrier as RFC 3263 §4.1's example has it, one without NAPTR, one with hosts only, and some that are odd.
fn world() -> Zone {
    Zone::default()
        .naptr(
            "carrier.example",
            &[
                (50, 50, "s", "SIPS+D2T", "_sips._tcp.carrier.example."),
                (90, 50, "s", "SIP+D2T", "_sip._tcp.carrier.example"),
                (100, 50, "s", "SIP+D2U", "_sip._udp.carrier.example"),
            ],
        )
        .srv(
            "_sips._tcp.carrier.example",
            &[
                (0, 1, 5061, "edge1.carrier.example"),
                (1, 1, 5061, "edge2.carrier.example."),
            ],
        )
        .srv(
            "_sip._tcp.carrier.example",
            &[
                (0, 1, 5060, "edge1.carrier.example"),
                (1, 1, 5060, "edge2.carrier.example"),
            ],
        )
        .srv(
            "_sip._udp.carrier.example",
            &[
                (0, 1, 5060, "edge2.carrier.example"),
                (1, 1, 5060, "edge1.carrier.example"),
            ],
        )
        .host("edge1.carrier.example", &["192.0.2.1", "2001:db8::1"])
        .host("edge2.carrier.example", &["192.0.2.2"])
        .srv(
            "_sip._udp.plain.example",
            &[(0, 0, 5070, "a.plain.example"), (0, 0, 5080, "a.plain.example")],
        )
        .srv("_sip._tcp.plain.example", &[(0, 0, 5060, "a.plain.example")])
        .host("a.plain.example", &["192.0.2.30", "192.0.2.31"])
        .host("bare.example", &["2001:db8::40", "192.0.2.40"])
        .naptr(
            "preference.example",
            &[
                (10, 20, "S", "sip+d2u", "_sip._udp.plain.example"),
                (10, 10, "s", "SIP+D2T", "_sip._tcp.plain.example"),
                (20, 1, "s", "SIPS+D2T", "_sips._tcp.carrier.example"),
            ],
        )
        .naptr("sctp.example", &[(10, 10, "s", "SIP+D2S", "_sip._sctp.sctp.example")])
        .srv("_sip._udp.sctp.example", &[(0, 0, 5060, "edge2.carrier.example")])
        .naptr("enum.example", &[(10, 10, "u", "E2U+sip", "")])
        .srv("_sip._udp.enum.example", &[(0, 0, 5060, "edge2.carrier.example")])
        .naptr(
            "web.example",
            &[
                (10, 10, "s", "SIP+D2W", "_ws.web.example"),
                (10, 20, "s", "SIPS+D2W", "_wss.web.example"),
            ],
        )
        .srv("_ws.web.example", &[(0, 0, 8080, "edge2.carrier.example")])
        .srv("_wss.web.example", &[(0, 0, 8443, "edge2.carrier.example")])
        .host("web.example", &["192.0.2.60"])
        .srv("_sip._udp.closed.example", &[(0, 0, 0, ".")])
        .host("closed.example", &["192.0.2.70"])
        .srv(
            "_sip._udp.address.example",
            &[(0, 0, 5060, "192.0.2.80"), (1, 0, 5060, "nowhere.example")],
        )
        .broken(Question::Naptr("ill.example".into()))
        .broken(Question::Srv("_sip._udp.ill.example".into()))
        .host("ill.example", &["192.0.2.90"])
        .broken(Question::Addresses("silent.example".into()))
}

fn everything() -> Preferences {
    Preferences {
        transports: vec![
            Transport::Udp,
            Transport::Tcp,
            Transport::Tls,
            Transport::Ws,
            Transport::Wss,
        ],
        families: Families::V4ThenV6,
    }
}

fn only(transports: &[Transport]) -> Preferences {
    Preferences {
        transports: transports.to_vec(),
        families: Families::V4ThenV6,
    }
}

#[test]
fn every_way_of_rfc_3263_is_walked() {
    use Transport::{Tcp, Tls, Udp};
    let mut table = String::new();
    for (uri, preferences) in [
        // §4.1: numeric hosts, explicit ports, explicit transports
        ("sip:192.0.2.9", everything()),
        ("sip:192.0.2.9:5070", everything()),
        ("sips:192.0.2.9", everything()),
        ("sip:[2001:db8::9];transport=tcp", everything()),
        ("sip:192.0.2.9;transport=tls", everything()),
        ("sips:192.0.2.9:443;transport=tcp", everything()),
        ("sip:bare.example:5090", everything()),
        ("sips:bare.example:5090", everything()),
        ("sip:carrier.example;maddr=192.0.2.99", everything()),
        // §4.1: NAPTR
        ("sip:carrier.example", everything()),
        ("sip:CARRIER.example.", only(&[Udp, Tcp])),
        ("sip:carrier.example", only(&[Udp])),
        ("sips:carrier.example", everything()),
        ("sip:preference.example", only(&[Udp, Tcp, Tls])),
        ("sip:sctp.example", everything()),
        ("sip:enum.example", everything()),
        ("sip:web.example", everything()),
        ("sips:web.example", everything()),
        // §4.1: no NAPTR, SRV for each transport; §4.2: no SRV, the addresses
        ("sip:plain.example", only(&[Udp, Tcp])),
        ("sip:plain.example", only(&[Tcp, Udp])),
        ("sips:plain.example", everything()),
        ("sip:bare.example", everything()),
        ("sips:bare.example", everything()),
        ("sip:bare.example", only(&[Tls])),
        // §4.2: explicit transport and no port: SRV of that transport, then the addresses
        ("sip:carrier.example;transport=tcp", everything()),
        ("sip:carrier.example;transport=tls", everything()),
        ("sip:bare.example;transport=tcp", everything()),
        ("sip:web.example;transport=ws", everything()),
        ("sips:web.example;transport=ws", everything()),
        // what is not to be had
        ("sip:closed.example", only(&[Udp])),
        ("sips:carrier.example", only(&[Udp, Tcp])),
        ("sip:192.0.2.9;transport=tls", only(&[Udp])),
        ("sip:nothing.example", everything()),
        // odd zones and ill servers
        ("sip:address.example", only(&[Udp])),
        ("sip:ill.example", only(&[Udp])),
        ("sip:silent.example", only(&[Udp])),
    ] {
        let target = Target::of(&Uri::parse(uri).expect("a URI")).expect("a target");
        let spoken = preferences.transports.iter().map(|own| own.name()).collect::<Vec<_>>();
        let (asked, locate) = world().walk(Locate::new(target.clone(), preferences.clone(), [1; 16]), false);
        let (_, again) = world().walk(Locate::new(target, preferences, [1; 16]), true);
        let found = locate.finished().expect("nothing is open");
        assert_eq!(
            again.finished(),
            locate.finished(),
            "{uri}: the order of the answers is not the order of the result"
        );
        let _ = writeln!(table, "{uri}   we speak {}", spoken.join(" "));
        for question in asked {
            let _ = writeln!(table, "    ? {question:?}");
        }
        for Destination { transport, address } in &found {
            let _ = writeln!(table, "    > {} {address}", transport.name());
        }
        if found.is_empty() {
            let _ = writeln!(
                table,
                "    > nowhere{}",
                if locate.is_doubtful() {
                    ", as far as we were told"
                } else {
                    ""
                }
            );
        }
    }
    insta::assert_snapshot!(table);
}

#[test]
fn what_is_no_way_is_no_target() {
    for uri in [
        "tel:+15125550142",
        "urn:service:sos",
        "sips:a.example;transport=udp",
        "sip:a.example;transport=sctp",
        "sip:a.example;maddr=%20",
    ] {
        assert_eq!(Target::of(&Uri::parse(uri).expect("a URI")), None, "{uri}");
    }
}

#[test]
fn the_certificate_is_for_whom_we_asked() {
    let target = |uri| Target::of(&Uri::parse(uri).expect("a URI")).expect("a target");
    assert_eq!(target("sips:Carrier.example").server_name(), "Carrier.example");
    assert_eq!(target("sips:[2001:db8::1]").server_name(), "2001:db8::1");
}

#[test]
fn families_are_ours_to_choose() {
    let found = |families| {
        let preferences = Preferences {
            families,
            ..only(&[Transport::Udp])
        };
        let target = Target::new(Host::Name("bare.example".into()));
        let (_, locate) = world().walk(Locate::new(target, preferences, [0; 16]), false);
        let found = locate.finished().expect("nothing is open");
        found
            .iter()
            .map(|found| found.address.ip().to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(found(Families::V4), ["192.0.2.40"]);
    assert_eq!(found(Families::V6), ["2001:db8::40"]);
    assert_eq!(found(Families::V4ThenV6), ["192.0.2.40", "2001:db8::40"]);
    assert_eq!(found(Families::V6ThenV4), ["2001:db8::40", "192.0.2.40"]);
}

#[test]
fn a_result_lasts_as_long_as_its_shortest_answer() {
    let walked = |host: &str| {
        let target = Target::new(Host::parse(host).expect("a host"));
        world()
            .walk(Locate::new(target, only(&[Transport::Udp]), [0; 16]), false)
            .1
    };
    assert_eq!(walked("192.0.2.1").lasts(), LASTS_AT_MOST);
    assert_eq!(walked("carrier.example").lasts(), TTL);
    // That there is no NAPTR is known for a minute only.
    assert_eq!(walked("plain.example").lasts(), Duration::from_secs(60));
    assert_eq!(walked("ill.example").lasts(), LASTS_WHEN_FAILED);
    assert!(walked("ill.example").is_doubtful() && !walked("plain.example").is_doubtful());
}

#[test]
fn answers_nobody_asked_for_change_nothing() {
    let target = Target::new(Host::Name("bare.example".into()));
    let mut locate = Locate::new(target, everything(), [0; 16]);
    let question = locate.poll().expect("NAPTR first");
    assert_eq!(locate.poll(), None, "every question is asked once");
    let addresses = Answer::Addresses(vec![[203, 0, 113, 66].into()], TTL);
    locate.answer(&Question::Addresses("bare.example".into()), &addresses);
    locate.answer(&question, &addresses);
    assert_eq!(locate.finished(), None);
    locate.answer(&question, &Answer::Failed);
    locate.answer(&question, &Answer::Naptr(vec![], TTL));
    assert!(matches!(locate.poll(), Some(Question::Srv(_))));
}

/// A zone of an enemy: as many records as there is room for, names too long and of nothing, loops.
#[test]
fn a_zone_of_an_enemy_has_an_end() {
    let mut zone = Zone::default();
    let rules = (0..200)
        .map(|n| Naptr {
            order: 1,
            preference: n,
            flags: "s".into(),
            services: "SIP+D2U".into(),
            regexp: String::new(),
            replacement: format!("s{n}.enemy.example"),
        })
        .collect();
    zone.0
        .insert(Question::Naptr("enemy.example".into()), Answer::Naptr(rules, TTL));
    for n in 0..200 {
        let records = (0..200)
            .map(|m| Srv {
                priority: m,
                weight: u16::MAX,
                port: m,
                target: match m % 4 {
                    0 => "x".repeat(300),
                    1 => format!("..{m}"),
                    2 => "h.enemy.example".into(),
                    _ => format!("h{m}-{n}.enemy.example"),
                },
            })
            .collect();
        zone.0
            .insert(Question::Srv(format!("s{n}.enemy.example")), Answer::Srv(records, TTL));
    }
    let many = (0..500_u32)
        .map(|n| IpAddr::from((0xC633_6400 + n).to_be_bytes()))
        .collect();
    zone.0.insert(
        Question::Addresses("h.enemy.example".into()),
        Answer::Addresses(many, TTL),
    );
    let target = Target::new(Host::Name("enemy.example".into()));
    let (asked, locate) = zone.walk(Locate::new(target, everything(), [9; 16]), false);
    assert!(asked.len() <= QUESTIONS_MAX);
    assert_eq!(locate.finished().expect("nothing is open").len(), DESTINATIONS_MAX);
    for host in ["a..example", "-", "a b", &"x".repeat(64), &"x.".repeat(200), ""] {
        let mut locate = Locate::new(Target::new(Host::Name(host.to_owned())), everything(), [0; 16]);
        if host != "-" {
            assert_eq!((locate.poll(), locate.finished()), (None, Some(vec![])), "{host}");
        }
    }
}
