//! Debian's packages.

use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, bail};

use crate::sh;

/// How to become root here: not needed, by sudo without a password, or not at all.
#[derive(Clone, Copy, PartialEq)]
enum Root {
    Already,
    Sudo,
    No,
}

fn root() -> Root {
    static ROOT: OnceLock<Root> = OnceLock::new();
    *ROOT.get_or_init(|| {
        if sh::capture(sh::cmd("id").arg("-u")).is_ok_and(|id| id.trim() == "0") {
            Root::Already
        } else if sh::succeeds(&mut sh::words("sudo -n true")) {
            Root::Sudo
        } else {
            Root::No
        }
    })
}

/// Whether packages can be installed by this user.
pub fn can_install() -> bool {
    sh::which("apt-get").is_some() && root() != Root::No
}

/// Installs packages; refreshes apt's lists only if a package is not in them or cannot be fetched.
pub fn install(packages: &[&str]) -> Result<()> {
    if !can_install() {
        bail!("install these yourself: {}", by_hand(packages));
    }
    if !packages.iter().all(|package| is_listed(package)) {
        update()?;
    }
    if sh::run(apt_get(&["install"]).args(packages)).is_ok() {
        return Ok(());
    }
    println!("setup: the package lists may be old, trying again with new ones");
    update()?;
    sh::run(apt_get(&["install"]).args(packages)).with_context(|| {
        format!(
            "apt cannot install it here; do it by hand: {}",
            by_hand(packages)
        )
    })
}

/// The command that a person would give.
pub fn by_hand(packages: &[&str]) -> String {
    format!("sudo apt-get install {}", packages.join(" "))
}

fn update() -> Result<()> {
    sh::run(&mut apt_get(&["update"]))
}

fn is_listed(package: &str) -> bool {
    sh::capture(sh::words("apt-cache policy").arg(package))
        .is_ok_and(|policy| policy.contains("Candidate:") && !policy.contains("Candidate: (none)"))
}

/// `apt-get`, as root, asking nothing.
fn apt_get(args: &[&str]) -> Command {
    let mut command = match root() {
        Root::Sudo => sh::words("sudo -n env DEBIAN_FRONTEND=noninteractive apt-get"),
        _ => sh::cmd("apt-get"),
    };
    command
        .env("DEBIAN_FRONTEND", "noninteractive")
        .args(args)
        .args(["-y", "-q=2", "--no-install-recommends"])
        .args(["-o", "DPkg::Lock::Timeout=300"]);
    command
}
