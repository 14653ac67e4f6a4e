//! SRTP and SRTCP (RFC 3711, RFC 7714), keyed by SDES.

mod keys;

pub use keys::{MASTER_BYTES_MAX, MasterKey, Srtp, Suite};
