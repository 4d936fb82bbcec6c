//! The command line.

mod examples;

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand};
use tracing::level_filters::LevelFilter;

use crate::administration::{CredentialCommand, HostCommand};
use crate::config::DEFAULT_PATH;
use crate::config::value::Span;
use crate::control::JournalArgs;
use crate::record::PublicKey;

pub(crate) use self::examples::HEADING;

/// Telephones a machine that has no fixed address, has it come online, and connects to it.
#[derive(Debug, Parser)]
#[command(name = "ringup", version, propagate_version = true, max_term_width = 100, after_help = examples::START)]
pub struct Cli {
    /// The configuration of this machine.
    #[arg(long, short, global = true, value_name = "FILE", default_value = DEFAULT_PATH)]
    pub config: PathBuf,
    /// Say more: -v for what was seen and decided, -vv for bytes.
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Wake hosts if need be, have each prove that it is the one, and run a command with its address.
    ///
    /// The directory is asked first: a host that is online already is not called. Whoever is at its address has to
    /// prove by the host's own key that it is the one; until then nothing else is sent there.
    ///
    /// In the command, {} and {addr} become the address, {host} the host's name, {tls-pin} the pin of its TLS key,
    /// {port:80} the port 80 or the one that leads there through the host's tunnel; ssh, scp and sftp are told by which
    /// key they will meet it. Its exit status becomes that of ringup. Without a command the address is printed, and the
    /// port where it is met through a tunnel.
    #[command(after_long_help = examples::CONNECT)]
    Connect(ConnectArgs),
    /// Join standard input and output to a port of a host, waking it if need be: ssh's ProxyCommand.
    ///
    /// With the lines for ~/.ssh/config shown below, plain ssh wakes the host.
    #[command(after_long_help = examples::PROXY)]
    Proxy {
        /// The site: its name in the configuration's `[sites]`, or its host's full name.
        #[arg(value_name = "SITE")]
        host: String,
        /// The port of the host's that it is to lead to.
        #[arg(default_value_t = 22)]
        port: u16,
        /// How long it may take.
        #[command(flatten)]
        patience: Patience,
    },
    /// Ring a host once, and hang up.
    ///
    /// No directory is asked, neither before nor after: a host that is online already is rung all the same, and whether
    /// it comes online is for `ringup query` to say. `ringup connect` does all of it.
    #[command(after_long_help = examples::WAKE)]
    Wake {
        /// The site: its name in the configuration's `[sites]`, or its host's full name.
        site: String,
        /// Say nothing on the way but what went wrong.
        #[arg(long, short)]
        quiet: bool,
        /// Tell the steps as JSON lines on standard error.
        #[arg(long)]
        json: bool,
    },
    /// Ask the directory whether a host is online, where, and by which key.
    ///
    /// The record's signature is checked by the key that is known of the host; that the host is really there is not:
    /// that only `ringup connect` finds out. Of several servers of the directory the one with the newest record counts.
    /// Nobody is called.
    #[command(after_long_help = examples::QUERY)]
    Query {
        /// The site: its name in the configuration's `[sites]`, or any host's full name.
        #[arg(value_name = "SITE")]
        host: String,
        /// Print it as JSON; and why there is none, on standard error.
        #[arg(long)]
        json: bool,
    },
    /// Remember a host's key: the one given, or else the one in the directory if none is known yet.
    ///
    /// A host whose site has no `identity` is remembered by the first key that it proves to hold. This says it beforehand, or
    /// puts a new key in its place.
    #[command(after_long_help = examples::TRUST)]
    Trust {
        /// The site: its name in the configuration's `[sites]`, or any host's full name.
        #[arg(value_name = "SITE")]
        host: String,
        /// The key, as `ringup identity FILE` prints it at the host.
        key: Option<PublicKey>,
    },
    /// Wait for a call that wakes this machine, and bring it online.
    Listen {
        /// Tell what happens as JSON lines on standard output.
        #[arg(long)]
        json: bool,
    },
    /// Show how a listener stands: lines, link, record, budget, last wakes.
    Status {
        /// Print it as JSON.
        #[arg(long)]
        json: bool,
        /// Show it again at each change, until Ctrl-C.
        #[arg(long, short)]
        watch: bool,
    },
    /// Have a listener withdraw its record and end its link, or the call that is to bring it.
    Hangup {
        /// On this line only, by the name that `ringup status` shows.
        #[arg(long)]
        line: Option<String>,
    },
    /// Have a listener take it that its line rang; its doorman judges the call as any other.
    Ring {
        /// On this line, by the name that `ringup status` shows; the first that listens if left out.
        #[arg(long)]
        line: Option<String>,
        /// From this number; without it, as if the network had shown none.
        #[arg(long, value_name = "NUMBER")]
        from: Option<String>,
        /// How often it rings.
        #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=100))]
        rings: u32,
    },
    /// Show what a listener has noted: every ring, wake, call, link and registration.
    Journal(JournalArgs),
    /// Register each new address of a broadband interface.
    Watch {
        /// Tell what happens as JSON lines on standard output.
        #[arg(long)]
        json: bool,
    },
    /// Serve the directory.
    Directory {
        /// Tell what happens as JSON lines on standard output.
        #[arg(long)]
        json: bool,
        /// Copy the directory's database to a new file, its accounts to FILE.accounts, and end; a directory that runs goes
        /// on meanwhile.
        #[arg(long, value_name = "FILE")]
        backup: Option<PathBuf>,
    },
    /// On the directory's machine: add, list, show and enrol the hosts that register with it.
    Host {
        /// What to do.
        #[command(subcommand)]
        command: HostCommand,
    },
    /// On the directory's machine: make, renew and remove what hosts prove themselves with.
    Credential {
        /// What to do.
        #[command(subcommand)]
        command: CredentialCommand,
    },
    /// At home: register this machine with a directory, by the code that `ringup host enrol` printed there.
    Enrol {
        /// The code; read from standard input if left out.
        code: Option<String>,
    },
    /// Be the PPP provider: answer calls, lend addresses.
    Provide {
        /// Tell what happens as JSON lines on standard output.
        #[arg(long)]
        json: bool,
    },
    /// Be the telephone exchange: emulated modems on ttys, joined by their numbers.
    Exchange {
        /// Write the call log as JSON lines.
        #[arg(long)]
        json: bool,
    },
    /// Look at modems: which there are, what they are, what they say. Needs no configuration.
    Modem {
        /// What to do.
        #[command(subcommand)]
        command: ModemCommand,
    },
    /// Check the configuration and the secrets that it names.
    Check,
    /// Print this machine's public key, making the private one if there is none.
    Identity {
        /// The private key's file: what `identity` in `[host]` names at a host, `key` of a site at a client.
        file: PathBuf,
    },
    /// Print the next one-time codes by which a person may wake this machine, making their secret if there is none.
    Code {
        /// How many.
        #[arg(default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1000))]
        count: u16,
    },
    /// Ask a few questions, try modem and directory, and write a client's configuration to a new file.
    ///
    /// It asks where the directory answers, at which port the modem is, what the host is called, its telephone number
    /// and what wakes it, and has its key compared; a provider is asked for where there is no other way to the
    /// directory. Each answer is tried as it comes. An empty one takes what stands in brackets. Nothing is written
    /// before the last one, and no file that is there is touched. The new one is where --config says.
    #[command(after_long_help = examples::SETUP)]
    Setup,
    /// Print completions of this command line for a shell.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write one for each command into a folder.
    Man {
        /// The folder.
        folder: Option<PathBuf>,
    },
    /// Show the whole road on one machine, on real PPP links and an emulated telephone network.
    Demo,
    /// Called by pppd's ip-up hook.
    #[command(hide = true)]
    IpUp(Hook),
    /// Called by pppd's ip-down hook.
    #[command(hide = true)]
    IpDown(Hook),
    /// Holds our own link for `ringup connect`.
    #[command(hide = true)]
    OwnLink,
}

impl Command {
    /// Tells whether it runs until it is told to end, for whoever comes.
    #[must_use]
    pub fn serves(&self) -> bool {
        matches!(
            self,
            Self::Listen { .. }
                | Self::Watch { .. }
                | Self::Directory { backup: None, .. }
                | Self::Provide { .. }
                | Self::Exchange { .. }
                | Self::OwnLink
        )
    }

    /// From which level on its log is written: a daemon's is all there is to read, and a probe's says what is done to the
    /// modem; whoever runs a client reads its messages, and a program that follows `--json` is to find nothing else.
    #[must_use]
    pub fn log(&self) -> LevelFilter {
        if matches!(
            self,
            Self::Connect(ConnectArgs { json: true, .. })
                | Self::Wake { json: true, .. }
                | Self::Query { json: true, .. }
        ) {
            LevelFilter::OFF
        } else if matches!(
            self,
            Self::Connect(_)
                | Self::Proxy { .. }
                | Self::Wake { .. }
                | Self::Query { .. }
                | Self::Trust { .. }
                | Self::Setup
        ) {
            LevelFilter::WARN
        } else {
            LevelFilter::INFO
        }
    }
}

/// What `ringup connect` is to do.
#[derive(Debug, clap::Args)]
pub struct ConnectArgs {
    /// The sites: their names in the configuration's `[sites]`, or their hosts' full names.
    #[arg(required = true, value_name = "SITE")]
    pub sites: Vec<String>,
    /// Say nothing on the way but what went wrong.
    #[arg(long, short)]
    pub quiet: bool,
    /// Tell the steps as JSON lines on standard error.
    #[arg(long)]
    pub json: bool,
    /// How long it may take.
    #[command(flatten)]
    pub patience: Patience,
    /// What to run once the host is there, with its address in place of {}; with several sites, for each of them.
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}

/// How long it may take to reach a host.
#[derive(Debug, clap::Args)]
pub struct Patience {
    /// How long to wait after a ring for the new record, for a line in use, and for a provider that has to be called again, in
    /// place of the site's `wait`: such as 90s or 3m.
    #[arg(long, value_name = "TIME", value_parser = span)]
    pub wait: Option<Span>,
    /// How long all of it may take until the host is there: such as 2m. No limit if left out, but those of each step.
    #[arg(long, value_name = "TIME", value_parser = span)]
    pub timeout: Option<Span>,
}

fn span(text: &str) -> Result<Span, String> {
    Span::try_from(text.to_owned())
}

/// What to do with a modem.
#[derive(Debug, Subcommand)]
pub enum ModemCommand {
    /// List the serial ports of this machine, and what is to be known of each without touching it.
    List {
        /// Print JSON: one array of ports.
        #[arg(long)]
        json: bool,
    },
    /// Ask a modem what it is and can do, whatever state it is in. Stores nothing in it.
    Probe {
        /// Which modem.
        #[command(flatten)]
        port: Port,
        /// Leave its settings as they are, and do not look what a reset does.
        #[arg(long)]
        no_reset: bool,
        /// Print JSON: one object.
        #[arg(long)]
        json: bool,
    },
    /// Say event by event what a modem said, from a capture of its bytes or a transcript.
    Explain {
        /// The capture; standard input if left out or `-`.
        file: Option<PathBuf>,
        /// Print JSON: one object a line.
        #[arg(long)]
        json: bool,
        /// Take it for bytes of a modem even if it looks like a transcript.
        #[arg(long)]
        raw: bool,
    },
    /// Print all that a modem says as it comes, with caller identification turned on, until Ctrl-C.
    Monitor {
        /// Which modem.
        #[command(flatten)]
        port: Port,
        /// Send nothing at all, only listen.
        #[arg(long)]
        passive: bool,
        /// Print JSON: one object a line.
        #[arg(long)]
        json: bool,
    },
}

/// The modem's port.
#[derive(Debug, clap::Args)]
pub struct Port {
    /// The modem's tty; if left out, the configuration's, or the only one there is.
    pub port: Option<PathBuf>,
    /// The rate between computer and modem in bit/s; the configuration's if left out, or 115200.
    #[arg(long)]
    pub rate: Option<u32>,
}

/// pppd's arguments to its hooks (pppd(8), SCRIPTS).
#[derive(Debug, clap::Args)]
pub struct Hook {
    /// The interface's name.
    pub interface: String,
    /// The tty, empty when pppd was handed an open line.
    pub tty: String,
    /// The tty's rate.
    pub speed: String,
    /// Our address.
    pub local: IpAddr,
    /// The other side's address.
    pub remote: IpAddr,
    /// pppd's ipparam option.
    pub ipparam: Option<String>,
}

impl Hook {
    /// What the link is called: its peers file and its linkname, from the environment that pppd gives its hooks, and its
    /// ipparam.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let variables = ["CALL_FILE", "LINKNAME"].into_iter().filter_map(|variable| std::env::var(variable).ok());
        variables.chain(self.ipparam.clone()).filter(|name| !name.is_empty()).collect()
    }
}
