//! What nobody gets more of than his share: places for connections, answers by UDP, answers to requests that are not signed
//! as they should be, changes of one host. A share is a network's, except the last.

pub(super) mod failures;
pub(super) mod limits;
pub(super) mod network;
pub(super) mod pace;
pub(super) mod places;
