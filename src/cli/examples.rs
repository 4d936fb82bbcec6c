//! What stands below the options of a command that people type: examples, in lines that fit a terminal of 80 columns.

/// What stands above them, where nothing else does.
pub(crate) const HEADING: &str = "Examples:\n\n";

pub(super) const START: &str = "\
To begin: `ringup setup` writes a client's configuration, `ringup enrol` that
of a machine to be woken, and `ringup demo` shows all of it without a line.";

pub(super) const CONNECT: &str = "\
Examples:

    ringup connect home -- ssh {}
    ringup connect home -- ssh root@{} uptime
    ringup connect home -- curl http://{}:{port:80}/
    ringup connect home
        prints the address, once the host has proved to be there
    ringup connect --timeout 3m home office -- ssh {} date

Where nobody looks on, or with --quiet, only failures are told; each with what
to do, and a status of its own (ringup-connect(1), EXIT STATUS).";

pub(super) const PROXY: &str = "\
In ~/.ssh/config, so that plain ssh home wakes it:

    Host home
        ProxyCommand ringup --config /etc/ringup/client.toml proxy %n %p
        HostKeyAlias home.dyn.example
        UserKnownHostsFile /var/lib/ringup/known/home.dyn.example.ssh
        StrictHostKeyChecking yes

The file is in `known` in the state directory; ringup proxy keeps the key from
the host's record in it.";

pub(super) const WAKE: &str = "\
Examples:

    ringup wake home
        rings it; `ringup query home` tells when it is online
    ringup wake home --json";

pub(super) const QUERY: &str = "\
Examples:

    ringup query home
    ringup query home.dyn.example --json";

pub(super) const TRUST: &str = "\
Examples:

    ringup trust home
        takes the key from the directory, and prints it to be compared
    ringup trust home ed25519:KEY
        takes this one, which `ringup identity FILE` has printed at the host";

pub(super) const SETUP: &str = "\
Examples:

    ringup setup --config ~/ringup.toml
    ringup check --config ~/ringup.toml
    ringup connect --config ~/ringup.toml home -- ssh {}";
