//! Sets `cfg(libjpeg)` where libjpeg-turbo decodes JPEG: with the feature of that name, outside of WebAssembly.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(libjpeg)");
    let wasm = std::env::var("CARGO_CFG_TARGET_FAMILY").is_ok_and(|family| family == "wasm");
    if !wasm && std::env::var_os("CARGO_FEATURE_LIBJPEG_TURBO").is_some() {
        println!("cargo::rustc-cfg=libjpeg");
    }
}
