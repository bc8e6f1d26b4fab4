//! Runs on several ranks by `mpirun`: equal to one process, resumed, stopped and killed.
#![cfg(feature = "mpi")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/case.rs"]
mod case_files;
mod common;
mod ranks;

use std::path::{Path, PathBuf};
use std::process::Command;

use case_files::put;
use common::{Scratch, checkpoint, fail, parallax, stderr, succeed, tiny, training, weights};
use parallax_parity::{CASES, trace_case};
use parallax_weights::WeightFile;
use ranks::{Ranks, events, last_step, mpirun};
use serde_json::Value;

/// Tensors of a file, without the recipe in its metadata.
fn tensors(bytes: &[u8]) -> WeightFile {
    let mut file = WeightFile::from_bytes("weights", bytes).unwrap();
    file.recipe = None;
    file
}

#[test]
fn local_batch_norm_has_the_bits_of_gradient_accumulation() {
    let scratch = Scratch::new();
    for size in [2, 4] {
        let (one, many) = (
            scratch.join(&format!("one-{size}")),
            scratch.join(&format!("{size}")),
        );
        let run = |out: &Path| {
            let mut command = tiny("supervised", 6, out);
            command.args(["--set", "method.out=10"]);
            command
        };
        succeed(run(&one).args(["--set", &format!("run.accumulate={size}")]));
        succeed(&mut mpirun(size, &run(&many)));
        for step in [3, 6] {
            let of = |run: &Path| {
                [weights(run, step), training(run, step)].map(|bytes| tensors(&bytes).tensors)
            };
            assert!(of(&one) == of(&many), "{size} ranks at step {step}");
        }
        let losses = |run: &Path| -> Vec<f64> {
            let steps = events(run, "step");
            steps
                .iter()
                .map(|event| event["loss"].as_f64().unwrap())
                .collect()
        };
        assert_eq!((losses(&one).len(), losses(&one)), (6, losses(&many)));
        let record = std::fs::read_to_string(many.join("run.json")).unwrap();
        assert!(record.contains(&format!("\"ranks\": {size}")), "{record}");
    }
}

/// Losses of a trace.
fn losses(path: &Path) -> Vec<f64> {
    let text = std::fs::read_to_string(path).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    lines
        .map(|line: Value| line["loss"].as_f64().unwrap())
        .collect()
}

#[test]
fn every_system_traced_on_two_ranks_is_that_of_one_process_and_of_pytorch() {
    let scratch = Scratch::new();
    for (name, text) in CASES {
        let case = pollster::block_on(trace_case(name, text, 10)).unwrap();
        let folder = scratch.join(name);
        let files = put(&folder, &case);
        for (f64, near, pytorch) in [(true, 1e-9, 1e-8), (false, 1e-4, 3e-3)] {
            let trace = |out: &Path| -> Command {
                let mut command = parallax(&["trace", "--device", "cpu"]);
                command.args(&files).arg("--out").arg(out);
                if f64 {
                    command.arg("--f64");
                }
                command
            };
            let (one, two): (PathBuf, PathBuf) = (folder.join("one"), folder.join("two"));
            succeed(&mut trace(&one));
            succeed(&mut mpirun(2, &trace(&two)));
            let (one, two) = (losses(&one), losses(&two));
            assert_eq!((one.len(), two.len()), (10, 10));
            for ((one, two), expected) in one.iter().zip(&two).zip(&case.losses) {
                assert!(
                    (one - two).abs() < near * one,
                    "{name}: {two} on two ranks, {one}"
                );
                assert!(
                    (two - expected).abs() < pytorch * expected,
                    "{name}: {two}, {expected}"
                );
            }
        }
    }
}

#[test]
fn a_run_stopped_by_a_signal_and_resumed_ends_with_the_same_bits() {
    let scratch = Scratch::new();
    let run = |out: &Path| {
        let mut command = tiny("moco-v2-plus", 60, out);
        command.args(["--set", "probe.online=true"]);
        command
    };
    let (whole, part) = (scratch.join("whole"), scratch.join("part"));
    succeed(&mut mpirun(2, &run(&whole)));
    let mut ranks = Ranks::start(2, &run(&part));
    ranks.wait_for_step(&part, 10);
    ranks.signal_launcher("USR1");
    let output = ranks.end();
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("continue with --resume"),
        "{}",
        stderr(&output)
    );
    let stopped = last_step(&part);
    assert!((10..60).contains(&stopped), "{stopped}");
    checkpoint(&part, stopped);
    // With another number of ranks it is another run.
    let resumed = |size: usize, more: &[&str]| {
        let mut command = run(&part);
        command.arg("--resume").args(more);
        match size {
            1 => command,
            size => mpirun(size, &command),
        }
    };
    fail(
        &mut resumed(1, &[]),
        2,
        &["had 2 ranks", "--ranks-changed", "coins"],
    );
    succeed(&mut resumed(2, &[]));
    for step in [30, 60] {
        assert!(
            checkpoint(&part, step) == checkpoint(&whole, step),
            "step {step}"
        );
    }
}

#[test]
fn a_run_goes_on_with_another_number_of_ranks_when_told_to() {
    let scratch = Scratch::new();
    let run = scratch.join("run");
    let command = |more: &[&str]| {
        let mut command = tiny("byol", 40, &run);
        command.args(more);
        command
    };
    let mut ranks = Ranks::start(2, &command(&[]));
    ranks.wait_for_step(&run, 5);
    ranks.signal_launcher("USR1");
    assert!(ranks.end().status.success());
    let output = succeed(&mut command(&["--resume", "--ranks-changed"]));
    assert!(
        stderr(&output).contains("1 ranks instead of 2"),
        "{}",
        stderr(&output)
    );
    assert_eq!(last_step(&run), 40);
}

#[test]
fn a_rank_that_dies_ends_all_and_leaves_the_last_whole_step() {
    let scratch = Scratch::new();
    for victim in [0, 1] {
        let run = scratch.join(&format!("victim-{victim}"));
        let mut command = tiny("byol", 100_000, &run);
        command.args(["--set", "checkpoint.every_steps=1000000"]);
        let mut ranks = Ranks::start(2, &command);
        ranks.wait_for_step(&run, 8);
        ranks.kill(victim);
        let began = std::time::Instant::now();
        let output = ranks.end();
        assert!(began.elapsed().as_secs() < 30, "{:?}", began.elapsed());
        let message = stderr(&output);
        assert!(
            !output.status.success() && message.contains("another rank has ended"),
            "{message}"
        );
        let saved = ranks::saved(&run);
        let last = last_step(&run);
        assert_eq!(saved.len(), 1, "{message}");
        // The step that was logged last may have been followed by one that rank 0 did not live to log.
        assert!(
            saved[0] == last || saved[0] == last + 1,
            "{saved:?} {last}\n{message}"
        );
        checkpoint(&run, saved[0]);
    }
}

#[test]
fn wrong_use_is_an_error_that_says_what_to_do() {
    let scratch = Scratch::new();
    let run = |overrides: &[&str]| {
        let mut command = tiny("moco-v1", 2, &scratch.join("never"));
        for value in overrides {
            command.args(["--set", value]);
        }
        mpirun(2, &command)
    };
    let fails = |command: &mut Command, text: &str| {
        let output = command.output().unwrap();
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{message}");
        assert_eq!(message.matches(text).count(), 1, "{text}: {message}");
    };
    fails(
        &mut run(&["run.batch_size=9"]),
        "cannot be divided among 2 ranks; 8 can",
    );
    fails(&mut run(&["run.accumulate=2"]), "ShuffleBN");
    fails(&mut run(&["method.bn=nonsense"]), "unknown variant");
    let features = [
        "features",
        "--weights",
        "nothing",
        "--data",
        "sample",
        "--out",
        "f.npy",
    ];
    let output = mpirun(2, &parallax(&features)).output().unwrap();
    assert!(
        stderr(&output).contains("start one process"),
        "{}",
        stderr(&output)
    );
    assert!(!scratch.join("never").exists());
}

#[test]
fn the_probe_and_the_final_table_are_those_of_one_process() {
    let scratch = Scratch::new();
    let (one, two) = (scratch.join("one"), scratch.join("two"));
    let run = |out: &Path| {
        let mut command = tiny("byol", 2, out);
        for value in [
            "probe.table=true",
            "probe.knn_every=1",
            "data.class_ratio=0.2",
            "run.batch_size=64",
        ] {
            command.args(["--set", value]);
        }
        command
    };
    succeed(&mut run(&one));
    succeed(&mut mpirun(2, &run(&two)));
    let table = |run: &Path| events(run, "done")[0]["table"].clone();
    let (one, two) = (table(&one), table(&two));
    let rows = one.as_array().unwrap().iter().zip(two.as_array().unwrap());
    for (one, two) in rows {
        for metric in ["knn", "linear"] {
            let of = |row: &Value| row[metric].as_f64().unwrap();
            // Of the same pixels and random weights they are the same; trained weights differ in rounding.
            let near = if one["encoder"] == "trained" {
                1.0
            } else {
                1e-9
            };
            assert!((of(one) - of(two)).abs() <= near, "{metric}: {one} {two}");
        }
    }
}

mod slow {
    use std::process::{Command, Stdio};
    use std::thread::sleep;
    use std::time::Duration;

    use super::*;

    #[test]
    #[ignore = "slow: `cargo xtask test slow` runs it"]
    fn every_system_has_the_same_bits_on_every_rank_after_a_hundred_steps() {
        let scratch = Scratch::new();
        let lars: &[&str] = &["optimizer.name=lars"];
        let systems = [
            ("supervised", &["method.out=10"][..]),
            ("moco-v1", &[]),
            ("moco-v2", &[]),
            ("moco-v2-plus", &[]),
            ("s-moco-v2-plus", &[]),
            ("moco-v2-plus", lars),
            ("byol", &[]),
            ("byol", lars),
        ];
        for (number, (method, overrides)) in systems.into_iter().enumerate() {
            for size in [2, 4] {
                let out = scratch.join(&format!("{number}-{size}"));
                let mut command = tiny(method, 100, &out);
                for value in overrides.iter().chain(&["probe.online=true"]) {
                    command.args(["--set", value]);
                }
                // At each of the 34 saves the ranks compare their states.
                succeed(&mut mpirun(size, &command));
                assert_eq!(ranks::saved(&out).len(), 34, "{method}");
            }
        }
    }

    #[test]
    #[ignore = "slow: `cargo xtask test slow` runs it"]
    fn twenty_five_kills_of_a_random_rank_lose_nothing_that_was_saved() {
        let scratch = Scratch::new();
        let run = |out: &Path| {
            let mut command = tiny("moco-v2-plus", 400, out);
            command.args(["--set", "probe.online=true"]);
            command
        };
        let (whole, killed) = (scratch.join("whole"), scratch.join("killed"));
        succeed(&mut mpirun(2, &run(&whole)));
        let mut newest = 0;
        for number in 0..25u32 {
            let mut command = run(&killed);
            if killed.join("recipe.toml").exists() {
                command.arg("--resume");
            }
            let mut ranks = Ranks::start(2, &command);
            let chance = number * 73 % 101;
            ranks.wait_for_step(&killed, newest + 1 + chance % 9);
            sleep(Duration::from_millis(u64::from(chance % 7)));
            ranks.kill((chance % 2) as usize);
            let output = ranks.end();
            assert!(!output.status.success(), "kill {number}");
            let saved = ranks::saved(&killed);
            let now = saved.last().copied().unwrap_or(0);
            let last = last_step(&killed);
            assert!(now >= newest, "{newest} was saved, {now} is left");
            assert!(
                last.saturating_sub(now) <= 3,
                "kill {number}: {last} was logged, {now} saved"
            );
            println!("kill {number}: step {last} was logged last, {now} is saved");
            newest = now;
        }
        succeed(&mut mpirun(2, run(&killed).arg("--resume")));
        assert!(checkpoint(&killed, 400) == checkpoint(&whole, 400));
    }

    /// Two hosts, as far as the network is concerned: two namespaces, connected by a pair of interfaces.
    struct Namespaces;

    impl Namespaces {
        fn make() -> Result<Self, String> {
            for line in [
                "netns add parallax-a",
                "netns add parallax-b",
                "link add pxa netns parallax-a type veth peer name pxb netns parallax-b",
                "-n parallax-a addr add 10.231.7.1/24 dev pxa",
                "-n parallax-b addr add 10.231.7.2/24 dev pxb",
                "-n parallax-a link set pxa up",
                "-n parallax-b link set pxb up",
                "-n parallax-a link set lo up",
                "-n parallax-b link set lo up",
            ] {
                let ran = Command::new("ip").args(line.split(' ')).output();
                let ran = ran.map_err(|error| format!("ip: {error}"))?;
                if !ran.status.success() {
                    return Err(format!(
                        "ip {line}: {}",
                        String::from_utf8_lossy(&ran.stderr)
                    ));
                }
            }
            Ok(Self)
        }
    }

    impl Drop for Namespaces {
        fn drop(&mut self) {
            for name in ["parallax-a", "parallax-b"] {
                let delete = Command::new("ip")
                    .args(["netns", "del", name])
                    .stderr(Stdio::null())
                    .status();
                let _ = delete;
            }
        }
    }

    #[test]
    #[ignore = "slow: `cargo xtask test slow` runs it"]
    fn two_network_namespaces_are_two_hosts() {
        let _namespaces = match Namespaces::make() {
            Ok(made) => made,
            Err(reason) => {
                drop(Namespaces);
                println!("skipped: this machine forbids network namespaces ({reason})");
                return;
            }
        };
        let scratch = Scratch::new();
        let (near, far) = (scratch.join("near"), scratch.join("far"));
        let run = |out: &Path| tiny("byol", 12, out);
        succeed(&mut mpirun(2, &run(&near)));
        // mpirun reaches its daemon in the other namespace by what it takes for ssh.
        let agent = scratch.join("agent");
        std::fs::write(
            &agent,
            "#!/bin/sh\nshift\nexec ip netns exec parallax-b sh -c \"$*\"\n",
        )
        .unwrap();
        succeed(Command::new("chmod").arg("+x").arg(&agent));
        let command = run(&far);
        let mut ip = Command::new("ip");
        ip.args([
            "netns",
            "exec",
            "parallax-a",
            "mpirun",
            "--allow-run-as-root",
        ])
        .args([
            "--host",
            "10.231.7.1,10.231.7.2",
            "-n",
            "2",
            "--map-by",
            "node",
        ])
        .args(["--mca", "plm_rsh_agent", agent.to_str().unwrap()])
        .args([
            "--mca",
            "btl",
            "self,tcp",
            "--mca",
            "btl_tcp_if_include",
            "10.231.7.0/24",
        ])
        .args([
            "--mca",
            "oob_tcp_if_include",
            "10.231.7.0/24",
            "--oversubscribe",
        ])
        .args(["-x", "RAYON_NUM_THREADS"])
        .arg(command.get_program())
        .args(command.get_args())
        .env("RAYON_NUM_THREADS", "1");
        succeed(&mut ip);
        assert!(checkpoint(&far, 12) == checkpoint(&near, 12));
    }
}
