//! What clients do with the lines: calls, bulk data, echoes.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::termios::BaudRate;

use super::office::{Office, Terminal};

/// Two terminals in a call.
pub(crate) type Pair = (Terminal, Terminal);

fn pair(office: &Office, index: usize) -> (Pair, String) {
    let (mut caller, mut callee) = (office.terminal(2 * index), office.terminal(2 * index + 1));
    caller.types("ATE0\r");
    caller.expect("OK\r\n");
    callee.types("ATE0S0=1\r");
    callee.expect("OK\r\n");
    ((caller, callee), format!("ATDT{}\r", 1000 + 2 * index + 1))
}

fn call((caller, callee): &mut Pair, dial: &str) {
    caller.types(dial);
    caller.expect("CONNECT 10000000\r\n");
    callee.expect("CONNECT 10000000\r\n");
}

/// Everybody calls, is connected, hangs up, and calls again; answers the calls a second, and the exchange's milliseconds
/// of processor time for each.
pub(crate) fn calls(office: &Office, run: Duration) -> [f64; 2] {
    let pairs: Vec<_> = (0..office.lines / 2).map(|index| pair(office, index)).collect();
    let (start, worked) = (Instant::now(), office.worked());
    let calls = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for (mut ends, dial) in pairs {
            let calls = &calls;
            scope.spawn(move || {
                while start.elapsed() < run {
                    call(&mut ends, &dial);
                    ends.0.set_speed(BaudRate::B0);
                    ends.0.expect("NO CARRIER\r\n");
                    ends.1.expect("NO CARRIER\r\n");
                    ends.0.set_speed(BaudRate::B115200);
                    calls.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    let calls = calls.load(Ordering::Relaxed) as f64;
    [calls / start.elapsed().as_secs_f64(), office.worked().saturating_sub(worked).as_secs_f64() * 1e3 / calls]
}

/// Puts all lines into calls.
pub(crate) fn connect_all(office: &Office) -> Vec<Pair> {
    let connect = |index| {
        let (mut ends, dial) = pair(office, index);
        call(&mut ends, &dial);
        without_waiting(&ends);
        ends
    };
    std::thread::scope(|scope| {
        let connecting: Vec<_> = (0..office.lines / 2).map(|index| scope.spawn(move || connect(index))).collect();
        connecting.into_iter().map(|connecting| connecting.join().unwrap()).collect()
    })
}

/// Reads and writes take what there is.
pub(crate) fn without_waiting((a, b): &Pair) {
    for end in [a, b] {
        fcntl(&end.file, FcntlArg::F_SETFL(OFlag::O_RDWR | OFlag::O_NONBLOCK)).unwrap();
    }
}

/// Everybody sends as fast as the lines take it; answers what all have received.
pub(crate) fn bytes_a_second(pairs: &[Pair], run: Duration) -> f64 {
    let (received, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let start = Instant::now();
    let took = std::thread::scope(|scope| {
        for end in pairs.iter().flat_map(|(caller, callee)| [caller, callee]) {
            scope.spawn(|| {
                received.fetch_add(pump(end, &stop), Ordering::Relaxed);
            });
        }
        wait(run);
        stop.store(true, Ordering::Relaxed);
        start.elapsed()
    });
    received.load(Ordering::Relaxed) as f64 / took.as_secs_f64()
}

/// Sends and receives until told to stop, then receives what is still on its way.
fn pump(end: &Terminal, stop: &AtomicBool) -> usize {
    let block = [b'x'; 4096];
    let mut buffer = [0; 16 * 1024];
    let (mut counted, mut silent) = (0, false);
    while !silent {
        let stopped = stop.load(Ordering::Relaxed);
        let wanted = if stopped { PollFlags::POLLIN } else { PollFlags::POLLIN | PollFlags::POLLOUT };
        let mut fds = [PollFd::new(end.file.as_fd(), wanted)];
        silent = poll(&mut fds, 300_u16).unwrap() == 0 && stopped;
        match (&end.file).read(&mut buffer) {
            Ok(taken) if !stopped => counted += taken,
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
        if !stopped && let Err(error) = (&end.file).write(&block) {
            assert_eq!(error.kind(), ErrorKind::WouldBlock);
        }
    }
    counted
}

/// One byte over a call and back, so many times: median and 99th percentile.
pub(crate) fn echo(pairs: &[Pair], busy: bool, times: usize) -> [Duration; 2] {
    let ((caller, callee), others) = pairs.split_first().unwrap();
    let stop = AtomicBool::new(false);
    let mut took: Vec<Duration> = std::thread::scope(|scope| {
        for end in others.iter().filter(|_| busy).flat_map(|(caller, callee)| [caller, callee]) {
            scope.spawn(|| pump(end, &stop));
        }
        if busy {
            wait(Duration::from_millis(200));
        }
        let deadline = Instant::now() + Duration::from_secs(1);
        let took = (0..times).take_while(|_| Instant::now() < deadline).map(|_| round_trip(caller, callee)).collect();
        stop.store(true, Ordering::Relaxed);
        took
    });
    took.sort();
    [took[took.len() / 2], took[took.len() * 99 / 100]]
}

fn round_trip(caller: &Terminal, callee: &Terminal) -> Duration {
    let start = Instant::now();
    cross(caller, callee);
    cross(callee, caller);
    start.elapsed()
}

fn cross(from: &Terminal, to: &Terminal) {
    (&from.file).write_all(b"x").unwrap();
    let mut fds = [PollFd::new(to.file.as_fd(), PollFlags::POLLIN)];
    assert_ne!(poll(&mut fds, 20_000_u16).unwrap(), 0, "a byte is lost");
    assert_eq!((&to.file).read(&mut [0; 16]).unwrap(), 1);
}

pub(crate) fn wait(time: Duration) {
    poll(&mut [], u16::try_from(time.as_millis()).unwrap()).unwrap();
}
