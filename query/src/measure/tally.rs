//! What is known of the statements of one core?

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use pieskieo_io::time::{self, Monotonic};

use super::Form;
use crate::limits::FORMS_MAX;
use crate::outcome::StatementKind;

/// What is known of the statements of one core.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    forms: RefCell<HashMap<u64, Counts, ahash::RandomState>>,
    /// Statements that were logged as slow.
    slow: Cell<u64>,
}

/// The runs of one form.
#[derive(Debug)]
struct Counts {
    form: Rc<Form>,
    calls: u64,
    errors: u64,
    rows: u64,
    total: Duration,
    least: Duration,
    most: Duration,
    /// When the last one ended.
    last: Monotonic,
}

/// One run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    /// When it ended.
    pub ended: Monotonic,
    /// How long it took.
    pub took: Duration,
    /// Rows it answered, or records it changed.
    pub rows: u64,
    /// Whether it failed.
    pub failed: bool,
}

/// The runs of one form, as they leave their core.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    /// The form's.
    pub id: u64,
    /// The form's.
    pub kind: StatementKind,
    /// The form's.
    pub text: String,
    /// How often it ran.
    pub calls: u64,
    /// How often it failed; those runs are in `calls` too.
    pub errors: u64,
    /// Rows it answered, or records it changed.
    pub rows: u64,
    /// Time of all runs.
    pub total: Duration,
    /// Time of the shortest.
    pub least: Duration,
    /// Time of the longest.
    pub most: Duration,
    /// When the last one ended, microseconds since 1970.
    pub last: i64,
}

impl Tally {
    /// Adds a run. Of the forms that no longer fit the one that ran longest ago is forgotten.
    ///
    /// **Cost**: a look-up; a pass over all forms for a new one when there is no room.
    pub(super) fn note(&self, form: &Rc<Form>, run: Run) {
        let mut forms = self.forms.borrow_mut();
        if let Some(counts) = forms.get_mut(&form.id) {
            counts.add(run);
            return;
        }
        if forms.len() >= FORMS_MAX {
            let oldest = forms.iter().min_by_key(|(id, counts)| (counts.last, **id));
            if let Some(oldest) = oldest.map(|(id, _)| *id) {
                forms.remove(&oldest);
            }
        }
        let mut counts = Counts {
            form: form.clone(),
            calls: 0,
            errors: 0,
            rows: 0,
            total: Duration::ZERO,
            least: Duration::MAX,
            most: Duration::ZERO,
            last: run.ended,
        };
        counts.add(run);
        forms.insert(form.id, counts);
    }

    /// Counts a slow statement.
    pub(super) fn note_slow(&self) {
        self.slow.set(self.slow.get() + 1);
    }

    /// Returns how many statements were logged as slow.
    pub fn slow(&self) -> u64 {
        self.slow.get()
    }

    /// Returns the runs of every form, in no order.
    pub fn measured(&self) -> Vec<Measured> {
        let (now, wall) = (time::now(), time::wall().micros());
        let forms = self.forms.borrow();
        let measured = forms.values().map(|counts| {
            let ago = i64::try_from(now.since(counts.last).as_micros()).unwrap_or(i64::MAX);
            Measured {
                id: counts.form.id,
                kind: counts.form.kind,
                text: counts.form.text.to_string(),
                calls: counts.calls,
                errors: counts.errors,
                rows: counts.rows,
                total: counts.total,
                least: counts.least,
                most: counts.most,
                last: wall.saturating_sub(ago),
            }
        });
        measured.collect()
    }
}

impl Counts {
    fn add(&mut self, run: Run) {
        let Run { ended, took, rows, failed } = run;
        self.calls += 1;
        self.errors += u64::from(failed);
        self.rows = self.rows.saturating_add(rows);
        self.total = self.total.saturating_add(took);
        self.least = self.least.min(took);
        self.most = self.most.max(took);
        self.last = self.last.max(ended);
    }
}

impl Measured {
    /// Adds the runs of another core.
    pub fn add(&mut self, other: Self) {
        self.calls += other.calls;
        self.errors += other.errors;
        self.rows = self.rows.saturating_add(other.rows);
        self.total = self.total.saturating_add(other.total);
        self.least = self.least.min(other.least);
        self.most = self.most.max(other.most);
        self.last = self.last.max(other.last);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(millis: u64, failed: bool) -> Run {
        let ended = Monotonic::default() + Duration::from_millis(millis);
        Run { ended, took: Duration::from_millis(millis), rows: 1, failed }
    }

    fn form(number: usize) -> Rc<Form> {
        Rc::new(Form::of(&format!("SELECT a{number}"), StatementKind::Select))
    }

    #[test]
    fn runs_add_up_on_a_core_and_over_cores() {
        let tally = Tally::default();
        for (millis, failed) in [(5, false), (1, true), (3, false)] {
            tally.note(&form(1), run(millis, failed));
        }
        let mut sum = tally.measured().remove(0);
        sum.add(tally.measured().remove(0));
        assert_eq!((sum.calls, sum.errors, sum.rows), (6, 2, 6));
        let times = [sum.total, sum.least, sum.most].map(|time| time.as_millis());
        assert_eq!(times, [18, 1, 5]);
    }

    #[test]
    fn the_form_that_ran_longest_ago_leaves() {
        let tally = Tally::default();
        for number in 0..FORMS_MAX {
            tally.note(&form(number), run(number as u64, false));
        }
        tally.note(&form(0), run(FORMS_MAX as u64, false));
        tally.note(&form(FORMS_MAX), run(FORMS_MAX as u64 + 1, false));
        let texts: Vec<String> = tally.measured().into_iter().map(|one| one.text).collect();
        assert_eq!(texts.len(), FORMS_MAX);
        assert!(texts.contains(&"select a0".to_owned()));
        assert!(!texts.contains(&"select a1".to_owned()));
    }
}
