//! `parallax devices`.

use anyhow::Result;
use parallax_kernels::{Operand, shader_language};
use parallax_train::Precision;
use serde_json::{Map, Value, json};

use crate::device::{Adapter, adapters, open_adapter, threads};
use crate::matrices;

/// What a build with matrix instructions knows of an adapter once it is open.
#[derive(Default)]
struct Matrices {
    language: &'static str,
    /// Shapes by the dtype of their operands.
    listed: Vec<(&'static str, String)>,
    precisions: Vec<Precision>,
}

/// Opens an adapter in a build with matrix instructions; an adapter that cannot be opened has none.
fn matrices_of(adapter: &Adapter) -> Option<Matrices> {
    if !cfg!(any(
        feature = "tensor-cores",
        feature = "tensor-cores-metal"
    )) {
        return None;
    }
    let device = open_adapter(adapter).ok()?.device;
    let listed = |operand| Some((matrices::name(operand), matrices::listed(&device, operand)?));
    Some(Matrices {
        language: shader_language(&device).unwrap_or_default(),
        listed: Operand::ALL.into_iter().filter_map(listed).collect(),
        precisions: Precision::of(&device),
    })
}

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
        devices.extend(adapters.iter().map(record));
        println!("{}", serde_json::to_string_pretty(&devices)?);
        return Ok(());
    }
    println!("cpu         this processor, {} threads", threads());
    println!("            precision {}", Precision::F32.name());
    adapters.iter().for_each(print);
    let real = adapters.iter().find(|adapter| !adapter.is_software());
    let auto = real.map_or("cpu", |adapter| adapter.name.as_str());
    println!("\nauto is {auto}. A software adapter is used only when it is named.");
    Ok(())
}

fn record(adapter: &Adapter) -> Value {
    let matrices = matrices_of(adapter);
    let mut record = json!({
        "device": adapter.name,
        "adapter": adapter.info.name,
        "driver": adapter.info.driver_info,
        "software": adapter.is_software(),
        "precisions": adapter.precisions(),
        "max_binding_bytes": adapter.limits.max_storage_buffer_binding_size,
        "max_workgroup_invocations": adapter.limits.max_compute_invocations_per_workgroup,
        "workgroup_memory_bytes": adapter.limits.max_compute_workgroup_storage_size,
    });
    if let Some(matrices) = matrices {
        let listed = matrices.listed.into_iter();
        let listed: Map<String, Value> = listed
            .map(|(operand, shapes)| (operand.to_string(), shapes.split(", ").collect()))
            .collect();
        record["language"] = matrices.language.into();
        record["matrix_instructions"] = listed.into();
        record["precisions"] = json!(matrices.precisions);
    }
    record
}

fn print(adapter: &Adapter) {
    let matrices = matrices_of(adapter);
    let software = match adapter.is_software() {
        true => " (software)",
        false => "",
    };
    println!("{:<11} {}{software}", adapter.name, adapter.info.name);
    let precisions = matrices
        .as_ref()
        .map_or_else(|| adapter.precisions(), |it| it.precisions.clone());
    let names: Vec<&str> = precisions.into_iter().map(Precision::name).collect();
    println!("            precision {}", names.join(", "));
    println!(
        "            {} MiB a binding; {} invocations and {} KiB of memory a workgroup",
        adapter.limits.max_storage_buffer_binding_size >> 20,
        adapter.limits.max_compute_invocations_per_workgroup,
        adapter.limits.max_compute_workgroup_storage_size >> 10,
    );
    let Some(matrices) = matrices else { return };
    println!("            kernels in {}", matrices.language);
    if matrices.listed.is_empty() {
        println!("            no matrix instructions");
    }
    for (operand, shapes) in matrices.listed {
        println!("            matrix instructions for {operand}: {shapes}");
    }
}
