//! What the directory makes of anybody's bytes.

use std::sync::OnceLock;

use ringup::directory::fuzzing::{self, World};

fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| World::new().unwrap())
}

/// Any datagram.
pub fn message(data: &[u8]) {
    world().message(data);
}

/// Any message, signed by a key of the directory's.
pub fn update(data: &[u8]) {
    let _changed = world().update(data);
}

/// Any message that may carry a signature.
pub fn signature(data: &[u8]) {
    world().signature(data);
}

/// Any parameters of a dyndns2 update.
pub fn dyndns(data: &[u8]) {
    fuzzing::dyndns(data);
}

/// Any body of a request over HTTP.
pub fn json(data: &[u8]) {
    fuzzing::json(data);
}

/// Any text as a host's statement.
pub fn statement(data: &[u8]) {
    fuzzing::statement(data);
}
