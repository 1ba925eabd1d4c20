//! Is every byte of a segment as it was written?

use crate::rt;

use super::error::{Damage, Error, Result};
use super::footer::Table;
use super::limits::REQUEST_BYTES;
use super::open;
use super::reader::Segment;

impl Segment {
    /// Reads the whole file again and returns everything that is not as it was written, in the
    /// order of the file. Writes nothing.
    ///
    /// **Cost**: one read for each MiB, one after the other; decompresses everything.
    ///
    /// **Errors**: `Disk` when something cannot be read at all.
    pub async fn verify(&self) -> Result<Vec<Damage>> {
        let mut damage = Vec::new();
        note(open::read_header(&self.file, &self.name).await, &mut damage)?;
        for part in &self.table.parts {
            let run = self.table.run(part.kind, 0, part.count).unwrap_or(&[]);
            for range in Table::requests(run, REQUEST_BYTES) {
                let blocks = run.get(range.clone()).unwrap_or(&[]);
                let Some(request) = note(self.request(blocks).await, &mut damage)? else {
                    continue;
                };
                for (block, index) in blocks.iter().zip(range.start..) {
                    if let Err(found) = request.unpack(&self.name, block) {
                        damage.push(found.of_block(part.kind, index as u32));
                    }
                    rt::yield_if_needed().await;
                }
            }
        }
        note(open::check(&self.file, &self.name, self.identity, self.seal).await, &mut damage)?;
        Ok(damage)
    }
}

/// Returns what was found, or notes why it is not what was written.
fn note<T>(found: Result<T>, damage: &mut Vec<Damage>) -> Result<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(Error::Damaged(found)) => {
            if !damage.contains(&found) {
                damage.push(*found);
            }
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
