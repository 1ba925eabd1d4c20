//! Do paths find what PostgreSQL's do, and what a plain model over JSON values does?

use pieskieo_shards::document::{self, VariantRef};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::evaluate::{Budget, Evaluator, Failure};
use super::parse::{check, parse};

/// What a path finds, as JSON; or a code.
fn find(document: &Json, path: &str, variables: Option<&Json>) -> Result<Vec<Json>, String> {
    let bytes = document::from_json(document).expect("a document");
    let variables = variables.map(|json| document::from_json(json).expect("a document"));
    let path = parse(path).map_err(|refusal| format!("{} at {}", refusal.0.code, refusal.1))?;
    let mut budget = Budget::default();
    let root = VariantRef::open(&bytes).expect("a document");
    let variables = variables.as_ref().and_then(|bytes| VariantRef::open(bytes));
    let mut evaluator = Evaluator::new(&path, root, variables, &mut budget);
    match evaluator.run() {
        Ok(items) => Ok(items
            .iter()
            .map(|item| document::to_json_value(&item.document().expect("a document")))
            .collect()),
        Err(Failure::Quiet(error)) => Err(error.code.to_owned()),
        Err(Failure::Loud(error)) => Err(format!("{} loud", error.code)),
    }
}

#[track_caller]
fn finds(document: &Json, path: &str, expected: Json) {
    assert_eq!(find(document, path, None).map(Json::from), Ok(expected), "{path}");
}

#[track_caller]
fn fails(document: &Json, path: &str, code: &str) {
    assert_eq!(find(document, path, None), Err(code.to_owned()), "{path}");
}

fn track() -> Json {
    json!({"track": {"segments": [
        {"location": [47.763, 13.4034], "start time": "2018-10-14 10:05:14", "HR": 73},
        {"location": [47.706, 13.2635], "start time": "2018-10-14 10:39:21", "HR": 135}]}})
}

/// The examples of PostgreSQL's manual, 9.16.2.
#[test]
fn the_examples_of_the_manual_hold() {
    let track = track();
    finds(&track, "$.track.segments[*].location", json!([[47.763, 13.4034], [47.706, 13.2635]]));
    finds(&track, "$.track.segments[0].location", json!([[47.763, 13.4034]]));
    finds(&track, "$.track.segments.size()", json!([2]));
    finds(&track, "$.track.segments[*].HR ? (@ > 130)", json!([135]));
    finds(
        &track,
        "$.track.segments[*] ? (@.HR > 130).\"start time\"",
        json!(["2018-10-14 10:39:21"]),
    );
    finds(
        &track,
        "$.track.segments[*] ? (@.location[1] < 13.4) ? (@.HR > 130).\"start time\"",
        json!(["2018-10-14 10:39:21"]),
    );
    finds(&track, "$.track ? (exists(@.segments[*] ? (@.HR > 130))).segments.size()", json!([2]));
    finds(&track, "$.track.segments[*].HR > 130", json!([true]));
    finds(&track, "lax $.track.segments.location", json!([[47.763, 13.4034], [47.706, 13.2635]]));
    fails(&track, "strict $.track.segments.location", "2203A");
    finds(&track, "lax $.**.HR", json!([73, 135, 73, 135]));
    finds(&track, "strict $.**.HR", json!([73, 135]));
}

#[test]
fn steps_and_methods_give_what_postgresql_gives() {
    let whole = json!({"a": [1, 2, [3, 4]], "b": {"c": "x", "d": null}, "n": -1.5, "t": " 12 "});
    for (path, expected) in [
        ("$.a[*]", json!([1, 2, [3, 4]])),
        ("$.a[last]", json!([[3, 4]])),
        ("$.a[last - 1, 0]", json!([2, 1])),
        ("$.a[0 to 1]", json!([1, 2])),
        ("$.a[1 to 9]", json!([2, [3, 4]])),
        ("$.a[5]", json!([])),
        ("$.a[1.7]", json!([2])),
        ("$.a[*][0]", json!([1, 2, 3])),
        ("$.b.*", json!(["x", null])),
        ("$.b[0].c", json!(["x"])),
        ("$.missing.deep[3]", json!([])),
        ("$.**{1}", json!([[1, 2, [3, 4]], {"c": "x", "d": null}, -1.5, " 12 "])),
        (
            "strict $.**{2 to last}.type()",
            json!(["number", "number", "array", "number", "number", "string", "null"]),
        ),
        ("strict $.**{last}", json!([1, 2, 3, 4, "x", null, -1.5, " 12 "])),
        ("$.a.type()", json!(["array"])),
        ("$.a[*].type()", json!(["number", "number", "array"])),
        ("$.a[*].size()", json!([1, 1, 2])),
        ("$.n.abs()", json!([1.5])),
        ("$.n.ceiling()", json!([-1])),
        ("$.n.floor()", json!([-2])),
        ("$.t.double()", json!([12])),
        ("-$.a[0 to 1]", json!([-1, -2])),
        ("$.a[0] + 2 * 3 - $.a[1]", json!([5])),
        ("7 / 2", json!([3.5])),
        ("8 / 2 % 3", json!([1])),
        ("1 + 0.5", json!([1.5])),
        ("($.a[0] + $.n).abs()", json!([0.5])),
        ("$.b.keyvalue().key", json!(["c", "d"])),
        ("$.b.keyvalue() ? (@.key == \"c\").value", json!(["x"])),
        (
            "$.b.keyvalue()",
            json!([{"key": "c", "value": "x", "id": 0}, {"key": "d", "value": null, "id": 0}]),
        ),
        ("$.b.\"c\"", json!(["x"])),
        ("$.b.c == \"x\" && $.n < 0", json!([true])),
        ("!($.n < 0)", json!([false])),
        ("$.b.c > 1", json!([null])),
        ("($.b.c > 1) is unknown", json!([true])),
        ("$.b.d == null", json!([true])),
        ("$.b.d != 1", json!([true])),
        ("$.b.c starts with \"x\"", json!([true])),
        ("$.b.c like_regex \"^X$\" flag \"i\"", json!([true])),
        ("$.b.c like_regex \".\" flag \"q\"", json!([false])),
        ("$.a[*] ? (@ >= 2)", json!([2, 3, 4])),
        ("$ ? (exists(@.b)).n", json!([-1.5])),
        ("$ ? (@.a[*] == 4).n", json!([-1.5])),
        ("$ ? (@.a[0] == 4).n", json!([])),
        ("strict $.**[0]", json!([1, 3])),
        ("strict $.**.*", json!([[1, 2, [3, 4]], {"c": "x", "d": null}, -1.5, " 12 ", "x", null])),
        ("$.a[*] ? (@ == 1 || @ == 3)", json!([1, 3])),
        ("$.a ? (@.size() > 9)", json!([])),
        ("1 == 1.0", json!([true])),
        ("\"\\u0041\\x42\\n\"", json!(["AB\n"])),
        ("$.\"t\" ? (@ starts with \" 1\")", json!([" 12 "])),
        ("true", json!([true])),
    ] {
        finds(&whole, path, expected);
    }
    for (path, code) in [
        ("strict $.missing", "2203A"),
        ("strict $.n.x", "2203A"),
        ("strict $.n.*", "2203C"),
        ("strict $.n[*]", "22039"),
        ("strict $.n[0]", "22039"),
        ("strict $.a[5]", "22033"),
        ("strict $.n.size()", "22039"),
        ("$.a[\"x\"]", "22033"),
        ("$.a[9999999999]", "22033"),
        ("$.b.c.double()", "22036"),
        ("$.b.double()", "22036"),
        ("$.b.c.abs()", "22036"),
        ("$.n.keyvalue()", "2203C"),
        ("$.a[*] + 1", "22038"),
        ("$.b.c + 1", "22038"),
        ("-$.b", "2203B"),
        ("1 / 0", "22012"),
        ("$x", "42704 loud"),
    ] {
        fails(&whole, path, code);
    }
    let variables = json!({"min": 1, "first name": "x"});
    let found = |path: &str| find(&whole, path, Some(&variables)).map(Json::from);
    assert_eq!(found("$.a[*] ? (@ > $min)"), Ok(json!([2, 3, 4])));
    assert_eq!(found("$.b ? (@.c == $\"first name\").c"), Ok(json!(["x"])));
}

#[test]
fn wrong_paths_are_refused_where_they_are_wrong() {
    for (path, place) in [
        ("", 1),
        ("a", 1),
        ("$.", 3),
        ("$.a[", 5),
        ("$.a[1", 6),
        ("$.a[]", 5),
        ("$ ? (@.a > 1", 13),
        ("$ ? (@.a)", 9),
        ("$.a ==", 7),
        ("@.a", 1),
        ("last", 1),
        ("$.a && $.b", 5),
        ("($.a == 1) + 1", 12),
        ("$.a \"x", 5),
        ("$.\"\\u12\"", 4),
        ("$.a ~ 1", 5),
        ("$.a.nosuch()", 5),
        ("$.**{x}", 6),
        ("strict", 7),
        ("$ $", 3),
        ("$.é.a ^", 7),
    ] {
        let (error, found) = *check(path).expect_err(path);
        assert_eq!((error.code, found), ("42601", place), "{path}: {error:?}");
    }
    let hint = check("$.a.flor()").expect_err("no such method").0.hint;
    assert_eq!(hint.as_deref(), Some("Did you mean \"floor\"?"));
    for (path, code) in [
        ("$.a.datetime()".to_owned(), "0A000"),
        ("$.a like_regex \"x\" flag \"x\"".to_owned(), "0A000"),
        ("$.a like_regex \"(\"".to_owned(), "2201B"),
        ("$.a like_regex \"(a{1000}){1000}\"".to_owned(), "2201B"),
        (format!("$.{}", "a".repeat(1 << 20)), "54000"),
        ("(".repeat(5_000), "54001"),
        ("-".repeat(5_000), "54001"),
        ("!".repeat(5_000), "54001"),
        (format!("1{}", "+1".repeat(5_000)), "54001"),
        (format!("1{}", "*1".repeat(5_000)), "54001"),
        (format!("$ ? ({}", "@ ? (".repeat(5_000)), "54001"),
        (format!("${}", "[$".repeat(5_000)), "54001"),
    ] {
        let shown: String = path.chars().take(30).collect();
        assert_eq!(check(&path).expect_err(&shown).0.code, code, "{shown}");
    }
    assert!(check(&format!("$ ? ({} @ == 2)", "@ == 1 ||".repeat(1_000))).is_ok());
}

#[test]
fn what_a_path_looks_at_is_bounded() {
    let wide = json!((0..3_000).collect::<Vec<_>>());
    let path = "$[*] ? ($[*] == $[*])";
    assert_eq!(find(&wide, path, None), Err("54000 loud".to_owned()));
    let mut deep = json!(1);
    for _ in 0..100 {
        deep = json!([deep, deep.is_array()]);
    }
    let path = format!("$.**{}", ".**".repeat(40));
    assert_eq!(find(&deep, &path, None), Err("54000 loud".to_owned()));
}

fn small_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        (-3_i64..4).prop_map(Json::from),
        "[ab]{0,2}".prop_map(Json::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::vec(("[ab]", inner), 0..3)
                .prop_map(|fields| Json::Object(fields.into_iter().collect())),
        ]
    })
}

/// A step of the model.
#[derive(Clone, Debug)]
enum Step {
    Field(String),
    AnyField,
    AnyElement,
    Element(i64),
    Deep,
    /// Those of which a field is greater than a number.
    Greater(String, i64),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => "[ab]".prop_map(Step::Field),
        1 => Just(Step::AnyField),
        2 => Just(Step::AnyElement),
        2 => (0_i64..3).prop_map(Step::Element),
        1 => Just(Step::Deep),
        1 => ("[ab]", -2_i64..3).prop_map(|(name, than)| Step::Greater(name, than)),
    ]
}

fn written(strict: bool, steps: &[Step]) -> String {
    let mut path = String::from(if strict { "strict $" } else { "$" });
    for step in steps {
        path += &match step {
            Step::Field(name) => format!(".{name}"),
            Step::AnyField => ".*".to_owned(),
            Step::AnyElement => "[*]".to_owned(),
            Step::Element(index) => format!("[{index}]"),
            Step::Deep => ".**".to_owned(),
            Step::Greater(name, than) => format!(" ? (@.{name} > {than})"),
        };
    }
    path
}

fn flattened(values: Vec<Json>, strict: bool) -> Vec<Json> {
    let flat = values.into_iter().flat_map(|value| match value {
        Json::Array(items) if !strict => items,
        other => vec![other],
    });
    flat.collect()
}

fn members(value: &Json) -> Vec<Json> {
    match value {
        Json::Array(items) => items.clone(),
        Json::Object(fields) => {
            let mut names: Vec<_> = fields.keys().collect();
            names.sort();
            names.into_iter().map(|name| fields[name].clone()).collect()
        }
        _ => Vec::new(),
    }
}

fn all_below(value: &Json, out: &mut Vec<Json>) {
    out.push(value.clone());
    members(value).iter().for_each(|member| all_below(member, out));
}

/// What the model finds; `None` = the structure is not as a strict path wants it.
fn model(root: &Json, strict: bool, mut forgiving: bool, steps: &[Step]) -> Option<Vec<Json>> {
    let mut values = vec![root.clone()];
    for step in steps {
        let unwraps = matches!(step, Step::Field(_) | Step::AnyField | Step::Greater(..));
        if unwraps {
            values = flattened(values, strict);
        }
        let mut next = Vec::new();
        for value in values {
            match (step, &value) {
                (Step::Field(name), Json::Object(fields)) => match fields.get(name) {
                    Some(field) => next.push(field.clone()),
                    None if forgiving => {}
                    None => return None,
                },
                (Step::AnyField, Json::Object(_)) => next.extend(members(&value)),
                (Step::Field(_) | Step::AnyField, _) if forgiving => {}
                (Step::Field(_) | Step::AnyField, _) => return None,
                (Step::AnyElement, Json::Array(items)) => next.extend(items.iter().cloned()),
                (Step::Element(index), Json::Array(items)) => {
                    match items.get(usize::try_from(*index).ok()?) {
                        Some(item) => next.push(item.clone()),
                        None if forgiving => {}
                        None => return None,
                    }
                }
                (Step::AnyElement | Step::Element(0), _) if !strict => next.push(value),
                (Step::AnyElement | Step::Element(_), _) if forgiving => {}
                (Step::AnyElement | Step::Element(_), _) => return None,
                (Step::Deep, _) => all_below(&value, &mut next),
                (Step::Greater(name, than), _) => {
                    // Whatever fails inside a condition is unknown.
                    let field = [Step::Field(name.clone())];
                    let field = model(&value, strict, forgiving, &field);
                    let field = flattened(field.unwrap_or_default(), strict);
                    let greater = |field: &Json| match field {
                        Json::Null => Some(false),
                        other => other.as_i64().map(|number| number > *than),
                    };
                    let truths: Vec<Option<bool>> = field.iter().map(greater).collect();
                    if truths.contains(&Some(true)) && !(strict && truths.contains(&None)) {
                        next.push(value);
                    }
                }
            }
        }
        forgiving |= matches!(step, Step::Deep);
        values = next;
    }
    Some(values)
}

proptest! {
    #[test]
    fn paths_find_what_the_model_finds(
        root in small_json(),
        strict in any::<bool>(),
        steps in prop::collection::vec(any_step(), 0..4),
    ) {
        let path = written(strict, &steps);
        match (find(&root, &path, None), model(&root, strict, !strict, &steps)) {
            (Ok(found), Some(expected)) => prop_assert_eq!(found, expected, "{}", path),
            (Err(_), None) => {}
            (found, expected) => prop_assert!(false, "{path}: {found:?}, not {expected:?}"),
        }
    }

    #[test]
    fn texts_without_sense_are_refused(text in "[$@.*?()\\[\\]{}\"a1 ,=<>!&|+/%-]{0,24}|\\PC{0,12}") {
        if check(&text).is_ok() {
            let _ = find(&json!({"a": [1, {"a": "x"}]}), &text, None);
        }
    }
}
