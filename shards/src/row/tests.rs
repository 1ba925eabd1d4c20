//! Which promises do rows keep?

use proptest::prelude::*;

use super::encode::encode_with;
use super::{RowLayout, RowView, Stretch, column_array, field_of, value_of_field};
use crate::value::{ColumnType, Value};

fn cell() -> impl Strategy<Value = (ColumnType, Vec<Value>)> {
    let cells = |ty: ColumnType, one: BoxedStrategy<Value>| {
        let nullable = prop_oneof![4 => one, 1 => Just(Value::Null)];
        (Just(ty), prop::collection::vec(nullable, ROWS))
    };
    let numeric = ColumnType::Numeric { precision: 38, scale: 3 };
    prop_oneof![
        cells(ColumnType::Bool, any::<bool>().prop_map(Value::Bool).boxed()),
        cells(ColumnType::Int, any::<i32>().prop_map(Value::Int).boxed()),
        cells(ColumnType::BigInt, any::<i64>().prop_map(Value::BigInt).boxed()),
        cells(ColumnType::Float, (-1e9_f32..1e9).prop_map(Value::Float).boxed()),
        cells(ColumnType::Double, (-1e9..1e9).prop_map(Value::Double).boxed()),
        cells(numeric, (-1_000_000..1_000_000_i128).prop_map(Value::Numeric).boxed()),
        cells(ColumnType::Text, ".{0,6}".prop_map(|v: String| Value::Text(v.into())).boxed()),
        cells(
            ColumnType::Bytea,
            prop::collection::vec(any::<u8>(), 0..6).prop_map(|v| Value::Bytea(v.into())).boxed()
        ),
        cells(ColumnType::Date, any::<i32>().prop_map(Value::Date).boxed()),
        cells(ColumnType::TimestampTz, any::<i64>().prop_map(Value::TimestampTz).boxed()),
        cells(ColumnType::Uuid, any::<[u8; 16]>().prop_map(Value::Uuid).boxed()),
        cells(
            ColumnType::Vector(2),
            (-1e3_f32..1e3, -1e3_f32..1e3).prop_map(|(a, b)| Value::Vector([a, b].into())).boxed()
        ),
    ]
}

const ROWS: usize = 4;

fn encoded(layout: &RowLayout, columns: &[(ColumnType, Vec<Value>)], row: usize) -> Vec<u8> {
    let values: Vec<Value> = columns.iter().map(|(_, cells)| cells[row].clone()).collect();
    encode_with(layout, &values, |_, error| error).expect("fitting values").to_vec()
}

proptest! {
    #[test]
    fn columns_come_back_as_they_went_in(columns in prop::collection::vec(cell(), 1..12)) {
        let layout = RowLayout::of_types(columns.iter().map(|(ty, _)| ty));
        let rows: Vec<Vec<u8>> = (0..ROWS).map(|row| encoded(&layout, &columns, row)).collect();
        let views: Vec<RowView<'_>> =
            rows.iter().map(|row| RowView::new(row, &layout).expect("a row")).collect();
        for (column, (ty, cells)) in columns.iter().enumerate() {
            let stretches: Vec<_> = views.iter().map(|view| Stretch::Row(*view)).collect();
            let array = column_array(&stretches, &layout, column).expect("an array");
            prop_assert_eq!(array.data_type(), &ty.arrow());
            for (row, cell) in cells.iter().enumerate() {
                prop_assert_eq!(&views[row].value(&layout, column).expect("a value"), cell);
                prop_assert_eq!(&Value::from_array(&array, row, ty).expect("a value"), cell);
            }
        }
    }

    #[test]
    fn damaged_rows_are_errors(
        columns in prop::collection::vec(cell(), 1..6),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let layout = RowLayout::of_types(columns.iter().map(|(ty, _)| ty));
        let mut row = encoded(&layout, &columns, 0);
        let index = at.index(row.len());
        row[index] = byte;
        row.truncate(cut.index(row.len() + 1));
        if let Ok(view) = RowView::new(&row, &layout) {
            let _ = view.check(&layout);
            for column in 0..columns.len() {
                let _ = view.value(&layout, column);
                let _ = column_array(&[Stretch::Row(view)], &layout, column);
            }
        }
    }
}

#[test]
fn a_column_added_later_is_null_in_old_rows() {
    let old = RowLayout::of_types([ColumnType::Int, ColumnType::Text].iter());
    let values = [Value::Int(1), Value::Text("a".into())];
    let row = encode_with(&old, &values, |_, error| error).expect("a row");
    let new = RowLayout::of_types([ColumnType::Int, ColumnType::Text, ColumnType::BigInt].iter());
    let view = RowView::new(&row, &new).expect("a row");
    let expected = [Value::Int(1), Value::Text("a".into()), Value::Null];
    assert_eq!(view.values(&new).expect("values"), expected);
}

#[test]
fn a_column_added_with_a_default_has_it_in_old_rows() {
    let old = RowLayout::of_types([ColumnType::Int].iter());
    let row = encode_with(&old, &[Value::Int(1)], |_, error| error).expect("a row");
    let added = [
        Value::Text("new".into()),
        Value::BigInt(-7),
        Value::Vector([1.0, 2.0].into()),
        Value::Null,
        Value::Bool(true),
    ];
    let types = [
        ColumnType::Int,
        ColumnType::Text,
        ColumnType::BigInt,
        ColumnType::Vector(2),
        ColumnType::Date,
        ColumnType::Bool,
    ];
    let field = |(ty, value)| field_of(ty, value).expect("a fitting value");
    let missing = std::iter::once(None).chain(types[1..].iter().zip(&added).map(field));
    let new = RowLayout::of_types(types.iter()).with_missing(missing);
    let view = RowView::new(&row, &new).expect("a row");
    let expected: Vec<Value> = std::iter::once(Value::Int(1)).chain(added).collect();
    assert_eq!(view.values(&new).expect("values"), expected);
    for (column, value) in expected.iter().enumerate() {
        assert_eq!(view.is_null(column), value.is_null());
        let array = column_array(&[Stretch::Row(view)], &new, column).expect("an array");
        assert_eq!(&Value::from_array(&array, 0, &types[column]).expect("a value"), value);
    }
    let mut elements = Vec::new();
    assert!(view.vector_into(&new, 3, &mut elements).expect("a vector"));
    assert_eq!(elements, [1.0, 2.0]);
    assert_eq!(view.text(&new, 1).expect("a text"), Some("new"));
}

#[test]
fn what_is_no_field_is_an_error() {
    for (ty, field) in [
        (ColumnType::Int, &[0; 3][..]),
        (ColumnType::Bool, &[]),
        (ColumnType::Text, &[0xff]),
        (ColumnType::Vector(2), &[0; 4]),
    ] {
        assert!(value_of_field(&ty, field).is_err(), "{ty:?}");
    }
}

/// Written by hand from the page of the module: INT 5, TEXT "hi", INT null.
#[test]
fn the_layout_is_frozen() {
    let types = [ColumnType::Int, ColumnType::Text, ColumnType::Int];
    let layout = RowLayout::of_types(types.iter());
    let values = [Value::Int(5), Value::Text("hi".into()), Value::Null];
    let row = encode_with(&layout, &values, |_, error| error).expect("a row");
    let expected = [1, 0, 3, 0, 0b100, 5, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, b'h', b'i'];
    assert_eq!(*row, expected);
}
