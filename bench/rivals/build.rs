//! How is the rival compiled, and what is missing if it cannot be?

use std::path::Path;

/// Where a distribution or a person puts the header.
const PLACES: &[&str] = &["/usr/include", "/usr/local/include"];

fn main() {
    println!("cargo::rerun-if-changed=src/hnswlib.cpp");
    println!("cargo::rerun-if-env-changed=HNSWLIB_INCLUDE");
    let named = std::env::var("HNSWLIB_INCLUDE").ok();
    let places = named.iter().map(String::as_str).chain(PLACES.iter().copied());
    let Some(place) = places.into_iter().find(|place| header_is_in(place)) else {
        println!(
            "cargo::error=hnswlib/hnswlib.h was not found: run `apt-get install libhnswlib-dev`, \
             or name its folder in HNSWLIB_INCLUDE"
        );
        std::process::exit(1);
    };
    cc::Build::new()
        .cpp(true)
        .file("src/hnswlib.cpp")
        .include(place)
        .flag("-std=c++17")
        .flag("-O3")
        .flag("-march=native")
        .warnings(false)
        .compile("rival_hnswlib");
}

fn header_is_in(place: &str) -> bool {
    Path::new(place).join("hnswlib/hnswlib.h").exists()
}
