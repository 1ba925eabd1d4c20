//! Which point in the past does an AS OF clause mean?

use pieskieo_io::time;
use pieskieo_shards::actor::{AsOf, Core};
use pieskieo_shards::ids::Timestamp;
use pieskieo_shards::txn::Lease;
use serde_json::Value as Json;

use crate::error::{Error, Result, code};
use crate::outcome::Param;
use crate::syntax::{AsOfClause, Instant};

/// Leases the point in the past that a clause says.
///
/// **Errors**: `72000` when it is not kept, or not any more; `22023` for the future; `42P02` for a
/// parameter without a value that can be read.
pub(super) fn lease(core: &Core, params: &[Param], clause: AsOfClause) -> Result<Lease> {
    let leased = point(params, clause.at).and_then(|at| Ok(core.past(at)?));
    leased.map_err(|error| error.at(clause.position))
}

fn point(params: &[Param], at: Instant) -> Result<AsOf> {
    let written = match at {
        Instant::CommitParameter(number) => read(params, number, Instant::commit)?,
        Instant::TimeParameter(number) => read(params, number, Instant::time)?,
        written => written,
    };
    match written {
        Instant::Commit(number) => Ok(AsOf::Commit(Timestamp(number))),
        Instant::Time(micros) => Ok(AsOf::Time(micros)),
        Instant::Ago(ago) => {
            let ago = u64::try_from(ago.as_micros()).unwrap_or(u64::MAX);
            Ok(AsOf::Time(time::wall().0.saturating_sub(ago)))
        }
        Instant::CommitParameter(_) | Instant::TimeParameter(_) => {
            Err(Error::internal("a parameter that stands for another"))
        }
    }
}

fn read(
    params: &[Param],
    number: usize,
    read: impl Fn(&str) -> Result<Instant>,
) -> Result<Instant> {
    match number.checked_sub(1).and_then(|position| params.get(position)) {
        Some(Param::Json(Json::String(text))) => read(text),
        Some(Param::Json(Json::Number(number))) => read(&number.to_string()),
        Some(Param::Typed { value, ty }) if !value.is_null() => read(&value.render(ty)),
        _ => Err(Error::new(
            code::UNDEFINED_PARAMETER,
            format!("parameter ${number} has no value that AS OF can read"),
        )),
    }
}
