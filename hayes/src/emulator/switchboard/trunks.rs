//! The trunks of a switchboard: the door for other exchanges and for persons, and a connection for each call.
//!
//! Owns who may come in, how many, and which connection is which party of the exchange. What they say to each other is
//! [`super::super::trunk`]'s.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::super::dce::Role;
use super::super::exchange::Exchange;
use super::super::exchange::outside::{Far, OutsideAct, OutsideCaller, OutsideEvent, OutsideId};
use super::super::plan::TrunkPlan;
use super::super::trunk::TrunkOutput;
use super::super::trunk::signal::{Request, Signal};
use super::Party;
use super::annunciator::Annunciator;
use super::connection::{Connection, Event};

/// Where the trunks of a plan lead, and where other exchanges may call in.
#[derive(Clone, Debug, Default)]
pub struct TrunkAddresses {
    /// Where to listen for other exchanges, and for persons with telnet; nobody else is asked who he is, so an address
    /// that others reach is for a network of friends. Port 0 has the system choose one.
    pub listen: Option<SocketAddr>,
    /// `host:port` for the name of each trunk of the plan.
    pub routes: BTreeMap<String, String>,
}

/// One call's connection.
pub(super) type ConnectionId = u64;

/// All trunks of a switchboard.
#[derive(Debug)]
pub(super) struct Trunks {
    door: Option<tokio::net::TcpListener>,
    routes: BTreeMap<String, Route>,
    connections: BTreeMap<ConnectionId, Connection>,
    last: ConnectionId,
    parties: BTreeMap<OutsideId, ConnectionId>,
    annunciator: Annunciator<Party>,
}

/// Where a trunk leads.
#[derive(Clone, Debug)]
pub(super) struct Route {
    to: String,
    far: Far,
}

/// How long it may take until a connection stands.
const CONNECT_TIME: Duration = Duration::from_secs(10);
/// Connections at a time; whoever comes then hears that the exchange is busy.
const MOST_CONNECTIONS: usize = 1024;
/// Of which so many may be with strangers who have not said whom they call.
const MOST_STRANGERS: usize = 64;
/// How long nobody is let in when the system has no descriptor for him.
pub(super) const DOOR_PAUSE: Duration = Duration::from_secs(1);

/// Finds where each trunk of a plan leads.
pub(super) fn routes(plan: &[TrunkPlan], to: &BTreeMap<String, String>) -> BTreeMap<String, Route> {
    let route =
        |trunk: &TrunkPlan| Some((trunk.name.clone(), Route { to: to.get(&trunk.name)?.clone(), far: trunk.far }));
    plan.iter().filter_map(route).collect()
}

impl Trunks {
    /// Needs a runtime.
    pub(super) fn new(
        door: Option<TcpListener>,
        routes: BTreeMap<String, Route>,
        annunciator: Annunciator<Party>,
    ) -> io::Result<Self> {
        let door = door.map(tokio::net::TcpListener::from_std).transpose()?;
        Ok(Self { door, routes, connections: BTreeMap::new(), last: 0, parties: BTreeMap::new(), annunciator })
    }

    /// Lets in who is at the door; an error is no reason to look again at once.
    pub(super) fn poll_door(
        &mut self,
        waker: &Waker,
        now: Instant,
        events: &mut Vec<(ConnectionId, Event)>,
    ) -> io::Result<()> {
        let Some(door) = &self.door else { return Ok(()) };
        let mut cx = Context::from_waker(waker);
        while let Poll::Ready(accepted) = door.poll_accept(&mut cx) {
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                // It has gone again.
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => continue,
                Err(error) => return Err(error),
            };
            let strangers = self.connections.len().saturating_sub(self.parties.len());
            if self.connections.len() >= MOST_CONNECTIONS || strangers >= MOST_STRANGERS {
                tracing::debug!(%peer, "no room for another trunk call");
                stream.try_write(b"busy\r\n").ok();
                continue;
            }
            tracing::debug!(%peer, "trunk call comes in");
            self.last += 1;
            let waker = self.annunciator.waker(Party::Connection(self.last));
            self.connections.insert(self.last, Connection::called(stream, waker, now));
            events.push((self.last, Event::LetIn));
        }
        Ok(())
    }

    /// Sees what a connection did.
    pub(super) fn poll(&mut self, id: ConnectionId, exchange: &Exchange) -> [Option<Event>; 2] {
        let Some(connection) = self.connections.get_mut(&id) else { return [None, None] };
        connection.poll(connection.party.map_or(0, |party| exchange.outside_room(party)))
    }

    pub(super) fn is_stalled(&self, id: ConnectionId) -> bool {
        self.connections.get(&id).is_some_and(Connection::is_stalled)
    }

    /// Whether a connection whose data had to wait may go on.
    pub(super) fn has_room(&self, id: ConnectionId, exchange: &Exchange) -> bool {
        let party = self.connections.get(&id).and_then(|connection| connection.party);
        party.is_none_or(|party| exchange.outside_room(party) > 0)
    }

    pub(super) fn deadline(&self, id: ConnectionId) -> Option<(Instant, &'static str)> {
        self.connections.get(&id).and_then(Connection::deadline)
    }

    /// Takes what a connection did.
    pub(super) fn handle(&mut self, id: ConnectionId, event: Event, exchange: &mut Exchange, now: Instant) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let (bytes_came, ended) = (matches!(event, Event::Bytes(_)), matches!(event, Event::Ended));
        match event {
            Event::LetIn => {}
            Event::Connected(Ok(stream)) => connection.open(stream, now),
            Event::Connected(Err(error)) => {
                tracing::warn!(%error, "a trunk leads nowhere");
                let party = connection.party;
                self.remove(id);
                if let Some(party) = party {
                    exchange.handle_outside(party, OutsideAct::Busy, now);
                }
                return;
            }
            Event::Bytes(bytes) => {
                if let Some(trunk) = connection.trunk() {
                    trunk.handle_bytes(&bytes, now);
                }
            }
            Event::Drained => {
                if let Some(party) = connection.party.filter(|_| connection.release()) {
                    exchange.handle_outside(party, OutsideAct::Flow(true), now);
                }
            }
            Event::Ended => {
                if let Some(trunk) = connection.trunk() {
                    trunk.handle_end();
                }
            }
            Event::Late if connection.is_overdue(now) => return self.remove(id),
            Event::Late => {
                if let Some(trunk) = connection.trunk() {
                    trunk.handle_timeout(now);
                }
            }
        }
        self.carry_out(id, exchange, now, bytes_came);
        if ended {
            self.remove(id);
        }
    }

    /// Takes what the exchange tells a party.
    pub(super) fn tell(&mut self, party: OutsideId, event: OutsideEvent, exchange: &mut Exchange, now: Instant) {
        let signal = match event {
            OutsideEvent::Called { trunk, to, caller, rate } => {
                let request = Request { to, caller, rate, from_exchange: true };
                return self.seize(party, &trunk, request, exchange, now);
            }
            OutsideEvent::Data(bytes) => {
                let Some(id) = self.parties.get(&party).copied() else { return };
                if let Some(trunk) = self.connections.get_mut(&id).and_then(Connection::trunk) {
                    trunk.handle_data(&bytes);
                }
                return self.carry_out(id, exchange, now, false);
            }
            OutsideEvent::Ringing => Signal::Ringing,
            OutsideEvent::Busy => Signal::Busy,
            OutsideEvent::Unknown => Signal::Unknown,
            OutsideEvent::NoAnswer => Signal::NoAnswer,
            OutsideEvent::Answered { role, rate } => Signal::Answered { role, rate },
            OutsideEvent::Connected { rate } => Signal::Connected { rate },
            OutsideEvent::HungUp => Signal::HangUp,
        };
        let Some(id) = self.parties.get(&party).copied() else { return };
        let Some(trunk) = self.connections.get_mut(&id).and_then(Connection::trunk) else {
            // There was no connection yet.
            return self.remove(id);
        };
        trunk.handle_signal(&signal);
        self.carry_out(id, exchange, now, false);
    }

    /// Calls over a trunk.
    fn seize(&mut self, party: OutsideId, trunk: &str, request: Request, exchange: &mut Exchange, now: Instant) {
        let Some(Route { to, far }) = self.routes.get(trunk).cloned() else {
            tracing::warn!(trunk, "nobody has said where this trunk leads");
            return exchange.handle_outside(party, OutsideAct::Busy, now);
        };
        tracing::debug!(trunk, to, "trunk seized");
        let connecting = async move {
            let connecting = tokio::time::timeout(CONNECT_TIME, tokio::net::TcpStream::connect(to));
            connecting.await.unwrap_or_else(|_late| Err(ErrorKind::TimedOut.into()))
        };
        let request = match far {
            Far::Exchange => Some(request),
            Far::Plain => None,
        };
        self.last += 1;
        let waker = self.annunciator.waker(Party::Connection(self.last));
        let connection = Connection::calling(Box::pin(connecting), request, party, waker);
        self.connections.insert(self.last, connection);
        self.parties.insert(party, self.last);
    }

    /// Does what a connection's trunk wants done; `answering` what the peer has just said.
    fn carry_out(&mut self, id: ConnectionId, exchange: &mut Exchange, now: Instant, answering: bool) {
        while let Some(connection) = self.connections.get_mut(&id) {
            let Some(output) = connection.poll_output() else { return };
            match output {
                TrunkOutput::Send(bytes) => {
                    connection.send(&bytes);
                    if answering && !connection.count_answer(bytes.len()) {
                        tracing::debug!("a trunk's peer asks and does not listen");
                        if let Some(trunk) = connection.trunk() {
                            trunk.handle_end();
                        }
                    }
                    if let Some(party) = connection.party.filter(|_| connection.hold_up()) {
                        exchange.handle_outside(party, OutsideAct::Flow(false), now);
                    }
                }
                TrunkOutput::Signal(Signal::Call(request)) => {
                    let party = exchange.call_from_outside(&request.to.clone(), caller(request), now);
                    connection.party = Some(party);
                    self.parties.insert(party, id);
                }
                TrunkOutput::Signal(signal) => {
                    if let (Some(party), Some(act)) = (connection.party, act(&signal)) {
                        exchange.handle_outside(party, act, now);
                    }
                }
                TrunkOutput::Data(bytes) => {
                    if let Some(party) = connection.party {
                        exchange.handle_outside(party, OutsideAct::Data(bytes), now);
                    }
                }
                TrunkOutput::Finish => {
                    connection.finish(now);
                    if let Some(party) = connection.party.take() {
                        self.parties.remove(&party);
                    }
                }
            }
        }
    }

    fn remove(&mut self, id: ConnectionId) {
        if let Some(party) = self.connections.remove(&id).and_then(|connection| connection.party) {
            self.parties.remove(&party);
        }
    }
}

/// Who calls, as the exchange takes it.
fn caller(request: Request) -> OutsideCaller {
    let (name, far) = if request.from_exchange { ("trunk", Far::Exchange) } else { ("person", Far::Plain) };
    OutsideCaller { name: name.to_owned(), id: request.caller, rate: request.rate, far, role: Role::Originate }
}

/// What the far end's signal is to the exchange.
fn act(signal: &Signal) -> Option<OutsideAct> {
    Some(match *signal {
        Signal::Ringing => OutsideAct::Ringing,
        Signal::Busy => OutsideAct::Busy,
        Signal::Unknown => OutsideAct::Unknown,
        Signal::NoAnswer => OutsideAct::NoAnswer,
        Signal::Answered { role, rate } => OutsideAct::Answer { role, rate },
        Signal::Connected { rate } => OutsideAct::Connected { rate },
        Signal::HangUp => OutsideAct::HangUp,
        Signal::Call(_) | Signal::Error(_) => return None,
    })
}
