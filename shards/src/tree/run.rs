//! How is a sealed run opened and searched?
//!
//! A run is one segment file: row groups, and the parts that tell which group to read.
//!
//! | part | content |
//! | --- | --- |
//! | 1 groups | one block per row group (`group.rs`) |
//! | 2 fences | `u32 n`, `n` ends of keys, `n` begins (u64), the first keys of the groups |
//! | 3 filter | `filter.rs` |
//! | 4 zones | `zone.rs`; runs without numbers and times have none |
//!
//! Fences, filter and zones stay in memory while the run is open. Damaged fences and filters are made
//! again from the groups (`mend.rs`), without zones reads look at all groups. A damaged group is an error for who needs it, and for nobody else.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use pieskieo_io::file::Dir;
use pieskieo_io::segment::{self, PartKind, Segment, SegmentId, SegmentIdentity, SegmentSeal};

use super::cache::{Reach, Residents};
use super::erased::Erasure;
use super::filter::Filter;
use super::group::Group;
use super::mend;
use super::version::{Found, Held};
use super::zone::Zones;
use crate::codec::{Reader, Writer};
use crate::error::Error;
use crate::ids::Timestamp;
use crate::request::Wanted;

pub(super) const GROUPS: PartKind = PartKind(1);
pub(super) const FENCES: PartKind = PartKind(2);
pub(super) const FILTER: PartKind = PartKind(3);
pub(super) const ZONES: PartKind = PartKind(4);

/// What is known of a run without opening it; kept in the manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RunFacts {
    /// The file.
    pub seal: SegmentSeal,
    /// Smallest key.
    pub first: Vec<u8>,
    /// Largest key.
    pub last: Vec<u8>,
    /// Versions, deletions included.
    pub versions: u64,
    /// Deletions.
    pub deletions: u64,
    /// Bytes of the groups before compression.
    pub raw_bytes: u64,
    /// Latest begin of a version.
    pub newest: Timestamp,
}

/// An open run.
pub(crate) struct Run {
    pub(super) facts: RunFacts,
    source: Source,
    fences: Fences,
    filter: Filter,
    zones: Zones,
    /// Those of its groups that are in memory.
    pub(super) resident: Residents,
    /// Groups that were found damaged.
    damaged: RefCell<BTreeSet<u32>>,
}

/// Where a run's groups are.
enum Source {
    File(Box<Segment>),
    /// Not even the table of blocks can be read: why.
    Lost(String),
}

/// Why groups could not be read.
#[derive(Debug)]
pub(crate) struct Unread {
    /// The error; what it says of a damaged group is file and offset.
    pub error: Error,
    /// The group that is damaged, if one is.
    pub group: Option<u32>,
}

impl From<Unread> for Error {
    fn from(unread: Unread) -> Self {
        unread.error
    }
}

/// The first version of each group.
pub(super) struct Fences {
    ends: Vec<u32>,
    begins: Vec<Timestamp>,
    keys: Vec<u8>,
    /// Whether there is a gap: a group that could not be read.
    has_gaps: bool,
}

impl Run {
    /// Opens the file of a run.
    ///
    /// **Cost**: reads the block table, the fences and the filter; every group when these are
    /// damaged.
    /// **Errors**: `Corrupt` naming the file when it is missing or not the one described. One that
    /// is damaged is opened: what cannot be read of it is told when it is needed.
    pub async fn open(
        dir: &Dir,
        identity: SegmentIdentity,
        facts: RunFacts,
    ) -> Result<Self, Error> {
        let damaged = RefCell::default();
        let segment = match Segment::open(dir, identity, facts.seal).await {
            Ok(segment) => segment,
            Err(segment::Error::Damaged(damage)) if mend::is_in_place(damage.kind) => {
                tracing::error!(%damage, "a segment cannot be opened, its keys cannot be read");
                let (fences, filter) = mend::of_nothing(&facts);
                damaged.replace(BTreeSet::from([0]));
                let source = Source::Lost(damage.to_string());
                let zones = Zones::default();
                let resident = Residents::new(fences.ends.len());
                return Ok(Self { facts, source, fences, filter, zones, resident, damaged });
            }
            Err(error) => return Err(storage(error)),
        };
        let (fences, filter) = match guides(&segment, &facts).await {
            Err(Error::Corrupt(cause)) if segment.block_count(GROUPS) > 0 => {
                tracing::warn!(cause, "fences and filter of a segment are made anew from its rows");
                mend::of_groups(&segment, &facts).await?
            }
            guides => guides?,
        };
        let zones = zones(&segment).await?;
        let source = Source::File(Box::new(segment));
        let resident = Residents::new(fences.ends.len());
        Ok(Self { facts, source, fences, filter, zones, resident, damaged })
    }

    /// Returns whether some group was found to be damaged.
    pub fn is_damaged(&self) -> bool {
        !self.damaged.borrow().is_empty()
    }

    /// Returns the keys between which those of a group are, both included.
    pub fn keys_of(&self, group: u32) -> (&[u8], &[u8]) {
        let next = group as usize + 1;
        let last =
            if next < self.fences.ends.len() { self.fences.key(next) } else { &self.facts.last };
        (self.fences.key(group as usize), last)
    }

    /// Returns the smallest end behind `after` of the keys of groups that were found damaged.
    pub fn damage_behind(&self, after: Option<&[u8]>) -> Option<&[u8]> {
        let damaged = self.damaged.borrow();
        let ends = damaged.iter().map(|group| self.keys_of(*group).1);
        ends.filter(|end| after.is_none_or(|after| after < *end)).min()
    }

    /// Returns the number of the run's file.
    pub fn id(&self) -> SegmentId {
        self.facts.seal.id
    }

    /// Returns the first key of a group; `None` behind the last one.
    pub fn first_key(&self, group: u32) -> Option<&[u8]> {
        (group < self.group_count()).then(|| self.fences.key(group as usize))
    }

    /// As [`Self::first_key`]; `None` also where it is not known.
    pub fn known_first_key(&self, group: u32) -> Option<&[u8]> {
        if self.fences.has_gaps { None } else { self.first_key(group) }
    }

    /// Returns whether all keys of a group are in a range, as far as that is known without it.
    pub fn is_within(&self, group: u32, range: &Erasure) -> bool {
        let next = group + 1;
        let last = if next < self.group_count() {
            self.known_first_key(next)
        } else {
            Some(self.facts.last.as_slice())
        };
        let first = self.known_first_key(group);
        first.zip(last).is_some_and(|(first, last)| range.contains(first) && range.contains(last))
    }

    /// Returns the first group that may have a key behind the range of a mark, the number of groups
    /// if none has.
    pub fn group_behind(&self, range: &Erasure) -> u32 {
        match &range.to {
            Some(to) if self.facts.last.as_slice() >= to.as_slice() => {
                self.groups_before(to).saturating_sub(1)
            }
            _ => self.group_count(),
        }
    }

    /// Returns how many groups begin before a key.
    pub fn groups_before(&self, key: &[u8]) -> u32 {
        let (mut low, mut high) = (0, self.group_count());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.fences.key(middle as usize) < key { low = middle + 1 } else { high = middle }
        }
        low
    }

    /// Returns the number of row groups.
    pub fn group_count(&self) -> u32 {
        self.fences.ends.len() as u32
    }

    /// Returns the bytes of the file.
    pub fn file_bytes(&self) -> u64 {
        self.facts.seal.file_bytes
    }

    /// Returns the bytes held in memory while the run is open.
    pub fn memory_bytes(&self) -> usize {
        let segment = match &self.source {
            Source::File(segment) => segment.memory_bytes(),
            Source::Lost(cause) => cause.capacity(),
        };
        segment
            + self.fences.keys.capacity()
            + self.fences.ends.len() * 12
            + self.filter.bytes().len()
            + self.zones.memory_bytes()
            + self.resident.memory_bytes()
    }

    /// Returns whether a key lies between the run's first and last.
    pub fn spans(&self, key: &[u8]) -> bool {
        self.facts.first.as_slice() <= key && key <= self.facts.last.as_slice()
    }

    /// Returns the version of a key that a snapshot sees, deletions included. `hash` is the key's.
    ///
    /// **Errors**: `NotLoaded`.
    pub fn get(
        self: &Rc<Self>,
        reach: Reach<'_>,
        key: &[u8],
        hash: u64,
        snapshot: Timestamp,
    ) -> Result<Option<Found>, Error> {
        if !self.spans(key) || !self.filter.may_hold(hash) {
            return Ok(None);
        }
        let (number, group, row) = self.seek(reach, key, snapshot, 0)?;
        let (group, row) = if row < group.rows() {
            (group, row)
        } else if number + 1 < self.group_count() {
            (reach.group(self, number + 1, 0)?, 0)
        } else {
            return Ok(None);
        };
        if group.compare(row, key).is_ne() {
            return Ok(None);
        }
        let begin = group.begin(row);
        let is_deletion = group.is_deletion(row);
        Ok(Some(Found { begin, row: (!is_deletion).then_some(Held::Packed(group, row)) }))
    }

    /// Returns the group behind the zone that begins with `group`, when no row of the zone is wanted,
    /// all versions of its keys are in it, and `other` is behind them.
    pub(super) fn passed(
        &self,
        group: u32,
        wanted: &[Wanted],
        other: Option<&[u8]>,
    ) -> Option<u32> {
        let next = self.zones.passed(group, self.group_count(), wanted)?;
        let is_alone = other.is_none_or(|other| {
            if next < self.group_count() {
                self.fences.key(next as usize) <= other
            } else {
                self.facts.last.as_slice() < other
            }
        });
        is_alone.then_some(next)
    }

    /// Returns the group in which (`key`, `begin`) would be and the first version there that is
    /// not before it; that may be the end of the group.
    ///
    /// **Errors**: `NotLoaded`.
    pub(super) fn seek(
        self: &Rc<Self>,
        reach: Reach<'_>,
        key: &[u8],
        begin: Timestamp,
        ahead: u32,
    ) -> Result<(u32, Rc<Group>, usize), Error> {
        let number = self.fences.find(key, begin);
        let group = reach.group(self, number, ahead)?;
        let row = group.seek(key, begin);
        Ok((number, group, row))
    }

    /// Reads neighbouring groups from the disk; only the first when one of the others is damaged,
    /// which then nobody may need.
    ///
    /// **Errors**: `Storage`; `Corrupt` naming file and offset.
    pub(super) async fn read(&self, first: u32, count: u32) -> Result<Vec<Group>, Unread> {
        match self.read_all(first, count).await {
            Err(Unread { group: Some(_), .. }) if count > 1 => self.read_all(first, 1).await,
            read => read,
        }
    }

    async fn read_all(&self, first: u32, count: u32) -> Result<Vec<Group>, Unread> {
        let segment = match &self.source {
            Source::File(segment) => segment,
            Source::Lost(cause) => {
                return Err(Unread { error: Error::Corrupt(cause.clone()), group: Some(first) });
            }
        };
        let blocks = segment.read_run(GROUPS, first, count).await.map_err(|error| {
            let group = match &error {
                segment::Error::Damaged(damage) => {
                    Some(damage.block.map_or(first, |(_, block)| block))
                }
                _ => None,
            };
            self.damaged.borrow_mut().extend(group);
            Unread { error: storage(error), group }
        })?;
        let open = |(number, bytes)| match Group::open(bytes) {
            Ok(mut group) => {
                group.precedes(self.first_key(number + 1));
                Ok(group)
            }
            Err(error) => {
                self.damaged.borrow_mut().insert(number);
                Err(Unread { error, group: Some(number) })
            }
        };
        (first..).zip(blocks).map(open).collect()
    }
}

/// Reads fences and filter.
async fn guides(segment: &Segment, facts: &RunFacts) -> Result<(Fences, Filter), Error> {
    let bad = |what| Error::Corrupt(format!("segment {}: bad {what}", facts.seal.id.0));
    let fences = segment.read_part(FENCES).await.map_err(storage)?;
    let fences = Fences::decode(&fences)?;
    let filter = segment.read_part(FILTER).await.map_err(storage)?;
    let filter = Filter::open(filter).ok_or_else(|| bad("filter"))?;
    if fences.ends.len() != segment.block_count(GROUPS) as usize || fences.ends.is_empty() {
        return Err(bad("fences"));
    }
    Ok((fences, filter))
}

/// Reads the zones; damaged ones are none.
async fn zones(segment: &Segment) -> Result<Zones, Error> {
    if segment.block_count(ZONES) == 0 {
        return Ok(Zones::default());
    }
    let read = match segment.read_part(ZONES).await.map_err(storage) {
        Ok(bytes) => Zones::decode(&bytes, segment.block_count(GROUPS)),
        Err(error) => Err(error),
    };
    match read {
        Err(Error::Corrupt(cause)) => {
            tracing::warn!(cause, "the zones of a segment are damaged, it is read whole");
            Ok(Zones::default())
        }
        read => read,
    }
}

impl Fences {
    pub fn new() -> Self {
        Self { ends: Vec::new(), begins: Vec::new(), keys: Vec::new(), has_gaps: false }
    }

    pub fn push(&mut self, key: &[u8], begin: Timestamp) {
        self.keys.extend_from_slice(key);
        self.ends.push(self.keys.len() as u32);
        self.begins.push(begin);
    }

    /// Adds a group that cannot be read. What is known of it is behind which key it is.
    pub fn push_gap(&mut self, behind: &[u8]) {
        self.push(behind, Timestamp::MAX);
        self.has_gaps = true;
    }

    /// Returns the last group that begins at or before (`key`, `begin`), the first if none does.
    fn find(&self, key: &[u8], begin: Timestamp) -> u32 {
        let (mut low, mut high) = (0, self.ends.len());
        while low < high {
            let middle = low + (high - low) / 2;
            let order = self.key(middle).cmp(key).then_with(|| begin.cmp(&self.begins[middle]));
            if order.is_le() {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low.saturating_sub(1) as u32
    }

    pub(super) fn key(&self, group: usize) -> &[u8] {
        let start = if group == 0 { 0 } else { self.ends[group - 1] as usize };
        &self.keys[start..self.ends[group] as usize]
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::with_capacity(4 + self.ends.len() * 12 + self.keys.len());
        out.count(self.ends.len());
        self.ends.iter().for_each(|end| out.u32(*end));
        self.begins.iter().for_each(|begin| out.u64(begin.0));
        out.raw(&self.keys);
        out.into_bytes()
    }

    fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let mut input = Reader::new(bytes, "fences of a segment");
        let count = input.count("count")?;
        let mut fences = Self::new();
        let mut last = 0;
        for _ in 0..count {
            let end = input.u32("end")?;
            if end < last {
                return Err(input.corrupt("order of ends"));
            }
            last = end;
            fences.ends.push(end);
        }
        for _ in 0..count {
            fences.begins.push(Timestamp(input.u64("begin")?));
        }
        fences.keys = input.rest().to_vec();
        if fences.keys.len() != last as usize {
            return Err(Error::Corrupt("the fences of a segment are damaged: bad length".into()));
        }
        Ok(fences)
    }
}

/// The keys that tell which group is which, for a run that cannot be opened.
pub(crate) struct FenceKeys(Fences);

impl FenceKeys {
    /// Reads them; `None` when they are damaged too.
    pub async fn read(segment: &Segment) -> Option<Self> {
        let bytes = segment.read_part(FENCES).await.ok()?;
        Fences::decode(&bytes).ok().map(Self)
    }

    /// Returns whether a part is made of the groups.
    pub fn are_guides(part: PartKind) -> bool {
        part == FENCES || part == FILTER || part == ZONES
    }

    /// Returns whether a part's blocks are groups.
    pub fn are_of(part: PartKind) -> bool {
        part == GROUPS
    }

    /// Returns the first key of a group.
    pub fn first(&self, group: u32) -> Option<&[u8]> {
        let group = group as usize;
        (group < self.0.ends.len()).then(|| self.0.key(group))
    }
}

/// Returns what a failure of a segment file means here.
pub(crate) fn storage(error: segment::Error) -> Error {
    match error {
        segment::Error::Damaged(_) => Error::Corrupt(error.to_string()),
        _ if error.is_full() => Error::DiskFull(error.to_string()),
        _ => Error::Storage(error.to_string()),
    }
}
