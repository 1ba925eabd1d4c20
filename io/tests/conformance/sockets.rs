//! Do connections keep their promises on both back ends?

use std::io::ErrorKind;
use std::net::SocketAddr;

use futures::io::{AsyncReadExt, AsyncWriteExt};
use pieskieo_io::rt::{self, Queue, TcpListener, TcpStream};

use crate::both;

fn any_port() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind(any_port()).unwrap();
    let address = listener.local_addr().unwrap();
    let connect = rt::spawn(Queue::Net, "connect", TcpStream::connect(address));
    let accepted = listener.accept().await.unwrap();
    (connect.await.unwrap(), accepted)
}

#[test]
fn bytes_come_back_from_an_echo() {
    both(1, |_, _| async move {
        let (mut near, far) = pair().await;
        assert_eq!(near.peer_addr().unwrap(), far.local_addr().unwrap());
        near.set_nodelay(true).unwrap();
        let echo = rt::spawn(Queue::Net, "echo", async move {
            let (mut reader, mut writer) = far.split();
            futures::io::copy(&mut reader, &mut writer).await.unwrap();
            writer.close().await.unwrap();
        });
        for bytes in [1, 100, 60_000] {
            let sent: Vec<u8> = (0..bytes).map(|n| (n % 251) as u8).collect();
            near.write_all(&sent).await.unwrap();
            let mut received = vec![0; bytes];
            near.read_exact(&mut received).await.unwrap();
            assert_eq!(received, sent);
        }
        near.close().await.unwrap();
        assert_eq!(near.read(&mut [0; 8]).await.unwrap(), 0);
        echo.await;
    });
}

#[test]
fn both_directions_flow_at_once_when_full() {
    const BYTES: usize = 3 << 20;
    both(1, |_, _| async move {
        let (near, far) = pair().await;
        let ends = [near, far].map(|end| async move {
            let (mut reader, mut writer) = end.split();
            let send = async move {
                writer.write_all(&vec![3; BYTES]).await.unwrap();
                writer.close().await.unwrap();
            };
            let receive = async move {
                let mut all = Vec::new();
                reader.read_to_end(&mut all).await.unwrap();
                assert_eq!(all.len(), BYTES);
            };
            futures::join!(send, receive);
        });
        futures::future::join_all(ends).await;
    });
}

#[test]
fn connecting_to_nobody_is_refused() {
    both(1, |_, _| async move {
        let address = {
            let listener = TcpListener::bind(any_port()).unwrap();
            listener.local_addr().unwrap()
        };
        // The kernel closes the listening socket a moment after it was dropped.
        let mut tries = 0;
        let error = loop {
            match TcpStream::connect(address).await {
                Err(error) => break error,
                Ok(_) => rt::sleep(std::time::Duration::from_millis(1)).await,
            }
            tries += 1;
            assert!(tries < 1000, "still listening");
        };
        assert!(matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset));
    });
}

#[test]
fn a_cut_connection_is_an_error_not_an_end() {
    both(1, |_, _| async move {
        let (mut near, mut far) = pair().await;
        near.write_all(b"never read").await.unwrap();
        far.write_all(b"x").await.unwrap();
        // Leaving with unread bytes resets the connection.
        rt::sleep(std::time::Duration::from_millis(5)).await;
        drop(far);
        rt::sleep(std::time::Duration::from_millis(5)).await;
        let mut all = Vec::new();
        let error = near.read_to_end(&mut all).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    });
}

#[test]
fn writing_to_somebody_who_left_fails() {
    both(1, |_, _| async move {
        let (mut near, far) = pair().await;
        drop(far);
        let mut tries = 0;
        let error = loop {
            if let Err(error) = near.write_all(&[0; 4096]).await {
                break error;
            }
            tries += 1;
            assert!(tries < 10_000, "writes are accepted for ever");
            rt::yield_now().await;
        };
        assert!(matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset));
    });
}

#[test]
fn waiting_for_bytes_can_be_given_up() {
    both(1, |_, _| async move {
        let (mut near, mut far) = pair().await;
        let pause = std::time::Duration::from_millis(2);
        assert!(rt::timeout(pause, near.read(&mut [0; 8])).await.is_err());
        far.write_all(b"late").await.unwrap();
        let mut bytes = [0; 4];
        near.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"late");
    });
}

#[test]
fn cores_share_a_port() {
    both(2, |core, _| async move {
        let address = SocketAddr::from(([127, 0, 0, 1], 47_113));
        let listener = TcpListener::bind(address).unwrap();
        let serve = rt::spawn(Queue::Net, "serve", async move {
            loop {
                let mut stream = listener.accept().await.unwrap();
                stream.write_all(&[rt::core().0 as u8]).await.unwrap();
                stream.close().await.unwrap();
            }
        });
        for _ in 0..10 {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let mut answer = Vec::new();
            match stream.read_to_end(&mut answer).await {
                Ok(_) => assert!(answer == [0] || answer == [1]),
                // The other core has ended, with this connection in its backlog.
                Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
            }
        }
        rt::sleep(std::time::Duration::from_millis(20)).await;
        serve.cancel().await;
        assert!(core.0 < 2);
    });
}
