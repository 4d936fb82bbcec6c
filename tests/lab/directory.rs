//! The directory on disks that fill up and lose their power: what it acknowledged is there, and nothing else is.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::harness::{enter, runtime};
use super::support::load::{Load, configuration, consistent, number_from};
use super::support::{Scratch, directory};

/// How many power cuts there are in the tests.
const SAMPLE: u64 = 2;
/// What they are drawn from.
const SAMPLE_SEED: u64 = 11;
/// Acknowledgements before a power cut: at least one, at most so many.
const MOST_ACKNOWLEDGED: u64 = 300;

/// Runs a program of the system to its end, and gives what it said.
fn system(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).env("DM_DISABLE_UDEV", "1").output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {}: {errors}", arguments.join(" "));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_full_disk_is_said_to_be_full_and_takes_registrations_again_when_there_is_room() {
    enter();
    let folder = Scratch::new();
    let disk = folder.path("disk");
    std::fs::create_dir(&disk).unwrap();
    system("mount", &["-t", "tmpfs", "-o", "size=1m,mode=0700", "tmpfs", text(&disk)]);
    let config = configuration(&folder, "disk/directory.db", "[directory.http]\nlisten = [\"127.0.0.1:0\"]\n");
    runtime().block_on(async {
        let (daemon, address) = directory(folder.root(), &config).await;
        let ready: serde_json::Value = serde_json::from_str(&daemon.heard[0]).unwrap();
        let url = format!("http://{}/healthz", ready["http"][0].as_str().unwrap());
        let health = || system("curl", &["--silent", "--noproxy", "*", "--write-out", "%{http_code}", &url]);
        assert_eq!(health(), "ok\n200");
        let mut running = Load::new(SAMPLE_SEED).start(address);
        running.exhaust().await;
        let mut load = running.end().await;
        let said = health();
        assert!(said.contains("cannot be stored") && said.ends_with("503"), "{said}");
        load.inspect(address).await;
        system("mount", &["-o", "remount,size=64m", text(&disk)]);
        let mut running = load.start(address);
        running.hear(50).await;
        assert_eq!(health(), "ok\n200");
        let (status, log) = daemon.terminate().await;
        assert!(status.success(), "{log}");
        assert!(log.contains("are not acknowledged") && log.contains("can be stored again"), "{log}");
        let mut load = running.end().await;
        consistent(&disk.join("directory.db"));
        let (daemon, address) = directory(folder.root(), &config).await;
        load.inspect(address).await;
        daemon.terminate().await;
    });
    system("umount", &[text(&disk)]);
}

#[test]
fn what_was_acknowledged_before_the_power_was_cut_is_there_when_it_is_back() {
    enter();
    let seed = number_from("RINGUP_POWER_SEED").unwrap_or(SAMPLE_SEED);
    let rounds = number_from("RINGUP_POWER_ROUNDS").unwrap_or(SAMPLE);
    println!("power: RINGUP_POWER_SEED={seed} RINGUP_POWER_ROUNDS={rounds}");
    let folder = Scratch::new();
    let config = configuration(&folder, "disk/directory.db", "");
    let disk = Disk::new(&folder);
    let database = disk.place.join("directory.db");
    runtime().block_on(async {
        let mut load = Load::new(seed);
        disk.mount();
        for round in 1..=rounds {
            let (daemon, address) = directory(folder.root(), &config).await;
            load.inspect(address).await;
            let before_cut = 1 + load.below(MOST_ACKNOWLEDGED);
            let mut running = load.start(address);
            running.hear(before_cut).await;
            let moment = running.moment();
            disk.cut();
            daemon.kill().await;
            load = running.end_since(moment).await;
            disk.unmount();
            disk.restore();
            disk.mount();
            consistent(&database);
            println!("power: round {round} of {rounds}: after {before_cut} acknowledgements");
        }
        let (daemon, address) = directory(folder.root(), &config).await;
        load.inspect(address).await;
        daemon.terminate().await;
        disk.unmount();
    });
    println!("power: {rounds} rounds, nothing acknowledged was lost, nothing is there by half");
}

/// A disk whose power can be cut: from then on it loses whatever is written to it, as if it never had been.
struct Disk {
    device: String,
    /// Among those of the device mapper.
    name: String,
    sectors: String,
    place: PathBuf,
}

impl Disk {
    fn new(folder: &Scratch) -> Self {
        // The guest's modules are not where a machine has its own.
        let modules = ["-d", "/run/lab-modules"];
        let modules = if Path::new(modules[1]).exists() { &modules[..] } else { &[] };
        system("modprobe", &[&["-a"], modules, &["loop", "dm-flakey"]].concat());
        let image = folder.path("disk.img");
        std::fs::File::create(&image).unwrap().set_len(64 << 20).unwrap();
        let device = system("losetup", &["--find", "--show", text(&image)]);
        system("mkfs.ext4", &["-q", &device]);
        let sectors = system("blockdev", &["--getsz", &device]);
        let place = folder.path("disk");
        std::fs::create_dir(&place).unwrap();
        // Others may be tried on the same kernel; the device is only ours.
        let name = format!("ringup-power-{}", device.trim_start_matches("/dev/"));
        let disk = Self { device, name, sectors, place };
        system("dmsetup", &["create", &disk.name, "--table", &disk.table(true)]);
        system("dmsetup", &["mknodes", &disk.name]);
        disk
    }

    /// One that works for an hour at a time, or one that does not work for as long.
    fn table(&self, works: bool) -> String {
        let (device, sectors) = (&self.device, &self.sectors);
        let behaviour = if works { "3600 0" } else { "0 3600 1 drop_writes" };
        format!("0 {sectors} flakey {device} 0 {behaviour}")
    }

    /// Loses from here on whatever is written. What waits in the file system is not written before.
    fn cut(&self) {
        self.become_such(false);
    }

    fn restore(&self) {
        self.become_such(true);
    }

    fn become_such(&self, works: bool) {
        system("dmsetup", &["load", &self.name, "--table", &self.table(works)]);
        system("dmsetup", &["resume", "--nolockfs", &self.name]);
    }

    fn mount(&self) {
        system("mount", &[&format!("/dev/mapper/{}", self.name), text(&self.place)]);
    }

    fn unmount(&self) {
        system("umount", &[text(&self.place)]);
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // After a failure it may be mounted still.
        let _mounted = Command::new("umount").arg(&self.place).output();
        let _there = Command::new("dmsetup").args(["remove", &self.name]).env("DM_DISABLE_UDEV", "1").output();
        let _there = Command::new("losetup").args(["--detach", &self.device]).output();
    }
}
