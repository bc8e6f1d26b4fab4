//! Self-supervised visual pre-training: the command line.

mod augment;
mod bench;
mod checkpoints;
mod cli;
mod convert;
mod csv;
mod data;
mod detect;
mod device;
mod devices;
mod driver;
mod eval;
mod features;
mod figure;
mod knn;
mod lock;
mod matrices;
mod memory;
mod norm_rescale;
mod norms;
mod plan;
mod png;
mod prefetch;
mod pretrain;
mod progress;
mod ranks;
mod recipe;
mod report;
mod run_folder;
mod score;
mod segment;
mod session;
mod sources;
mod stop;
mod study;
mod taxonomy;
mod tensorboard;
mod text;
mod trace;
mod transfer;
mod transfer_op;
mod transfer_trace;
mod usage;
mod weights;
mod whole;

use std::process::ExitCode;

use clap::Parser as _;
use parallax_eval::EvalError;
use parallax_train::{RecipeError, RunError};
use parallax_transfer::TransferError;

use cli::{Cli, Command};
use usage::BadArgument;

#[global_allocator]
static ALLOCATOR: memory::Allocator = memory::Allocator;

/// Without a desktop, Mesa's layer that asks it for the preferred GPU complains about its absence, twice, at every
/// start. There is nothing to prefer then: the layer is told to stay out.
fn quiet_without_a_desktop() {
    let desktop = ["XDG_RUNTIME_DIR", "DISPLAY", "NODEVICE_SELECT"];
    if cfg!(target_os = "linux") && desktop.iter().all(|name| std::env::var_os(name).is_none()) {
        #[expect(
            unsafe_code,
            reason = "the layer reads the environment and nothing else"
        )]
        // SAFETY: `main` calls this first, when there is no other thread yet.
        unsafe {
            std::env::set_var("NODEVICE_SELECT", "1");
        }
    }
}

fn main() -> ExitCode {
    quiet_without_a_desktop();
    let command = Cli::parse().command;
    if let Err(error) = connect(&command) {
        eprintln!("error: {error:#}");
        return ranks::leave(None, if is_usage(&error) { 2 } else { 1 });
    }
    // From one of the pool's own threads: handing it work from outside costs two thread switches an operation.
    let done = rayon::scope(|_| match command {
        Command::Pretrain(arguments) => pretrain::run(&arguments),
        Command::Plan(arguments) => plan::run(&arguments),
        Command::Augment(arguments) => augment::run(&arguments),
        Command::Trace(arguments) => trace::run(&arguments),
        Command::Features(arguments) => features::run(&arguments),
        Command::Knn(arguments) => knn::run(&arguments),
        Command::LinearEval(arguments) => eval::linear_eval(&arguments),
        Command::Finetune(arguments) => eval::finetune(&arguments),
        Command::Convert(arguments) => convert::run(&arguments),
        Command::NormRescale(arguments) => norm_rescale::run(&arguments),
        Command::Norms(arguments) => norms::run(&arguments),
        Command::Detect(arguments) => detect::run(&arguments),
        Command::Segment(arguments) => segment::run(&arguments),
        Command::Score(arguments) => score::run(&arguments),
        Command::TransferOp(arguments) => transfer_op::run(&arguments),
        Command::TransferTrace(arguments) => transfer_trace::run(&arguments),
        Command::Study(arguments) => study::run(&arguments),
        Command::Report(arguments) => report::run(&arguments),
        Command::Taxonomy(arguments) => taxonomy::run(&arguments),
        Command::Devices { json } => devices::run(json),
        Command::Bench { command } => bench::run(&command),
        Command::Data { command } => data::cli::run(command),
    });
    match done {
        Ok(()) => ranks::leave(None, 0),
        Err(error) => {
            if ranks::speaks(&error) {
                eprintln!("{}", ranks::message(&error));
            }
            let code = match error.downcast_ref::<ranks::Elsewhere>() {
                Some(elsewhere) => elsewhere.code,
                None if is_usage(&error) => 2,
                None => 1,
            };
            ranks::leave(Some(&error), code)
        }
    }
}

/// Connects the ranks of commands that run on several; others run once, in one process.
fn connect(command: &Command) -> Result<(), anyhow::Error> {
    match command {
        Command::Pretrain(_) | Command::Trace(_) | Command::LinearEval(_) | Command::Knn(_) => {
            ranks::connect().map(|_| ())
        }
        _ if ranks::launched() > 1 => {
            let message = "of the commands, pretrain, linear-eval, knn and trace run on several ranks: start one process";
            Err(BadArgument(message.to_string()).into())
        }
        _ => Ok(()),
    }
}

fn is_usage(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        // A run passes a recipe's error on as its own.
        let of_run = cause.downcast_ref::<RunError>();
        let of_recipe = matches!(
            of_run,
            Some(RunError::Recipe(_) | RunError::TooLarge { .. })
        );
        let of_evaluation = cause.downcast_ref().is_some_and(EvalError::is_usage);
        let of_transfer = matches!(
            cause.downcast_ref::<TransferError>(),
            Some(TransferError::Recipe(_))
        );
        of_recipe
            || of_evaluation
            || of_transfer
            || cause.is::<RecipeError>()
            || cause.is::<BadArgument>()
    })
}
