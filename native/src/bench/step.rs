//! `parallax bench step`.

use std::time::Instant;

use anyhow::Result;
use parallax_bench::{Bench, Setting, StepReport, StepSetting, step};

use crate::cli::BenchStep;
use crate::device;

/// Prints one line.
pub fn run(arguments: &BenchStep) -> Result<()> {
    let setting = StepSetting {
        of: Setting {
            width: arguments.width,
            size: arguments.size,
            batch: arguments.batch,
        },
        steps: arguments.steps,
    };
    let opened = device::open(&arguments.on.device)?;
    let begin = Instant::now();
    let clock = || begin.elapsed().as_secs_f64();
    let bench = Bench::new(&opened.device, &clock, 0.0);
    let report = pollster::block_on(step(&bench, &setting, |number, seconds| {
        eprintln!("step {number}: {:.1} ms", seconds * 1e3);
    }))?;
    let device = format!("{} ({})", opened.name, opened.adapter);
    if arguments.json {
        println!(
            "{}",
            serde_json::json!({ "device": device, "report": report })
        );
        return Ok(());
    }
    println!(
        "A training step of ResNet-18 of width {} at {} px, batch {}; median of {} steps\n",
        arguments.width, arguments.size, arguments.batch, report.steps
    );
    let mut table = StepReport::table();
    table.push(report.cells(&format!("Parallax, {device}")));
    print!("{table}");
    Ok(())
}
