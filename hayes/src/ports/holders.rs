//! Who uses a port: by its lock file, and by the files that processes have open.

use std::fs;
use std::path::{Path, PathBuf};

use super::text;

/// A process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its id.
    pub id: u32,
    /// Its program's name, where that may be seen.
    pub name: Option<String>,
}

impl Process {
    /// The process of this id; it need not live.
    #[must_use]
    pub fn of(id: u32) -> Self {
        Self { id, name: text(&Path::new("/proc").join(id.to_string()).join("comm")) }
    }
}

/// Who uses a port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holders {
    /// The living process that its lock file names.
    pub lock: Option<Process>,
    /// The processes that have it open.
    pub open: Vec<Process>,
    /// There are processes whose files this user may not see.
    pub more_may_be: bool,
}

/// Where lock files live.
const LOCKS: [&str; 2] = ["run/lock", "var/lock"];

/// The holders of these ttys, by their paths: one walk through all processes.
pub(super) fn find(root: &Path, ttys: &[PathBuf]) -> Vec<Holders> {
    let mut holders: Vec<Holders> =
        ttys.iter().map(|tty| Holders { lock: lock(root, tty), ..Holders::default() }).collect();
    let own = std::process::id();
    for process in processes(root).filter(|process| process.id != own) {
        let folder = root.join("proc").join(process.id.to_string());
        let Ok(entries) = fs::read_dir(folder.join("fd")) else {
            // Kernel threads have no command line, and no files.
            if text(&folder.join("cmdline")).is_some() {
                holders.iter_mut().for_each(|holders| holders.more_may_be = true);
            }
            continue;
        };
        let files: Vec<PathBuf> = entries.flatten().filter_map(|entry| fs::read_link(entry.path()).ok()).collect();
        for (_, holders) in ttys.iter().zip(&mut holders).filter(|(tty, _)| files.contains(tty)) {
            holders.open.push(process.clone());
        }
    }
    for holders in &mut holders {
        holders.open.sort_by_key(|process| process.id);
    }
    holders
}

/// All processes.
pub(super) fn processes(root: &Path) -> impl Iterator<Item = Process> {
    let proc = root.join("proc");
    let entries = fs::read_dir(&proc).into_iter().flatten().flatten();
    entries.filter_map(move |entry| {
        let id = entry.file_name().to_str()?.parse().ok()?;
        Some(Process { id, name: text(&proc.join(id.to_string()).join("comm")) })
    })
}

/// The lock's name is the tty's without `/dev/`, each `/` become `_`, as Debian does.
fn lock(root: &Path, tty: &Path) -> Option<Process> {
    let name = tty.strip_prefix("/dev").unwrap_or(tty).to_str()?.trim_start_matches('/').replace('/', "_");
    let file = LOCKS.iter().map(|folder| root.join(folder).join(format!("LCK..{name}"))).find(|file| file.exists())?;
    let content = fs::read(file).ok()?;
    let number = str::from_utf8(&content).ok().and_then(|text| text.trim().parse().ok());
    // The older form of UUCP: the number as the machine holds it.
    let id: u32 = number.or_else(|| Some(u32::from_ne_bytes(content.try_into().ok()?)))?;
    let folder = root.join("proc").join(id.to_string());
    folder.exists().then(|| Process { id, name: text(&folder.join("comm")) })
}
