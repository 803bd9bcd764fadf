//! Keys: who may ask, for what, and how much.
//!
//! [`KeyRing`] is what the envelope of requests asks before anything else: it finds the key of a request, checks what
//! the path needs ([`routes`]) and what the key allows ([`limits`]). Who asks is then known as [`Caller`] to whatever
//! runs for the request, and what is computed for it is counted there ([`meter`]). Without keys everyone may ask for
//! everything.

mod caller;
mod hash;
mod limits;
mod meter;
mod ring;
mod routes;
mod settings;

pub(crate) use caller::Caller;
pub use hash::KeyHash;
pub(crate) use limits::Remaining;
pub(crate) use meter::{Meter, MeteredEvents, MeteredTurn};
pub(crate) use ring::{KeyRing, KeyUse};
pub use settings::{KeyScope, KeySettings, NewKey};
