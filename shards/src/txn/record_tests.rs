//! Does every record survive its bytes, and is every damage noticed?

use proptest::prelude::*;

use super::*;

fn any_key() -> impl Strategy<Value = Key> {
    (prop::collection::vec(any::<u8>(), 0..12), 0..crate::ids::SLOT_COUNT)
        .prop_map(|(bytes, slot)| Key::from_encoded(bytes.into(), Slot(slot)))
}

fn any_write() -> impl Strategy<Value = Write> {
    let op = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40).prop_map(|row| WriteOp::Put(row.into())),
        Just(WriteOp::Delete),
        (any_key(), any_key(), any::<bool>())
            .prop_map(|(source, target, present)| WriteOp::Mirror { source, target, present }),
        (prop::option::of(prop::collection::vec(any::<u8>(), 0..12)), any::<u64>())
            .prop_map(|(to, count)| WriteOp::Erase { to: to.map(Into::into), count }),
    ];
    (any::<u32>(), any_key(), op).prop_map(|(table, key, op)| Write {
        table: TableId(table),
        key,
        op,
        expect: Expect::Any,
    })
}

fn any_record() -> impl Strategy<Value = (Vec<u8>, String)> {
    let writes = prop::collection::vec(any_write(), 0..6);
    (0..5, any::<u64>(), any::<u64>(), any::<u16>(), writes, any::<bool>()).prop_map(
        |(kind, txn, commit, home, writes, kept)| {
            let (txn, commit, home) = (TxnId(txn), Timestamp(commit), ShardId(home));
            let settled = kept.then_some(commit);
            let (bytes, record) = match kind {
                0 => (
                    encode_catalog_record(&Catalog::empty(3)),
                    Record::Catalog(Box::new(Catalog::empty(3))),
                ),
                1 => (encode_commit(txn, commit, &writes), Record::Commit { txn, commit, writes }),
                2 => (encode_prepare(txn, home, &writes), Record::Prepare { txn, home, writes }),
                3 => (encode_decision(txn, commit), Record::Decision { txn, commit }),
                _ => (encode_outcome(txn, settled), Record::Outcome { txn, commit: settled }),
            };
            (bytes, format!("{record:?}"))
        },
    )
}

proptest! {
    #[test]
    fn record_survives_its_bytes((bytes, expected) in any_record()) {
        let record = decode(&bytes).expect("our own bytes");
        prop_assert_eq!(format!("{record:?}"), expected);
    }

    #[test]
    fn every_cut_is_refused((bytes, _) in any_record(), cut in any::<prop::sample::Index>()) {
        let cut = cut.index(bytes.len());
        prop_assert!(matches!(decode(&bytes[..cut]), Err(Error::Corrupt(_))));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        drop(decode(&bytes));
    }

    #[test]
    fn size_estimate_is_exact(writes in prop::collection::vec(any_write(), 0..6)) {
        let bytes = encode_commit(TxnId(1), Timestamp(1), &writes);
        // Kind, format, transaction, timestamp and count are 22 bytes; a write without row or
        // mirror has one length less than the estimate allows for.
        prop_assert!(bytes.len() <= 22 + writes_len(&writes));
        prop_assert!(bytes.len() + 4 * writes.len() >= 22 + writes_len(&writes));
    }
}
