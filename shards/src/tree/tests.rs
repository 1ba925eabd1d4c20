//! Does a tree answer as a plain list of versions would, wherever its versions lie?

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::rc::Rc;
use std::sync::Arc;

use pieskieo_io::file::Dir;
use pieskieo_io::sim::{SimOptions, World};
use pieskieo_io::wal::{Lsn, StreamId};
use proptest::prelude::*;

use super::{Cache, Erasure, Files, Group, Pins, Reach, Shape, Tree, Window, flush, load, merge};
use crate::error::Error;
use crate::ids::Timestamp;
use crate::key::KeyRange;
use crate::request::Wanted;
use crate::row::{RowLayout, encode_values, rank_of_integer};
use crate::value::{ColumnType, Value};

/// One step of a run.
#[derive(Clone, Debug)]
enum Step {
    /// Writes a row, or deletes, at the next timestamp.
    Write(u8, Option<i64>),
    Flush,
    Merge,
    /// Nobody looks further back than so many timestamps from now on.
    Forget(u64),
    /// Empties a range of keys.
    Erase(u8, u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (0..24_u8, prop::option::weighted(0.8, any::<i64>()))
            .prop_map(|(key, row)| Step::Write(key, row)),
        2 => Just(Step::Flush),
        1 => Just(Step::Merge),
        1 => (0..30_u64).prop_map(Step::Forget),
        1 => (0..24_u8, 0..24_u8).prop_map(|(one, two)| Step::Erase(one, two)),
    ]
}

fn layout() -> RowLayout {
    let types = [ColumnType::BigInt, ColumnType::Text, ColumnType::Bool];
    RowLayout::of_types(types.iter())
}

fn row(value: i64) -> Arc<[u8]> {
    let text = match value % 3 {
        0 => Value::Null,
        other => Value::Text(format!("row {other}").into()),
    };
    encode_values(&layout(), &[Value::BigInt(value), text, Value::Bool(value > 0)])
}

/// Some keys are prefixes of others.
fn key(number: u8) -> Vec<u8> {
    let mut key = vec![b'k'; 1 + usize::from(number % 3)];
    key.push(number);
    key
}

/// One step of a run over many keys, whose values mostly grow with them.
#[derive(Clone, Debug)]
enum WideStep {
    Write(u16, Option<i64>),
    Other(Step),
}

fn wide_step() -> impl Strategy<Value = WideStep> {
    let value = prop_oneof![0..4200_i64, Just(-1), any::<i64>()];
    prop_oneof![
        12 => (0..400_u16, prop::option::weighted(0.7, value))
            .prop_map(|(number, value)| WideStep::Write(number, value)),
        2 => Just(WideStep::Other(Step::Flush)),
        1 => Just(WideStep::Other(Step::Merge)),
        1 => (0..60_u64).prop_map(|ago| WideStep::Other(Step::Forget(ago))),
    ]
}

fn wide_key(number: u16) -> Vec<u8> {
    number.to_be_bytes().to_vec()
}

/// Versions by key: since when, and the row.
type Model = BTreeMap<Vec<u8>, Vec<(u64, Option<i64>)>>;

fn visible(model: &Model, snapshot: u64) -> BTreeMap<Vec<u8>, (u64, i64)> {
    let at = |versions: &Vec<(u64, Option<i64>)>| {
        let (begin, row) = *versions.iter().rev().find(|(begin, _)| *begin <= snapshot)?;
        Some((begin, row?))
    };
    model.iter().filter_map(|(key, versions)| Some((key.clone(), at(versions)?))).collect()
}

struct Run {
    tree: Tree,
    files: Files,
    cache: RefCell<Cache>,
    model: Model,
    now: u64,
    watermark: u64,
}

impl Run {
    async fn new() -> Self {
        let dir = Dir::create("/tree").await.expect("a folder");
        let shape = Shape { group_bytes: 120, run_bytes: 6 << 10, level_bytes: 24 << 10 };
        Self {
            tree: Tree::open(layout()),
            files: Files::new(dir, [1; 16], StreamId(3), 1, shape),
            cache: RefCell::new(Cache::new(4096)),
            model: Model::new(),
            now: 0,
            watermark: 0,
        }
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::Write(number, value) => self.write(key(number), value),
            Step::Flush => self.flush().await,
            Step::Merge => self.merge().await,
            Step::Forget(ago) => {
                self.watermark = self.watermark.max(self.now.saturating_sub(ago));
                self.tree.collect(Timestamp(self.watermark), &mut || true);
            }
            Step::Erase(one, two) => {
                let mut ends = [key(one), key(two)];
                ends.sort();
                let [from, to] = ends;
                self.erase(from, Some(to));
            }
        }
    }

    fn write(&mut self, key: Vec<u8>, value: Option<i64>) {
        self.now += 1;
        let at = Timestamp(self.now);
        match value {
            Some(value) => self.tree.put(&key, at, row(value)),
            None => self.tree.delete(&key, at),
        }
        self.model.entry(key).or_default().push((self.now, value));
    }

    fn erase(&mut self, from: Vec<u8>, to: Option<Vec<u8>>) {
        self.now += 1;
        let erasure = Erasure { from, to, begin: Timestamp(self.now) };
        for (_, versions) in self.model.iter_mut().filter(|(key, _)| erasure.contains(key)) {
            versions.push((self.now, None));
        }
        self.tree.erase(erasure);
    }

    fn erasures(&self) -> Vec<Erasure> {
        self.tree.erasures().cloned().collect()
    }

    /// Reads the rows with a value between two, compares them with the model, and returns how many
    /// were looked at.
    async fn wanted_rows(&self, low: i64, high: i64, snapshot: u64) -> usize {
        let ends = (rank_of_integer(low), rank_of_integer(high));
        let wanted = [Wanted { column: 0, low: ends.0, high: ends.1 }];
        let range = KeyRange { from: None, to: None, descending: false };
        let mut rows = self.scan(&range, snapshot, &wanted, 5).await;
        let looked_at = rows.len();
        rows.retain(|(_, _, value)| (low..=high).contains(value));
        let expected = visible(&self.model, snapshot);
        let expected = expected.into_iter().map(|(key, (begin, value))| (key, begin, value));
        let expected: Vec<_> =
            expected.filter(|(_, _, value)| (low..=high).contains(value)).collect();
        assert_eq!(rows, expected, "{low}..={high} at {snapshot}");
        looked_at
    }

    async fn flush(&mut self) {
        let is_all = self.tree.levels().is_empty();
        let Some(memory) = self.tree.freeze(Lsn(0)) else { return };
        // The checkpoint that names these.
        let (watermark, erased) = (Timestamp(self.watermark), self.erasures());
        let written = flush(&self.files, &layout(), &memory, (watermark, &erased), is_all).await;
        let mut runs = Vec::new();
        for facts in written.expect("written") {
            runs.push(Rc::new(self.files.open(facts).await.expect("a run")));
        }
        self.tree.flushed(runs, watermark);
        self.tree.checkpointed(Lsn(0), &erased.iter().collect::<Vec<_>>());
    }

    async fn merge(&mut self) {
        let watermark = Timestamp(self.watermark);
        while let Some(plan) = self.tree.plan(24 << 10, watermark) {
            let (regarded, erased) = self.tree.regarded(watermark);
            let written = merge(&self.files, &layout(), &plan, (watermark, &erased)).await;
            let mut runs = Vec::new();
            for facts in written.expect("merged") {
                runs.push(Rc::new(self.files.open(facts).await.expect("a run")));
            }
            self.tree.merged(&plan, runs, regarded);
        }
    }

    async fn loaded<T>(
        &self,
        mut work: impl FnMut(Reach<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let pins = RefCell::new(Pins::default());
        loop {
            match work(Reach { cache: &self.cache, pins: &pins }) {
                Err(Error::NotLoaded) => load(&self.cache, &pins).await?,
                done => return done,
            }
        }
    }

    async fn compare(&self) {
        for snapshot in [self.watermark, (self.watermark + self.now) / 2, self.now] {
            let expected = visible(&self.model, snapshot);
            for number in 0..24 {
                let key = key(number);
                let get = |reach: Reach<'_>| self.tree.get(reach, &key, Timestamp(snapshot));
                let found = self.loaded(get).await.expect("readable");
                let found = found.and_then(|found| Some((found.begin.0, found.row?)));
                let found = found.map(|(begin, row)| (begin, row.bytes(&layout())));
                let expected = expected.get(&key).map(|(begin, value)| (*begin, row(*value)));
                assert_eq!(found, expected, "key {number} at {snapshot}");
            }
            for (low, high) in [(0, 23), (3, 17), (9, 10)] {
                let mut ends = [key(low), key(high)];
                ends.sort();
                let [from, to] = ends;
                for descending in [false, true] {
                    let range =
                        KeyRange { from: Some(from.clone()), to: Some(to.clone()), descending };
                    let bounds = (Bound::Included(from.clone()), Bound::Excluded(to.clone()));
                    let within = expected.range(bounds);
                    let mut wanted: Vec<_> =
                        within.map(|(key, (begin, row))| (key.clone(), *begin, *row)).collect();
                    if descending {
                        wanted.reverse();
                    }
                    for room in [5, 1000] {
                        let found = self.scan(&range, snapshot, &[], room).await;
                        assert_eq!(found, wanted, "at {snapshot}, {room} at a time");
                    }
                }
            }
        }
    }

    /// Reads a range some rows at a time.
    async fn scan(
        &self,
        range: &KeyRange,
        snapshot: u64,
        wanted: &[Wanted],
        rows_max: usize,
    ) -> Vec<(Vec<u8>, u64, i64)> {
        let mut found = Vec::new();
        loop {
            let after = found.last().map(|(key, _, _): &(Vec<u8>, u64, i64)| key.clone());
            let (after, snapshot) = (after.as_deref(), Timestamp(snapshot));
            let window = Window { range, after, snapshot, wanted };
            let mut step = Vec::new();
            let scan = |reach: Reach<'_>| {
                step.clear();
                let mut room = rows_max;
                self.tree.scan(reach, window, room, &mut |item| {
                    item.each(&mut |key, begin, row| {
                        let row = row.held().bytes(&layout());
                        let layout = layout();
                        let value = crate::row::RowView::new(&row, &layout)?;
                        let Value::BigInt(value) = value.value(&layout, 0)? else {
                            return Err(Error::Internal("no number".into()));
                        };
                        step.push((key.to_vec(), begin.0, value));
                        room -= 1;
                        Ok(room > 0)
                    })?;
                    Ok(room)
                })
            };
            let over = self.loaded(scan).await.expect("readable");
            found.append(&mut step);
            if over {
                return found;
            }
        }
    }
}

/// What nobody sees any more is not read to be left out, and the mark that hides it goes with it.
#[test]
fn a_range_that_was_emptied_gives_its_space_back() {
    World::new(1, SimOptions::default())
        .run(1, |_| async {
            let mut run = Run::new().await;
            for number in 0..400 {
                run.write(wide_key(number), Some(i64::from(number)));
            }
            run.flush().await;
            run.merge().await;
            let versions = |run: &Run| -> u64 {
                run.tree.levels().runs().map(|(_, run)| run.facts.versions).sum()
            };
            let before = run.now;
            run.erase(wide_key(10), Some(wide_key(390)));
            run.write(wide_key(200), Some(7));
            let range = KeyRange { from: None, to: None, descending: false };
            for (snapshot, count) in [(before, 400), (before + 1, 20), (run.now, 21)] {
                assert_eq!(
                    run.scan(&range, snapshot, &[], 1000).await.len(),
                    count,
                    "at {snapshot}"
                );
            }
            // As long as somebody may look back it all stays.
            run.flush().await;
            run.merge().await;
            assert_eq!((versions(&run), run.erasures().len()), (401, 1));
            run.watermark = run.now;
            run.merge().await;
            assert_eq!((versions(&run), run.erasures().len()), (21, 0));
            assert_eq!(run.scan(&range, run.now, &[], 1000).await.len(), 21);
        })
        .finished();
}

/// A group that is read without a look at its keys ends where the next one goes on with the versions
/// of its last key, at some boundary of these groups.
#[test]
fn versions_of_a_key_in_two_groups_are_one_row() {
    for doubled in 2..9 {
        let run = move |_| async move {
            let mut run = Run::new().await;
            for number in 0..200 {
                run.write(wide_key(number), Some(i64::from(number)));
            }
            for number in (0..200).filter(|number| number % doubled == 0) {
                run.write(wide_key(number), Some(-1));
            }
            run.flush().await;
            let range = KeyRange { from: None, to: None, descending: false };
            for snapshot in [200, run.now] {
                let found = run.scan(&range, snapshot, &[], 1000).await;
                let expected = visible(&run.model, snapshot);
                let expected = expected.into_iter().map(|(key, (begin, row))| (key, begin, row));
                assert_eq!(found, expected.collect::<Vec<_>>(), "every {doubled} keys");
            }
        };
        World::new(1, SimOptions::default()).run(1, run).finished();
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_tree_answers_as_a_list_of_versions(steps in prop::collection::vec(step(), 1..120)) {
        World::new(1, SimOptions::default()).run(1, move |_| {
            let steps = steps.clone();
            async move {
                let mut run = Run::new().await;
                for (number, step) in steps.into_iter().enumerate() {
                    let is_write = matches!(step, Step::Write(..));
                    run.take(step).await;
                    if !is_write || number % 8 == 0 {
                        run.compare().await;
                    }
                }
                run.compare().await;
            }
        }).finished();
    }

    #[test]
    fn what_is_not_wanted_is_passed_and_nothing_else(
        steps in prop::collection::vec(wide_step(), 1..60),
        limits in prop::collection::vec((0..4200_i64, 0..600_i64), 4),
    ) {
        World::new(1, SimOptions::default()).run(1, move |_| {
            let (steps, limits) = (steps.clone(), limits.clone());
            async move {
                let mut run = Run::new().await;
                for number in 0..400 {
                    run.write(wide_key(number), Some(i64::from(number) * 10));
                }
                run.flush().await;
                let shown = run.wanted_rows(1_000, 1_100, run.now).await;
                assert!((11..150).contains(&shown), "{shown} rows of 400 are read for 11");
                for step in steps {
                    match step {
                        WideStep::Write(number, value) => run.write(wide_key(number), value),
                        WideStep::Other(step) => run.take(step).await,
                    }
                }
                for (low, length) in limits {
                    for snapshot in [run.watermark, (run.watermark + run.now) / 2, run.now] {
                        run.wanted_rows(low, low + length, snapshot).await;
                    }
                }
            }
        }).finished();
    }

    #[test]
    fn damaged_groups_are_errors(
        values in prop::collection::vec(any::<i64>(), 1..20),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        cut in any::<prop::sample::Index>(),
        step in 1_usize..4,
    ) {
        let layout = layout();
        let mut writer = super::encode::GroupWriter::new(&layout, 1 << 20);
        for (number, value) in (0..).zip(&values) {
            let row = row(*value);
            let content = super::version::Content::Row(super::Row::Bytes(&row));
            writer.push(&key(number), Timestamp(9), content).expect("a row");
        }
        let whole = writer.finish();
        let group = Group::open(whole.clone()).expect("a group");
        for (number, value) in values.iter().enumerate() {
            prop_assert_eq!(group.row(&layout, number), row(*value));
        }
        columns_are_alike(&group, &layout, step)?;
        let mut damaged = whole;
        let index = at.index(damaged.len());
        damaged[index] = byte;
        damaged.truncate(cut.index(damaged.len() + 1).max(1));
        if let Ok(group) = Group::open(damaged) {
            for number in 0..group.rows() {
                let _ = (group.begin(number), group.is_deletion(number), group.key(number));
                for column in 0..4 {
                    let _ = group.cell(&layout, number, column);
                }
            }
        }
    }
}

/// Every `step`th row of a group as neighbours, one by one and as rows of their own.
fn columns_are_alike(group: &Group, layout: &RowLayout, step: usize) -> Result<(), TestCaseError> {
    use crate::row::{RowView, Stretch, column_array};
    let numbers: Vec<u32> = (0..group.rows() as u32).step_by(step).collect();
    let rows: Vec<_> = numbers.iter().map(|row| group.row(layout, *row as usize)).collect();
    let single: Vec<_> =
        rows.iter().map(|row| Stretch::Row(RowView::new(row, layout).expect("a row"))).collect();
    let near: Vec<_> = numbers
        .iter()
        .map(|row| Stretch::Packed { pages: group, from: *row as usize, to: *row as usize + 1 })
        .collect();
    let whole = [Stretch::Packed { pages: group, from: 0, to: group.rows() }];
    for column in 0..layout.column_count() {
        let array = |rows: &[Stretch<'_>]| column_array(rows, layout, column).expect("an array");
        let picked = array(&[Stretch::Picked { pages: group, rows: &numbers }]);
        prop_assert_eq!(&picked, &array(&single));
        prop_assert_eq!(&picked, &array(&near));
        if step == 1 {
            prop_assert_eq!(&picked, &array(&whole));
        }
    }
    Ok(())
}

/// Rows of a group that was written before a column, and the same rows written again.
#[test]
fn a_column_added_with_a_default_has_it_in_old_groups() {
    let write = |layout: &RowLayout, rows: &[super::version::Held]| {
        let mut writer = super::encode::GroupWriter::new(layout, 1 << 20);
        for (number, row) in (0..).zip(rows) {
            let row = match row {
                super::version::Held::Bytes(bytes) => super::Row::Bytes(bytes),
                super::version::Held::Packed(group, row) => super::Row::Packed(group, *row),
            };
            let content = super::version::Content::Row(row);
            writer.push(&key(number), Timestamp(9), content).expect("a row");
        }
        Rc::new(Group::open(writer.finish()).expect("a group"))
    };
    let old = write(&layout(), &[5, -3].map(|value| super::version::Held::Bytes(row(value))));
    let types = [ColumnType::BigInt, ColumnType::Text, ColumnType::Bool, ColumnType::Int];
    let added = crate::row::field_of(&ColumnType::Int, &Value::Int(42)).expect("a field");
    let wide = RowLayout::of_types(types.iter()).with_missing([None, None, None, added]);
    let packed = [0, 1].map(|row| super::version::Held::Packed(old.clone(), row));
    let new = write(
        &RowLayout::of_types(types.iter()),
        &[
            super::version::Held::Bytes(old.row(&wide, 0)),
            super::version::Held::Bytes(old.row(&wide, 1)),
        ],
    );
    let again = write(&wide, &packed);
    for group in [&old, &new, &again] {
        for (number, value) in [(0, 5), (1, -3)] {
            let bytes = group.row(&wide, number);
            let view = crate::row::RowView::new(&bytes, &wide).expect("a row");
            assert_eq!(view.value(&wide, 0).expect("a value"), Value::BigInt(value));
            assert_eq!(view.value(&wide, 3).expect("a value"), Value::Int(42));
        }
        let stretch = crate::row::Stretch::Packed { pages: group.as_ref(), from: 0, to: 2 };
        let array = crate::row::column_array(&[stretch], &wide, 3).expect("an array");
        assert_eq!(Value::from_array(&array, 1, &types[3]).expect("a value"), Value::Int(42));
    }
}
