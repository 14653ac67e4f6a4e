//! Names into addresses: the questions of RFC 3263 asked of real name servers (hickory-resolver).

use std::net::SocketAddr;
use std::time::Duration;

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
