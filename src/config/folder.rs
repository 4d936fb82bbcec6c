//! Whether the folders that a client keeps things in are any good to whoever runs it.

use std::io;
use std::path::Path;

use nix::unistd::{AccessFlags, access};

use super::{Config, ConfigError};

impl Config {
    /// Tries whether a client can keep its state and its sockets; a machine with a daemon too may keep those of another user.
    ///
    /// # Errors
    /// When it cannot.
    pub fn try_folders(&self) -> Result<(), ConfigError> {
        let file = self.file();
        if file.sites.is_empty() || file.listen.is_some() || file.watch.is_some() {
            return Ok(());
        }
        for (key, folder, is_needed) in [
            ("state-directory", &file.state_directory, true),
            // The link's keeper has its socket there.
            ("runtime-directory", &file.runtime_directory, file.isp.is_some()),
        ] {
            if let Err(error) = takes_files(folder)
                && is_needed
            {
                let told = format!("{} cannot be written: {error}; expected a folder of your own", folder.display());
                return Err(self.wrong(key, told));
            }
        }
        Ok(())
    }
}

/// Whether files can be made in a folder, or the folder itself can be made.
///
/// # Errors
/// Why not.
pub fn takes_files(folder: &Path) -> io::Result<()> {
    let nearest = folder.ancestors().find(|folder| folder.exists());
    let nearest = nearest.filter(|nearest| !nearest.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    if !nearest.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    access(nearest, AccessFlags::W_OK | AccessFlags::X_OK).map_err(io::Error::from)
}
