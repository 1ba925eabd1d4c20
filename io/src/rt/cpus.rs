//! Which CPUs may this process use?
//!
//! The affinity mask says which, a control group's quota says how many. A container limited to two
//! of 64 CPUs by quota still sees all 64 in its mask.

/// Returns how many CPUs' worth of time this process may use: the affinity mask, cut by the
/// quota of its control groups. At least 1.
pub fn cpu_count() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Returns the numbers of the CPUs in the affinity mask, ascending; empty if unknown.
pub fn cpu_list() -> Vec<usize> {
    let status = crate::file::host::read_to_string("/proc/thread-self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    line.and_then(parse).unwrap_or_default()
}

/// Returns the numbers a list like `0-3,8,10-11` names.
fn parse(list: &str) -> Option<Vec<usize>> {
    let mut numbers = Vec::new();
    for part in list.trim().split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let first: usize = first.trim().parse().ok()?;
        let last: usize = last.trim().parse().ok()?;
        if first > last || last >= 1 << 16 {
            return None;
        }
        numbers.extend(first..=last);
    }
    Some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_cpus_are_read() {
        assert_eq!(parse("\t0-2,5,7-8\n"), Some(vec![0, 1, 2, 5, 7, 8]));
        assert_eq!(parse("3"), Some(vec![3]));
        for bad in ["", "a", "2-1", "1-", "0-99999999"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn this_machine_has_a_cpu() {
        assert!(cpu_count() >= 1);
        assert!(!cpu_list().is_empty());
    }
}
