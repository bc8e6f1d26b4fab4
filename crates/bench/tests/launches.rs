//! What is listed is what is launched, on the software adapter.
#![allow(clippy::unwrap_used)]

use std::sync::OnceLock;

use burn::tensor::Device;
use parallax_bench::{Bench, Setting, StepSetting, kernels, plans, step};
use parallax_kernels::Adapter;

const SETTING: Setting = Setting {
    width: 4,
    size: 9,
    batch: 2,
};

/// Channels and tiles enough for Winograd's way.
const TILED: Setting = Setting {
    width: 8,
    size: 16,
    batch: 2,
};

/// One test for all, because what is assumed is assumed of the whole process.
#[test]
fn dispatches_are_those_of_the_plans() {
    for adapter in Adapter::ALL {
        adapter.assume();
        for setting in [SETTING, TILED] {
            dispatches_are_as_planned(adapter, &setting);
        }
    }
}

fn dispatches_are_as_planned(adapter: Adapter, setting: &Setting) {
    static DEVICE: OnceLock<Device> = OnceLock::new();
    let device = DEVICE.get_or_init(|| Device::wgpu_options().init().unwrap());
    let begin = std::time::Instant::now();
    let clock = || begin.elapsed().as_secs_f64();
    let bench = Bench::new(device, &clock, 0.0);
    let mut lines = Vec::new();
    let measured = kernels(&bench, setting, &[32], |line| lines.push(line.clone()));
    pollster::block_on(measured).unwrap();
    let plans = plans(setting, adapter).unwrap();
    assert_eq!(lines.len(), plans.len());
    for (line, plan) in lines.iter().zip(&plans) {
        let name = format!("{}, {}", line.shape, line.operation);
        assert_eq!((&line.shape, line.operation), (&plan.shape, plan.operation));
        assert_eq!(line.dispatches, plan.plan.dispatches, "{name}");
        assert!(line.stock_dispatches > 0, "{name}");
        let sums = plan.plan.intensity.is_some();
        assert_eq!(line.of_best.is_some(), sums, "{name}");
        assert!(
            line.seconds.is_finite() && line.stock_seconds.is_finite(),
            "{name}"
        );
        let traffic = plan.plan.traffic.unwrap_or(1.0);
        assert!(traffic >= 1.0, "{name} asks for {traffic} of the minimum");
    }
}

#[test]
fn steps_train() {
    let device = Device::flex();
    let begin = std::time::Instant::now();
    let clock = || begin.elapsed().as_secs_f64();
    let bench = Bench::new(&device, &clock, 0.0);
    let setting = StepSetting {
        of: SETTING,
        steps: 8,
    };
    let mut heard = 0;
    let report = pollster::block_on(step(&bench, &setting, |number, _| heard = number)).unwrap();
    assert_eq!((heard, report.steps, report.dispatches), (9, 8, 0));
    assert!(report.last_loss < 0.8 * report.first_loss, "{report:?}");
    let none = Setting {
        batch: 0,
        ..SETTING
    };
    assert!(plans(&none, Adapter::Hardware).is_err());
}
