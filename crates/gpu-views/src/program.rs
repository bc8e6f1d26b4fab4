//! Plans as the words that the kernels read.

use std::collections::HashMap;

use parallax_views::{ExtendedBox, Taps, normalized_values};

use crate::kernels::{ROWS, STAGE_WORDS, TILE, VIEW_WORDS};
use crate::plan::{Axis, Plan, Stage, Step};
use crate::{blend, colour, hue};

/// Where the table of normalised numbers begins: 256 of red, then green, then blue.
pub(crate) const NORMALIZED: u32 = 8;
/// Where the views' headers begin.
pub(crate) const HEADS: u32 = NORMALIZED + 3 * 256;

/// Where the source of a view lies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Placed {
    /// First byte of the image's row `row`.
    pub byte: u32,
    /// First row that is there.
    pub row: u32,
    /// Columns of the image.
    pub width: u32,
}

/// The weights of an axis in the program.
#[derive(Clone, Copy)]
struct Weights {
    begin: u32,
    /// For each output.
    taps: u32,
    /// Inputs that the largest tile needs.
    inputs: u32,
}

/// The words under construction.
pub(crate) struct Program {
    words: Vec<u32>,
    axes: HashMap<Axis, Weights>,
    taps: Taps,
    /// How many pieces of rows the tallest tile needs.
    pub pieces: u32,
    /// Where the headers of each stage begin.
    pub stages: Vec<u32>,
}

impl Program {
    /// The program of views of one size, whose sources are placed.
    pub fn new(views: &[(Plan, Placed)]) -> Self {
        let count = views.len() as u32;
        let stages = views.iter().map(|(plan, _)| plan.stages.len()).max();
        let stages = stages.unwrap_or_default().max(1) as u32;
        let first_stage = HEADS + count * VIEW_WORDS;
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
        let mut program = Self {
            words,
            axes: HashMap::new(),
            taps: Taps::default(),
            pieces: 1,
            stages: (0..stages)
                .map(|stage| first_stage + stage * count * STAGE_WORDS)
                .collect(),
        };
        for (number, (plan, placed)) in views.iter().enumerate() {
            program.view(number as u32, plan, *placed);
        }
        program
    }

    /// The finished words.
    pub fn into_words(self) -> Vec<u32> {
        self.words
    }

    fn view(&mut self, number: u32, plan: &Plan, placed: Placed) {
        let (along, down) = (self.axis(plan.along), self.axis(plan.down));
        self.pieces = self.pieces.max(down.inputs.div_ceil(ROWS));
        // The first byte of the crop. It lies behind `byte`: the rows that are there begin with those of a crop.
        let pixel =
            u64::from(plan.top - placed.row) * u64::from(placed.width) + u64::from(plan.left);
        let base = placed.byte + (3 * pixel) as u32;
        let (begin, end) = self.steps(&plan.first);
        let head = [
            base,
            placed.width,
            along.begin,
            along.taps,
            down.begin,
            down.taps,
            begin,
            end,
        ];
        self.put(HEADS + number * VIEW_WORDS, &head);
        for stage in 0..self.stages.len() {
            let place = self.stages[stage] + number * STAGE_WORDS;
            let head = plan.stages.get(stage).map(|stage| self.stage(stage));
            self.put(place, &head.unwrap_or_default());
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

    fn put(&mut self, at: u32, head: &[u32]) {
        let at = at as usize;
        self.words[at..at + head.len()].copy_from_slice(head);
    }

    /// Begin and end of the steps; their tables lie behind them.
    fn steps(&mut self, steps: &[Step]) -> (u32, u32) {
        let begin = self.words.len() as u32;
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
            self.words.push(code | argument << 3);
        }
        for step in steps {
            if let Step::Brightness(factor) | Step::Contrast(factor) | Step::Saturation(factor) =
                *step
            {
                self.words.extend(blend::table(factor));
            }
        }
        (begin, end)
    }

    /// An axis is a line for each output: the first input, then the weights, as many for each output, all inside.
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
        let begin = self.words.len() as u32;
        for ((first, weights), moved) in lines.into_iter().zip(&firsts) {
            self.words.push(*moved);
            let line = self.words.len();
            self.words.resize(line + most, 0);
            for (place, weight) in self.words[line + first - *moved as usize..]
                .iter_mut()
                .zip(weights)
            {
                *place = *weight as u32;
            }
        }
        let weights = Weights {
            begin,
            taps: most as u32,
            inputs: tiles(&firsts, most, TILE as usize)
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

/// The first input of every output, in the order of a mirrored axis too, if all outputs have as many weights as the
/// widest: zeros fill a line up, at its begin where the axis ends.
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
fn tiles(firsts: &[u32], most: usize, side: usize) -> impl Iterator<Item = u32> {
    firsts.chunks(side.max(1)).map(move |tile| {
        let ends = tile.first().zip(tile.last());
        ends.map_or(0, |(first, last)| last.abs_diff(*first)) + most as u32
    })
}

/// Inputs that the outputs of an axis are made of, and those that its tiles read together, where what two of them read
/// counts twice.
pub(crate) fn inputs(axis: &Axis, taps: &mut Taps) -> (u64, u64) {
    let kept = axis.start..axis.start + axis.len;
    taps.set(axis.from as usize, axis.to, kept);
    let (firsts, most) = (firsts(taps, axis), widest(taps));
    let once = tiles(&firsts, most, firsts.len()).sum::<u32>();
    let tiled = tiles(&firsts, most, TILE as usize).map(u64::from).sum();
    (once.into(), tiled)
}
