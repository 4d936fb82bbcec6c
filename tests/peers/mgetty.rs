//! mgetty: rings counted without taking the line, caller identification, the answer, and what it starts then.

use std::process::Command;

use nix::errno::Errno;

use crate::office::{Line, Office, on_exchange};
use crate::pppd::{BOB, DIAL, PPPD, crosses_to, dialling};
use crate::program::Program;

/// Who calls.
const ALICE: Line = ("alice", "5550101", "usr", Some("ALICE"));

/// How one mgetty is configured, beyond what all of them are.
struct Setup<'a> {
    /// expect-send pairs after those that all modems understand.
    initialise: &'a str,
    /// The ring at which it answers.
    rings: u32,
    /// A shell's command that decides whether to answer, by its exit status.
    decide: &'a str,
    /// login.config: what a caller meets.
    login: &'a str,
}

/// Starts a mgetty on a line, with folders for its configuration and its log that only it sees, and waits until it
/// waits for rings. It says `caller NUMBER NAME CALLED` as soon as it knows, and `decided` before it answers.
fn mgetty(office: &Office, line: &str, setup: &Setup<'_>) -> Program {
    let tty = office.tty(line);
    let port = tty.strip_prefix("/dev").unwrap().display().to_string();
    let log = format!("{}/log/mgetty/mg_{}.log", office.path("").display(), port.replace('/', "-"));
    // It closes its own output, but the two programs that it calls may write to ours.
    let screen = office.path("screen");
    match nix::unistd::mkfifo(&screen, nix::sys::stat::Mode::S_IRWXU) {
        Ok(()) | Err(Errno::EEXIST) => {}
        Err(error) => panic!("{error}"),
    }
    let tell = format!("#!/bin/sh\necho \"caller number=$2 name=$3 called=$5\" >{}\n", screen.display());
    let decide = format!("#!/bin/sh\necho decided >{}\n{}\n", screen.display(), setup.decide);
    let config = format!(
        "debug 6\nport {port}\nspeed 115200\ndata-only y\nrings {}\ninit-chat \"\" AT&F OK {}\n\
         issue-file {}\nlogin-prompt name?\ncid-program {}\ncnd-program {}\n",
        setup.rings,
        setup.initialise,
        office.write("issue", "").display(),
        office.script("tell", &tell).display(),
        office.script("decide", &decide).display()
    );
    office.write("etc/mgetty.config", &config);
    office.write("etc/dialin.config", "all\n");
    office.private("etc/login.config", setup.login);
    office.write("log/mgetty/none", "");
    // The FIFO is held open for reading, so that no writer waits; the log is followed from its beginning.
    let script = format!(
        "mount --bind {0}/etc /etc/mgetty && mount --bind {0}/log /var/log || exit\n\
         cat <>{0}/screen & cat=$!\n: >{log}; tail -f {log} & tail=$!\n\
         /sbin/mgetty {port}; ended=$?; kill $cat $tail; cat {log}; echo \"mgetty ended: $ended\"",
        office.path("").display()
    );
    let mut command = Command::new("unshare");
    command.args(["--mount", "--net", "sh", "-c", &script]);
    let mut program = Program::start(&mut command);
    program.expect(" waiting...");
    program
}

/// login.config with a program that greets every caller, whatever name he gives, and ends.
fn greeter(office: &Office) -> String {
    let hello = office.script("hello", "#!/bin/sh\necho \"Hello $1, caller $CALLER_ID\"\n");
    format!("* - - {} @\n", hello.display())
}

/// Ends a mgetty in the middle of a call. Not by SIGTERM: it logs from its handler, and hangs if it was just logging.
fn give_up(office: &Office, line: &str, mgetty: Program) {
    mgetty.kill();
    forget_lock(office, line);
}

/// Takes away the lock that mgetty leaves when it has become the caller's program; init would start the next mgetty,
/// which does it.
fn forget_lock(office: &Office, line: &str) {
    let tty = office.tty(line).display().to_string().replace("/dev/", "").replace('/', "_");
    std::fs::remove_file(format!("/run/lock/LCK..{tty}")).unwrap();
}

/// Kinds of modems, how each is told to identify callers, at which ring mgetty is to answer, and what it makes of a
/// call from Alice. It counts the caller's message as a ring where that comes in Rockwell's words or in an Elite's.
const KINDS: [(&str, &str, u32, usize, &str); 9] = [
    ("conexant", "AT+VCID=1 OK", 2, 1, "number=5550101 name=ALICE called="),
    ("rockwell", "AT#CID=1 OK", 2, 1, "number=5550101 name=ALICE called="),
    ("usr", "AT#CID=1 OK", 2, 1, "number=5550101 name=ALICE called="),
    ("lucent", "AT+VCID=1 OK", 2, 1, "number=5550101 name=ALICE called="),
    ("zyxel", "ATS40.2=1 OK", 2, 2, "number=5550101 name=ALICE called="),
    ("elsa-isdn", "AT$JSCID=4,1 OK", 2, 2, "number=5550101 name= called=5550102"),
    ("zyxel-isdn", "", 2, 1, "number=5550101 name= called=5550102"),
    ("isdn4linux", "", 2, 2, "number=5550101 name= called=5550102"),
    ("gsm", "AT+CLIP=1 OK", 2, 2, "number=5550101 name= called="),
];

#[test]
fn mgetty_counts_rings_and_knows_the_caller_from_every_kind_of_modem_before_it_answers() {
    for (kind, initialise, rings, rung, caller) in KINDS {
        on_exchange(&[ALICE, ("bob", "5550102", kind, None)], |office| {
            let mut bob =
                mgetty(office, "bob", &Setup { initialise, rings, decide: "exit 1", login: &greeter(office) });
            let mut alice = office.hand("alice");
            alice.types("ATDT5550102\r");
            // Its log and what its programs say come by two ways, and in any order.
            let said = bob.expect_each(&["decided\n", "denied caller"]);
            assert!(said.contains(&format!("caller {caller}\n")), "{kind}: {said}");
            assert_eq!(office.rings(), (rung, false), "{kind}");
            drop(alice);
            give_up(office, "bob", bob);
        });
    }
}

#[test]
fn mgetty_answers_asks_for_a_name_and_starts_what_it_is_told_to() {
    on_exchange(&[ALICE, ("bob", "5550102", "conexant", None)], |office| {
        let setup = Setup { initialise: "AT+VCID=1 OK", rings: 2, decide: "exit 0", login: &greeter(office) };
        for _call in 0..2 {
            // The second one finds the lock of the first, whose process has gone on as the caller's program and ended.
            let bob = mgetty(office, "bob", &setup);
            let mut alice = office.hand("alice");
            alice.types("AT&F\r");
            alice.expect("\r\nOK\r\n");
            alice.types("ATDT5550102\r");
            alice.expect("\r\nCONNECT ");
            alice.expect("name?");
            alice.types("alice\r");
            alice.expect("Hello alice, caller 5550101");
            // The program has ended, and so has the call.
            alice.expect("\r\nNO CARRIER\r\n");
            let (_status, said) = bob.ends();
            assert!(said.contains("caller='5550101'") && said.contains("name='ALICE'"), "{said}");
            // The rate that CONNECT named, as with W0: the tty's.
            assert!(said.contains("conn='115200'"), "{said}");
            assert!(said.contains("mgetty ended: 0"), "{said}");
        }
        forget_lock(office, "bob");
    });
}

#[test]
fn mgetty_refuses_a_caller_and_the_telephone_rings_on() {
    on_exchange(&[ALICE, ("bob", "5550102", "zyxel", None)], |office| {
        let setup =
            Setup { initialise: "ATS40.2=1 OK", rings: 2, decide: "[ \"$2\" != 5550101 ]", login: &greeter(office) };
        let mut bob = mgetty(office, "bob", &setup);
        let mut alice = office.hand("alice");
        alice.types("ATDT5550102\r");
        bob.expect("denied caller");
        for _ring in 0..3 {
            office.until_event("ringing");
        }
        alice.types("\r");
        alice.expect("\r\nNO CARRIER\r\n");
        assert!(!office.rings().1);
        give_up(office, "bob", bob);
    });
}

#[test]
fn a_pppd_that_dials_a_mgetty_is_known_by_its_first_packet_and_gets_its_link() {
    on_exchange(&[ALICE, ("bob", "5550102", "lucent", None)], |office| {
        let options = format!("nodetach\nnoauth\nnoipv6\nnoccp\nnodefaultroute\nlogfd 2\n{BOB}:10.9.0.1\n");
        let options = office.write("ppp-options", &options);
        let login = format!("/AutoPPP/ - - {PPPD} file {}\n", options.display());
        let setup = Setup { initialise: "AT+VCID=1 OK", rings: 1, decide: "exit 0", login: &login };
        let mut bob = mgetty(office, "bob", &setup);
        let mut alice = Program::start(&mut dialling(office, "alice", None, DIAL));
        bob.expect("cmd='/usr/sbin/pppd'");
        alice.expect(&format!("remote IP address {BOB}"));
        assert!(crosses_to(BOB));
        alice.stop();
        bob.expect("mgetty ended");
        forget_lock(office, "bob");
    });
}
