//! Who listens to what, and what has not been read yet?
//!
//! What is told of a channel waits at each member that listens to it until its connection sends it.
//! A member at which too much waits hears nothing more: it is told so, and what waits is dropped,
//! since a part would pass for the whole.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::MemberId;
use crate::limits::{NOTICE_BYTES_WAIT_MAX, NOTICES_WAIT_MAX};

/// A notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The channel.
    pub channel: Arc<str>,
    /// What is said.
    pub payload: Arc<str>,
    /// The number of the connection that said it.
    pub process: i32,
}

#[derive(Debug, Default)]
pub(super) struct Channels {
    listeners: BTreeMap<String, BTreeSet<MemberId>>,
    boxes: BTreeMap<MemberId, Mailbox>,
}

#[derive(Debug, Default)]
struct Mailbox {
    notices: VecDeque<Notice>,
    bytes: usize,
    /// Whether too much has waited here.
    has_run_over: bool,
    /// Woken when something comes.
    waker: Option<Waker>,
}

/// Too much has waited: what it was is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RunOver;

impl Notice {
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.channel.len() + self.payload.len()
    }
}

impl Mailbox {
    fn take_in(&mut self, notice: &Notice) {
        if self.has_run_over {
            return;
        }
        let bytes = self.bytes + notice.bytes();
        if self.notices.len() >= NOTICES_WAIT_MAX || bytes > NOTICE_BYTES_WAIT_MAX {
            *self = Self { has_run_over: true, waker: self.waker.take(), ..Self::default() };
        } else {
            self.bytes = bytes;
            self.notices.push_back(notice.clone());
        }
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl Channels {
    /// Makes a member listen to a channel.
    pub fn listen(&mut self, member: MemberId, channel: &str) {
        self.listeners.entry(channel.to_owned()).or_default().insert(member);
        self.boxes.entry(member).or_default();
    }

    /// Makes a member listen to a channel no more; `None` = to none. What waits already stays.
    pub fn unlisten(&mut self, member: MemberId, channel: Option<&str>) {
        self.listeners.retain(|name, members| {
            if channel.is_none_or(|channel| channel == name) {
                members.remove(&member);
            }
            !members.is_empty()
        });
    }

    /// Forgets a member.
    pub fn leave(&mut self, member: MemberId) {
        if self.boxes.remove(&member).is_some() {
            self.unlisten(member, None);
        }
    }

    /// Gives notifications to everybody who listens.
    pub fn publish(&mut self, notices: &[Notice]) {
        for notice in notices {
            for member in self.listeners.get(notice.channel.as_ref()).into_iter().flatten() {
                if let Some(mailbox) = self.boxes.get_mut(member) {
                    mailbox.take_in(notice);
                }
            }
        }
    }

    /// Takes what waits for a member.
    ///
    /// **Errors**: too much has waited.
    pub fn take(&mut self, member: MemberId) -> Result<Vec<Notice>, RunOver> {
        let Some(mailbox) = self.boxes.get_mut(&member) else { return Ok(Vec::new()) };
        mailbox.bytes = 0;
        let notices = std::mem::take(&mut mailbox.notices);
        if mailbox.has_run_over { Err(RunOver) } else { Ok(notices.into()) }
    }

    /// Returns whether something waits for a member; if not, it is woken when something comes.
    pub fn poll(&mut self, member: MemberId, context: &Context<'_>) -> Poll<()> {
        let Some(mailbox) = self.boxes.get_mut(&member) else { return Poll::Pending };
        if mailbox.has_run_over || !mailbox.notices.is_empty() {
            return Poll::Ready(());
        }
        mailbox.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(channel: &str, payload: &str) -> Notice {
        Notice { channel: channel.into(), payload: payload.into(), process: 7 }
    }

    #[test]
    fn a_member_hears_its_channels_and_no_others() {
        let (one, two) = (MemberId(1), MemberId(2));
        let mut channels = Channels::default();
        channels.listen(one, "a");
        channels.listen(one, "b");
        channels.listen(two, "a");
        let all = [notice("a", "1"), notice("b", "2"), notice("c", "3")];
        channels.publish(&all);
        channels.unlisten(one, Some("a"));
        channels.publish(&all[..2]);
        let expected = [all[0].clone(), all[1].clone(), all[1].clone()];
        assert_eq!(channels.take(one), Ok(expected.to_vec()));
        assert_eq!(channels.take(two), Ok(vec![all[0].clone(), all[0].clone()]));
        channels.leave(one);
        channels.leave(two);
        assert!(channels.listeners.is_empty() && channels.boxes.is_empty());
    }

    #[test]
    fn a_member_that_does_not_read_loses_everything_and_is_told() {
        let member = MemberId(1);
        let mut channels = Channels::default();
        channels.listen(member, "a");
        let all = vec![notice("a", ""); NOTICES_WAIT_MAX];
        channels.publish(&all);
        assert_eq!(channels.take(member).map(|taken| taken.len()), Ok(NOTICES_WAIT_MAX));
        channels.publish(&all);
        channels.publish(&all[..1]);
        assert_eq!(channels.take(member), Err(RunOver));
        assert_eq!(channels.boxes[&member].notices.len(), 0);
        let long = notice("a", &"x".repeat(NOTICE_BYTES_WAIT_MAX));
        channels.leave(member);
        channels.listen(member, "a");
        channels.publish(&[long]);
        assert_eq!(channels.take(member), Err(RunOver));
    }
}
