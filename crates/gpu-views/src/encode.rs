//! Encodes the views' plans as the words that the kernels read.
//!
//! In order: the table of [`hue::ROUNDED_DOWN`], the table of normalised values, a header of [`VIEW_WORDS`] for each
//! view, headers of [`STAGE_WORDS`] for each stage and view, then resize weights, colour steps and their blend tables,
//! which headers point to.

use std::collections::HashMap;

use parallax_views::{ExtendedBox, Taps, normalized_values};

use crate::kernels::{SHARED_ROWS, STAGE_WORDS, TILE, VIEW_WORDS};
use crate::plan::{Axis, Plan, Stage, Step};
use crate::{blend, colour, hue};

/// Offset of the table of normalised values: 256 for red, then for green, then for blue.
pub(crate) const NORMALIZED: u32 = 8;
/// Offset of the views' headers.
pub(crate) const HEADERS: u32 = NORMALIZED + 3 * 256;

/// Where a view finds the pixels of its image.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SourceRows {
    /// Offset in bytes of the image's row `row`.
    pub byte: u32,
    /// The first row that was uploaded.
    pub row: u32,
    /// Width of the image.
    pub width: u32,
}

/// The resize weights of an axis.
#[derive(Clone, Copy)]
struct Weights {
    /// Offset.
    begin: u32,
    /// Weights of each output.
    taps: u32,
    /// The most inputs that a tile reads.
    inputs: u32,
}

/// Encoded views of one size.
#[derive(Clone, Debug)]
pub(crate) struct Encoded {
    /// See the module.
    pub words: Vec<u32>,
    /// How many blocks of [`SHARED_ROWS`] source rows the tallest tile reads.
    pub row_blocks: u32,
    /// Offset of the headers of each stage.
    pub stages: Vec<u32>,
}

impl Encoded {
    /// Encodes views.
    pub fn new(views: &[(Plan, SourceRows)]) -> Self {
        let count = views.len() as u32;
        let stages = views.iter().map(|(plan, _)| plan.stages.len()).max();
        let stages = stages.unwrap_or_default().max(1) as u32;
        let first_stage = HEADERS + count * VIEW_WORDS;
        let data = first_stage + stages * count * STAGE_WORDS;
        let mut words = Vec::with_capacity(data as usize + views.len() * 1024);
        words.extend(hue::ROUNDED_DOWN);
        words.extend(
            normalized_values()
                .as_flattened()
                .iter()
                .map(|v| v.to_bits()),
        );
        words.resize(data as usize, 0);
        let mut encoder = Encoder {
            encoded: Self {
                words,
                row_blocks: 1,
                stages: (0..stages)
                    .map(|stage| first_stage + stage * count * STAGE_WORDS)
                    .collect(),
            },
            axes: HashMap::new(),
            taps: Taps::default(),
        };
        for (number, (plan, source)) in views.iter().enumerate() {
            encoder.view(number as u32, plan, *source);
        }
        encoder.encoded
    }
}

struct Encoder {
    encoded: Encoded,
    /// Weights that are already encoded.
    axes: HashMap<Axis, Weights>,
    /// Scratch.
    taps: Taps,
}

impl Encoder {
    fn view(&mut self, number: u32, plan: &Plan, source: SourceRows) {
        let (horizontal, vertical) = (self.axis(plan.horizontal), self.axis(plan.vertical));
        let row_blocks = vertical.inputs.div_ceil(SHARED_ROWS);
        self.encoded.row_blocks = self.encoded.row_blocks.max(row_blocks);
        // The first byte of the crop. It is not below `byte`: uploaded rows begin with the first one that a crop reads.
        let pixel =
            u64::from(plan.top - source.row) * u64::from(source.width) + u64::from(plan.left);
        let base = source.byte + (3 * pixel) as u32;
        let (begin, end) = self.steps(&plan.first);
        let header = [
            base,
            source.width,
            horizontal.begin,
            horizontal.taps,
            vertical.begin,
            vertical.taps,
            begin,
            end,
        ];
        self.put(HEADERS + number * VIEW_WORDS, &header);
        for stage in 0..self.encoded.stages.len() {
            let place = self.encoded.stages[stage] + number * STAGE_WORDS;
            let header = plan.stages.get(stage).map(|stage| self.stage(stage));
            self.put(place, &header.unwrap_or_default());
        }
    }

    fn stage(&mut self, stage: &Stage) -> [u32; STAGE_WORDS as usize] {
        let steps: Vec<Step> = stage.before.iter().chain(&stage.after).copied().collect();
        let (begin, end) = self.steps(&steps);
        let after = begin + stage.before.len() as u32;
        match stage.blur {
            Some(ExtendedBox { radius, full, far }) => {
                [begin, after, end, full, far, radius as u32 + 1]
            }
            None => [begin, after, end, 0, 0, 0],
        }
    }

    fn put(&mut self, at: u32, header: &[u32]) {
        let at = at as usize;
        self.encoded.words[at..at + header.len()].copy_from_slice(header);
    }

    /// Begin and end of the encoded steps; their blend tables follow them.
    fn steps(&mut self, steps: &[Step]) -> (u32, u32) {
        let words = &mut self.encoded.words;
        let begin = words.len() as u32;
        let end = begin + steps.len() as u32;
        let mut table = end;
        for step in steps {
            let mut blend = |code: u32| {
                table += blend::TABLE_WORDS;
                (code, table - blend::TABLE_WORDS)
            };
            let (code, argument) = match *step {
                Step::Brightness(_) => blend(colour::BRIGHTNESS),
                Step::Contrast(_) => blend(colour::CONTRAST),
                Step::Saturation(_) => blend(colour::SATURATION),
                Step::Hue(shift) => (colour::HUE, shift),
                Step::Grayscale => (colour::GRAYSCALE, 0),
                Step::Solarize(threshold) => (colour::SOLARIZE, threshold),
            };
            words.push(code | argument << 3);
        }
        for step in steps {
            if let Step::Brightness(factor) | Step::Contrast(factor) | Step::Saturation(factor) =
                *step
            {
                words.extend(blend::table(factor));
            }
        }
        (begin, end)
    }

    /// For each output its first input, then its weights. All outputs have the same number of weights, and all inputs
    /// lie inside the axis.
    fn axis(&mut self, axis: Axis) -> Weights {
        if let Some(&weights) = self.axes.get(&axis) {
            return weights;
        }
        let kept = axis.start..axis.start + axis.len;
        self.taps.set(axis.from as usize, axis.to, kept);
        let (most, firsts) = (widest(&self.taps), firsts(&self.taps, &axis));
        let mut lines: Vec<(usize, &[i32])> = self.taps.iter().collect();
        if axis.mirrored {
            lines.reverse();
        }
        let words = &mut self.encoded.words;
        let begin = words.len() as u32;
        for ((first, weights), moved) in lines.into_iter().zip(&firsts) {
            words.push(*moved);
            let line = words.len();
            words.resize(line + most, 0);
            for (place, weight) in words[line + first - *moved as usize..]
                .iter_mut()
                .zip(weights)
            {
                *place = *weight as u32;
            }
        }
        let weights = Weights {
            begin,
            taps: most as u32,
            inputs: tile_inputs(&firsts, most, TILE as usize)
                .max()
                .unwrap_or_default(),
        };
        self.axes.insert(axis, weights);
        weights
    }
}

/// The most weights that an output has.
fn widest(taps: &Taps) -> usize {
    let most = taps.iter().map(|(_, weights)| weights.len()).max();
    most.unwrap_or_default()
}

/// The first input of every output, in output order (reversed for a mirrored axis), with every output padded with zero
/// weights to the widest one: at the end, or in front where the axis ends.
fn firsts(taps: &Taps, axis: &Axis) -> Vec<u32> {
    let last = axis.from as usize - widest(taps);
    let mut firsts: Vec<u32> = taps
        .iter()
        .map(|(first, _)| first.min(last) as u32)
        .collect();
    if axis.mirrored {
        firsts.reverse();
    }
    firsts
}

/// How many inputs each tile of `side` outputs reads.
fn tile_inputs(firsts: &[u32], most: usize, side: usize) -> impl Iterator<Item = u32> {
    firsts.chunks(side.max(1)).map(move |tile| {
        let ends = tile.first().zip(tile.last());
        ends.map_or(0, |(first, last)| last.abs_diff(*first)) + most as u32
    })
}

/// Inputs that the outputs of an axis depend on, and inputs that its tiles read: what two tiles read counts twice there.
pub(crate) fn inputs(axis: &Axis, taps: &mut Taps) -> (u64, u64) {
    let kept = axis.start..axis.start + axis.len;
    taps.set(axis.from as usize, axis.to, kept);
    let (firsts, most) = (firsts(taps, axis), widest(taps));
    let once = tile_inputs(&firsts, most, firsts.len()).sum::<u32>();
    let tiled = tile_inputs(&firsts, most, TILE as usize)
        .map(u64::from)
        .sum();
    (once.into(), tiled)
}
