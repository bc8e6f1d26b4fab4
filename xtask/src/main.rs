//! Tasks of the project: `cargo xtask help` lists them.

use std::process::ExitCode;

use anyhow::{Context, Result, bail};

mod args;
mod binaries;
mod laws;
mod npm;
mod package;
mod repo;
mod setup;
mod sh;
mod test;
mod tools;
mod wasm;
mod web;

const HELP: &str = "\
cargo xtask setup [--only STEP]        get what is missing on this machine; prints what it has and what it gets
cargo xtask test [NAME]...             set up, then run every test; with names, only those steps or groups
                                       (rust, wasm, page; slow runs only when it is named)
cargo xtask laws                       check the rules that no compiler checks: imports, circles of modules, terms
cargo xtask wasm [--no-opt]            build the WebAssembly modules into web/pkg and print their sizes
cargo xtask npm [--no-opt]             build the npm package parallax-web into target/npm
cargo xtask wasm-test FILE [ARG]...    run a module of tests in a browser, which `cargo xtask test browser` sets up;
                                       with --portable before FILE, in its form without relaxed SIMD alone
cargo xtask web [--port N]             build the page and serve it on this machine (5173)
cargo xtask web --dev [--port N]       the same with Vite's live reload
cargo xtask web --release              leave in web/page/dist what any static host can serve, also compressed (.br)

Environment: CHROME, CHROMEDRIVER   the browser and the driver to use
             FIREFOX, GECKODRIVER   the Firefox to test the page in as well, and its driver
             CARGO_TARGET_DIR       where builds go
             PARALLAX_RUST_SRC      Rust's library/ folder, or a .tar.xz of it, for a machine where rustup
                                    cannot download the wasm32-unknown-unknown target";

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<bool> {
    let mut args = args::Args::from_env();
    let command = args.word().unwrap_or_else(|| "help".into());
    match command.as_str() {
        "setup" => {
            let only = args.value("--only")?;
            args.finish()?;
            setup::run(only.as_deref())?;
        }
        "test" | "ci" => return test::run(&args.rest()),
        "laws" => {
            args.finish()?;
            laws::check()?;
        }
        "wasm" => {
            let optimise = !args.flag("--no-opt");
            args.finish()?;
            setup::run_these(&setup::FOR_WASM)?;
            wasm::build(optimise, &[])?;
        }
        "npm" => {
            let optimise = !args.flag("--no-opt");
            args.finish()?;
            setup::run_these(&setup::FOR_WASM)?;
            setup::run_these(&["npm"])?;
            wasm::build(optimise, &[])?;
            npm::pack()?;
        }
        "wasm-test" => {
            let portable = args.flag("--portable");
            let module = args.word().context("wasm-test takes a module of tests")?;
            wasm::test(module.as_ref(), portable, &args.rest())?;
        }
        "web" => {
            let release = args.flag("--release");
            let dev = args.flag("--dev");
            let port = args.value("--port")?;
            args.finish()?;
            web::run(release, dev, port.as_deref())?;
        }
        "help" | "--help" | "-h" => println!("{HELP}"),
        other => bail!("there is no command `{other}`\n{HELP}"),
    }
    Ok(true)
}
