//! The client's side: challenges each address of a host until one of them proves that it is the host.
//!
//! The first address has a head start over the second, and so on (RFC 8305 section 5). The end of a tunnel of the host's
//! comes last, and is asked again however often it refuses: the tunnel may come up any moment. Refuses a proof by another
//! key, and one that was made elsewhere and passed on: its signed address is not the one that was challenged.

use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::wire::{self, Nonce, Proof};
use crate::record::PublicKey;

/// How much later the next address is challenged.
const HEAD_START: Duration = Duration::from_millis(250);
/// When a challenge is sent again, and by how much longer each time: a round trip over two modems takes half a second.
const FIRST_AGAIN: Duration = Duration::from_millis(800);
const BACKOFF: f64 = 1.7;

/// What there is at an address, as far as it showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// A machine whose proof is by another key.
    Another(PublicKey),
    /// A machine that passes challenges on to the host, which is there.
    Relayed(SocketAddr),
    /// A machine that sent a proof with a bad signature.
    Forged,
    /// A machine at which nobody answers challenges.
    NoAnswerer,
    /// A machine at which no tunnel of the host's ends for now.
    NoTunnel,
    /// Nothing was heard.
    Silence,
    /// There is no way to it from here.
    NoWay,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Another(key) => write!(f, "another machine is there, which has the key {key}"),
            Self::Relayed(_) => f.write_str("another machine is there, and passes on what the host says elsewhere"),
            Self::Forged => f.write_str("another machine is there, and its signature is bad"),
            Self::NoAnswerer => f.write_str("a machine is there that does not prove to be anybody"),
            Self::NoTunnel => f.write_str("no tunnel ends there now"),
            Self::Silence => f.write_str("nothing answers there"),
            Self::NoWay => f.write_str("there is no way to it from here"),
        }
    }
}

impl Finding {
    /// Whether some other machine showed itself.
    #[must_use]
    pub fn is_a_stranger(&self) -> bool {
        matches!(self, Self::Another(_) | Self::Relayed(_) | Self::Forged | Self::NoAnswerer)
    }

    /// What tells most comes first.
    fn rank(self) -> u8 {
        match self {
            Self::Another(_) => 0,
            Self::Relayed(_) => 1,
            Self::Forged => 2,
            Self::NoAnswerer => 3,
            Self::NoTunnel => 4,
            Self::Silence => 5,
            Self::NoWay => 6,
        }
    }
}

/// No address proved to be the host's: what was found at each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unproven(pub Vec<(SocketAddr, Finding)>);

impl Unproven {
    /// The finding that tells most.
    #[must_use]
    pub fn foremost(&self) -> Option<(SocketAddr, Finding)> {
        self.0.iter().copied().min_by_key(|(_at, finding)| finding.rank())
    }
}

/// What the shell is to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// Send these bytes there.
    Send(SocketAddr, Vec<u8>),
    /// Connect there, where a tunnel ends, and send them; unless that is being done.
    Connect(SocketAddr, Vec<u8>),
    /// It is over: the host is there, or nowhere.
    Done(Result<SocketAddr, Unproven>),
}

/// A challenge of one host.
#[derive(Debug)]
pub struct Challenger {
    pinned: PublicKey,
    targets: Vec<Target>,
    until: Instant,
    done: bool,
    outputs: VecDeque<Output>,
}

#[derive(Debug)]
struct Target {
    at: SocketAddr,
    nonce: Nonce,
    next: Instant,
    pause: Duration,
    finding: Finding,
    is_tunnel: bool,
    closed: bool,
}

impl Challenger {
    /// Challenges these addresses, the preferred one first, and then the end of a tunnel, each with a nonce of its own,
    /// for `patience` at the most.
    #[must_use]
    pub fn new(
        pinned: PublicKey,
        targets: &[(SocketAddr, Nonce)],
        tunnel: Option<(SocketAddr, Nonce)>,
        patience: Duration,
        now: Instant,
    ) -> Self {
        let starts = (0..).map(|place| now + HEAD_START * place);
        let is_new = |(at, _nonce): &(SocketAddr, Nonce)| targets.iter().all(|(other, _nonce)| other != at);
        let tunnel = tunnel.filter(is_new).map(|tunnel| (tunnel, true));
        let all = targets.iter().map(|target| (*target, false)).chain(tunnel);
        let target = |(((at, nonce), is_tunnel), next)| Target {
            at,
            nonce,
            next,
            pause: FIRST_AGAIN,
            finding: Finding::Silence,
            is_tunnel,
            closed: false,
        };
        let targets = all.zip(starts).map(target).collect();
        let mut challenger = Self { pinned, targets, until: now + patience, done: false, outputs: VecDeque::new() };
        challenger.handle_timeout(now);
        challenger
    }

    /// What to do next; to be drained after each input.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Challenger::handle_timeout`] is due, and why.
    #[must_use]
    pub fn deadline(&self) -> Option<(Instant, &'static str)> {
        let open = self.targets.iter().filter(|target| !target.closed);
        let next = open.map(|target| target.next).min().unwrap_or(self.until);
        (!self.done).then(|| (next.min(self.until), "the host to prove itself"))
    }

    /// Takes what came from an address that was challenged.
    pub fn handle_datagram(&mut self, from: SocketAddr, datagram: &[u8], now: Instant) {
        let Some(target) = self.targets.iter_mut().find(|target| target.at == from && !target.closed) else { return };
        // What does not know the nonce may come from anybody.
        let Some(proof) = Proof::read(datagram).filter(|proof| proof.nonce == target.nonce) else { return };
        if self.done {
            return;
        }
        if !proof.is_genuine() {
            target.finding = Finding::Forged;
            return;
        }
        if proof.key == self.pinned && proof.host == from {
            return self.finish(Ok(from));
        }
        target.finding =
            if proof.key == self.pinned { Finding::Relayed(proof.host) } else { Finding::Another(proof.key) };
        target.closed = true;
        self.go_on(now);
    }

    /// The system says that nobody answers at an address, or that there is no way to it.
    pub fn handle_refused(&mut self, at: SocketAddr, finding: Finding, now: Instant) {
        if let Some(target) = self.targets.iter_mut().find(|target| target.at == at && !target.closed) {
            target.closed = !target.is_tunnel;
            if finding.rank() < target.finding.rank() || target.finding == Finding::Silence {
                target.finding = finding;
            }
            self.go_on(now);
        }
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.done {
            return;
        }
        if now >= self.until {
            return self.finish(Err(self.unproven()));
        }
        for target in self.targets.iter_mut().filter(|target| !target.closed && target.next <= now) {
            let (at, challenge) = (target.at, wire::challenge(target.nonce));
            let send = if target.is_tunnel { Output::Connect } else { Output::Send };
            self.outputs.push_back(send(at, challenge));
            target.next = now + target.pause;
            target.pause = target.pause.mul_f64(BACKOFF);
        }
        self.go_on(now);
    }

    /// Ends it when there is nobody left to hear; brings the next one forward when the one before has failed.
    fn go_on(&mut self, now: Instant) {
        if self.targets.iter().all(|target| target.closed) {
            return self.finish(Err(self.unproven()));
        }
        let waits = |target: &Target| target.closed || target.pause > FIRST_AGAIN;
        if let Some(first) = self.targets.iter().position(|target| !waits(target))
            && self.targets.iter().take(first).all(|target| target.closed)
            && let Some(target) = self.targets.get_mut(first)
        {
            target.next = target.next.min(now);
        }
    }

    fn unproven(&self) -> Unproven {
        Unproven(self.targets.iter().map(|target| (target.at, target.finding)).collect())
    }

    fn finish(&mut self, result: Result<SocketAddr, Unproven>) {
        if !std::mem::replace(&mut self.done, true) {
            self.outputs.push_back(Output::Done(result));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Identity;

    const PATIENCE: Duration = Duration::from_secs(10);

    struct Scene {
        identity: Identity,
        start: Instant,
        challenger: Challenger,
    }

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn v4() -> SocketAddr {
        at("203.0.113.10:7464")
    }

    fn v6() -> SocketAddr {
        at("[2001:db8::10]:7464")
    }

    fn client() -> SocketAddr {
        at("198.51.100.7:40000")
    }

    fn nonce(of: usize) -> Nonce {
        Nonce::from_bytes([u8::try_from(of).unwrap(); 32])
    }

    impl Scene {
        fn new(targets: &[SocketAddr]) -> Self {
            let (identity, start) = (Identity::generate().unwrap(), crate::clock::now());
            let targets: Vec<_> = targets.iter().enumerate().map(|(of, at)| (*at, nonce(of))).collect();
            let challenger = Challenger::new(identity.public_key(), &targets, None, PATIENCE, start);
            Self { identity, start, challenger }
        }

        fn outputs(&mut self) -> Vec<Output> {
            std::iter::from_fn(|| self.challenger.poll_output()).collect()
        }

        fn sent_to(&mut self) -> Vec<SocketAddr> {
            let to = |output| match output {
                Output::Send(to, bytes) => {
                    assert_eq!(bytes.len(), wire::CHALLENGE_LENGTH);
                    to
                }
                Output::Connect(..) => panic!("there is no tunnel"),
                Output::Done(result) => panic!("it is over: {result:?}"),
            };
            self.outputs().into_iter().map(to).collect()
        }

        fn result(&mut self) -> Result<SocketAddr, Unproven> {
            match self.outputs().pop() {
                Some(Output::Done(result)) => result,
                other => panic!("it is not over: {other:?}"),
            }
        }
    }

    #[test]
    fn the_host_proves_itself_in_one_round_trip() {
        let mut scene = Scene::new(&[v4()]);
        assert_eq!(scene.sent_to(), [v4()]);
        let proof = Proof::sign(&scene.identity, nonce(0), v4(), client());
        scene.challenger.handle_datagram(v4(), &proof, scene.start);
        assert_eq!(scene.result(), Ok(v4()));
        assert_eq!(scene.challenger.deadline(), None);
    }

    #[test]
    fn another_key_a_relay_and_a_forgery_are_told_apart_and_none_is_believed() {
        let stranger = Identity::generate().unwrap();
        let mut scene = Scene::new(&[v4()]);
        let proof = Proof::sign(&stranger, nonce(0), v4(), client());
        scene.challenger.handle_datagram(v4(), &proof, scene.start);
        assert_eq!(scene.result(), Err(Unproven(vec![(v4(), Finding::Another(stranger.public_key()))])));

        let elsewhere = at("203.0.113.99:7464");
        let mut scene = Scene::new(&[v4()]);
        let proof = Proof::sign(&scene.identity, nonce(0), elsewhere, client());
        scene.challenger.handle_datagram(v4(), &proof, scene.start);
        assert_eq!(scene.result(), Err(Unproven(vec![(v4(), Finding::Relayed(elsewhere))])));

        let mut scene = Scene::new(&[v4()]);
        scene.outputs();
        let mut proof = Proof::sign(&scene.identity, nonce(0), v4(), client());
        *proof.last_mut().unwrap() ^= 1;
        scene.challenger.handle_datagram(v4(), &proof, scene.start);
        assert_eq!(scene.outputs(), [], "the host itself may still be heard");
        scene.challenger.handle_timeout(scene.start + PATIENCE);
        assert_eq!(scene.result(), Err(Unproven(vec![(v4(), Finding::Forged)])));
    }

    #[test]
    fn a_proof_of_another_challenge_or_from_another_address_is_passed_over() {
        let mut scene = Scene::new(&[v4()]);
        scene.outputs();
        let old = Proof::sign(&scene.identity, nonce(7), v4(), client());
        scene.challenger.handle_datagram(v4(), &old, scene.start);
        let good = Proof::sign(&scene.identity, nonce(0), v4(), client());
        scene.challenger.handle_datagram(at("203.0.113.11:7464"), &good, scene.start);
        scene.challenger.handle_datagram(v4(), b"hello", scene.start);
        assert_eq!(scene.outputs(), []);
        scene.challenger.handle_datagram(v4(), &good, scene.start);
        assert_eq!(scene.result(), Ok(v4()));
    }

    #[test]
    fn silence_is_asked_again_ever_more_rarely_and_then_given_up() {
        let mut scene = Scene::new(&[v4()]);
        let mut sent = scene.sent_to().len();
        let mut now = scene.start;
        loop {
            let (deadline, _why) = scene.challenger.deadline().unwrap();
            assert!(deadline > now, "it would spin");
            now = deadline;
            scene.challenger.handle_timeout(now);
            if now == scene.start + PATIENCE {
                break;
            }
            sent += scene.sent_to().len();
        }
        assert_eq!(sent, 5);
        assert_eq!(scene.result(), Err(Unproven(vec![(v4(), Finding::Silence)])));
    }

    #[test]
    fn the_second_address_starts_later_or_as_soon_as_the_first_has_failed() {
        let mut scene = Scene::new(&[v6(), v4()]);
        assert_eq!(scene.sent_to(), [v6()]);
        scene.challenger.handle_timeout(scene.start + HEAD_START);
        assert_eq!(scene.sent_to(), [v4()]);

        let mut scene = Scene::new(&[v6(), v4()]);
        scene.outputs();
        scene.challenger.handle_refused(v6(), Finding::NoWay, scene.start);
        assert_eq!(scene.challenger.deadline().unwrap().0, scene.start);
        scene.challenger.handle_timeout(scene.start);
        assert_eq!(scene.sent_to(), [v4()]);
        scene.challenger.handle_refused(v4(), Finding::NoAnswerer, scene.start);
        let unproven = scene.result().unwrap_err();
        assert_eq!(unproven, Unproven(vec![(v6(), Finding::NoWay), (v4(), Finding::NoAnswerer)]));
        assert_eq!(unproven.foremost(), Some((v4(), Finding::NoAnswerer)));
    }

    #[test]
    fn the_end_of_a_tunnel_is_tried_again_for_as_long_as_it_may_take_to_come_up() {
        let (identity, start) = (Identity::generate().unwrap(), crate::clock::now());
        let end = at("198.51.100.50:2222");
        let tunnel = Some((end, nonce(1)));
        let mut challenger = Challenger::new(identity.public_key(), &[(v4(), nonce(0))], tunnel, PATIENCE, start);
        let mut outputs = || std::iter::from_fn(|| challenger.poll_output()).collect::<Vec<_>>();
        assert_eq!(outputs(), [Output::Send(v4(), wire::challenge(nonce(0)))]);
        challenger.handle_refused(v4(), Finding::NoWay, start);
        let mut connected = 0;
        let mut now = start;
        while now < start + PATIENCE / 2 {
            now = challenger.deadline().unwrap().0.max(now);
            challenger.handle_timeout(now);
            while let Some(output) = challenger.poll_output() {
                assert_eq!(output, Output::Connect(end, wire::challenge(nonce(1))));
                connected += 1;
                challenger.handle_refused(end, Finding::NoTunnel, now);
            }
        }
        assert!(connected >= 3, "{connected}");
        let proof = Proof::sign(&identity, nonce(1), end, client());
        challenger.handle_datagram(end, &proof, now);
        assert_eq!(challenger.poll_output(), Some(Output::Done(Ok(end))));

        // A proof that the host made for one of its addresses is none for a tunnel.
        let mut challenger = Challenger::new(identity.public_key(), &[], tunnel, PATIENCE, start);
        challenger.handle_datagram(end, &Proof::sign(&identity, nonce(1), v4(), client()), start);
        challenger.poll_output();
        assert_eq!(challenger.poll_output(), Some(Output::Done(Err(Unproven(vec![(end, Finding::Relayed(v4()))])))));
    }

    #[test]
    fn a_host_without_addresses_is_nowhere() {
        assert_eq!(Scene::new(&[]).result(), Err(Unproven(Vec::new())));
    }
}
