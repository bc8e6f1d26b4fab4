//! The module's tests in Firefox and WebKit, on the CPU. Where one of them is not here, this says so.

use anyhow::Result;

use super::module_tests;
use crate::setup::{firefox, geckodriver, webkit};
use crate::{repo, sh};

/// Chromium has the tests on WebGPU.
const ON_THE_CPU: [&str; 3] = ["--", "--skip", "webgpu_"];

/// The form without relaxed SIMD, which Firefox ESR and WebKitGTK do not have.
const PORTABLE: [&str; 1] = ["--portable"];

pub fn run() -> Result<()> {
    in_firefox()?;
    in_webkit()
}

fn in_firefox() -> Result<()> {
    let (Some(firefox), Some(driver)) = (firefox::find(), geckodriver::find()) else {
        println!("not tested in Firefox: there is no Firefox here, or no geckodriver");
        return Ok(());
    };
    let capabilities = repo::target().join("xtask").join("firefox.json");
    let json = serde_json::json!({ "moz:firefoxOptions": { "binary": firefox } });
    std::fs::create_dir_all(repo::target().join("xtask"))?;
    std::fs::write(&capabilities, json.to_string())?;
    let mut cargo = module_tests(&PORTABLE)?;
    cargo
        .args(ON_THE_CPU)
        .env("GECKODRIVER", driver)
        .env("WASM_BINDGEN_TEST_WEBDRIVER_JSON", &capabilities);
    sh::run(&mut cargo)
}

/// WebKitGTK's driver speaks as Safari's does.
fn in_webkit() -> Result<()> {
    let Some(driver) = webkit::find() else {
        println!("not tested in WebKit: there is no WebKitWebDriver here");
        return Ok(());
    };
    let mut cargo = module_tests(&PORTABLE)?;
    let screen = webkit::Screen::open()?;
    cargo
        .args(ON_THE_CPU)
        .envs(screen.environment())
        .env("SAFARIDRIVER", driver);
    sh::run(&mut cargo)
}
