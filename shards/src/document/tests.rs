//! Which promises do documents keep?

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value as JsonValue, json};

use super::*;
use crate::catalog::{Altered, Column, Table, TableKind};
use crate::ids::{ColumnId, TableId};
use crate::value::{ColumnType, Value};

fn encoded(json: &JsonValue) -> Arc<[u8]> {
    from_json(json).expect("a document")
}

fn any_json() -> impl Strategy<Value = JsonValue> {
    let leaf = prop_oneof![
        Just(JsonValue::Null),
        any::<bool>().prop_map(JsonValue::from),
        any::<i64>().prop_map(JsonValue::from),
        any::<u64>().prop_map(JsonValue::from),
        (-1e12..1e12).prop_map(JsonValue::from),
        ".{0,6}".prop_map(JsonValue::from),
        "[\"\\\\\n\u{1}a]{0,70}".prop_map(JsonValue::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(JsonValue::from),
            prop::collection::vec(("[a-e]{0,2}", inner), 0..6)
                .prop_map(|fields| JsonValue::Object(fields.into_iter().collect())),
        ]
    })
}

/// Sorts fields by name, so that equal documents are equal texts.
fn sorted(json: &JsonValue) -> JsonValue {
    match json {
        JsonValue::Array(items) => items.iter().map(sorted).collect(),
        JsonValue::Object(fields) => {
            let mut names: Vec<&String> = fields.keys().collect();
            names.sort();
            names.into_iter().map(|name| (name.clone(), sorted(&fields[name]))).collect()
        }
        other => other.clone(),
    }
}

proptest! {
    #[test]
    fn documents_come_back_as_they_went_in(json in any_json()) {
        let bytes = encoded(&json);
        validate(&bytes).expect("a sound document");
        prop_assert_eq!(to_json_value(&bytes), json.clone());
        prop_assert_eq!(to_json_text(&bytes), sorted(&json).to_string());
        prop_assert_eq!(encode(&json.to_string()).expect("JSON"), bytes);
    }

    #[test]
    fn equal_documents_have_equal_bytes(json in any_json()) {
        prop_assert_eq!(encoded(&json), encoded(&sorted(&json)));
    }

    #[test]
    fn bytes_without_sense_are_no_documents(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        let _ = validate(&bytes);
    }

    #[test]
    fn text_never_panics(text in "[\\[\\]{}\",:0-9a-e\\\\. -]{0,30}") {
        let _ = encode(&text);
    }
}

#[test]
fn what_is_not_json_is_refused_with_its_place() {
    let cases = [
        ("", "a value at line 1 column 1"),
        ("[1,]", "a value at line 1 column 4"),
        ("{\"a\":1,\n }", "a field name in double quotes at line 2 column 2"),
        ("{\"a\" 1}", "\":\" at line 1 column 6"),
        ("01", "a number without leading zeros"),
        ("1.", "a digit after the point"),
        ("1e999", "a number within the range of a double"),
        ("\"a", "at the end of the string"),
        ("\"\u{1}\"", "an escape for a control character"),
        (r#""\ud800x""#, "the second half of a character"),
        (r#""\q""#, "one of"),
        ("nul", "a value at line 1 column 1"),
        ("1 2", "nothing more at line 1 column 3"),
    ];
    for (text, part) in cases {
        let error = encode(text).expect_err(text).to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
    let odd = encode(r#""\ud83d\ude00\u00e9\/\t""#).expect("a string");
    assert_eq!(to_json_text(&odd), "\"\u{1f600}\u{e9}/\\t\"");
}

#[test]
fn the_last_of_equal_names_counts() {
    let bytes = encode(r#"{"a":1,"b":2,"a":3}"#).expect("JSON");
    assert_eq!(to_json_text(&bytes), r#"{"a":3,"b":2}"#);
}

#[test]
fn integers_stay_integers() {
    for text in ["127", "-129", "70000", "9223372036854775807", "18446744073709551615", "1.0"] {
        assert_eq!(to_json_text(&encode(text).expect("JSON")), text);
    }
}

#[test]
fn too_deep_a_document_is_refused_by_name() {
    let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    let bytes = encode(&nested(DOCUMENT_DEPTH_MAX)).expect("within the limit");
    assert_eq!(to_json_text(&bytes), nested(DOCUMENT_DEPTH_MAX));
    let error = encode(&nested(DOCUMENT_DEPTH_MAX + 1)).expect_err("above the limit").to_string();
    assert!(error.contains("limit of 128 levels"), "{error}");
    assert!(encode(&nested(100_000)).is_err());
}

#[test]
fn paths_lead_to_parts() {
    let bytes = encoded(&json!({"a": {"b": [10, "x", true, 2.5, null]}, "n": 7}));
    let field = |name: &str| PathStep::Field(name.into());
    let at = |index: i64| get(&bytes, &[field("a"), field("b"), PathStep::Index(index)]);
    assert_eq!(at(0).and_then(|part| part.as_i64()), Some(10));
    assert_eq!(at(0).and_then(|part| part.as_f64()), Some(10.0));
    assert_eq!(at(1).and_then(|part| part.text().map(String::from)), Some("x".to_owned()));
    assert_eq!(at(2).and_then(|part| part.as_bool()), Some(true));
    assert_eq!(at(-2).and_then(|part| part.as_f64()), Some(2.5));
    assert!(at(4).expect("a null").text().is_none());
    assert!(at(5).is_none() && at(-6).is_none());
    assert!(get(&bytes, &[field("n"), field("x")]).is_none());
    let part = get(&bytes, &[field("a")]).expect("an object");
    assert_eq!(part.kind(), DocumentKind::Object);
    let alone = part.to_document().expect("a document");
    assert_eq!(alone, encoded(&json!({"b": [10, "x", true, 2.5, null]})));
    assert_eq!(part.text().as_deref(), Some(r#"{"b":[10,"x",true,2.5,null]}"#));
}

#[test]
fn changes_set_and_remove_parts() {
    let field = |name: &str| PathStep::Field(name.into());
    let (nested, gone, item) =
        ([field("a"), field("new"), field("x")], [field("b")], [field("l"), PathStep::Index(1)]);
    let (one, two) = (encoded(&json!(1)), encoded(&json!({"z": 2})));
    let before = encoded(&json!({"a": {"k": 1}, "b": 5, "l": [0]}));
    let changes = [
        Change { path: &nested, edit: Edit::Set(&one) },
        Change { path: &gone, edit: Edit::Unset },
        Change { path: &item, edit: Edit::Set(&two) },
        Change { path: &[field("none"), field("x")], edit: Edit::Unset },
    ];
    let after = change(&before, &changes).expect("a document");
    let expected = json!({"a": {"k": 1, "new": {"x": 1}}, "l": [0, {"z": 2}]});
    assert_eq!(to_json_value(&after), expected);
    let through = [field("b"), field("x")];
    assert!(change(&before, &[Change { path: &through, edit: Edit::Set(&one) }]).is_err());
}

fn collection() -> Table {
    let column = |id: u32, name: &str, ty: ColumnType| Column {
        id: ColumnId(id),
        name: name.into(),
        ty,
        not_null: false,
        default: None,
        hidden: false,
        generated: false,
        always: false,
        altered: Altered::default(),
        comment: None,
    };
    Table {
        id: TableId(1),
        name: "film".into(),
        kind: TableKind::Collection,
        columns: vec![
            column(1, "_id", ColumnType::Text),
            column(2, "year", ColumnType::Int),
            column(3, "v", ColumnType::Vector(2)),
            column(4, "doc", ColumnType::Json),
        ],
        key: vec![0],
        routing: 1,
        indexes: Vec::new(),
        constraints: Vec::new(),
        referrers: Vec::new(),
        comment: None,
        rewrite: None,
        since: None,
    }
}

#[test]
fn declared_columns_are_lifted_and_joined_again() {
    let table = collection();
    let text = r#"{"title":"M","_id":42,"year":1931,"v":[1,2],"cast":["x"]}"#;
    let row = lift(&table, text).expect("a row");
    assert_eq!(row[0], Value::Text("42".into()));
    assert_eq!(row[1], Value::Int(1931));
    assert_eq!(row[2], Value::Vector([1.0, 2.0].into()));
    assert_eq!(row[3], Value::Json(encoded(&json!({"title": "M", "cast": ["x"]}))));
    let joined = join(&table, &row).expect("a document");
    let expected = json!({"_id": "42", "year": 1931, "v": [1.0, 2.0], "title": "M", "cast": ["x"]});
    assert_eq!(to_json_value(&joined), sorted(&expected));
    let error = lift(&table, r#"{"year":"soon"}"#).expect_err("no number").to_string();
    assert!(error.starts_with("column \"year\": "), "{error}");
    assert!(lift(&table, "[]").is_err());
}

#[test]
fn indexed_text_comes_from_strings() {
    let bytes = encoded(&json!({"a": {"t": "one"}, "tags": ["x", 1, "y"], "n": 5, "o": {}}));
    let at = |path: &[&str]| {
        let path: Vec<String> = path.iter().map(|name| (*name).to_owned()).collect();
        text_at(&bytes, &path).map(|text| text.into_owned())
    };
    assert_eq!(at(&["a", "t"]).as_deref(), Some("one"));
    assert_eq!(at(&["tags"]).as_deref(), Some("x\ny"));
    assert_eq!(at(&["n"]).as_deref(), Some("5"));
    assert_eq!(at(&["o"]), None);
    assert_eq!(at(&["missing"]), None);
}
