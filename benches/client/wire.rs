//! A wire between two namespaces, with a delay each way, on which every packet is counted: two tunnel interfaces of
//! socat's, whose packets pass through here.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// How long a packet is under way.
pub(crate) const ONE_WAY: Duration = Duration::from_millis(50);

/// What has passed, both ways together.
#[derive(Debug, Default)]
struct Counted {
    packets: AtomicU64,
    octets: AtomicU64,
    /// When the first packet since the last reset came, in nanoseconds since the wire was laid; 0 for none.
    first: AtomicU64,
}

/// A wire and its two ends.
pub(crate) struct Wire {
    counted: Arc<Counted>,
    laid: Instant,
    ends: Vec<Child>,
}

/// What has passed since the last look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Passed {
    pub(crate) packets: u64,
    pub(crate) octets: u64,
    /// When the first of it came.
    pub(crate) first: Instant,
}

impl Wire {
    /// Lays a wire from this namespace to that of a process, with these addresses at its ends.
    pub(crate) fn lay(folder: &Path, to: u32, here: &str, there: &str) -> Self {
        let counted = Arc::new(Counted::default());
        let laid = Instant::now();
        let sockets = ["a", "b"].map(|end| UnixDatagram::bind(folder.join(format!("wire-{end}"))).unwrap());
        let namespace = format!("--net=/proc/{to}/ns/net");
        let mut ends = Vec::new();
        for (end, address, enter) in [("a", here, None), ("b", there, Some(&namespace))] {
            let mut command = match enter {
                Some(namespace) => {
                    let mut command = Command::new("nsenter");
                    command.args([namespace.as_str(), "socat"]);
                    command
                }
                None => Command::new("socat"),
            };
            command.arg(format!("TUN:{address}/30,up,iff-no-pi"));
            command.arg(format!("UNIX-SENDTO:{0}/wire-{end},bind={0}/end-{end}", folder.display()));
            ends.push(command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        }
        let [a, b] = sockets;
        let both = [(a.try_clone().unwrap(), b.try_clone().unwrap(), "b"), (b, a, "a")];
        for (from, to, end) in both {
            let (counted, to_path) = (Arc::clone(&counted), folder.join(format!("end-{end}")));
            let (later, due) = mpsc::channel::<(Instant, Vec<u8>)>();
            std::thread::spawn(move || {
                let mut packet = [0; 2000];
                while let Ok(length) = from.recv(&mut packet) {
                    let came = Instant::now();
                    // IPv4 only: neighbours of IPv6 look for each other all the time.
                    if packet[0] >> 4 != 4 {
                        continue;
                    }
                    let since = u64::try_from((came - laid).as_nanos()).unwrap();
                    let _kept = counted.first.compare_exchange(0, since, Ordering::Relaxed, Ordering::Relaxed);
                    counted.packets.fetch_add(1, Ordering::Relaxed);
                    counted.octets.fetch_add(length as u64, Ordering::Relaxed);
                    drop(later.send((came + ONE_WAY, packet[..length].to_vec())));
                }
            });
            std::thread::spawn(move || {
                for (at, packet) in due {
                    std::thread::sleep(at.saturating_duration_since(Instant::now()));
                    // An end that is not there yet gets nothing.
                    drop(to.send_to(&packet, &to_path));
                }
            });
        }
        Self { counted, laid, ends }
    }

    /// Takes what has passed since the last time; `None` when nothing has.
    pub(crate) fn take(&self) -> Option<Passed> {
        let first = self.counted.first.swap(0, Ordering::Relaxed);
        let packets = self.counted.packets.swap(0, Ordering::Relaxed);
        let octets = self.counted.octets.swap(0, Ordering::Relaxed);
        (packets > 0).then(|| Passed { packets, octets, first: self.laid + Duration::from_nanos(first) })
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        for end in &mut self.ends {
            drop(end.kill());
            drop(end.wait());
        }
    }
}
