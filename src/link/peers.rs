//! A link by a peers file of the owner's (`pppd call NAME`): PPPoE, a mobile modem's `ATD*99#`, whatever pppd can do.
//!
//! The file is only read for what concerns us: whether it takes our modem's tty, and whether it asks for what cannot be
//! watched.

use std::path::{Component, Path, PathBuf};

use super::end::LinkEnd;
use super::options::NameServers;

/// Where pppd keeps peers files.
const FOLDER: &str = "/etc/ppp/peers";
/// How deep `call` and `file` may lead from one file to the next; pppd itself has no such limit.
const DEEPEST: u32 = 8;

/// A peers file.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Its name below /etc/ppp/peers.
    pub name: String,
    /// Further options in pppd's own words; they come after the file's, and so win.
    pub options: Vec<String>,
    /// What becomes of the provider's name servers, where the file has `usepeerdns`.
    pub dns: NameServers,
}

impl Peer {
    /// Looks whether pppd could be watched with it.
    pub(super) fn check(&self) -> Result<(), LinkEnd> {
        let path = Path::new(FOLDER).join(&self.name);
        if !path.is_file() {
            return Err(LinkEnd::Options(format!("there is no peers file {}", path.display())));
        }
        let mut words = Vec::new();
        collect(&path, &mut words, 0);
        for option in ["updetach", "demand"] {
            if words.iter().any(|word| word == option) {
                let path = path.display();
                return Err(LinkEnd::Options(format!("{path} has `{option}`, with which nobody could watch the link")));
            }
        }
        Ok(())
    }

    /// Whether the file says how a peer that has vanished is noticed; a line without carrier would show nothing.
    pub(super) fn asks_for_echoes(&self) -> bool {
        let mut words = Vec::new();
        collect(&Path::new(FOLDER).join(&self.name), &mut words, 0);
        words.iter().any(|word| word == "lcp-echo-interval")
    }

    /// Whether the file takes this tty as its line.
    #[must_use]
    pub fn uses(&self, port: &Path) -> bool {
        let mut words = Vec::new();
        collect(&Path::new(FOLDER).join(&self.name), &mut words, 0);
        let ours = port.canonicalize().unwrap_or_else(|_gone| port.to_owned());
        words.iter().any(|word| {
            let theirs = device(word);
            theirs.canonicalize().unwrap_or(theirs) == ours
        })
    }
}

/// Whether a name leads to a file below the folder, and nowhere else.
pub(crate) fn is_peer_name(name: &str) -> bool {
    let mut components = Path::new(name).components().peekable();
    components.peek().is_some() && components.all(|component| matches!(component, Component::Normal(_)))
}

/// The device that a word would name: a path, or a name below /dev as pppd takes it.
fn device(word: &str) -> PathBuf {
    Path::new("/dev").join(word) // an absolute path takes the folder's place
}

/// Every word of a peers file and of those that it leads to.
fn collect(path: &Path, words: &mut Vec<String>, depth: u32) {
    if depth > DEEPEST {
        return;
    }
    let Ok(text) = std::fs::read_to_string(path) else { return };
    let own = words_of(&text);
    for pair in own.windows(2) {
        match pair {
            [option, name] if option == "call" => collect(&Path::new(FOLDER).join(name), words, depth + 1),
            [option, file] if option == "file" => collect(Path::new(file), words, depth + 1),
            _ => {}
        }
    }
    words.extend(own);
}

/// The words of an options file: blanks part them, quotes hold them together, `\` takes the next character as it is, `#`
/// starts a comment (pppd(8), OPTIONS FILES).
fn words_of(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match (character, quote) {
            ('\\', _) => match characters.next() {
                Some('\n') | None => {}
                Some(next) => word.get_or_insert_default().push(next),
            },
            (_, Some(open)) if character == open => quote = None,
            (_, Some(_)) => word.get_or_insert_default().push(character),
            ('"' | '\'', None) => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            ('#', None) if word.is_none() => {
                words.extend(word.take());
                let _comment = characters.by_ref().find(|character| *character == '\n');
            }
            (_, None) if character.is_whitespace() => words.extend(word.take()),
            (_, None) => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_options_file_is_read_as_pppd_reads_it() {
        let text =
            "# the provider\nconnect '/usr/sbin/chat -v -f /etc/chat#1'\n/dev/ttyUSB0 115200 # fast\nuser \"a\\\"b\"\n";
        let expected = ["connect", "/usr/sbin/chat -v -f /etc/chat#1", "/dev/ttyUSB0", "115200", "user", "a\"b"];
        assert_eq!(words_of(text), expected);
        assert_eq!(words_of("unfinished 'quote"), ["unfinished", "quote"]);
    }

    #[test]
    fn a_device_is_a_path_or_a_name_below_dev() {
        assert_eq!(device("/run/modems/one"), PathBuf::from("/run/modems/one"));
        assert_eq!(device("ttyS0"), PathBuf::from("/dev/ttyS0"));
    }

    #[test]
    fn a_name_that_leaves_the_folder_is_none() {
        for name in ["isp", "provider/mobile"] {
            assert!(is_peer_name(name), "{name}");
        }
        for name in ["", "/etc/passwd", "../options", "a/../../b"] {
            assert!(!is_peer_name(name), "{name}");
        }
    }
}
