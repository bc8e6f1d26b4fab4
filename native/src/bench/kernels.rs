//! `parallax bench kernels`.

use std::time::Instant;

use anyhow::Result;
use burn::tensor::Device;
use clap::{Args, ValueEnum};
use parallax_bench::{
    Bench, KernelLine, LaunchLine, SIDES, Setting, kernels, launch_lines, tile_lines,
};
use parallax_kernels::{
    Adapter, Fragment, MatrixTile, Operand, Operands, Target, Tile, matrix_instructions,
};

use crate::cli::On;
use crate::device;

#[derive(Args)]
pub struct BenchKernels {
    #[command(flatten)]
    pub on: On,
    /// Channels of the first stage
    #[arg(long, default_value_t = 64)]
    pub width: usize,
    /// Side of an image in pixels
    #[arg(long, default_value_t = 32)]
    pub size: usize,
    /// Images in a batch
    #[arg(long, default_value_t = 32)]
    pub batch: usize,
    /// Time for each figure, at least three runs
    #[arg(long, default_value_t = 200, value_name = "MS")]
    pub milliseconds: u64,
    /// List what a GPU would launch, and measure nothing
    #[arg(long, alias = "choices")]
    pub launches: bool,
    /// List it for a GPU with such matrix instructions, as in 16x16x16
    #[arg(long, requires = "launches", value_name = "SHAPE", value_parser = fragment)]
    pub matrices: Option<Fragment>,
    /// Measure every product with each tile that the rules choose among
    #[arg(long, conflicts_with = "launches")]
    pub tiles: bool,
    /// Operands of products, which matrix instructions take rounded
    #[arg(long, value_enum, default_value_t = Rounded::F32)]
    pub operands: Rounded,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// What operands are rounded to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Rounded {
    /// Nothing: they are multiplied as they are stored
    F32,
    F16,
    Bf16,
}

impl Rounded {
    fn operands(self) -> Operands {
        match self {
            Self::F32 => Operands::Stored,
            Self::F16 => Operands::F16,
            Self::Bf16 => Operands::Bf16,
        }
    }
}

/// Reads `ROWSxCOLUMNSxDEPTH`, for planes of 32.
fn fragment(text: &str) -> Result<Fragment, String> {
    let sides: Result<Vec<u32>, _> = text.split('x').map(str::parse).collect();
    match sides.as_deref() {
        Ok(&[rows, columns, depth]) => Ok(Fragment {
            rows,
            columns,
            depth,
            plane: 32,
        }),
        _ => Err("a shape is three numbers, as in 16x16x16".to_string()),
    }
}

/// Prints the table.
pub fn run(arguments: &BenchKernels) -> Result<()> {
    let setting = Setting {
        width: arguments.width,
        size: arguments.size,
        batch: arguments.batch,
    };
    if arguments.launches {
        return launches(&setting, arguments);
    }
    let opened = device::open(&arguments.on.device)?;
    let _operands = arguments.operands.operands().enter();
    let begin = Instant::now();
    let clock = || begin.elapsed().as_secs_f64();
    let bench = Bench::new(&opened.device, &clock, arguments.milliseconds as f64 / 1e3);
    let device = format!("{} ({})", opened.name, opened.adapter);
    if arguments.tiles {
        let by_matrices = match arguments.operands {
            Rounded::F32 => false,
            Rounded::F16 => has_matrices(&opened.device, Operand::F16),
            Rounded::Bf16 => has_matrices(&opened.device, Operand::Bf16),
        };
        let all: &[Tile] = match by_matrices {
            true => &MatrixTile::STAGINGS,
            false => &Tile::ALL,
        };
        return tiles(&bench, &setting, &device, all, arguments.json);
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

fn has_matrices(device: &Device, operand: Operand) -> bool {
    matrix_instructions(device, operand).chosen.is_some()
}

/// Every product with every tile, in milliseconds.
fn tiles(
    bench: &Bench<'_>,
    setting: &Setting,
    device: &str,
    all: &[Tile],
    json: bool,
) -> Result<()> {
    let mut lines = Vec::new();
    pollster::block_on(tile_lines(bench, setting, all, |line| {
        eprintln!("{}, {}", line.shape, line.operation);
        lines.push(line.clone());
    }))?;
    let names: Vec<String> = all.iter().map(ToString::to_string).collect();
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
fn launches(setting: &Setting, arguments: &BenchKernels) -> Result<()> {
    let mut target = Target::of_adapter(Adapter::Gpu);
    if let Some(fragment) = arguments.matrices {
        target = target.with_fragment(fragment, Operand::F16);
    }
    let lines = launch_lines(setting, target)?;
    if arguments.json {
        println!("{}", serde_json::to_string(&lines)?);
        return Ok(());
    }
    let mut table = LaunchLine::table();
    lines.iter().for_each(|line| table.push(line.cells()));
    print!("{table}");
    Ok(())
}
