//! Batches of views on the software adapter: launches are counted correctly, and Burn's operations give nearly the same
//! views as ours.
#![allow(clippy::unwrap_used)]

use burn::tensor::Device;
use parallax_bench::{Bench, ViewLine, ViewSetting, image, views};
use parallax_views::Pipeline;

const SETTING: ViewSetting = ViewSetting {
    size: 40,
    images: 3,
};

fn measure(device: &Device) -> Vec<ViewLine> {
    let begin = std::time::Instant::now();
    let clock = || begin.elapsed().as_secs_f64();
    let bench = Bench::new(device, &clock, 0.0);
    let mut lines = Vec::new();
    let image = image(67, 53);
    let measured = views(&bench, &image, &SETTING, |line| lines.push(line.clone()));
    pollster::block_on(measured).unwrap();
    lines
}

#[test]
fn both_views_of_a_batch_take_at_most_three_dispatches() {
    let gpu = measure(&Device::wgpu_options().init().unwrap());
    let cpu = measure(&Device::flex());
    assert_eq!((gpu.len(), cpu.len()), (Pipeline::ALL.len(), gpu.len()));
    for (line, host) in gpu.iter().zip(&cpu) {
        let name = line.pipeline;
        assert!((1..=3).contains(&line.dispatches), "{name}: {line:?}");
        assert!(line.stock_dispatches > line.dispatches, "{name}");
        let bytes = line.bytes.unwrap();
        assert!(bytes.read + bytes.written >= bytes.minimum, "{name}");
        // WebGPU guarantees 16 KiB for a workgroup.
        assert!(bytes.shared <= 16 << 10, "{name}");
        assert_eq!((host.dispatches, host.bytes, host.pack), (0, None, 0.0));
        // The same bits, but summed in another order.
        assert!(
            (line.mean - host.mean).abs() < 1e-4,
            "{name}: {line:?} {host:?}"
        );
        // Normalised values range from -2.1 to 2.6. Without hue the views agree except for rounding and antialiasing; the
        // matrix preserves the luma, Pillow's hue shift the largest channel.
        let hue = !matches!(name, Pipeline::Supervised | Pipeline::Eval);
        let near = if hue { 0.15 } else { 0.02 };
        for line in [line, host] {
            let apart = (line.mean - line.stock_mean).abs();
            assert!(apart < near, "{name}: {line:?}");
        }
        // Burn's views are the same on both devices except for the order of sums.
        let apart = (line.stock_mean - host.stock_mean).abs();
        assert!(apart < 1e-3, "{name}: {line:?} {host:?}");
    }
}

#[test]
fn nothing_cannot_be_measured() {
    let clock = || 0.0;
    let device = Device::flex();
    let bench = Bench::new(&device, &clock, 0.0);
    for (size, images, word) in [(0, 1, "side"), (8, 0, "images")] {
        let setting = ViewSetting { size, images };
        let refused = pollster::block_on(views(&bench, &image(4, 4), &setting, |_| ()));
        assert!(refused.unwrap_err().to_string().contains(word));
    }
}
