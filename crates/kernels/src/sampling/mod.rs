//! Separable resampling: every pixel of the output is a weighted sum of pixels of one input image, and a weight is a row's
//! times a column's. RoIAlign, bilinear and nearest interpolation and average pooling are such maps; they differ in their
//! taps alone, which the CPU lists once for all channels, forward and backward.

mod images;
mod rois;

use std::ops::Range;

pub(crate) use self::images::half_pixel;
pub use self::rois::{Roi, RoiAlign, RoiAxis};

/// The taps along one axis. A list has one sequence of taps for each output pixel.
#[derive(Clone, Debug, PartialEq)]
pub struct Taps {
    /// Output pixels of a list.
    outputs: usize,
    /// Where the taps of each output pixel begin, list by list, and the end of the last.
    pub(crate) starts: Vec<u32>,
    /// Input pixels, each once for an output pixel.
    pub(crate) index: Vec<u32>,
    /// Their weights.
    pub(crate) weight: Vec<f32>,
}

impl Taps {
    fn new(outputs: usize) -> Self {
        Self {
            outputs,
            starts: vec![0],
            index: Vec::new(),
            weight: Vec::new(),
        }
    }

    /// Adds a weight to the output pixel that has not ended yet.
    fn add(&mut self, index: usize, weight: f32) {
        let begin = self.starts.last().map_or(0, |&start| start as usize);
        let known = self.index[begin..]
            .iter()
            .rposition(|&of| of as usize == index);
        match known {
            Some(place) => self.weight[begin + place] += weight,
            None => {
                self.index.push(index as u32);
                self.weight.push(weight);
            }
        }
    }

    /// Ends an output pixel.
    fn end(&mut self) {
        self.starts.push(self.index.len() as u32);
    }

    /// Places of the taps of an output pixel of a list.
    pub(crate) fn of(&self, list: usize, output: usize) -> Range<usize> {
        let at = list * self.outputs + output;
        self.starts[at] as usize..self.starts[at + 1] as usize
    }

    /// The input pixels and weights of an output pixel of a list.
    pub(crate) fn entries(&self, list: usize, output: usize) -> (&[u32], &[f32]) {
        let taps = self.of(list, output);
        (&self.index[taps.clone()], &self.weight[taps])
    }

    /// Places of all taps of a list.
    fn all(&self, list: usize) -> Range<usize> {
        let at = list * self.outputs;
        self.starts[at] as usize..self.starts[at + self.outputs] as usize
    }

    /// The input pixels of a list, from the first to the last.
    pub(crate) fn support(&self, list: usize) -> Range<usize> {
        let index = &self.index[self.all(list)];
        match (index.iter().min(), index.iter().max()) {
            (Some(&first), Some(&last)) => first as usize..last as usize + 1,
            _ => 0..0,
        }
    }

    /// Lists.
    fn lists(&self) -> usize {
        (self.starts.len() - 1) / self.outputs
    }
}

/// A separable map from images `[batch, height, width, channels]` to regions `[regions, height', width', channels]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampling {
    /// Images.
    pub batch: usize,
    /// Height and width of an image.
    pub size: [usize; 2],
    /// Height and width of a region.
    pub output: [usize; 2],
    /// The image of each region.
    pub(crate) images: Vec<u32>,
    /// Rows, then columns.
    pub(crate) taps: [Taps; 2],
    /// Whether all regions have the first list; otherwise each has its own.
    pub(crate) shared: bool,
}

impl Sampling {
    /// Regions.
    pub fn regions(&self) -> usize {
        self.images.len()
    }

    /// The list of a region.
    pub(crate) fn list(&self, region: usize) -> usize {
        if self.shared { 0 } else { region }
    }

    /// Products of a weight and a value, for one channel.
    pub(crate) fn work(&self) -> usize {
        let of = |list| self.taps[0].all(list).len() * self.taps[1].all(list).len();
        match self.shared {
            true => self.regions() * of(0),
            false => (0..self.regions()).map(of).sum(),
        }
    }
}

/// [`Taps`] from the input's side: the output pixels of each input pixel.
#[derive(Clone, Debug)]
pub struct Reached {
    /// The input pixels of each list from the first to the last.
    pub(crate) support: Vec<Range<usize>>,
    /// Where each list begins in `starts`.
    pub(crate) lists: Vec<u32>,
    /// Where the entries of each input pixel in the support begin, list by list, each followed by the end of its last.
    pub(crate) starts: Vec<u32>,
    /// Output pixels, ascending.
    pub(crate) index: Vec<u32>,
    /// Their weights.
    pub(crate) weight: Vec<f32>,
}

impl Reached {
    fn new(taps: &Taps) -> Self {
        let mut reached = Self {
            support: (0..taps.lists()).map(|list| taps.support(list)).collect(),
            lists: Vec::new(),
            starts: Vec::new(),
            index: vec![0; taps.index.len()],
            weight: vec![0.0; taps.index.len()],
        };
        let mut end = 0;
        for (list, support) in reached.support.iter().enumerate() {
            reached.lists.push(reached.starts.len() as u32);
            // A counting sort by input pixel.
            let mut next = vec![0; support.len() + 1];
            for &index in &taps.index[taps.all(list)] {
                next[index as usize - support.start + 1] += 1;
            }
            next[0] = end;
            for at in 1..next.len() {
                next[at] += next[at - 1];
            }
            reached.starts.extend(&next);
            end = next[support.len()];
            for output in 0..taps.outputs {
                for tap in taps.of(list, output) {
                    let place = &mut next[taps.index[tap] as usize - support.start];
                    reached.index[*place as usize] = output as u32;
                    reached.weight[*place as usize] = taps.weight[tap];
                    *place += 1;
                }
            }
        }
        reached
    }

    /// The output pixels and weights of an input pixel in the support of a list.
    pub(crate) fn entries(&self, list: usize, input: usize) -> (&[u32], &[f32]) {
        let at = self.lists[list] as usize + input - self.support[list].start;
        let entries = self.starts[at] as usize..self.starts[at + 1] as usize;
        (&self.index[entries.clone()], &self.weight[entries])
    }
}

/// A [`Sampling`] from the input's side, for its gradient: a sum for every input pixel, in the order of regions.
#[derive(Clone, Debug)]
pub struct Transposed {
    /// Rows, then columns.
    pub(crate) reached: [Reached; 2],
    /// Where the regions of each row of each image begin in `regions`, and the end of the last.
    pub(crate) starts: Vec<u32>,
    /// The regions that have taps in a row, ascending.
    pub(crate) regions: Vec<u32>,
}

impl Transposed {
    pub(crate) fn new(sampling: &Sampling) -> Self {
        let reached = sampling.taps.each_ref().map(Reached::new);
        let height = sampling.size[0];
        let mut rows = vec![Vec::new(); sampling.batch * height];
        for (region, &image) in sampling.images.iter().enumerate() {
            for row in reached[0].support[sampling.list(region)].clone() {
                rows[image as usize * height + row].push(region as u32);
            }
        }
        let mut starts = vec![0];
        let mut regions = Vec::new();
        for row in rows {
            regions.extend(row);
            starts.push(regions.len() as u32);
        }
        Self {
            reached,
            starts,
            regions,
        }
    }

    /// The regions with taps in a row of an image.
    pub(crate) fn at(&self, row: usize) -> &[u32] {
        &self.regions[self.starts[row] as usize..self.starts[row + 1] as usize]
    }
}
