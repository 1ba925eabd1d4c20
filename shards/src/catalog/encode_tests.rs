//! Does a catalog survive its bytes, and is every damage noticed?

use proptest::prelude::*;

use super::*;

fn any_type() -> impl Strategy<Value = ColumnType> {
    prop_oneof![
        Just(ColumnType::Bool),
        Just(ColumnType::Int),
        Just(ColumnType::BigInt),
        Just(ColumnType::Float),
        Just(ColumnType::Double),
        (1u8..=38, any::<i8>())
            .prop_map(|(precision, scale)| ColumnType::Numeric { precision, scale }),
        Just(ColumnType::Text),
        Just(ColumnType::Bytea),
        Just(ColumnType::Date),
        Just(ColumnType::Timestamp),
        Just(ColumnType::TimestampTz),
        Just(ColumnType::Uuid),
        Just(ColumnType::Json),
        any::<u32>().prop_map(ColumnType::Vector),
    ]
}

fn any_column() -> impl Strategy<Value = Column> {
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    (any::<u32>(), "\\PC{0,8}", any_type(), proptest::option::of("\\PC{0,8}"), flags).prop_map(
        |(id, name, ty, default, (not_null, hidden, generated))| Column {
            id: ColumnId(id),
            name,
            ty,
            not_null,
            default,
            hidden,
            generated,
        },
    )
}

fn any_index() -> impl Strategy<Value = Arc<Index>> {
    let metric = prop_oneof![Just(Metric::L2), Just(Metric::Cosine), Just(Metric::InnerProduct)];
    let field = (0usize..9, prop::collection::vec("\\PC{0,4}", 0..3))
        .prop_map(|(column, path)| TextField { column, path });
    let kind = prop_oneof![
        prop::collection::vec(0usize..9, 0..4).prop_map(|columns| IndexKind::Ordered { columns }),
        (0usize..9, metric, 1usize..99, 1usize..999, 1usize..999).prop_map(
            |(column, metric, m, ef_construction, ef_search)| IndexKind::Vector {
                column,
                metric,
                m,
                ef_construction,
                ef_search
            }
        ),
        (prop::collection::vec(field, 0..3), any::<bool>())
            .prop_map(|(fields, stem)| IndexKind::Text { fields, stem }),
    ];
    (any::<u32>(), "\\PC{0,8}", kind)
        .prop_map(|(id, name, kind)| Arc::new(Index { id: IndexId(id), name, kind }))
}

fn any_table() -> impl Strategy<Value = Table> {
    let kind = prop_oneof![
        Just(TableKind::Relation),
        Just(TableKind::Collection),
        (any::<u32>(), any::<u32>())
            .prop_map(|(s, t)| TableKind::Edge { source: TableId(s), target: TableId(t) }),
    ];
    let columns = prop::collection::vec(any_column(), 1..5);
    let indexes = prop::collection::vec(any_index(), 0..4);
    ("\\PC{0,8}", kind, columns, indexes).prop_map(|(name, kind, columns, indexes)| {
        let key: Vec<usize> = (0..columns.len()).rev().collect();
        Table { id: TableId(0), name, kind, columns, routing: key.len(), key, indexes }
    })
}

fn any_catalog() -> impl Strategy<Value = Catalog> {
    (any::<u64>(), 1u16.., prop::collection::vec(any_table(), 0..4)).prop_map(
        |(version, shard_count, tables)| {
            let mut catalog = Catalog::empty(shard_count);
            catalog.version = CatalogVersion(version);
            for (position, mut table) in tables.into_iter().enumerate() {
                table.id = TableId(position as u32 + 1);
                catalog.tables.insert(table.id, Arc::new(table));
            }
            catalog
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn catalog_survives_its_bytes(catalog in any_catalog()) {
        let bytes = encode(&catalog);
        prop_assert_eq!(decode(&bytes).expect("our own bytes"), catalog);
    }

    #[test]
    fn every_cut_is_refused(catalog in any_catalog(), cut in any::<prop::sample::Index>()) {
        let bytes = encode(&catalog);
        let cut = cut.index(bytes.len());
        prop_assert!(matches!(decode(&bytes[..cut]), Err(Error::Corrupt(_))));
    }

    #[test]
    fn a_changed_byte_never_panics(
        catalog in any_catalog(),
        place in any::<prop::sample::Index>(),
        bits in 1u8..,
    ) {
        let mut bytes = encode(&catalog);
        let place = place.index(bytes.len());
        bytes[place] ^= bits;
        drop(decode(&bytes));
    }
}

#[test]
fn unknown_format_is_refused() {
    let mut bytes = encode(&Catalog::empty(2));
    bytes[0] = 9;
    assert!(matches!(decode(&bytes), Err(Error::Corrupt(_))));
}
