//! Is each class of anomaly found when it is there, and none when it is not?

use std::ops::{Range, RangeInclusive};

use super::{Class, Element, Operation, Outcome, Promise, RecordId, Transaction, check};

fn elements(list: &[u64]) -> Vec<Element> {
    list.iter().copied().map(Element).collect()
}

fn append(record: u64, element: u64) -> Operation {
    Operation::Append { record: RecordId(record), element: Element(element) }
}

fn read(record: u64, list: &[u64]) -> Operation {
    Operation::Read { record: RecordId(record), found: elements(list) }
}

fn search(
    records: Range<u64>,
    lengths: RangeInclusive<usize>,
    found: &[(u64, &[u64])],
) -> Operation {
    let found = found.iter().map(|(record, list)| (RecordId(*record), elements(list))).collect();
    Operation::Search { records, lengths, found }
}

/// A committed transaction that ran at the same time as all others of its kind.
fn txn(operations: impl Into<Vec<Operation>>) -> Transaction {
    timed(0, 100, operations)
}

fn timed(begin: u64, end: u64, operations: impl Into<Vec<Operation>>) -> Transaction {
    let operations = operations.into();
    Transaction { client: 0, begin, end, outcome: Outcome::Committed, operations }
}

fn told(outcome: Outcome, transaction: Transaction) -> Transaction {
    Transaction { outcome, ..transaction }
}

#[track_caller]
fn shows(history: &[Transaction], class: Class, realtime: bool) {
    let found = check(history, Promise::StrictSerializable);
    let classes: Vec<(Class, bool)> = found.iter().map(|one| (one.class, one.realtime)).collect();
    assert_eq!(classes, [(class, realtime)], "{found:#?}");
    let allows = |promise| check(history, promise).is_empty();
    let only_skew = matches!(class, Class::G2Item | Class::G2);
    assert_eq!(allows(Promise::Snapshot), only_skew, "{found:#?}");
    assert_eq!(allows(Promise::Serializable), realtime, "{found:#?}");
}

#[test]
fn a_serial_history_shows_nothing() {
    // One after the other, each reading one record, a range and what it wrote itself.
    let mut lists: [Vec<u64>; 4] = Default::default();
    let mut history = Vec::new();
    for number in 0..200_usize {
        let (own, other) = (number % 4, number * 7 % 3);
        let element = number as u64 + 1;
        let all = |lists: &[Vec<u64>; 4], longer: usize| {
            let found: Vec<(u64, &[u64])> = (0..)
                .zip(lists)
                .filter(|(_, list)| list.len() >= longer)
                .map(|(record, list)| (record, list.as_slice()))
                .collect();
            search(0..4, longer..=usize::MAX, &found)
        };
        let mut steps = vec![read(other as u64, &lists[other]), all(&lists, 1 + number % 30)];
        steps.push(append(own as u64, element));
        let before = lists[own].len();
        lists[own].push(element);
        steps.extend([read(own as u64, &lists[own]), all(&lists, before + 1)]);
        history.push(timed(number as u64 * 10, number as u64 * 10 + 5, steps));
        if number.is_multiple_of(5) {
            let refused =
                timed(number as u64 * 10, number as u64 * 10 + 9, [append(0, 1000 + element)]);
            history.push(told(Outcome::Refused, refused));
            let lost =
                timed(number as u64 * 10, number as u64 * 10 + 9, [append(1, 2000 + element)]);
            history.push(told(Outcome::Unknown, lost));
        }
    }
    assert_eq!(check(&history, Promise::StrictSerializable), []);
}

#[test]
fn overlapping_transactions_in_some_order_show_nothing() {
    let history = [
        txn([read(1, &[]), append(2, 1)]),
        txn([append(1, 2), append(2, 3), append(2, 4)]),
        txn([read(1, &[2]), search(0..9, 2..=9, &[(2, &[1, 3, 4])])]),
        told(Outcome::Unknown, timed(0, 50, [read(2, &[1, 3, 4]), append(3, 5)])),
        timed(200, 300, [read(1, &[2]), read(3, &[5])]),
    ];
    assert_eq!(check(&history, Promise::StrictSerializable), []);
}

#[test]
fn writes_in_a_circle_are_g0() {
    let history = [
        txn([append(1, 1), append(2, 1)]),
        txn([append(1, 2), append(2, 2)]),
        txn([read(1, &[1, 2])]),
        txn([read(2, &[2, 1])]),
    ];
    let found = check(&history, Promise::StrictSerializable);
    assert_eq!(found[0].class, Class::G0, "{found:#?}");
    let blind = [
        txn([append(1, 1), append(1, 3)]),
        txn([append(1, 2)]),
        timed(200, 300, [read(1, &[1, 2, 3])]),
    ];
    shows(&blind, Class::G0, false);
}

#[test]
fn what_was_refused_and_read_is_g1a() {
    let history = [told(Outcome::Refused, txn([append(1, 1)])), txn([read(1, &[1])])];
    shows(&history, Class::G1a, false);
}

#[test]
fn what_was_overwritten_by_its_writer_and_read_is_g1b() {
    let history = [txn([append(1, 1), append(1, 2)]), txn([read(1, &[1])])];
    let found = check(&history, Promise::Snapshot);
    assert_eq!(found[0].class, Class::G1b, "{found:#?}");
}

#[test]
fn two_that_read_each_other_are_g1c() {
    let history = [txn([append(1, 1), read(2, &[2])]), txn([append(2, 2), read(1, &[1])])];
    shows(&history, Class::G1c, false);
}

#[test]
fn a_read_half_way_is_g_single() {
    let history = [txn([append(1, 1), append(2, 2)]), txn([read(1, &[1]), read(2, &[])])];
    let later = timed(200, 300, [read(2, &[2])]);
    let [writer, reader] = history;
    shows(&[writer, reader, later], Class::GSingle, false);
}

#[test]
fn an_update_of_a_stale_version_is_g_single() {
    let history = [
        txn([read(1, &[]), append(1, 1)]),
        txn([read(1, &[]), append(1, 2)]),
        timed(200, 300, [read(1, &[1, 2])]),
    ];
    shows(&history, Class::GSingle, false);
}

#[test]
fn two_readers_who_disagree_about_two_writers_are_g_nonadjacent() {
    let history = [
        txn([append(1, 1)]),
        txn([append(2, 2)]),
        txn([read(1, &[1]), read(2, &[])]),
        txn([read(1, &[]), read(2, &[2])]),
    ];
    shows(&history, Class::GNonadjacent, false);
}

#[test]
fn write_skew_is_g2_item() {
    let history = [
        txn([read(1, &[]), append(2, 2)]),
        txn([read(2, &[]), append(1, 1)]),
        timed(200, 300, [read(1, &[1]), read(2, &[2])]),
    ];
    shows(&history, Class::G2Item, false);
}

#[test]
fn phantoms_of_two_searches_are_g2() {
    let history = [
        txn([search(0..9, 1..=9, &[]), append(2, 2)]),
        txn([search(0..9, 1..=9, &[]), append(1, 1)]),
        timed(200, 300, [read(1, &[1]), read(2, &[2])]),
    ];
    shows(&history, Class::G2, false);
}

#[test]
fn a_record_that_grew_into_a_search_is_g2() {
    // Both records had one element; each made the other's search find something.
    let history = [
        timed(0, 10, [append(1, 1), append(2, 2)]),
        timed(20, 90, [search(0..9, 2..=9, &[]), append(2, 4)]),
        timed(20, 90, [search(0..9, 2..=9, &[]), append(1, 3)]),
        timed(200, 300, [read(1, &[1, 3]), read(2, &[2, 4])]),
    ];
    shows(&history, Class::G2, false);
}

#[test]
fn a_search_that_could_have_missed_a_record_rightly_shows_nothing() {
    // It finds lists of two; one of three and one of one element are none.
    let history = [
        timed(0, 10, [append(1, 1)]),
        timed(20, 30, [append(1, 2), append(1, 3)]),
        timed(20, 90, [search(0..9, 2..=2, &[])]),
        timed(200, 300, [read(1, &[1, 2, 3])]),
    ];
    assert_eq!(check(&history, Promise::StrictSerializable), []);
}

#[test]
fn a_stale_read_is_an_anomaly_in_real_time_only() {
    let history = [
        timed(0, 10, [append(1, 1)]),
        timed(20, 30, [read(1, &[])]),
        timed(40, 50, [read(1, &[1])]),
    ];
    shows(&history, Class::GSingle, true);
}

#[test]
fn real_time_reaches_over_others() {
    let mut history = vec![timed(0, 1, [append(1, 1)])];
    history.extend((1..20).map(|at| timed(at * 10, at * 10 + 5, [append(2, at)])));
    let all: Vec<u64> = (1..20).collect();
    history.push(timed(300, 310, [read(1, &[])]));
    history.push(timed(320, 330, [read(1, &[1]), read(2, &all)]));
    shows(&history, Class::GSingle, true);
}

#[test]
fn acknowledged_and_gone_is_lost() {
    let history = [timed(0, 10, [append(1, 1)]), timed(20, 30, [read(1, &[])])];
    shows(&history, Class::Lost, false);
    // Nobody looked later, or nobody was told.
    assert_eq!(check(&history[..1], Promise::StrictSerializable), []);
    let [writer, reader] = history;
    let history = [told(Outcome::Unknown, writer), reader];
    assert_eq!(check(&history, Promise::StrictSerializable), []);
}

#[test]
fn twice_is_a_duplicate() {
    let history = [txn([append(1, 1)]), timed(200, 300, [read(1, &[1, 1])])];
    let found = check(&history, Promise::Snapshot);
    assert_eq!(found[0].class, Class::Duplicate, "{found:#?}");
}

#[test]
fn what_nobody_wrote_is_garbage() {
    shows(&[txn([read(1, &[7])])], Class::Garbage, false);
}

#[test]
fn two_orders_of_one_record_are_incompatible() {
    let history =
        [txn([append(1, 1)]), txn([append(1, 2)]), txn([read(1, &[1, 2])]), txn([read(1, &[2])])];
    shows(&history, Class::Incompatible, false);
}

#[test]
fn own_writes_that_are_not_seen_are_internal() {
    shows(&[txn([append(1, 1), read(1, &[])])], Class::Internal, false);
    let missed = txn([append(1, 1), search(0..9, 1..=9, &[])]);
    shows(&[missed], Class::Internal, false);
}

#[test]
fn a_story_says_who_why_and_what() {
    let history = [
        txn([read(1, &[]), append(2, 2)]),
        txn([read(2, &[]), append(1, 1)]),
        timed(200, 300, [read(1, &[1]), read(2, &[2])]),
    ];
    let found = check(&history, Promise::Serializable);
    assert_eq!(
        found[0].to_string(),
        "G2-item: T0 -rw-> T1 -rw-> T0\n  \
         T0 read 1 without 1, which T1 appended\n  \
         T1 read 2 without 2, which T0 appended\n  \
         T0: client 0, 0 to 100, Committed: read 1 = [], append 2 to 2\n  \
         T1: client 0, 0 to 100, Committed: read 2 = [], append 1 to 1\n"
    );
}
