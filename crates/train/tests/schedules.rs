//! Schedules of the learning rate and of the EMA momentum: the values of methods.md 4.3, 5,004 steps an epoch of 256 images.
#![allow(clippy::unwrap_used)]

use parallax_train::{Curve, DataShape, EmaSchedule, EmaScheduleKind, Recipe, Schedule};

/// Training images.
const IMAGENET: DataShape = DataShape {
    examples: 1_281_167,
    classes: 1000,
    targets: 1000,
    full_examples: 1_281_167,
};

fn paper(method: &str, epochs: u64) -> Recipe {
    let text = format!("[method]\nname = '{method}'\n[run]\nepochs = {epochs}");
    Recipe::parse(&text, &[]).unwrap()
}

fn close(a: f64, b: f64) {
    assert!((a - b).abs() < 5e-11, "{a} is not {b}");
}

#[test]
fn warmup_cosine() {
    let schedule = |epochs| paper("byol", epochs).schedule(IMAGENET);
    assert_eq!(schedule(100).total_steps, 500_400);
    close(schedule(100).rate(0), 1e-6);
    close(schedule(100).rate(1), 1.599_500_4e-6);
    close(schedule(100).rate(25_020), 0.015_000_5);
    close(schedule(100).rate(50_040), 0.03);
    close(schedule(100).rate(250_200), 0.017_604_722_7);
    assert_eq!(schedule(200).total_steps, 1_000_800);
    close(schedule(200).rate(500_400), 0.016_238_690_2);
}

#[test]
fn the_rate_is_for_256_images() {
    let mut recipe = paper("byol", 100);
    recipe.run.batch_size = 1024;
    close(recipe.schedule(IMAGENET).peak, 0.12);
    // That of the classifier is not scaled.
    close(recipe.online_schedule(IMAGENET).peak, 30.0);
}

#[test]
fn cosine_has_no_rise() {
    let schedule = Schedule {
        curve: Curve::Cosine,
        peak: 0.2,
        total_steps: 400,
    };
    for (k, rate) in [(0, 0.2), (200, 0.1), (100, 0.170_710_678_118_654_75)] {
        close(schedule.rate(k), rate);
    }
}

#[test]
fn milestones_are_percents_for_moco_v1_and_epochs_for_the_classifier() {
    let recipe = paper("moco-v1", 200);
    let (main, probe) = (recipe.schedule(IMAGENET), recipe.online_schedule(IMAGENET));
    for (k, rate) in [
        (600_479, 0.03),
        (600_480, 0.003),
        (800_639, 0.003),
        (800_640, 0.0003),
    ] {
        close(main.rate(k), rate);
    }
    for (k, rate) in [
        (300_239, 30.0),
        (300_240, 3.0),
        (400_319, 3.0),
        (400_320, 0.3),
    ] {
        close(probe.rate(k), rate);
    }
}

#[test]
fn momentum_rises_to_one() {
    let momentum = EmaSchedule {
        kind: EmaScheduleKind::Cosine,
        base: 0.99,
        total_steps: 400,
    };
    let points = [
        (100, 0.991_464_466),
        (200, 0.995),
        (300, 0.998_535_534),
        (400, 1.0),
    ];
    for (t, expected) in points {
        assert!((momentum.at(t) - expected).abs() < 5e-10);
    }
}
