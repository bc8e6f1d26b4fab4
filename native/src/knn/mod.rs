//! `parallax knn`.

mod report;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use clap::Args;
use parallax_data::Source;
use parallax_probes::{Knn as Classifier, Neighbour, Queries, Search, TopAccuracy};
use parallax_ranks::Ranks;
use parallax_train::{Extractor, encoder_from};
use parallax_weights::WeightFile;

use self::report::Report;
use crate::checkpoints::{self, Saved};
use crate::cli::{Branch, On};
use crate::data::SRC;
use crate::device::Opened;
use crate::features::{FeatureFile, Images, Part, Stream};
use crate::sources::{Pair, same_classes};
use crate::usage::BadArgument;
use crate::{device, memory, ranks, recipe, weights};

/// Bytes that the search may take for test features in a file.
const PART: u64 = 1 << 30;

#[derive(Args)]
pub struct Knn {
    /// Weights (safetensors, PyTorch or detectron2 files of any known layout), a checkpoint's folder or a run's
    #[arg(long, value_name = "FILE", required_unless_present = "train_features")]
    pub weights: Option<PathBuf>,
    /// Recipe of the network, for files without one [default: inferred from the shapes of the tensors]
    #[arg(long)]
    pub recipe: Option<String>,
    #[arg(long, value_name = "SRC",
        help = format!("Labelled images, the neighbours: {SRC} [default: the run's own training data]"))]
    pub train: Option<String>,
    /// Images to classify, likewise [default: the run's own test data]
    #[arg(long, value_name = "SRC")]
    pub test: Option<String>,
    /// Features instead of images and weights, as `parallax features` writes them: the neighbours
    #[arg(long, value_name = "FILE", requires = "test_features",
        conflicts_with_all = ["weights", "recipe", "train", "test", "every"])]
    pub train_features: Option<PathBuf>,
    /// And those to classify
    #[arg(long, value_name = "FILE", requires = "train_features")]
    pub test_features: Option<PathBuf>,
    /// Which network of the file
    #[arg(long, value_enum, default_value_t = Branch::Online)]
    pub branch: Branch,
    /// Neighbours that vote
    #[arg(long, value_name = "N", default_value_t = Classifier::IMAGENET.neighbours)]
    pub k: usize,
    /// A neighbour of similarity s votes with exp(s / T)
    #[arg(long, value_name = "T", default_value_t = Classifier::IMAGENET.temperature)]
    pub temperature: f32,
    /// Evaluate every checkpoint of a run, in the order of steps
    #[arg(long)]
    pub every: bool,
    #[command(flatten)]
    pub on: On,
    /// Print JSON; with --every a line for each checkpoint
    #[arg(long)]
    pub json: bool,
}

/// Prints the kNN accuracy of an encoder, or of every checkpoint of a run.
pub fn run(arguments: &Knn) -> Result<()> {
    let mut command = Command {
        arguments,
        classifier: classifier(arguments)?,
        opened: device::open(&arguments.on.device)?,
        sources: None,
        ranks: ranks::here(),
    };
    let ranks = command.ranks;
    if let (Some(train), Some(test)) = (&arguments.train_features, &arguments.test_features) {
        // Reading takes longer than what ranks could divide.
        return match ranks.is_first() {
            true => command.files(train, test)?.print(arguments.json),
            false => Ok(()),
        };
    }
    let weights = arguments.weights.as_deref().unwrap_or(Path::new(""));
    if arguments.every {
        let mut first = true;
        return checkpoints::walk(weights, |saved: Saved| {
            let mut report = command.evaluate(&saved.weights)?;
            (report.step, report.epoch) = (Some(saved.step), Some(saved.epoch));
            match ranks.is_first() {
                true => report.print_row(arguments.json, std::mem::take(&mut first)),
                false => Ok(()),
            }
        });
    }
    let mut file = ranks::agree(ranks, weights::read(weights))?.file;
    if let (None, Some(name)) = (&file.recipe, &arguments.recipe) {
        file.recipe = Some(recipe::read(name, None, &[])?.to_toml()?);
    }
    let report = command.evaluate(&file)?;
    match ranks.is_first() {
        true => report.print(arguments.json),
        false => Ok(()),
    }
}

/// The classifier, if its values are possible.
fn classifier(arguments: &Knn) -> Result<Classifier> {
    let Knn { k, temperature, .. } = *arguments;
    if k == 0 {
        let message = "--k must be 1 or more: so many neighbours vote";
        return Err(BadArgument(message.to_string()).into());
    }
    if !(temperature > 0.0 && temperature.is_finite()) {
        let message = format!("--temperature must be a number above 0, not {temperature}");
        return Err(BadArgument(message).into());
    }
    Ok(Classifier {
        neighbours: k,
        temperature,
    })
}

struct Command<'a> {
    arguments: &'a Knn,
    classifier: Classifier,
    opened: Opened,
    /// Training and test images, opened for the first encoder.
    sources: Option<[Arc<dyn Source>; 2]>,
    /// Each computes features of a part of the images, and classifies a part of the test images.
    ranks: Ranks,
}

impl Command<'_> {
    /// Evaluates one encoder.
    fn evaluate(&mut self, file: &WeightFile) -> Result<Report> {
        let branch = parallax_weights::Branch::from(self.arguments.branch);
        let (encoder, recipe) = encoder_from(file, branch.prefix(), &self.opened.device)?;
        let mut extractor = Extractor::new(&encoder, recipe.views.size, &self.opened.device);
        let [train, test] = match &self.sources {
            Some(sources) => sources.clone(),
            None => {
                let Knn { train, test, .. } = self.arguments;
                let pair = Pair::open(&recipe, train.as_deref(), test.as_deref())?;
                let sources = [pair.train, pair.test];
                if self.ranks.is_first() {
                    let own = self.ranks.part(sources[1].len());
                    self.announce(own.len(), extractor.columns());
                }
                self.sources.insert(sources).clone()
            }
        };
        let images = test.len();
        if images < self.ranks.size() {
            let message = format!(
                "there are {images} test images for {} ranks: start fewer",
                self.ranks.size()
            );
            return Err(BadArgument(message).into());
        }
        let part = Part {
            source: test.as_ref(),
            images: self.ranks.part(images),
        };
        let mut test = Images {
            extractor: &mut extractor,
            source: &part,
            what: "test images",
            threads: device::threads(),
            ranks: Ranks::ONE,
        };
        let (test_labels, search) = (test.labels()?, self.search(&mut test)?);
        let mut train = Images {
            extractor: &mut extractor,
            source: train.as_ref(),
            what: "training images",
            threads: device::threads(),
            ranks: self.ranks,
        };
        let (train_labels, neighbours) = (train.labels()?, compare(search, &mut train)?);
        let accuracy = self
            .classifier
            .vote(&neighbours, &train_labels, &test_labels);
        let accuracy = self.of_all(accuracy, test_labels.len(), images)?;
        let examples = [train_labels.len(), images];
        Ok(Report::new(accuracy, examples, &self.classifier))
    }

    /// The accuracy on all `images` from that on the `part` of this rank, by numbers of images, which have no rounding.
    fn of_all(&self, own: TopAccuracy, part: usize, images: usize) -> Result<TopAccuracy> {
        if self.ranks.is_one() {
            return Ok(own);
        }
        let right = [own.top1, own.top5].map(|percent| (percent * part as f64 / 100.0).round());
        let right = self.ranks.sum(right.to_vec())?;
        let percent = |at: usize| 100.0 * right[at] / images as f64;
        Ok(TopAccuracy {
            top1: percent(0),
            top5: percent(1),
        })
    }

    /// Evaluates features in files. The training features are read once for each part of the test examples that fits into
    /// memory.
    fn files(&self, train: &Path, test: &Path) -> Result<Report> {
        let (mut train, mut test) = (FeatureFile::open(train)?, FeatureFile::open(test)?);
        if train.columns() != test.columns() {
            let message = format!(
                "{} has {} features an example, {} {}: both must come from the same encoder",
                train.name(),
                train.columns(),
                test.name(),
                test.columns()
            );
            return Err(BadArgument(message).into());
        }
        if let (Some(own), Some(other)) = (&train.classes, &test.classes) {
            same_classes((&train.name(), own), (&test.name(), other))?;
        }
        let (train_labels, rows) = (train.labels()?, test.labels()?.len());
        let k = self.classifier.neighbours;
        let memory = |rows| Search::memory(&self.opened.device, rows, test.columns(), k);
        let row = memory(4097) - memory(4096);
        let part = ((PART / row) as usize).clamp(1, rows);
        self.announce(part, test.columns());
        let (mut top1, mut top5) = (0.0, 0.0);
        for from in (0..rows).step_by(part) {
            test.narrow(from..(from + part).min(rows));
            let labels = test.labels()?;
            let neighbours = compare(self.search(&mut test)?, &mut train)?;
            let accuracy = self.classifier.vote(&neighbours, &train_labels, &labels);
            let share = labels.len() as f64 / rows as f64;
            top1 += share * accuracy.top1;
            top5 += share * accuracy.top5;
        }
        let examples = [train_labels.len(), rows];
        let accuracy = TopAccuracy { top1, top5 };
        Ok(Report::new(accuracy, examples, &self.classifier))
    }

    /// A search of the neighbours of test examples.
    fn search(&self, test: &mut dyn Stream) -> Result<Search> {
        let mut queries = Queries::new(&self.opened.device);
        test.blocks(&mut |features| Ok(queries.add(features)?))?;
        Ok(queries.search(self.classifier.neighbours))
    }

    /// Says how much memory the search will take.
    fn announce(&self, test: usize, columns: usize) {
        let k = self.classifier.neighbours;
        let bytes = Search::memory(&self.opened.device, test, columns, k);
        eprintln!(
            "memory of the search: about {}, however many training images there are",
            memory::size(bytes)
        );
    }
}

/// Searches among training examples.
fn compare(mut search: Search, train: &mut dyn Stream) -> Result<Vec<Vec<Neighbour>>> {
    train.blocks(&mut |features| Ok(search.add(features)?))?;
    Ok(search.finish())
}
