//! Batch norm on a GPU. Forward: one pass for the statistics, one that normalises, adds the shortcut and applies ReLU.
//! Backward: one pass for the sums, one for the gradients. Between them a small kernel joins the parts of every channel in
//! order. A load takes four neighbouring channels where there are as many. The kernels are one for all adapters; how rows
//! are shared out is a rule for each kind.

use burn_cubecl::CubeBackend;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::adapter::Adapter;
use super::direct::Direct;
use super::norm_each::{input_gradient, normalize};
use super::norm_join::{Parts, joined_statistics, joined_sums};
use super::norm_sums::{AreaLaunch, Team, masked_sums, statistics, sums};
use super::tile::width;
use super::{element, empty, empty_f32};
use crate::choices::{Choice, bytes};
use crate::ops::SavedNorm;

/// Units of a GPU's cube, and of these along channels at most.
const UNITS: u32 = 256;
const LANES: u32 = 16;
/// Cubes that fill a large GPU with units: more would only be more parts to join.
const FULL: usize = 1024;
/// Rows of a unit that adds, at least: with fewer, joining costs more than adding.
const ADDED: usize = 4;
/// Rows of a unit that writes every value, at least and at most: what belongs to its channels is to be loaded once for
/// several rows, and loads of many units are to be under way.
const WRITTEN: [usize; 2] = [2, 8];
/// Cubes along a dimension.
const CUBES: usize = 65_535;

/// Units that keep the threads of a processor busy.
const BUSY: usize = 512;
/// Rows of a unit there, at least.
const ROWS: usize = 16;

/// How `[rows, channels]` are shared out for a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Split {
    team: Team,
    /// Rows of a team, and teams along them.
    part: usize,
    parts: usize,
}

impl Split {
    fn of(rows: usize, part: usize, team: Team) -> Self {
        Self {
            team,
            part,
            parts: rows.div_ceil(part),
        }
    }
}

/// How `[rows, channels]` are shared out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cut {
    rows: usize,
    channels: usize,
    /// Values of a load.
    width: usize,
    /// In the pass that adds over rows.
    added: Split,
    /// In the pass that writes every value.
    written: Split,
}

impl Cut {
    fn of(rows: usize, channels: usize, adapter: Adapter) -> Self {
        let width = width(channels);
        let across = channels / width;
        let [added, written] = match adapter {
            Adapter::Hardware => Self::shared(rows, across),
            Adapter::Software(_) => [Self::alone(rows, across); 2],
        };
        Self {
            rows,
            channels,
            width,
            added,
            written,
        }
    }

    /// The rule of a GPU.
    fn shared(rows: usize, across: usize) -> [Split; 2] {
        let lanes = (across as u32).next_power_of_two().min(LANES);
        let team = Team {
            lanes,
            tall: UNITS / lanes,
        };
        let (tall, groups) = (team.tall as usize, across.div_ceil(lanes as usize));
        let wanted = (FULL / groups).max(1);
        let added = rows.div_ceil(wanted).next_multiple_of(tall);
        let [least, most] = WRITTEN;
        let steps = rows.div_ceil(tall) * groups / (2 * FULL);
        let written = tall * steps.clamp(least, most);
        [
            Split::of(rows, added.max(ADDED * tall), team),
            Split::of(rows, written.max(rows.div_ceil(CUBES)), team),
        ]
    }

    /// The rule of a processor: as few units as keep all threads busy, because each loads what belongs to its channels.
    fn alone(rows: usize, across: usize) -> Split {
        let wanted = BUSY.div_ceil(across);
        Split::of(rows, rows.div_ceil(wanted).max(ROWS), Team::ALONE)
    }

    fn cubes(&self, split: Split) -> [u32; 2] {
        let across = self.channels / self.width;
        match split.team.is_alone() {
            true => Direct::cubes(split.parts * across),
            false => [
                split.parts as u32,
                (across as u32).div_ceil(split.team.lanes),
            ],
        }
    }

    fn count(&self, split: Split) -> CubeCount {
        let [along, across] = self.cubes(split);
        CubeCount::Static(along, across, 1)
    }

    fn area(&self, split: Split) -> AreaLaunch {
        AreaLaunch::new(
            self.rows as u32,
            (self.channels / self.width) as u32,
            split.part as u32,
        )
    }

    fn joined(&self) -> Parts {
        Parts {
            rows: self.rows,
            channels: self.channels,
            part: self.added.part,
            count: self.added.parts,
            shared: !self.added.team.is_alone(),
        }
    }
}

/// The units of a cube.
fn units(team: Team) -> CubeDim {
    match team.is_alone() {
        true => Direct::cube(),
        false => CubeDim::new_2d(team.lanes, team.tall),
    }
}

/// What the launches of [`norm`] and of [`norm_grad`] cost.
pub(crate) fn choices(
    rows: usize,
    channels: usize,
    residual: bool,
    relu: bool,
    adapter: Adapter,
) -> [Choice; 2] {
    let cut = Cut::of(rows, channels, adapter);
    let (len, of_parts) = (rows * channels, 2 * cut.added.parts * channels);
    // What every unit loads once: a value of each of its channels.
    let once = |split: Split| split.parts * split.team.tall as usize * channels;
    let (adding, writing) = (once(cut.added), once(cut.written));
    let [along, across] = cut.cubes(cut.added);
    let (more, masks) = (usize::from(residual), usize::from(relu));
    let choice = |values, minimum| Choice {
        tile: String::new(),
        cubes: along as usize * across as usize,
        parts: cut.added.parts,
        dispatches: 3,
        bytes: Some(bytes(values)),
        minimum: bytes(minimum),
        multiply_adds: 0,
    };
    let statistics = len + adding + 2 * of_parts + 2 * channels;
    let sums = (2 + 2 * masks) * len + adding + 2 * of_parts + 7 * channels;
    [
        choice(
            statistics + (2 + more) * len + 4 * writing,
            (2 + more) * len,
        ),
        choice(
            sums + 3 * len + 4 * writing,
            (3 + masks + masks * more) * len,
        ),
    ]
}

/// See [`crate::ops::Kernels::norm`].
#[expect(unsafe_code, reason = "the kernels check every place themselves")]
pub(crate) fn norm(
    x: CubeTensor,
    weight: CubeTensor,
    bias: CubeTensor,
    residual: Option<CubeTensor>,
    relu: bool,
    epsilon: f32,
) -> [CubeTensor; 3] {
    let x = into_contiguous(x);
    let [rows, channels] = x.meta.shape().dims();
    let cut = Cut::of(rows, channels, Adapter::of(&x));
    let (client, element) = (x.client.clone(), element(&x));
    let parts = empty_f32(&x, vec![cut.added.parts, 2, channels]);
    let out = empty(&x, vec![rows, channels]);
    // SAFETY: units behind the last vector or the last row have no rows, and load at places that are clamped; the buffers
    // have the lengths that rows and channels imply.
    unsafe {
        statistics::launch_unchecked(
            &client,
            cut.count(cut.added),
            units(cut.added.team),
            cut.width,
            x.clone().into_buffer_arg(),
            parts.clone().into_buffer_arg(),
            cut.area(cut.added),
            cut.added.team,
            element,
        );
    }
    let [mean, variance] = joined_statistics(parts, cut.joined());
    // SAFETY: as above.
    unsafe {
        normalize::launch_unchecked(
            &client,
            cut.count(cut.written),
            units(cut.written.team),
            cut.width,
            x.into_buffer_arg(),
            mean.clone().into_buffer_arg(),
            variance.clone().into_buffer_arg(),
            into_contiguous(weight).into_buffer_arg(),
            into_contiguous(bias).into_buffer_arg(),
            residual
                .map(|residual| into_contiguous(residual).into_buffer_arg())
                .into(),
            out.clone().into_buffer_arg(),
            cut.area(cut.written),
            epsilon,
            relu,
            cut.written.team,
            element,
        );
    }
    [out, mean, variance]
}

/// See [`crate::ops::Kernels::norm_grad`].
#[expect(unsafe_code, reason = "the kernels check every place themselves")]
pub(crate) fn norm_grad(saved: SavedNorm<CubeBackend>, grad: CubeTensor) -> [CubeTensor; 4] {
    let (x, mut grad) = (into_contiguous(saved.x), into_contiguous(grad));
    let [rows, channels] = x.meta.shape().dims();
    let cut = Cut::of(rows, channels, Adapter::of(&x));
    let (client, element) = (x.client.clone(), element(&x));
    let parts = empty_f32(&x, vec![cut.added.parts, 2, channels]);
    let out = empty(&x, vec![rows, channels]);
    let mean = into_contiguous(saved.mean);
    // SAFETY: as in `norm`.
    unsafe {
        match saved.output {
            Some(output) => {
                let masked = empty(&x, vec![rows, channels]);
                masked_sums::launch_unchecked(
                    &client,
                    cut.count(cut.added),
                    units(cut.added.team),
                    cut.width,
                    x.clone().into_buffer_arg(),
                    into_contiguous(output).into_buffer_arg(),
                    grad.into_buffer_arg(),
                    mean.clone().into_buffer_arg(),
                    masked.clone().into_buffer_arg(),
                    parts.clone().into_buffer_arg(),
                    cut.area(cut.added),
                    cut.added.team,
                    element,
                );
                grad = masked;
            }
            None => sums::launch_unchecked(
                &client,
                cut.count(cut.added),
                units(cut.added.team),
                cut.width,
                x.clone().into_buffer_arg(),
                grad.clone().into_buffer_arg(),
                mean.clone().into_buffer_arg(),
                parts.clone().into_buffer_arg(),
                cut.area(cut.added),
                cut.added.team,
                element,
            ),
        }
    }
    let of_channel = (saved.weight, saved.variance);
    let [grad_weight, grad_bias, factors] =
        joined_sums(parts, of_channel, cut.joined(), saved.epsilon as f32);
    // SAFETY: as in `norm`.
    unsafe {
        input_gradient::launch_unchecked(
            &client,
            cut.count(cut.written),
            units(cut.written.team),
            cut.width,
            x.into_buffer_arg(),
            grad.clone().into_buffer_arg(),
            mean.into_buffer_arg(),
            factors.into_buffer_arg(),
            out.clone().into_buffer_arg(),
            cut.area(cut.written),
            cut.written.team,
            element,
        );
    }
    [out, grad_weight, grad_bias, grad]
}

#[cfg(test)]
mod tests {
    use super::{Adapter, CUBES, Cut};

    #[test]
    fn launches_fit_every_webgpu_device() {
        for rows in [1, 63, 64, 4096, 262_144, 70_000_000] {
            for channels in [1, 3, 4, 30, 64, 66, 2048, 8192] {
                for adapter in Adapter::ALL {
                    let cut = Cut::of(rows, channels, adapter);
                    for split in [cut.added, cut.written] {
                        let team = split.team;
                        assert!(team.lanes * team.tall <= 256, "{cut:?}");
                        assert!(split.part * split.parts >= rows, "{cut:?}");
                        assert!(split.part * (split.parts - 1) < rows, "{cut:?}");
                        let cubes = cut.cubes(split);
                        let fits = |&n: &u32| n > 0 && n as usize <= CUBES;
                        assert!(cubes.iter().all(fits), "{cubes:?} of {cut:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn joining_a_gpus_parts_stays_small() {
        for (rows, channels) in [(262_144, 64), (65_536, 128), (4096, 512), (1 << 24, 3)] {
            let cut = Cut::of(rows, channels, Adapter::Hardware);
            assert!(cut.added.parts <= 1024, "{cut:?}");
            // Each unit still has rows to add.
            assert!(
                cut.added.part >= 4 * cut.added.team.tall as usize,
                "{cut:?}"
            );
        }
    }
}
