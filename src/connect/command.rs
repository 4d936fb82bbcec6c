//! The command to run once the host is there: `{}` or `{addr}` becomes the address, `{host}` the host's name, `{port:80}`
//! the port 80 or, through a tunnel, the one that leads there, `{tls-pin}` the pin of the host's TLS key; and ssh is told
//! whom it will meet.
//!
//! At the address of a tunnel's far end every other port is somebody else's: refuses a command that would go to one.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::net::IpAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getpgrp, tcgetpgrp};
use tokio::process::Child;
use tokio_util::sync::CancellationToken;

use super::attempt::Found;
use super::interrupted;
use super::known::{KnownError, KnownHosts};
use crate::exit::{Failure, Status};
use crate::record::{HostName, SshHostKey};
use crate::shutdown;

/// The programs that take ssh's options.
const OF_SSH: [&str; 3] = ["scp", "sftp", "ssh"];
/// Where an ssh server is when nobody says otherwise (RFC 4250 section 4.1).
const SSH_PORT: u16 = 22;
/// Which of their flags an argument follows; the first is the port's (ssh(1), scp(1), sftp(1)).
const WITH_ARGUMENT: [(&str, &str); 3] =
    [("scp", "PcDFiJloSX"), ("sftp", "PBbcDFiJloRSsX"), ("ssh", "pBbcDEeFIiJLlmOoPQRSWw")];

/// The command with what is known of the host in its places.
///
/// # Errors
/// When it wants a pin that the host's record does not have, or a service that the host's tunnel does not lead to; or
/// ssh's file cannot be written.
pub fn filled_in(command: &[String], found: &Found, known: &KnownHosts) -> Result<Vec<OsString>, Failure> {
    let record = found.record.record();
    let host = record.host();
    let program = command.first().and_then(|program| Path::new(program).file_name()?.to_str());
    let is_ssh = program.is_some_and(|program| OF_SSH.contains(&program));
    let mut filled = Vec::new();
    let mut names_port = is_ssh;
    for word in command {
        let (word, named) = with_ports(word, found)?;
        names_port |= named;
        let mut word = with_address(&word, found.address).replace("{host}", host.as_str());
        if word.contains("{tls-pin}") {
            let pin = record.services().tls.ok_or_else(|| {
                Failure::new(Status::Missing, format!("the record of {host} has no pin of a TLS key"))
                    .hint("give it one with `tls-pin` in [host] there, or leave {tls-pin} out here")
            })?;
            word = word.replace("{tls-pin}", &pin.to_string());
        }
        filled.push(OsString::from(word));
    }
    if let (Some(tunnel), false) = (found.tunnel, names_port) {
        let (at, service) = (tunnel.at(), tunnel.service());
        let message = format!("{host} is reached through its tunnel at {at} only, and the command names no port");
        return Err(Failure::new(Status::BehindNat, message).hint(format!(
            "write {{port:{service}}} where the port belongs, such as http://{{}}:{{port:{service}}}/; nothing was sent"
        )));
    }
    if is_ssh {
        let mut options = ssh_options(host, record.services().ssh, known)?;
        if found.tunnel.is_some() {
            let port = found.port(port_named(command).unwrap_or(SSH_PORT))?;
            options.extend(["-o".into(), format!("Port={port}").into()]);
        }
        filled.splice(1..1, options);
    }
    Ok(filled)
}

/// The port that the command line of ssh, scp or sftp names, as they read it; `None` where it is the usual one.
fn port_named(command: &[String]) -> Option<u16> {
    let (program, words) = command.split_first()?;
    let name = Path::new(program).file_name()?.to_str()?;
    let (_name, with_argument) = WITH_ARGUMENT.iter().find(|(of, _flags)| *of == name)?;
    let (is_ssh, flag) = (name == "ssh", with_argument.chars().next()?);
    let mut words = words.iter();
    let mut hosts = 0;
    while let Some(word) = words.next() {
        let Some(flags) = word.strip_prefix('-').filter(|flags| !flags.is_empty()) else {
            hosts += 1;
            // What follows ssh's host and its options is the command over there.
            if is_ssh && hosts > 1 {
                return None;
            }
            let place = word.split_once("://").and_then(|(_scheme, place)| place.split('/').next());
            match place.and_then(|place| place.rsplit_once(':')?.1.parse().ok()) {
                Some(port) => return Some(port),
                None => continue,
            }
        };
        for (at, each) in flags.char_indices() {
            if !with_argument.contains(each) {
                continue;
            }
            let rest = flags.get(at + each.len_utf8()..).filter(|rest| !rest.is_empty());
            let argument = rest.or_else(|| words.next().map(String::as_str))?;
            let lower = argument.to_ascii_lowercase();
            let option = lower.strip_prefix("port").filter(|_port| each == 'o');
            let port = option.map(|port| port.trim_start_matches([' ', '=']).to_owned());
            let port = if each == flag { Some(argument.to_owned()) } else { port };
            match port.and_then(|port| port.parse().ok()) {
                Some(port) => return Some(port),
                None => break,
            }
        }
    }
    None
}

/// The ports in their places, and whether there was any.
fn with_ports(word: &str, found: &Found) -> Result<(String, bool), Failure> {
    let (mut filled, mut rest, mut named) = (String::new(), word, false);
    while let Some((before, after)) = rest.split_once("{port:") {
        let Some((service, after)) = after.split_once('}') else { break };
        let Ok(service) = service.parse() else { break };
        filled.push_str(&format!("{before}{}", found.port(service)?));
        (rest, named) = (after, true);
    }
    filled.push_str(rest);
    Ok((filled, named))
}

/// The address in its places; an IPv6 one in brackets where it is part of a URL, after a user's name too, or a colon
/// follows (RFC 3986 section 3.2.2, scp(1)).
fn with_address(word: &str, address: IpAddr) -> String {
    let (plain, bracketed) = (address.to_string(), format!("[{address}]"));
    let mut filled = word.replace("{addr}", "{}");
    while let Some((before, after)) = filled.split_once("{}") {
        let user = before.rsplit_once("//").map(|(_scheme, user)| user);
        let in_url = user.is_some_and(|user| user.is_empty() || (user.ends_with('@') && !user.contains('/')));
        let address = if address.is_ipv6() && (in_url || after.starts_with(':')) { &bracketed } else { &plain };
        filled = format!("{before}{address}{after}");
    }
    filled
}

/// ssh knows the host by its name, whatever its address, and by the key in its record alone; where the record has none,
/// by the first one that it shows, in a file of ringup's own.
fn ssh_options(host: &HostName, key: Option<SshHostKey>, known: &KnownHosts) -> Result<Vec<OsString>, Failure> {
    let file = known.for_ssh(host, key).map_err(|error| no_file_for_ssh(&error))?;
    let mut options = vec![
        format!("HostKeyAlias={host}"),
        format!("UserKnownHostsFile=\"{}\"", file.display()),
        "GlobalKnownHostsFile=/dev/null".to_owned(),
    ];
    match key {
        Some(_) => options.extend(["StrictHostKeyChecking=yes".to_owned(), "HostKeyAlgorithms=ssh-ed25519".to_owned()]),
        None => options.push("StrictHostKeyChecking=accept-new".to_owned()),
    }
    Ok(options.into_iter().flat_map(|option| ["-o".into(), option.into()]).collect())
}

fn no_file_for_ssh(error: &KnownError) -> Failure {
    Failure::caused(Status::Configuration, error).hint("make state-directory writable for whoever connects")
}

/// Runs a command with our standard streams, or without our standard input where it is one of several, and gives its
/// exit status, 128 + n after signal n as shells do.
///
/// From here on signals are the command's affair: what would end us is passed on to it, and its end is ours. Ctrl-C on a
/// terminal has reached it already.
///
/// # Errors
/// When it cannot be started, or we were told to stop before.
///
/// # Cancel safety
/// When dropped the command is killed.
pub async fn run(command: &[OsString], one_of_several: bool, stop: &CancellationToken) -> Result<u8, Failure> {
    let Some((program, arguments)) = command.split_first() else {
        return Err(Failure::new(Status::NoCommand, "there is no command to run"));
    };
    let mut signals = shutdown::Signals::catch().map_err(|error| Failure::caused(Status::Internal, &error))?;
    if stop.is_cancelled() {
        return Err(interrupted());
    }
    let mut running = tokio::process::Command::new(program);
    running.args(arguments).kill_on_drop(true);
    if one_of_several {
        running.stdin(Stdio::null());
    }
    let mut child = running.spawn().map_err(|error| not_run(program, &error))?;
    let mut told = false;
    loop {
        let signal = tokio::select! {
            biased;
            status = child.wait() => return status.map(code).map_err(|error| Failure::caused(Status::Internal, &error)),
            signal = signals.next() => signal,
            // The one signal that came before these were caught.
            () = stop.cancelled(), if !told => Signal::SIGTERM,
        };
        told = true;
        if signal != Signal::SIGINT || !is_from_keyboard() {
            pass_on(signal, &child);
        }
    }
}

fn not_run(program: &OsStr, error: &io::Error) -> Failure {
    let is_there = error.kind() != io::ErrorKind::NotFound;
    let status = if is_there { Status::NotExecutable } else { Status::NoCommand };
    Failure::new(status, format!("cannot run {}: {error}", program.display()))
}

/// Whether an interrupt has gone to all who stand in the terminal's foreground, the command among them.
fn is_from_keyboard() -> bool {
    let foreground = File::open("/dev/tty").ok().and_then(|terminal| tcgetpgrp(terminal).ok());
    foreground == Some(getpgrp())
}

fn pass_on(signal: Signal, child: &Child) {
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
    if let Some(Err(error)) = pid.map(|pid| kill(pid, signal)) {
        tracing::debug!(%error, "the command has ended already");
    }
}

fn code(status: ExitStatus) -> u8 {
    let number = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    number.and_then(|number| u8::try_from(number).ok()).unwrap_or(u8::MAX)
}

#[cfg(test)]
pub(super) use self::tests::every_command;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{FarEnd, Identity, Record, Seq, Services, SignedRecord, TlsPin};
    use crate::scratch::Scratch;

    fn found(address: &str, services: Services) -> Found {
        let address: IpAddr = address.parse().unwrap();
        let record =
            Record::online("home.dyn.example".parse().unwrap(), vec![address], Seq::FIRST, 1_000, 600).unwrap();
        let record = SignedRecord::sign(record.with_services(services), &Identity::generate().unwrap());
        Found { record, address, tunnel: None, first_use: false }
    }

    fn found_through_tunnel(service: u16) -> Found {
        let tunnel: FarEnd = format!("198.51.100.50:2222/{service}").parse().unwrap();
        let services = Services { tunnel: Some(tunnel), ..Services::default() };
        let found = found("100.64.0.10", services);
        Found { address: tunnel.at().ip(), tunnel: Some(tunnel), ..found }
    }

    fn fill(command: &[&str], found: &Found) -> Result<Vec<String>, Failure> {
        let folder = Scratch::new("command");
        let command: Vec<String> = command.iter().map(|word| (*word).to_owned()).collect();
        let filled = filled_in(&command, found, &KnownHosts::new(folder.root()))?;
        let root = folder.root().display().to_string();
        Ok(filled.into_iter().map(|word| word.into_string().unwrap().replace(&root, "STATE")).collect())
    }

    /// Every way in which a command is not run, for the snapshot of every message.
    pub(in crate::connect) fn every_command() -> Vec<Failure> {
        let plain = found("203.0.113.10", Services::default());
        let [not_there, no_program] = [io::ErrorKind::NotFound, io::ErrorKind::PermissionDenied]
            .map(|kind| not_run(OsStr::new("ssh"), &kind.into()));
        let tunnel = found_through_tunnel(80);
        let refused =
            [fill(&["curl", "{tls-pin}"], &plain), fill(&["ssh", "{}"], &tunnel), fill(&["nc", "{}"], &tunnel)];
        let path = "/var/lib/ringup/known/home.dyn.example.ssh".into();
        let unwritable = KnownError::Unwritable { path, source: io::ErrorKind::PermissionDenied.into() };
        let by_hand = [not_there, no_program, no_file_for_ssh(&unwritable)];
        refused.into_iter().filter_map(Result::err).chain(by_hand).collect()
    }

    #[test]
    fn address_and_name_go_where_they_are_asked_for() {
        let filled = fill(&["nc", "-x{host}", "{}", "http://{addr}/"], &found("203.0.113.10", Services::default()));
        assert_eq!(filled.unwrap(), ["nc", "-xhome.dyn.example", "203.0.113.10", "http://203.0.113.10/"]);
        let filled = fill(&["ping", "{}", "http://{}/", "root@{}:/tmp"], &found("2001:db8::1", Services::default()));
        assert_eq!(filled.unwrap(), ["ping", "2001:db8::1", "http://[2001:db8::1]/", "root@[2001:db8::1]:/tmp"]);
    }

    #[test]
    fn ssh_meets_the_host_by_name_and_by_the_key_in_its_record_and_no_other() {
        let key = SshHostKey::from_bytes([7; 32]);
        let services = Services { ssh: Some(key), ..Services::default() };
        let filled = fill(&["/usr/bin/ssh", "{}", "uptime"], &found("203.0.113.10", services)).unwrap();
        let expected = [
            "/usr/bin/ssh",
            "-o",
            "HostKeyAlias=home.dyn.example",
            "-o",
            "UserKnownHostsFile=\"STATE/known/home.dyn.example.ssh\"",
            "-o",
            "GlobalKnownHostsFile=/dev/null",
            "-o",
            "StrictHostKeyChecking=yes",
            "-o",
            "HostKeyAlgorithms=ssh-ed25519",
            "203.0.113.10",
            "uptime",
        ];
        assert_eq!(filled, expected);
        let filled = fill(&["scp", "x", "{}:"], &found("203.0.113.10", Services::default())).unwrap();
        assert!(filled.contains(&"StrictHostKeyChecking=accept-new".to_owned()), "{filled:?}");
        assert_eq!(filled.last().map(String::as_str), Some("203.0.113.10:"));
    }

    #[test]
    fn through_a_tunnel_ssh_goes_to_its_port_and_other_commands_where_they_say() {
        let filled = fill(&["ssh", "root@{}"], &found_through_tunnel(22)).unwrap();
        assert_eq!(filled[filled.len() - 3..], ["-o", "Port=2222", "root@198.51.100.50"]);
        let url = &["curl", "http://{}:{port:80}/x{port:80}"];
        assert_eq!(fill(url, &found_through_tunnel(80)).unwrap()[1], "http://198.51.100.50:2222/x2222");
        assert_eq!(fill(url, &found("2001:db8::1", Services::default())).unwrap()[1], "http://[2001:db8::1]:80/x80");
        let odd = &["echo", "{port:x} {port:", "{port:80}"];
        assert_eq!(fill(odd, &found("203.0.113.10", Services::default())).unwrap()[1..], ["{port:x} {port:", "80"]);
    }

    #[test]
    fn a_users_name_before_the_address_is_part_of_a_url_and_of_an_ssh_destination_it_is_not() {
        let found = found("2001:db8::1", Services::default());
        for (word, expected) in [
            ("http://me@{}/", "http://me@[2001:db8::1]/"),
            ("rsync://u@{}/x", "rsync://u@[2001:db8::1]/x"),
            ("ssh://root@{}", "ssh://root@[2001:db8::1]"),
            ("root@{}", "root@2001:db8::1"),
            ("http://proxy/a@{}", "http://proxy/a@2001:db8::1"),
        ] {
            assert_eq!(fill(&["echo", word], &found).unwrap()[1], expected);
        }
    }

    #[test]
    fn ssh_goes_through_a_tunnel_to_the_service_that_it_names_and_to_no_other() {
        for command in [
            &["ssh", "{}"][..],
            &["ssh", "-p", "2200", "{}"],
            &["ssh", "-vp2200", "root@{}", "tar", "-p", "22"],
            &["ssh", "{}", "-o", "Port=2200", "uptime"],
            &["scp", "-P", "2200", "x", "{}:"],
            &["sftp", "-oPort 2200", "{}"],
            &["ssh", "ssh://root@{}:2200"],
        ] {
            let failure = fill(command, &found_through_tunnel(80)).unwrap_err();
            assert_eq!(failure.status, Status::BehindNat, "{command:?}");
            let leads = if command.len() == 2 && command[1] == "{}" { 22 } else { 2200 };
            let led = fill(command, &found_through_tunnel(leads)).unwrap();
            assert!(led.contains(&"Port=2222".to_owned()), "{led:?}");
        }
        for command in [&["ssh", "-i", "-p", "{}", "tar", "-p", "2200"][..], &["scp", "-p", "x", "{}:"]] {
            assert!(fill(command, &found_through_tunnel(22)).is_ok(), "{command:?}");
        }
    }

    #[test]
    fn a_command_that_would_meet_somebody_else_at_the_far_end_is_refused() {
        for (command, words) in [
            (&["curl", "http://{}/"][..], "the command names no port"),
            (&["nc", "{}", "22"], "the command names no port"),
            (&["curl", "http://{}:{port:80}/"], "which leads to port 22 of it, not to 80"),
        ] {
            let failure = fill(command, &found_through_tunnel(22)).unwrap_err();
            assert_eq!(failure.status, Status::BehindNat);
            assert!(failure.message.contains(words), "{failure}");
        }
    }

    #[test]
    fn a_pin_is_filled_in_or_its_lack_is_told() {
        let services = Services { tls: Some(TlsPin::from_bytes([7; 32])), ..Services::default() };
        let filled = fill(&["curl", "--pinnedpubkey", "{tls-pin}"], &found("203.0.113.10", services)).unwrap();
        assert_eq!(filled[2], TlsPin::from_bytes([7; 32]).to_string());
        let failure = fill(&["curl", "{tls-pin}"], &found("203.0.113.10", Services::default())).unwrap_err();
        assert_eq!(failure.status, Status::Missing);
    }

    #[tokio::test]
    async fn the_commands_status_is_ours() {
        let command = ["sh", "-c", "exit 7"].map(OsString::from);
        assert_eq!(run(&command, false, &CancellationToken::new()).await, Ok(7));
        let killed = ["sh", "-c", "kill -TERM $$"].map(OsString::from);
        assert_eq!(run(&killed, true, &CancellationToken::new()).await, Ok(143));
    }

    #[tokio::test]
    async fn a_command_that_is_not_there_or_no_program_has_a_status_of_its_own() {
        for (command, status) in [("/nonexistent/command", Status::NoCommand), ("/etc/passwd", Status::NotExecutable)] {
            let failure = run(&[command.into()], false, &CancellationToken::new()).await.unwrap_err();
            assert_eq!(failure.status, status, "{failure}");
        }
    }
}
