//! How do connections behave inside the machine?
//!
//! Like TCP over loopback: bytes arrive in order, in pieces of any size; a closed end is an end
//! of the stream; leaving with unread bytes, or the options, reset the connection for both.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};

use super::machine::Machine;
use crate::limits::{SIM_BACKLOG_MAX, SIM_SOCKET_BYTES_MAX};

/// First port given to whoever asks for port 0.
const PORT_FIRST: u16 = 40_000;

/// All listeners of the machine.
#[derive(Default)]
pub(crate) struct Network {
    listeners: BTreeMap<SocketAddr, Vec<Weak<RefCell<Backlog>>>>,
    ports_given: u16,
}

#[derive(Default)]
struct Backlog {
    waiting: VecDeque<SimStream>,
    waker: Option<Waker>,
}

/// A listening socket.
pub(crate) struct SimListener {
    address: SocketAddr,
    backlog: Rc<RefCell<Backlog>>,
}

/// One end of a connection.
pub(crate) struct SimStream {
    machine: Rc<Machine>,
    pub(crate) local: SocketAddr,
    pub(crate) peer: SocketAddr,
    incoming: Way,
    outgoing: Way,
}

/// A direction, as both ends see it.
type Way = Rc<RefCell<Direction>>;

/// Bytes on their way in one direction.
#[derive(Default)]
struct Direction {
    bytes: VecDeque<u8>,
    /// No more bytes will come.
    ended: bool,
    /// Nobody will read them.
    deserted: bool,
    reset: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Direction {
    fn wake(&mut self) {
        for waker in [self.reader.take(), self.writer.take()].into_iter().flatten() {
            waker.wake();
        }
    }
}

impl Network {
    fn port(&mut self) -> u16 {
        let port = PORT_FIRST.wrapping_add(self.ports_given).max(1);
        self.ports_given = self.ports_given.wrapping_add(1);
        port
    }

    fn open(&mut self, address: SocketAddr) -> Vec<Rc<RefCell<Backlog>>> {
        let any = |known: &SocketAddr| {
            known.port() == address.port()
                && (known.ip() == address.ip() || known.ip().is_unspecified())
        };
        self.listeners.retain(|_, all| {
            all.retain(|one| one.strong_count() > 0);
            !all.is_empty()
        });
        let matching = self.listeners.iter().filter(|(known, _)| any(known));
        matching.flat_map(|(_, all)| all.iter().filter_map(Weak::upgrade)).collect()
    }
}

impl SimListener {
    /// Listens; several listeners of one address share its connections.
    pub(crate) fn bind(machine: &Machine, mut address: SocketAddr) -> Self {
        let backlog = Rc::<RefCell<Backlog>>::default();
        let mut network = machine.network.borrow_mut();
        if address.port() == 0 {
            address.set_port(network.port());
        }
        network.listeners.entry(address).or_default().push(Rc::downgrade(&backlog));
        Self { address, backlog }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<SimStream> {
        let mut backlog = self.backlog.borrow_mut();
        match backlog.waiting.pop_front() {
            Some(stream) => Poll::Ready(stream),
            None => {
                backlog.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl SimStream {
    /// Connects to one of the listeners of `address`, chosen by the seed.
    pub(crate) fn connect(machine: &Rc<Machine>, address: SocketAddr) -> io::Result<Self> {
        let listeners = machine.network.borrow_mut().open(address);
        if listeners.is_empty() {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let backlog = &listeners[machine.pick(listeners.len() as u64) as usize];
        let mut local = address;
        local.set_port(machine.network.borrow_mut().port());
        let (there, back) = (Way::default(), Way::default());
        let end = |local, peer, incoming: &Way, outgoing: &Way| Self {
            machine: machine.clone(),
            local,
            peer,
            incoming: incoming.clone(),
            outgoing: outgoing.clone(),
        };
        let (near, far) = (end(local, address, &back, &there), end(address, local, &there, &back));
        let mut backlog = backlog.borrow_mut();
        if backlog.waiting.len() >= SIM_BACKLOG_MAX {
            return Err(io::ErrorKind::TimedOut.into());
        }
        backlog.waiting.push_back(far);
        if let Some(waker) = backlog.waker.take() {
            waker.wake();
        }
        Ok(near)
    }

    fn maybe_reset(&self) {
        let ppm = self.machine.options.borrow().reset_ppm;
        if self.machine.chance(ppm) {
            for direction in [&self.incoming, &self.outgoing] {
                let mut direction = direction.borrow_mut();
                direction.reset = true;
                direction.wake();
            }
        }
    }

    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.maybe_reset();
        let mut direction = self.incoming.borrow_mut();
        if direction.reset {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if direction.bytes.is_empty() {
            if direction.ended || buffer.is_empty() {
                return Poll::Ready(Ok(0));
            }
            direction.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let most = buffer.len().min(direction.bytes.len());
        let count = self.some_of(most);
        for (place, byte) in buffer.iter_mut().zip(direction.bytes.drain(..count)) {
            *place = byte;
        }
        direction.wake();
        Poll::Ready(Ok(count))
    }

    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.maybe_reset();
        let mut direction = self.outgoing.borrow_mut();
        if direction.reset {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if direction.deserted || direction.ended {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let most = bytes.len().min(SIM_SOCKET_BYTES_MAX - direction.bytes.len());
        if most == 0 && !bytes.is_empty() {
            direction.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let count = self.some_of(most);
        direction.bytes.extend(&bytes[..count]);
        direction.wake();
        Poll::Ready(Ok(count))
    }

    /// Says that no more bytes will be written.
    pub(crate) fn end(&mut self) {
        let mut direction = self.outgoing.borrow_mut();
        direction.ended = true;
        direction.wake();
    }

    /// All, or half the time any part.
    fn some_of(&self, most: usize) -> usize {
        if most > 1 && self.machine.pick(2) == 0 {
            1 + self.machine.pick(most as u64) as usize
        } else {
            most
        }
    }
}

impl Drop for SimStream {
    fn drop(&mut self) {
        let unread = {
            let mut incoming = self.incoming.borrow_mut();
            incoming.deserted = true;
            incoming.wake();
            !incoming.bytes.is_empty()
        };
        let mut outgoing = self.outgoing.borrow_mut();
        outgoing.ended = true;
        outgoing.reset |= unread;
        outgoing.wake();
    }
}
