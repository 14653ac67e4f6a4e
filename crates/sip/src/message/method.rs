//! Request methods (RFC 3261 §7.1 and the RFCs that added to it). Names are compared byte for byte: `invite` is not `INVITE`.

use std::fmt;

/// A request's method. What we have no name for is kept exactly as it came.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Method {
    /// RFC 3261 §13.
    Invite,
    /// RFC 3261 §13.
    Ack,
    /// RFC 3261 §15.
    Bye,
    /// RFC 3261 §9.
    Cancel,
    /// RFC 3261 §11.
    Options,
    /// RFC 3261 §10.
    Register,
    /// RFC 3262.
    Prack,
    /// RFC 3311.
    Update,
    /// RFC 6086.
    Info,
    /// RFC 3515.
    Refer,
    /// RFC 6665.
    Subscribe,
    /// RFC 6665.
    Notify,
    /// RFC 3428.
    Message,
    /// RFC 3903.
    Publish,
    /// Any other token, byte for byte as received.
    Other(Box<str>),
}

const KNOWN: [(&str, Method); 14] = [
    ("INVITE", Method::Invite),
    ("ACK", Method::Ack),
    ("BYE", Method::Bye),
    ("CANCEL", Method::Cancel),
    ("OPTIONS", Method::Options),
    ("REGISTER", Method::Register),
    ("PRACK", Method::Prack),
    ("UPDATE", Method::Update),
    ("INFO", Method::Info),
    ("REFER", Method::Refer),
    ("SUBSCRIBE", Method::Subscribe),
    ("NOTIFY", Method::Notify),
    ("MESSAGE", Method::Message),
    ("PUBLISH", Method::Publish),
];

impl Method {
    /// The name on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Method::Invite => "INVITE",
            Method::Ack => "ACK",
            Method::Bye => "BYE",
            Method::Cancel => "CANCEL",
            Method::Options => "OPTIONS",
            Method::Register => "REGISTER",
            Method::Prack => "PRACK",
            Method::Update => "UPDATE",
            Method::Info => "INFO",
            Method::Refer => "REFER",
            Method::Subscribe => "SUBSCRIBE",
            Method::Notify => "NOTIFY",
            Method::Message => "MESSAGE",
            Method::Publish => "PUBLISH",
            Method::Other(name) => name,
        }
    }
}

impl From<&str> for Method {
    fn from(name: &str) -> Self {
        match KNOWN.iter().find(|(known, _)| *known == name) {
            Some((_, method)) => method.clone(),
            None => Method::Other(name.into()),
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<rsip::Method> for Method {
    fn from(method: rsip::Method) -> Self {
        Method::from(method.to_string().as_str())
    }
}

/// rsip knows a closed set of methods; an [`Method::Other`] has no counterpart there and is handed back.
impl TryFrom<Method> for rsip::Method {
    type Error = Method;

    fn try_from(method: Method) -> Result<Self, Method> {
        method.as_str().parse::<rsip::Method>().map_err(|_| method)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_survive_both_ways_and_case_matters() {
        for (name, method) in KNOWN {
            assert_eq!(Method::from(name), method);
            assert_eq!(method.as_str(), name);
        }
        assert_eq!(Method::from("invite"), Method::Other("invite".into()));
    }

    #[test]
    fn every_method_of_rsip_is_one_of_ours() {
        for (name, method) in KNOWN {
            let theirs = rsip::Method::try_from(method.clone()).expect("rsip knows it too");
            assert_eq!(theirs.to_string(), name);
            assert_eq!(Method::from(theirs), method);
        }
        assert_eq!(
            rsip::Method::try_from(Method::Other("FROB".into())),
            Err(Method::Other("FROB".into()))
        );
    }
}
