//! The client against servers that do what servers on the Internet do.

use domain::base::MessageBuilder;
use domain::rdata::Txt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};

use super::*;
use crate::record::{Identity, Record};

fn host() -> HostName {
    "home.dyn.test".parse().unwrap()
}

fn signed() -> SignedRecord {
    let record = Record::online(host(), vec!["203.0.113.9".parse().unwrap()], Seq::FIRST, 0, 60).unwrap();
    SignedRecord::sign(record, &Identity::generate().unwrap())
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

/// Writes an answer to `request` that holds `signed`, or nothing but the mark of truncation.
fn reply(request: &[u8], signed: Option<&SignedRecord>) -> Vec<u8> {
    let request = Message::from_octets(request).unwrap();
    let mut answer = MessageBuilder::new_vec().start_answer(&request, Rcode::NOERROR).unwrap();
    answer.header_mut().set_tc(signed.is_none());
    if let Some(signed) = signed {
        let text = Txt::<Vec<u8>>::build_from_slice(signed.to_string().as_bytes()).unwrap();
        answer.push((name::of_statement(&host()), 60, text)).unwrap();
    }
    answer.finish()
}

#[tokio::test]
async fn an_answer_cut_short_is_asked_for_over_tcp() {
    let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = udp.local_addr().unwrap();
    let tcp = TcpListener::bind(address).await.unwrap();
    let signed = signed();
    let server = async {
        let mut datagram = [0; 512];
        let (length, peer) = udp.recv_from(&mut datagram).await.unwrap();
        udp.send_to(&reply(&datagram[..length], None), peer).await.unwrap();
        let (mut stream, _) = tcp.accept().await.unwrap();
        let mut request = vec![0; usize::from(stream.read_u16().await.unwrap())];
        stream.read_exact(&mut request).await.unwrap();
        let answer = reply(&request, Some(&signed));
        stream.write_u16(u16::try_from(answer.len()).unwrap()).await.unwrap();
        stream.write_all(&answer).await.unwrap();
    };
    let resolver = Resolver::new(vec![address]);
    let home = host();
    let (answer, ()) = tokio::join!(resolver.query(&home, soon()), server);
    assert_eq!(answer.unwrap().record, Some(signed.clone()));
    assert_eq!(resolver.packets(), Packets { sent: 2, received: 2 });
}

#[tokio::test]
async fn what_does_not_belong_to_the_question_is_not_heard() {
    let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let resolver = Resolver::new(vec![udp.local_addr().unwrap()]);
    let (signed, forged) = (signed(), signed());
    let server = async {
        let mut datagram = [0; 512];
        let (length, peer) = udp.recv_from(&mut datagram).await.unwrap();
        let mut wrong_id = reply(&datagram[..length], Some(&forged));
        wrong_id[0] ^= 0x80;
        let mut wrong_name = reply(&datagram[..length], Some(&forged));
        wrong_name[14] = b'x';
        for answer in [wrong_id, wrong_name, b"noise".to_vec(), reply(&datagram[..length], Some(&signed))] {
            udp.send_to(&answer, peer).await.unwrap();
        }
    };
    let home = host();
    let (answer, ()) = tokio::join!(resolver.query(&home, soon()), server);
    assert_eq!(answer.unwrap().record, Some(signed.clone()));
}

#[tokio::test]
async fn a_lost_request_is_sent_again_and_a_dead_server_passed_over() {
    let dead = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let resolver = Resolver::new(vec![dead.local_addr().unwrap(), udp.local_addr().unwrap()]);
    drop(dead);
    let signed = signed();
    let server = async {
        let mut datagram = [0; 512];
        let (lost, _) = udp.recv_from(&mut datagram).await.unwrap();
        let first = datagram[..lost].to_vec();
        let (length, peer) = udp.recv_from(&mut datagram).await.unwrap();
        assert_eq!(datagram[..length], first, "the very same request");
        udp.send_to(&reply(&first, Some(&signed)), peer).await.unwrap();
    };
    let home = host();
    let (answer, ()) = tokio::join!(resolver.query(&home, soon()), server);
    assert_eq!(answer.unwrap().record, Some(signed.clone()));
}

#[tokio::test]
async fn no_server_at_all_is_told_at_once_with_its_cause() {
    let dead = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let resolver = Resolver::new(vec![dead.local_addr().unwrap()]);
    drop(dead);
    let Err(QueryError::Unreachable { source: Some(source), .. }) = resolver.query(&host(), soon()).await else {
        panic!("expected to find nobody")
    };
    assert_eq!(source.kind(), io::ErrorKind::ConnectionRefused);
    let none = Resolver::new(Vec::new()).query(&host(), soon()).await;
    assert!(matches!(none, Err(QueryError::Unreachable { source: None, .. })));
}

#[tokio::test]
async fn a_wait_outlasts_servers_that_fail_and_hosts_that_sleep() {
    let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let resolver = Resolver::new(vec![udp.local_addr().unwrap()]);
    let identity = Identity::generate().unwrap();
    let asleep = SignedRecord::sign(Record::asleep(host(), Seq::new(5).unwrap(), 0, 60).unwrap(), &identity);
    let at = |seq| {
        let record = Record::online(host(), vec!["203.0.113.9".parse().unwrap()], Seq::new(seq).unwrap(), 0, 60);
        SignedRecord::sign(record.unwrap(), &identity)
    };
    let failing = at(9);
    let server = async {
        let mut datagram = [0; 512];
        for answer in [None, Some(asleep), Some(at(4)), Some(at(6))] {
            let (length, peer) = udp.recv_from(&mut datagram).await.unwrap();
            let mut message = reply(&datagram[..length], Some(answer.as_ref().unwrap_or(&failing)));
            if answer.is_none() {
                message[3] = Rcode::SERVFAIL.to_int();
            }
            udp.send_to(&message, peer).await.unwrap();
        }
    };
    let home = host();
    let (waited, ()) = tokio::join!(resolver.newer_than(&home, Seq::new(4), soon()), server);
    assert_eq!(waited.unwrap(), Waited::Online(Box::new(at(6))));
}

#[tokio::test]
async fn a_wait_finds_the_host_in_whichever_directory_it_has_reached() {
    let (one, other) = (UdpSocket::bind("127.0.0.1:0").await.unwrap(), UdpSocket::bind("127.0.0.1:0").await.unwrap());
    let resolver = Resolver::new(vec![one.local_addr().unwrap(), other.local_addr().unwrap()]);
    let identity = Identity::generate().unwrap();
    let asleep = SignedRecord::sign(Record::asleep(host(), Seq::new(5).unwrap(), 0, 60).unwrap(), &identity);
    let online = signed();
    let serve = async |socket: &UdpSocket, signed: &SignedRecord| {
        let mut datagram = [0; 512];
        loop {
            let (length, peer) = socket.recv_from(&mut datagram).await.unwrap();
            socket.send_to(&reply(&datagram[..length], Some(signed)), peer).await.unwrap();
        }
    };
    let home = host();
    let waited = tokio::select! {
        waited = resolver.newer_than(&home, None, soon()) => waited.unwrap(),
        () = serve(&one, &asleep) => unreachable!(),
        () = serve(&other, &online) => unreachable!(),
    };
    assert_eq!(waited, Waited::Online(Box::new(online.clone())));
}

/// A server that says the same to everybody: this record, or this failure.
async fn says(socket: &UdpSocket, what: Result<&SignedRecord, Rcode>) {
    let filling = signed();
    let mut datagram = [0; 512];
    loop {
        let (length, peer) = socket.recv_from(&mut datagram).await.unwrap();
        let mut message = reply(&datagram[..length], Some(what.unwrap_or(&filling)));
        if let Err(rcode) = what {
            message[3] = rcode.to_int();
        }
        socket.send_to(&message, peer).await.unwrap();
    }
}

/// What a resolver makes of two servers, the first and the second.
async fn of_two(
    first: Result<&SignedRecord, Rcode>,
    second: Result<&SignedRecord, Rcode>,
    key: Option<PublicKey>,
    seen: Option<Seq>,
) -> Result<Answer, QueryError> {
    let (one, other) = (UdpSocket::bind("127.0.0.1:0").await.unwrap(), UdpSocket::bind("127.0.0.1:0").await.unwrap());
    let servers = vec![one.local_addr().unwrap(), other.local_addr().unwrap()];
    let resolver = Resolver::new(servers).expecting(key, seen);
    let home = host();
    tokio::select! {
        answer = resolver.query(&home, soon()) => answer,
        () = says(&one, first) => unreachable!(),
        () = says(&other, second) => unreachable!(),
    }
}

#[tokio::test]
async fn one_server_of_two_that_fails_lags_or_lies_decides_nothing() {
    let identity = Identity::generate().unwrap();
    let key = Some(identity.public_key());
    let number = |seq| Seq::new(seq).unwrap();
    let online = |seq, by: &Identity| {
        let record = Record::online(host(), vec!["203.0.113.9".parse().unwrap()], number(seq), 0, 60);
        SignedRecord::sign(record.unwrap(), by)
    };
    let good = online(7, &identity);
    let asleep = SignedRecord::sign(Record::asleep(host(), number(6), 0, 60).unwrap(), &identity);
    let (old, forged) = (online(3, &identity), online(9, &Identity::generate().unwrap()));
    for bad in [Err(Rcode::SERVFAIL), Err(Rcode::REFUSED), Ok(&asleep), Ok(&old), Ok(&forged)] {
        for (first, second) in [(bad, Ok(&good)), (Ok(&good), bad)] {
            let answer = of_two(first, second, key, Seq::new(5)).await.unwrap();
            assert_eq!(answer.record.as_ref(), Some(&good), "{first:?} {second:?}");
        }
    }
    // One that is online by an older record is no better than one that is asleep by a newer.
    let slept = SignedRecord::sign(Record::asleep(host(), number(8), 0, 60).unwrap(), &identity);
    let answer = of_two(Ok(&slept), Ok(&good), key, None).await.unwrap();
    assert_eq!(answer.record.as_ref(), Some(&slept));
    // Where none is good, the better one counts; where all fail, that is told.
    let answer = of_two(Ok(&old), Ok(&asleep), key, Seq::new(5)).await.unwrap();
    assert_eq!(answer.record, Some(asleep.clone()));
    let failed = of_two(Err(Rcode::SERVFAIL), Err(Rcode::REFUSED), key, None).await;
    assert!(matches!(failed, Err(QueryError::Refused(_))), "{failed:?}");
}

#[tokio::test]
async fn the_newest_record_of_all_servers_is_found_past_one_that_lags_or_fails_and_not_by_any_other_key() {
    let (identity, other) = (Identity::generate().unwrap(), Identity::generate().unwrap());
    let key = Some(identity.public_key());
    let online = |seq, by: &Identity| {
        let record = Record::online(host(), vec!["203.0.113.9".parse().unwrap()], Seq::new(seq).unwrap(), 0, 60);
        SignedRecord::sign(record.unwrap(), by)
    };
    let (old, new, forged) = (online(3, &identity), online(7, &identity), online(9, &other));
    let asleep = SignedRecord::sign(Record::asleep(host(), Seq::new(8).unwrap(), 0, 60).unwrap(), &identity);
    let newest = async |first, second, key| {
        let (one, another) =
            (UdpSocket::bind("127.0.0.1:0").await.unwrap(), UdpSocket::bind("127.0.0.1:0").await.unwrap());
        let servers = vec![one.local_addr().unwrap(), another.local_addr().unwrap()];
        let (resolver, home) = (Resolver::new(servers).expecting(key, None), host());
        let answer = tokio::select! {
            answer = resolver.newest(&home, Duration::from_secs(60), soon()) => answer,
            () = says(&one, first) => unreachable!(),
            () = says(&another, second) => unreachable!(),
        };
        answer.unwrap().record
    };
    for (bad, good) in [(Ok(&old), &new), (Ok(&new), &asleep), (Ok(&forged), &old), (Err(Rcode::SERVFAIL), &old)] {
        assert_eq!(newest(bad, Ok(good), key).await.as_ref(), Some(good), "{bad:?}");
        assert_eq!(newest(Ok(good), bad, key).await.as_ref(), Some(good), "{bad:?}");
    }
    // Where no key is known, the one that the preferred server shows is not displaced by a greater number.
    assert_eq!(newest(Ok(&old), Ok(&forged), None).await.as_ref(), Some(&old));
    assert_eq!(newest(Ok(&forged), Ok(&old), None).await.as_ref(), Some(&forged));
}

#[tokio::test]
async fn one_server_is_asked_once_for_the_newest_and_one_that_is_silent_is_not_waited_for_to_the_end() {
    let (one, mute) = (UdpSocket::bind("127.0.0.1:0").await.unwrap(), UdpSocket::bind("127.0.0.1:0").await.unwrap());
    let (signed, home) = (signed(), host());
    for (servers, sent) in [(vec![&one], Some(1)), (vec![&mute, &one], None)] {
        let resolver = Resolver::new(servers.iter().map(|socket| socket.local_addr().unwrap()).collect());
        let answer = tokio::select! {
            answer = resolver.newest(&home, Duration::from_millis(1), Instant::now() + Duration::from_secs(86_400)) => answer,
            () = says(&one, Ok(&signed)) => unreachable!(),
        };
        assert_eq!(answer.unwrap().record.as_ref(), Some(&signed));
        assert!(sent.is_none_or(|sent| resolver.packets() == Packets { sent, received: sent }), "{resolver:?}");
    }
}

#[tokio::test]
async fn a_wait_goes_on_past_a_server_that_refuses_for_as_long_as_another_does_not() {
    let (one, other) = (UdpSocket::bind("127.0.0.1:0").await.unwrap(), UdpSocket::bind("127.0.0.1:0").await.unwrap());
    let resolver = Resolver::new(vec![one.local_addr().unwrap(), other.local_addr().unwrap()]);
    let identity = Identity::generate().unwrap();
    let asleep = SignedRecord::sign(Record::asleep(host(), Seq::new(5).unwrap(), 0, 60).unwrap(), &identity);
    let record = Record::online(host(), vec!["203.0.113.9".parse().unwrap()], Seq::new(6).unwrap(), 0, 60);
    let online = SignedRecord::sign(record.unwrap(), &identity);
    let comes_online = async {
        let mut datagram = [0; 512];
        for record in [&asleep, &asleep, &online] {
            let (length, peer) = other.recv_from(&mut datagram).await.unwrap();
            other.send_to(&reply(&datagram[..length], Some(record)), peer).await.unwrap();
        }
        std::future::pending::<()>().await;
    };
    let home = host();
    let waited = tokio::select! {
        waited = resolver.newer_than(&home, Seq::new(5), soon()) => waited.unwrap(),
        () = says(&one, Err(Rcode::REFUSED)) => unreachable!(),
        () = comes_online => unreachable!(),
    };
    assert_eq!(waited, Waited::Online(Box::new(online.clone())));
}
