//! Which promises do keys keep?

use std::ops::Bound;
use std::slice::from_ref;
use std::sync::Arc;

use proptest::prelude::*;

use super::{Key, KeyBounds, KeyForm, KeyRange, successor};
use crate::ids::Slot;
use crate::value::{ColumnType, INTERVAL_MICROS_MAX, Interval, Value};

fn key(values: &[Value], types: &[ColumnType]) -> Key {
    Key::encode(values, types, types.len()).expect("a key of these types")
}

fn span() -> impl Strategy<Value = Interval> {
    let any_parts = (any::<i32>(), any::<i32>(), -INTERVAL_MICROS_MAX..=INTERVAL_MICROS_MAX);
    let near = (-2..3_i32, -60..60_i32, -3..4_i64).prop_map(|(m, d, h)| (m, d, h * 43_200_000_000));
    prop_oneof![any_parts, near].prop_map(|(months, days, micros)| Interval {
        months,
        days,
        micros,
    })
}

fn typed() -> impl Strategy<Value = (ColumnType, Value, Value)> {
    let pair = |ty: ColumnType, one: BoxedStrategy<Value>| {
        (Just(ty), one.clone(), one).prop_map(|(ty, a, b)| (ty, a, b))
    };
    let bytes =
        prop::collection::vec(prop_oneof![Just(0_u8), Just(1), Just(255), any::<u8>()], 0..5);
    let text = prop_oneof!["[a-c\0\u{1}é]{0,4}", ".{0,4}"];
    let text_array = ColumnType::Array(Arc::new(ColumnType::Text));
    let item = prop_oneof![
        3 => "[a\0\u{1}]{0,2}".prop_map(|v| Value::Text(v.into())),
        1 => Just(Value::Null),
    ];
    let texts = prop::collection::vec(item, 0..4);
    let double = prop_oneof![
        any::<f64>(),
        prop_oneof![Just(0.0), Just(-0.0), Just(f64::NAN), Just(f64::INFINITY), Just(-1.5)]
    ];
    prop_oneof![
        pair(ColumnType::Bool, any::<bool>().prop_map(Value::Bool).boxed()),
        pair(ColumnType::SmallInt, any::<i16>().prop_map(Value::SmallInt).boxed()),
        pair(ColumnType::Int, any::<i32>().prop_map(Value::Int).boxed()),
        pair(ColumnType::BigInt, any::<i64>().prop_map(Value::BigInt).boxed()),
        pair(ColumnType::Float, any::<f32>().prop_map(Value::Float).boxed()),
        pair(ColumnType::Double, double.prop_map(Value::Double).boxed()),
        pair(
            ColumnType::Numeric { precision: 38, scale: 2 },
            any::<i128>().prop_map(Value::Numeric).boxed()
        ),
        pair(ColumnType::Varchar(4), text.clone().prop_map(|v| Value::Text(v.into())).boxed()),
        pair(text_array, texts.prop_map(|v| Value::Array(v.into())).boxed()),
        pair(ColumnType::Text, text.prop_map(|v| Value::Text(v.into())).boxed()),
        pair(ColumnType::Bytea, bytes.prop_map(|v| Value::Bytea(v.into())).boxed()),
        pair(ColumnType::Date, any::<i32>().prop_map(Value::Date).boxed()),
        pair(ColumnType::Timestamp, any::<i64>().prop_map(Value::Timestamp).boxed()),
        pair(ColumnType::Time, (0..=86_400_000_000_i64).prop_map(Value::Time).boxed()),
        pair(ColumnType::Interval, span().prop_map(Value::Interval).boxed()),
        pair(ColumnType::Uuid, any::<[u8; 16]>().prop_map(Value::Uuid).boxed()),
    ]
}

proptest! {
    #[test]
    fn keys_sort_like_their_values((ty, a, b) in typed()) {
        let types = [ty];
        let (ka, kb) = (key(from_ref(&a), &types), key(from_ref(&b), &types));
        prop_assert_eq!(ka.bytes().cmp(kb.bytes()), a.compare(&b).expect("one type"));
    }

    #[test]
    fn composite_keys_sort_by_the_first_difference(
        (ta, a1, a2) in typed(),
        (tb, b1, b2) in typed(),
    ) {
        let types = [ta, tb];
        let left = key(&[a1.clone(), b1.clone()], &types);
        let right = key(&[a2.clone(), b2.clone()], &types);
        let expected = a1.compare(&a2).expect("one type").then(b1.compare(&b2).expect("one type"));
        prop_assert_eq!(left.bytes().cmp(right.bytes()), expected);
    }

    #[test]
    fn decoding_gives_the_values_back((ta, a, _) in typed(), (tb, b, _) in typed()) {
        let types = [ta, tb];
        let values = [a, b];
        let encoded = key(&values, &types);
        let decoded = encoded.decode(&types).expect("what was encoded");
        for (value, back) in values.iter().zip(&decoded) {
            prop_assert_eq!(value.compare(back), Some(std::cmp::Ordering::Equal));
        }
        let again = Key::from_bytes(encoded.bytes(), &types, 2).expect("what was encoded");
        prop_assert_eq!(again, encoded);
    }

    #[test]
    fn damaged_keys_are_errors(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        let types = [ColumnType::Text, ColumnType::BigInt, ColumnType::Bool];
        let _ = super::decode(&bytes, &types);
        let texts = ColumnType::Array(Arc::new(ColumnType::Text));
        let _ = super::decode(&bytes, &[texts, ColumnType::Interval, ColumnType::SmallInt]);
    }

    #[test]
    fn ranges_hold_what_the_bounds_say(
        lead in 0..3_i32,
        value in 0..6_i32,
        low in 0..6_i32,
        high in 0..6_i32,
        kinds in (0..3_u8, 0..3_u8),
        indexed in any::<bool>(),
    ) {
        let types = [ColumnType::Int, ColumnType::Int, ColumnType::Bool];
        let (low_value, high_value) = (Value::Int(low), Value::Int(high));
        let bound = |kind: u8, value| match kind {
            0 => Bound::Unbounded,
            1 => Bound::Included(value),
            _ => Bound::Excluded(value),
        };
        let lower = bound(kinds.0, &low_value);
        let upper = bound(kinds.1, &high_value);
        let equal = [Value::Int(1)];
        let bounds = KeyBounds { equal: &equal, lower, upper };
        let form = if indexed { KeyForm::Indexed } else { KeyForm::Primary };
        let range = KeyRange::of(bounds, &types, form, false).expect("a range");
        let mut bytes = Vec::new();
        for part in [Value::Int(lead), Value::Int(value), Value::Bool(true)] {
            let ty = if matches!(part, Value::Int(_)) { ColumnType::Int } else { ColumnType::Bool };
            super::push_formed(&mut bytes, &part, &ty, form).expect("a value");
        }
        let above = match kinds.0 { 0 => true, 1 => value >= low, _ => value > low };
        let below = match kinds.1 { 0 => true, 1 => value <= high, _ => value < high };
        prop_assert_eq!(range.contains(&bytes), lead == 1 && above && below);
    }
}

/// Expected values computed independently with a ten-line Python script of the definition in the
/// module page (FNV-1a, fmix64, modulo 16,384).
#[test]
fn slots_are_frozen() {
    let slot = |value: Value, ty: ColumnType| Key::for_node(&ty, &value).expect("a key").slot();
    assert_eq!(super::slot_of(b""), Slot(10534));
    assert_eq!(slot(Value::BigInt(1), ColumnType::BigInt), Slot(16082));
    assert_eq!(slot(Value::Text("ada".into()), ColumnType::Text), Slot(16353));
}

#[test]
fn slots_spread_evenly() {
    let mut counts = vec![0_u32; 8];
    for number in 0..8000_i64 {
        let key = Key::for_node(&ColumnType::BigInt, &Value::BigInt(number)).expect("a key");
        counts[usize::from(key.slot().0 % 8)] += 1;
    }
    assert!(counts.iter().all(|count| (850..1150).contains(count)), "{counts:?}");
}

#[test]
fn an_edge_lives_in_the_slot_of_its_source() {
    let node = Key::for_node(&ColumnType::Text, &Value::Text("x".into())).expect("a key");
    let types = [ColumnType::Text, ColumnType::BigInt];
    let values = [Value::Text("x".into()), Value::BigInt(7)];
    let edge = Key::encode(&values, &types, 1).expect("a key");
    assert_eq!(edge.slot(), node.slot());
    assert!(edge.bytes().starts_with(node.bytes()));
}

#[test]
fn nulls_and_documents_are_refused_as_keys() {
    assert!(Key::for_node(&ColumnType::Int, &Value::Null).is_err());
    let document = Value::Json(Arc::from([0_u8; 4]));
    assert!(Key::for_node(&ColumnType::Json, &document).is_err());
    let long = Value::Text("x".repeat(super::KEY_BYTES_MAX).into());
    assert!(Key::for_node(&ColumnType::Text, &long).is_err());
}

#[test]
fn a_smaller_integer_makes_the_same_key() {
    let wide = Key::for_node(&ColumnType::BigInt, &Value::BigInt(5)).expect("a key");
    assert_eq!(Key::for_node(&ColumnType::BigInt, &Value::Int(5)).expect("a key"), wide);
}

#[test]
fn a_one_sided_range_of_an_index_leaves_nulls_out() {
    let types = [ColumnType::Int];
    let five = Value::Int(5);
    let bounds = KeyBounds { equal: &[], lower: Bound::Included(&five), upper: Bound::Unbounded };
    let range = KeyRange::of(bounds, &types, KeyForm::Indexed, false).expect("a range");
    let mut null = Vec::new();
    super::push_indexed(&mut null, &Value::Null, &ColumnType::Int).expect("a null");
    assert!(!range.contains(&null));
    let open = KeyBounds { equal: &[], lower: Bound::Unbounded, upper: Bound::Unbounded };
    let all = KeyRange::of(open, &types, KeyForm::Indexed, false).expect("a range");
    assert!(all.contains(&null));
}

#[test]
fn nothing_is_above_the_largest_key() {
    let types = [ColumnType::BigInt];
    let largest = Value::BigInt(i64::MAX);
    let bounds =
        KeyBounds { equal: &[], lower: Bound::Excluded(&largest), upper: Bound::Unbounded };
    let range = KeyRange::of(bounds, &types, KeyForm::Primary, false).expect("a range");
    assert!(range.is_empty());
    assert_eq!(successor(&[255, 255]), None);
    assert_eq!(successor(&[1, 255]), Some(vec![2]));
}
