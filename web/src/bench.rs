//! Benchmarks in a tab: the command line's, with the browser's clock.

use js_sys::{Function, Uint8Array};
use parallax_bench::{
    Bench, KernelLine, Setting, StepReport, StepSetting, Table, ViewLine, ViewSetting,
};
use parallax_views::{Image, Pipeline};
use tsify::{Ts, Tsify};
use wasm_bindgen::prelude::*;

use crate::device;
use crate::types::{
    BenchConvolution, BenchKernels, BenchLine, BenchPipeline, BenchPlan, BenchStep, BenchViewLine,
    BenchViewPlan, BenchViews, DeviceKind,
};

#[wasm_bindgen]
extern "C" {
    /// Milliseconds since the worker was started.
    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn milliseconds() -> f64;
}

fn clock() -> f64 {
    milliseconds() / 1e3
}

fn columns(table: &Table) -> Vec<String> {
    let columns = table.columns().iter();
    columns.map(|name| (*name).to_string()).collect()
}

/// Calls back with a line of a table. What the callback does, and whether it fails, is the caller's affair.
fn tell<T: Tsify + serde::Serialize>(callback: &Function, line: T) {
    if let Ok(line) = line.into_ts() {
        let _ = callback.call1(&JsValue::NULL, &line.into());
    }
}

/// Columns of the tables of kernels and of steps, and the convolutions of a ResNet-18 of `width` channels for a batch of images of
/// `size` pixels.
#[wasm_bindgen(js_name = benchPlan)]
pub fn bench_plan(width: usize, size: usize, batch: usize) -> Result<Ts<BenchPlan>, JsError> {
    let setting = Setting { width, size, batch };
    let convolutions = parallax_bench::convolutions(&setting).into_iter();
    let convolutions = convolutions.map(|(name, shape)| BenchConvolution {
        name,
        batch: shape.batch,
        size: shape.size[0],
        inputs: shape.inputs,
        outputs: shape.outputs,
        kernel: shape.kernel[0],
        stride: shape.stride[0],
        padding: shape.padding[0],
    });
    let plan = BenchPlan {
        kernels: columns(&KernelLine::table()),
        steps: columns(&StepReport::table()),
        convolutions: convolutions.collect(),
    };
    Ok(plan.into_ts()?)
}

/// Measures every operation of a step for about `seconds` each; `on_line` is called with each as soon as it is measured.
#[wasm_bindgen(js_name = benchKernels)]
pub async fn bench_kernels(
    device: Ts<DeviceKind>,
    width: usize,
    size: usize,
    batch: usize,
    seconds: f64,
    #[wasm_bindgen(unchecked_param_type = "(line: BenchLine) => void")] on_line: Function,
) -> Result<Ts<BenchKernels>, JsError> {
    let opened = device::open(device.to_rust()?).await?;
    let bench = Bench::new(&opened.device, &clock, seconds);
    let setting = Setting { width, size, batch };
    let on_line = |line: &KernelLine| {
        let line = BenchLine {
            shape: line.shape.clone(),
            operation: line.operation.to_string(),
            seconds: line.seconds,
            cells: line.cells(),
        };
        tell(&on_line, line);
    };
    let product =
        parallax_bench::kernels(&bench, &setting, &parallax_bench::SIDES, on_line).await?;
    let adapter = opened.adapter;
    Ok(BenchKernels { adapter, product }.into_ts()?)
}

/// Takes a first training step and `steps` more; `on_step` is called with the number and the seconds of each.
#[wasm_bindgen(js_name = benchStep)]
pub async fn bench_step(
    device: Ts<DeviceKind>,
    width: usize,
    size: usize,
    batch: usize,
    steps: usize,
    #[wasm_bindgen(unchecked_param_type = "(step: number, seconds: number) => void")]
    on_step: Function,
) -> Result<Ts<BenchStep>, JsError> {
    let opened = device::open(device.to_rust()?).await?;
    let bench = Bench::new(&opened.device, &clock, 0.0);
    let setting = StepSetting::resnet18(Setting { width, size, batch }, steps);
    let on_step = |number: usize, seconds: f64| {
        let _ = on_step.call2(&JsValue::NULL, &number.into(), &seconds.into());
    };
    let report = parallax_bench::step(&bench, &setting, on_step).await?;
    let step = BenchStep {
        seconds: report.step,
        first: report.first,
        cells: report.cells(&format!("Parallax, {}", opened.adapter)),
        adapter: opened.adapter,
    };
    Ok(step.into_ts()?)
}

/// The image that views are made of, as large as a usual photo in a data set.
fn photo() -> Image {
    parallax_bench::image(500, 375)
}

/// The image that views are benchmarked with, and for each pipeline the operations of both views of each of `images` images.
#[wasm_bindgen(js_name = benchViewPlan)]
pub fn bench_view_plan(size: u32, images: u32) -> Result<Ts<BenchViewPlan>, JsError> {
    let (photo, setting) = (photo(), ViewSetting { size, images });
    let pipelines = Pipeline::ALL.into_iter().map(|pipeline| BenchPipeline {
        name: pipeline.name().to_string(),
        lists: setting.lists(pipeline, &photo),
    });
    let plan = BenchViewPlan {
        columns: columns(&ViewLine::table()),
        width: photo.width,
        height: photo.height,
        rgb: Uint8Array::from(photo.data.as_slice()),
        pipelines: pipelines.collect(),
    };
    Ok(plan.into_ts()?)
}

/// Measures a batch of views of every pipeline for about `seconds` each; `on_line` is called with each as soon as it is measured.
#[wasm_bindgen(js_name = benchViews)]
pub async fn bench_views(
    device: Ts<DeviceKind>,
    size: u32,
    images: u32,
    seconds: f64,
    #[wasm_bindgen(unchecked_param_type = "(line: BenchViewLine) => void")] on_line: Function,
) -> Result<Ts<BenchViews>, JsError> {
    let opened = device::open(device.to_rust()?).await?;
    let bench = Bench::new(&opened.device, &clock, seconds);
    let on_line = |line: &ViewLine| {
        let line = BenchViewLine {
            pipeline: line.pipeline.name().to_string(),
            seconds: line.seconds,
            mean: line.mean,
            cells: line.cells(),
        };
        tell(&on_line, line);
    };
    let setting = ViewSetting { size, images };
    parallax_bench::views(&bench, &photo(), &setting, on_line).await?;
    let adapter = opened.adapter;
    Ok(BenchViews { adapter }.into_ts()?)
}
