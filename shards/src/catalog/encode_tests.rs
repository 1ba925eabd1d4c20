//! Does a catalog survive its bytes, and is every damage noticed?

use proptest::prelude::*;

use super::*;
use crate::catalog::{
    Action, Constraint, ConstraintKind, Content, Foreign, SequenceShape, Unique, ViewQuery,
    ViewRead,
};
use crate::ids::Timestamp;

fn any_scalar() -> impl Strategy<Value = ColumnType> {
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
        Just(ColumnType::SmallInt),
        any::<u32>().prop_map(ColumnType::Varchar),
        Just(ColumnType::Time),
        Just(ColumnType::Interval),
    ]
}

fn any_type() -> impl Strategy<Value = ColumnType> {
    prop_oneof![
        4 => any_scalar(),
        1 => Just(ColumnType::Json),
        1 => any::<u32>().prop_map(ColumnType::Vector),
        1 => any_scalar().prop_filter_map("an array", ColumnType::array_of),
    ]
}

fn any_column() -> impl Strategy<Value = Column> {
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    let altered = (any::<bool>(), any::<bool>(), proptest::option::of(any::<[u8; 16]>()));
    let texts = (proptest::option::of("\\PC{0,8}"), any_comment());
    (any::<u32>(), "\\PC{0,8}", any_type(), texts, (flags, altered)).prop_map(
        |(id, name, ty, (default, comment), (flags, altered))| {
            let (not_null, hidden, generated, always) = flags;
            let (dropped, held_nulls, missing) = altered;
            Column {
                id: ColumnId(id),
                name,
                not_null,
                default,
                hidden,
                generated,
                always,
                altered: Altered {
                    dropped,
                    held_nulls,
                    missing: missing
                        .filter(|field| value_of_field(&ty, field).is_ok())
                        .map(|field| field.to_vec().into()),
                },
                ty,
                comment,
            }
        },
    )
}

fn any_comment() -> impl Strategy<Value = Option<Arc<str>>> {
    proptest::option::of("\\PC{0,8}".prop_map(Arc::from))
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
    (any::<u32>(), "\\PC{0,8}", kind, any_comment()).prop_map(|(id, name, kind, comment)| {
        Arc::new(Index { id: IndexId(id), name, kind, comment })
    })
}

fn any_rewrite() -> impl Strategy<Value = Option<Rewrite>> {
    proptest::option::of(prop_oneof![
        any::<u64>().prop_map(|process| Rewrite::Source { process }),
        any::<u64>().prop_map(|process| Rewrite::Begun { process }),
        (any::<u32>(), any::<u64>())
            .prop_map(|(of, process)| Rewrite::Copy { of: TableId(of), process }),
    ])
}

fn any_sequence() -> impl Strategy<Value = SequenceShape> {
    let numbers = (any::<i64>(), 1i64.., any::<i64>(), any::<i64>());
    (numbers, any::<bool>(), 1u32.., any::<u32>()).prop_map(
        |((start, increment, a, b), cycle, cache, owner)| SequenceShape {
            start,
            increment: if cycle { -increment } else { increment },
            min: start.min(a).min(b),
            max: start.max(a).max(b),
            cycle,
            cache,
            owner: Some(TableId(owner)).filter(|owner| owner.0 != 0),
        },
    )
}

fn any_query() -> impl Strategy<Value = ViewQuery> {
    let column = (any::<u32>(), "\\PC{0,8}").prop_map(|(id, name)| (ColumnId(id), name));
    let columns = prop::collection::vec(column, 0..4);
    let read = ("\\PC{0,8}", any::<u32>(), columns).prop_map(|(name, table, columns)| ViewRead {
        name,
        table: TableId(table),
        columns,
    });
    ("\\PC{0,30}", prop::collection::vec(read, 0..3))
        .prop_map(|(text, reads)| ViewQuery { text, reads })
}

fn any_content() -> impl Strategy<Value = Content> {
    prop_oneof![
        Just(Content::Nothing),
        any::<u64>().prop_map(|since| Content::Whole(Timestamp(since))),
        any::<u64>().prop_map(Content::Filling),
    ]
}

fn any_constraint() -> impl Strategy<Value = Arc<Constraint>> {
    let action = || {
        prop_oneof![
            Just(Action::NoAction),
            Just(Action::Restrict),
            Just(Action::Cascade),
            Just(Action::SetNull),
            Just(Action::SetDefault),
        ]
    };
    let kind = prop_oneof![
        "\\PC{0,9}".prop_map(|text| ConstraintKind::Check { text }),
        (any::<u32>(), any::<u32>(), any::<u64>()).prop_map(|(entries, index, filling)| {
            ConstraintKind::Unique(Unique {
                columns: vec![0],
                entries: TableId(entries),
                index: IndexId(index),
                filling: Some(filling).filter(|filling| *filling != 0),
            })
        }),
        (0u32..5, 0usize..9, action(), action()).prop_map(|(target, at, on_delete, on_update)| {
            ConstraintKind::Foreign(Foreign {
                columns: vec![0],
                target: TableId(target),
                target_columns: vec![at],
                on_delete,
                on_update,
            })
        }),
    ];
    ("\\PC{0,8}", kind, any::<bool>(), any_comment()).prop_map(
        |(name, kind, validated, comment)| Arc::new(Constraint { name, kind, validated, comment }),
    )
}

fn any_table() -> impl Strategy<Value = Table> {
    let kind = prop_oneof![
        Just(TableKind::Relation),
        Just(TableKind::Collection),
        (any::<u32>(), any::<u32>())
            .prop_map(|(s, t)| TableKind::Edge { source: TableId(s), target: TableId(t) }),
        any::<u32>().prop_map(|of| TableKind::Entries { of: TableId(of) }),
        any_sequence().prop_map(TableKind::Sequence),
        Just(TableKind::Answers),
        any_query().prop_map(TableKind::View),
        (any_query(), any_content())
            .prop_map(|(query, content)| TableKind::Materialized { query, content }),
        (any::<u64>(), any_query(), any_content()).prop_map(|(process, query, content)| {
            let becomes = Box::new(TableKind::Materialized { query, content });
            TableKind::Unfinished { process, becomes }
        }),
    ];
    let columns = prop::collection::vec(any_column(), 1..5);
    let indexes = prop::collection::vec(any_index(), 0..4);
    let constraints = prop::collection::vec(any_constraint(), 0..4);
    let last = (any_comment(), any_rewrite(), 0u64..3);
    ("\\PC{0,8}", kind, columns, indexes, (constraints, last)).prop_map(
        |(name, kind, columns, indexes, (constraints, (comment, rewrite, since)))| {
            let key: Vec<usize> = (0..columns.len()).rev().collect();
            let (id, routing, referrers) = (TableId(0), key.len(), Vec::new());
            let since = Some(Timestamp(since)).filter(|since| since.0 != 0);
            Table {
                id,
                name,
                kind,
                columns,
                routing,
                key,
                indexes,
                constraints,
                referrers,
                comment,
                rewrite,
                since,
            }
        },
    )
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
            catalog.link();
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

/// Kinds are read without going deeper for every level a damaged log may claim.
#[test]
fn an_unfinished_table_that_becomes_an_unfinished_one_is_refused() {
    let mut catalog = Catalog::empty(2);
    let mut kind = TableKind::Relation;
    for _ in 0..2 {
        kind = TableKind::Unfinished { process: 1, becomes: Box::new(kind) };
    }
    let column = Column {
        id: ColumnId(0),
        name: "id".to_owned(),
        ty: ColumnType::Int,
        not_null: true,
        default: None,
        hidden: false,
        generated: false,
        always: false,
        altered: Altered::default(),
        comment: None,
    };
    let table = Table {
        id: TableId(1),
        name: "t".to_owned(),
        kind,
        columns: vec![column],
        key: vec![0],
        routing: 1,
        indexes: Vec::new(),
        constraints: Vec::new(),
        referrers: Vec::new(),
        comment: None,
        rewrite: None,
        since: None,
    };
    catalog.tables.insert(table.id, Arc::new(table));
    assert!(matches!(decode(&encode(&catalog)), Err(Error::Corrupt(_))));
}

/// The bytes of the first format, put together by hand from its table: one relation `t (id INT)`.
#[test]
fn the_format_without_constraints_is_read() {
    let mut bytes = vec![1];
    bytes.extend(7u64.to_le_bytes());
    bytes.extend(2u16.to_le_bytes());
    for number in [2u32, 1, 1, 1, 1] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend(*b"t\x01");
    bytes.extend([1u32, 0, 2].map(u32::to_le_bytes).concat());
    bytes.extend(*b"id\x02\x01");
    bytes.extend([1u32, 0, 1, 0].map(u32::to_le_bytes).concat());
    let catalog = decode(&bytes).expect("a catalog of the first format");
    let table = catalog.table_named("t").expect("its table");
    assert_eq!((catalog.version, table.key.as_slice()), (CatalogVersion(7), [0].as_slice()));
    assert!(table.columns[0].not_null && !table.columns[0].always);
    assert!(table.constraints.is_empty());
}
