//! Who holds which advisory lock, and who waits for it?
//!
//! Locks are counted: what was taken twice must be let go twice. Who waits asks again and again,
//! and is given the lock when it asks; who gives up says so and is out of the queue.
//! Requests are granted in the order they came, but for members that hold the lock already in
//! another mode: those wait for the other holders only.
//!
//! Nothing else in the engine waits for anybody. So a member waits in a circle exactly if it can be
//! reached from itself by "waits for", and whoever begins to wait last finds that out.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::MemberId;
use crate::limits::LOCKS_MAX;

/// What a lock is on. Numbers of the two kinds are different locks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    /// One number.
    Whole(i64),
    /// Two numbers.
    Pair(i32, i32),
}

/// Who else may have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mode {
    /// Nobody.
    Exclusive,
    /// Others that share it.
    Shared,
}

/// How long it is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Scope {
    /// Until it is let go, or its session ends.
    Session,
    /// Until its transaction ends.
    Transaction,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    /// On what.
    pub key: Key,
    /// Who else may have it.
    pub mode: Mode,
    /// For how long.
    pub scope: Scope,
}

/// What has become of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// It was granted.
    Yes,
    /// Somebody else is in the way.
    No,
    /// Waiting would never end.
    Circle,
    /// The member holds too many.
    TooMany,
}

/// What is told of a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LockListing {
    /// On what.
    pub key: Key,
    /// Who else may have it.
    pub mode: Mode,
    /// The number its client knows itself by.
    pub process: i32,
    /// Whether it is held, or waited for.
    pub granted: bool,
}

#[derive(Debug, Default)]
pub(super) struct Locks {
    locks: BTreeMap<Key, Lock>,
    members: BTreeMap<MemberId, Holder>,
    /// The number of the last grant.
    grants: u64,
}

#[derive(Debug, Default)]
struct Lock {
    holds: Vec<Hold>,
    waiting: VecDeque<Waiting>,
}

#[derive(Clone, Copy, Debug)]
struct Hold {
    member: MemberId,
    mode: Mode,
    scope: Scope,
    /// Grants are numbered in their order.
    grant: u64,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    member: MemberId,
    mode: Mode,
}

#[derive(Debug, Default)]
struct Holder {
    process: i32,
    /// What it holds something of.
    keys: BTreeSet<Key>,
    /// How many grants it holds.
    count: usize,
    waits_for: Option<Key>,
}

fn conflict(one: Mode, other: Mode) -> bool {
    one == Mode::Exclusive || other == Mode::Exclusive
}

impl Lock {
    fn is_held_by(&self, member: MemberId) -> bool {
        self.holds.iter().any(|hold| hold.member == member)
    }

    /// Whom a member that asks for a mode waits for.
    fn in_the_way(&self, member: MemberId, mode: Mode) -> Vec<MemberId> {
        let held = self.holds.iter().filter(|hold| hold.member != member);
        let held = held.filter(|hold| conflict(hold.mode, mode)).map(|hold| hold.member);
        if self.is_held_by(member) {
            return held.collect();
        }
        let before = self.waiting.iter().take_while(|waiting| waiting.member != member);
        let before = before.filter(|waiting| conflict(waiting.mode, mode));
        held.chain(before.map(|waiting| waiting.member)).collect()
    }

    fn leave(&mut self, member: MemberId) {
        self.waiting.retain(|waiting| waiting.member != member);
    }

    fn is_idle(&self) -> bool {
        self.holds.is_empty() && self.waiting.is_empty()
    }
}

impl Locks {
    /// Notes what a member is called by its client.
    pub fn join(&mut self, member: MemberId, process: i32) {
        self.members.insert(member, Holder { process, ..Holder::default() });
    }

    /// Takes a lock if nobody is in the way; if somebody is, and it `waits`, it is in the queue
    /// from then on, until it gets the lock or [`Locks::give_up`] says that it does not want it.
    pub fn take(&mut self, member: MemberId, asked: Asked, waits: bool) -> Taken {
        let Some(holder) = self.members.get_mut(&member) else { return Taken::TooMany };
        if holder.count >= LOCKS_MAX {
            return Taken::TooMany;
        }
        let lock = self.locks.entry(asked.key).or_default();
        if lock.in_the_way(member, asked.mode).is_empty() {
            self.grants += 1;
            let Asked { mode, scope, .. } = asked;
            lock.leave(member);
            lock.holds.push(Hold { member, mode, scope, grant: self.grants });
            holder.keys.insert(asked.key);
            holder.count += 1;
            holder.waits_for = None;
            return Taken::Yes;
        }
        let begins = waits && holder.waits_for.is_none();
        if begins {
            lock.waiting.push_back(Waiting { member, mode: asked.mode });
            holder.waits_for = Some(asked.key);
            if self.is_circle(member) {
                self.give_up(member);
                return Taken::Circle;
            }
        }
        Taken::No
    }

    /// Takes a member out of the queue it is in.
    pub fn give_up(&mut self, member: MemberId) {
        let holder = self.members.get_mut(&member);
        let Some(key) = holder.and_then(|holder| holder.waits_for.take()) else { return };
        if let Some(lock) = self.locks.get_mut(&key) {
            lock.leave(member);
        }
        self.forget_idle(key);
    }

    /// Lets one grant of a session go. Returns whether there was one.
    pub fn release(&mut self, member: MemberId, key: Key, mode: Mode) -> bool {
        let Some(lock) = self.locks.get_mut(&key) else { return false };
        let found = lock.holds.iter().position(|hold| {
            (hold.member, hold.mode, hold.scope) == (member, mode, Scope::Session)
        });
        let Some(at) = found else { return false };
        lock.holds.remove(at);
        self.counted(member, key, 1);
        true
    }

    /// Lets all grants of a scope go that were given after a number.
    pub fn release_all(&mut self, member: MemberId, scope: Scope, after: u64) {
        let Some(holder) = self.members.get(&member) else { return };
        for key in holder.keys.clone() {
            let Some(lock) = self.locks.get_mut(&key) else { continue };
            let before = lock.holds.len();
            lock.holds
                .retain(|hold| hold.member != member || hold.scope != scope || hold.grant <= after);
            let gone = before - lock.holds.len();
            self.counted(member, key, gone);
        }
    }

    /// Forgets a member and whatever it holds.
    pub fn leave(&mut self, member: MemberId) {
        self.give_up(member);
        self.release_all(member, Scope::Transaction, 0);
        self.release_all(member, Scope::Session, 0);
        self.members.remove(&member);
    }

    /// Returns the number of the last grant.
    pub fn grants(&self) -> u64 {
        self.grants
    }

    /// Lists what is held and what is waited for.
    pub fn listed(&self) -> Vec<LockListing> {
        let mut listed = Vec::new();
        for (key, lock) in &self.locks {
            let mut held: Vec<(MemberId, Mode)> =
                lock.holds.iter().map(|hold| (hold.member, hold.mode)).collect();
            held.sort_unstable();
            held.dedup();
            let waiting = lock.waiting.iter().map(|waiting| (waiting.member, waiting.mode));
            let all = held.into_iter().map(|one| (one, true));
            for ((member, mode), granted) in all.chain(waiting.map(|one| (one, false))) {
                let process = self.members.get(&member).map_or(0, |holder| holder.process);
                listed.push(LockListing { key: *key, mode, process, granted });
            }
        }
        listed
    }

    /// Notes that so many grants of a key are gone.
    fn counted(&mut self, member: MemberId, key: Key, gone: usize) {
        let holds = self.locks.get(&key).is_some_and(|lock| lock.is_held_by(member));
        if let Some(holder) = self.members.get_mut(&member) {
            holder.count -= gone;
            if !holds {
                holder.keys.remove(&key);
            }
        }
        self.forget_idle(key);
    }

    fn forget_idle(&mut self, key: Key) {
        if self.locks.get(&key).is_some_and(Lock::is_idle) {
            self.locks.remove(&key);
        }
    }

    /// Returns whether a member that waits, waits for itself in the end.
    fn is_circle(&self, member: MemberId) -> bool {
        let mut seen = BTreeSet::new();
        let mut open = vec![member];
        while let Some(next) = open.pop() {
            for other in self.waits_for(next) {
                if other == member {
                    return true;
                }
                if seen.insert(other) {
                    open.push(other);
                }
            }
        }
        false
    }

    /// Whom a member that is in a queue waits for.
    fn waits_for(&self, member: MemberId) -> Vec<MemberId> {
        let key = self.members.get(&member).and_then(|holder| holder.waits_for);
        let Some(lock) = key.and_then(|key| self.locks.get(&key)) else { return Vec::new() };
        let wanted = lock.waiting.iter().find(|waiting| waiting.member == member);
        wanted.map_or_else(Vec::new, |wanted| lock.in_the_way(member, wanted.mode))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: MemberId = MemberId(1);
    const B: MemberId = MemberId(2);
    const C: MemberId = MemberId(3);

    fn three() -> Locks {
        let mut locks = Locks::default();
        [A, B, C].iter().for_each(|member| locks.join(*member, 0));
        locks
    }

    fn asked(number: i64, mode: Mode) -> Asked {
        Asked { key: Key::Whole(number), mode, scope: Scope::Session }
    }

    #[test]
    fn locks_are_counted_and_shared() {
        use Mode::{Exclusive, Shared};
        let mut locks = three();
        assert_eq!(locks.take(A, asked(1, Exclusive), false), Taken::Yes);
        assert_eq!(locks.take(A, asked(1, Exclusive), false), Taken::Yes);
        assert_eq!(locks.take(B, asked(1, Shared), false), Taken::No);
        assert!(locks.release(A, Key::Whole(1), Exclusive));
        assert_eq!(locks.take(B, asked(1, Shared), false), Taken::No);
        assert!(locks.release(A, Key::Whole(1), Exclusive));
        assert!(!locks.release(A, Key::Whole(1), Exclusive));
        assert_eq!(locks.take(B, asked(1, Shared), false), Taken::Yes);
        assert_eq!(locks.take(C, asked(1, Shared), false), Taken::Yes);
        assert_eq!(locks.take(A, asked(1, Exclusive), false), Taken::No);
        // Two numbers are another lock than one.
        let pair = Asked { key: Key::Pair(0, 1), ..asked(1, Exclusive) };
        assert_eq!(locks.take(A, pair, false), Taken::Yes);
        locks.leave(A);
        locks.leave(B);
        locks.leave(C);
        assert!(locks.locks.is_empty() && locks.members.is_empty());
    }

    #[test]
    fn who_waits_is_served_in_turn() {
        use Mode::{Exclusive, Shared};
        let mut locks = three();
        assert_eq!(locks.take(A, asked(1, Shared), true), Taken::Yes);
        assert_eq!(locks.take(B, asked(1, Exclusive), true), Taken::No);
        // Nobody overtakes who waits, not even with a mode that would fit.
        assert_eq!(locks.take(C, asked(1, Shared), true), Taken::No);
        locks.give_up(B);
        assert_eq!(locks.take(C, asked(1, Shared), true), Taken::Yes);
    }

    #[test]
    fn a_circle_is_found_by_whoever_closes_it() {
        use Mode::{Exclusive, Shared};
        let mut locks = three();
        for (member, number) in [(A, 1), (B, 2), (C, 3)] {
            assert_eq!(locks.take(member, asked(number, Exclusive), true), Taken::Yes);
        }
        assert_eq!(locks.take(A, asked(2, Exclusive), true), Taken::No);
        assert_eq!(locks.take(B, asked(3, Exclusive), true), Taken::No);
        assert_eq!(locks.take(C, asked(1, Exclusive), true), Taken::Circle);
        locks.leave(C);
        assert_eq!(locks.take(B, asked(3, Exclusive), true), Taken::Yes);
        // Two that share a lock and both want it alone.
        let mut locks = three();
        for member in [A, B] {
            assert_eq!(locks.take(member, asked(1, Shared), true), Taken::Yes);
        }
        assert_eq!(locks.take(A, asked(1, Exclusive), true), Taken::No);
        assert_eq!(locks.take(B, asked(1, Exclusive), true), Taken::Circle);
    }

    #[test]
    fn locks_of_a_transaction_go_back_to_a_savepoint() {
        let mut locks = three();
        let of = |number| Asked { scope: Scope::Transaction, ..asked(number, Mode::Exclusive) };
        locks.take(A, of(1), false);
        let mark = locks.grants();
        locks.take(A, of(2), false);
        locks.take(A, asked(3, Mode::Exclusive), false);
        locks.release_all(A, Scope::Transaction, mark);
        let held = |locks: &Locks| locks.listed().iter().map(|one| one.key).collect::<Vec<_>>();
        assert_eq!(held(&locks), [Key::Whole(1), Key::Whole(3)]);
        locks.release_all(A, Scope::Transaction, 0);
        assert_eq!(held(&locks), [Key::Whole(3)]);
        assert!(!locks.release(A, Key::Whole(1), Mode::Exclusive));
    }

    #[test]
    fn one_session_holds_so_many() {
        let mut locks = three();
        for number in 0..LOCKS_MAX as i64 {
            assert_eq!(locks.take(A, asked(number, Mode::Shared), false), Taken::Yes);
        }
        assert_eq!(locks.take(A, asked(0, Mode::Shared), false), Taken::TooMany);
        assert_eq!(locks.take(B, asked(0, Mode::Shared), false), Taken::Yes);
    }
}
