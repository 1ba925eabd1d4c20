//! Where do terms stand next to each other?

use super::encode::field_of;
use super::postings::{Entry, Postings, Run, seek};

/// Returns the documents where `terms` stand in this order at consecutive positions of one of
/// the given fields (`None` = all), with the number of such places.
///
/// **Cost**: a pass over the rarest term's list, a seek in the others for each of its documents.
pub fn phrase(run: &dyn Run, terms: &[String], fields: Option<&[usize]>) -> Vec<Entry> {
    let lists: Option<Vec<Postings<'_>>> = terms.iter().map(|term| run.postings(term)).collect();
    let Some(lists) = lists.filter(|lists| !lists.is_empty()) else { return Vec::new() };
    let rarest = lists.iter().map(|list| list.entries).min_by_key(|entries| entries.len());
    let mut rest: Vec<&[Entry]> = lists.iter().map(|list| list.entries).collect();
    let mut found = Vec::new();
    let mut starts = Vec::new();
    for candidate in rarest.unwrap_or_default() {
        let slot = candidate.slot;
        for entries in &mut rest {
            *entries = seek(entries, slot);
        }
        let here = |entries: &&[Entry]| entries.first().is_some_and(|entry| entry.slot == slot);
        if !rest.iter().all(here) {
            continue;
        }
        starts.clear();
        starts.extend(lists[0].positions_of(&rest[0][0]));
        starts.retain(|&at| fields.is_none_or(|fields| fields.contains(&field_of(at))));
        for (distance, (list, entries)) in (0u32..).zip(lists.iter().zip(&rest)).skip(1) {
            let mut others = list.positions_of(&entries[0]).peekable();
            starts.retain(|&at| {
                let wanted = at + distance;
                while others.next_if(|&other| other < wanted).is_some() {}
                others.peek() == Some(&wanted) && field_of(wanted) == field_of(at)
            });
        }
        if !starts.is_empty() {
            found.push(Entry { slot, count: starts.len() as u32, start: 0 });
        }
    }
    found
}
