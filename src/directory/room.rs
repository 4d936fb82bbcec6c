//! How many files this process may have open: as many as its connections need, or it is said that they are too few.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Makes room for so many connections beside everything else; says so where there is less.
pub(super) fn make_for(connections: usize) {
    let wanted = u64::try_from(connections).unwrap_or(u64::MAX).saturating_add(OTHERS);
    let limit = getrlimit(Resource::Nofile);
    let is_enough = |most: Option<u64>| most.is_none_or(|most| most >= wanted);
    if is_enough(limit.current) {
        return;
    }
    // Who may not raise the upper limit may still go up to it.
    let most = limit.maximum.map(|most| most.max(wanted));
    let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: most });
    if raised.is_err() && setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).is_err() {
        tracing::debug!("the number of open files cannot be raised");
    }
    let files = getrlimit(Resource::Nofile).current;
    if !is_enough(files) {
        tracing::warn!(
            files,
            wanted,
            "fewer files may be open than there may be connections; raise LimitNOFILE= of the unit or \
            `ulimit -n`, or lower directory.http.connections"
        );
    }
}

/// The database, the sockets, DNS over TCP, and some to spare.
const OTHERS: u64 = 512;
