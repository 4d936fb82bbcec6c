//! The dialogue of `ringup setup`: each question, what is said of each answer, each end, and what it writes. `dialogue.txt`
//! beside this file has what was agreed.

use std::os::unix::fs::PermissionsExt;

use ringup::record::Identity;

use crate::agreed::agreed;
use crate::setup::set_up;
use crate::support::Said;
use crate::words::Transcript;
use crate::world::{HOST, NO_NUMBER, World};

/// Where no route leads from any machine, since it must be asked for in a way that ringup does not: as if there were none.
const NO_WAY: &str = "255.255.255.255";

/// Plays a dialogue to its end.
async fn play(transcript: &mut Transcript, world: &World, about: &str, answers: &[&str]) {
    transcript.heading(about);
    let said = set_up(world, answers).await;
    // Where the answers are no terminal's they are not shown.
    let mut parts = said.stderr.split("\n> ");
    transcript.line(&settled(parts.next().unwrap()));
    let mut answers = answers.iter().map(|answer| format!(" {answer}").trim_end().to_owned());
    for part in parts {
        let end = || "   (no more answers)".to_owned();
        transcript.line(&format!(">{}", answers.next().unwrap_or_else(end)));
        transcript.line(settled(part).trim_end_matches('\n'));
    }
    transcript.said(&Said { stderr: String::new(), ..said });
    for file in ["client.toml", "client.isp-secret", "client.identity"] {
        let path = world.folder.path(&format!("new/{file}"));
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        transcript.line(&format!("-- {file}, mode {:o}", path.metadata().unwrap().permissions().mode() & 0o777));
        match file {
            "client.toml" => {
                let shown = text.lines().filter(|line| !is_of_an_ordinary_user(line));
                shown.for_each(|line| transcript.line(line));
            }
            "client.identity" => transcript.name(&Identity::load(&path).unwrap().public_key(), "KEY-OF-CLIENT"),
            _ => {}
        }
    }
    if about != KEPT {
        drop(std::fs::remove_dir_all(world.folder.path("new")));
    }
}

/// What is played once more where the files are.
const KEPT: &str = "no modem, and a host that the directory has a record of";

/// Whom the usual folders do not belong to has folders of its own.
fn is_of_an_ordinary_user(line: &str) -> bool {
    line.starts_with("state-directory = ") || line.starts_with("runtime-directory = ")
}

/// Which serial ports there are is the machine's.
fn settled(part: &str) -> String {
    const PORT: &str = "Which port is the modem at? none without a modem [";
    let lines = part.lines().filter(|line| !line.starts_with("  there is /dev/"));
    let line = |line: &str| if line.starts_with(PORT) { format!("{PORT}…]") } else { line.to_owned() };
    lines.map(line).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn setup_asks_answers_and_writes_what_was_agreed() {
    let world = World::new(NO_NUMBER, "", "").await;
    let mut transcript = Transcript::of(&world);
    let (directory, key) = (world.directory_at().to_string(), world.host.identity.public_key().to_string());
    let hostname = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    transcript.name(&format!("name = \"{}\"", hostname.trim().split('.').next().unwrap()), "name = \"HOSTNAME\"");
    let play = async |transcript: &mut Transcript, about: &str, answers: &[&str]| {
        play(transcript, &world, about, answers).await;
    };

    let nowhere = "lines/nothing";
    let answers = ["here!", "ns..example", "", &directory, nowhere, "none", "home dyn", HOST, "", "nonsense", &key];
    play(&mut transcript, "no modem, and something wrong at each question", &answers).await;
    play(&mut transcript, "the answers end early", &[&directory, "none"]).await;
    let answers = [&directory, "lines/client", HOST, "house", "five", "555-0102", "knock", "ring", "later"];
    play(&mut transcript, "a modem, a host to ring, and a key that is found out later", &answers).await;
    let own = [&directory, "lines/client", HOST, "", "555-0102", "answer", &key];
    play(&mut transcript, "a host that answers", &own).await;
    let answers = [NO_WAY, "lines/client", "555-0100", "me", "", "sesame", HOST, "", "555-0102", "two-calls", ""];
    play(&mut transcript, "no way to the directory but a provider", &answers).await;

    world.host.register(&world.host.online(1)).await;
    play(&mut transcript, "the directory's key is not the host's", &[&directory, "none", HOST, "", "", &key]).await;
    let answers = [&directory, "none", HOST, "", "perhaps", "yes"];
    play(&mut transcript, KEPT, &answers).await;
    play(&mut transcript, "it is there already", &answers).await;
    world.folder.secret("new.isp-secret", "left behind\n");
    std::fs::create_dir(world.folder.path("new")).unwrap();
    std::fs::rename(world.folder.path("new.isp-secret"), world.folder.path("new/client.isp-secret")).unwrap();
    play(&mut transcript, "a secret is there already", &answers).await;
    world.folder.write("new", "a file where a folder should be");
    play(&mut transcript, "it cannot be written", &answers).await;

    agreed("tests/connect/dialogue.txt", &transcript.end());
}
