//! Telling secondaries that the zone has changed (NOTIFY, RFC 1996), until they have heard it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use domain::base::iana::{Class, Rtype};
use tokio::net::UdpSocket;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::Secondary;
use super::zone::{CONFIGURED_TTL, Zone, soa};
use crate::dns::{WallClock, tsig};

/// Tells one secondary of each new serial, at once at first and then at most once a second, until the shutdown.
pub(super) async fn tell(
    secondary: Secondary,
    zone: Arc<Zone>,
    mut serials: watch::Receiver<u32>,
    clock: WallClock,
    shutdown: CancellationToken,
) {
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = async {
            loop {
                let serial = *serials.borrow_and_update();
                if !tell_once(&secondary, &zone, serial, &mut serials, &clock).await {
                    tracing::warn!(secondary = %secondary.address, serial, "a secondary does not answer NOTIFY");
                }
                if serials.changed().await.is_err() {
                    // There is no writer any more.
                    std::future::pending::<()>().await;
                }
            }
        } => {}
    }
}

/// Tells one serial, again and again at longer intervals (RFC 1996 section 3.6); `false` when it was never heard.
async fn tell_once(
    secondary: &Secondary,
    zone: &Zone,
    serial: u32,
    serials: &mut watch::Receiver<u32>,
    clock: &WallClock,
) -> bool {
    let any = if secondary.address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let Ok(any) = any.parse::<SocketAddr>() else { return false };
    let mut pause = FIRST_PAUSE;
    for _try in 0..TRIES {
        let id = u16::from_be_bytes([clock.now().to_be_bytes()[7], serial.to_be_bytes()[3]]);
        let mut message = notification(zone, serial, id);
        let request = secondary.key.as_ref().map(|key| (key, tsig::sign_request(&mut message, key, clock.now())));
        if let Ok(socket) = UdpSocket::bind(any).await
            && socket.connect(secondary.address).await.is_ok()
            && socket.send(&message).await.is_ok()
        {
            let heard = timeout(pause, async {
                let mut answer = [0; 1024];
                loop {
                    let length = socket.recv(&mut answer).await?;
                    let answer = answer.get(..length).unwrap_or_default();
                    if is_answer(answer, id) && request.as_ref().is_none_or(|(key, mac)| fits(answer, key, mac, clock))
                    {
                        return Ok::<(), std::io::Error>(());
                    }
                }
            });
            match heard.await {
                Ok(Ok(())) => {
                    sleep(BETWEEN).await;
                    return true;
                }
                // Nobody listens there.
                Ok(Err(_refused)) => sleep(pause).await,
                Err(_elapsed) => {}
            }
        } else {
            sleep(pause).await;
        }
        if serials.has_changed().unwrap_or(false) {
            // The newer serial tells the older one as well.
            return true;
        }
        pause *= 2;
    }
    false
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
const TRIES: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_secs(2);
/// Between two notifications of one secondary.
const BETWEEN: Duration = Duration::from_secs(1);
