//! Makes sure that the build of `web/` is looked at again when it changes; its files are embedded by `src/assets.rs`.

fn main() {
    println!("cargo::rerun-if-changed=../web/dist");
    println!("cargo::rerun-if-changed=templates");
}
