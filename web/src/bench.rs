//! Benchmarks in a tab: the command line's, with the browser's clock.

use js_sys::{Array, Function, Uint8Array};
use parallax_bench::{
    Bench, KernelLine, Setting, StepReport, StepSetting, Table, ViewLine, ViewSetting,
};
use parallax_views::{Image, Pipeline};
use wasm_bindgen::prelude::*;

use crate::device;
use crate::js::object;

#[wasm_bindgen]
extern "C" {
    /// Milliseconds since the worker was started.
    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn milliseconds() -> f64;
}

fn clock() -> f64 {
    milliseconds() / 1e3
}

fn cells(cells: Vec<String>) -> JsValue {
    cells
        .into_iter()
        .map(JsValue::from)
        .collect::<Array>()
        .into()
}

fn columns(table: &Table) -> JsValue {
    table
        .columns()
        .iter()
        .map(|name| JsValue::from(*name))
        .collect::<Array>()
        .into()
}

/// Columns of the tables of kernels and of steps, and the convolutions that are measured, with their names.
#[wasm_bindgen(js_name = benchPlan, unchecked_return_type = "BenchPlan")]
pub fn bench_plan(width: usize, size: usize, batch: usize) -> JsValue {
    let setting = Setting { width, size, batch };
    let convolutions = Array::new();
    for (name, shape) in parallax_bench::convolutions(&setting) {
        convolutions.push(&object([
            ("name", name.into()),
            ("batch", shape.batch.into()),
            ("size", shape.size[0].into()),
            ("inputs", shape.inputs.into()),
            ("outputs", shape.outputs.into()),
            ("kernel", shape.kernel[0].into()),
            ("stride", shape.stride[0].into()),
            ("padding", shape.padding[0].into()),
        ]));
    }
    object([
        ("kernels", columns(&KernelLine::table())),
        ("steps", columns(&StepReport::table())),
        ("convolutions", convolutions.into()),
    ])
}

/// Measures every operation of a step; `on_line` takes a [`BenchLine`] as soon as it is there. Gives the adapter and
/// the rate of the best product.
#[wasm_bindgen(js_name = benchKernels, unchecked_return_type = "{ adapter: string; product: number }")]
pub async fn bench_kernels(
    device: String,
    width: usize,
    size: usize,
    batch: usize,
    seconds: f64,
    #[wasm_bindgen(unchecked_param_type = "(line: BenchLine) => void")] on_line: Function,
) -> Result<JsValue, JsError> {
    let opened = device::open(&device).await?;
    let bench = Bench::new(&opened.device, &clock, seconds);
    let setting = Setting { width, size, batch };
    let tell = |line: &KernelLine| {
        let line = object([
            ("shape", line.shape.clone().into()),
            ("operation", line.operation.into()),
            ("seconds", line.seconds.into()),
            ("cells", cells(line.cells())),
        ]);
        // What the page does with a line is its own affair.
        let _ = on_line.call1(&JsValue::NULL, &line);
    };
    let best = parallax_bench::kernels(&bench, &setting, &parallax_bench::SIDES, tell).await?;
    Ok(object([
        ("adapter", opened.adapter.into()),
        ("product", best.into()),
    ]))
}

/// Takes training steps; `on_step` hears the number and the seconds of each.
#[wasm_bindgen(js_name = benchStep, unchecked_return_type = "BenchStep")]
pub async fn bench_step(
    device: String,
    width: usize,
    size: usize,
    batch: usize,
    steps: usize,
    #[wasm_bindgen(unchecked_param_type = "(step: number, seconds: number) => void")]
    on_step: Function,
) -> Result<JsValue, JsError> {
    let opened = device::open(&device).await?;
    let bench = Bench::new(&opened.device, &clock, 0.0);
    let setting = StepSetting {
        of: Setting { width, size, batch },
        steps,
    };
    let tell = |number: usize, seconds: f64| {
        let _ = on_step.call2(&JsValue::NULL, &number.into(), &seconds.into());
    };
    let report = parallax_bench::step(&bench, &setting, tell).await?;
    let who = format!("Parallax, {}", opened.adapter);
    Ok(object([
        ("adapter", opened.adapter.into()),
        ("seconds", report.step.into()),
        ("first", report.first.into()),
        ("cells", cells(report.cells(&who))),
    ]))
}

/// The picture that views are made of, of the sides of a usual photo.
fn photo() -> Image {
    parallax_bench::picture(500, 375)
}

/// Columns of the table of views, the picture (RGB), and for each pipeline the operations of both views of each picture
/// of the batch.
#[wasm_bindgen(js_name = benchViewPlan, unchecked_return_type = "BenchViewPlan")]
pub fn bench_view_plan(size: u32, pictures: u32) -> Result<JsValue, JsError> {
    let (photo, setting) = (photo(), ViewSetting { size, pictures });
    let pipelines = Array::new();
    for pipeline in Pipeline::ALL {
        let lists = setting.lists(pipeline, &photo);
        pipelines.push(&object([
            ("name", pipeline.name().into()),
            ("lists", serde_wasm_bindgen::to_value(&lists)?),
        ]));
    }
    Ok(object([
        ("columns", columns(&ViewLine::table())),
        ("width", photo.width.into()),
        ("height", photo.height.into()),
        ("rgb", Uint8Array::from(photo.data.as_slice()).into()),
        ("pipelines", pipelines.into()),
    ]))
}

/// Makes a batch of views by every pipeline; `on_line` takes a [`BenchViewLine`] as soon as it is there. Gives the
/// adapter.
#[wasm_bindgen(js_name = benchViews, unchecked_return_type = "{ adapter: string }")]
pub async fn bench_views(
    device: String,
    size: u32,
    pictures: u32,
    seconds: f64,
    #[wasm_bindgen(unchecked_param_type = "(line: BenchViewLine) => void")] on_line: Function,
) -> Result<JsValue, JsError> {
    let opened = device::open(&device).await?;
    let bench = Bench::new(&opened.device, &clock, seconds);
    let tell = |line: &ViewLine| {
        let line = object([
            ("pipeline", line.pipeline.name().into()),
            ("seconds", line.seconds.into()),
            ("mean", line.mean.into()),
            ("cells", cells(line.cells())),
        ]);
        let _ = on_line.call1(&JsValue::NULL, &line);
    };
    parallax_bench::views(&bench, &photo(), &ViewSetting { size, pictures }, tell).await?;
    Ok(object([("adapter", opened.adapter.into())]))
}

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
/** A square convolution. */
export interface BenchConvolution {
  name: string; batch: number; size: number; inputs: number; outputs: number; kernel: number; stride: number; padding: number;
}
/** Columns of the tables, and the convolutions that are measured. */
export interface BenchPlan { kernels: string[]; steps: string[]; convolutions: BenchConvolution[] }
/** An operation, measured: `cells` are those of the table. */
export interface BenchLine { shape: string; operation: string; seconds: number; cells: string[] }
/** A pipeline's batch of views, measured. */
export interface BenchViewLine { pipeline: string; seconds: number; mean: number; cells: string[] }
/** What views are made of, for other makers: of each pipeline a pair of lists for every picture. */
export interface BenchViewPlan {
  columns: string[]; width: number; height: number; rgb: Uint8Array; pipelines: { name: string; lists: [Op[], Op[]][] }[];
}
/** Training steps, measured. */
export interface BenchStep { adapter: string; seconds: number; first: number; cells: string[] }
"#;
