//! How does a request reach a shard on another core, and its answer come back?
//!
//! Requests and answers travel on separate lanes. An answer never waits: its lane has a place for
//! every request its sender may have unanswered. Out of such places ("credits"), an ordinary
//! request is refused at once, and one that ends a transaction waits for its turn at the sender,
//! where no handler of ours is held up. A credit is returned by the answer, not by the end of the
//! wait, so a caller that gives up does not overfill the lane.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::channel::oneshot;
use pieskieo_io::rt::{CoreId, MeshEnd};
use pieskieo_io::time::{self, Monotonic};

use super::limits::{BYTES_PER_PEER, CONTROL_PER_PEER, DEADLINE_SECONDS, REQUESTS_PER_PEER};
use crate::error::Error;
use crate::ids::ShardId;
use crate::request::{Reply, Request};
use crate::txn;

/// A request on its way.
pub(crate) struct Envelope {
    /// The sender's number for it.
    pub(crate) id: u64,
    /// Whom it is for.
    pub(crate) shard: ShardId,
    /// What is asked.
    pub(crate) request: Request,
}

/// An answer on its way.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The request's number.
    pub(crate) id: u64,
    /// The answer.
    pub(crate) result: Result<Reply, Error>,
}

/// One core's ends of the lanes, and its unanswered requests.
#[derive(Debug)]
pub(crate) struct Mailbox {
    requests: MeshEnd<Envelope>,
    answers: MeshEnd<Answer>,
    calls: RefCell<Calls>,
    /// By core: it has closed and answers nobody any more.
    left: Arc<[AtomicBool]>,
}

#[derive(Debug, Default)]
struct Calls {
    id_next: u64,
    open: BTreeMap<u64, Call>,
    peers: Vec<Peer>,
}

/// What one other core owes us.
#[derive(Debug, Default)]
struct Peer {
    requests: usize,
    control: usize,
    bytes: usize,
    /// Senders of control requests that wait for a credit.
    queue: VecDeque<oneshot::Sender<()>>,
}

/// One unanswered request.
#[derive(Debug)]
struct Call {
    peer: usize,
    terms: Terms,
    deadline: Option<Monotonic>,
    /// Who waits for the answer; `None` after the deadline.
    sender: Option<oneshot::Sender<Result<Reply, Error>>>,
}

/// How a request is treated on its way.
#[derive(Clone, Copy, Debug)]
struct Terms {
    /// It ends a transaction: it is never refused.
    control: bool,
    /// Its sender stops waiting after [`DEADLINE_SECONDS`].
    deadline: bool,
    /// After the deadline, nobody knows whether it was carried out.
    commits: bool,
    /// Estimated size.
    bytes: usize,
}

impl std::fmt::Debug for Envelope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Envelope").field("id", &self.id).field("shard", &self.shard).finish()
    }
}

impl Mailbox {
    /// Returns the mailbox of one core; `left` says of each core whether it has closed.
    pub(crate) fn new(
        requests: MeshEnd<Envelope>,
        answers: MeshEnd<Answer>,
        left: Arc<[AtomicBool]>,
    ) -> Self {
        let peers = left.iter().map(|_| Peer::default()).collect();
        Self { requests, answers, calls: RefCell::new(Calls { peers, ..Calls::default() }), left }
    }

    fn has_left(&self, peer: usize) -> bool {
        self.left[peer].load(Ordering::SeqCst)
    }

    /// Sends a request to a shard on core `to` and waits for the answer.
    ///
    /// **Errors**: `Overloaded` at once when too much is unanswered; `Cancelled` or, for commits,
    /// `OutcomeUnknown` at the deadline and when the other core has closed; else what the shard
    /// answered.
    pub(crate) async fn call(
        &self,
        to: CoreId,
        shard: ShardId,
        request: Request,
    ) -> Result<Reply, Error> {
        let peer = usize::from(to.0);
        let terms = terms_of(&request);
        while terms.control && !self.calls.borrow().peers[peer].has_control_credit() {
            let (sender, receiver) = oneshot::channel();
            self.calls.borrow_mut().peers[peer].queue.push_back(sender);
            receiver.await.map_err(|_| shutting_down())?;
        }
        if self.has_left(peer) {
            return Err(shutting_down());
        }
        let (id, receiver) = self.calls.borrow_mut().open(peer, terms)?;
        if self.requests.try_send(to, Envelope { id, shard, request }).is_err() {
            self.calls.borrow_mut().settle(id);
            return Err(shutting_down());
        }
        receiver.await.map_err(|_| shutting_down())?
    }

    /// Waits for the next request of another core; `None` when there will be no more.
    pub(crate) async fn next_request(&self) -> Option<(CoreId, Envelope)> {
        self.requests.recv().await
    }

    /// Waits for the next answer and hands it to its caller; `false` when there will be no more.
    pub(crate) async fn take_answer(&self) -> bool {
        let Some((_, Answer { id, result })) = self.answers.recv().await else {
            return false;
        };
        let call = self.calls.borrow_mut().settle(id);
        if let Some(sender) = call.and_then(|call| call.sender) {
            // A caller that went away gets no answer.
            sender.send(result).ok();
        }
        true
    }

    /// Sends an answer.
    pub(crate) fn answer(&self, to: CoreId, id: u64, result: Result<Reply, Error>) {
        if self.answers.try_send(to, Answer { id, result }).is_err() {
            // Credits keep a place for it, so the lane is closed: the other core has stopped.
            tracing::debug!(core = to.0, "an answer found no taker");
        }
    }

    /// Answers every call whose deadline has passed, and every call of a core that has closed
    /// before this one: with or without a deadline, nobody else would.
    pub(crate) fn expire(&self) {
        let now = time::now();
        let mut calls = self.calls.borrow_mut();
        for call in calls.open.values_mut() {
            let error = if self.has_left(call.peer) {
                gone(call.terms)
            } else if call.deadline.is_some_and(|deadline| deadline <= now) {
                too_late(call.terms)
            } else {
                continue;
            };
            if let Some(sender) = call.sender.take() {
                sender.send(Err(error)).ok();
            }
        }
        for (number, peer) in calls.peers.iter_mut().enumerate() {
            if self.has_left(number) {
                peer.queue.clear();
            }
        }
    }

    /// Forgets all calls: their callers learn that the server is shutting down.
    pub(crate) fn clear(&self) {
        let mut calls = self.calls.borrow_mut();
        calls.open.clear();
        calls.peers.iter_mut().for_each(|peer| peer.queue.clear());
    }
}

impl Peer {
    fn has_control_credit(&self) -> bool {
        self.control < CONTROL_PER_PEER
    }
}

impl Calls {
    fn open(
        &mut self,
        peer: usize,
        terms: Terms,
    ) -> Result<(u64, oneshot::Receiver<Result<Reply, Error>>), Error> {
        let owed = &mut self.peers[peer];
        if terms.control {
            owed.control += 1;
        } else {
            if owed.requests >= REQUESTS_PER_PEER {
                return Err(Error::Overloaded(format!(
                    "{REQUESTS_PER_PEER} requests wait for core {peer}"
                )));
            }
            if owed.bytes + terms.bytes > BYTES_PER_PEER {
                return Err(Error::Overloaded(format!(
                    "{} bytes of requests wait for core {peer}, the limit is {BYTES_PER_PEER}",
                    owed.bytes
                )));
            }
            owed.requests += 1;
            owed.bytes += terms.bytes;
        }
        let (sender, receiver) = oneshot::channel();
        let deadline = terms.deadline.then(|| time::now() + Duration::from_secs(DEADLINE_SECONDS));
        let id = self.id_next;
        self.id_next += 1;
        self.open.insert(id, Call { peer, terms, deadline, sender: Some(sender) });
        Ok((id, receiver))
    }

    /// Ends a call and returns its credits.
    fn settle(&mut self, id: u64) -> Option<Call> {
        let call = self.open.remove(&id)?;
        let owed = &mut self.peers[call.peer];
        if call.terms.control {
            owed.control -= 1;
            while let Some(sender) = owed.queue.pop_front() {
                // One that gave up leaves its turn to the next.
                if sender.send(()).is_ok() {
                    break;
                }
            }
        } else {
            owed.requests -= 1;
            owed.bytes -= call.terms.bytes;
        }
        Some(call)
    }
}

fn terms_of(request: &Request) -> Terms {
    let plain = Terms { control: false, deadline: true, commits: false, bytes: 0 };
    match request {
        Request::Scan(_) | Request::Expand { .. } | Request::TextStats { .. } => plain,
        Request::Stats | Request::RecordCounts(_) => plain,
        Request::Stage { writes, .. } | Request::Prepare { writes, .. } => {
            Terms { bytes: txn::writes_len(writes), ..plain }
        }
        Request::Commit { writes, .. } => {
            Terms { bytes: txn::writes_len(writes), commits: true, ..plain }
        }
        Request::Count(_) | Request::Fragment(_) | Request::Verify { .. } | Request::Settled => {
            Terms { deadline: false, ..plain }
        }
        Request::Validate { .. }
        | Request::Decide(_)
        | Request::Finish { .. }
        | Request::Unstage { .. }
        | Request::Abort { .. }
        | Request::ChangeCatalog { .. }
        | Request::InstallCatalog { .. }
        | Request::Remember => Terms { control: true, deadline: false, ..plain },
    }
}

fn too_late(terms: Terms) -> Error {
    let text = format!("a shard did not answer within {DEADLINE_SECONDS} s");
    if terms.commits { Error::OutcomeUnknown(text) } else { Error::Cancelled(text) }
}

fn gone(terms: Terms) -> Error {
    match shutting_down() {
        Error::Cancelled(text) if terms.commits => Error::OutcomeUnknown(text),
        error => error,
    }
}

fn shutting_down() -> Error {
    Error::Cancelled("the server is shutting down".into())
}
