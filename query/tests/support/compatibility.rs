//! How do tests write what they found to `COMPATIBILITY.md`?
//!
//! Each owns one section, between two marks; `PIESKIEO_COMPATIBILITY=write` makes it anew.

use std::path::Path;

use pieskieo_io::file::host;

/// Replaces a section of the page, when that is wanted.
///
/// **Panics**: the page cannot be read or written, or has no such section.
pub fn write_section(name: &str, body: &str) {
    if !std::env::var("PIESKIEO_COMPATIBILITY").is_ok_and(|text| text == "write") {
        return;
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("COMPATIBILITY.md");
    let page = host::read_to_string(&path).expect("the page");
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->"));
    let (before, rest) = page.split_once(&begin).expect("the section begins");
    let (_, after) = rest.split_once(&end).expect("the section ends");
    let page = format!("{before}{begin}{body}{end}{after}");
    host::write(&path, page).expect("the page can be written");
}
