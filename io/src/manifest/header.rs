//! What does a generation of a manifest say about itself?
//!
//! Offsets are in [`crate::format::manifest_header`].

use std::fmt;

use crate::codec::sealed::{self, Fault, Sort};
use crate::codec::{Reader, Truncated};
use crate::format::manifest_header as layout;
use crate::wal::StreamId;

use super::error::{Damage, DamageKind};

const SORT: Sort =
    Sort { magic: layout::MAGIC_VALUE, version: layout::VERSION_VALUE, bytes: layout::BYTES };

/// Whose manifest it must be: one of another database or shard is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ManifestIdentity {
    /// The database.
    pub database: [u8; 16],
    /// The shard.
    pub stream: StreamId,
}

impl fmt::Display for ManifestIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stream {} of database ", self.stream)?;
        self.database.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The first block of a generation. Field meanings are in [`crate::format::manifest_header`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub identity: ManifestIdentity,
    pub generation: u64,
    pub salt: u64,
}

impl Header {
    /// Returns the header block and its checksum, where the chain of frames begins.
    pub(super) fn encode(&self) -> (Vec<u8>, u32) {
        let mut out = sealed::begin(SORT);
        out.u16(self.identity.stream.0);
        out.u16(0);
        out.bytes(&self.identity.database);
        out.u64(self.generation);
        out.u64(self.salt);
        sealed::finish(SORT, out)
    }

    /// Returns the header in the first block of a file, and its checksum.
    pub(super) fn decode(file: &str, block: &[u8]) -> Result<(Self, u32), Damage> {
        let (mut reader, sum) = sealed::open(SORT, block).map_err(|fault| damage(file, fault))?;
        match Self::fields(&mut reader) {
            Ok((0, header)) => Ok((header, sum)),
            Ok(_) | Err(_) => {
                Err(Damage::new(file, 0, DamageKind::Header, "a reserved zero", "something else"))
            }
        }
    }

    fn fields(reader: &mut Reader<'_>) -> Result<(u16, Self), Truncated> {
        let stream = StreamId(reader.u16()?);
        let reserved = reader.u16()?;
        let identity = ManifestIdentity { database: reader.array()?, stream };
        let (generation, salt) = (reader.u64()?, reader.u64()?);
        Ok((reserved, Self { identity, generation, salt }))
    }
}

fn damage(file: &str, fault: Fault) -> Damage {
    match fault {
        Fault::Magic { expected, found } => {
            Damage::new(file, 0, DamageKind::Magic, expected, found)
        }
        Fault::Checksum { expected, found } => {
            let (expected, found) = (format!("{expected:08x}"), format!("{found:08x}"));
            Damage::new(file, 0, DamageKind::Header, expected, found)
        }
        Fault::Version { expected, found } => {
            Damage::new(file, 0, DamageKind::Version, expected, found)
        }
        Fault::Padding { position, found } => {
            let found = format!("{found:#04x}");
            Damage::new(file, position as u64, DamageKind::Header, "a zero", found)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_comes_back() {
        let identity = ManifestIdentity { database: [7; 16], stream: StreamId(3) };
        let header = Header { identity, generation: 5, salt: 6 };
        let (block, sum) = header.encode();
        assert_eq!(Header::decode("f", &block), Ok((header, sum)));
    }
}
