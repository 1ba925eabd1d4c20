//! The chain of frames stops here: is this the end of the log, or a hole in it?
//!
//! A pure decision over what stands at the stop, what follows in the same file, and whether a
//! later file exists. Only frames that were never acknowledged may be cut off.
//!
//! | at the stop | beyond it in the file | later file | decision |
//! | --- | --- | --- | --- |
//! | anything | – | begins exactly here | the file ends, go on |
//! | anything | – | begins elsewhere | refuse: damage |
//! | an intact frame that does not belong here | – | none | refuse: out of place |
//! | no frame | no frame of this epoch | none | the log ends |
//! | a torn frame | no frame of this epoch | none | cut: torn tail |
//! | anything | frames written while the stop was in flight | none | cut: never acknowledged |
//! | anything | a frame that knew the stop to be durable | none | refuse: damage |
//! | the log ends before an LSN it is known to have reached | | | refuse: lost end |

use super::error::{Damage, DamageKind};
use super::position::Lsn;

/// Where the chain stops: the frame that should stand here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stop {
    pub file: String,
    pub offset: u64,
    /// Sequence the next frame would have.
    pub sequence: u64,
    /// LSN the next record would have.
    pub lsn: Lsn,
    /// Header checksum of the frame before.
    pub checksum: u32,
    pub seen: Seen,
}

/// What stands where the next frame should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// The file is full.
    FileEnd,
    /// No frame of this epoch: zeros, or what an earlier use of the file left.
    Nothing,
    /// A frame of this epoch with a wrong header or body checksum.
    Torn,
    /// An intact frame of this epoch with another sequence, LSN or predecessor.
    Stray(Beyond),
    /// An intact header that nothing of ours writes here: a later epoch, an unknown kind, or a
    /// length beyond the bounds of the file.
    Alien,
}

/// An intact frame header of this epoch beyond the stop. Its body need not be intact: the header
/// alone proves that the frame was begun, and what was durable by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Beyond {
    pub offset: u64,
    pub sequence: u64,
    pub first_lsn: Lsn,
    pub durable_lsn: Lsn,
    pub window_base: u64,
}

/// What the header of the next file says about this one's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Successor {
    pub first_sequence: u64,
    pub first_lsn: Lsn,
    pub previous_checksum: u32,
}

/// The decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The log goes on in the next file.
    NextFile,
    /// The log ends here; nothing was lost.
    End,
    /// The log ends here; an unacknowledged rest is cut off.
    Cut,
}

/// Decides what the stop means. `beyond` are the frames of this epoch begun after the stop, in
/// any order; they are looked for only when there is no successor.
pub(super) fn decide(
    stop: &Stop,
    beyond: &[Beyond],
    successor: Option<Successor>,
    end_min: Lsn,
) -> Result<Verdict, Damage> {
    if let Some(next) = successor {
        return decide_inner_file(stop, next);
    }
    let mut later: Vec<Beyond> = beyond.to_vec();
    match stop.seen {
        Seen::Stray(frame) if frame.sequence > stop.sequence => later.push(frame),
        Seen::Stray(_) | Seen::Alien => return Err(damage(stop, None, DamageKind::OutOfPlace)),
        Seen::FileEnd | Seen::Nothing | Seen::Torn => {}
    }
    if let Some(witness) = first_witness(stop, &later) {
        let resumes = Some(witness.first_lsn.max(stop.lsn.next()));
        return Err(damage(stop, resumes, DamageKind::AcknowledgedFrame));
    }
    if stop.lsn <= end_min {
        return Err(damage(stop, None, DamageKind::LostEnd { end_min }));
    }
    let clean = later.is_empty() && matches!(stop.seen, Seen::Nothing | Seen::FileEnd);
    Ok(if clean { Verdict::End } else { Verdict::Cut })
}

/// A file that has a successor was complete and durable before the successor was begun.
fn decide_inner_file(stop: &Stop, next: Successor) -> Result<Verdict, Damage> {
    let joins = next.first_sequence == stop.sequence
        && next.first_lsn == stop.lsn
        && next.previous_checksum == stop.checksum;
    if joins {
        return Ok(Verdict::NextFile);
    }
    let kind = match stop.seen {
        Seen::Torn => DamageKind::AcknowledgedFrame,
        Seen::Stray(_) | Seen::Alien => DamageKind::OutOfPlace,
        Seen::Nothing | Seen::FileEnd => DamageKind::Successor,
    };
    Err(damage(stop, Some(next.first_lsn), kind))
}

/// Returns the first frame that was written when the frame at the stop was durable already. A
/// frame before the stop in the chain cannot stand beyond it, so it is a witness too.
fn first_witness(stop: &Stop, later: &[Beyond]) -> Option<Beyond> {
    let knew = |frame: &&Beyond| {
        frame.window_base > stop.sequence
            || frame.durable_lsn >= stop.lsn
            || frame.sequence <= stop.sequence
    };
    later.iter().filter(knew).min_by_key(|frame| frame.offset).copied()
}

fn damage(stop: &Stop, resumes: Option<Lsn>, kind: DamageKind) -> Damage {
    Damage { file: stop.file.clone(), offset: stop.offset, lsn: stop.lsn, resumes, kind }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stop(seen: Seen) -> Stop {
        let (file, offset, sequence) = ("f".to_owned(), 8192, 5);
        Stop { file, offset, sequence, lsn: Lsn(50), checksum: 77, seen }
    }

    /// A frame beyond the stop that was written when everything below `window_base` was durable.
    fn beyond(sequence: u64, window_base: u64) -> Beyond {
        let durable_lsn = Lsn(if window_base > 5 { 50 } else { 49 });
        let (offset, first_lsn) = (8192 + 4096 * (sequence - 5), Lsn(50 + sequence - 5));
        Beyond { offset, sequence, first_lsn, durable_lsn, window_base }
    }

    fn joining() -> Successor {
        Successor { first_sequence: 5, first_lsn: Lsn(50), previous_checksum: 77 }
    }

    #[track_caller]
    fn decides(seen: Seen, later: &[Beyond], next: Option<Successor>, verdict: Verdict) {
        assert_eq!(decide(&stop(seen), later, next, Lsn::ZERO), Ok(verdict));
    }

    #[track_caller]
    fn refuses(seen: Seen, later: &[Beyond], next: Option<Successor>, kind: &DamageKind) {
        let damage = decide(&stop(seen), later, next, Lsn::ZERO).expect_err("damage");
        assert_eq!(&damage.kind, kind);
        assert_eq!((damage.offset, damage.lsn), (8192, Lsn(50)));
    }

    #[test]
    fn a_file_that_joins_its_successor_goes_on() {
        for seen in [Seen::Nothing, Seen::FileEnd, Seen::Torn] {
            decides(seen, &[], Some(joining()), Verdict::NextFile);
        }
    }

    #[test]
    fn a_file_that_does_not_reach_its_successor_is_damaged() {
        for next in [
            Successor { first_sequence: 6, ..joining() },
            Successor { first_lsn: Lsn(51), ..joining() },
            Successor { previous_checksum: 78, ..joining() },
        ] {
            refuses(Seen::Nothing, &[], Some(next), &DamageKind::Successor);
            refuses(Seen::Torn, &[], Some(next), &DamageKind::AcknowledgedFrame);
        }
    }

    #[test]
    fn nothing_beyond_is_the_end() {
        decides(Seen::Nothing, &[], None, Verdict::End);
        decides(Seen::FileEnd, &[], None, Verdict::End);
    }

    #[test]
    fn a_torn_tail_is_cut() {
        decides(Seen::Torn, &[], None, Verdict::Cut);
    }

    #[test]
    fn frames_within_the_window_are_cut() {
        decides(Seen::Torn, &[beyond(6, 5)], None, Verdict::Cut);
        decides(Seen::Nothing, &[beyond(6, 4), beyond(7, 5)], None, Verdict::Cut);
        decides(Seen::Stray(beyond(6, 5)), &[], None, Verdict::Cut);
    }

    #[test]
    fn a_frame_beyond_the_window_is_damage() {
        let kind = DamageKind::AcknowledgedFrame;
        refuses(Seen::Torn, &[beyond(6, 6)], None, &kind);
        refuses(Seen::Nothing, &[beyond(6, 5), beyond(7, 6)], None, &kind);
        refuses(Seen::Stray(beyond(6, 6)), &[], None, &kind);
    }

    #[test]
    fn a_frame_that_knew_the_record_durable_is_damage() {
        let witness = Beyond { durable_lsn: Lsn(50), ..beyond(6, 5) };
        refuses(Seen::Torn, &[witness], None, &DamageKind::AcknowledgedFrame);
    }

    #[test]
    fn an_intact_frame_at_the_wrong_place_is_damage() {
        refuses(Seen::Stray(beyond(5, 5)), &[], None, &DamageKind::OutOfPlace);
        refuses(Seen::Alien, &[], None, &DamageKind::OutOfPlace);
        refuses(Seen::Torn, &[beyond(5, 5)], None, &DamageKind::AcknowledgedFrame);
    }

    #[test]
    fn an_end_before_the_known_one_is_refused() {
        assert_eq!(decide(&stop(Seen::Nothing), &[], None, Lsn(49)), Ok(Verdict::End));
        let damage = decide(&stop(Seen::Nothing), &[], None, Lsn(50)).unwrap_err();
        assert_eq!(damage.kind, DamageKind::LostEnd { end_min: Lsn(50) });
        let damage = decide(&stop(Seen::Torn), &[], None, Lsn(60)).unwrap_err();
        assert_eq!(damage.kind, DamageKind::LostEnd { end_min: Lsn(60) });
    }
}
