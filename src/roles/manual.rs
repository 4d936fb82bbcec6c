//! `ringup man` and `ringup completions`: manual pages and completions, made from the command line itself and from the
//! table of outcomes, so that they say what the program does.

use std::path::Path;

use clap::CommandFactory;
use clap_complete::Shell;
use clap_mangen::Man;

use super::print;
use crate::cli::{Cli, HEADING};
use crate::exit::{Failure, Status};

/// Prints the completions for a shell.
pub(super) fn completions(shell: Shell) -> Result<(), Failure> {
    print(script(shell).trim_end())
}

/// The completions of what people call: no shell leaves out by itself what is hidden.
fn script(shell: Shell) -> String {
    let whole = Cli::command();
    let shown = whole.get_subcommands().filter(|one| !one.is_hide_set()).cloned();
    let mut shown = clap::Command::new("ringup").version("").args(whole.get_arguments().cloned()).subcommands(shown);
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut shown, "ringup", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// Prints the manual page, or writes one for each command into a folder.
pub(super) fn pages(folder: Option<&Path>) -> Result<(), Failure> {
    let broken = |error: std::io::Error| Failure::new(Status::Internal, format!("cannot write the manual: {error}"));
    let mut whole = Cli::command().disable_help_subcommand(true);
    whole.build();
    let Some(folder) = folder else {
        return print(String::from_utf8_lossy(&page(whole).map_err(broken)?).trim_end());
    };
    let subcommands: Vec<clap::Command> = whole.get_subcommands().filter(|one| !one.is_hide_set()).cloned().collect();
    std::fs::create_dir_all(folder).map_err(broken)?;
    for command in std::iter::once(whole).chain(subcommands) {
        // `ringup connect` is ringup-connect(1), as it is for git.
        let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
        std::fs::write(folder.join(format!("{name}.1")), page(command).map_err(broken)?).map_err(broken)?;
    }
    Ok(())
}

fn page(command: clap::Command) -> std::io::Result<Vec<u8>> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    let (synopsis, examples) =
        (synopsis(command.clone()), command.get_after_long_help().or_else(|| command.get_after_help()));
    let examples = examples.map(ToString::to_string).unwrap_or_default();
    let examples = examples.strip_prefix(HEADING).unwrap_or(&examples);
    let examples = if examples.is_empty() { String::new() } else { section("EXAMPLES", examples) };
    let has_subcommands = command.get_subcommands().any(|one| !one.is_hide_set());
    let man = Man::new(command).title(name).manual("ringup");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    page.extend(synopsis.into_bytes());
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if has_subcommands {
        man.render_subcommands_section(&mut page)?;
    }
    page.extend(examples.into_bytes());
    page.extend(exit_status().into_bytes());
    man.render_version_section(&mut page)?;
    Ok(page)
}

/// How the command is called, as its help says it: with what may come several times, and what stands after `--`.
fn synopsis(mut command: clap::Command) -> String {
    let usage = command.render_usage().to_string();
    section("SYNOPSIS", usage.strip_prefix("Usage: ").unwrap_or(&usage))
}

/// A section whose lines stay as they are.
fn section(heading: &str, text: &str) -> String {
    format!(".SH {heading}\n.nf\n{}\n.fi\n", escaped(text))
}

/// The table of outcomes as a section of a manual page.
fn exit_status() -> String {
    let mut section =
        ".SH \"EXIT STATUS\"\n0 is success; the status of a command behind \\-\\- is passed on.\n".to_owned();
    for status in Status::ALL {
        let (code, name) = (status.code(), escaped(status.name()));
        let (meaning, remedy) = (escaped(status.meaning()), escaped(status.remedy()));
        section.push_str(&format!(".TP\n\\fB{code}\\fR {name}\n{meaning}\n.br\nhint: {remedy}\n"));
    }
    section
}

/// Text that roff takes as it is: groff_char(7).
fn escaped(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-").replace("`", "\\(ga")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn each_command_that_people_call_has_a_page_with_every_outcome() {
        let folder = Scratch::new("manual");
        pages(Some(folder.root())).unwrap();
        let connect = folder.read("ringup-connect.1");
        for words in [".TH ringup-connect 1", "\\-\\-timeout", "EXIT STATUS", "\\fB98\\fR impostor", "\\fB74\\fR busy"]
        {
            assert!(connect.contains(words), "{words} is not in {connect}");
        }
        assert!(folder.path("ringup.1").exists() && !folder.path("ringup-own-link.1").exists());
        assert!(connect.contains("ringup connect [OPTIONS] <SITE>... [\\-\\- <COMMAND>...]"), "{connect}");
        assert!(connect.contains("\n.SH EXAMPLES\n.nf\n    ringup connect home \\-\\- ssh {}\n"), "{connect}");
        let odd = connect.lines().find(|line| line.starts_with('\''));
        assert_eq!(odd, None, "roff would take it for a command");
    }

    #[test]
    fn every_shell_has_completions_that_know_the_commands() {
        for shell in [Shell::Bash, Shell::Fish, Shell::Zsh] {
            let script = script(shell);
            assert!(["trust", "verbose", "timeout"].iter().all(|word| script.contains(word)), "{shell}");
            assert!(!["ip-up", "ip-down", "own-link"].iter().any(|word| script.contains(word)), "{shell}");
        }
    }
}
