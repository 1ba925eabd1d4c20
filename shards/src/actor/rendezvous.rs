//! How do cores wait for each other?
//!
//! Every core brings a result; every core gets everybody's, or the first error, as soon as there
//! is one. Used while starting and stopping only: it takes a lock.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::channel::oneshot;

use crate::error::Error;

/// A meeting point for all cores of the process. Each arrives once.
#[derive(Debug)]
pub(crate) struct Rendezvous<T> {
    state: Mutex<State<T>>,
}

#[derive(Debug)]
struct State<T> {
    /// What each core brought.
    brought: Vec<Option<Arc<T>>>,
    /// The first error anybody brought.
    failure: Option<Error>,
    waiting: Vec<oneshot::Sender<()>>,
}

impl<T> Rendezvous<T> {
    /// Returns a meeting point for this many cores.
    pub(crate) fn new(cores: usize) -> Self {
        let brought = (0..cores).map(|_| None).collect();
        Self { state: Mutex::new(State { brought, failure: None, waiting: Vec::new() }) }
    }

    /// Brings what core number `core` has and waits for the others.
    ///
    /// **Errors**: the first that any core brought.
    pub(crate) async fn meet(
        &self,
        core: usize,
        brings: Result<T, Error>,
    ) -> Result<Vec<Arc<T>>, Error> {
        let receiver = {
            let mut state = self.lock();
            match brings {
                Ok(value) => state.brought[core] = Some(Arc::new(value)),
                Err(error) => {
                    state.failure.get_or_insert(error);
                }
            }
            let complete = state.failure.is_some() || state.brought.iter().all(Option::is_some);
            if complete {
                state.waiting.drain(..).for_each(|sender| {
                    // A core that stopped waiting is told nothing.
                    sender.send(()).ok();
                });
                None
            } else {
                let (sender, receiver) = oneshot::channel();
                state.waiting.push(sender);
                Some(receiver)
            }
        };
        if let Some(receiver) = receiver {
            // Senders live as long as `self`, which the caller borrows.
            receiver.await.ok();
        }
        let state = self.lock();
        match &state.failure {
            Some(error) => Err(error.clone()),
            None => Ok(state.brought.iter().flatten().cloned().collect()),
        }
    }

    /// Ends the meeting with an error, unless everybody was there already.
    pub(crate) fn abandon(&self, error: &Error) {
        let mut state = self.lock();
        if state.brought.iter().any(Option::is_none) {
            state.failure.get_or_insert_with(|| error.clone());
            state.waiting.drain(..).for_each(|sender| {
                sender.send(()).ok();
            });
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // Nothing panics while the lock is held, so a poisoned state is a sound one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn everybody_gets_what_everybody_brought() {
        let meeting = Rendezvous::new(2);
        let first = meeting.meet(1, Ok("b"));
        futures::pin_mut!(first);
        assert!(first.as_mut().now_or_never().is_none());
        let second = meeting.meet(0, Ok("a")).now_or_never().unwrap().unwrap();
        assert_eq!(second.iter().map(|value| **value).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(first.now_or_never().unwrap().unwrap().len(), 2);
    }

    #[test]
    fn one_failure_ends_the_wait_of_all() {
        let meeting = Rendezvous::<()>::new(3);
        let first = meeting.meet(0, Ok(()));
        futures::pin_mut!(first);
        assert!(first.as_mut().now_or_never().is_none());
        let error = Error::Storage("no disk".into());
        assert!(meeting.meet(1, Err(error)).now_or_never().unwrap().is_err());
        assert!(first.now_or_never().unwrap().is_err());
        assert!(meeting.meet(2, Ok(())).now_or_never().unwrap().is_err());
    }

    #[test]
    fn a_core_that_never_comes_is_reported() {
        let meeting = Rendezvous::new(2);
        let first = meeting.meet(0, Ok(()));
        futures::pin_mut!(first);
        assert!(first.as_mut().now_or_never().is_none());
        meeting.abandon(&Error::Internal("core 1 stopped".into()));
        assert!(first.now_or_never().unwrap().is_err());
    }
}
