//! The catalogue through its public doors. The hub is a scripted one on loopback; nothing leaves this machine.

mod support;

/// Downloads that go well: what is asked, what lies on disk afterwards, who gets the token.
mod download;
/// Hubs, connections and disks that misbehave.
mod faults;
/// Repositories that are models as a whole.
mod folder;
/// Headers read from the hub without the weights.
mod header;
/// What is found on disk, and under which names.
mod local;
