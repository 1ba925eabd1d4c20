//! What does a path find?

use std::borrow::Cow;
use std::sync::Arc;

use pieskieo_shards::document::{DocumentKind, PathStep, VariantRef};

use super::item::{Item, Number};
use super::method;
use super::tree::{JsonPath, Node, Operator, Step};
use crate::error::{Code, Error, code};
use crate::limits::{JSON_PATH_ITEMS_MAX, JSON_PATH_STEPS_MAX};

/// Why a path gave nothing.
#[derive(Debug)]
pub(super) enum Failure {
    /// The document is not as the path wants it: the operators and `silent` let this pass.
    Quiet(Error),
    /// A limit, or a variable that is not there.
    Loud(Error),
}

/// What was found.
pub(super) type Found<T> = Result<T, Failure>;

/// Returns a failure that may be let pass.
pub(super) fn quiet<T>(code: &'static Code, message: impl Into<String>) -> Found<T> {
    Err(Failure::Quiet(Error::new(code, message)))
}

/// Values a path may still look at, for all rows of a call.
#[derive(Debug)]
pub(super) struct Budget(usize);

impl Default for Budget {
    fn default() -> Self {
        Self(JSON_PATH_STEPS_MAX)
    }
}

/// Evaluates one path over one document.
pub(super) struct Evaluator<'a, 'b> {
    root: VariantRef<'a>,
    /// An object of variables.
    variables: Option<VariantRef<'a>>,
    pub(super) path: &'a JsonPath,
    budget: &'b mut Budget,
    /// Whether what is not as the path wants it is left out: in lax mode, and behind `.**`, which
    /// meets all kinds of values.
    pub(super) forgiving: bool,
    /// Objects that `keyvalue()` has met.
    pairs: i128,
}

/// What `@` and `last` mean.
#[derive(Clone, Debug, Default)]
pub(super) struct Around<'a> {
    pub(super) current: Option<Item<'a>>,
    pub(super) last: Option<i128>,
}

impl<'a, 'b> Evaluator<'a, 'b> {
    /// Evaluates a path over a document, with an object of variables.
    pub(super) fn new(
        path: &'a JsonPath,
        root: VariantRef<'a>,
        variables: Option<VariantRef<'a>>,
        budget: &'b mut Budget,
    ) -> Self {
        Self { root, variables, path, budget, forgiving: !path.strict, pairs: 0 }
    }

    /// Returns what the whole path finds; a predicate gives true, false or null.
    ///
    /// **Errors**: as [`Failure`] says.
    pub(super) fn run(&mut self) -> Found<Vec<Item<'a>>> {
        let path = self.path;
        self.values(&path.root, &Around::default())
    }

    /// Returns the values of a node.
    pub(super) fn values(&mut self, node: &'a Node, around: &Around<'a>) -> Found<Vec<Item<'a>>> {
        self.spend(1)?;
        Ok(vec![match node {
            Node::Root => Item::Part(self.root.clone()),
            Node::Current => match &around.current {
                Some(current) => current.clone(),
                None => return Ok(Vec::new()),
            },
            Node::Last => Item::Number(Number::Integer(around.last.unwrap_or(0))),
            Node::Variable(name) => self.variable(name)?,
            Node::Null => Item::Null,
            Node::Bool(value) => Item::Bool(*value),
            Node::Number(number) => Item::Number(*number),
            Node::Text(text) => Item::Text(Cow::Borrowed(text)),
            Node::Steps(start, steps) => {
                let mut items = self.values(start, around)?;
                let forgiving = self.forgiving;
                for step in steps {
                    let stepped = self.step(items, step, around);
                    self.forgiving |= matches!(step, Step::Deep(..));
                    items = stepped.inspect_err(|_| self.forgiving = forgiving)?;
                }
                self.forgiving = forgiving;
                return Ok(items);
            }
            Node::Sign(minus, operand) => return self.signed(*minus, operand, around),
            Node::Arithmetic(operator, left, right) => {
                let left = self.single(*operator, "left", left, around)?;
                let right = self.single(*operator, "right", right, around)?;
                Item::Number(calculate(*operator, left, right)?)
            }
            predicate => match self.truth(predicate, around)? {
                Some(value) => Item::Bool(value),
                None => Item::Null,
            },
        }])
    }

    /// Returns the values of a node, in lax mode the elements of arrays among them.
    pub(super) fn unwrapped(
        &mut self,
        node: &'a Node,
        around: &Around<'a>,
    ) -> Found<Vec<Item<'a>>> {
        let items = self.values(node, around)?;
        self.unwrap(items)
    }

    /// Takes from what the path may still look at.
    pub(super) fn spend(&mut self, steps: usize) -> Found<()> {
        self.budget.0 = self.budget.0.checked_sub(steps).ok_or_else(|| {
            Failure::Loud(
                Error::new(code::PROGRAM_LIMIT, "a JSON path looks at too many values")
                    .with_detail(format!(
                        "The limit json_path_steps_max is {JSON_PATH_STEPS_MAX}."
                    )),
            )
        })?;
        Ok(())
    }

    fn push(&mut self, out: &mut Vec<Item<'a>>, item: Item<'a>) -> Found<()> {
        self.spend(1)?;
        if out.len() == JSON_PATH_ITEMS_MAX {
            return Err(Failure::Loud(
                Error::new(code::PROGRAM_LIMIT, "a JSON path finds too many values").with_detail(
                    format!("The limit json_path_items_max is {JSON_PATH_ITEMS_MAX}."),
                ),
            ));
        }
        out.push(item);
        Ok(())
    }

    fn variable(&self, name: &str) -> Found<Item<'a>> {
        let found = self.variables.as_ref().and_then(|variables| variables.field(name));
        found.map(Item::Part).ok_or_else(|| {
            let message = format!("the JSON path's variable \"{name}\" has no value");
            Failure::Loud(Error::new(code::UNDEFINED_OBJECT, message))
        })
    }

    fn unwrap(&mut self, items: Vec<Item<'a>>) -> Found<Vec<Item<'a>>> {
        let is_list = |item: &Item<'_>| item.kind() == DocumentKind::List;
        if self.path.strict || !items.iter().any(is_list) {
            return Ok(items);
        }
        let mut out = Vec::with_capacity(items.len());
        for item in items {
            if !is_list(&item) {
                self.push(&mut out, item)?;
                continue;
            }
            for element in item.elements() {
                self.push(&mut out, element)?;
            }
        }
        Ok(out)
    }

    fn step(
        &mut self,
        items: Vec<Item<'a>>,
        step: &'a Step,
        around: &Around<'a>,
    ) -> Found<Vec<Item<'a>>> {
        let items = match step {
            Step::Field(_) | Step::AnyField | Step::Filter(_) => self.unwrap(items)?,
            Step::Method(method) if method::unwraps(*method) => self.unwrap(items)?,
            _ => items,
        };
        let mut out = Vec::with_capacity(items.len());
        for item in items {
            self.spend(1)?;
            match step {
                Step::Field(name) => self.field(&item, name, &mut out)?,
                Step::AnyField => self.any_field(&item, &mut out)?,
                Step::AnyElement => self.any_element(item, &mut out)?,
                Step::Elements(ranges) => self.elements(&item, ranges, around, &mut out)?,
                Step::Deep(from, to) => {
                    self.deep(item, 0, (*from, to.unwrap_or(usize::MAX)), &mut out)?;
                }
                Step::Filter(condition) => {
                    let inside = Around { current: Some(item.clone()), last: around.last };
                    if self.truth(condition, &inside)? == Some(true) {
                        self.push(&mut out, item)?;
                    }
                }
                Step::Method(method) => {
                    for made in method::apply(self, *method, &item)? {
                        self.push(&mut out, made)?;
                    }
                }
            }
        }
        Ok(out)
    }

    fn field(&mut self, item: &Item<'a>, name: &str, out: &mut Vec<Item<'a>>) -> Found<()> {
        match item.field(name) {
            Some(found) => self.push(out, found),
            None if self.forgiving => Ok(()),
            None if item.kind() == DocumentKind::Object => {
                let message = format!("JSON object does not contain key \"{name}\"");
                quiet(code::JSON_MEMBER_NOT_FOUND, message)
            }
            None => {
                let message = "jsonpath member accessor can only be applied to an object";
                quiet(code::JSON_MEMBER_NOT_FOUND, message)
            }
        }
    }

    fn any_field(&mut self, item: &Item<'a>, out: &mut Vec<Item<'a>>) -> Found<()> {
        if item.kind() != DocumentKind::Object && !self.forgiving {
            let message = "jsonpath wildcard member accessor can only be applied to an object";
            return quiet(code::JSON_OBJECT_NOT_FOUND, message);
        }
        for value in item.field_values() {
            self.push(out, value)?;
        }
        Ok(())
    }

    fn any_element(&mut self, item: Item<'a>, out: &mut Vec<Item<'a>>) -> Found<()> {
        if item.kind() == DocumentKind::List {
            for element in item.elements() {
                self.push(out, element)?;
            }
            return Ok(());
        }
        if !self.path.strict {
            return self.push(out, item);
        }
        if self.forgiving {
            return Ok(());
        }
        let message = "jsonpath wildcard array accessor can only be applied to an array";
        quiet(code::JSON_ARRAY_NOT_FOUND, message)
    }

    fn elements(
        &mut self,
        item: &Item<'a>,
        ranges: &'a [(Node, Option<Node>)],
        around: &Around<'a>,
        out: &mut Vec<Item<'a>>,
    ) -> Found<()> {
        let list = match item {
            Item::Part(part) => part.element_count().map(|count| (part, count as i128)),
            _ => None,
        };
        if list.is_none() && self.path.strict {
            if self.forgiving {
                return Ok(());
            }
            let message = "jsonpath array accessor can only be applied to an array";
            return quiet(code::JSON_ARRAY_NOT_FOUND, message);
        }
        let count = list.map_or(1, |(_, count)| count);
        let inside = Around { current: around.current.clone(), last: Some(count - 1) };
        for (from, to) in ranges {
            let from = self.index(from, &inside)?;
            let to = match to {
                Some(to) => self.index(to, &inside)?,
                None => from,
            };
            if !self.forgiving && (from < 0 || from > to || to >= count) {
                let message = "jsonpath array subscript is out of bounds";
                return quiet(code::JSON_SUBSCRIPT, message);
            }
            for position in from.max(0)..=to.min(count - 1) {
                let element = match (list, i64::try_from(position)) {
                    (Some((part, _)), Ok(index)) => {
                        part.step(&PathStep::Index(index)).map(Item::Part)
                    }
                    _ => Some(item.clone()),
                };
                if let Some(element) = element {
                    self.push(out, element)?;
                }
            }
        }
        Ok(())
    }

    fn index(&mut self, node: &'a Node, around: &Around<'a>) -> Found<i128> {
        let items = self.values(node, around)?;
        let number = match items.as_slice() {
            [one] => one.number(),
            _ => None,
        };
        let Some(number) = number else {
            let message = "jsonpath array subscript is not a single numeric value";
            return quiet(code::JSON_SUBSCRIPT, message);
        };
        match number {
            Number::Integer(index) if i32::try_from(index).is_ok() => Ok(index),
            Number::Double(index) if index.abs() <= f64::from(i32::MAX) => {
                Ok(index.trunc() as i128)
            }
            _ => quiet(code::JSON_SUBSCRIPT, "jsonpath array subscript is out of integer range"),
        }
    }

    /// All values below an item, and itself, between two levels. Documents are 128 levels deep at
    /// most.
    fn deep(
        &mut self,
        item: Item<'a>,
        level: usize,
        levels: (usize, usize),
        out: &mut Vec<Item<'a>>,
    ) -> Found<()> {
        self.spend(1)?;
        let (from, to) = levels;
        let members = match item.kind() {
            _ if level >= to => Vec::new(),
            DocumentKind::List => item.elements(),
            DocumentKind::Object => item.field_values(),
            _ => Vec::new(),
        };
        // `{last}` means the values that have none below them.
        let is_leaf = !matches!(item.kind(), DocumentKind::List | DocumentKind::Object);
        if (level >= from && level <= to) || (from == usize::MAX && is_leaf) {
            self.push(out, item)?;
        }
        for member in members {
            self.deep(member, level + 1, levels, out)?;
        }
        Ok(())
    }

    fn signed(
        &mut self,
        minus: bool,
        operand: &'a Node,
        around: &Around<'a>,
    ) -> Found<Vec<Item<'a>>> {
        let mut out = Vec::new();
        for item in self.unwrapped(operand, around)? {
            let Some(number) = item.number() else {
                let sign = if minus { '-' } else { '+' };
                let message =
                    format!("operand of unary jsonpath operator {sign} is not a numeric value");
                return quiet(code::JSON_NUMBER_NOT_FOUND, message);
            };
            let number = match number {
                Number::Integer(number) if minus => Number::Integer(-number),
                Number::Double(number) if minus => Number::Double(-number),
                number => number,
            };
            self.push(&mut out, Item::Number(number))?;
        }
        Ok(out)
    }

    fn single(
        &mut self,
        operator: Operator,
        side: &str,
        node: &'a Node,
        around: &Around<'a>,
    ) -> Found<Number> {
        let items = self.unwrapped(node, around)?;
        let number = match items.as_slice() {
            [one] => one.number(),
            _ => None,
        };
        match number {
            Some(number) => Ok(number),
            None => {
                let sign = operator.sign();
                let message = format!(
                    "{side} operand of jsonpath operator {sign} is not a single numeric value"
                );
                quiet(code::JSON_SINGLETON, message)
            }
        }
    }

    /// Makes the object of a field, for `keyvalue()`.
    pub(super) fn pairs_of(&mut self, part: &VariantRef<'a>) -> Vec<Item<'a>> {
        let id = self.pairs;
        self.pairs += 1;
        let pair = |(key, value)| Item::Pair(Arc::new(super::item::Pair { key, value, id }));
        part.fields().into_iter().map(pair).collect()
    }
}

fn calculate(operator: Operator, left: Number, right: Number) -> Found<Number> {
    let divides = matches!(operator, Operator::Divide | Operator::Remainder);
    if divides && right.double() == 0.0 {
        return quiet(code::DIVISION_BY_ZERO, "division by zero");
    }
    if let (Number::Integer(a), Number::Integer(b)) = (left, right) {
        let exact = match operator {
            Operator::Add => a.checked_add(b),
            Operator::Subtract => a.checked_sub(b),
            Operator::Multiply => a.checked_mul(b),
            Operator::Divide if a % b == 0 => Some(a / b),
            Operator::Divide => None,
            Operator::Remainder => Some(a % b),
        };
        // A few more digits than a document holds; beyond, the nearest double.
        if let Some(exact) = exact.filter(|exact| exact.unsigned_abs() < 1 << 100) {
            return Ok(Number::Integer(exact));
        }
    }
    let (a, b) = (left.double(), right.double());
    let double = match operator {
        Operator::Add => a + b,
        Operator::Subtract => a - b,
        Operator::Multiply => a * b,
        Operator::Divide => a / b,
        Operator::Remainder => a % b,
    };
    match double.is_finite() {
        true => Ok(Number::Double(double)),
        false => quiet(code::NUMERIC_OUT_OF_RANGE, "number out of range in a JSON path"),
    }
}
