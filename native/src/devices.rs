//! `parallax devices`.

use anyhow::Result;
use parallax_train::Precision;
use serde_json::json;

use crate::device::{adapters, threads};

/// Prints every device that can be named, with the limits that training meets first.
pub fn run(as_json: bool) -> Result<()> {
    let adapters = adapters();
    if as_json {
        let mut devices = vec![json!({
            "device": "cpu",
            "threads": threads(),
            "software": false,
            "precisions": [Precision::F32],
        })];
        devices.extend(adapters.iter().map(|adapter| {
            json!({
                "device": adapter.name,
                "adapter": adapter.info.name,
                "driver": adapter.info.driver_info,
                "software": adapter.is_software(),
                "precisions": adapter.precisions(),
                "max_binding_bytes": adapter.limits.max_storage_buffer_binding_size,
                "max_workgroup_invocations": adapter.limits.max_compute_invocations_per_workgroup,
                "workgroup_memory_bytes": adapter.limits.max_compute_workgroup_storage_size,
            })
        }));
        println!("{}", serde_json::to_string_pretty(&devices)?);
        return Ok(());
    }
    println!(
        "{:<10} {:<44} {:<9} limits",
        "device", "adapter", "precision"
    );
    println!(
        "{:<10} {:<44} {:<9} {} threads",
        "cpu",
        "this processor",
        Precision::F32.name(),
        threads()
    );
    for adapter in &adapters {
        let software = if adapter.is_software() {
            " (software)"
        } else {
            ""
        };
        let precisions: Vec<&str> = adapter.precisions().iter().map(|p| p.name()).collect();
        println!(
            "{:<10} {:<44} {:<9} {} MiB a binding, {} invocations, {} KiB workgroup memory",
            adapter.name,
            format!("{}{software}", adapter.info.name),
            precisions.join(", "),
            adapter.limits.max_storage_buffer_binding_size >> 20,
            adapter.limits.max_compute_invocations_per_workgroup,
            adapter.limits.max_compute_workgroup_storage_size >> 10,
        );
    }
    let real = adapters.iter().find(|adapter| !adapter.is_software());
    let auto = real.map_or("cpu", |adapter| adapter.name.as_str());
    println!("\nauto is {auto}. A software adapter is used only when it is named.");
    Ok(())
}
