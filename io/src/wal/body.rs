//! How do records become frame bodies and come back?
//!
//! A record that fits goes whole into a `Records` body. A longer one gets bodies of its own:
//! `First` (its size, then bytes), `Middle`s, `Last`. Its LSN counts only when `Last` is there; a
//! split record without its end was never acknowledged and is skipped.

use std::collections::VecDeque;

use crate::codec::frame::FrameKind;
use crate::codec::{Reader, varint};

use super::limits;
use super::position::Lsn;

/// A body waiting to be written.
#[derive(Debug)]
pub(super) struct Body {
    pub kind: FrameKind,
    pub bytes: Vec<u8>,
    /// LSN of the first record that ends in or after this body.
    pub first_lsn: Lsn,
    /// Records that end in this body.
    pub record_count: u32,
}

impl Body {
    /// Returns the LSN of the last record that is complete once this body is durable.
    pub(super) fn last_lsn(&self) -> Lsn {
        Lsn(self.first_lsn.0 + u64::from(self.record_count) - 1)
    }
}

/// Packs records into bodies of bounded size, in order.
#[derive(Debug)]
pub(super) struct Packer {
    bodies: VecDeque<Body>,
    body_bytes_max: usize,
    bytes: usize,
    next_lsn: Lsn,
    /// An emptied vector kept for the next body.
    emptied: Vec<u8>,
}

impl Packer {
    pub(super) fn new(body_bytes_max: usize, next_lsn: Lsn) -> Self {
        let (bodies, emptied) = (VecDeque::new(), Vec::new());
        Self { bodies, body_bytes_max, bytes: 0, next_lsn, emptied }
    }

    /// Returns the LSN the next record will get.
    pub(super) fn next_lsn(&self) -> Lsn {
        self.next_lsn
    }

    /// Returns how many bytes wait.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bodies.is_empty()
    }

    /// Sets the LSN of the first record; nothing may wait yet.
    pub(super) fn start_at(&mut self, next_lsn: Lsn) {
        assert!(self.is_empty(), "records got their LSNs already");
        self.next_lsn = next_lsn;
    }

    /// Adds a record and returns its LSN.
    pub(super) fn push(&mut self, record: &[u8]) -> Lsn {
        assert!(record.len() <= limits::RECORD_BYTES_MAX, "the caller refuses longer records");
        let lsn = self.next_lsn;
        let encoded = varint::encoded_bytes(record.len() as u64) + record.len();
        if encoded > self.body_bytes_max {
            self.push_split(record);
        } else {
            self.push_whole(record, encoded);
        }
        self.next_lsn = lsn.next();
        lsn
    }

    fn push_whole(&mut self, record: &[u8], encoded: usize) {
        let room = self.bodies.back().is_some_and(|body| {
            body.kind == FrameKind::Records && body.bytes.len() + encoded <= self.body_bytes_max
        });
        if !room {
            let bytes = std::mem::take(&mut self.emptied);
            self.open(FrameKind::Records, bytes);
        }
        let body = self.bodies.back_mut().expect("a body with room was just made sure of");
        varint::write(record.len() as u64, &mut body.bytes);
        body.bytes.extend_from_slice(record);
        body.record_count += 1;
        self.bytes += encoded;
    }

    fn push_split(&mut self, record: &[u8]) {
        let mut bytes = Vec::with_capacity(self.body_bytes_max);
        varint::write(record.len() as u64, &mut bytes);
        let (mut part, mut rest) = record.split_at(self.body_bytes_max - bytes.len());
        let mut kind = FrameKind::First;
        loop {
            bytes.extend_from_slice(part);
            self.bytes += bytes.len();
            self.open(kind, bytes);
            if kind == FrameKind::Last {
                break;
            }
            let more = rest.len() > self.body_bytes_max;
            kind = if more { FrameKind::Middle } else { FrameKind::Last };
            (part, rest) = rest.split_at(rest.len().min(self.body_bytes_max));
            bytes = Vec::with_capacity(part.len());
        }
        let last = self.bodies.back_mut().expect("a split record has a last body");
        last.record_count = 1;
    }

    fn open(&mut self, kind: FrameKind, bytes: Vec<u8>) {
        let first_lsn = self.next_lsn;
        self.bodies.push_back(Body { kind, bytes, first_lsn, record_count: 0 });
    }

    /// Takes the oldest body.
    pub(super) fn pop(&mut self) -> Option<Body> {
        let body = self.bodies.pop_front()?;
        self.bytes -= body.bytes.len();
        Some(body)
    }

    /// Gives a written body's memory back for the next one.
    pub(super) fn recycle(&mut self, mut bytes: Vec<u8>) {
        if bytes.capacity() > self.emptied.capacity() {
            bytes.clear();
            self.emptied = bytes;
        }
    }

    /// Forgets everything that waits.
    pub(super) fn clear(&mut self) {
        self.bodies.clear();
        self.bytes = 0;
    }
}

/// The records of a frame, in order, each with its LSN. Borrows the bytes as they were read.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    next_lsn: Lsn,
    content: Content<'a>,
}

#[derive(Clone, Debug)]
enum Content<'a> {
    Packed(Reader<'a>),
    Single(Option<&'a [u8]>),
}

impl<'a> Records<'a> {
    /// Returns the records of `body`, the first of which has LSN `first_lsn`. Ends early if the
    /// body is malformed.
    pub(super) fn new(body: &'a [u8], first_lsn: Lsn) -> Self {
        Self { next_lsn: first_lsn, content: Content::Packed(Reader::new(body)) }
    }

    /// Returns one record that has no count in front.
    pub(super) fn single(record: &'a [u8], lsn: Lsn) -> Self {
        Self { next_lsn: lsn, content: Content::Single(Some(record)) }
    }

    /// Returns how many bytes of the body were passed.
    pub(super) fn position(&self) -> usize {
        match &self.content {
            Content::Packed(reader) => reader.position(),
            Content::Single(_) => 0,
        }
    }

    /// Returns whether `body` holds exactly `record_count` records. Cost: one pass over counts.
    pub(super) fn is_well_formed(body: &[u8], record_count: u32) -> bool {
        let mut reader = Reader::new(body);
        for _ in 0..record_count {
            if reader.counted().is_err() {
                return false;
            }
        }
        reader.is_empty()
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = (Lsn, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let record = match &mut self.content {
            Content::Packed(reader) => reader.counted().ok()?,
            Content::Single(record) => record.take()?,
        };
        let lsn = self.next_lsn;
        self.next_lsn = lsn.next();
        Some((lsn, record))
    }
}

/// Puts a split record together again.
#[derive(Debug, Default)]
pub(super) struct Joiner {
    /// Announced size and the bytes so far; `None` while no split record is open.
    open: Option<(usize, Vec<u8>)>,
}

impl Joiner {
    /// Returns whether a body continues a record of which nothing was seen: the scan began in its
    /// middle.
    pub(super) fn lacks_front(&self, kind: FrameKind) -> bool {
        self.open.is_none() && matches!(kind, FrameKind::Middle | FrameKind::Last)
    }

    /// Takes the next body of a chain that has no gap. `Ok(Some)` is a finished record; `Err` a
    /// body that contradicts its kind.
    pub(super) fn push(&mut self, kind: FrameKind, body: &[u8]) -> Result<Option<Vec<u8>>, ()> {
        match kind {
            FrameKind::Records => {
                self.open = None;
                Ok(None)
            }
            FrameKind::Confirm => Ok(None),
            FrameKind::First => {
                let mut reader = Reader::new(body);
                let size = reader.varint().map_err(|_| ())?;
                let size = usize::try_from(size).map_err(|_| ())?;
                if size > limits::RECORD_BYTES_MAX || size <= reader.rest().len() {
                    return Err(());
                }
                self.open = Some((size, reader.rest().to_vec()));
                Ok(None)
            }
            FrameKind::Middle | FrameKind::Last => self.extend(kind == FrameKind::Last, body),
        }
    }

    fn extend(&mut self, last: bool, body: &[u8]) -> Result<Option<Vec<u8>>, ()> {
        let (size, bytes) = self.open.as_mut().ok_or(())?;
        let total = bytes.len() + body.len();
        let fits = if last { total == *size } else { total < *size };
        if !fits {
            return Err(());
        }
        bytes.extend_from_slice(body);
        Ok(if last { self.open.take().map(|(_, bytes)| bytes) } else { None })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn unpack(bodies: &[Body]) -> Vec<(Lsn, Vec<u8>)> {
        let mut joiner = Joiner::default();
        let mut found = Vec::new();
        for body in bodies {
            if let Some(record) = joiner.push(body.kind, &body.bytes).unwrap() {
                found.push((body.first_lsn, record));
            }
            if body.kind == FrameKind::Records {
                assert!(Records::is_well_formed(&body.bytes, body.record_count));
                let records = Records::new(&body.bytes, body.first_lsn);
                found.extend(records.map(|(lsn, record)| (lsn, record.to_vec())));
            }
        }
        found
    }

    fn drain(packer: &mut Packer) -> Vec<Body> {
        std::iter::from_fn(|| packer.pop()).collect()
    }

    proptest! {
        #[test]
        fn records_come_back_in_order(
            sizes in proptest::collection::vec(0usize..300, 0..40),
            body_bytes_max in 16usize..128,
        ) {
            let mut packer = Packer::new(body_bytes_max, Lsn::FIRST);
            let records: Vec<Vec<u8>> =
                sizes.iter().enumerate().map(|(i, size)| vec![i as u8; *size]).collect();
            for (index, record) in records.iter().enumerate() {
                prop_assert_eq!(packer.push(record), Lsn(index as u64 + 1));
            }
            let bodies = drain(&mut packer);
            prop_assert_eq!(packer.bytes(), 0);
            prop_assert!(bodies.iter().all(|body| body.bytes.len() <= body_bytes_max));
            let ends: Vec<_> = bodies.iter().filter(|b| b.record_count > 0).collect();
            for pair in ends.windows(2) {
                prop_assert_eq!(pair[0].last_lsn().next(), pair[1].first_lsn);
            }
            let expected: Vec<_> =
                records.into_iter().enumerate().map(|(i, r)| (Lsn(i as u64 + 1), r)).collect();
            prop_assert_eq!(unpack(&bodies), expected);
        }
    }

    #[test]
    fn a_split_record_without_its_end_is_skipped() {
        let mut packer = Packer::new(16, Lsn::FIRST);
        packer.push(&[1; 40]);
        let mut bodies = drain(&mut packer);
        bodies.pop();
        let mut packer = Packer::new(16, Lsn::FIRST);
        packer.push(b"next");
        bodies.extend(drain(&mut packer));
        assert_eq!(unpack(&bodies), [(Lsn::FIRST, b"next".to_vec())]);
    }

    #[test]
    fn parts_that_contradict_each_other_are_refused() {
        let mut joiner = Joiner::default();
        assert!(joiner.push(FrameKind::Middle, b"x").is_err());
        assert!(joiner.push(FrameKind::Last, b"x").is_err());
        assert_eq!(joiner.push(FrameKind::First, &[3, 1, 2]), Ok(None));
        assert!(joiner.push(FrameKind::Last, &[3, 4]).is_err());
        assert!(Joiner::default().push(FrameKind::First, &[1, 1]).is_err(), "fits one body");
        let mut huge = Vec::new();
        varint::write(u64::MAX, &mut huge);
        assert!(Joiner::default().push(FrameKind::First, &huge).is_err());
    }

    #[test]
    fn a_body_with_other_records_than_announced_is_malformed() {
        assert!(Records::is_well_formed(&[1, 9, 0], 2));
        assert!(!Records::is_well_formed(&[1, 9, 0], 1));
        assert!(!Records::is_well_formed(&[1, 9, 0], 3));
        assert!(!Records::is_well_formed(&[2, 9], 1));
    }
}
