//! Devices by name: `cpu`, `auto`, `vulkan:1`.

use anyhow::{Context as _, Result};
use burn::tensor::wgpu::{WgpuBackend, wgpu};
use burn::tensor::{Device, DeviceKind};
use parallax_kernels::{is_software_adapter, shader_language};
use parallax_train::{Precision, Recipe};

use crate::usage::BadArgument;
use crate::{driver, matrices, ranks};

/// An opened device and what to call it.
pub struct Opened {
    /// Without autodiff.
    pub device: Device,
    /// `cpu`, `vulkan:0`, ...
    pub name: String,
    /// The adapter's own name.
    pub adapter: String,
    /// Which kernels compute: see [`crate::matrices`] for matrix instructions.
    pub kernels: String,
}

impl Opened {
    /// Refuses a recipe that this device cannot run, before data are looked for.
    pub fn suits(&self, recipe: &Recipe) -> Result<()> {
        let suits = recipe.run.precision.check(&self.device);
        suits.with_context(|| format!("device {} ({})", self.name, self.adapter))
    }
}

/// A graphics adapter that could be opened.
pub struct Adapter {
    /// `vulkan:0`, ...
    pub name: String,
    pub info: wgpu::AdapterInfo,
    pub limits: wgpu::Limits,
    features: wgpu::Features,
    kind: DeviceKind,
    api: WgpuBackend,
}

impl Adapter {
    /// What `run.precision` can be, known without opening the adapter.
    pub fn precisions(&self) -> Vec<Precision> {
        let f16 = self.features.contains(wgpu::Features::SHADER_F16);
        let has = |precision: &Precision| match precision {
            Precision::F32 => true,
            Precision::F16 => f16,
            // WGSL has neither, and what SPIR-V has is known once the device is open.
            Precision::Bf16 | Precision::F16Operands => false,
        };
        Precision::ALL.into_iter().filter(has).collect()
    }

    /// Whether it is a software adapter, which runs shaders on the CPU.
    pub fn is_software(&self) -> bool {
        let is_cpu = self.info.device_type == wgpu::DeviceType::Cpu;
        is_software_adapter(&self.info.name, is_cpu)
    }
}

const APIS: [(&str, wgpu::Backend, WgpuBackend); 3] = [
    ("vulkan", wgpu::Backend::Vulkan, WgpuBackend::Vulkan),
    ("metal", wgpu::Backend::Metal, WgpuBackend::Metal),
    ("dx12", wgpu::Backend::Dx12, WgpuBackend::Dx12),
];

/// Every adapter of the machine, by API and in the order that the API reports.
pub fn adapters() -> Vec<Adapter> {
    let mut found = Vec::new();
    for (api_name, backend, api) in APIS {
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
            backends: backend.into(),
            ..wgpu::InstanceDescriptor::new_without_display_handle()
        });
        let adapters = pollster::block_on(instance.enumerate_adapters(backend.into()));
        let mut of_kind = [0usize; 4];
        for (index, adapter) in adapters.into_iter().enumerate() {
            let info = adapter.get_info();
            let mut next = |slot: usize| {
                of_kind[slot] += 1;
                of_kind[slot] - 1
            };
            let kind = match info.device_type {
                wgpu::DeviceType::DiscreteGpu => DeviceKind::DiscreteGpu(next(0)),
                wgpu::DeviceType::IntegratedGpu => DeviceKind::IntegratedGpu(next(1)),
                wgpu::DeviceType::VirtualGpu => DeviceKind::VirtualGpu(next(2)),
                wgpu::DeviceType::Cpu if next(3) == 0 => DeviceKind::Cpu,
                // A second software adapter and adapters of an unknown kind cannot be told apart.
                _ => continue,
            };
            found.push(Adapter {
                name: format!("{api_name}:{index}"),
                limits: adapter.limits(),
                features: adapter.features(),
                info,
                kind,
                api,
            });
        }
    }
    found
}

/// Opens a device by its name.
///
/// `auto` is the first real GPU, else the CPU: a software adapter is slower than the CPU itself and only
/// opened by name.
///
/// `:rank` behind an API is the adapter of this process's number among the ranks of its machine.
pub fn open(name: &str) -> Result<Opened> {
    let of_rank = match name.split_once(':') {
        Some(("cpu", "rank")) => Some("cpu".to_string()),
        Some((api, "rank")) => Some(of_rank(api)?),
        _ => None,
    };
    let name = of_rank.as_deref().unwrap_or(name);
    let (api, index) = match name.split_once(':') {
        Some((api, index)) => {
            let index = index.parse::<usize>();
            (api, Some(index.map_err(|_| unknown(name))?))
        }
        None => (name, None),
    };
    let cpu = || Opened {
        device: Device::flex(),
        name: "cpu".to_string(),
        adapter: format!("{} threads", threads()),
        kernels: "loops for the CPU, by shape".to_string(),
    };
    match api {
        "cpu" if index.is_none() => Ok(cpu()),
        "auto" if index.is_none() => match best(&adapters()) {
            Some(adapter) if !adapter.is_software() => open_adapter(adapter),
            _ => Ok(cpu()),
        },
        "webgpu" | "vulkan" | "metal" | "dx12" => {
            let adapters: Vec<Adapter> = adapters()
                .into_iter()
                .filter(|a| api == "webgpu" || a.name.starts_with(api))
                .collect();
            let adapter = match index {
                Some(_) if api != "webgpu" => adapters.iter().find(|a| a.name == name),
                Some(index) => adapters.get(index),
                None => best(&adapters),
            };
            let adapter = adapter.ok_or_else(|| unknown(name))?;
            open_adapter(adapter)
        }
        "cuda" => Err(BadArgument(
            "this build has no CUDA; use vulkan on NVIDIA cards".to_string(),
        )
        .into()),
        _ => Err(unknown(name)),
    }
}

/// `API:N` for the N-th rank of this machine.
fn of_rank(api: &str) -> Result<String> {
    let (own, ranks) = ranks::on_this_machine(ranks::here())?;
    let count = adapters()
        .iter()
        .filter(|adapter| api == "webgpu" || adapter.name.starts_with(api))
        .count();
    if ranks > count && count > 0 {
        let message = format!(
            "{ranks} ranks were started on this machine, which has {count} adapters of {api}: start {count}, or name one \
             by --device {api}:N, which all of them then share"
        );
        return Err(BadArgument(message).into());
    }
    Ok(format!("{api}:{own}"))
}

/// Real GPUs before software, discrete before integrated.
fn best(adapters: &[Adapter]) -> Option<&Adapter> {
    adapters
        .iter()
        .min_by_key(|adapter| match adapter.info.device_type {
            wgpu::DeviceType::DiscreteGpu => 0,
            wgpu::DeviceType::IntegratedGpu => 1,
            wgpu::DeviceType::VirtualGpu => 2,
            _ => 3,
        })
}

pub fn open_adapter(adapter: &Adapter) -> Result<Opened> {
    let options = Device::wgpu_options()
        .device_kind(adapter.kind.clone())
        .graphics_api(adapter.api);
    let (device, setup) = options.init_with_setup().with_context(|| {
        format!(
            "device {} ({}) could not be opened",
            adapter.name, adapter.info.name
        )
    })?;
    let info = setup.adapter.get_info();
    let language = shader_language(&device).unwrap_or_default();
    let mut kernels = format!("{language} for GPUs, by shape; no autotuning, no fusion");
    let instructions = matrices::prepare(&device, &info);
    // A driver whose matrix instructions are right runs SPIR-V.
    if instructions.is_empty() && language == "SPIR-V" {
        driver::runs_spirv(&adapter.name, &info)?;
    }
    if !instructions.is_empty() {
        kernels += &format!("; matrix instructions {}", instructions.join(", "));
    }
    Ok(Opened {
        device,
        name: adapter.name.clone(),
        adapter: info.name,
        kernels,
    })
}

fn unknown(name: &str) -> anyhow::Error {
    let mut known: Vec<String> = vec!["auto".to_string(), "cpu".to_string()];
    known.extend(adapters().into_iter().map(|adapter| adapter.name));
    BadArgument(format!(
        "there is no device '{name}' here; there are {}",
        known.join(", ")
    ))
    .into()
}

/// Threads that the CPU device uses.
pub fn threads() -> usize {
    rayon::current_num_threads()
}

/// Threads that load and augment images: as many as were asked for, or one less than the cores, at least one.
pub fn loader_threads(asked: Option<usize>) -> usize {
    asked.unwrap_or(threads().saturating_sub(1).max(1))
}
