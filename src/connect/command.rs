//! The command to run once the host is there: `{}` or `{addr}` becomes the address, `{host}` the host's name.

use std::ffi::OsString;
use std::net::IpAddr;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use crate::exit::{Failure, Status};
use crate::record::HostName;

/// The command with the host's address and name in their places.
#[must_use]
pub fn filled_in(command: &[String], address: IpAddr, host: &HostName) -> Vec<OsString> {
    let address = address.to_string();
    command
        .iter()
        .map(|word| word.replace("{}", &address).replace("{addr}", &address).replace("{host}", host.as_str()).into())
        .collect()
}

/// Runs a command with our standard streams and gives its exit status, 128 + n after signal n as shells do.
///
/// # Errors
/// When it cannot be started.
///
/// # Cancel safety
/// When dropped the command is killed.
pub async fn run(command: &[OsString]) -> Result<u8, Failure> {
    let Some((program, arguments)) = command.split_first() else {
        return Err(Failure::new(Status::NoCommand, "there is no command to run"));
    };
    let child = tokio::process::Command::new(program).args(arguments).kill_on_drop(true).spawn();
    let mut child = child.map_err(|error| {
        Failure::new(Status::NoCommand, format!("cannot run {}: {error}", program.display()))
            .hint("the host is online; check the command after --")
    })?;
    let status = child.wait().await.map_err(|error| Failure::caused(Status::Internal, &error))?;
    Ok(code(status))
}

fn code(status: ExitStatus) -> u8 {
    let number = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    number.and_then(|number| u8::try_from(number).ok()).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_and_name_go_where_they_are_asked_for() {
        let command = ["ssh", "-o", "HostKeyAlias={host}", "{}", "http://{addr}/"].map(str::to_owned);
        let host = "home.dyn.example".parse().unwrap();
        let filled = filled_in(&command, IpAddr::from([203, 0, 113, 10]), &host);
        assert_eq!(filled, ["ssh", "-o", "HostKeyAlias=home.dyn.example", "203.0.113.10", "http://203.0.113.10/"]);
    }

    #[tokio::test]
    async fn the_commands_status_is_ours() {
        let command = ["sh", "-c", "exit 7"].map(OsString::from);
        assert_eq!(run(&command).await, Ok(7));
        let killed = ["sh", "-c", "kill -TERM $$"].map(OsString::from);
        assert_eq!(run(&killed).await, Ok(143));
    }

    #[tokio::test]
    async fn a_command_that_is_not_there_has_a_status_of_its_own() {
        let failure = run(&["/nonexistent/command".into()]).await.unwrap_err();
        assert_eq!(failure.status, Status::NoCommand);
    }
}
