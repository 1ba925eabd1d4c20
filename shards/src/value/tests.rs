//! Which promises do values keep?
//!
//! Expected texts are those of PostgreSQL 17 with pgvector 0.8.

use std::cmp::Ordering;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::json;

use super::{ColumnBuilder, ColumnType, INTERVAL_MICROS_MAX, Interval, Value};

const NUMERIC: ColumnType = ColumnType::Numeric { precision: 10, scale: 2 };

#[track_caller]
fn renders(ty: ColumnType, text: &str, expected: &str) {
    let value = Value::parse(text, &ty).expect(text);
    assert_eq!(value.render(&ty), expected, "{ty} {text}");
}

#[track_caller]
fn refuses(ty: ColumnType, text: &str, part: &str) {
    let error = Value::parse(text, &ty).expect_err(text).to_string();
    assert!(error.contains(part), "{error}");
}

#[test]
fn text_forms_are_those_of_postgresql() {
    renders(ColumnType::Bool, " Yes ", "true");
    renders(ColumnType::Int, "-2147483648", "-2147483648");
    renders(ColumnType::Double, "1e15", "1e+15");
    renders(ColumnType::Double, "123456789012345", "123456789012345");
    renders(ColumnType::Double, "0.0001", "0.0001");
    renders(ColumnType::Double, "0.00001", "1e-05");
    renders(ColumnType::Double, "-12.5", "-12.5");
    renders(ColumnType::Double, "-0", "-0");
    renders(ColumnType::Double, "NaN", "NaN");
    renders(ColumnType::Double, "-infinity", "-Infinity");
    renders(ColumnType::Float, "1000000", "1e+06");
    renders(ColumnType::Float, "0.1", "0.1");
    renders(NUMERIC, "12.345", "12.35");
    renders(NUMERIC, "-0.005", "-0.01");
    renders(NUMERIC, "1e3", "1000.00");
    renders(NUMERIC, ".5", "0.50");
    renders(ColumnType::Bytea, "\\x00FF", "\\x00ff");
    renders(ColumnType::Bytea, "a\\\\b\\001", "\\x615c6201");
    renders(ColumnType::Date, "2024-02-29", "2024-02-29");
    renders(ColumnType::Date, "0001-01-01", "0001-01-01");
    renders(ColumnType::Timestamp, "2024-01-31T12:34:56.780", "2024-01-31 12:34:56.78");
    renders(ColumnType::Timestamp, "1969-12-31 23:59:59.999999", "1969-12-31 23:59:59.999999");
    renders(ColumnType::TimestampTz, "2024-01-31 01:00+02", "2024-01-30 23:00:00+00");
    renders(ColumnType::TimestampTz, "2024-01-31 01:00:00Z", "2024-01-31 01:00:00+00");
    let uuid = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";
    renders(ColumnType::Uuid, "{A0EEBC999C0B4EF8BB6D6BB9BD380A11}", uuid);
    renders(ColumnType::SmallInt, "-32768", "-32768");
    renders(ColumnType::Varchar(3), "abc  ", "abc");
    renders(ColumnType::Varchar(3), "a ", "a ");
    renders(ColumnType::Time, "04:05", "04:05:00");
    renders(ColumnType::Time, "23:59:59.500", "23:59:59.5");
    renders(ColumnType::Time, "24:00", "24:00:00");
    renders(array(ColumnType::Int), "{ 1, 2 ,NULL}", "{1,2,NULL}");
    renders(array(ColumnType::Int), "{}", "{}");
    renders(array(ColumnType::Bool), "{true,f}", "{t,f}");
    renders(
        array(ColumnType::Text),
        r#"{a b,"c,d","","null",nULL,"x\"y\\"}"#,
        r#"{"a b","c,d","","null",NULL,"x\"y\\"}"#,
    );
    renders(ColumnType::Vector(3), "[1, 2.5,-3]", "[1,2.5,-3]");
    renders(ColumnType::Json, r#"{"b":1,"a":[1.5,null]}"#, r#"{"a":[1.5,null],"b":1}"#);
}

fn array(element: ColumnType) -> ColumnType {
    ColumnType::Array(Arc::new(element))
}

/// Expected texts are those of PostgreSQL's manual, section 8.5.4 and 8.5.5, and of its regression
/// test `interval`.
#[test]
fn spans_are_read_and_shown_as_postgresql_does() {
    let shows = |text: &str, expected: &str| renders(ColumnType::Interval, text, expected);
    shows("1-2", "1 year 2 mons");
    shows("3 4:05:06", "3 days 04:05:06");
    shows("1 year 2 months 3 days 4 hours 5 minutes 6 seconds", "1 year 2 mons 3 days 04:05:06");
    shows("P1Y2M3DT4H5M6S", "1 year 2 mons 3 days 04:05:06");
    shows("P1W", "7 days");
    shows("@ 1 minute", "00:01:00");
    shows("@ 1 day 2 hours ago", "-1 days -02:00:00");
    shows("-1 year -2 months +3 days -4:05:06", "-1 years -2 mons +3 days -04:05:06");
    shows("1 day -00:00:01", "1 day -00:00:01");
    shows("-1 day +00:00:01", "-1 days +00:00:01");
    shows("1.5 weeks", "10 days 12:00:00");
    shows("1.5 months", "1 mon 15 days");
    shows("0.5 years", "6 mons");
    shows("6 years", "6 years");
    shows("34 years 5 months", "34 years 5 mons");
    shows("1 decade 2 centuries", "210 years");
    shows("90", "00:01:30");
    shows("1.5 s", "00:00:01.5");
    shows("250 ms 1 us", "00:00:00.250001");
    shows("0", "00:00:00");
    shows("100:30", "100:30:00");
    for bad in ["", "ago", "1 fortnight", "1:60", "P", "PT", "1-2-3 x", "day"] {
        refuses(ColumnType::Interval, bad, "invalid input syntax for type INTERVAL");
    }
    refuses(ColumnType::Interval, "2147483648 months", "out of range for type INTERVAL");
    refuses(ColumnType::Interval, "99999999999999999999 days", "out of range");
    refuses(ColumnType::Interval, "3000000 hours", "out of range");
}

#[test]
fn spans_compare_with_months_of_30_days() {
    let span = |text: &str| Value::parse(text, &ColumnType::Interval).expect(text);
    assert_eq!(span("1 month").compare(&span("30 days")), Some(Ordering::Equal));
    assert_eq!(span("1 day").compare(&span("24 hours")), Some(Ordering::Equal));
    assert_eq!(span("1 year").compare(&span("361 days")), Some(Ordering::Less));
    assert_eq!(span("-1 month").compare(&span("-29 days")), Some(Ordering::Less));
    let of = |text: &str| Interval::parse(text).expect(text);
    let shown = |span: Option<Interval>| {
        span.map(|span| Value::Interval(span).render(&ColumnType::Interval)).unwrap_or_default()
    };
    assert_eq!(shown(of("1 mon -1 hour").justified()), "29 days 23:00:00");
    assert_eq!(shown(of("27 hours").justify_hours()), "1 day 03:00:00");
    assert_eq!(shown(of("35 days").justify_days()), "1 mon 5 days");
    assert_eq!(shown(of("1 month").times(1.5)), "1 mon 15 days");
    assert_eq!(shown(of("1 hour").times(3.5)), "03:30:00");
    assert_eq!(shown(of("1 day").times(-0.5)), "-12:00:00");
    assert_eq!(shown(of("1 day").times(f64::NAN)), "");
    assert_eq!(shown(of("1 day").times(1e300)), "");
}

#[test]
fn arrays_compare_element_by_element() {
    let ints = array(ColumnType::Int);
    let of = |text: &str| Value::parse(text, &ints).expect(text);
    let order = |a: &str, b: &str| of(a).compare(&of(b));
    assert_eq!(order("{1,2}", "{1,2}"), Some(Ordering::Equal));
    assert_eq!(order("{1,2}", "{1,2,0}"), Some(Ordering::Less));
    assert_eq!(order("{2}", "{1,9}"), Some(Ordering::Greater));
    assert_eq!(order("{}", "{NULL}"), Some(Ordering::Less));
    assert_eq!(order("{NULL}", "{9}"), Some(Ordering::Greater));
}

#[test]
fn bad_texts_are_refused_with_their_type() {
    refuses(ColumnType::Bool, "maybe", "type BOOL");
    refuses(ColumnType::Int, "2147483648", "out of range for type INT");
    refuses(ColumnType::Int, "1.5", "invalid input syntax for type INT");
    refuses(ColumnType::SmallInt, "32768", "out of range for type SMALLINT");
    refuses(ColumnType::Varchar(3), "abcd", "value too long for type VARCHAR(3)");
    refuses(ColumnType::Varchar(3), "abc d", "value too long");
    refuses(ColumnType::Time, "24:00:01", "invalid input syntax for type TIME");
    refuses(ColumnType::Time, "10:00+02", "invalid input syntax for type TIME");
    for bad in ["1,2", "{1", "{1,}", "{,}", "{1}x", "[0:1]={1,2}", "{{1}}", "{\"1}", "{1\\", ""] {
        refuses(array(ColumnType::Int), bad, "array of INT");
    }
    refuses(array(ColumnType::Int), "{x}", "type INT");
    refuses(ColumnType::BigInt, "9223372036854775808", "out of range");
    refuses(ColumnType::Double, "1e400", "out of range");
    refuses(ColumnType::Float, "1e39", "out of range");
    refuses(NUMERIC, "123456789", "numeric field overflow");
    refuses(NUMERIC, "12a", "invalid input syntax");
    refuses(ColumnType::Bytea, "\\xabc", "BYTEA");
    refuses(ColumnType::Date, "2023-02-29", "DATE");
    refuses(ColumnType::Timestamp, "2023-02-28 25:00", "TIMESTAMP");
    refuses(ColumnType::Uuid, "a0eebc99", "UUID");
    refuses(ColumnType::Vector(384), "[1,2,3]", "expected 384 dimensions, not 3");
    refuses(ColumnType::Vector(1), "[NaN]", "NaN not allowed in vector");
    refuses(ColumnType::Json, "{\"a\":}", "invalid JSON");
}

#[test]
fn assignment_casts_are_those_of_postgresql() {
    let cast = |value: Value, ty: ColumnType| value.coerce(&ty);
    assert_eq!(cast(Value::BigInt(5), ColumnType::Int).ok(), Some(Value::Int(5)));
    assert!(cast(Value::BigInt(1 << 31), ColumnType::Int).is_err());
    assert_eq!(cast(Value::Double(2.5), ColumnType::Int).ok(), Some(Value::Int(2)));
    assert_eq!(cast(Value::Double(3.5), ColumnType::BigInt).ok(), Some(Value::BigInt(4)));
    assert!(cast(Value::Double(f64::NAN), ColumnType::BigInt).is_err());
    assert!(cast(Value::Double(9.3e18), ColumnType::BigInt).is_err());
    assert_eq!(cast(Value::Double(0.125), NUMERIC).ok(), Some(Value::Numeric(13)));
    assert_eq!(cast(Value::Int(-7), NUMERIC).ok(), Some(Value::Numeric(-700)));
    assert_eq!(cast(Value::Int(7), ColumnType::Text).ok(), Some(Value::Text("7".into())));
    assert_eq!(
        cast(Value::Date(1), ColumnType::Timestamp).ok(),
        Some(Value::Timestamp(86_400_000_000))
    );
    assert_eq!(cast(Value::TimestampTz(-1), ColumnType::Date).ok(), Some(Value::Date(-1)));
    assert!(cast(Value::Bool(true), ColumnType::Int).is_err());
    let list = Value::from_json(&json!([1, 2.5]), &ColumnType::Json).expect("a document");
    let vector = Value::Vector([1.0, 2.5].into());
    assert_eq!(list.clone().coerce(&ColumnType::Vector(2)).ok(), Some(vector));
    let error = list.coerce(&ColumnType::Vector(3)).expect_err("too short").to_string();
    assert_eq!(error, "expected 3 dimensions, not 2");
    let wide = ColumnType::Numeric { precision: 38, scale: 4 };
    let moved = Value::Numeric(12_345).coerce_from(&wide, &NUMERIC);
    assert_eq!(moved.ok(), Some(Value::Numeric(123)));
    let double = Value::Numeric(12_345).coerce_from(&wide, &ColumnType::Double);
    assert_eq!(double.ok(), Some(Value::Double(1.2345)));
}

#[test]
fn json_values_become_columns() {
    let read = |json: serde_json::Value, ty: ColumnType| Value::from_json(&json, &ty);
    assert_eq!(read(json!(5), ColumnType::Int).ok(), Some(Value::Int(5)));
    assert_eq!(read(json!(1.25), NUMERIC).ok(), Some(Value::Numeric(125)));
    assert_eq!(read(json!("1.25"), NUMERIC).ok(), Some(Value::Numeric(125)));
    assert_eq!(read(json!(7), ColumnType::Text).ok(), Some(Value::Text("7".into())));
    assert_eq!(read(json!("1970-01-02"), ColumnType::Date).ok(), Some(Value::Date(1)));
    assert_eq!(read(json!(null), ColumnType::Date).ok(), Some(Value::Null));
    assert!(read(json!(u64::MAX), ColumnType::BigInt).is_err());
    assert!(read(json!({"a": 1}), ColumnType::Int).is_err());
    assert!(read(json!(["x"]), ColumnType::Vector(1)).is_err());
    let list = array(ColumnType::Int);
    let items = Value::Array([Value::Int(1), Value::Null].into());
    assert_eq!(read(json!([1, null]), list.clone()).ok(), Some(items.clone()));
    assert_eq!(read(json!("{1,NULL}"), list.clone()).ok(), Some(items.clone()));
    assert_eq!(items.to_json(&list), json!([1, null]));
    assert!(read(json!([[1]]), list).is_err());
    assert!(read(json!(70000), ColumnType::SmallInt).is_err());
    assert!(read(json!("abc"), ColumnType::Varchar(2)).is_err());
    assert_eq!(read(json!(12), ColumnType::Varchar(2)).ok(), Some(Value::Text("12".into())));
    assert_eq!(Value::Float(0.1).to_json(&ColumnType::Float), json!(0.1));
}

proptest! {
    #[test]
    fn dates_survive_their_text(days in -719_162..106_000_000_i32) {
        let text = Value::Date(days).render(&ColumnType::Date);
        prop_assert_eq!(Value::parse(&text, &ColumnType::Date).ok(), Some(Value::Date(days)), "{}", text);
    }

    #[test]
    fn timestamps_survive_their_text(
        micros in -62_135_596_800_000_000..9_000_000_000_000_000_000_i64,
    ) {
        let text = Value::TimestampTz(micros).render(&ColumnType::TimestampTz);
        let back = Value::parse(&text, &ColumnType::TimestampTz);
        prop_assert_eq!(back.ok(), Some(Value::TimestampTz(micros)), "{}", text);
    }

    #[test]
    fn doubles_survive_their_text(number in any::<f64>()) {
        let text = Value::Double(number).render(&ColumnType::Double);
        let Ok(Value::Double(back)) = Value::parse(&text, &ColumnType::Double) else { panic!() };
        prop_assert!(back == number || (back.is_nan() && number.is_nan()), "{}", text);
    }

    #[test]
    fn texts_never_panic(text in ".{0,24}") {
        for ty in [
            ColumnType::Bool, ColumnType::Int, ColumnType::Double, NUMERIC, ColumnType::Bytea,
            ColumnType::Date, ColumnType::Timestamp, ColumnType::TimestampTz, ColumnType::Uuid,
            ColumnType::Json, ColumnType::Vector(2), ColumnType::SmallInt, ColumnType::Varchar(2),
            ColumnType::Time, ColumnType::Interval, array(ColumnType::Text),
        ] {
            let _ = Value::parse(&text, &ty);
        }
    }

    #[test]
    fn spans_never_panic(
        text in "[@P]{0,1}([-+ ]{0,1}[0-9]{0,20}[.:]{0,1}[0-9]{0,3} {0,1}[a-zT]{0,6} {0,1}){0,4}",
    ) {
        if let Ok(value) = Value::parse(&text, &ColumnType::Interval) {
            let shown = value.render(&ColumnType::Interval);
            let back = Value::parse(&shown, &ColumnType::Interval).ok();
            prop_assert_eq!(back, Some(value), "{}", shown);
        }
    }

    #[test]
    fn arrays_survive_their_text(texts in prop::collection::vec(prop::option::of(".{0,5}"), 0..4)) {
        let item = |text: Option<String>| text.map_or(Value::Null, |v| Value::Text(v.into()));
        let value = Value::Array(texts.into_iter().map(item).collect());
        let ty = array(ColumnType::Text);
        let text = value.render(&ty);
        prop_assert_eq!(Value::parse(&text, &ty).ok(), Some(value), "{}", text);
    }

    #[test]
    fn moments_never_panic(text in "[0-9]{1,6}-[0-9]{1,2}-[0-9]{1,2}[T ]{0,1}[0-9:.Z+-]{0,20}") {
        let _ = Value::parse(&text, &ColumnType::TimestampTz);
    }
}

#[test]
fn values_survive_arrow() {
    let cases = [
        (ColumnType::Bool, Value::Bool(true)),
        (ColumnType::SmallInt, Value::SmallInt(-1)),
        (ColumnType::Varchar(2), Value::Text("é".into())),
        (ColumnType::Time, Value::Time(5)),
        (
            ColumnType::Interval,
            Value::Interval(Interval { months: -1, days: 40, micros: INTERVAL_MICROS_MAX }),
        ),
        (array(ColumnType::BigInt), Value::Array([Value::BigInt(1), Value::Null].into())),
        (array(ColumnType::Uuid), Value::Array([].into())),
        (ColumnType::Int, Value::Int(-1)),
        (ColumnType::BigInt, Value::BigInt(i64::MIN)),
        (ColumnType::Float, Value::Float(1.5)),
        (ColumnType::Double, Value::Double(-0.25)),
        (NUMERIC, Value::Numeric(-12_345)),
        (ColumnType::Text, Value::Text("é".into())),
        (ColumnType::Bytea, Value::Bytea([0, 255].into())),
        (ColumnType::Date, Value::Date(-5)),
        (ColumnType::Timestamp, Value::Timestamp(5)),
        (ColumnType::TimestampTz, Value::TimestampTz(-5)),
        (ColumnType::Uuid, Value::Uuid([7; 16])),
        (ColumnType::Json, Value::parse("[1]", &ColumnType::Json).expect("a document")),
        (ColumnType::Vector(2), Value::Vector([1.0, 2.0].into())),
    ];
    for (ty, value) in cases {
        let mut builder = ColumnBuilder::new(&ty, 2);
        builder.append(&value).expect("a fitting value");
        builder.append_null();
        let array = builder.finish().expect("an array");
        assert_eq!(array.data_type(), &ty.arrow());
        assert_eq!(Value::from_array(&array, 0, &ty).expect("a value"), value);
        assert_eq!(Value::from_array(&array, 1, &ty).expect("a value"), Value::Null);
    }
}
