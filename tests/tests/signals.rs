//! What the engine is told from outside while it begins: a start takes minutes where every sentence is spoken for the first time.
#![allow(
    clippy::disallowed_methods,
    reason = "a test starts a process and reads what it printed"
)]

mod child;

use std::time::Duration;

use child::{House, Person, handset};

const SOON: Duration = Duration::from_secs(60);

/// A SIGHUP that comes early is no end of the line, and a SIGTERM that comes at once is an end in order.
#[test]
fn signals_are_heard_from_the_first_moment() {
    let doctors = handset(&child::words(None), |_| Person::with([]).0);
    let house = House::furnish(doctors.address(), "5 seconds");
    let mut desk = house.begin("error", &[]);
    desk.says("reading the practices");
    desk.signal("HUP");
    desk.listens();
    desk.signal("TERM");
    assert!(desk.ends(SOON).success(), "{}{}", desk.out(), desk.err());

    let mut desk = house.begin("error", &[]);
    desk.says("reading the practices");
    desk.signal("TERM");
    assert!(desk.ends(SOON).success(), "{}{}", desk.out(), desk.err());
}
