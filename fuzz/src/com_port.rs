//! A serial port at the far end against whatever a server can send, and data through one that was granted.

use std::time::Instant;

use hayes::telnet::Telnet;
use hayes::telnet::com_port::{ComPort, ComPortOutput};

/// What it says of its own accord: what it wants of a port, and all of it told again, a few times over.
const SAID: usize = 512;
/// How many bytes a server sends at most at a time.
const WRITE: usize = 64;
/// What a server says that grants its port, and confirms the rate.
const GRANT: &[u8] = b"\xff\xfd\x2c\xff\xfd\x00\xff\xfb\x00\xff\xfa\x2c\x65\x00\x00\x25\x80\xff\xf0";
/// More than is kept of a refusal: every byte of it may have become a character of three.
const REFUSAL: usize = 600;

/// Takes bytes from a server, or data for both ends, with a byte that says which.
pub fn run(data: &[u8]) {
    match data.split_first() {
        Some((0, server)) => survives(server),
        Some((_, data)) => carries(data),
        None => {}
    }
}

#[allow(clippy::disallowed_methods, reason = "an arbitrary instant to count from")]
fn now() -> Instant {
    Instant::now()
}

/// No bytes bring forth more than they are, and no word of the server opens the port twice.
fn survives(server: &[u8]) {
    let now = now();
    let mut port = ComPort::new(9600, now);
    let (mut opened, mut rest) = (0, server);
    while let Some((&step, after)) = rest.split_first() {
        rest = after;
        let mut received = 0;
        let outcome = match step {
            0 => {
                port.set_dtr(false);
                Ok(())
            }
            1 => {
                port.set_rate(u32::MAX);
                Ok(())
            }
            2 => {
                port.restore();
                Ok(())
            }
            3 => {
                port.write(&[0xFF; 8]);
                Ok(())
            }
            4 => port.handle_timeout(port.deadline().map_or(now, |(at, _)| at)),
            length => {
                let (bytes, after) = rest.split_at((usize::from(length) % WRITE).min(rest.len()));
                rest = after;
                received = bytes.len();
                port.handle_bytes(bytes, now)
            }
        };
        let (mut said, mut data) = (0, 0);
        while let Some(output) = port.poll_output() {
            match output {
                ComPortOutput::Send(bytes) => said += bytes.len(),
                ComPortOutput::Data(bytes) => data += bytes.len(),
                ComPortOutput::Open => opened += 1,
            }
        }
        assert!(said <= SAID + received, "{said} bytes to {received}");
        assert!(data <= received, "{data} bytes of data out of {received}");
        assert!(opened <= 1 && port.is_open() == (opened == 1), "opened {opened} times");
        assert!(port.refusal().len() <= REFUSAL, "the server's refusal is kept whole");
        assert!(port.deadline().is_none() || !port.is_open(), "an open port waits for something");
        if outcome.is_err() {
            return;
        }
    }
}

/// What is written arrives at the server, and what the server sends arrives here, in pieces of a size that the first
/// byte says.
fn carries(data: &[u8]) {
    let Some((&size, data)) = data.split_first() else { return };
    let now = now();
    let mut port = ComPort::new(9600, now);
    let mut server = Telnet::new();
    server.send_binary();
    server.receive_binary();
    let at_a_time = usize::from(size).max(1);
    GRANT.chunks(at_a_time).for_each(|part| port.handle_bytes(part, now).expect("the server grants its port"));
    assert!(port.is_open() && port.commands() && port.is_transparent());
    while port.poll_output().is_some() {}
    let mut wire = Vec::new();
    for piece in data.chunks(at_a_time) {
        port.write(piece);
        server.encode(piece, &mut wire);
    }
    let (mut arrived, mut answer) = (Vec::new(), Vec::new());
    while let Some(output) = port.poll_output() {
        if let ComPortOutput::Send(bytes) = output {
            server.decode(&bytes, &mut arrived, &mut answer).expect("only data was sent");
        }
    }
    assert_eq!((arrived.as_slice(), answer.as_slice()), (data, &[][..]));
    wire.chunks(at_a_time).for_each(|part| port.handle_bytes(part, now).expect("only data came"));
    let came = std::iter::from_fn(|| port.poll_output()).filter_map(|output| match output {
        ComPortOutput::Data(bytes) => Some(bytes),
        ComPortOutput::Send(_) | ComPortOutput::Open => None,
    });
    assert_eq!(came.flatten().collect::<Vec<u8>>(), data);
}
