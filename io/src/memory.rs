//! How much memory may this process use, and how much does it?

use std::fs;
use std::path::{Path, PathBuf};

/// Returns the bytes of memory this process may use: the lowest limit of its control groups
/// (version 2 and 1), at most what the machine has. `None` when neither can be read.
///
/// **Cost**: reads a few small files under `/proc` and `/sys`.
#[must_use]
pub fn limit_bytes() -> Option<u64> {
    let groups = read("/proc/self/cgroup").unwrap_or_default();
    let limits = group_files(&groups).into_iter().filter_map(|file| parse(&read(file)?));
    limits.chain(machine_bytes()).min()
}

/// Returns the bytes of memory that belong to this process now; 0 when that cannot be read.
///
/// **Cost**: reads a small file under `/proc`.
#[must_use]
pub fn resident_bytes() -> u64 {
    status_bytes(&read("/proc/self/status").unwrap_or_default(), "VmRSS:").unwrap_or(0)
}

fn machine_bytes() -> Option<u64> {
    status_bytes(&read("/proc/meminfo")?, "MemTotal:")
}

/// Returns the number of a line such as `MemTotal:  24689548 kB`.
fn status_bytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// Returns the files that say the limits of the groups in `/proc/self/cgroup`, and of the groups
/// around them.
fn group_files(groups: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for line in groups.lines() {
        // "0::/path" in version 2, "4:memory:/path" in version 1.
        let mut parts = line.splitn(3, ':').skip(1);
        let (root, name) = match parts.next() {
            Some("") => ("/sys/fs/cgroup", "memory.max"),
            Some(list) if list.split(',').any(|c| c == "memory") => {
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => continue,
        };
        let path = parts.next().unwrap_or("/").trim_start_matches('/');
        let around = Path::new(path).ancestors().map(|group| Path::new(root).join(group));
        files.extend(around.map(|group| group.join(name)));
    }
    files
}

/// "max", and the huge number version 1 has for it, are no limits: the machine's is lower.
fn parse(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

#[expect(clippy::disallowed_methods, reason = "this is where such files are read")]
fn read(path: impl AsRef<Path>) -> Option<String> {
    fs::read_to_string(path).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_proc_are_read() {
        let text = "MemTotal:       24689548 kB\nMemFree:  1 kB\n";
        assert_eq!(status_bytes(text, "MemTotal:"), Some(24_689_548 * 1024));
        assert_eq!(status_bytes(text, "MemLost:"), None);
        assert_eq!(status_bytes("VmRSS: many kB", "VmRSS:"), None);
        assert!(resident_bytes() > 0 && limit_bytes() > Some(resident_bytes()));
    }

    #[test]
    fn limits_of_a_group_and_those_around_it_count() {
        let shown = |groups| {
            let files = group_files(groups);
            files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>()
        };
        let around = [
            "/sys/fs/cgroup/a/b/memory.max",
            "/sys/fs/cgroup/a/memory.max",
            "/sys/fs/cgroup/memory.max",
        ];
        assert_eq!(shown("0::/a/b\n"), around);
        let old = ["/sys/fs/cgroup/memory/x/memory.limit_in_bytes"];
        assert_eq!(shown("5:cpu,cpuacct:/x\n4:memory:/x\n")[..1], old);
        assert_eq!(parse("max\n"), None);
        assert_eq!(parse("1048576\n"), Some(1 << 20));
    }
}
