//! Where the specialists meet: an INVITE becomes a call, a call becomes facts (house.md §2, first floor).
//!
//! [`Desk`] owns every call. It decides which practice an INVITE is for, admits or refuses it, and hands everything
//! that concerns a call to its [`call`]. A call owns its legs, its flow run and its ladders behind one `&mut`, and only
//! translates between them: SIP sessions tell it who is there, the flow tells it what to say, the ladder tells it whom
//! to ring, the media plane tells it what was pressed. Nothing here reads a clock or touches a socket: [`door`] lists
//! all that comes in and goes out, and [`world`] runs the whole of it in virtual time.
//!
//! *Journal before act* (house.md §7): what a caller must not lose is sent out as [`Output::Record`], and the act that
//! depends on it is withheld until [`Input::Recorded`] comes back.

mod call;
pub mod card;
pub mod carrier;
mod desk;
pub mod door;
pub mod fact;
pub mod ladder;
pub mod phone;
pub mod records;
pub mod rehearse;
pub mod replay;
pub mod trunk;
pub mod weather;
pub mod world;

pub use call::unrecorded_with;
pub use desk::{Counts, Desk};
pub use door::{
    CallId, DeskConfig, Health, Input, LegId, Listener, MediaCommand, MediaEvent, Output, RecordingId, Released, Ticket,
};
pub use fact::{Fact, OpenEscalation, Reached, Stamped, UnknownFact, masked};
pub use trunk::{AddressStatus, Network, Outbound, RefusedCalls, Trunk, TrunkStatus};
