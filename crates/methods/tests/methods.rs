//! Target network and queue (methods.md 2.4, 3.2).
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use parallax_methods::{
    BnConfig, BnKind, Method, MethodConfig, MethodKind, Queue, Views, cross_entropy, ema_update,
    one_hot,
};
use parallax_nets::names::{self, Visit, is_buffer};
use parallax_nets::{Arch, Head, HeadKind, Init, ResNetConfig, StageConfig, Stem};
use parallax_ranks::Ranks;

fn config(kind: MethodKind) -> MethodConfig {
    MethodConfig {
        network: ResNetConfig {
            arch: Arch::Tiny,
            stem: Stem::Small,
            width: 4,
            stages: StageConfig::STANDARD,
            head: HeadKind::None,
            hidden: 8,
            out: 4,
        },
        bn: BnConfig {
            kind: kind.bn(),
            bn_groups: 1,
            ranks: Ranks::ONE,
        },
        temperature: 0.2,
        queue: 10,
        seed: 3,
        predictor: true,
        recompute: false,
    }
}

/// Values of every parameter or every buffer, with names.
fn values<M: Module>(network: &M, buffers: bool) -> Vec<(String, Vec<f32>)> {
    struct Read(bool, Vec<(String, Vec<f32>)>);
    impl Visit for Read {
        fn tensor<const D: usize>(&mut self, name: &str, tensor: Tensor<D>) {
            if is_buffer(name) == self.0 {
                let values = tensor
                    .without_autodiff()
                    .into_data()
                    .iter::<f32>()
                    .collect();
                self.1.push((name.to_string(), values));
            }
        }
    }
    let mut read = Read(buffers, Vec::new());
    names::visit(network, &mut read);
    read.1
}

fn images(batch: usize, phase: f32) -> Tensor<4> {
    let values: Vec<f32> = (0..batch * 3 * 64)
        .map(|i| (i as f32 * 0.7 + phase).sin() + (i as f32 * i as f32 * 0.013).sin())
        .collect();
    Tensor::<1>::from_floats(values.as_slice(), &Device::flex()).reshape([batch, 3, 8, 8])
}

fn views(enqueue_second: Vec<bool>, order: Vec<u32>) -> Views {
    Views {
        first: images(4, 0.0),
        second: images(4, 0.5),
        labels: Tensor::from_ints([0, 3, 1, 2], &Device::flex()),
        enqueue_second,
        order,
    }
}

fn step(method: &mut dyn Method) -> f32 {
    let output = method.loss(views(vec![false], vec![0, 1, 2, 3]));
    output.loss.into_scalar::<f32>()
}

fn rows(tensor: Tensor<2>) -> Vec<Vec<f32>> {
    let columns = tensor.dims()[1];
    let values: Vec<f32> = tensor.into_data().iter::<f32>().collect();
    values.chunks(columns).map(<[f32]>::to_vec).collect()
}

#[test]
fn the_target_starts_as_the_online_network() {
    for kind in MethodKind::ALL {
        let method = kind.build(&config(kind), &Device::flex());
        let parts = method.parts();
        let online = values(parts.online, false);
        let target = parts.target.map(|target| values(target, false));
        assert_eq!(target.is_some(), kind.spec().heads.target.is_some());
        let Some(target) = target else {
            continue;
        };
        assert_eq!(online[..target.len()], target);
        let rest: Vec<&str> = online[target.len()..]
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        // Only in MoCo v2+ and BYOL the target lacks the predictor.
        match kind {
            MethodKind::MocoV2Plus | MethodKind::Byol => assert_eq!(rest[0], "fc.4.weight"),
            _ => assert!(rest.is_empty(), "{rest:?}"),
        }
    }
}

#[test]
fn without_predictor_byol_agrees_with_its_own_copy() {
    let config = MethodConfig {
        predictor: false,
        ..config(MethodKind::Byol)
    };
    let mut method = MethodKind::Byol.build(&config, &Device::flex());
    let parts = method.parts();
    let target = parts.target.map(|target| values(target, false));
    assert_eq!(Some(values(parts.online, false)), target);
    // Both networks are the same function, so that equal views leave nothing to learn: 2 - 2 n.n = 0.
    let same = Views {
        second: images(4, 0.0),
        ..views(vec![false], vec![0, 1, 2, 3])
    };
    let loss = method.loss(same).loss.into_scalar::<f32>();
    assert!(loss.abs() < 1e-6, "{loss}");
    // Different views leave what a predictor does not touch.
    assert!(step(method.as_mut()) > 1e-3);
}

#[test]
fn the_ema_update_moves_parameters_and_keeps_running_statistics() {
    for kind in [
        MethodKind::Byol,
        MethodKind::SMocoV2Plus,
        MethodKind::MocoV1,
    ] {
        let mut method = kind.build(&config(kind), &Device::flex());
        step(method.as_mut());
        let read = |method: &dyn Method, buffers| {
            method
                .parts()
                .target
                .map(|target| values(target, buffers))
                .unwrap()
        };
        let before = read(method.as_ref(), true);
        let moved =
            |(_, values): &(String, Vec<f32>)| values.iter().any(|v| *v != 0.0 && *v != 1.0);
        assert!(before.iter().any(moved));
        // Away from the online network, then back: m = 0 copies.
        let online = method.online().clone();
        *method.parts_mut().online = names::map(online, &mut Double);
        method.update_target(0.0);
        assert_eq!(
            read(method.as_ref(), true),
            before,
            "buffers are not averaged"
        );
        let target = read(method.as_ref(), false);
        assert_eq!(values(method.online(), false)[..target.len()], target);
    }
}

/// Any module can have an EMA, and what only one of the two modules has stays.
#[test]
fn the_ema_of_any_module_pairs_parameters_by_name() {
    let device = Device::flex();
    let head = |kind, seed| Head::new(&mut Init::new(seed, &device), kind, 3, 4, 2);
    let online = head(HeadKind::ProjectorPredictor, 1);
    let target = head(HeadKind::Projector, 2);
    let read = |head: &Head| values(head, false).into_iter().collect::<BTreeMap<_, _>>();
    let (from, before) = (read(&online), read(&target));
    let after = read(&ema_update(target, &online, 0.75));
    assert_eq!(after.len(), before.len());
    for (name, values) in after {
        let pairs = before[&name].iter().zip(&from[&name]);
        for (value, (old, new)) in values.iter().zip(pairs) {
            assert!((value - (0.75 * old + 0.25 * new)).abs() < 1e-6, "{name}");
        }
    }
    // The other way round the predictor stays.
    let target = head(HeadKind::Projector, 2);
    let after = read(&ema_update(online, &target, 0.0));
    assert_eq!(after["4.weight"], from["4.weight"]);
    assert_eq!(after["3.weight"], before["3.weight"]);
}

struct Double;

impl names::Map for Double {
    fn tensor<const D: usize>(&mut self, name: &str, tensor: Tensor<D>) -> Tensor<D> {
        if is_buffer(name) {
            tensor
        } else {
            tensor * 2.0
        }
    }
}

#[test]
fn a_loss_moves_running_statistics_and_nothing_else() {
    for kind in MethodKind::ALL {
        let mut method = kind.build(&config(kind), &Device::flex());
        let online = values(method.online(), false);
        let queue = |method: &dyn Method| {
            let queue = method.parts().queue;
            queue.map(|queue| (rows(queue.keys.clone()), queue.pointer))
        };
        let before = queue(method.as_ref());
        assert_eq!(before.is_some(), kind.spec().queue);
        step(method.as_mut());
        assert_eq!(values(method.online(), false), online);
        assert_eq!(queue(method.as_ref()), before);
    }
}

#[test]
fn each_bn_group_enqueues_the_keys_of_one_view() {
    let keys = |coins: Vec<bool>| {
        let kind = MethodKind::MocoV2Plus;
        let mut method = kind.build(&config(kind), &Device::flex());
        rows(method.loss(views(coins, Vec::new())).keys.unwrap())
    };
    let (first, second) = (keys(vec![false]), keys(vec![true]));
    assert_ne!(first, second);
    let mixed = keys(vec![false, true]);
    assert_eq!(mixed[..2], first[..2]);
    assert_eq!(mixed[2..], second[2..]);
}

fn per_group(kind: MethodKind, bn_groups: usize) -> Box<dyn Method> {
    let bn = BnConfig {
        kind: BnKind::PerGroup,
        bn_groups,
        ranks: Ranks::ONE,
    };
    let config = MethodConfig { bn, ..config(kind) };
    kind.build(&config, &Device::flex())
}

#[test]
fn keys_of_a_shuffled_batch_come_back_in_order() {
    let keys = |bn_groups, order: Vec<u32>| {
        let mut method = per_group(MethodKind::MocoV1, bn_groups);
        rows(method.loss(views(vec![false], order)).keys.unwrap())
    };
    // The groups {0, 1} and {2, 3} have the same statistics in any order within.
    let plain = keys(2, vec![0, 1, 2, 3]);
    let same = keys(2, vec![3, 2, 1, 0]);
    for (a, b) in plain.iter().flatten().zip(same.iter().flatten()) {
        assert!((a - b).abs() < 1e-6, "{a} is not {b}");
    }
    // Other groups have others.
    let other = keys(2, vec![0, 2, 1, 3]);
    let far = |a: &[Vec<f32>], b: &[Vec<f32>]| {
        let pairs = a.iter().flatten().zip(b.iter().flatten());
        pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    };
    assert!(far(&plain, &other) > 1e-3);
    // With one group the order is irrelevant.
    let (one, shuffled) = (keys(1, vec![0, 1, 2, 3]), keys(1, vec![2, 0, 3, 1]));
    assert_eq!(one, shuffled);
}

#[test]
fn running_statistics_are_those_of_the_first_bn_group() {
    let statistics = |method: &dyn Method| values(method.online(), true);
    let mut whole = per_group(MethodKind::Supervised, 2);
    step(whole.as_mut());
    let mut first = per_group(MethodKind::Supervised, 1);
    let all = views(vec![false], Vec::new());
    first.loss(Views {
        first: all.first.narrow(0, 0, 2),
        second: all.second.narrow(0, 0, 2),
        labels: all.labels.narrow(0, 0, 2),
        ..views(vec![false], Vec::new())
    });
    assert_eq!(statistics(whole.as_ref()), statistics(first.as_ref()));
}

#[test]
fn plainsync_differs_in_the_running_variance_alone() {
    let after = |kind, bn_groups| {
        let method = MethodKind::MocoV2Plus;
        let ranks = Ranks::ONE;
        let bn = BnConfig {
            kind,
            bn_groups,
            ranks,
        };
        let config = MethodConfig {
            bn,
            ..config(method)
        };
        let mut method = method.build(&config, &Device::flex());
        let loss = step(method.as_mut());
        (loss, values(method.online(), true))
    };
    let sync = after(BnKind::Sync, 2);
    assert_eq!(
        after(BnKind::Plainsync, 1),
        sync,
        "with one group it is ordinary"
    );
    let plain = after(BnKind::Plainsync, 2);
    assert_eq!(plain.0, sync.0);
    for ((name, a), (_, b)) in plain.1.iter().zip(&sync.1) {
        assert_eq!(a == b, !name.ends_with("var"), "{name}");
    }
}

#[test]
fn cross_entropy_is_that_of_the_label() {
    let device = Device::flex();
    let logits = Tensor::<2>::from_floats([[1.0, 2.0, 0.5], [0.0, -1.0, 3.0]], &device);
    let labels = Tensor::from_ints([1, 0], &device);
    let loss = cross_entropy(logits, one_hot(labels, 3)).into_scalar::<f32>();
    let row = |logits: [f32; 3], label: usize| {
        logits.iter().map(|l| l.exp()).sum::<f32>().ln() - logits[label]
    };
    let expected = (row([1.0, 2.0, 0.5], 1) + row([0.0, -1.0, 3.0], 0)) / 2.0;
    assert!((loss - expected).abs() < 1e-6, "{loss} is not {expected}");
}

#[test]
fn losses_are_in_range() {
    let loss = |kind: MethodKind| step(kind.build(&config(kind), &Device::flex()).as_mut());
    let byol = loss(MethodKind::Byol);
    assert!((0.0..=8.0).contains(&byol), "{byol}");
    let moco = loss(MethodKind::MocoV2Plus);
    // Two cross-entropies over 1 + 10 entries with similarities of at most 1 / 0.2.
    assert!(moco > 0.0 && moco < 2.0 * (11.0f32.ln() + 10.0), "{moco}");
}

#[test]
fn the_queue_wraps_around() {
    let device = Device::flex();
    let mut queue = Queue::new(5, 1, 0, &device);
    let batch = |first: f32, count: usize| {
        let values: Vec<f32> = (0..count).map(|i| first + i as f32).collect();
        Tensor::<1>::from_floats(values.as_slice(), &device).reshape([count, 1])
    };
    let keys = |queue: &Queue| queue.keys.to_data().iter::<f32>().collect::<Vec<_>>();
    assert!(
        keys(&queue).iter().all(|key| key.abs() == 1.0),
        "unit vectors of one column"
    );
    queue.enqueue(batch(10.0, 3));
    assert_eq!(
        (&keys(&queue)[..3], queue.pointer),
        (&[10.0, 11.0, 12.0][..], 3)
    );
    queue.enqueue(batch(20.0, 4));
    assert_eq!(
        (keys(&queue), queue.pointer),
        (vec![22.0, 23.0, 12.0, 20.0, 21.0], 2)
    );
    queue.enqueue(batch(30.0, 12));
    // Twelve keys written one by one at 2, 3, 4, 0, 1, ...: the last five stay.
    assert_eq!(
        (keys(&queue), queue.pointer),
        (vec![38.0, 39.0, 40.0, 41.0, 37.0], 4)
    );
}
