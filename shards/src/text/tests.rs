//! Does the index answer like a reading of all documents would?

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::dictionary::{Dictionary, is_near};
use super::postings::{Entry, Postings, count_of, seek, union};
use super::{
    Revival, SnippetOptions, TextIndex, TextNode, TextOptions, TextQuery, TextStats, highlights,
    matches, snippet, terms,
};
use crate::Error;
use crate::ids::{RecordId, Timestamp};

fn word(text: &str) -> TextNode {
    TextNode::Term(text.to_owned())
}

fn phrase(words: &[&str]) -> TextNode {
    TextNode::Phrase(words.iter().map(|word| (*word).to_owned()).collect())
}

fn prefer(first: TextNode, second: TextNode) -> TextNode {
    TextNode::Prefer(Box::new(first), Box::new(second))
}

fn without(first: TextNode, second: TextNode) -> TextNode {
    TextNode::Without(Box::new(first), Box::new(second))
}

fn plain(fields: usize) -> TextOptions {
    TextOptions { fields, stem: false, ..TextOptions::default() }
}

#[test]
fn words_follow_unicode_and_case_is_folded() {
    let cases: &[(&str, bool, &[&str])] = &[
        ("The quick (brown) fox", false, &["the", "quick", "brown", "fox"]),
        ("can't 3.14 a_b x-y", false, &["can't", "3.14", "a_b", "x", "y"]),
        ("STRASSE Straße ÉCOLE", false, &["strasse", "straße", "école"]),
        ("ΟΔΟΣ", false, &["οδος"]),
        ("running runs ran easily", true, &["run", "run", "ran", "easili"]),
        ("--- ... !!!", false, &[]),
        ("", true, &[]),
    ];
    for (text, stem, expected) in cases {
        assert_eq!(terms(text, *stem), *expected, "{text:?}");
    }
    let long = format!("a {} b", "x".repeat(129));
    assert_eq!(terms(&long, false), ["a", "b"]);
    assert_eq!(terms("İ", false).len(), 1);
}

#[test]
fn overlong_words_are_left_out_but_keep_their_place() {
    let mut index = TextIndex::open(plain(1));
    let text = format!("a {} b", "x".repeat(129));
    index.insert(RecordId(0), &[Some(&text)], Timestamp(1));
    assert_eq!(found(&index, "\"a b\"", 1), [] as [u32; 0]);
    assert_eq!(found(&index, "a b", 1), [0]);
}

#[test]
fn queries_are_read_as_written() {
    let any = TextNode::Any;
    let all = TextNode::All;
    let fuzzy = |term: &str, distance| TextNode::Fuzzy { term: term.to_owned(), distance };
    let cases = [
        ("a", word("a")),
        ("A b", any(vec![word("a"), word("b")])),
        ("\"a b\"", phrase(&["a", "b"])),
        ("\"a\"", word("a")),
        ("+a +b", all(vec![word("a"), word("b")])),
        ("+a b c", prefer(word("a"), any(vec![word("b"), word("c")]))),
        ("a -b", without(word("a"), word("b"))),
        ("a NOT b -c", without(word("a"), any(vec![word("b"), word("c")]))),
        ("a AND b", all(vec![word("a"), word("b")])),
        ("a and b", any(vec![word("a"), word("and"), word("b")])),
        ("a OR b AND c", any(vec![word("a"), all(vec![word("b"), word("c")])])),
        ("(a OR b) AND c", all(vec![any(vec![word("a"), word("b")]), word("c")])),
        ("a b AND NOT c", without(any(vec![word("a"), word("b")]), word("c"))),
        ("wor*", TextNode::Prefix("wor".to_owned())),
        ("word~", fuzzy("word", 1)),
        ("word~2", fuzzy("word", 2)),
        ("e-mail", any(vec![word("e"), word("mail")])),
        ("+e-mail", phrase(&["e", "mail"])),
        ("x -e-mail", without(word("x"), phrase(&["e", "mail"]))),
        ("what is this?", any(vec![word("what"), word("is"), word("this")])),
        ("c++ - +", word("c")),
        ("~ a~b", any(vec![word("a"), word("b")])),
        ("", any(vec![])),
        ("!!!", any(vec![])),
    ];
    for (source, expected) in cases {
        let query = TextQuery::parse(source, false).unwrap();
        assert_eq!(query.node, expected, "{source:?}");
    }
    assert_eq!(TextQuery::parse("Running", true).unwrap().node, word("run"));
}

#[test]
fn wrong_queries_name_the_position() {
    let cases = [
        ("a \"b c", "this quote is not closed, at position 3"),
        ("é (a b", "this parenthesis is not closed, at position 3"),
        ("a ) b", "unexpected \")\", at position 3"),
        ("()", "a word is missing here, at position 1"),
        ("a OR", "a word is missing here, at position 3"),
        ("AND b", "a word is missing here, at position 1"),
        ("a AND OR b", "a word is missing here, at position 7"),
        ("a NOT", "a word is missing after this, at position 3"),
        ("a +)", "a word is missing after this, at position 3"),
        ("-a", "an exclusion needs something to exclude from, at position 1"),
        ("b OR -a", "an exclusion needs something to exclude from, at position 6"),
        ("word~3", "a fuzzy word allows 1 or 2 edits, at position 5"),
    ];
    for (source, expected) in cases {
        match TextQuery::parse(source, false) {
            Err(Error::InvalidValue(message)) => {
                assert_eq!(message, format!("{expected} of the text query"), "{source:?}");
            }
            other => panic!("{source:?} gave {other:?}"),
        }
    }
    let deep = "(".repeat(33) + "a" + &")".repeat(33);
    assert!(TextQuery::parse(&deep, false).is_err());
    assert!(TextQuery::parse(&"a ".repeat(1025), false).is_err());
    assert!(TextQuery::parse(&"a".repeat(20_000), false).is_err());
}

/// Returns the records found, best first.
fn found(index: &TextIndex, query: &str, snapshot: u64) -> Vec<u32> {
    let query = TextQuery::parse(query, index.options().stem).unwrap();
    let snapshot = Timestamp(snapshot);
    let stats = index.stats(&query, snapshot);
    let hits = index.search(&query, &stats, None, snapshot, None).unwrap();
    hits.into_iter().map(|(record, _)| record.0).collect()
}

#[test]
fn a_hand_computed_score_comes_out() {
    let mut index = TextIndex::open(plain(1));
    index.insert(RecordId(0), &[Some("a a b")], Timestamp(1));
    index.insert(RecordId(1), &[Some("b c c c c")], Timestamp(1));
    let query = TextQuery::parse("a", false).unwrap();
    let stats = index.stats(&query, Timestamp(1));
    assert_eq!((stats.documents, stats.terms), (2, 8));
    assert_eq!(stats.frequency, BTreeMap::from([("a".to_owned(), 1)]));
    let hits = index.search(&query, &stats, None, Timestamp(1), None).unwrap();
    // idf = ln(1 + 1.5/1.5) = ln 2; length 3, average 4: 1 - 0.75 + 0.75 * 0.75 = 0.8125;
    // 2 * 2.2 / (2 + 1.2 * 0.8125) = 4.4 / 2.975.
    assert_eq!(hits.len(), 1);
    assert!((hits[0].1 - std::f64::consts::LN_2 * 4.4 / 2.975).abs() < 1e-12);
}

#[test]
fn snapshots_see_their_own_documents() {
    let mut index = TextIndex::open(plain(1));
    index.insert(RecordId(0), &[Some("old")], Timestamp(10));
    index.insert(RecordId(0), &[Some("new")], Timestamp(20));
    index.remove(RecordId(0), Timestamp(20));
    index.insert(RecordId(1), &[None], Timestamp(20));
    for sealed in [false, true] {
        if sealed {
            index.seal();
        }
        let cases: &[(u64, &str, &[u32])] = &[
            (9, "old", &[]),
            (10, "old", &[0]),
            (19, "old", &[0]),
            (20, "old", &[]),
            (19, "new", &[]),
            (20, "new", &[0]),
        ];
        for (snapshot, query, expected) in cases {
            assert_eq!(found(&index, query, *snapshot), *expected, "{query} at {snapshot}");
        }
        assert_eq!(index.len(), 1);
    }
    index.remove(RecordId(0), Timestamp(30));
    assert_eq!(found(&index, "new", 29), [0]);
    assert_eq!(found(&index, "new", 30), [] as [u32; 0]);
    assert!(index.is_empty());
}

#[test]
fn the_last_text_of_a_moment_counts() {
    let mut index = TextIndex::open(plain(1));
    index.insert(RecordId(0), &[Some("first")], Timestamp(5));
    index.insert(RecordId(0), &[Some("second")], Timestamp(5));
    assert_eq!(found(&index, "first", 5), [] as [u32; 0]);
    assert_eq!(found(&index, "second", 5), [0]);
    assert_eq!(index.len(), 1);
}

#[test]
fn phrases_stay_within_a_field_and_fields_can_be_chosen() {
    let mut index = TextIndex::open(plain(2));
    index.insert(RecordId(0), &[Some("red house"), Some("blue door")], Timestamp(1));
    index.insert(RecordId(1), &[Some("blue"), Some("red house blue")], Timestamp(1));
    let search = |source: &str, fields: Option<Vec<usize>>| {
        let mut query = TextQuery::parse(source, false).unwrap();
        query.fields = fields;
        let stats = index.stats(&query, Timestamp(1));
        let hits = index.search(&query, &stats, None, Timestamp(1), None).unwrap();
        let found: BTreeSet<u32> = hits.iter().map(|(record, _)| record.0).collect();
        (found.into_iter().collect::<Vec<_>>(), stats)
    };
    assert_eq!(search("\"house blue\"", None).0, [1]);
    assert_eq!(search("\"red house\"", None).0, [0, 1]);
    assert_eq!(search("\"red house\"", Some(vec![0])).0, [0]);
    let (found, stats) = search("blue", Some(vec![0]));
    assert_eq!(found, [1]);
    assert_eq!((stats.documents, stats.terms, stats.frequency["blue"]), (2, 3, 1));
    assert_eq!(search("blue", Some(vec![0, 1])).0, [0, 1]);
    assert_eq!(search("blue", None).1.terms, 8);
}

#[test]
fn words_that_match_are_marked() {
    let cases: &[(&str, &str, &[&str])] = &[
        ("run", "He runs; RUNNING is fun", &["runs", "RUNNING"]),
        ("\"red house\"", "a red, red house of red", &["red", "house"]),
        ("hous* -red", "red houses", &["houses"]),
        ("colr~1", "colour color", &["color"]),
        ("éa", "(éa) ÉA", &["éa", "ÉA"]),
        ("x", "", &[]),
    ];
    for (source, text, expected) in cases {
        let query = TextQuery::parse(source, true).unwrap();
        let found: Vec<&str> =
            highlights(&query, true, text).into_iter().map(|range| &text[range]).collect();
        assert_eq!(found, *expected, "{source:?} in {text:?}");
    }
}

#[test]
fn snippets_show_where_most_words_stand_together() {
    let query = TextQuery::parse("\"red house\" blue", false).unwrap();
    let options = SnippetOptions { words: 4, ..SnippetOptions::default() };
    let cases = [
        ("a blue b c d e (the red house) is blue f g.", "…the <b>red house</b>) is…"),
        ("red house!", "<b>red house</b>!"),
        ("nothing of the kind here", "nothing of the kind…"),
        ("a b c d blue.", "…b c d <b>blue</b>."),
        ("", ""),
        ("?!", "?!"),
    ];
    for (text, expected) in cases {
        assert_eq!(snippet(&query, false, text, &options), expected, "{text:?}");
    }
}

#[test]
fn a_filter_never_costs_answers() {
    let mut index = TextIndex::open(plain(1));
    for record in 0..5000 {
        let text = if record % 2 == 0 { "a a" } else { "a b" };
        index.insert(RecordId(record), &[Some(text)], Timestamp(1));
    }
    let query = TextQuery::parse("a", false).unwrap();
    let stats = index.stats(&query, Timestamp(1));
    let mut asked = 0;
    let mut rare = |records: &[RecordId]| {
        asked += records.len();
        Ok(records.iter().map(|record| record.0 % 1000 == 999).collect())
    };
    for (k, expected) in [(1, vec![999]), (4, vec![999, 1999, 2999, 3999])] {
        let hits = index.search(&query, &stats, Some(k), Timestamp(1), Some(&mut rare)).unwrap();
        let records: Vec<u32> = hits.iter().map(|(record, _)| record.0).collect();
        assert_eq!(records, expected);
    }
    assert!(asked < 10_000, "the first search stops before it has asked about everything");
    let top = index.search(&query, &stats, Some(3), Timestamp(1), None).unwrap();
    assert_eq!(top.iter().map(|(record, _)| record.0).collect::<Vec<_>>(), [0, 2, 4]);
    assert!(index.search(&query, &stats, Some(0), Timestamp(1), None).unwrap().is_empty());
    let mut failing = |_: &[RecordId]| Err(Error::Cancelled("stop".to_owned()));
    assert!(index.search(&query, &stats, Some(3), Timestamp(1), Some(&mut failing)).is_err());
}

#[test]
fn folding_packs_and_drops_the_dead() {
    let mut index = TextIndex::open(plain(1));
    for record in 0..3000u32 {
        let text = format!("w{} w{} common", record % 7, record % 101);
        index.insert(RecordId(record), &[Some(&text)], Timestamp(1));
        if record % 600 == 599 {
            while index.fold(&mut || true) {}
        }
    }
    assert_eq!(index.pending(), 0);
    for record in 0..1500 {
        index.remove(RecordId(record), Timestamp(5));
    }
    while index.fold(&mut || true) {}
    assert_eq!(found(&index, "common", 4).len(), 3000);
    assert_eq!(index.collect(Timestamp(5)), 1500);
    let before = index.memory_bytes();
    let mut interruptions = 0;
    let mut steps = 0;
    loop {
        let more = index.fold(&mut || {
            steps += 1;
            steps % 10 != 0
        });
        // A removal between two steps must survive the merge.
        if interruptions == 3 {
            index.remove(RecordId(2000), Timestamp(6));
        }
        interruptions += 1;
        if !more {
            break;
        }
    }
    assert!(interruptions > 5, "the budget is respected");
    assert_eq!(index.collect(Timestamp(5)), 0);
    assert!(index.memory_bytes() < before);
    assert_eq!(found(&index, "common", 5).len(), 1500);
    assert_eq!(found(&index, "common", 6).len(), 1499);
}

#[test]
fn verify_names_what_differs() {
    let mut index = TextIndex::open(plain(1));
    index.insert(RecordId(0), &[Some("a b")], Timestamp(1));
    index.insert(RecordId(1), &[Some("c")], Timestamp(1));
    let check = |rows: &[(u32, &'static str)]| {
        let rows: Vec<_> =
            rows.iter().map(|(record, text)| (RecordId(*record), vec![Some(*text)])).collect();
        index.verify(rows.into_iter(), Timestamp(1))
    };
    assert_eq!(check(&[(0, "a b"), (1, "c")]), [] as [String; 0]);
    assert_eq!(check(&[(0, "b a"), (1, "c")]).len(), 2);
    assert!(check(&[(0, "a b")])[0].contains("record 1"));
    assert!(check(&[(0, "a b"), (1, "c"), (2, "d")])[0].contains("record 2"));
}

/// A document as the model keeps it.
#[derive(Clone, Debug)]
struct Row {
    record: u32,
    begin: u64,
    end: u64,
    fields: Vec<Option<String>>,
}

/// Reads everything for every question.
struct Model {
    rows: Vec<Row>,
}

impl Model {
    fn visible(&self, snapshot: u64) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(move |row| row.begin <= snapshot && snapshot < row.end)
    }

    fn texts(row: &Row, fields: &Option<Vec<usize>>) -> Vec<Vec<String>> {
        let chosen = |field: &usize| fields.as_ref().is_none_or(|fields| fields.contains(field));
        (0..row.fields.len())
            .filter(chosen)
            .map(|field| terms(row.fields[field].as_deref().unwrap_or(""), false))
            .collect()
    }

    fn count(texts: &[Vec<String>], leaf: &TextNode) -> usize {
        let words = texts.iter().flatten();
        match leaf {
            TextNode::Term(term) => words.filter(|word| *word == term).count(),
            TextNode::Prefix(start) => words.filter(|word| word.starts_with(start)).count(),
            TextNode::Fuzzy { term, distance } => {
                words.filter(|word| edits(word, term) <= *distance).count()
            }
            TextNode::Phrase(terms) => {
                let windows = texts.iter().flat_map(|text| text.windows(terms.len()));
                windows.filter(|window| *window == terms).count()
            }
            _ => unreachable!("only leaves are counted"),
        }
    }

    fn score(&self, query: &TextQuery, node: &TextNode, row: &Row, snapshot: u64) -> Option<f64> {
        let score = |node| self.score(query, node, row, snapshot);
        match node {
            TextNode::Any(nodes) => {
                let parts: Vec<f64> = nodes.iter().filter_map(score).collect();
                (!parts.is_empty()).then(|| parts.iter().sum())
            }
            TextNode::All(nodes) if nodes.is_empty() => None,
            TextNode::All(nodes) => {
                nodes.iter().map(score).collect::<Option<Vec<f64>>>().map(|all| all.iter().sum())
            }
            TextNode::Prefer(first, second) => {
                score(first).map(|sum| sum + score(second).unwrap_or(0.0))
            }
            TextNode::Without(first, second) => score(first).filter(|_| score(second).is_none()),
            leaf => {
                let texts: Vec<_> =
                    self.visible(snapshot).map(|row| Self::texts(row, &query.fields)).collect();
                let documents = texts.len() as f64;
                let words: usize = texts.iter().flatten().map(Vec::len).sum();
                let frequency = texts.iter().filter(|texts| Self::count(texts, leaf) > 0).count();
                let own = Self::texts(row, &query.fields);
                let count = Self::count(&own, leaf) as f64;
                let length = own.iter().map(Vec::len).sum::<usize>() as f64;
                let idf = 1.0 + (documents - frequency as f64 + 0.5) / (frequency as f64 + 0.5);
                let norm = 1.2 * (0.25 + 0.75 * length / (words as f64 / documents));
                (count > 0.0).then(|| idf.ln() * count * 2.2 / (count + norm))
            }
        }
    }

    fn search(&self, query: &TextQuery, snapshot: u64) -> BTreeMap<u32, f64> {
        self.visible(snapshot)
            .filter_map(|row| {
                self.score(query, &query.node, row, snapshot).map(|score| (row.record, score))
            })
            .collect()
    }
}

/// Levenshtein distance, by the definition.
fn edits(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let change = row[j] + usize::from(x != y);
            next.push(change.min(row[j + 1] + 1).min(next[j] + 1));
        }
        row = next;
    }
    row[b.len()]
}

const WORDS: &[&str] = &["a", "ab", "abc", "abd", "b", "bat", "cat", "car", "é", "éa"];

fn a_word() -> impl Strategy<Value = String> {
    proptest::sample::select(WORDS).prop_map(str::to_owned)
}

fn a_text() -> impl Strategy<Value = Option<String>> {
    proptest::option::weighted(0.8, proptest::collection::vec(a_word(), 0..8))
        .prop_map(|words| words.map(|words| words.join(" ")))
}

fn a_node() -> impl Strategy<Value = TextNode> {
    let leaf = prop_oneof![
        4 => a_word().prop_map(TextNode::Term),
        2 => proptest::collection::vec(a_word(), 2..4).prop_map(TextNode::Phrase),
        1 => a_word().prop_map(TextNode::Prefix),
        1 => (a_word(), 1usize..3).prop_map(|(term, distance)| TextNode::Fuzzy { term, distance }),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        let many = proptest::collection::vec(inner.clone(), 0..4);
        let pair = (inner.clone().prop_map(Box::new), inner.prop_map(Box::new));
        prop_oneof![
            3 => many.clone().prop_map(TextNode::Any),
            2 => many.prop_map(TextNode::All),
            1 => pair.clone().prop_map(|(a, b)| TextNode::Prefer(a, b)),
            1 => pair.prop_map(|(a, b)| TextNode::Without(a, b)),
        ]
    })
}

#[derive(Clone, Debug)]
enum Step {
    Put(u32, Vec<Option<String>>),
    Remove(u32),
    Seal,
    Fold(usize),
    Collect(u64),
}

fn a_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0u32..8, proptest::collection::vec(a_text(), 2))
            .prop_map(|(record, fields)| Step::Put(record, fields)),
        3 => (0u32..8).prop_map(Step::Remove),
        2 => Just(Step::Seal),
        2 => (0usize..20).prop_map(Step::Fold),
        1 => (0u64..6).prop_map(Step::Collect),
    ]
}

/// Plays steps into as many indexes as there are shards, and into the model. Returns the last
/// moment and the first that may still be asked for.
fn play(steps: &[Step], shards: &mut [TextIndex], model: &mut Model) -> (u64, u64) {
    let mut now = 1;
    let mut watermark = 0;
    for step in steps {
        now += 1;
        let shard = |record: u32| record as usize % shards.len();
        let end = |model: &mut Model, record: u32| {
            let current = |row: &&mut Row| row.record == record && row.end == u64::MAX;
            if let Some(row) = model.rows.iter_mut().find(current) {
                row.end = now;
            }
        };
        match step {
            Step::Put(record, fields) => {
                end(model, *record);
                if fields.iter().any(Option::is_some) {
                    let fields = fields.clone();
                    model.rows.push(Row { record: *record, begin: now, end: u64::MAX, fields });
                }
                let fields: Vec<Option<&str>> = fields.iter().map(Option::as_deref).collect();
                shards[shard(*record)].insert(RecordId(*record), &fields, Timestamp(now));
            }
            Step::Remove(record) => {
                end(model, *record);
                shards[shard(*record)].remove(RecordId(*record), Timestamp(now));
            }
            Step::Seal => shards.iter_mut().for_each(TextIndex::seal),
            Step::Fold(steps) => {
                for index in shards.iter_mut() {
                    let mut left = *steps;
                    index.fold(&mut || {
                        left = left.saturating_sub(1);
                        left > 0
                    });
                }
            }
            Step::Collect(back) => {
                watermark = watermark.max(now.saturating_sub(*back));
                for index in shards.iter_mut() {
                    index.collect(Timestamp(watermark));
                }
            }
        }
    }
    (now, watermark)
}

fn search_all(
    shards: &[TextIndex],
    query: &TextQuery,
    k: Option<usize>,
    snapshot: u64,
) -> Vec<(RecordId, f64)> {
    let snapshot = Timestamp(snapshot);
    let mut stats = TextStats::default();
    shards.iter().for_each(|index| stats.add(&index.stats(query, snapshot)));
    let mut hits: Vec<_> = shards
        .iter()
        .flat_map(|index| index.search(query, &stats, k, snapshot, None).unwrap())
        .collect();
    hits.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    hits.truncate(k.unwrap_or(usize::MAX));
    hits
}

proptest! {
    #[test]
    fn every_snapshot_answers_like_the_model(
        steps in proptest::collection::vec(a_step(), 0..40),
        nodes in proptest::collection::vec(a_node(), 1..4),
        fields in proptest::option::of(proptest::collection::btree_set(0usize..2, 1..3)),
        count in 1usize..4,
    ) {
        let mut model = Model { rows: Vec::new() };
        let mut shards: Vec<_> = (0..count).map(|_| TextIndex::open(plain(2))).collect();
        let (now, watermark) = play(&steps, &mut shards, &mut model);
        let mut one = [TextIndex::open(plain(2))];
        play(&steps, &mut one, &mut Model { rows: Vec::new() });
        for node in nodes {
            let fields = fields.clone().map(|fields| fields.into_iter().collect());
            let query = TextQuery { source: String::new(), node, fields };
            for snapshot in watermark..=now {
                let expected = model.search(&query, snapshot);
                let hits = search_all(&shards, &query, None, snapshot);
                let records: BTreeSet<u32> = hits.iter().map(|(record, _)| record.0).collect();
                prop_assert_eq!(&records, &expected.keys().copied().collect::<BTreeSet<_>>());
                prop_assert_eq!(hits.len(), records.len());
                for (record, score) in &hits {
                    prop_assert!((score - expected[&record.0]).abs() < 1e-9);
                }
                // The same bits whatever the number of shards, and top-k is a prefix.
                prop_assert_eq!(&search_all(&one, &query, None, snapshot), &hits);
                let top = search_all(&shards, &query, Some(2), snapshot);
                prop_assert_eq!(&top[..], &hits[..hits.len().min(2)]);
                for row in model.visible(snapshot) {
                    let fields: Vec<_> = row.fields.iter().map(Option::as_deref).collect();
                    let matched = matches(&query, false, &fields);
                    prop_assert_eq!(matched, expected.contains_key(&row.record));
                }
            }
        }
        for (shard, index) in shards.iter().enumerate() {
            let own = model.visible(now).filter(|row| row.record as usize % count == shard);
            let rows = own.map(|row| {
                (RecordId(row.record), row.fields.iter().map(Option::as_deref).collect())
            });
            prop_assert_eq!(index.verify(rows, Timestamp(now)), Vec::<String>::new());
        }
    }

    #[test]
    fn an_image_has_what_is_current(
        steps in proptest::collection::vec(a_step(), 0..40),
        later in proptest::collection::vec(a_step(), 0..8),
    ) {
        let mut model = Model { rows: Vec::new() };
        let mut index = [TextIndex::open(plain(2))];
        play(&steps, &mut index, &mut model);
        let (head, mut portrayal) = index[0].begin_image();
        portrayal.set_block_bytes(24);
        let keys: Vec<[u8; 4]> = (0..8_u32).map(u32::to_le_bytes).collect();
        let mut changed = BTreeSet::new();
        let mut later = later.iter();
        let mut blocks = Vec::new();
        let mut at = 1_000;
        loop {
            // What changes while the image is written is left out when it is read.
            match later.next() {
                Some(Step::Put(record, fields)) => {
                    changed.insert(*record);
                    let fields: Vec<_> = fields.iter().map(Option::as_deref).collect();
                    index[0].insert(RecordId(*record), &fields, Timestamp(at));
                }
                Some(Step::Remove(record)) => {
                    changed.insert(*record);
                    index[0].remove(RecordId(*record), Timestamp(at));
                }
                Some(_) => {
                    index[0].collect(Timestamp(at));
                    index[0].fold(&mut || true);
                }
                None => {}
            }
            at += 1;
            let key_of = |record: RecordId| &keys[record.0 as usize][..];
            match index[0].image_block(&mut portrayal, key_of) {
                Some(block) => blocks.push(block),
                None => break,
            }
        }
        let mut revival = Revival::begin(plain(2), &head).unwrap();
        for block in &blocks {
            let known = &mut |key: &[u8]| {
                let record = u32::from_le_bytes(key.try_into().unwrap());
                (!changed.contains(&record)).then_some(RecordId(record))
            };
            revival.take(block, known).unwrap();
        }
        let revived = revival.finish().unwrap();
        let current = model.rows.iter().filter(|row| row.end == u64::MAX);
        let rows: Vec<_> = current
            .filter(|row| !changed.contains(&row.record))
            .map(|row| {
                let fields: Vec<_> = row.fields.iter().map(Option::as_deref).collect();
                (RecordId(row.record), fields)
            })
            .collect();
        prop_assert_eq!(revived.len(), rows.len());
        prop_assert_eq!(revived.verify(rows.into_iter(), Timestamp(1)), Vec::<String>::new());
        // Broken bytes are an error or an index that can be asked and folded.
        for (number, block) in blocks.iter().enumerate() {
            for (at, bit) in (0..block.len()).zip([0, 3, 7].into_iter().cycle()) {
                let mut revival = Revival::begin(plain(2), &head).unwrap();
                let mut next = 0;
                let mut known = |_: &[u8]| {
                    next += 1;
                    Some(RecordId(next))
                };
                let taken = blocks.iter().enumerate().try_for_each(|(other, whole)| {
                    let mut bytes = whole.clone();
                    if other == number {
                        bytes[at] ^= 1 << bit;
                    }
                    revival.take(&bytes, &mut known)
                });
                if taken.is_ok() && let Ok(mut index) = revival.finish() {
                    index.fold(&mut || true);
                    index.search(
                        &TextQuery::parse("\"a b\" a*", false).unwrap(),
                        &TextStats::default(),
                        None,
                        Timestamp(1),
                        None,
                    ).unwrap();
                }
            }
        }
    }

    #[test]
    fn near_terms_are_those_within_the_distance(
        words in proptest::collection::btree_set("[abcé]{0,6}", 0..60),
        word in "[abcé]{1,6}",
        distance in 0usize..3,
    ) {
        let mut dictionary = Dictionary::default();
        words.iter().for_each(|word| dictionary.push(word));
        let found: Vec<&str> =
            dictionary.near(&word, distance).into_iter().map(|at| dictionary.get(at)).collect();
        let expected: Vec<&str> =
            words.iter().map(String::as_str).filter(|w| edits(w, &word) <= distance).collect();
        prop_assert_eq!(found, expected);
        for other in &words {
            prop_assert_eq!(is_near(&word, other, distance), edits(other, &word) <= distance);
            prop_assert!(dictionary.find(other).is_some());
        }
        let prefixed: Vec<&str> =
            dictionary.prefixed(&word).map(|at| dictionary.get(at)).collect();
        let starting = words.iter().filter(|other| other.starts_with(&word));
        prop_assert_eq!(prefixed, starting.map(String::as_str).collect::<Vec<_>>());
    }

    #[test]
    fn any_input_parses_or_names_a_position(source in "[ab \"()+\\-*~12ANDORT]{0,20}") {
        match TextQuery::parse(&source, true) {
            Ok(query) => { matches(&query, true, &[Some("a b")]); }
            Err(error) => prop_assert!(error.to_string().contains("at position")),
        }
    }

    #[test]
    fn list_jumps_agree_with_scans(
        slots in proptest::collection::btree_set(0u32..200, 0..80),
        others in proptest::collection::btree_set(0u32..200, 0..80),
        target in 0u32..210,
    ) {
        let entries: Vec<Entry> =
            slots.iter().map(|&slot| Entry { slot, count: 1, start: 0 }).collect();
        let expected = entries.iter().filter(|entry| entry.slot >= target).count();
        prop_assert_eq!(seek(&entries, target).len(), expected);
        let more: Vec<Entry> =
            others.iter().map(|&slot| Entry { slot, count: 2, start: 0 }).collect();
        let lists = [&entries, &more].map(|entries| Postings { entries, positions: &[] });
        let sum: Vec<Entry> = (0..200)
            .map(|slot| {
                let (first, second) = (slots.contains(&slot), others.contains(&slot));
                let count = u32::from(first) + 2 * u32::from(second);
                Entry { slot, count, start: 0 }
            })
            .filter(|entry| entry.count > 0)
            .collect();
        // The larger the run, the more it is worth sorting the lists.
        prop_assert_eq!(&union(&lists, None, 200), &sum);
        prop_assert_eq!(&union(&lists, None, 1 << 30), &sum);
        let few: Vec<u32> = others.iter().copied().take(3).collect();
        let all: Vec<u32> = others.iter().copied().collect();
        for wanted in [few, all] {
            let expected = wanted.iter().filter(|slot| slots.contains(slot)).count();
            prop_assert_eq!(count_of(&entries, &wanted), expected);
        }
    }
}
