//! Is the layout on disk what the snapshot says?
//!
//! If this fails, the file format changed: that needs a new version number, a decision about old
//! files and a second reader. Only then replace `fixtures/layout.txt` by the text printed here.

#[test]
fn the_layout_is_the_frozen_one() {
    let frozen = include_str!("fixtures/layout.txt");
    let layout = pieskieo_io::format::layout();
    assert!(layout == frozen, "the layout changed; it is now:\n{layout}");
}
