//! Target network and queue (methods.md 2.4, 3.2).

use burn::tensor::{Device, Tensor};
use parallax_methods::{Method, MethodConfig, MethodKind, Queue, Views, build};
use parallax_nets::names::{self, Visit, is_buffer};
use parallax_nets::{Arch, HeadKind, ResNet, ResNetConfig, Stem};

fn config(kind: MethodKind) -> MethodConfig {
    MethodConfig {
        kind,
        network: ResNetConfig {
            arch: Arch::Tiny,
            stem: Stem::Small,
            width: 4,
            head: HeadKind::None,
            hidden: 8,
            out: 4,
        },
        temperature: 0.2,
        queue: 10,
        seed: 3,
    }
}

/// Values of every parameter or every buffer, with names.
fn values(network: &ResNet, buffers: bool) -> Vec<(String, Vec<f32>)> {
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

fn step(method: &mut dyn Method) -> f32 {
    let device = Device::flex();
    let pictures = |phase: f32| {
        let values: Vec<f32> = (0..4 * 3 * 64)
            .map(|i| (i as f32 * 0.7 + phase).sin())
            .collect();
        Tensor::<1>::from_floats(values.as_slice(), &device).reshape([4, 3, 8, 8])
    };
    let views = Views {
        first: pictures(0.0),
        second: pictures(0.5),
        enqueue_second: false,
    };
    method.loss(views).loss.into_scalar::<f32>()
}

#[test]
fn the_target_starts_as_the_online_network_without_its_predictor() {
    for kind in MethodKind::ALL {
        let method = build(&config(kind), &Device::flex());
        let (online, target) = (
            values(method.online(), false),
            values(method.target(), false),
        );
        assert_eq!(online[..target.len()], target);
        assert!(online.len() > target.len() && online[target.len()].0.starts_with("fc.4"));
    }
}

#[test]
fn the_target_follows_in_parameters_and_keeps_its_own_statistics() {
    let mut method = build(&config(MethodKind::Byol), &Device::flex());
    step(method.as_mut());
    let before = values(method.target(), true);
    assert!(
        before
            .iter()
            .any(|(_, values)| values.iter().any(|v| *v != 0.0 && *v != 1.0))
    );
    method.update_target(0.0);
    assert_eq!(
        values(method.target(), true),
        before,
        "buffers are not averaged"
    );
    let target = values(method.target(), false);
    assert_eq!(
        values(method.online(), false)[..target.len()],
        target,
        "m = 0 copies"
    );
}

#[test]
fn losses_are_in_range() {
    let byol = step(build(&config(MethodKind::Byol), &Device::flex()).as_mut());
    assert!((0.0..=8.0).contains(&byol), "{byol}");
    let moco = step(build(&config(MethodKind::MocoV2Plus), &Device::flex()).as_mut());
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
