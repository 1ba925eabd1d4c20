//! What are the files of a manifest called?

const PREFIX: &str = "manifest-";
const DRAFT: &str = ".draft";

/// Returns the name of a generation.
pub(super) fn file(generation: u64) -> String {
    format!("{PREFIX}{generation:010}")
}

/// Returns the name a generation has until it is whole and durable.
pub(super) fn draft(generation: u64) -> String {
    format!("{}{DRAFT}", file(generation))
}

/// What a directory entry is to a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// A generation.
    File(u64),
    /// Left over by a crash while it was being written.
    Draft(u64),
}

/// Returns what a name means; `None` for everything that is not ours.
pub(super) fn parse(name: &str) -> Option<Entry> {
    if let Some(stem) = name.strip_suffix(DRAFT) {
        return number(stem).map(Entry::Draft);
    }
    number(name).map(Entry::File)
}

fn number(stem: &str) -> Option<u64> {
    let generation = stem.strip_prefix(PREFIX)?.parse().ok()?;
    // Only the one way to write a number counts.
    (file(generation) == stem).then_some(generation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back() {
        for generation in [1, 9_999_999_999, 10_000_000_000, u64::MAX] {
            assert_eq!(parse(&file(generation)), Some(Entry::File(generation)));
            assert_eq!(parse(&draft(generation)), Some(Entry::Draft(generation)));
        }
    }

    #[test]
    fn other_names_are_not_ours() {
        for name in ["", "manifest-", "manifest-1", "manifest-+000000001", "manifest-00000000001"] {
            assert_eq!(parse(name), None, "{name}");
        }
    }
}
