//! Which nodes has this walk seen?

/// A set of slots that is emptied in constant time.
#[derive(Default)]
pub struct Visited {
    /// A slot is in the set when its mark equals `epoch`.
    marks: Vec<u16>,
    epoch: u16,
}

impl Visited {
    /// Empties the set and makes room for slots below `slot_count`.
    pub fn clear(&mut self, slot_count: usize) {
        if self.marks.len() < slot_count {
            self.marks.resize(slot_count.next_power_of_two(), 0);
        }
        self.epoch = self.epoch.wrapping_add(1);
        if self.epoch == 0 {
            self.marks.fill(0);
            self.epoch = 1;
        }
    }

    /// Adds `slot` and returns whether it was new.
    #[inline]
    pub fn insert(&mut self, slot: u32) -> bool {
        let mark = &mut self.marks[slot as usize];
        let new = *mark != self.epoch;
        *mark = self.epoch;
        new
    }
}

#[cfg(test)]
mod tests {
    use super::Visited;

    #[test]
    fn clearing_forgets_even_after_the_epoch_wraps() {
        let mut visited = Visited::default();
        for _ in 0..70_000 {
            visited.clear(2);
            assert!(visited.insert(1));
            assert!(!visited.insert(1));
        }
        visited.clear(2);
        assert!(visited.insert(0));
    }
}
