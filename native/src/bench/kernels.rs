//! `parallax bench kernels`.

use std::time::Instant;

use anyhow::Result;
use parallax_bench::{
    Bench, KernelLine, LaunchLine, SIDES, Setting, kernels, launch_lines, tile_lines,
};
use parallax_kernels::{Adapter, Tile};

use crate::cli::BenchKernels;
use crate::device;

/// Prints the table.
pub fn run(arguments: &BenchKernels) -> Result<()> {
    let setting = Setting {
        width: arguments.width,
        size: arguments.size,
        batch: arguments.batch,
    };
    if arguments.launches {
        return launches(&setting, arguments.json);
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
    let names = Tile::ALL.map(|tile| tile.to_string());
    if json {
        let table = serde_json::json!({ "device": device, "tiles": names, "lines": lines });
        println!("{table}");
        return Ok(());
    }
    println!("{device}: milliseconds with the rule's tile, and with each tile\n");
    for (number, name) in names.iter().enumerate() {
        println!("{}: {name}", (b'a' + number as u8) as char);
    }
    println!();
    for line in &lines {
        println!("{}", line.cells().join("  "));
    }
    Ok(())
}

/// What a GPU would launch.
fn launches(setting: &Setting, json: bool) -> Result<()> {
    let lines = launch_lines(setting, Adapter::Gpu)?;
    if json {
        println!("{}", serde_json::to_string(&lines)?);
        return Ok(());
    }
    let mut table = LaunchLine::table();
    lines.iter().for_each(|line| table.push(line.cells()));
    print!("{table}");
    Ok(())
}
