//! Two emulated modems on an exchange: `cargo run --example switchboard -- DIRECTORY`, then open `DIRECTORY/alice`
//! and `DIRECTORY/bob` with minicom, chat or pppd and dial 5551001 (alice) or 5551002 (bob).

use std::error::Error;
use std::path::Path;

use hayes::emulator::plan::{LinePlan, Plan};
use hayes::emulator::switchboard::Switchboard;

#[expect(clippy::print_stdout, reason = "the paths and the call log are what this program is for")]
fn main() -> Result<(), Box<dyn Error>> {
    let directory = std::env::args_os().nth(1).ok_or("usage: switchboard DIRECTORY")?;
    let line = |name: &str, number: &str| LinePlan {
        name: name.to_owned(),
        number: number.to_owned(),
        caller_name: Some(name.to_uppercase()),
        ..LinePlan::default()
    };
    let plan = Plan { lines: vec![line("alice", "5551001"), line("bob", "5551002")], ..Plan::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let switchboard = Switchboard::open(plan, Path::new(&directory))?;
    for (name, path) in switchboard.paths() {
        println!("{name} {}", path.display());
    }
    runtime.block_on(switchboard.run(std::future::pending(), |event| println!("{event}")));
    Ok(())
}
