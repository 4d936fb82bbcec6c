//! Telling secondaries that the zone has changed (NOTIFY, RFC 1996), until they have heard it.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use domain::base::iana::{Class, Rtype};
use tokio::net::UdpSocket;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use super::Secondary;
use super::figures::Told;
use super::zone::{CONFIGURED_TTL, Zone, soa};
use crate::dns::{WallClock, tsig};

/// Tells one secondary of each new serial, at once at first and then at most once a second, until the shutdown.
pub(super) async fn tell(
    secondary: Secondary,
    zone: Arc<Zone>,
    mut serials: watch::Receiver<u32>,
    clock: WallClock,
    figures: Arc<Told>,
    shutdown: CancellationToken,
) {
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = async {
            let mut silence = Silence::default();
            loop {
                let serial = *serials.borrow_and_update();
                if tell_once(&secondary, &zone, serial, silence.pause(), &clock).await {
                    figures.heard(serial);
                    if silence.ended() {
                        tracing::info!(secondary = %secondary.address, serial, "a secondary answers NOTIFY again");
                    }
                    sleep(BETWEEN).await;
                    if serials.changed().await.is_err() {
                        // There is no writer any more.
                        std::future::pending::<()>().await;
                    }
                    continue;
                }
                figures.silent();
                if silence.goes_on() {
                    tracing::warn!(
                        secondary = %secondary.address, serial,
                        "a secondary does not answer NOTIFY, and may have an old copy of the zone; is it running, and does \
                         it take NOTIFY from here? it is told again and again"
                    );
                }
            }
        } => {}
    }
}

/// How long a secondary has not been heard, however often the zone has changed meanwhile. Pure.
#[derive(Debug, Default)]
struct Silence {
    /// How often it was told in vain.
    tries: u32,
}

impl Silence {
    /// How long its answer is waited for: longer and longer (RFC 1996 section 3.6).
    fn pause(&self) -> Duration {
        FIRST_PAUSE.saturating_mul(1 << self.tries.min(16)).min(LONGEST_PAUSE)
    }

    /// It has not answered once more; tells whether this is when to say so.
    fn goes_on(&mut self) -> bool {
        self.tries = self.tries.saturating_add(1);
        self.tries == TRIES
    }

    /// It has answered; tells whether it had been said that it does not.
    fn ended(&mut self) -> bool {
        std::mem::take(&mut self.tries) >= TRIES
    }
}

/// Tells a serial, and waits so long for an answer; `false` when there is none.
async fn tell_once(secondary: &Secondary, zone: &Zone, serial: u32, within: Duration, clock: &WallClock) -> bool {
    let deadline = Instant::now() + within;
    let any: SocketAddr = match secondary.address {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let id = u16::from_be_bytes([clock.now().to_be_bytes()[7], serial.to_be_bytes()[3]]);
    let mut message = notification(zone, serial, id);
    let request = secondary.key.as_ref().map(|key| (key, tsig::sign_request(&mut message, key, clock.now())));
    let heard = async {
        let socket = UdpSocket::bind(any).await?;
        socket.connect(secondary.address).await?;
        socket.send(&message).await?;
        let mut answer = [0; 1024];
        loop {
            let length = socket.recv(&mut answer).await?;
            let answer = answer.get(..length).unwrap_or_default();
            if is_answer(answer, id) && request.as_ref().is_none_or(|(key, mac)| fits(answer, key, mac, clock)) {
                return Ok::<(), std::io::Error>(());
            }
        }
    };
    match timeout_at(deadline, heard).await {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            tracing::debug!(%error, secondary = %secondary.address, "NOTIFY does not arrive");
            sleep_until(deadline).await;
            false
        }
        Err(_elapsed) => false,
    }
}

/// Writes a notification with the new SOA in it (RFC 1996 section 3.7).
fn notification(zone: &Zone, serial: u32, id: u16) -> Vec<u8> {
    let mut bytes = id.to_be_bytes().to_vec();
    bytes.extend([NOTIFY << 3 | 4, 0, 0, 1, 0, 1, 0, 0, 0, 0]);
    bytes.extend_from_slice(&zone.apex_wire);
    bytes.push(0);
    bytes.extend(Rtype::SOA.to_int().to_be_bytes());
    bytes.extend(Class::IN.to_int().to_be_bytes());
    let data = soa(zone, serial);
    bytes.extend([0xc0, 12]);
    bytes.extend(Rtype::SOA.to_int().to_be_bytes());
    bytes.extend(Class::IN.to_int().to_be_bytes());
    bytes.extend(CONFIGURED_TTL.to_be_bytes());
    bytes.extend(u16::try_from(data.len()).unwrap_or_default().to_be_bytes());
    bytes.extend(data);
    bytes
}

fn is_answer(answer: &[u8], id: u16) -> bool {
    matches!(answer, [a, b, flags, ..] if [*a, *b] == id.to_be_bytes() && *flags & 0xf8 == 0x80 | NOTIFY << 3)
}

/// A signed question gets a signed answer, or it was not the secondary's.
fn fits(answer: &[u8], key: &tsig::TsigKey, request: &tsig::Mac, clock: &WallClock) -> bool {
    matches!(tsig::take_off(answer), Ok(Some(signed)) if tsig::check_answer(&signed, key, request, clock.now()).is_ok())
}

const NOTIFY: u8 = 4;
/// After so many in vain, a minute, it is said.
const TRIES: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Between two notifications of one secondary.
const BETWEEN: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::directory::fixture::{Fixture, NOW};

    #[test]
    fn silence_is_told_once_after_a_minute_and_its_end_as_well() {
        let mut silence = Silence::default();
        let mut waited = Duration::ZERO;
        let told: Vec<u64> = (0..50)
            .filter_map(|_| {
                waited += silence.pause();
                silence.goes_on().then_some(waited.as_secs())
            })
            .collect();
        assert_eq!(told, [62]);
        assert_eq!(silence.pause(), LONGEST_PAUSE, "it is told all the same");
        assert!(silence.ended() && !silence.ended());
        assert_eq!(silence.pause(), FIRST_PAUSE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_secondary_that_comes_back_hears_the_newest_serial_however_busy_the_zone_was_meanwhile() {
        let secondary = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let (serials, told) = watch::channel(1);
        let settings =
            Secondary { address: secondary.local_addr().unwrap(), name: None, addresses: Vec::new(), key: None };
        let zone = Arc::new(Fixture::new().zone);
        let (clock, shutdown) = (WallClock::from_fn(|| NOW), CancellationToken::new());
        let figures = Arc::new(Told::new(settings.address));
        let telling = tell(settings, zone, told, clock, Arc::clone(&figures), shutdown.clone());
        let serial = Cell::new(1);
        let busy = async {
            loop {
                sleep(Duration::from_millis(1100)).await;
                serial.set(serial.get() + 1);
                serials.send_replace(serial.get());
            }
        };
        let mute = async {
            let began = Instant::now();
            let (mut heard, mut buffer) = (Vec::new(), [0; 512]);
            loop {
                let (length, from) = secondary.recv_from(&mut buffer).await.unwrap();
                let notification = buffer.get(..length).unwrap().to_vec();
                heard.push(began.elapsed().as_secs());
                if heard.len() < 9 {
                    continue;
                }
                // The serial is followed by four numbers more.
                let told: [u8; 4] = notification[length - 20..length - 16].try_into().unwrap();
                assert!(serial.get() - u32::from_be_bytes(told) <= 1, "an old serial: {told:?}");
                assert_eq!(figures.unanswered(), 8);
                let mut answer = notification;
                answer[2] |= 0x80;
                secondary.send_to(&answer, from).await.unwrap();
                let _next = secondary.recv_from(&mut buffer).await.unwrap();
                assert_eq!((figures.serial(), figures.unanswered()), (u32::from_be_bytes(told), 0));
                assert!(began.elapsed() <= Duration::from_secs(heard[8] + 3), "told at once of the next change");
                return heard;
            }
        };
        let heard = tokio::select! {
            () = telling => panic!("it ended"),
            () = busy => panic!("it ended"),
            heard = mute => heard,
        };
        assert_eq!(heard, [0, 2, 6, 14, 30, 62, 122, 182, 242]);
    }
}
