//! `parallax bench kernels`.

use std::time::Instant;

use anyhow::Result;
use parallax_bench::{Bench, KernelLine, PlanLine, SIDES, Setting, kernels, plans, tile_lines};
use parallax_kernels::{Adapter, Program};

use crate::cli::BenchKernels;
use crate::device;

/// Prints the table.
pub fn run(arguments: &BenchKernels) -> Result<()> {
    let setting = Setting {
        width: arguments.width,
        size: arguments.size,
        batch: arguments.batch,
    };
    if arguments.choices {
        let adapter = match arguments.software {
            true => Adapter::Software(Program::SwiftShader),
            false => Adapter::Hardware,
        };
        return choices(&setting, adapter, arguments.json);
    }
    let opened = device::open(&arguments.on.device)?;
    let begin = Instant::now();
    let clock = || begin.elapsed().as_secs_f64();
    let bench = Bench::new(&opened.device, &clock, arguments.milliseconds as f64 / 1e3);
    let device = format!("{} ({})", opened.name, opened.adapter);
    if arguments.tiles {
        return tiles(&bench, &setting, &device, arguments.json);
    }
    let mut lines = Vec::new();
    let best = pollster::block_on(kernels(&bench, &setting, &SIDES, |line| {
        eprintln!("{}, {}", line.shape, line.operation);
        lines.push(line.clone());
    }))?;
    if arguments.json {
        let table = serde_json::json!({ "device": device, "product_flops": best, "lines": lines });
        println!("{table}");
        return Ok(());
    }
    println!(
        "{device}, ResNet-18 of width {} at {} px, batch {}; best product of matrices {:.1} GFLOP/s\n",
        setting.width,
        setting.size,
        setting.batch,
        best / 1e9
    );
    let mut table = KernelLine::table();
    lines.iter().for_each(|line| table.push(line.cells()));
    print!("{table}");
    Ok(())
}

/// Every product with every tile, in milliseconds.
fn tiles(bench: &Bench<'_>, setting: &Setting, device: &str, json: bool) -> Result<()> {
    let mut lines = Vec::new();
    pollster::block_on(tile_lines(bench, setting, |line| {
        eprintln!("{}, {}", line.shape, line.operation);
        lines.push(line.clone());
    }))?;
    let names = parallax_kernels::tiles();
    if json {
        let table = serde_json::json!({ "device": device, "tiles": names, "lines": lines });
        println!("{table}");
        return Ok(());
    }
    println!("{device}: milliseconds by the rule's choice, and by each tile\n");
    for (number, name) in names.iter().enumerate() {
        println!("{}: {name}", (b'a' + number as u8) as char);
    }
    println!();
    for line in &lines {
        println!("{}", line.cells().join("  "));
    }
    Ok(())
}

/// What an adapter of this kind would launch.
fn choices(setting: &Setting, adapter: Adapter, json: bool) -> Result<()> {
    let lines = plans(setting, adapter)?;
    if json {
        println!("{}", serde_json::to_string(&lines)?);
        return Ok(());
    }
    let mut table = PlanLine::table();
    lines.iter().for_each(|line| table.push(line.cells()));
    print!("{table}");
    Ok(())
}
