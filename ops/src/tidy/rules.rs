//! Which limits, layers, bans and exemptions are in force?

/// Production lines of a file, at most.
pub const FILE_LINES_MAX: usize = 700;
/// Lines of a function, at most.
pub const FUNCTION_LINES_MAX: usize = 70;
/// Characters of a line of code, at most. Tables in comments and literals may be wider.
pub const LINE_CHARS_MAX: usize = 100;
/// Lines of the README, at most.
pub const README_LINES_MAX: usize = 200;

/// What a crate may import.
pub struct Layer {
    /// Folder, empty for the root package.
    pub folder: &'static str,
    /// Our own packages it may depend on.
    pub ours: &'static [&'static str],
    /// Whether `unsafe` is forbidden at the crate root.
    pub forbids_unsafe: bool,
}

/// Imports run one way: io, shards, query, net, src. Nobody imports bench or ops.
pub const LAYERS: &[Layer] = &[
    Layer { folder: "io", ours: &[], forbids_unsafe: false },
    Layer { folder: "shards", ours: &["pieskieo-io"], forbids_unsafe: false },
    Layer { folder: "query", ours: &["pieskieo-io", "pieskieo-shards"], forbids_unsafe: true },
    Layer { folder: "net", ours: &["pieskieo-io", "pieskieo-query"], forbids_unsafe: true },
    Layer {
        folder: "",
        ours: &["pieskieo-io", "pieskieo-shards", "pieskieo-query", "pieskieo-net"],
        forbids_unsafe: true,
    },
    Layer {
        folder: "bench",
        ours: &["pieskieo", "pieskieo-io", "pieskieo-shards", "pieskieo-query", "pieskieo-net"],
        forbids_unsafe: true,
    },
    Layer { folder: "ops", ours: &[], forbids_unsafe: true },
];

/// Heavy dependencies and the folders that may name them. A name ending in `*` is a prefix.
pub const OWNERS: &[(&str, &[&str])] = &[
    ("glommio", &["io"]),
    ("io-uring", &["io"]),
    ("libc", &["io"]),
    ("rtrb", &["io"]),
    ("lz4_flex", &["io"]),
    ("zstd", &["io"]),
    // For the two traits `h2` asks for, in the client that measures; not for its runtime.
    ("tokio", &["bench"]),
    ("h2", &["bench"]),
    ("datafusion*", &["query"]),
    ("arrow-*", &["shards", "query", "bench"]),
    ("parquet-variant*", &["shards"]),
    ("axum", &["net"]),
    ("tower*", &["net"]),
    ("rustls", &["net"]),
    ("futures-rustls", &["net"]),
    ("hyper", &["net", "", "bench"]),
    ("hyper-util", &["net", "", "bench"]),
];

/// Text that must not appear in production code, the folders where it is banned, and what to
/// use instead. The empty folder is `src`.
pub const BANS: &[(&str, &[&str], &str)] = &[
    ("std::fs::", &["shards", "query", "net", ""], "pieskieo_io::file"),
    ("std::thread::", &["shards", "query", "net", "", "bench"], "pieskieo_io::rt"),
    ("Instant::now(", &["shards", "query", "net", "", "bench"], "pieskieo_io::time::now"),
    ("SystemTime::now(", &["shards", "query", "net", "", "bench"], "pieskieo_io::time::wall"),
    ("std::net::Tcp", &["shards", "query", "net", "", "bench"], "pieskieo_io::rt::TcpStream"),
    ("tokio::", &["io", "shards", "query", "net", ""], "pieskieo_io::rt"),
    ("thread_rng(", &["io", "shards", "query", "net", "", "bench"], "pieskieo_io::time"),
    ("dbg!(", &["io", "shards", "query", "net", "", "bench", "ops"], "a tracing event"),
    ("unbounded(", &["io", "shards", "query", "net", ""], "a bounded lane or channel"),
];

/// Words that mark something unfinished; the README's status table is the place to say so.
/// Spelled in pieces so that this file does not contain them.
pub const WORDS: &[&str] = &[
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("X", "XX"),
    concat!("for ", "now"),
    concat!("simpli", "fied"),
    concat!("place", "holder for"),
];

/// File names that answer no question.
pub const NAMES: &[&str] = &[
    "utils.rs",
    "util.rs",
    "helpers.rs",
    "common.rs",
    "misc.rs",
    "types.rs",
    "manager.rs",
    "v2.rs",
];

/// Files that may contain `unsafe`, with the reason.
pub const UNSAFE: &[(&str, &str)] = &[
    ("bench/rivals/src/hnswlib.rs", "calls a rival written in C++"),
    ("io/src/arena.rs", "maps anonymous memory on huge pages"),
    ("io/src/file/space.rs", "asks the kernel how much room the disk has"),
    ("shards/src/vector/distance/avx2.rs", "SIMD distance"),
    ("shards/src/vector/distance/avx512.rs", "SIMD distance"),
    ("shards/src/vector/distance/bytes_avx2.rs", "SIMD distance"),
    ("shards/src/vector/distance/bytes_avx512.rs", "SIMD distance"),
    ("shards/src/vector/distance/prefetch.rs", "prefetch hints for the SIMD distance"),
];

/// Functions longer than the limit: file, function, reason.
pub const LONG_FUNCTIONS: &[(&str, &str, &str)] = &[];

/// Files longer than the limit: file, reason.
pub const LONG_FILES: &[(&str, &str)] = &[];

/// Uses of banned text: file, text, reason.
pub const BAN_EXEMPTIONS: &[(&str, &str, &str)] = &[];
