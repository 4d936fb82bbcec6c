//! `ringup setup`, from its first question to a host that is reached by what it wrote.

use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use ringup::exit::Status;
use ringup::record::Identity;
use rustix::process::geteuid;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::timeout;

use crate::support::{BOUND, Said, ringup};
use crate::world::{HOST, NO_NUMBER, World};

/// Runs a program with these answers.
async fn answer(mut command: Command, answers: &[&str]) -> Said {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // Whoever asks nothing reads nothing.
    let _unread =
        stdin.write_all(answers.iter().map(|answer| format!("{answer}\n")).collect::<String>().as_bytes()).await;
    drop(stdin);
    let output = timeout(BOUND, child.wait_with_output()).await.unwrap().unwrap();
    let [stdout, stderr] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    Said { code: output.status.code(), stdout, stderr }
}

/// Runs `ringup setup` with these answers.
pub async fn set_up(world: &World, answers: &[&str]) -> Said {
    answer(ringup(world.folder.root(), &["setup", "-c", "new/client.toml"]), answers).await
}

fn new_files(world: &World) -> Vec<PathBuf> {
    world.folder.files().into_iter().filter(|path| path.starts_with(world.folder.path("new"))).collect()
}

/// The program as an ordinary user runs it, who has a folder.
fn as_somebody(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = ringup(folder, arguments);
    if geteuid().is_root() {
        const NOBODY: u32 = 65534;
        chown(folder, Some(NOBODY), Some(NOBODY)).unwrap();
        command = Command::new("setpriv");
        command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", env!("CARGO_BIN_EXE_ringup")]);
        command.args(arguments).current_dir(folder).kill_on_drop(true);
    }
    command
}

#[tokio::test]
async fn a_newcomer_is_asked_and_gets_a_configuration_that_is_good() {
    let world = World::without_telephone(NO_NUMBER).await;
    let (directory, key) = (world.directory_at().to_string(), world.host.identity.public_key().to_string());
    let said = set_up(&world, &[&directory, "none", HOST]).await;
    assert_eq!(said.code, Some(Status::Interrupted.code().into()), "{}", said.stderr);
    assert_eq!(new_files(&world), Vec::<PathBuf>::new(), "half the answers, and something was written");

    // What cannot be read is asked again; a name is as good as an address.
    let by_name = directory.replace("127.0.0.1", "localhost");
    let answers = ["here!", &by_name, "none", "home dyn", HOST, "", "nonsense", &key];
    let said = set_up(&world, &answers).await;
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    let path = world.folder.path("new/client.toml");
    assert!(said.stdout.starts_with(&format!("{}: good for connect home\n", path.display())), "{}", said.stdout);
    let written = std::fs::read_to_string(&path).unwrap();
    assert!(written.contains(&key) && written.contains(&format!("\"{directory}\"")), "{written}");
    let checked = ringup(world.folder.root(), &["check", "-c", "new/client.toml"]).output().await.unwrap();
    assert_eq!(checked.status.code(), Some(0), "{checked:?}");

    let again = set_up(&world, &answers).await;
    assert_eq!(again.code, Some(Status::Configuration.code().into()), "it would be overwritten");
    assert!(again.stderr.starts_with("ringup: "), "questions are asked for nothing: {}", again.stderr);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), written);
}

#[tokio::test]
async fn for_a_host_that_answers_a_key_is_made_and_what_the_host_has_to_know_is_printed() {
    let world = World::new(NO_NUMBER, "", "").await;
    let (directory, key) = (world.directory_at().to_string(), world.host.identity.public_key().to_string());
    // The port as somebody names it who is in its folder; the configuration is in another.
    let answers = [&directory, "lines/client", HOST, "", "555-0102", "knock", "answer", &key];
    let said = set_up(&world, &answers).await;
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    let own = Identity::load(&world.folder.path("new/client.identity")).unwrap().public_key();
    let lines = "[[listen.key]]\nname = \"";
    assert!(said.stdout.contains(lines) && said.stdout.contains(&format!("\nkey = \"{own}\"\n")), "{}", said.stdout);
    let written = std::fs::read_to_string(world.folder.path("new/client.toml")).unwrap();
    let port = format!("port = \"{}\"\n", world.folder.path("lines/client").display());
    assert!(written.contains(&port) && written.contains("wake = \"answer\"\nkey = \"client.identity\"\n"), "{written}");
    world.leaves_nothing().await;
}

#[tokio::test]
async fn an_ordinary_user_gets_folders_of_its_own_and_reaches_the_host_by_what_was_written() {
    let world = World::without_telephone(NO_NUMBER).await;
    world.host.register(&world.host.online(1)).await;
    let mine = world.folder.path("mine");
    std::fs::create_dir(&mine).unwrap();
    let directory = world.directory_at().to_string();
    let setup = as_somebody(&mine, &["setup", "-c", "client.toml"]);
    let said = answer(setup, &[&directory, "none", HOST, "", "no", "later"]).await;
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    for arguments in [&["check"][..], &["connect", "home", "-q"]] {
        let said = answer(as_somebody(&mine, &[arguments, &["-c", "client.toml"]].concat()), &[]).await;
        assert_eq!(said.code, Some(0), "{arguments:?}: {}{}", said.stdout, said.stderr);
    }
    // Where it may not write it finds that out before the first question, and check says so of a folder.
    if geteuid().is_root() {
        let elsewhere = world.folder.path("client.toml").with_file_name("another.toml").display().to_string();
        let said = answer(as_somebody(&mine, &["setup", "-c", &elsewhere]), &[&directory]).await;
        assert_eq!(said.code, Some(Status::Configuration.code().into()), "{}", said.stderr);
        assert!(said.stderr.starts_with("ringup: cannot write "), "{}", said.stderr);
        let written = std::fs::read_to_string(mine.join("client.toml")).unwrap();
        let usual = written.replace("state-directory = \"client.state\"\n", "");
        std::fs::write(mine.join("usual.toml"), usual).unwrap();
        let said = answer(as_somebody(&mine, &["check", "-c", "usual.toml"]), &[]).await;
        assert_eq!(said.code, Some(Status::Configuration.code().into()), "{}", said.stdout);
        assert!(said.stderr.contains("state-directory: /var/lib/ringup cannot be written"), "{}", said.stderr);
    }
}

#[tokio::test]
async fn a_password_that_an_earlier_try_left_is_told_of_before_the_first_question() {
    let world = World::without_telephone(NO_NUMBER).await;
    std::fs::create_dir(world.folder.path("new")).unwrap();
    world.folder.secret("new/client.isp-secret", "left behind\n");
    let said = set_up(&world, &[&world.directory_at().to_string()]).await;
    assert_eq!(said.code, Some(Status::Configuration.code().into()), "{}", said.stderr);
    assert!(
        said.stderr.starts_with("ringup: ") && said.stderr.contains("isp-secret is there already"),
        "{}",
        said.stderr
    );
}
