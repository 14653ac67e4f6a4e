//! Digest access authentication for SIP: answering 401 and 407, and checking answers (RFC 3261 §22, RFC 7616).
