//! What arrives of a batch, by real sockets.

use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::time::Duration;

use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt};

use super::super::socket::Source;
use super::*;

fn client() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    socket
}

fn to(client: &UdpSocket) -> Way {
    Way { peer: client.local_addr().unwrap(), source: Source::Bound }
}

fn batch() -> Batch {
    Batch::of(Socket::bind("127.0.0.1:0".parse().unwrap()).unwrap())
}

fn heard(client: &UdpSocket) -> Vec<u8> {
    let mut buffer = vec![0; 65_535];
    let length = client.recv(&mut buffer).unwrap();
    buffer.truncate(length);
    buffer
}

/// As it comes where nothing cuts it any more: with the size of the answers in it.
fn heard_whole(client: &UdpSocket) -> (Vec<u8>, Option<i32>) {
    let mut buffer = vec![0; 65_535];
    let mut room = nix::cmsg_space!(i32);
    let mut into = [std::io::IoSliceMut::new(&mut buffer)];
    let message =
        recvmsg::<SockaddrStorage>(client.as_raw_fd(), &mut into, Some(&mut room), MsgFlags::empty()).unwrap();
    let size = message
        .cmsgs()
        .unwrap()
        .find_map(|control| if let ControlMessageOwned::UdpGroSegments(size) = control { Some(size) } else { None });
    let length = message.bytes;
    buffer.truncate(length);
    (buffer, size)
}

#[test]
fn answers_of_one_size_to_one_port_leave_as_one() {
    let (one, other) = (client(), client());
    setsockopt(&one, sockopt::UdpGroSegment, &true).unwrap();
    let mut batch = batch();
    for (client, answer) in [(&one, "home"), (&other, "cave"), (&one, "barn"), (&one, "orchard"), (&one, "shed")] {
        batch.add(to(client), |room| room.extend(answer.as_bytes()));
    }
    batch.send();
    let (together, size) = heard_whole(&one);
    let mut answers: Vec<_> = together.chunks(4).collect();
    answers.sort_unstable();
    assert_eq!((answers, size), (vec![&b"barn"[..], b"home", b"shed"], Some(4)));
    assert_eq!(heard_whole(&one), (b"orchard".to_vec(), None));
    assert_eq!(heard(&other), b"cave");
}

#[test]
fn every_answer_arrives_once_and_whole_whatever_its_size() {
    let clients = [client(), client(), client()];
    let mut batch = batch();
    // More than one datagram carries; more than leave at a time; larger than is cut; one alone.
    let largest = usize::from(crate::dns::message::UDP_PAYLOAD);
    for (size, count, ports) in [(largest, Batch::MOST, 1), (40, 100, 3), (largest + 1, 9, 2), (200, 1, 1)] {
        for number in 0..count {
            batch.add(to(&clients[number % ports]), |room| room.resize(size, number.try_into().unwrap()));
            batch.add(to(&clients[number % ports]), |_left_empty| {});
        }
        batch.send();
        for (at, client) in clients.iter().enumerate().take(ports) {
            let sent: Vec<Vec<u8>> =
                (at..count).step_by(ports).map(|number| vec![number.try_into().unwrap(); size]).collect();
            let mut arrived: Vec<_> = sent.iter().map(|_| heard(client)).collect();
            arrived.sort_unstable();
            assert_eq!(arrived, sent, "{count} of {size} octets to {ports} ports");
        }
    }
}
