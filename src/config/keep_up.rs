//! `[listen.keep-up]`: what keeps an idle link up.

use std::path::PathBuf;

use serde::Deserialize;

use crate::listen::KeepUp as Wanted;

/// What keeps an idle link up; any one is enough.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct KeepUp {
    /// While this file exists.
    pub file: Option<PathBuf>,
    /// While somebody holds this lock.
    pub lock: Option<PathBuf>,
    /// While somebody is logged in by ssh.
    pub ssh: bool,
    /// While this command ends with status 0.
    pub command: Vec<String>,
}

impl KeepUp {
    pub(super) fn resolve(&mut self, join: impl Fn(&mut PathBuf)) {
        self.file.iter_mut().chain(&mut self.lock).for_each(join);
    }

    pub(super) fn wanted(&self) -> Wanted {
        let Self { file, lock, ssh, command } = self.clone();
        Wanted { file, lock, ssh, command }
    }
}
