//! What is listed is what is launched, on the software adapter.
#![allow(clippy::unwrap_used)]

use std::sync::OnceLock;

use burn::tensor::Device;
use parallax_bench::{Bench, Setting, StepSetting, kernels, launch_lines, step, tile_lines};
use parallax_kernels::{Adapter, Target, Tile};

/// Odd sizes and few channels.
const SETTING: Setting = Setting {
    width: 4,
    size: 9,
    batch: 2,
};

/// Even sizes and more channels.
const EVEN: Setting = Setting {
    width: 8,
    size: 16,
    batch: 2,
};

/// The Vulkan device, which opens once a process.
fn vulkan() -> &'static Device {
    static DEVICE: OnceLock<Device> = OnceLock::new();
    DEVICE.get_or_init(|| Device::wgpu_options().init().unwrap())
}

/// One test for both settings, because the counter counts what other threads launch, too.
#[test]
fn dispatches_are_those_of_the_launch_plans() {
    for setting in [SETTING, EVEN] {
        dispatches_are_as_planned(&setting);
    }
}

fn dispatches_are_as_planned(setting: &Setting) {
    let begin = std::time::Instant::now();
    let clock = || begin.elapsed().as_secs_f64();
    let bench = Bench::new(vulkan(), &clock, 0.0);
    let mut lines = Vec::new();
    let measured = kernels(&bench, setting, &[32], |line| lines.push(line.clone()));
    pollster::block_on(measured).unwrap();
    let planned = launch_lines(setting, Target::of_adapter(Adapter::of_device(vulkan()))).unwrap();
    assert_eq!(lines.len(), planned.len());
    for (line, planned) in lines.iter().zip(&planned) {
        let name = format!("{}, {}", line.shape, line.operation);
        assert_eq!(
            (&line.shape, line.operation),
            (&planned.shape, planned.operation)
        );
        assert_eq!(line.dispatches, planned.launch.dispatches, "{name}");
        assert!(line.stock_dispatches > 0, "{name}");
        let is_product = planned.launch.intensity.is_some();
        assert_eq!(line.of_best.is_some(), is_product, "{name}");
        assert!(
            line.seconds.is_finite() && line.stock_seconds.is_finite(),
            "{name}"
        );
        let traffic = planned.launch.traffic;
        assert!(traffic >= 1.0, "{name} asks for {traffic} of the minimum");
    }
}

#[test]
fn tiles_are_for_gpus() {
    let begin = std::time::Instant::now();
    let clock = || begin.elapsed().as_secs_f64();
    let bench = Bench::new(&Device::flex(), &clock, 0.0);
    let lines = tile_lines(&bench, &SETTING, &Tile::ALL, |line| {
        assert!(line.rule.is_empty())
    });
    let error = pollster::block_on(lines).unwrap_err().to_string();
    assert!(error.contains("the CPU has none"), "{error}");
    assert!(
        Tile::ALL
            .iter()
            .all(|tile| tile.to_string().contains(" x "))
    );
}

#[test]
fn steps_train() {
    let device = Device::flex();
    let begin = std::time::Instant::now();
    let clock = || begin.elapsed().as_secs_f64();
    let bench = Bench::new(&device, &clock, 0.0);
    let setting = StepSetting::resnet18(SETTING, 8);
    let mut heard = 0;
    let report = pollster::block_on(step(&bench, &setting, |number, _| heard = number)).unwrap();
    assert_eq!((heard, report.steps, report.dispatches), (9, 8, 0));
    assert!(report.last_loss < 0.8 * report.first_loss, "{report:?}");
    let none = Setting {
        batch: 0,
        ..SETTING
    };
    assert!(launch_lines(&none, Target::of_adapter(Adapter::Gpu)).is_err());
}
