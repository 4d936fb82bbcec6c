//! Whether this user may open a port.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Whether a port can be opened for reading and writing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// Yes.
    Allowed,
    /// Its group may, and this user is not in it.
    Group(String),
    /// Only its owner may.
    Owner,
    /// There is nothing of that name in `/dev`.
    Missing,
}

/// Who runs this program.
struct User {
    id: u32,
    groups: BTreeSet<u32>,
}

impl Access {
    pub(super) fn of(root: &Path, port: &Path) -> Self {
        let Ok(metadata) = fs::metadata(below(root, port)) else { return Self::Missing };
        let Some(user) = User::running(root) else { return Self::Allowed };
        let (mode, group) = (metadata.mode(), metadata.gid());
        let may = |shift: u32| mode >> shift & 0o6 == 0o6;
        // The first that applies counts (path_resolution(7)).
        let allowed = match user.id {
            0 => true,
            id if id == metadata.uid() => may(6),
            _ if user.groups.contains(&group) => may(3),
            _ => may(0),
        };
        if allowed {
            Self::Allowed
        } else if may(3) && !user.groups.contains(&group) {
            Self::Group(group_name(root, group).unwrap_or_else(|| group.to_string()))
        } else {
            Self::Owner
        }
    }
}

impl User {
    /// The effective ids, from `/proc/self/status` (proc(5)).
    fn running(root: &Path) -> Option<Self> {
        let status = fs::read_to_string(root.join("proc/self/status")).ok()?;
        let line = |tag: &str| status.lines().find_map(|line| line.strip_prefix(tag));
        let effective = |tag: &str| line(tag)?.split_whitespace().nth(1)?.parse().ok();
        let mut groups: BTreeSet<u32> =
            line("Groups:")?.split_whitespace().filter_map(|group| group.parse().ok()).collect();
        groups.extend(effective("Gid:"));
        Some(Self { id: effective("Uid:")?, groups })
    }
}

fn group_name(root: &Path, id: u32) -> Option<String> {
    let groups = fs::read_to_string(root.join("etc/group")).ok()?;
    let id = id.to_string();
    groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1) == Some(id.as_str())).then(|| name.to_owned())
    })
}

/// An absolute path below another root.
pub(super) fn below(root: &Path, path: &Path) -> std::path::PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}
