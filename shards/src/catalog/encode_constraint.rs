//! How are constraints and sequences written in a catalog?
//!
//! The byte table is in `encode`.

use super::encode::{put_comment, put_positions, take_comment, take_positions};
use super::{Action, Constraint, ConstraintKind, Foreign, SequenceShape, Unique};
use crate::codec::{Reader, Writer};
use crate::error::Error;
use crate::ids::{IndexId, TableId};

const CHECK: u8 = 1;
const UNIQUE: u8 = 2;
const FOREIGN: u8 = 3;
/// Before one of the others.
const NOT_VALIDATED: u8 = 4;

pub(super) fn put_constraint(out: &mut Writer, constraint: &Constraint) {
    let Constraint { name, kind, validated, comment } = constraint;
    out.text(name);
    put_comment(out, comment.as_deref());
    if !validated {
        out.u8(NOT_VALIDATED);
    }
    match kind {
        ConstraintKind::Check { text } => {
            out.u8(CHECK);
            out.text(text);
        }
        ConstraintKind::Unique(Unique { columns, entries, index, filling }) => {
            out.u8(UNIQUE);
            put_positions(out, columns);
            out.u32(entries.0);
            out.u32(index.0);
            out.u64(filling.unwrap_or(0));
        }
        ConstraintKind::Foreign(foreign) => {
            let Foreign { columns, target, target_columns, on_delete, on_update } = foreign;
            out.u8(FOREIGN);
            put_positions(out, columns);
            out.u32(target.0);
            put_positions(out, target_columns);
            out.u8(action_tag(*on_delete));
            out.u8(action_tag(*on_update));
        }
    }
}

/// `columns` is the number of columns of the table.
pub(super) fn take_constraint(
    input: &mut Reader<'_>,
    columns: usize,
    format: u8,
) -> Result<Constraint, Error> {
    let name = input.text("constraint name")?.to_owned();
    let comment = take_comment(input, format)?;
    let first = input.u8("constraint kind")?;
    let validated = first != NOT_VALIDATED;
    let kind = match if validated { first } else { input.u8("constraint kind")? } {
        CHECK => ConstraintKind::Check { text: input.text("condition")?.to_owned() },
        UNIQUE => ConstraintKind::Unique(Unique {
            columns: own_positions(input, columns)?,
            entries: TableId(input.u32("entries")?),
            index: IndexId(input.u32("index of entries")?),
            filling: Some(input.u64("filling")?).filter(|filling| *filling != 0),
        }),
        FOREIGN => ConstraintKind::Foreign(Foreign {
            columns: own_positions(input, columns)?,
            target: TableId(input.u32("foreign table")?),
            target_columns: take_positions(input)?,
            on_delete: take_action(input)?,
            on_update: take_action(input)?,
        }),
        _ => return Err(input.corrupt("constraint kind")),
    };
    Ok(Constraint { name, kind, validated, comment })
}

/// Positions that will index rows: a damaged one must not.
fn own_positions(input: &mut Reader<'_>, columns: usize) -> Result<Vec<usize>, Error> {
    let positions = take_positions(input)?;
    if positions.is_empty() || positions.iter().any(|&position| position >= columns) {
        return Err(input.corrupt("constraint columns"));
    }
    Ok(positions)
}

fn action_tag(action: Action) -> u8 {
    match action {
        Action::NoAction => 1,
        Action::Restrict => 2,
        Action::Cascade => 3,
        Action::SetNull => 4,
        Action::SetDefault => 5,
    }
}

fn take_action(input: &mut Reader<'_>) -> Result<Action, Error> {
    Ok(match input.u8("action")? {
        1 => Action::NoAction,
        2 => Action::Restrict,
        3 => Action::Cascade,
        4 => Action::SetNull,
        5 => Action::SetDefault,
        _ => return Err(input.corrupt("action")),
    })
}

pub(super) fn put_sequence(out: &mut Writer, shape: &SequenceShape) {
    let SequenceShape { start, increment, min, max, cycle, cache, owner } = shape;
    for number in [start, increment, min, max] {
        out.u64(number.cast_unsigned());
    }
    out.u8(u8::from(*cycle));
    out.u32(*cache);
    out.u32(owner.map_or(0, |owner| owner.0));
}

pub(super) fn take_sequence(input: &mut Reader<'_>) -> Result<SequenceShape, Error> {
    let start = input.u64("start")?.cast_signed();
    let increment = input.u64("increment")?.cast_signed();
    let min = input.u64("min")?.cast_signed();
    let max = input.u64("max")?.cast_signed();
    let cycle = match input.u8("cycle")? {
        0 => false,
        1 => true,
        _ => return Err(input.corrupt("cycle")),
    };
    let cache = input.u32("cache")?;
    let owner = Some(TableId(input.u32("owner")?)).filter(|owner| owner.0 != 0);
    if increment == 0 || cache == 0 || !(min..=max).contains(&start) {
        return Err(input.corrupt("sequence"));
    }
    Ok(SequenceShape { start, increment, min, max, cycle, cache, owner })
}
