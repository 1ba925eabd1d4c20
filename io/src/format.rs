//! Which numbers are frozen on disk?
//!
//! Everything here is part of the file format: little-endian, versioned, documented byte by byte
//! in `io/FORMAT.md` and pinned by `io/tests/fixtures/layout.txt`. A field begins where the one
//! before it ends; nobody counts by hand. Changing a number here needs a new format version.

use std::fmt::Write as _;

/// Unit of every aligned read and write, and of every place where a frame may begin.
pub const BLOCK_BYTES: usize = 4096;

/// A fixed field of a block: where it begins and how long it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// First byte, counted from the start of the block.
    pub offset: usize,
    /// Length.
    pub bytes: usize,
}

impl Field {
    /// Returns the field a block begins with.
    pub const fn first(bytes: usize) -> Self {
        Self { offset: 0, bytes }
    }

    /// Returns the field that follows `previous` without a gap.
    pub const fn after(previous: Self, bytes: usize) -> Self {
        Self { offset: previous.end(), bytes }
    }

    /// Returns the first byte after the field.
    pub const fn end(self) -> usize {
        self.offset + self.bytes
    }
}

/// The header block of a log file.
pub mod file_header {
    use super::Field;

    /// What the first eight bytes of a log file in use say.
    pub const MAGIC_VALUE: [u8; 8] = *b"PIESKWAL";
    /// The version this code writes and the only one it reads.
    pub const VERSION_VALUE: u32 = 1;

    /// `MAGIC_VALUE`.
    pub const MAGIC: Field = Field::first(8);
    /// `VERSION_VALUE`.
    pub const VERSION: Field = Field::after(MAGIC, 4);
    /// Stream the file belongs to.
    pub const STREAM: Field = Field::after(VERSION, 2);
    /// Zero.
    pub const RESERVED: Field = Field::after(STREAM, 2);
    /// Database the stream belongs to.
    pub const DATABASE: Field = Field::after(RESERVED, 16);
    /// Random number chosen with the stream, the same in all its files; seeds frame checksums.
    pub const SALT: Field = Field::after(DATABASE, 8);
    /// Number of this use of the file; each use of any file of the stream takes the next one.
    pub const EPOCH: Field = Field::after(SALT, 8);
    /// LSN of the first record that can end in this file.
    pub const FIRST_LSN: Field = Field::after(EPOCH, 8);
    /// Sequence of the first frame.
    pub const FIRST_SEQUENCE: Field = Field::after(FIRST_LSN, 8);
    /// Records below this LSN had been released when the file was begun.
    pub const RELEASED_LSN: Field = Field::after(FIRST_SEQUENCE, 8);
    /// Wall-clock microseconds at which the file was begun; for people, never for decisions.
    pub const CREATED_US: Field = Field::after(RELEASED_LSN, 8);
    /// Length of the file.
    pub const FILE_BYTES: Field = Field::after(CREATED_US, 8);
    /// Longest frame, padding included.
    pub const FRAME_BYTES_MAX: Field = Field::after(FILE_BYTES, 4);
    /// Most frames in flight at once.
    pub const FLIGHT_COUNT_MAX: Field = Field::after(FRAME_BYTES_MAX, 4);
    /// Header checksum of the last frame of the file before, or its file checksum if it had none;
    /// zero in the first file of a stream.
    pub const PREVIOUS_CHECKSUM: Field = Field::after(FLIGHT_COUNT_MAX, 4);
    /// CRC32C of every byte before this field. The rest of the block is zero.
    pub const CHECKSUM: Field = Field::after(PREVIOUS_CHECKSUM, 4);

    /// Bytes used; the block is padded with zeros.
    pub const BYTES: usize = CHECKSUM.end();

    /// All fields in order, with their names.
    pub const FIELDS: &[(&str, Field)] = &[
        ("magic", MAGIC),
        ("version", VERSION),
        ("stream", STREAM),
        ("reserved", RESERVED),
        ("database", DATABASE),
        ("salt", SALT),
        ("epoch", EPOCH),
        ("first_lsn", FIRST_LSN),
        ("first_sequence", FIRST_SEQUENCE),
        ("released_lsn", RELEASED_LSN),
        ("created_us", CREATED_US),
        ("file_bytes", FILE_BYTES),
        ("frame_bytes_max", FRAME_BYTES_MAX),
        ("flight_count_max", FLIGHT_COUNT_MAX),
        ("previous_checksum", PREVIOUS_CHECKSUM),
        ("checksum", CHECKSUM),
    ];

    const _: () = assert!(BYTES == 104);
    const _: () = assert!(BYTES <= super::BLOCK_BYTES);
}

/// The header of a frame.
pub mod frame_header {
    use super::Field;

    /// What the first four bytes of a frame say: `PFRM`.
    pub const MAGIC_VALUE: u32 = u32::from_le_bytes(*b"PFRM");

    /// `MAGIC_VALUE`.
    pub const MAGIC: Field = Field::first(4);
    /// What the body holds: see `codec::frame::FrameKind`.
    pub const KIND: Field = Field::after(MAGIC, 1);
    /// Zero.
    pub const RESERVED: Field = Field::after(KIND, 3);
    /// Length of the body, without padding.
    pub const BODY_BYTES: Field = Field::after(RESERVED, 4);
    /// Records that end in this frame.
    pub const RECORD_COUNT: Field = Field::after(BODY_BYTES, 4);
    /// Number of the frame in the stream.
    pub const SEQUENCE: Field = Field::after(RECORD_COUNT, 8);
    /// Epoch of the file the frame was written into.
    pub const EPOCH: Field = Field::after(SEQUENCE, 8);
    /// LSN of the first record that ends in or after this frame.
    pub const FIRST_LSN: Field = Field::after(EPOCH, 8);
    /// Every record up to this LSN was durable when the frame was written.
    pub const DURABLE_LSN: Field = Field::after(FIRST_LSN, 8);
    /// Every frame below this sequence was durable when the frame was written.
    pub const WINDOW_BASE: Field = Field::after(DURABLE_LSN, 8);
    /// Header checksum of the frame before, or checksum of the file header.
    pub const PREVIOUS_CHECKSUM: Field = Field::after(WINDOW_BASE, 4);
    /// CRC32C of the body.
    pub const BODY_CHECKSUM: Field = Field::after(PREVIOUS_CHECKSUM, 4);
    /// CRC32C of the stream's salt and every byte before this field.
    pub const CHECKSUM: Field = Field::after(BODY_CHECKSUM, 4);

    /// Bytes of the header; the body follows at once.
    pub const BYTES: usize = CHECKSUM.end();

    /// All fields in order, with their names.
    pub const FIELDS: &[(&str, Field)] = &[
        ("magic", MAGIC),
        ("kind", KIND),
        ("reserved", RESERVED),
        ("body_bytes", BODY_BYTES),
        ("record_count", RECORD_COUNT),
        ("sequence", SEQUENCE),
        ("epoch", EPOCH),
        ("first_lsn", FIRST_LSN),
        ("durable_lsn", DURABLE_LSN),
        ("window_base", WINDOW_BASE),
        ("previous_checksum", PREVIOUS_CHECKSUM),
        ("body_checksum", BODY_CHECKSUM),
        ("checksum", CHECKSUM),
    ];

    const _: () = assert!(BYTES == 68);
    const _: () = assert!(BYTES < super::BLOCK_BYTES);
}

/// The header block of a segment.
pub mod segment_header {
    use super::Field;

    /// What the first eight bytes of a segment say.
    pub const MAGIC_VALUE: [u8; 8] = *b"PIESKSEG";
    /// The version this code writes and the only one it reads.
    pub const VERSION_VALUE: u32 = 1;

    /// `MAGIC_VALUE`.
    pub const MAGIC: Field = Field::first(8);
    /// `VERSION_VALUE`.
    pub const VERSION: Field = Field::after(MAGIC, 4);
    /// Stream of the shard the segment belongs to.
    pub const STREAM: Field = Field::after(VERSION, 2);
    /// Zero.
    pub const RESERVED: Field = Field::after(STREAM, 2);
    /// Database the segment belongs to.
    pub const DATABASE: Field = Field::after(RESERVED, 16);
    /// Number of the segment, the one in its name.
    pub const ID: Field = Field::after(DATABASE, 8);
    /// CRC32C of every byte before this field. The rest of the block is zero.
    pub const CHECKSUM: Field = Field::after(ID, 4);

    /// Bytes used; the block is padded with zeros.
    pub const BYTES: usize = CHECKSUM.end();

    /// All fields in order, with their names.
    pub const FIELDS: &[(&str, Field)] = &[
        ("magic", MAGIC),
        ("version", VERSION),
        ("stream", STREAM),
        ("reserved", RESERVED),
        ("database", DATABASE),
        ("id", ID),
        ("checksum", CHECKSUM),
    ];

    const _: () = assert!(BYTES == 44);
    const _: () = assert!(BYTES <= super::BLOCK_BYTES);
}

/// The last block of a segment.
pub mod segment_trailer {
    use super::Field;

    /// What the first eight bytes of the last block say.
    pub const MAGIC_VALUE: [u8; 8] = *b"PIESKSET";

    /// `MAGIC_VALUE`.
    pub const MAGIC: Field = Field::first(8);
    /// As in the header.
    pub const VERSION: Field = Field::after(MAGIC, 4);
    /// As in the header.
    pub const STREAM: Field = Field::after(VERSION, 2);
    /// Zero.
    pub const RESERVED: Field = Field::after(STREAM, 2);
    /// As in the header.
    pub const DATABASE: Field = Field::after(RESERVED, 16);
    /// As in the header.
    pub const ID: Field = Field::after(DATABASE, 8);
    /// Length of the file.
    pub const FILE_BYTES: Field = Field::after(ID, 8);
    /// Where the footer begins: where the last block ends.
    pub const FOOTER_OFFSET: Field = Field::after(FILE_BYTES, 8);
    /// Length of the footer.
    pub const FOOTER_BYTES: Field = Field::after(FOOTER_OFFSET, 4);
    /// CRC32C of the footer.
    pub const FOOTER_CHECKSUM: Field = Field::after(FOOTER_BYTES, 4);
    /// CRC32C of every byte before this field. The rest of the block is zero.
    pub const CHECKSUM: Field = Field::after(FOOTER_CHECKSUM, 4);

    /// Bytes used; the block is padded with zeros.
    pub const BYTES: usize = CHECKSUM.end();

    /// All fields in order, with their names.
    pub const FIELDS: &[(&str, Field)] = &[
        ("magic", MAGIC),
        ("version", VERSION),
        ("stream", STREAM),
        ("reserved", RESERVED),
        ("database", DATABASE),
        ("id", ID),
        ("file_bytes", FILE_BYTES),
        ("footer_offset", FOOTER_OFFSET),
        ("footer_bytes", FOOTER_BYTES),
        ("footer_checksum", FOOTER_CHECKSUM),
        ("checksum", CHECKSUM),
    ];

    const _: () = assert!(BYTES == 68);
    const _: () = assert!(BYTES <= super::BLOCK_BYTES);
}

/// What the footer of a segment says of each part, after the number of parts (4 bytes).
pub mod segment_part {
    use super::Field;

    /// What the part means to the caller.
    pub const KIND: Field = Field::first(2);
    /// Blocks of the part; those of the part before come first.
    pub const BLOCK_COUNT: Field = Field::after(KIND, 4);

    /// Bytes of one entry.
    pub const BYTES: usize = BLOCK_COUNT.end();

    /// All fields in order, with their names.
    pub const FIELDS: &[(&str, Field)] = &[("kind", KIND), ("block_count", BLOCK_COUNT)];

    const _: () = assert!(BYTES == 6);
}

/// What the footer of a segment says of each block, after its parts.
pub mod segment_block {
    use super::Field;

    /// Bytes in the file; the next block begins where these end.
    pub const STORED_BYTES: Field = Field::first(4);
    /// Bytes that come out.
    pub const RAW_BYTES: Field = Field::after(STORED_BYTES, 4);
    /// CRC32C of the bytes in the file.
    pub const CHECKSUM: Field = Field::after(RAW_BYTES, 4);
    /// How it is compressed: see `segment::Codec`.
    pub const CODEC: Field = Field::after(CHECKSUM, 1);

    /// Bytes of one entry.
    pub const BYTES: usize = CODEC.end();

    /// All fields in order, with their names.
    pub const FIELDS: &[(&str, Field)] = &[
        ("stored_bytes", STORED_BYTES),
        ("raw_bytes", RAW_BYTES),
        ("checksum", CHECKSUM),
        ("codec", CODEC),
    ];

    const _: () = assert!(BYTES == 13);
}

/// The header block of a manifest.
pub mod manifest_header {
    use super::Field;

    /// What the first eight bytes of a manifest say.
    pub const MAGIC_VALUE: [u8; 8] = *b"PIESKMAN";
    /// The version this code writes and the only one it reads.
    pub const VERSION_VALUE: u32 = 1;

    /// `MAGIC_VALUE`.
    pub const MAGIC: Field = Field::first(8);
    /// `VERSION_VALUE`.
    pub const VERSION: Field = Field::after(MAGIC, 4);
    /// Stream of the shard the manifest belongs to.
    pub const STREAM: Field = Field::after(VERSION, 2);
    /// Zero.
    pub const RESERVED: Field = Field::after(STREAM, 2);
    /// Database the manifest belongs to.
    pub const DATABASE: Field = Field::after(RESERVED, 16);
    /// Number of the generation, the one in its name.
    pub const GENERATION: Field = Field::after(DATABASE, 8);
    /// Random number of this generation; seeds the checksums of its frames.
    pub const SALT: Field = Field::after(GENERATION, 8);
    /// CRC32C of every byte before this field. The rest of the block is zero.
    pub const CHECKSUM: Field = Field::after(SALT, 4);

    /// Bytes used; the block is padded with zeros.
    pub const BYTES: usize = CHECKSUM.end();

    /// All fields in order, with their names.
    pub const FIELDS: &[(&str, Field)] = &[
        ("magic", MAGIC),
        ("version", VERSION),
        ("stream", STREAM),
        ("reserved", RESERVED),
        ("database", DATABASE),
        ("generation", GENERATION),
        ("salt", SALT),
        ("checksum", CHECKSUM),
    ];

    const _: () = assert!(BYTES == 52);
    const _: () = assert!(BYTES <= super::BLOCK_BYTES);
}

/// The header of a frame of a manifest.
pub mod manifest_frame {
    use super::Field;

    /// What the first four bytes of a frame say: `PMFR`.
    pub const MAGIC_VALUE: u32 = u32::from_le_bytes(*b"PMFR");

    /// `MAGIC_VALUE`.
    pub const MAGIC: Field = Field::first(4);
    /// What the body holds: 1 a snapshot, 2 an edit.
    pub const KIND: Field = Field::after(MAGIC, 1);
    /// Zero.
    pub const RESERVED: Field = Field::after(KIND, 3);
    /// Length of the body, without padding.
    pub const BODY_BYTES: Field = Field::after(RESERVED, 4);
    /// Header checksum of the frame before; of the header block in the first frame.
    pub const PREVIOUS_CHECKSUM: Field = Field::after(BODY_BYTES, 4);
    /// Number of the frame in the generation: 1, 2, 3, …
    pub const SEQUENCE: Field = Field::after(PREVIOUS_CHECKSUM, 8);
    /// CRC32C of the body.
    pub const BODY_CHECKSUM: Field = Field::after(SEQUENCE, 4);
    /// CRC32C of the generation's salt and every byte before this field.
    pub const CHECKSUM: Field = Field::after(BODY_CHECKSUM, 4);

    /// Bytes of the header; the body follows at once.
    pub const BYTES: usize = CHECKSUM.end();

    /// All fields in order, with their names.
    pub const FIELDS: &[(&str, Field)] = &[
        ("magic", MAGIC),
        ("kind", KIND),
        ("reserved", RESERVED),
        ("body_bytes", BODY_BYTES),
        ("previous_checksum", PREVIOUS_CHECKSUM),
        ("sequence", SEQUENCE),
        ("body_checksum", BODY_CHECKSUM),
        ("checksum", CHECKSUM),
    ];

    const _: () = assert!(BYTES == 32);
    const _: () = assert!(BYTES < super::BLOCK_BYTES);
}

/// Returns every frozen number as text: the layout snapshot that tests compare.
pub fn layout() -> String {
    let mut text = String::new();
    let mut table = |title: &str, fields: &[(&str, Field)], bytes: usize| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{title} ({bytes} bytes)");
        for (name, field) in fields {
            let _ = writeln!(text, "  {:>4} {:>3}  {name}", field.offset, field.bytes);
        }
    };
    table("log file header", file_header::FIELDS, file_header::BYTES);
    table("frame header", frame_header::FIELDS, frame_header::BYTES);
    table("segment header", segment_header::FIELDS, segment_header::BYTES);
    table("segment trailer", segment_trailer::FIELDS, segment_trailer::BYTES);
    table("segment part", segment_part::FIELDS, segment_part::BYTES);
    table("segment block", segment_block::FIELDS, segment_block::BYTES);
    table("manifest header", manifest_header::FIELDS, manifest_header::BYTES);
    table("manifest frame", manifest_frame::FIELDS, manifest_frame::BYTES);
    let magic = String::from_utf8_lossy(&file_header::MAGIC_VALUE).into_owned();
    let _ = writeln!(text, "log file magic {magic}, version {}", file_header::VERSION_VALUE);
    let _ = writeln!(text, "frame magic {:#010x}", frame_header::MAGIC_VALUE);
    for (name, kind) in crate::codec::frame::FrameKind::ALL {
        let _ = writeln!(text, "frame kind {} {name}", *kind as u8);
    }
    let (front, back) = (segment_header::MAGIC_VALUE, segment_trailer::MAGIC_VALUE);
    let (front, back) = (String::from_utf8_lossy(&front), String::from_utf8_lossy(&back));
    let version = segment_header::VERSION_VALUE;
    let _ = writeln!(text, "segment magic {front}, trailer {back}, version {version}");
    for (name, codec) in crate::segment::Codec::ALL {
        let _ = writeln!(text, "segment codec {} {name}", *codec as u8);
    }
    let magic = String::from_utf8_lossy(&manifest_header::MAGIC_VALUE).into_owned();
    let _ = writeln!(text, "manifest magic {magic}, version {}", manifest_header::VERSION_VALUE);
    let _ = writeln!(text, "manifest frame magic {:#010x}", manifest_frame::MAGIC_VALUE);
    for (name, kind) in crate::manifest::FrameKind::ALL {
        let _ = writeln!(text, "manifest frame kind {} {name}", *kind as u8);
    }
    let _ = writeln!(text, "block {BLOCK_BYTES} bytes");
    text
}
