//! A Vulkan driver for the native GPU tests; a software one where there is no GPU.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::{apt, getting, have};
use crate::sh;

const PACKAGES: [&str; 2] = ["mesa-vulkan-drivers", "libvulkan1"];

pub fn get() -> Result<()> {
    if !cfg!(target_os = "linux") {
        have("a GPU interface", "the system's own");
        return Ok(());
    }
    let drivers = drivers();
    let software = drivers.iter().find(|driver| is_software(driver));
    let gpu = gpu();
    let loader = sh::capture(&mut sh::words("ldconfig -p"))
        .or_else(|_| sh::capture(&mut sh::words("/sbin/ldconfig -p")))
        .is_ok_and(|libraries| libraries.contains("libvulkan.so.1"));
    let driver = if gpu.is_some() {
        drivers.first()
    } else {
        software
    };
    if let (Some(driver), true) = (driver, loader) {
        let device = gpu.map_or("no GPU, so in software".into(), |gpu| {
            gpu.display().to_string()
        });
        have(
            "a Vulkan driver",
            &format!("{}; {device}", driver.display()),
        );
        return Ok(());
    }
    getting(
        "Mesa's Vulkan driver",
        match (gpu.is_some(), loader) {
            (true, true) => "there is a GPU and no driver for it",
            (false, true) => "there is no GPU, so shaders are run in software",
            (_, false) => "libvulkan.so.1 is not here",
        },
    );
    apt::install(&PACKAGES).context(
        "a Vulkan driver is needed for the GPU tests: Mesa's lavapipe will do \
         (Debian and Ubuntu: mesa-vulkan-drivers and libvulkan1; Fedora: mesa-vulkan-drivers and vulkan-loader; \
         Arch: vulkan-swrast and vulkan-icd-loader)",
    )
}

/// A device file of a GPU.
fn gpu() -> Option<PathBuf> {
    let nvidia = PathBuf::from("/dev/nvidia0");
    let mut nodes = files("/dev/dri");
    nodes.retain(|node| file_name(node).starts_with("renderD"));
    nodes.sort();
    nodes
        .into_iter()
        .next()
        .or_else(|| nvidia.exists().then_some(nvidia))
}

/// The descriptions of the installed drivers, or those that the environment names.
fn drivers() -> Vec<PathBuf> {
    for name in ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"] {
        if let Some(paths) = std::env::var_os(name) {
            return std::env::split_paths(&paths)
                .filter(|path| path.is_file())
                .collect();
        }
    }
    let mut found: Vec<PathBuf> = [
        "/etc/vulkan/icd.d",
        "/usr/local/share/vulkan/icd.d",
        "/usr/share/vulkan/icd.d",
    ]
    .into_iter()
    .flat_map(files)
    .filter(|path| path.extension().is_some_and(|end| end == "json"))
    .collect();
    found.sort();
    found
}

fn is_software(driver: &Path) -> bool {
    let name = file_name(driver);
    name.starts_with("lvp") || name.contains("swiftshader")
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

fn files(folder: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .collect()
}
