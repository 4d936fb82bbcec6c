//! What the kernel has counted of some processes (proc(5)).

use std::fs;
use std::io;
use std::time::Duration;

use nix::unistd::Pid;

/// The unit of processor time in /proc: a hundredth of a second everywhere (proc(5), `sysconf(_SC_CLK_TCK)`).
const TICK: Duration = Duration::from_millis(10);

/// What some processes have used, together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Usage {
    pub(crate) processes: usize,
    pub(crate) threads: usize,
    /// How often a thread gave the processor up by itself, to wait.
    pub(crate) voluntary: u64,
    /// How often it was taken from one.
    pub(crate) involuntary: u64,
    pub(crate) processor: Duration,
    /// Resident memory in kB.
    pub(crate) resident: u64,
    /// Resident memory in kB, what is shared by its share; not every kernel counts it.
    pub(crate) proportional: Option<u64>,
    pub(crate) files: usize,
}

impl Usage {
    /// Reads it.
    pub(crate) fn of(pids: &[Pid]) -> io::Result<Self> {
        let mut usage = Self { processes: pids.len(), proportional: Some(0), ..Self::default() };
        for pid in pids {
            for task in fs::read_dir(format!("/proc/{pid}/task"))? {
                let status = fs::read_to_string(task?.path().join("status"))?;
                usage.threads += 1;
                usage.voluntary += number(&status, "voluntary_ctxt_switches:");
                usage.involuntary += number(&status, "nonvoluntary_ctxt_switches:");
            }
            let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
            // The name may hold blanks; utime and stime are the 12th and 13th field after it.
            let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
            let ticks =
                |index: usize| fields.get(index).and_then(|field| field.parse::<u32>().ok()).unwrap_or_default();
            usage.processor += TICK * (ticks(11) + ticks(12));
            usage.resident += number(&fs::read_to_string(format!("/proc/{pid}/status"))?, "VmRSS:");
            let proportional = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok();
            let proportional = proportional.map(|rollup| number(&rollup, "Pss:"));
            usage.proportional = usage.proportional.zip(proportional).map(|(sum, one)| sum + one);
            usage.files += fs::read_dir(format!("/proc/{pid}/fd"))?.count();
        }
        Ok(usage)
    }

    /// What was used since; what is held, as it is now.
    pub(crate) fn since(&self, before: &Self) -> Self {
        Self {
            voluntary: self.voluntary.saturating_sub(before.voluntary),
            involuntary: self.involuntary.saturating_sub(before.involuntary),
            processor: self.processor.saturating_sub(before.processor),
            ..self.clone()
        }
    }
}

/// The number after a name at the beginning of a line.
fn number(text: &str, name: &str) -> u64 {
    let value = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    value.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or_default()
}

/// The processes of a program whose command line has these words.
pub(crate) fn processes(program: &str, words: &str) -> Vec<Pid> {
    let folders = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = folders.filter_map(|folder| folder.file_name().to_str()?.parse::<i32>().ok());
    let fits = |pid: &i32| {
        let read = |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
        read("comm").trim() == program && (read("cmdline").replace('\0', " ") + " ").contains(words)
    };
    pids.filter(fits).map(Pid::from_raw).collect()
}
