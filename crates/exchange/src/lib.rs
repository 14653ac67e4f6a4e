//! placeholder replaced by the first commit of the room
