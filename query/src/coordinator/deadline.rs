//! How long may work take?

use pieskieo_io::rt;
use pieskieo_io::time;

use crate::error::Result;
use crate::exec::scope::Stop;

/// Runs work until its deadline, or until the commit that is under way then has ended.
///
/// **Errors**: `57014` when it takes too long.
pub(crate) async fn within<T>(stop: &Stop, work: impl Future<Output = Result<T>>) -> Result<T> {
    let Some(deadline) = stop.deadline() else { return work.await };
    let mut work = std::pin::pin!(work);
    let left = deadline.since(time::now());
    match rt::timeout(left, work.as_mut()).await {
        Ok(result) => result,
        Err(_) if stop.is_settling() => work.await,
        Err(_) => Err(stop.out_of_time()),
    }
}
