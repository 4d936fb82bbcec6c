//! The `ringup` command.

fn main() {}
