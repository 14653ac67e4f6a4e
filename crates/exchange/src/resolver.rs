//! Names into addresses: the questions of [`sip::locate`] asked of real name servers (hickory-resolver).
//!
//! Names are asked as they are, never completed by a search list: a carrier's domain is not ours to guess.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{NameServerConfig, ResolverConfig};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use sip::locate::{Answer, Destination, Locate, Naptr, Preferences, Question, RECORDS_MAX, Srv, Target};
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// However long a record says it is good, it is asked again after a day.
const TTL_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// That something is not there is believed no longer than this.
const NOTHING_MAX: Duration = Duration::from_secs(15 * 60);

/// And this long when the server does not say (RFC 2308 §5).
const NOTHING: Duration = Duration::from_secs(60);

/// Which name servers are asked, and how patiently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolver {
    /// The name servers; none means those of the system (`/etc/resolv.conf`).
    pub servers: Vec<SocketAddr>,
    /// How long one question to one server may take.
    pub patience: Duration,
    /// How often a question is asked before it has failed.
    pub attempts: usize,
    /// Questions under way at a time; one more fails at once.
    pub questions_max: usize,
    /// Answers remembered, each as long as its TTL says and no longer than a day.
    pub answers_max: u64,
}

impl Default for Resolver {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            patience: Duration::from_secs(2),
            attempts: 2,
            questions_max: 64,
            answers_max: 4096,
        }
    }
}

/// Somebody who can be asked for names; copies ask the same servers and share what they remember.
#[derive(Clone)]
pub struct Names {
    resolver: Option<TokioResolver>,
    places: Arc<Semaphore>,
    patience: Duration,
    asked: Arc<AtomicU64>,
    failed: Arc<AtomicU64>,
}

impl Names {
    /// Begins. Without any name server (no `/etc/resolv.conf`) every question fails, and numeric trunks go on working.
    pub fn open(config: &Resolver) -> Self {
        let resolver = resolver(config)
            .inspect_err(|fault| tracing::warn!(%fault, "no name server: trunks are reached by address only"))
            .ok();
        let attempts = u32::try_from(config.attempts.max(1)).unwrap_or(u32::MAX);
        Self {
            resolver,
            places: Arc::new(Semaphore::new(config.questions_max.max(1))),
            // All attempts, UDP and then TCP for what does not fit, and no longer whatever the servers do.
            patience: config.patience.saturating_mul(attempts.saturating_mul(2)),
            asked: Arc::default(),
            failed: Arc::default(),
        }
    }

    /// Asks. Always answers, within the configured time.
    pub async fn answer(&self, question: &Question) -> Answer {
        self.asked.fetch_add(1, Relaxed);
        let answer = match (&self.resolver, self.places.try_acquire()) {
            (Some(resolver), Ok(_place)) => timeout(self.patience, ask(resolver, question))
                .await
                .unwrap_or(Answer::Failed),
            _ => Answer::Failed,
        };
        if answer == Answer::Failed {
            self.failed.fetch_add(1, Relaxed);
            // The name is a carrier's, from the configuration: no patient's.
            tracing::debug!(?question, "a name cannot be asked for");
        }
        answer
    }

    /// Walks from a target to its destinations (RFC 3263), for who has a moment to wait: a command, not the loop.
    pub async fn locate(&self, target: Target, preferences: Preferences, draw: [u8; 16]) -> Vec<Destination> {
        let mut walk = Locate::new(target, preferences, draw);
        loop {
            if let Some(found) = walk.finished() {
                return found;
            }
            let Some(question) = walk.poll() else {
                return Vec::new();
            };
            let answer = self.answer(&question).await;
            walk.answer(&question, &answer);
        }
    }

    /// Questions asked, and those among them that failed.
    pub fn figures(&self) -> (u64, u64) {
        (self.asked.load(Relaxed), self.failed.load(Relaxed))
    }
}

fn resolver(config: &Resolver) -> Result<TokioResolver, NetError> {
    let mut builder = if config.servers.is_empty() {
        TokioResolver::builder_tokio()?
    } else {
        let server = |server: &SocketAddr| {
            let mut named = NameServerConfig::udp_and_tcp(server.ip());
            named
                .connections
                .iter_mut()
                .for_each(|connection| connection.port = server.port());
            named
        };
        let servers = config.servers.iter().map(server).collect();
        TokioResolver::builder_with_config(
            ResolverConfig::from_parts(None, Vec::new(), servers),
            TokioRuntimeProvider::default(),
        )
    };
    let options = builder.options_mut();
    options.timeout = config.patience;
    options.attempts = config.attempts.saturating_sub(1);
    options.cache_size = config.answers_max;
    options.positive_max_ttl = Some(TTL_MAX);
    options.negative_max_ttl = Some(NOTHING_MAX);
    options.max_active_requests = config.questions_max.max(1);
    // Carriers' NAPTR and SRV sets are longer than 512 octets.
    options.edns0 = true;
    builder.build()
}

async fn ask(resolver: &TokioResolver, question: &Question) -> Answer {
    match question {
        Question::Naptr(name) => match lookup(resolver, name, RecordType::NAPTR).await {
            Ok((records, ttl)) => Answer::Naptr(records.iter().filter_map(naptr).take(RECORDS_MAX).collect(), ttl),
            Err(answer) => answer,
        },
        Question::Srv(name) => match lookup(resolver, name, RecordType::SRV).await {
            Ok((records, ttl)) => Answer::Srv(records.iter().filter_map(srv).take(RECORDS_MAX).collect(), ttl),
            Err(answer) => answer,
        },
        Question::Addresses(name) => {
            let (four, six) = tokio::join!(
                lookup(resolver, name, RecordType::A),
                lookup(resolver, name, RecordType::AAAA)
            );
            let addresses = |records: &[RData]| records.iter().filter_map(RData::ip_addr).take(RECORDS_MAX).collect();
            match (four, six) {
                (Ok((four, ttl)), Ok((six, other))) => {
                    let mut all: Vec<IpAddr> = addresses(&four);
                    all.extend(addresses(&six));
                    Answer::Addresses(all, ttl.min(other))
                }
                // One version will do, whatever became of the other.
                (Ok((records, ttl)), Err(_)) | (Err(_), Ok((records, ttl))) => {
                    Answer::Addresses(addresses(&records), ttl)
                }
                (Err(Answer::Nothing(ttl)), Err(Answer::Nothing(other))) => Answer::Nothing(ttl.min(other)),
                (Err(_), Err(_)) => Answer::Failed,
            }
        }
    }
}

/// The records of one type and how long they are good, or the answer that there are none.
async fn lookup(resolver: &TokioResolver, name: &str, kind: RecordType) -> Result<(Vec<RData>, Duration), Answer> {
    // Whole names only: no search list is put behind them.
    let mut whole = Name::from_ascii(name).map_err(|_| Answer::Nothing(NOTHING_MAX))?;
    whole.set_fqdn(true);
    match resolver.lookup(whole, kind).await {
        Ok(found) => {
            let ttl = lasts(&found);
            let records: Vec<RData> = found
                .answers()
                .iter()
                .filter(|record| record.record_type() == kind)
                .map(|record| record.data.clone())
                .collect();
            if records.is_empty() {
                return Err(Answer::Nothing(ttl.min(NOTHING_MAX)));
            }
            Ok((records, ttl))
        }
        Err(NetError::Dns(DnsError::NoRecordsFound(nothing))) => {
            let ttl = nothing
                .negative_ttl
                .map_or(NOTHING, |seconds| Duration::from_secs(seconds.into()));
            Err(Answer::Nothing(ttl.min(NOTHING_MAX)))
        }
        Err(_) => Err(Answer::Failed),
    }
}

fn lasts(found: &Lookup) -> Duration {
    found
        .valid_until()
        .saturating_duration_since(Instant::now())
        .min(TTL_MAX)
}

fn naptr(record: &RData) -> Option<Naptr> {
    let RData::NAPTR(record) = record else { return None };
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    Some(Naptr {
        order: record.order,
        preference: record.preference,
        flags: text(&record.flags),
        services: text(&record.services),
        regexp: text(&record.regexp),
        replacement: record.replacement.to_ascii(),
    })
}

fn srv(record: &RData) -> Option<Srv> {
    let RData::SRV(record) = record else { return None };
    Some(Srv {
        priority: record.priority,
        weight: record.weight,
        port: record.port,
        target: record.target.to_ascii(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use sip::Transport;
    use sip::message::Host;
    use std::process::{Child, Command, Stdio};
    use tokio::net::UdpSocket;

    /// dnsmasq on loopback: a name server that is not ours.
    struct Dnsmasq {
        process: Child,
        address: SocketAddr,
    }

    impl Dnsmasq {
        async fn start(records: &[&str]) -> Self {
            // Its own choice of port cannot be read back, so a free one is found first.
            for _ in 0..10 {
                let port = std::net::UdpSocket::bind("127.0.0.1:0")
                    .expect("a port")
                    .local_addr()
                    .expect("bound")
                    .port();
                let mut process = Command::new("dnsmasq")
                    .args(["--keep-in-foreground", "--no-resolv", "--no-hosts", "--bind-interfaces"])
                    .args([
                        "--conf-file=/dev/null",
                        "--listen-address=127.0.0.1",
                        "--user=root",
                        "--pid-file",
                    ])
                    .args(["--local=/example.com/", "--local-ttl=300", "--log-facility=-"])
                    .arg(format!("--port={port}"))
                    .args(records)
                    .stdout(Stdio::null())
                    .stderr(Stdio::null())
                    .spawn()
                    .expect("dnsmasq is there: make setup");
                let address = SocketAddr::from(([127, 0, 0, 1], port));
                for _ in 0..200 {
                    if process.try_wait().expect("a process").is_some() {
                        break;
                    }
                    if std::net::TcpStream::connect(address).is_ok() {
                        return Self { process, address };
                    }
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                let _ = process.kill();
                let _ = process.wait();
            }
            panic!("dnsmasq does not start");
        }
    }

    impl Drop for Dnsmasq {
        fn drop(&mut self) {
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
    }

    fn at(server: SocketAddr) -> Resolver {
        Resolver {
            servers: vec![server],
            patience: Duration::from_millis(300),
            ..Resolver::default()
        }
    }

    const CARRIER: &[&str] = &[
        "--naptr-record=carrier.example.com,10,50,s,SIPS+D2T,,_sips._tcp.carrier.example.com",
        "--naptr-record=carrier.example.com,20,50,s,SIP+D2U,,_sip._udp.carrier.example.com",
        "--srv-host=_sips._tcp.carrier.example.com,edge1.carrier.example.com,5061,10,60",
        "--srv-host=_sips._tcp.carrier.example.com,edge2.carrier.example.com,5071,20,60",
        "--srv-host=_sip._udp.carrier.example.com,edge1.carrier.example.com,5060,10,0",
        "--host-record=edge1.carrier.example.com,192.0.2.1,2001:db8::1",
        "--host-record=edge2.carrier.example.com,192.0.2.2",
        "--host-record=six.example.com,2001:db8::6",
    ];

    #[tokio::test]
    async fn a_foreign_server_answers_every_kind_of_question() {
        let server = Dnsmasq::start(CARRIER).await;
        let names = Names::open(&at(server.address));
        let Answer::Naptr(rules, ttl) = names.answer(&Question::Naptr("carrier.example.com".into())).await else {
            panic!("rules")
        };
        assert!(
            ttl > Duration::from_secs(200) && ttl <= Duration::from_secs(300),
            "{ttl:?}"
        );
        assert_eq!(rules.len(), 2);
        let first = rules.iter().find(|rule| rule.order == 10).expect("the first");
        assert_eq!(
            (first.flags.as_str(), first.services.as_str(), first.regexp.as_str()),
            ("s", "SIPS+D2T", "")
        );
        assert_eq!(first.replacement, "_sips._tcp.carrier.example.com.");
        let Answer::Srv(servers, _) = names
            .answer(&Question::Srv("_sips._tcp.carrier.example.com".into()))
            .await
        else {
            panic!("servers")
        };
        let ports: Vec<_> = servers
            .iter()
            .map(|server| (server.priority, server.weight, server.port))
            .collect();
        assert!(
            ports.contains(&(10, 60, 5061)) && ports.contains(&(20, 60, 5071)),
            "{ports:?}"
        );
        let Answer::Addresses(addresses, _) = names
            .answer(&Question::Addresses("edge1.carrier.example.com".into()))
            .await
        else {
            panic!("addresses")
        };
        assert_eq!(addresses.len(), 2, "both versions: {addresses:?}");
        let six = names.answer(&Question::Addresses("six.example.com".into())).await;
        assert!(matches!(six, Answer::Addresses(addresses, _) if addresses.len() == 1));
        for nothing in [
            Question::Naptr("nobody.example.com".into()),
            Question::Srv("_sip._tcp.nobody.example.com".into()),
            Question::Addresses("nobody.example.com".into()),
            Question::Addresses(
                "not a name at all, and far too long for one label: xxxxxxxxxxxxxxxxxxxxxxxxxxxx".into(),
            ),
        ] {
            assert!(
                matches!(names.answer(&nothing).await, Answer::Nothing(_)),
                "{nothing:?}"
            );
        }
        // The whole walk of RFC 3263.
        let target = Target::new(Host::Name("carrier.example.com".into()));
        let found = names.locate(target, Preferences::default(), [7; 16]).await;
        let places: Vec<_> = found
            .iter()
            .map(|place| (place.transport, place.address.to_string()))
            .collect();
        let expected = ["192.0.2.1:5061", "[2001:db8::1]:5061", "192.0.2.2:5071"];
        assert_eq!(
            places,
            expected.map(|address| (Transport::Tls, address.to_owned())),
            "no rule of a higher order"
        );
        // What was answered is remembered when the server has gone.
        drop(server);
        let again = names
            .answer(&Question::Srv("_sips._tcp.carrier.example.com".into()))
            .await;
        assert!(matches!(again, Answer::Srv(servers, _) if servers.len() == 2));
        assert_eq!(
            names.answer(&Question::Naptr("other.example.com".into())).await,
            Answer::Failed
        );
    }

    #[tokio::test]
    async fn a_server_that_says_nothing_fails_in_time_and_in_bounds() {
        let silent = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
        let config = Resolver {
            questions_max: 4,
            patience: Duration::from_millis(100),
            ..at(silent.local_addr().expect("bound"))
        };
        let names = Names::open(&config);
        let began = Instant::now();
        let asking: Vec<_> = (0..20)
            .map(|number| {
                let names = names.clone();
                tokio::spawn(async move {
                    names
                        .answer(&Question::Addresses(format!("h{number}.example.com")))
                        .await
                })
            })
            .collect();
        for asked in asking {
            assert_eq!(asked.await.expect("no panic"), Answer::Failed);
        }
        assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
        assert_eq!(names.figures(), (20, 20));
    }

    #[tokio::test]
    async fn nonsense_from_a_server_is_a_failure() {
        let liar = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
        let address = liar.local_addr().expect("bound");
        let task = tokio::spawn(async move {
            let mut buffer = [0; 4096];
            while let Ok((length, from)) = liar.recv_from(&mut buffer).await {
                let mut answer = buffer[..length].to_vec();
                // An answer that claims a thousand records and holds none.
                answer[2] |= 0x80;
                answer[6..8].copy_from_slice(&1000_u16.to_be_bytes());
                let _ = liar.send_to(&answer, from).await;
            }
        });
        let names = Names::open(&at(address));
        assert_eq!(
            names.answer(&Question::Naptr("carrier.example.com".into())).await,
            Answer::Failed
        );
        task.abort();
    }
}
