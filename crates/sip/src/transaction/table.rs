//! Every live transaction: found by branch, told the time in order, forgotten when its machine has terminated.
//!
//! Keys follow RFC 3261 §17.1.3 and §17.2.3, with the RFC 2543 fall-back for a Via without the magic cookie. A server
//! key also holds the address the request came from, so that a stranger who learned a branch can neither cancel nor
//! acknowledge what is not his.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::time::Instant;

use super::client_invite::{self, ClientInvite};
use super::client_non_invite::{self, ClientNonInvite};
use super::server_invite::{self, ServerInvite};
use super::server_non_invite::{self, ServerNonInvite};
use super::{Act, Outbox, Pace};
use crate::message::{Method, Request};
use crate::transport::Flow;

/// A message ready to be sent.
pub(crate) type Bytes = std::sync::Arc<[u8]>;

/// One transaction, for as long as the endpoint lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct TransactionId(u64);

/// What a request from outside is matched by.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct ServerKey {
    /// Branch and sent-by, or RFC 2543's collection of fields.
    pub(crate) name: String,
    /// INVITE also for its ACK and its CANCEL.
    pub(crate) method: Method,
    pub(crate) source: IpAddr,
    /// Nobody in the clear cancels or acknowledges what came over TLS.
    pub(crate) secure: bool,
}

/// What a response from outside is matched by.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct ClientKey {
    pub(crate) branch: String,
    pub(crate) method: Method,
}

enum Key {
    Server(ServerKey),
    Client(ClientKey),
}

#[expect(
    clippy::enum_variant_names,
    reason = "the machines are named as RFC 3261 §17 names them"
)]
enum Machine {
    ClientInvite(ClientInvite<Bytes>),
    ClientNonInvite(ClientNonInvite<Bytes>),
    ServerInvite(ServerInvite<Bytes>),
    ServerNonInvite(ServerNonInvite<Bytes>),
}

struct Entry<U> {
    key: Key,
    machine: Machine,
    pace: Pace,
    flow: Flow,
    user: U,
    /// Kept by client transactions: an ACK, a CANCEL and a second try with credentials are made from it.
    request: Option<Request>,
    merge: Option<MergeKey>,
    due: Option<Instant>,
}

/// What a step came to.
pub(crate) struct Stepped<U> {
    pub(crate) acts: Vec<Act<Bytes>>,
    pub(crate) flow: Flow,
    pub(crate) user: U,
    /// The transaction has terminated and is to be forgotten.
    pub(crate) gone: bool,
}

/// A request of ours on its way.
pub(crate) struct Outgoing<U> {
    pub(crate) key: ClientKey,
    pub(crate) pace: Pace,
    pub(crate) flow: Flow,
    pub(crate) user: U,
    pub(crate) request: Request,
    pub(crate) bytes: Bytes,
}

/// A request of theirs.
pub(crate) struct Arrived<U> {
    pub(crate) key: ServerKey,
    pub(crate) pace: Pace,
    /// The way the responses take.
    pub(crate) flow: Flow,
    pub(crate) user: U,
    /// Set for a request outside any dialog, so that a fork of it is recognized.
    pub(crate) merge: Option<MergeKey>,
}

/// RFC 3261 §8.2.2.2: the same request by another path has the same Call-ID, From tag and CSeq, and another branch.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct MergeKey {
    pub(crate) call_id: String,
    pub(crate) from_tag: String,
    pub(crate) cseq: u32,
    pub(crate) method: Method,
}

/// The transactions of one endpoint.
pub(crate) struct Table<U> {
    entries: HashMap<TransactionId, Entry<U>>,
    servers: HashMap<ServerKey, TransactionId>,
    clients: HashMap<ClientKey, TransactionId>,
    merges: HashMap<MergeKey, TransactionId>,
    due: BTreeSet<(Instant, TransactionId)>,
    next: u64,
}

impl<U> Default for Table<U> {
    fn default() -> Self {
        Self {
            entries: HashMap::new(),
            servers: HashMap::new(),
            clients: HashMap::new(),
            merges: HashMap::new(),
            due: BTreeSet::new(),
            next: 0,
        }
    }
}

impl<U: Copy> Table<U> {
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The earliest deadline.
    pub(crate) fn timeout(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// A transaction whose deadline has passed.
    pub(crate) fn overdue(&self, now: Instant) -> Option<TransactionId> {
        self.due.first().filter(|(at, _)| *at <= now).map(|(_, id)| *id)
    }

    pub(crate) fn server(&self, key: &ServerKey) -> Option<TransactionId> {
        self.servers.get(key).copied()
    }

    pub(crate) fn client(&self, key: &ClientKey) -> Option<TransactionId> {
        self.clients.get(key).copied()
    }

    /// Whether a request outside any dialog is another copy of one that is still being answered.
    pub(crate) fn is_merged(&self, key: &MergeKey) -> bool {
        self.merges.contains_key(key)
    }

    pub(crate) fn user(&self, id: TransactionId) -> Option<U> {
        self.entries.get(&id).map(|entry| entry.user)
    }

    pub(crate) fn flow(&self, id: TransactionId) -> Option<Flow> {
        self.entries.get(&id).map(|entry| entry.flow)
    }

    /// The request a client transaction carries.
    pub(crate) fn request(&self, id: TransactionId) -> Option<&Request> {
        self.entries.get(&id).and_then(|entry| entry.request.as_ref())
    }

    pub(crate) fn start_client(&mut self, now: Instant, out: Outgoing<U>) -> (TransactionId, Stepped<U>) {
        let Outgoing {
            key,
            pace,
            flow,
            user,
            request,
            bytes,
        } = out;
        let mut acts = Outbox::default();
        let machine = if key.method == Method::Invite {
            Machine::ClientInvite(ClientInvite::start(pace, now, bytes, &mut acts))
        } else {
            Machine::ClientNonInvite(ClientNonInvite::start(pace, now, bytes, &mut acts))
        };
        let id = self.insert(Entry {
            key: Key::Client(key.clone()),
            machine,
            pace,
            flow,
            user,
            request: Some(request),
            merge: None,
            due: None,
        });
        self.clients.insert(key, id);
        self.settle(id);
        (
            id,
            Stepped {
                acts: acts.take(),
                flow,
                user,
                gone: false,
            },
        )
    }

    /// An INVITE starts with its 100; `trying` is that response.
    pub(crate) fn start_server(&mut self, arrived: Arrived<U>, trying: Option<Bytes>) -> (TransactionId, Stepped<U>) {
        let Arrived {
            key,
            pace,
            flow,
            user,
            merge,
        } = arrived;
        let mut acts = Outbox::default();
        let machine = match trying {
            Some(trying) => Machine::ServerInvite(ServerInvite::start(trying, &mut acts)),
            None => Machine::ServerNonInvite(ServerNonInvite::start()),
        };
        let id = self.insert(Entry {
            key: Key::Server(key.clone()),
            machine,
            pace,
            flow,
            user,
            request: None,
            merge: merge.clone(),
            due: None,
        });
        self.servers.insert(key, id);
        if let Some(merge) = merge {
            self.merges.insert(merge, id);
        }
        (
            id,
            Stepped {
                acts: acts.take(),
                flow,
                user,
                gone: false,
            },
        )
    }

    /// The request a server transaction knows came again.
    pub(crate) fn repeated(&mut self, now: Instant, id: TransactionId) -> Option<Stepped<U>> {
        self.step(id, |machine, pace, out| match machine {
            Machine::ServerInvite(machine) => {
                Machine::ServerInvite(machine.step(pace, now, server_invite::Input::Invite, out))
            }
            Machine::ServerNonInvite(machine) => {
                Machine::ServerNonInvite(machine.step(pace, now, server_non_invite::Input::Request, out))
            }
            client => client,
        })
    }

    /// An ACK of a server transaction came.
    pub(crate) fn acknowledged(&mut self, now: Instant, id: TransactionId) -> Option<Stepped<U>> {
        self.step(id, |machine, pace, out| match machine {
            Machine::ServerInvite(machine) => {
                Machine::ServerInvite(machine.step(pace, now, server_invite::Input::Ack, out))
            }
            other => other,
        })
    }

    /// The user answers.
    pub(crate) fn respond(
        &mut self,
        now: Instant,
        id: TransactionId,
        status: u16,
        response: Bytes,
    ) -> Option<Stepped<U>> {
        self.step(id, |machine, pace, out| match machine {
            Machine::ServerInvite(machine) => {
                let input = match status {
                    0..200 => server_invite::Input::Provisional(response),
                    200..300 => server_invite::Input::Success(response),
                    _ => server_invite::Input::Failure(response),
                };
                Machine::ServerInvite(machine.step(pace, now, input, out))
            }
            Machine::ServerNonInvite(machine) if status >= 200 => {
                Machine::ServerNonInvite(machine.step(pace, now, server_non_invite::Input::Final(response), out))
            }
            other => other,
        })
    }

    /// A response of theirs; `ack` makes the ACK of a refused INVITE.
    pub(crate) fn response(
        &mut self,
        now: Instant,
        id: TransactionId,
        status: u16,
        ack: impl FnOnce(&Request) -> Bytes,
    ) -> Option<Stepped<U>> {
        let made = match self.entries.get(&id) {
            Some(Entry {
                machine: Machine::ClientInvite(_),
                request: Some(request),
                ..
            }) if status >= 300 => Some(ack(request)),
            _ => None,
        };
        self.step(id, |machine, pace, out| match machine {
            Machine::ClientInvite(machine) => {
                let input = match (status, made) {
                    (0..200, _) => client_invite::Input::Provisional,
                    (200..300, _) => client_invite::Input::Success,
                    (_, Some(ack)) => client_invite::Input::Failure { ack },
                    (_, None) => return Machine::ClientInvite(machine),
                };
                Machine::ClientInvite(machine.step(pace, now, input, out))
            }
            Machine::ClientNonInvite(machine) => {
                let input = if status < 200 {
                    client_non_invite::Input::Provisional
                } else {
                    client_non_invite::Input::Final
                };
                Machine::ClientNonInvite(machine.step(pace, now, input, out))
            }
            server => server,
        })
    }

    /// The user of an INVITE waits no longer.
    pub(crate) fn abandon(&mut self, now: Instant, id: TransactionId) -> Option<Stepped<U>> {
        self.step(id, |machine, pace, out| match machine {
            Machine::ClientInvite(machine) => {
                Machine::ClientInvite(machine.step(pace, now, client_invite::Input::Abandon, out))
            }
            other => other,
        })
    }

    /// A deadline of this transaction has passed.
    pub(crate) fn time(&mut self, now: Instant, id: TransactionId) -> Option<Stepped<U>> {
        self.step(id, |machine, pace, out| match machine {
            Machine::ClientInvite(machine) => {
                Machine::ClientInvite(machine.step(pace, now, client_invite::Input::Time, out))
            }
            Machine::ClientNonInvite(machine) => {
                Machine::ClientNonInvite(machine.step(pace, now, client_non_invite::Input::Time, out))
            }
            Machine::ServerInvite(machine) => {
                Machine::ServerInvite(machine.step(pace, now, server_invite::Input::Time, out))
            }
            Machine::ServerNonInvite(machine) => {
                Machine::ServerNonInvite(machine.step(pace, now, server_non_invite::Input::Time, out))
            }
        })
    }

    /// The network refused what this transaction sent.
    pub(crate) fn transport_failed(&mut self, now: Instant, id: TransactionId) -> Option<Stepped<U>> {
        self.step(id, |machine, pace, out| match machine {
            Machine::ClientInvite(machine) => {
                Machine::ClientInvite(machine.step(pace, now, client_invite::Input::TransportFailed, out))
            }
            Machine::ClientNonInvite(machine) => {
                Machine::ClientNonInvite(machine.step(pace, now, client_non_invite::Input::TransportFailed, out))
            }
            Machine::ServerInvite(machine) => {
                Machine::ServerInvite(machine.step(pace, now, server_invite::Input::TransportFailed, out))
            }
            Machine::ServerNonInvite(machine) => {
                Machine::ServerNonInvite(machine.step(pace, now, server_non_invite::Input::TransportFailed, out))
            }
        })
    }

    /// The transactions that travel on this way, oldest first.
    pub(crate) fn on_flow(&self, flow: Flow) -> Vec<TransactionId> {
        let same = |other: &Flow| {
            other.transport == flow.transport
                && other.remote == flow.remote
                && (other.connection.is_none() || flow.connection.is_none() || other.connection == flow.connection)
        };
        let mut ids: Vec<_> = self
            .entries
            .iter()
            .filter(|(_, entry)| same(&entry.flow))
            .map(|(id, _)| *id)
            .collect();
        ids.sort_unstable();
        ids
    }

    fn insert(&mut self, entry: Entry<U>) -> TransactionId {
        let id = TransactionId(self.next);
        self.next += 1;
        self.entries.insert(id, entry);
        id
    }

    fn step(
        &mut self,
        id: TransactionId,
        step: impl FnOnce(Machine, Pace, &mut Outbox<Bytes>) -> Machine,
    ) -> Option<Stepped<U>> {
        let mut entry = self.entries.remove(&id)?;
        let mut out = Outbox::default();
        entry.machine = step(entry.machine, entry.pace, &mut out);
        let (flow, user) = (entry.flow, entry.user);
        let gone = entry.machine.is_terminated();
        self.entries.insert(id, entry);
        self.settle(id);
        Some(Stepped {
            acts: out.take(),
            flow,
            user,
            gone,
        })
    }

    fn settle(&mut self, id: TransactionId) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        let due = entry.machine.timeout();
        if due != entry.due {
            if let Some(at) = entry.due {
                self.due.remove(&(at, id));
            }
            if let Some(at) = due {
                self.due.insert((at, id));
            }
            entry.due = due;
        }
    }

    /// Lets go of a transaction that has terminated, once its acts have been carried out: until then its request can be read.
    pub(crate) fn forget(&mut self, id: TransactionId) {
        let Some(entry) = self.entries.remove(&id) else { return };
        if let Some(at) = entry.due {
            self.due.remove(&(at, id));
        }
        match entry.key {
            Key::Server(key) => self.servers.remove(&key),
            Key::Client(key) => self.clients.remove(&key),
        };
        if let Some(merge) = entry.merge {
            self.merges.remove(&merge);
        }
    }
}

impl Machine {
    fn timeout(&self) -> Option<Instant> {
        match self {
            Machine::ClientInvite(machine) => machine.timeout(),
            Machine::ClientNonInvite(machine) => machine.timeout(),
            Machine::ServerInvite(machine) => machine.timeout(),
            Machine::ServerNonInvite(machine) => machine.timeout(),
        }
    }

    fn is_terminated(&self) -> bool {
        match self {
            Machine::ClientInvite(machine) => machine.is_terminated(),
            Machine::ClientNonInvite(machine) => machine.is_terminated(),
            Machine::ServerInvite(machine) => machine.is_terminated(),
            Machine::ServerNonInvite(machine) => machine.is_terminated(),
        }
    }
}
