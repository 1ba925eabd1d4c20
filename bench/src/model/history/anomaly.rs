//! What went wrong, in words?

use std::fmt;

use super::graph::{Edge, Kind};
use super::transaction::{Element, Operation, RecordId, Transaction};

/// Kinds of anomaly, worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// An element nobody appended was read.
    Garbage,
    /// An element was read twice in one record.
    Duplicate,
    /// A committed element was not there when somebody read later.
    Lost,
    /// Two reads of a record disagree about the order of its elements.
    Incompatible,
    /// A transaction did not see what it had written itself.
    Internal,
    /// A circle of writes.
    G0,
    /// What a refused transaction wrote was read.
    G1a,
    /// What a transaction wrote and then overwrote was read.
    G1b,
    /// A circle of writes and reads of what was written.
    G1c,
    /// A circle in which one read was overwritten.
    GSingle,
    /// A circle in which several reads were overwritten, no two in a row.
    GNonadjacent,
    /// Any other circle with overwritten reads of records.
    G2Item,
    /// Any other circle with overwritten reads, one of them a search.
    G2,
}

/// What a history shows and was not promised to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anomaly {
    /// What it is called.
    pub class: Class,
    /// Whether it is one only because somebody had been answered before somebody else began.
    pub realtime: bool,
    /// What happened, in lines: who came before whom and why, then what each of them did.
    pub story: String,
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Garbage => "garbage",
            Self::Duplicate => "duplicate",
            Self::Lost => "lost",
            Self::Incompatible => "incompatible",
            Self::Internal => "internal",
            Self::G0 => "G0",
            Self::G1a => "G1a",
            Self::G1b => "G1b",
            Self::G1c => "G1c",
            Self::GSingle => "G-single",
            Self::GNonadjacent => "G-nonadjacent",
            Self::G2Item => "G2-item",
            Self::G2 => "G2",
        })
    }
}

impl fmt::Display for Anomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let realtime = if self.realtime { " in real time" } else { "" };
        write!(f, "{}{realtime}: {}", self.class, self.story)
    }
}

impl Anomaly {
    /// Tells of one record, and of those who had to do with it.
    pub(super) fn of_record(
        class: Class,
        what: &str,
        history: &[Transaction],
        who: &[usize],
    ) -> Self {
        let story = format!("{what}\n{}", deeds(history, who));
        Self { class, realtime: false, story }
    }

    /// Tells of a circle.
    pub(super) fn of_cycle(class: Class, history: &[Transaction], cycle: &[Edge]) -> Self {
        let realtime = cycle.iter().any(|edge| edge.kind == Kind::RealTime);
        let mut story = String::new();
        for edge in cycle {
            story += &format!("T{} -{}-> ", edge.source, edge.kind.name());
        }
        story += &format!("T{}\n", cycle[0].source);
        for edge in cycle {
            story += &format!("  {}\n", reason(edge));
        }
        let who: Vec<usize> = cycle.iter().map(|edge| edge.source).collect();
        story += &deeds(history, &who);
        Self { class, realtime, story }
    }
}

fn reason(edge: &Edge) -> String {
    let Edge { source, target, record: RecordId(record), element: Element(element), .. } = edge;
    match edge.kind {
        Kind::WriteWrite => format!("T{source} wrote {record} before T{target} appended {element}"),
        Kind::WriteRead => {
            format!("T{source} appended {element} to {record} before T{target} saw it")
        }
        Kind::ReadWrite { search: false } => {
            format!("T{source} read {record} without {element}, which T{target} appended")
        }
        Kind::ReadWrite { search: true } => {
            format!("T{source} searched as if {record} were without {element} of T{target}")
        }
        Kind::RealTime => format!("T{source} had been answered before T{target} began"),
    }
}

fn list(elements: &[Element]) -> String {
    let texts: Vec<String> = elements.iter().map(|Element(element)| element.to_string()).collect();
    format!("[{}]", texts.join(" "))
}

fn deed(operation: &Operation) -> String {
    match operation {
        Operation::Append { record: RecordId(record), element: Element(element) } => {
            format!("append {element} to {record}")
        }
        Operation::Read { record: RecordId(record), found } => {
            format!("read {record} = {}", list(found))
        }
        Operation::Search { records, lengths, found } => {
            let found: Vec<String> = found
                .iter()
                .map(|(RecordId(record), elements)| format!("{record} = {}", list(elements)))
                .collect();
            let found = found.join(", ");
            let (least, most) = (lengths.start(), lengths.end());
            let most = if *most == usize::MAX { String::new() } else { format!(" to {most}") };
            format!("search {records:?} of length {least}{most} = {{{found}}}")
        }
    }
}

fn deeds(history: &[Transaction], who: &[usize]) -> String {
    let mut text = String::new();
    for &index in who {
        let Transaction { client, begin, end, outcome, operations } = &history[index];
        let deeds: Vec<String> = operations.iter().map(deed).collect();
        let deeds = deeds.join(", ");
        text += &format!("  T{index}: client {client}, {begin} to {end}, {outcome:?}: {deeds}\n");
    }
    text
}
