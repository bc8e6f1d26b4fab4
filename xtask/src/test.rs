//! All tests in order, each step timed.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::binaries::{self, Choice};
use crate::setup::{self, browser, mesa, mpi, npm::npm};
use crate::{laws, npm, package, repo, sh, tools, wasm, web};

mod other_browsers;

/// Seconds before a test in a browser counts as hung: software WebGPU is slow.
const BROWSER_SECONDS: &str = "1800";

/// The group of tests that only run when they are asked for.
const SLOW: &str = "slow";

/// One step: its name, its group, the set-up steps it needs, and what it does.
struct Step {
    name: &'static str,
    group: &'static str,
    needs: &'static [&'static str],
    run: fn() -> Result<()>,
}

/// The page is tested with the optimised module, which a host would serve.
const OPTIMISED: &[&str] = &["target", "wasm-bindgen", "wasm-pack", "wasm-opt"];
const PAGE: &[&str] = &["rust", "npm", "browser", "firefox"];

/// A built page, whatever was built before, and every browser.
const WHOLE_PAGE: &[&str] = &[
    "target",
    "wasm-bindgen",
    "wasm-pack",
    "wasm-opt",
    "rust",
    "npm",
    "browser",
    "firefox",
    "webkit",
];

const STEPS: [Step; 17] = [
    step("laws", "rust", &[], laws::check),
    step("fmt", "rust", &["rust"], fmt),
    step("typos", "rust", &[], tools::typos),
    step("deny", "rust", &[], tools::deny),
    step("package", "rust", &[], package::check),
    step("clippy", "rust", &["rust", "mpi"], clippy),
    step("native", "rust", &["vulkan", "mpi"], native),
    step("matrices", "rust", &["mesa"], matrices),
    step(SLOW, SLOW, &["vulkan", "mesa", "mpi"], slow),
    step("module", "wasm", OPTIMISED, || wasm::build(true, &LINT)),
    step(
        "browser",
        "wasm",
        &["target", "wasm-bindgen", "browser"],
        in_browser,
    ),
    step("page-check", "page", PAGE, || page("check")),
    step("page-build", "page", PAGE, || page("build")),
    step("page-e2e", "page", PAGE, || page("e2e")),
    step("npm", "page", PAGE, npm::test),
    step("page-slow", SLOW, WHOLE_PAGE, page_slow),
    step(
        "browser-slow",
        SLOW,
        &["target", "wasm-bindgen", "firefox", "geckodriver", "webkit"],
        other_browsers::run,
    ),
];

const fn step(
    name: &'static str,
    group: &'static str,
    needs: &'static [&'static str],
    run: fn() -> Result<()>,
) -> Step {
    Step {
        name,
        group,
        needs,
        run,
    }
}

/// Runs the chosen steps, or the default ones; returns whether all passed.
pub fn run(chosen: &[String]) -> Result<bool> {
    for name in chosen {
        if !STEPS
            .iter()
            .any(|step| step.name == name || step.group == name)
        {
            let steps = STEPS.map(|step| step.name).join(", ");
            bail!("there is no test step `{name}`; groups: rust, wasm, page, slow; steps: {steps}");
        }
    }
    let steps: Vec<&Step> = STEPS
        .iter()
        .filter(|step| {
            (chosen.is_empty() && step.group != SLOW)
                || chosen
                    .iter()
                    .any(|name| step.name == name || step.group == name)
        })
        .collect();
    let mut report = Report::default();
    let good = report.take("setup", || prepare(&steps, chosen.is_empty()))
        && steps.iter().all(|step| report.take(step.name, step.run));
    report.print(&steps);
    Ok(good)
}

fn prepare(steps: &[&Step], all: bool) -> Result<()> {
    if all {
        return setup::run_default();
    }
    let needs: Vec<&str> = steps.iter().flat_map(|step| step.needs).copied().collect();
    setup::run_these(&needs)
}

/// Steps that ran, whether each passed, and its duration.
#[derive(Default)]
struct Report(Vec<(&'static str, bool, Duration)>);

impl Report {
    fn take(&mut self, name: &'static str, run: impl FnOnce() -> Result<()>) -> bool {
        println!("\n== {name}");
        let start = Instant::now();
        let outcome = run();
        let took = start.elapsed();
        if let Err(error) = &outcome {
            println!("error: {error:#}");
        }
        let word = if outcome.is_ok() { "passed" } else { "FAILED" };
        println!("== {name} {word} in {}", clock(took));
        self.0.push((name, outcome.is_ok(), took));
        outcome.is_ok()
    }

    fn print(&self, steps: &[&Step]) {
        println!("\nsteps:");
        for (name, good, took) in &self.0 {
            let word = if *good { "passed" } else { "FAILED" };
            println!("  {name:<12} {word:<8} {:>10}", clock(*took));
        }
        let not_run = steps
            .iter()
            .filter(|step| self.0.iter().all(|(name, ..)| *name != step.name));
        for step in not_run {
            println!("  {:<12} not run", step.name);
        }
        let total = self.0.iter().map(|(.., took)| *took).sum();
        println!("  {:<12} {:<8} {:>10}\n", "all", "", clock(total));
        let passed = self.0.iter().filter(|(_, good, _)| *good).count();
        println!("{passed} passed, {} failed", self.0.len() - passed);
    }
}

fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    if seconds < 60 {
        return format!("{:.1} s", time.as_secs_f32());
    }
    format!("{} min {:02} s", seconds / 60, seconds % 60)
}

fn fmt() -> Result<()> {
    sh::run(&mut sh::words("cargo fmt --all --check"))
}

/// Clippy as the compiler of the workspace's crates, with warnings denied, so that one build both lints and leaves the
/// executables to run. `cargo clippy` would check all of Burn in another mode and build nothing to run.
const LINT: [(&str, &str); 2] = [
    ("RUSTC_WORKSPACE_WRAPPER", "clippy-driver"),
    (
        "CLIPPY_ARGS",
        "-D__CLIPPY_HACKERY__warnings__CLIPPY_HACKERY__",
    ),
];

/// A cargo command on every native crate, with one set of features.
fn native_cargo(what: &str) -> Command {
    let mut cargo = sh::words(what);
    cargo
        .args(["--locked", "--release", "--workspace"])
        .args(["--exclude", "parallax-web"])
        .envs(LINT);
    if mpi::is_here() {
        cargo.args(["--features", "parallax/mpi"]);
    }
    cargo
}

fn clippy() -> Result<()> {
    sh::run(native_cargo("cargo test").arg("--no-run"))
}

fn native() -> Result<()> {
    let choice = match cfg!(target_os = "linux") {
        true => Choice::default(),
        false => {
            println!("tests on a Vulkan device do not run on this platform");
            WITHOUT_VULKAN
        }
    };
    binaries::run(&mut native_cargo("cargo test"), choice)?;
    sh::run(native_cargo("cargo test").arg("--doc"))
}

/// Products by matrix instructions, in a build of its own: with it, kernels are SPIR-V, and without it WGSL.
fn matrices() -> Result<()> {
    with_matrices(&[])
}

fn with_matrices(arguments: &[&str]) -> Result<()> {
    in_spirv("matrices", arguments)
}

/// A test in the build whose kernels are SPIR-V.
fn in_spirv(test: &str, arguments: &[&str]) -> Result<()> {
    let Some(environment) = mesa::environment() else {
        println!("SPIR-V is not tested: there is no driver with matrix instructions");
        return Ok(());
    };
    let mut cargo = sh::words("cargo test --locked --release --workspace --exclude parallax-web");
    cargo
        .args([
            "--features",
            "parallax/tensor-cores,parallax-parity/tensor-cores",
        ])
        .args(["--test", test, "--", "--nocapture"])
        .args(arguments)
        .envs(LINT)
        .envs(environment);
    sh::run(&mut cargo)
}

/// Set-up installs a software Vulkan driver on Linux alone.
const WITHOUT_VULKAN: Choice = Choice {
    arguments: &["--skip", "vulkan"],
    without: &[
        "native/devices",
        "parity/precision",
        "parity/staged",
        "parity/swiftshader",
    ],
};

/// What test executables are told to run the slow tests alone.
const SLOWLY: &[&str] = &["--ignored", "slow::"];

/// Tests of modules `slow` with `#[ignore = "slow: ..."]`: long ones that quicker tests cover in part.
fn slow() -> Result<()> {
    let choice = Choice {
        arguments: SLOWLY,
        ..Choice::default()
    };
    binaries::run(&mut native_cargo("cargo test"), choice)?;
    with_matrices(SLOWLY)?;
    // f32 takes no matrix instructions: what the WGSL build's tests show of it, in SPIR-V.
    in_spirv("native", &["vulkan"])
}

/// The module's tests in a headless browser.
fn in_browser() -> Result<()> {
    let browser = browser::find()?;
    let capabilities = repo::target().join("xtask").join("webdriver.json");
    let own = std::fs::read_to_string(repo::root().join("web/webdriver.json"))?;
    std::fs::create_dir_all(repo::target().join("xtask"))?;
    std::fs::write(
        &capabilities,
        with_binary(&own, &browser.chrome.to_string_lossy())?,
    )?;
    let mut cargo = module_tests(&[])?;
    cargo
        .env("CHROMEDRIVER", &browser.driver)
        .env("WASM_BINDGEN_TEST_WEBDRIVER_JSON", &capabilities);
    sh::run(&mut cargo)
}

/// The command for the module's tests in a browser whose driver its environment names, with arguments of `wasm-test`.
fn module_tests(arguments: &[&str]) -> Result<Command> {
    // Cargo passes the test module to this executable: `wasm::test`. An environment variable would be split at spaces.
    let mut runner = vec![std::env::current_exe()?, "wasm-test".into()];
    runner.extend(arguments.iter().map(Into::into));
    let mut cargo = sh::words("cargo test --locked --release -p parallax-web --tests");
    cargo
        .args(["--target", "wasm32-unknown-unknown", "--config"])
        .arg(format!("target.wasm32-unknown-unknown.runner={runner:?}"))
        .envs(LINT)
        .env("WASM_BINDGEN_TEST_ONLY_WEB", "1")
        // The driver may be slow to start on a busy machine.
        .env("WASM_BINDGEN_TEST_DRIVER_TIMEOUT", "60");
    if std::env::var_os("WASM_BINDGEN_TEST_TIMEOUT").is_none() {
        cargo.env("WASM_BINDGEN_TEST_TIMEOUT", BROWSER_SECONDS);
    }
    Ok(cargo)
}

/// The capabilities with the browser's path in them.
fn with_binary(capabilities: &str, chrome: &str) -> Result<String> {
    let key = "\"goog:chromeOptions\": {";
    if !capabilities.contains(key) {
        bail!("web/webdriver.json must hold {key}");
    }
    let path = chrome.replace('\\', "\\\\").replace('"', "\\\"");
    Ok(capabilities.replacen(key, &format!("{key}\n    \"binary\": \"{path}\","), 1))
}

/// One of the page's npm scripts, with the browser that was found.
fn page(script: &str) -> Result<()> {
    if !repo::has_page() {
        bail!("web/page has no package.json: there is no page to test");
    }
    match script {
        "build" => web::build(),
        "e2e" => end_to_end(&[]),
        other => sh::run(npm("run").arg(other)),
    }
}

/// The page in browsers.
fn end_to_end(arguments: &[&str]) -> Result<()> {
    // The command line reads what the page saved, and the other way round.
    sh::run(native_cargo("cargo build").arg("--bins"))?;
    let program = format!("parallax{}", std::env::consts::EXE_SUFFIX);
    let browser = browser::find()?;
    let mut npm = npm("run");
    npm.arg("e2e")
        .args(arguments)
        .env("CHROME", browser.chrome)
        .env("CHROMEDRIVER", browser.driver)
        .env("PARALLAX", repo::target().join("release").join(program));
    sh::run(&mut npm)
}

/// The page's slow tests.
fn page_slow() -> Result<()> {
    wasm::build(true, &LINT)?;
    page("build")?;
    end_to_end(&["--", "--slow"])
}

#[cfg(test)]
mod tests {
    use super::with_binary;

    #[test]
    fn the_browser_goes_into_the_capabilities() -> anyhow::Result<()> {
        let json = with_binary("{ \"goog:chromeOptions\": { \"args\": [] } }", "/bin/c")?;
        assert!(json.contains("\"binary\": \"/bin/c\","));
        assert!(with_binary("{}", "/bin/c").is_err());
        Ok(())
    }
}
