//! Do values between cores keep their order, bounds and ends on both back ends?

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use pieskieo_io::rt::{self, CoreId, Queue, TrySendError, lane, mesh};

use crate::{PerCore, both, both_with};

const COUNT: u32 = 2000;

#[test]
fn lanes_keep_order_across_cores() {
    let setup = || {
        let (sender, receiver) = lane::<u32>(3);
        PerCore::new([(Some(sender), None), (None, Some(receiver))])
    };
    both_with(2, setup, |core, _, ends| async move {
        match ends.take(core) {
            (Some(mut sender), _) => {
                for number in 0..COUNT {
                    sender.send(number).await.unwrap();
                }
            }
            (_, Some(mut receiver)) => {
                for number in 0..COUNT {
                    assert_eq!(receiver.recv().await, Some(number));
                }
                assert_eq!(receiver.recv().await, None);
                assert!(receiver.is_closed());
            }
            _ => unreachable!(),
        }
    });
}

#[test]
fn lanes_work_within_a_core() {
    both(1, |_, _| async move {
        let (mut sender, receiver) = lane(1);
        let task = rt::spawn(Queue::Lanes, "sender", async move {
            for number in 0..100 {
                sender.send(number).await.unwrap();
            }
        });
        let received: Vec<i32> = receiver.collect().await;
        task.await;
        assert_eq!(received, (0..100).collect::<Vec<_>>());
    });
}

#[test]
fn a_full_lane_waits_and_gives_the_value_back() {
    both(1, |_, _| async move {
        let (mut sender, mut receiver) = lane(2);
        sender.try_send(1).unwrap();
        sender.try_send(2).unwrap();
        assert_eq!(sender.try_send(3), Err(TrySendError::Full(3)));
        let waiting = rt::timeout(Duration::from_millis(1), sender.send(3)).await;
        assert!(waiting.is_err());
        assert_eq!(receiver.recv().await, Some(1));
        sender.send(4).await.unwrap();
        assert_eq!((receiver.recv().await, receiver.recv().await), (Some(2), Some(4)));
        assert_eq!(receiver.try_recv(), None);
    });
}

#[test]
fn a_sender_learns_that_the_receiver_left() {
    let setup = || {
        let (sender, receiver) = lane::<Arc<u32>>(1);
        PerCore::new([(Some(sender), None), (None, Some(receiver))])
    };
    both_with(2, setup, |core, _, ends| async move {
        match ends.take(core) {
            (Some(mut sender), _) => {
                let value = Arc::new(5);
                let mut sent = 0;
                while sender.send(value.clone()).await.is_ok() {
                    sent += 1;
                }
                assert!(sent >= 1 && sender.is_closed());
                assert!(matches!(sender.try_send(value), Err(TrySendError::Closed(_))));
            }
            (_, Some(mut receiver)) => {
                assert_eq!(receiver.recv().await.as_deref(), Some(&5));
                rt::sleep(Duration::from_millis(1)).await;
            }
            _ => unreachable!(),
        }
    });
}

#[test]
fn values_nobody_receives_are_dropped_with_the_receiver() {
    let (mut sender, receiver) = lane(4);
    let value = Arc::new(());
    sender.try_send(value.clone()).unwrap();
    drop(receiver);
    assert_eq!(Arc::strong_count(&value), 1);
}

#[test]
fn a_mesh_keeps_order_between_each_pair() {
    const CORES: u16 = 3;
    let setup = || PerCore::new(mesh::<(u16, u32)>(usize::from(CORES), 4));
    both_with(CORES, setup, |core, _, ends| async move {
        let end = std::rc::Rc::new(ends.take(core));
        assert_eq!(end.core(), core);
        let sending = end.clone();
        let sender = rt::spawn(Queue::Lanes, "sender", async move {
            for number in 0..COUNT / 4 {
                for to in 0..CORES {
                    sending.send(CoreId(to), (core.0, number)).await.unwrap();
                }
            }
        });
        let mut next = [0; CORES as usize];
        for _ in 0..COUNT / 4 * u32::from(CORES) {
            // The others may have left before this core has sent all of its own to itself.
            let (from, (claimed, number)) = loop {
                match end.recv().await {
                    Some(received) => break received,
                    None => rt::yield_now().await,
                }
            };
            assert_eq!(from.0, claimed);
            assert_eq!(next[usize::from(from.0)], number);
            next[usize::from(from.0)] += 1;
        }
        sender.await;
        assert!(end.try_recv().is_none());
    });
}

#[test]
fn several_senders_of_a_core_wait_in_line() {
    let setup = || PerCore::new(mesh::<u32>(2, 1));
    both_with(2, setup, |core, _, ends| async move {
        let end = std::rc::Rc::new(ends.take(core));
        if core.0 == 0 {
            let tasks: Vec<_> = (0..20)
                .map(|number| {
                    let end = end.clone();
                    rt::spawn(Queue::Query, "sender", async move {
                        end.send(CoreId(1), number).await.unwrap();
                    })
                })
                .collect();
            for task in tasks {
                task.await;
            }
        } else {
            let mut received = Vec::new();
            for _ in 0..20 {
                received.push(end.recv().await.unwrap().1);
            }
            received.sort_unstable();
            assert_eq!(received, (0..20).collect::<Vec<_>>());
        }
    });
}

#[test]
fn a_full_mesh_refuses_and_a_gone_core_too() {
    both(1, |_, _| async move {
        let mut ends = mesh::<u8>(2, 2);
        let (second, first) = (ends.pop().unwrap(), ends.pop().unwrap());
        first.try_send(CoreId(1), 1).unwrap();
        first.try_send(CoreId(1), 2).unwrap();
        assert_eq!(first.try_send(CoreId(1), 3).unwrap_err().0, 3);
        first.try_send(CoreId(0), 9).unwrap();
        assert_eq!(second.recv().await, Some((CoreId(0), 1)));
        second.try_send(CoreId(0), 4).unwrap();
        drop(second);
        assert!(first.is_closed(CoreId(1)));
        assert_eq!(first.try_send(CoreId(1), 3).unwrap_err().0, 3);
        assert!(first.send(CoreId(1), 3).await.is_err());
        let mut rest = vec![first.recv().await.unwrap(), first.recv().await.unwrap()];
        rest.sort_unstable();
        assert_eq!(rest, [(CoreId(0), 9), (CoreId(1), 4)]);
        assert_eq!(first.recv().await, None);
    });
}

#[test]
fn a_sender_waiting_for_room_learns_that_the_core_left() {
    let setup = || PerCore::new(mesh::<u32>(2, 1));
    both_with(2, setup, |core, _, ends| async move {
        let end = ends.take(core);
        if core.0 == 0 {
            while end.send(CoreId(1), 1).await.is_ok() {}
        } else {
            end.recv().await.unwrap();
            rt::sleep(Duration::from_millis(2)).await;
        }
    });
}

#[test]
fn a_sleeping_core_is_woken() {
    let setup = || PerCore::new(mesh::<u32>(2, 8));
    both_with(2, setup, |core, _, ends| async move {
        let end = ends.take(core);
        for number in 0..20 {
            if core.0 == 0 {
                rt::sleep(Duration::from_millis(1)).await;
                end.send(CoreId(1), number).await.unwrap();
                assert_eq!(end.recv().await, Some((CoreId(1), number + 1)));
            } else {
                assert_eq!(end.recv().await, Some((CoreId(0), number)));
                end.send(CoreId(0), number + 1).await.unwrap();
            }
        }
    });
}
