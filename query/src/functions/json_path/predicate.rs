//! When is a condition of a path true?
//!
//! True, false or unknown (`None`): what cannot be compared, and what fails, is unknown.

use std::cmp::Ordering;

use pieskieo_shards::document::DocumentKind;

use super::evaluate::{Around, Evaluator, Failure, Found};
use super::item::Item;
use super::tree::{Comparison, Node};

impl<'a> Evaluator<'a, '_> {
    /// Returns whether a predicate is true.
    ///
    /// **Errors**: only those that are never let pass.
    pub(super) fn truth(&mut self, node: &'a Node, around: &Around<'a>) -> Found<Option<bool>> {
        self.spend(1)?;
        match node {
            Node::And(all) => self.first_of(all, false, around),
            Node::Or(all) => self.first_of(all, true, around),
            Node::Not(inner) => Ok(self.truth(inner, around)?.map(|truth| !truth)),
            Node::IsUnknown(inner) => Ok(Some(self.truth(inner, around)?.is_none())),
            Node::Exists(inner) => {
                let items = known(self.values(inner, around))?;
                Ok(items.map(|items| !items.is_empty()))
            }
            Node::Compare(comparison, left, right) => {
                let (Some(left), Some(right)) =
                    (known(self.unwrapped(left, around))?, known(self.unwrapped(right, around))?)
                else {
                    return Ok(None);
                };
                self.spend(left.len().saturating_mul(right.len()))?;
                let pairs =
                    left.iter().flat_map(|left| right.iter().map(move |right| (left, right)));
                Ok(self.some(pairs.map(|(left, right)| compare(*comparison, left, right))))
            }
            Node::StartsWith(whole, prefix) => {
                let (Some(whole), Some(prefix)) =
                    (known(self.unwrapped(whole, around))?, known(self.unwrapped(prefix, around))?)
                else {
                    return Ok(None);
                };
                let prefix = prefix.first().and_then(Item::text);
                let starts = |item: &Item<'_>| Some(item.text()?.starts_with(prefix?));
                Ok(self.some(whole.iter().map(starts)))
            }
            Node::LikeRegex(whole, regex) => {
                let Some(whole) = known(self.unwrapped(whole, around))? else { return Ok(None) };
                for item in &whole {
                    // Matching is linear in the text.
                    self.spend(item.text().map_or(0, |text| text.len() / 64))?;
                }
                Ok(self.some(whole.iter().map(|item| item.text().map(|text| regex.is_match(text)))))
            }
            // Values are no predicates; the parser has seen to it.
            _ => Ok(None),
        }
    }

    /// The first operand that decides; else unknown if one is, else the other value.
    fn first_of(
        &mut self,
        all: &'a [Node],
        decides: bool,
        around: &Around<'a>,
    ) -> Found<Option<bool>> {
        let mut result = Some(!decides);
        for node in all {
            match self.truth(node, around)? {
                Some(truth) if truth == decides => return Ok(Some(decides)),
                Some(_) => {}
                None => result = None,
            }
        }
        Ok(result)
    }

    /// Whether one of several is true. In lax mode the first true or unknown one decides, in
    /// strict mode an unknown one does wherever it is.
    fn some(&self, all: impl Iterator<Item = Option<bool>>) -> Option<bool> {
        let mut result = Some(false);
        for truth in all {
            match truth {
                Some(true) if !self.path.strict => return Some(true),
                Some(true) => result = result.map(|_| true),
                Some(false) => {}
                None if self.path.strict => return None,
                None => result = None,
            }
        }
        result
    }
}

/// Makes a failure that may pass nothing.
fn known<T>(found: Found<T>) -> Found<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(Failure::Quiet(_)) => Ok(None),
        Err(loud) => Err(loud),
    }
}

/// Compares scalars; a null differs from everything else, other kinds cannot be compared.
fn compare(comparison: Comparison, left: &Item<'_>, right: &Item<'_>) -> Option<bool> {
    let kinds = (left.kind(), right.kind());
    let order = match kinds {
        (DocumentKind::Null, DocumentKind::Null) => Ordering::Equal,
        (DocumentKind::Null, _) | (_, DocumentKind::Null) => {
            return Some(comparison == Comparison::NotEqual);
        }
        (DocumentKind::Bool, DocumentKind::Bool) => left.boolean().cmp(&right.boolean()),
        (DocumentKind::Text, DocumentKind::Text) => left.text().cmp(&right.text()),
        (DocumentKind::Number, DocumentKind::Number) => left.number()?.compare(right.number()?),
        _ => return None,
    };
    Some(match comparison {
        Comparison::Equal => order.is_eq(),
        Comparison::NotEqual => order.is_ne(),
        Comparison::Less => order.is_lt(),
        Comparison::LessOrEqual => order.is_le(),
        Comparison::Greater => order.is_gt(),
        Comparison::GreaterOrEqual => order.is_ge(),
    })
}
