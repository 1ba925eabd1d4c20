//! Do changes, orders and amendments agree with a plain model over JSON values?

use std::cmp::Ordering;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Map, Value as Json, json};

use super::*;
use crate::error::Error;

fn encoded(json: &Json) -> Arc<[u8]> {
    from_json(json).expect("a document")
}

fn small_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        (-3_i64..4).prop_map(Json::from),
        (-3_i64..4).prop_map(|number| Json::from(number as f64)),
        (-9_i64..9).prop_map(|number| Json::from(number as f64 / 4.0)),
        "[ab]{0,2}".prop_map(Json::from),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::vec(("[ab]", inner), 0..3)
                .prop_map(|fields| Json::Object(fields.into_iter().collect())),
        ]
    })
}

fn any_path() -> impl Strategy<Value = Vec<PathStep>> {
    let step = prop_oneof![
        2 => "[abc]".prop_map(|name| PathStep::Field(name.as_str().into())),
        1 => (-3_i64..4).prop_map(PathStep::Index),
    ];
    prop::collection::vec(step, 0..4)
}

/// The model's place at the end of a path, made if missing; `None` where there cannot be one.
fn model_place<'t>(root: &'t mut Json, path: &[PathStep]) -> Option<&'t mut Json> {
    let Some((step, rest)) = path.split_first() else { return Some(root) };
    if root.is_null() {
        *root = match step {
            PathStep::Field(_) => json!({}),
            PathStep::Index(_) => json!([]),
        };
    }
    match (step, root) {
        (PathStep::Field(name), Json::Object(fields)) => {
            model_place(fields.entry(name.to_string()).or_insert(Json::Null), rest)
        }
        (PathStep::Index(index), Json::Array(items)) => {
            let count = items.len() as i64;
            let position = if *index < 0 { count + index } else { *index };
            if position == count {
                items.push(Json::Null);
            }
            model_place(items.get_mut(usize::try_from(position).ok()?)?, rest)
        }
        _ => None,
    }
}

fn model_find<'t>(root: &'t mut Json, path: &[PathStep]) -> Option<&'t mut Json> {
    let Some((step, rest)) = path.split_first() else { return Some(root) };
    let next = match (step, root) {
        (PathStep::Field(name), Json::Object(fields)) => fields.get_mut(name.as_ref())?,
        (PathStep::Index(index), Json::Array(items)) => {
            let position = if *index < 0 { items.len() as i64 + index } else { *index };
            items.get_mut(usize::try_from(position).ok()?)?
        }
        _ => return None,
    };
    model_find(next, rest)
}

/// PostgreSQL's order, one case after the other.
fn model_order(a: &Json, b: &Json) -> Ordering {
    let rank = |json: &Json| match json {
        Json::Null => 0,
        Json::String(_) => 1,
        Json::Number(_) => 2,
        Json::Bool(_) => 3,
        Json::Array(_) => 4,
        Json::Object(_) => 5,
    };
    match (a, b) {
        (Json::String(a), Json::String(b)) => a.cmp(b),
        (Json::Bool(a), Json::Bool(b)) => a.cmp(b),
        (Json::Number(a), Json::Number(b)) => match (a.as_i128(), b.as_i128()) {
            (Some(a), Some(b)) => a.cmp(&b),
            _ => {
                let numbers = (a.as_f64().unwrap_or(0.0), b.as_f64().unwrap_or(0.0));
                numbers.0.partial_cmp(&numbers.1).unwrap_or(Ordering::Equal)
            }
        },
        (Json::Array(a), Json::Array(b)) => a.len().cmp(&b.len()).then_with(|| {
            let pairs = a.iter().zip(b).map(|(a, b)| model_order(a, b));
            pairs.fold(Ordering::Equal, Ordering::then)
        }),
        (Json::Object(a), Json::Object(b)) => a.len().cmp(&b.len()).then_with(|| {
            let mut left: Vec<_> = a.iter().collect();
            let mut right: Vec<_> = b.iter().collect();
            left.sort_by_key(|(name, _)| (*name).clone());
            right.sort_by_key(|(name, _)| (*name).clone());
            let pairs = left.iter().zip(&right);
            let pairs = pairs.map(|(a, b)| a.0.cmp(b.0).then_with(|| model_order(a.1, b.1)));
            pairs.fold(Ordering::Equal, Ordering::then)
        }),
        _ => rank(a).cmp(&rank(b)),
    }
}

fn model_equal(a: &Json, b: &Json) -> bool {
    model_order(a, b) == Ordering::Equal
}

fn model_contains(whole: &Json, wanted: &Json, top: bool) -> bool {
    match (whole, wanted) {
        (Json::Object(whole), Json::Object(wanted)) => wanted.iter().all(|(name, value)| {
            whole.get(name).is_some_and(|found| model_contains(found, value, false))
        }),
        (Json::Array(items), Json::Array(wanted)) => {
            wanted.iter().all(|value| items.iter().any(|item| model_contains(item, value, false)))
        }
        (Json::Array(items), value) if top && !value.is_object() => {
            items.iter().any(|item| model_equal(item, value))
        }
        _ => !whole.is_array() && !whole.is_object() && model_equal(whole, wanted),
    }
}

/// The model of one change; `None` = refused.
fn model_change(root: &mut Json, path: &[PathStep], verb: usize, value: &Json) -> Option<()> {
    match verb {
        0 => *model_place(root, path)? = value.clone(),
        1 => {
            let Some((last, parents)) = path.split_last() else { return Some(()) };
            match (last, model_find(root, parents)) {
                (PathStep::Field(name), Some(Json::Object(fields))) => {
                    fields.remove(name.as_ref());
                }
                (PathStep::Index(index), Some(Json::Array(items))) => {
                    let position = if *index < 0 { items.len() as i64 + index } else { *index };
                    let position = usize::try_from(position).unwrap_or(usize::MAX);
                    if position < items.len() {
                        items.remove(position);
                    }
                }
                _ => {}
            }
        }
        2 | 3 => {
            let at = model_place(root, path)?;
            if at.is_null() {
                *at = json!([]);
            }
            let items = at.as_array_mut()?;
            if verb == 2 || !items.iter().any(|item| model_equal(item, value)) {
                items.push(value.clone());
            }
        }
        4 => {
            let Some(at) = model_find(root, path) else { return Some(()) };
            if at.is_null() {
                *at = json!([]);
            }
            at.as_array_mut()?.retain(|item| !model_equal(item, value));
        }
        _ => {
            let at = model_place(root, path)?;
            if at.is_null() {
                *at = json!(0);
            }
            *at = match (at.as_i64(), value.as_i64()) {
                (Some(a), Some(b)) => json!(a + b),
                _ => json!(at.as_f64()? + value.as_f64()?),
            };
        }
    }
    Some(())
}

proptest! {
    #[test]
    fn changes_agree_with_the_model(
        before in small_json(),
        changes in prop::collection::vec((any_path(), 0_usize..6, small_json()), 1..4),
    ) {
        let mut model = before.clone();
        let expected = changes
            .iter()
            .try_for_each(|(path, verb, value)| model_change(&mut model, path, *verb, value));
        let values: Vec<Arc<[u8]>> = changes.iter().map(|(_, _, value)| encoded(value)).collect();
        let listed: Vec<Change<'_>> = changes
            .iter()
            .zip(&values)
            .map(|((path, verb, _), value)| Change {
                path,
                edit: match verb {
                    0 => Edit::Set(value),
                    1 => Edit::Unset,
                    2 => Edit::Push(value),
                    3 => Edit::AddToSet(value),
                    4 => Edit::Pull(value),
                    _ => Edit::Increment(value),
                },
            })
            .collect();
        match (change(&encoded(&before), &listed), expected) {
            (Ok(after), Some(())) => prop_assert_eq!(to_json_value(&after), model),
            (Err(Error::InvalidValue(_)), None) => {}
            (found, _) => prop_assert!(false, "{found:?} instead of {model}"),
        }
    }

    #[test]
    fn keys_have_the_order_of_the_model(a in small_json(), b in small_json()) {
        let (left, right) = (sort_key(&encoded(&a)), sort_key(&encoded(&b)));
        prop_assert_eq!(left.cmp(&right), model_order(&a, &b));
    }

    #[test]
    fn keys_order_large_numbers(a in any::<i64>(), b in any::<u64>(), c in any::<f64>()) {
        let key = |json: Json| sort_key(&encoded(&json));
        let order = i128::from(a).cmp(&i128::from(b));
        prop_assert_eq!(key(json!(a)).cmp(&key(json!(b))), order);
        let next = a.wrapping_add(1);
        prop_assert_eq!(key(json!(a)).cmp(&key(json!(next))), a.cmp(&next));
        let nearest = a as f64;
        if c.is_finite() && c != nearest {
            let order = nearest.partial_cmp(&c).expect("no NaN");
            prop_assert_eq!(key(json!(a)).cmp(&key(json!(c))), order);
        }
    }

    #[test]
    fn containment_agrees_with_the_model(a in small_json(), b in small_json()) {
        let found = contains(&encoded(&a), &encoded(&b)).expect("small documents");
        prop_assert_eq!(found, model_contains(&a, &b, true));
        prop_assert!(contains(&encoded(&a), &encoded(&a)).expect("small documents"));
    }

    #[test]
    fn amendments_never_panic(
        a in small_json(),
        b in small_json(),
        path in prop::collection::vec("[ab]|-?[0-3]", 0..4),
    ) {
        let (whole, value) = (encoded(&a), encoded(&b));
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        for how in [
            Amend::Set { create: true },
            Amend::Set { create: false },
            Amend::Insert { after: true },
            Amend::Insert { after: false },
        ] {
            let _ = amend(&whole, &path, &value, how);
        }
        let _ = delete_path(&whole, &path);
        let _ = delete_keys(&whole, &path);
        let text = pretty(&whole).expect("a small text");
        prop_assert_eq!(serde_json::from_str::<Json>(&text).expect("JSON"), a);
        let joined = to_json_value(&concat(&whole, &value).expect("a small document"));
        match (joined, b) {
            (Json::Object(fields), Json::Object(second)) => {
                prop_assert!(second.iter().all(|(name, value)| &fields[name] == value));
            }
            (joined, _) => prop_assert!(joined.is_array()),
        }
    }
}

#[test]
fn errors_name_the_path() {
    let field = |name: &str| PathStep::Field(name.into());
    let before = encoded(&json!({"a": {"b": [1, 2], "s": "x"}}));
    let one = encoded(&json!(1));
    let text = encoded(&json!("t"));
    for (path, edit, message) in [
        (
            vec![field("a"), field("b"), PathStep::Index(5)],
            Edit::Set(&one),
            "index 5 is outside the array \"a.b\" of 2 elements",
        ),
        (
            vec![field("a"), field("b"), PathStep::Index(0), field("x")],
            Edit::Set(&one),
            "\"a.b[0]\" is a number, not an object",
        ),
        (vec![field("a"), PathStep::Index(0)], Edit::Set(&one), "\"a\" is an object, not an array"),
        (
            vec![field("a"), field("s")],
            Edit::Push(&one),
            "\"a.s\" is a string, PUSH wants an array",
        ),
        (
            vec![field("a"), field("s")],
            Edit::Pull(&one),
            "\"a.s\" is a string, PULL wants an array",
        ),
        (
            vec![field("a"), field("s")],
            Edit::Increment(&one),
            "\"a.s\" is a string, INC wants a number",
        ),
        (vec![field("n")], Edit::Increment(&text), "a string cannot be added, INC wants a number"),
        (vec![PathStep::Index(0)], Edit::Set(&one), "the value is an object, not an array"),
    ] {
        let error = change(&before, &[Change { path: &path, edit }]).expect_err(message);
        assert_eq!(error.to_string(), message);
    }
    let most = encoded(&json!({"n": u64::MAX}));
    let added = change(&most, &[Change { path: &[field("n")], edit: Edit::Increment(&one) }]);
    let error = added.expect_err("out of range").to_string();
    assert_eq!(error, "\"n\" would be out of range");
}

#[test]
fn the_work_of_many_changes_is_bounded() {
    let wide = encoded(&json!((0..100_000).collect::<Vec<_>>()));
    let one = encoded(&json!(-1));
    let change_of = |count| vec![Change { path: &[], edit: Edit::AddToSet(&one) }; count];
    let error = change(&wide, &change_of(501)).expect_err("too much work");
    assert!(matches!(error, Error::TooLarge(_)), "{error}");
    assert!(change(&wide, &change_of(3)).is_ok());
}

#[test]
fn values_cannot_be_put_too_deep() {
    let mut deep = json!(1);
    for _ in 0..100 {
        deep = json!([deep]);
    }
    let deep = encoded(&deep);
    let path: Vec<PathStep> = (0..100).map(|_| PathStep::Field("a".into())).collect();
    let empty = encoded(&json!({}));
    assert!(change(&empty, &[Change { path: &path, edit: Edit::Set(&deep) }]).is_err());
    assert!(change(&empty, &[Change { path: &path[..20], edit: Edit::Set(&deep) }]).is_ok());
    let mut grown = deep;
    let refused = (0..200).any(|_| match list_of([grown.as_ref()].into_iter()) {
        Ok(next) => {
            grown = next;
            false
        }
        Err(_) => true,
    });
    assert!(refused);
}

#[test]
fn amendments_are_those_of_postgresql() {
    let text = |bytes: Result<Arc<[u8]>, Error>| match bytes {
        Ok(bytes) => to_json_text(&bytes),
        Err(error) => format!("error: {error}"),
    };
    let new = encoded(&json!("new"));
    let (set, only) = (Amend::Set { create: true }, Amend::Set { create: false });
    let (before, after) = (Amend::Insert { after: false }, Amend::Insert { after: true });
    // Expected as in the tables of PostgreSQL's manual, 9.16.
    for (whole, path, how, expected) in [
        (json!([{"f1": 1}, 2]), "0,f1", set, r#"[{"f1":"new"},2]"#),
        (json!([{"f1": 1}, 2]), "0,f3", set, r#"[{"f1":1,"f3":"new"},2]"#),
        (json!([{"f1": 1}, 2]), "0,f3", only, r#"[{"f1":1},2]"#),
        (json!([0, 1]), "9", set, r#"[0,1,"new"]"#),
        (json!([0, 1]), "-9", set, r#"["new",0,1]"#),
        (json!([0, 1]), "-1", set, r#"[0,"new"]"#),
        (json!({"a": [0, 1, 2]}), "a,1", before, r#"{"a":[0,"new",1,2]}"#),
        (json!({"a": [0, 1, 2]}), "a,1", after, r#"{"a":[0,1,"new",2]}"#),
        (json!({"a": 1}), "a", before, "error: cannot replace existing key \"a\""),
        (json!({"a": 1}), "x,y", set, r#"{"a":1}"#),
        (json!({"a": 1}), "a,y", set, r#"{"a":1}"#),
        (json!(5), "a", set, "error: cannot set path in scalar"),
        (json!([5]), "a", set, "error: path element at position 1 is not an integer: \"a\""),
    ] {
        let path: Vec<&str> = path.split(',').collect();
        assert_eq!(text(amend(&encoded(&whole), &path, &new, how)), expected, "{whole} {path:?}");
    }
    let whole = encoded(&json!(["a", {"b": 1}]));
    assert_eq!(text(delete_path(&whole, &["1", "b"])), r#"["a",{}]"#);
    assert_eq!(text(delete_path(&whole, &["-1"])), r#"["a"]"#);
    assert_eq!(text(delete_path(&whole, &["7"])), r#"["a",{"b":1}]"#);
    assert_eq!(text(delete_keys(&encoded(&json!(["a", "b", 1])), &["a", "1"])), r#"["b",1]"#);
    assert_eq!(text(delete_keys(&encoded(&json!({"a": 1, "b": 2})), &["a"])), r#"{"b":2}"#);
    let nulls = encoded(&json!([{"a": null, "b": {"c": null}}, null]));
    assert_eq!(text(strip_nulls(&nulls)), r#"[{"b":{}},null]"#);
    let shown = pretty(&encoded(&json!({"a": [1, {}], "b": "x"}))).expect("a text");
    let expected = "{\n    \"a\": [\n        1,\n        {\n        }\n    ],\n    \"b\": \"x\"\n}";
    assert_eq!(shown, expected);
    let objects = (encoded(&json!({"a": 1, "b": 1})), encoded(&json!({"b": 2})));
    assert_eq!(text(concat(&objects.0, &objects.1)), r#"{"a":1,"b":2}"#);
    assert_eq!(text(concat(&objects.1, &encoded(&json!([3])))), r#"[{"b":2},3]"#);
    let made: Map<String, Json> = [("a".to_owned(), json!(1))].into_iter().collect();
    let one = encoded(&json!(1));
    let object = object_of([("a", one.as_ref()), ("a", one.as_ref())].into_iter());
    assert_eq!(to_json_value(&object.expect("an object")), Json::Object(made));
}
