//! The demo's world: one machine, in it seven machines in network namespaces, a telephone exchange between them, and
//! every program started as an owner would start it. The lab's tests live in it too.

use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use data_encoding::BASE64;
use nix::sys::signal::Signal;
use ring::rand::{SecureRandom, SystemRandom};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::daemon::{Daemon, Heard};
use super::plan::{self, Keys, Timings};
use crate::exit::{Failure, Status};
use crate::record::Identity;

/// The variable by which tests/lab/room says that this machine may be furnished.
const LAB_VARIABLE: &str = "RINGUP_IN_LAB";
/// How long anything of the demo's may take; the slowest takes a quarter of it.
const PATIENCE: Duration = Duration::from_secs(90);

/// A world that is running.
pub struct World {
    folder: PathBuf,
    program: PathBuf,
    daemons: Vec<Daemon>,
    tell: mpsc::UnboundedSender<Heard>,
    told: mpsc::UnboundedReceiver<Heard>,
    on_heard: Box<dyn FnMut(&Heard) + Send>,
    /// Everything that was heard so far.
    pub heard: Vec<Heard>,
}

/// What a command printed, and how it ended.
#[derive(Debug)]
pub struct Ran {
    /// Its exit status; -1 after a signal.
    pub status: i32,
    /// Its standard output.
    pub output: String,
    /// Its standard error without the events, but with each failure that is one in the words that a person gets.
    pub errors: String,
}

impl World {
    /// Lays the wires, makes keys and secrets, writes each machine's configuration. Starts nothing yet.
    ///
    /// # Errors
    /// When this is no lab, something is missing, or it is told to stop; nothing of it is left then.
    pub async fn build(
        program: PathBuf,
        timings: Timings,
        on_heard: impl FnMut(&Heard) + Send + 'static,
        stop: &CancellationToken,
    ) -> Result<Self, Failure> {
        if std::env::var_os(LAB_VARIABLE).is_none() {
            let failure =
                Failure::new(Status::Missing, "the demo needs a machine of its own: it lays wires and writes /etc/ppp");
            return Err(failure.hint("run `make demo`, or tests/lab/run ringup demo"));
        }
        let folder = std::env::temp_dir().join(format!("ringup-demo-{}", std::process::id()));
        std::fs::create_dir_all(&folder).map_err(|error| broken("cannot make a folder", &error))?;
        let (tell, told) = mpsc::unbounded_channel();
        let world =
            Self { folder, program, daemons: Vec::new(), tell, told, on_heard: Box::new(on_heard), heard: Vec::new() };
        match world.furnish(timings, stop).await {
            Ok(()) => Ok(world),
            Err(failure) => {
                world.end().await;
                Err(failure)
            }
        }
    }

    /// Where configurations, secrets, databases and logs are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The program that is shown.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Starts a role of ringup on a machine, with the machine's configuration.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start_role(&mut self, name: &'static str, machine: Option<&str>, role: &str) -> Result<(), Failure> {
        let config = self.folder.join(format!("{name}.toml"));
        let mut command = self.command(machine, &self.program.clone());
        command.arg("--config").arg(config).args(["-v", role, "--json"]);
        self.start(name, command)
    }

    /// Starts any program.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(&mut self, name: &'static str, command: Command) -> Result<(), Failure> {
        let daemon = Daemon::start(name, command, &self.folder, self.tell.clone());
        self.daemons.push(daemon.map_err(|error| broken(&format!("cannot start {name}"), &error))?);
        Ok(())
    }

    /// Sends a signal to a program.
    pub fn signal(&self, name: &str, signal: Signal) {
        self.daemons.iter().filter(|daemon| daemon.name == name).for_each(|daemon| daemon.signal(signal));
    }

    /// Ends a program.
    pub async fn stop(&mut self, name: &str) {
        while let Some(index) = self.daemons.iter().position(|daemon| daemon.name == name) {
            self.daemons.remove(index).end().await;
        }
    }

    /// Waits for a program's own end, as after a signal; gives its exit status, 128 + n after signal n as shells do.
    ///
    /// # Errors
    /// When it does not end, or is not one of this world's.
    pub async fn ended(&mut self, name: &str) -> Result<i32, Failure> {
        let Some(index) = self.daemons.iter().position(|daemon| daemon.name == name) else {
            return Err(Failure::new(Status::Internal, format!("{name} was not started")));
        };
        let mut daemon = self.daemons.remove(index);
        let Ok(status) = tokio::time::timeout(PATIENCE, daemon.ended()).await else {
            return Err(Failure::new(Status::Internal, format!("{name} does not end")));
        };
        let status = status.map_err(|error| broken(&format!("cannot wait for {name}"), &error))?;
        while let Ok(heard) = self.told.try_recv() {
            self.note(heard);
        }
        Ok(status)
    }

    /// A command on a machine; without one, on this.
    #[must_use]
    pub fn command(&self, machine: Option<&str>, program: &Path) -> Command {
        let mut command = match machine {
            Some(machine) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", machine]).arg(program);
                command
            }
            None => Command::new(program),
        };
        command.current_dir(&self.folder).kill_on_drop(true);
        command
    }

    /// Waits for an event; everything else that is heard on the way is told and kept.
    ///
    /// # Errors
    /// When it does not come, or a program has ended.
    pub async fn until(&mut self, who: &str, event: &str) -> Result<Heard, Failure> {
        self.until_any(who, &[event]).await
    }

    /// Waits for one of several events.
    ///
    /// # Errors
    /// As [`World::until`].
    pub async fn until_any(&mut self, who: &str, events: &[&str]) -> Result<Heard, Failure> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let mut look = tokio::time::interval(Duration::from_secs(1));
        let mut has_ended = false;
        loop {
            tokio::select! {
                biased;
                Some(heard) = self.told.recv() => {
                    self.note(heard.clone());
                    if heard.who == who && events.contains(&heard.event.as_str()) {
                        return Ok(heard);
                    }
                }
                // What one says last may still be on its way when it has ended: it is heard before the next look.
                _ = look.tick() => match self.all_alive() {
                    Err(failure) if has_ended => return Err(failure),
                    alive => has_ended = alive.is_err(),
                },
                () = tokio::time::sleep_until(deadline) => {
                    let seconds = PATIENCE.as_secs();
                    let events = events.join(" or ");
                    return Err(Failure::new(Status::Internal, format!("{who} did not say {events} within {seconds} s")));
                }
            }
        }
    }

    /// Runs `ringup` with a machine's configuration to its end, its events told on the way.
    ///
    /// # Errors
    /// When it cannot be run, or does not end.
    pub async fn run_role(&mut self, name: &'static str, machine: &str, arguments: &[&str]) -> Result<Ran, Failure> {
        let config = self.folder.join(format!("{name}.toml"));
        let mut command = self.command(Some(machine), &self.program.clone());
        command.arg("--config").arg(config).args(arguments);
        self.run(name, command).await
    }

    /// Runs a command to its end, its events told on the way.
    ///
    /// # Errors
    /// When it cannot be run, or does not end.
    pub async fn run(&mut self, name: &'static str, mut command: Command) -> Result<Ran, Failure> {
        let failed = |error: std::io::Error| broken(&format!("cannot run {name}"), &error);
        let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = spawned.map_err(failed)?;
        let (Some(mut stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(Failure::new(Status::Internal, "no pipes"));
        };
        let mut lines = BufReader::new(stderr).lines();
        let mut output = String::new();
        let mut errors = String::new();
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let reading = stdout.read_to_string(&mut output);
        tokio::pin!(reading);
        let mut read = false;
        let mut open = true;
        while !read || open {
            tokio::select! {
                done = &mut reading, if !read => { done.map_err(failed)?; read = true; }
                line = lines.next_line(), if open => match line.map_err(failed)? {
                    Some(line) => match Heard::parse(name, &line) {
                        Some(heard) => { errors.push_str(&in_words(&heard)); self.note(heard); }
                        None => { errors.push_str(&line); errors.push('\n'); }
                    },
                    None => open = false,
                },
                Some(heard) = self.told.recv() => self.note(heard),
                () = tokio::time::sleep_until(deadline) => {
                    return Err(Failure::new(Status::Internal, format!("{name} did not end; it said: {errors}")));
                }
            }
        }
        let status = child.wait().await.map_err(failed)?.code().unwrap_or(-1);
        Ok(Ran { status, output, errors })
    }

    /// The last lines of every program's log.
    #[must_use]
    pub fn log_tails(&self, lines: usize) -> Vec<(String, Vec<String>)> {
        let tail = |path: &Path| {
            let text = std::fs::read_to_string(path).unwrap_or_default();
            let all: Vec<String> = text.lines().map(str::to_owned).collect();
            all.get(all.len().saturating_sub(lines)..).unwrap_or_default().to_vec()
        };
        let mut tails: Vec<_> = self.daemons.iter().map(|daemon| (daemon.name.to_owned(), tail(&daemon.log))).collect();
        tails.push(("client's own link".to_owned(), tail(&self.folder.join("client-run/own-link.log"))));
        tails
    }

    /// Ends every program, and takes the machines away.
    pub async fn end(mut self) {
        while let Some(daemon) = self.daemons.pop() {
            daemon.end().await;
        }
        let mut batch = String::new();
        // One that was interrupted early has not all of them.
        for machine in plan::MACHINES.iter().filter(|machine| Path::new("/run/netns").join(machine).exists()) {
            batch.push_str(&format!("netns delete {machine}\n"));
        }
        if let Err(failure) = ip_batch(None, &batch).await {
            tracing::warn!(%failure, "a machine stays behind");
        }
        if let Err(error) = std::fs::remove_dir_all(&self.folder) {
            tracing::warn!(%error, "the demo's folder stays behind");
        }
    }

    fn note(&mut self, heard: Heard) {
        (self.on_heard)(&heard);
        self.heard.push(heard);
    }

    fn all_alive(&mut self) -> Result<(), Failure> {
        match self.daemons.iter_mut().find_map(|daemon| daemon.has_ended().then_some(daemon.name)) {
            Some(name) => Err(Failure::new(Status::Internal, format!("{name} has ended; its log tells why"))),
            None => Ok(()),
        }
    }

    async fn furnish(&self, timings: Timings, stop: &CancellationToken) -> Result<(), Failure> {
        self.lay_wires(stop).await?;
        self.write_files(timings).map_err(|error| broken("cannot write the demo's files", &error))
    }

    /// Stops between two commands only: one that still ran would lay wires after they were taken away.
    async fn lay_wires(&self, stop: &CancellationToken) -> Result<(), Failure> {
        for (machine, batch) in plan::wires() {
            ip_batch(machine, &batch).await?;
            if stop.is_cancelled() {
                return Err(Failure::new(Status::Interrupted, "interrupted"));
            }
        }
        for router in plan::ROUTERS {
            let mut command = self.command(Some(router), Path::new("sh"));
            command.args(["-c", "echo 1 >/proc/sys/net/ipv4/ip_forward"]);
            let status = command.status().await.map_err(|error| broken("cannot run ip", &error))?;
            if !status.success() {
                return Err(Failure::new(Status::Internal, format!("{router} does not become a router")));
            }
        }
        Ok(())
    }

    fn write_files(&self, timings: Timings) -> std::io::Result<()> {
        let identity = |name: &str| {
            let made = Identity::create(&self.folder.join(format!("{name}.identity")));
            made.map(|identity| identity.public_key().to_string()).map_err(std::io::Error::other)
        };
        let keys = Keys { home: identity("home")?, cabin: identity("cabin")? };
        for host in ["home", "cabin"] {
            self.write_secret(&format!("{host}.tsig"), &BASE64.encode(&random::<32>()?))?;
        }
        let mut chap = String::new();
        for user in ["home", "client"] {
            let secret = data_encoding::BASE64URL_NOPAD.encode(&random::<15>()?);
            self.write_secret(&format!("{user}.secret"), &secret)?;
            chap.push_str(&format!("{user} provider {secret} *\n"));
        }
        write_private(Path::new("/etc/ppp/chap-secrets"), &chap)?;
        for (machine, text) in plan::configurations(&self.folder, &keys, timings) {
            std::fs::write(self.folder.join(format!("{machine}.toml")), text)?;
        }
        Ok(())
    }

    fn write_secret(&self, name: &str, secret: &str) -> std::io::Result<()> {
        write_private(&self.folder.join(name), &format!("{secret}\n"))
    }
}

fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write;
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

fn random<const LENGTH: usize>() -> std::io::Result<[u8; LENGTH]> {
    let mut bytes = [0; LENGTH];
    SystemRandom::new().fill(&mut bytes).map_err(|_unspecified| std::io::Error::other("no random numbers"))?;
    Ok(bytes)
}

async fn ip_batch(machine: Option<&str>, batch: &str) -> Result<(), Failure> {
    let failed = |error: std::io::Error| broken("cannot run ip", &error);
    let mut command = Command::new("ip");
    if let Some(machine) = machine {
        command.args(["-n", machine]);
    }
    let mut child = command
        .args(["-batch", "-"])
        .process_group(0) // Ctrl-C must not break it off half-way
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(batch.as_bytes()).await.map_err(failed)?;
    }
    let output = child.wait_with_output().await.map_err(failed)?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Failure::new(Status::Internal, format!("ip -batch: {}", said.trim())))
}

/// What a person is told of a failure; nothing of other events.
fn in_words(heard: &Heard) -> String {
    if heard.event == "failed" {
        return format!("ringup: {}\nhint: {}\n", heard.text("message"), heard.text("hint"));
    }
    String::new()
}

fn broken(what: &str, error: &std::io::Error) -> Failure {
    Failure::new(Status::Internal, format!("{what}: {error}"))
}
