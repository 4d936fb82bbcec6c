//! A running daemon asked from outside: how things stand, hang up, pretend that it rang.
//!
//! A unix socket in the runtime directory takes one request a connection, a JSON object in one line, and answers in JSON
//! lines; whoever may write to the socket may ask. Owns the words on that socket, the board that shows how things stand, and
//! the commands of `ringup` that ask. Decides nothing: what is asked goes to the line's own task.

mod ask;
mod board;
mod client;
mod commands;
mod protocol;
mod server;
mod table;

pub use self::ask::{Ask, Asked, Desk, asks};
pub use self::board::{
    Board, LineStanding, LineTrouble, LinkStanding, Phase, RecordStanding, Standing, TunnelStanding,
};
pub use self::commands::{JournalArgs, Whose, hang_up, journal, ring, status};
pub use self::protocol::{PretendedRing, Request};
pub use self::server::{Front, Socket, serve};

/// The socket's name in the runtime directory.
pub const SOCKET: &str = "control.sock";
