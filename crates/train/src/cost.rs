//! What a step costs, before it is taken: parameters, multiply-adds, values that devices exchange.

use parallax_nets::{HeadKind, NetworkSize, ResNetConfig};

use crate::recipe::Recipe;

/// The networks of a recipe.
pub(crate) struct Networks {
    /// Without a head.
    pub base: ResNetConfig,
    pub online: NetworkSize,
    pub target: Option<NetworkSize>,
    /// Passes of each: a symmetric method keeps the graphs of both views for the backward pass; the target keeps none.
    pub passes: usize,
    /// Keys of the queue.
    pub keys: usize,
}

impl Networks {
    pub fn of(recipe: &Recipe, classes: usize) -> Self {
        let method = recipe.method.name.spec();
        let base = recipe.method_config(classes).network;
        let heads = recipe.method.name.heads(recipe.method.predictor);
        let size = |head| sized(base, head, recipe);
        Self {
            base,
            online: size(heads.online),
            target: heads.target.map(size),
            passes: if method.symmetric { 2 } else { 1 },
            keys: match method.queue {
                true => recipe.method.queue,
                false => 0,
            },
        }
    }
}

/// The size of a network with a head, for the recipe's views.
pub(crate) fn sized(base: ResNetConfig, head: HeadKind, recipe: &Recipe) -> NetworkSize {
    ResNetConfig { head, ..base }.size(recipe.views.size as usize)
}

/// Sizes of a step of a recipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepCost {
    /// Trained parameters: of the online network, its heads included.
    pub parameters: u64,
    /// Values of a checkpoint: both networks, velocities, the queue.
    pub saved: u64,
    /// Multiply-adds of an image: each online pass counts three times (forward, and the gradients of inputs and weights), each target
    /// pass once.
    pub multiply_adds: u64,
    /// Values of an image's keys, which every device needs of every other one.
    pub keys: u64,
}

impl StepCost {
    /// Of a recipe; `classes` is the number of classes of the data.
    pub fn of(recipe: &Recipe, classes: usize) -> Self {
        let Networks {
            base,
            online,
            target,
            passes,
            keys,
        } = Networks::of(recipe, classes);
        let of_target = target.map_or(0, |target| target.multiply_adds);
        let queue = keys * base.out;
        let parameters = online.parameters as u64;
        Self {
            parameters,
            saved: 2 * parameters + target.map_or(0, |t| t.parameters as u64) + queue as u64,
            multiply_adds: (passes * (3 * online.multiply_adds + of_target)) as u64,
            keys: match recipe.method.name.spec().queue {
                true => (passes * base.out) as u64,
                false => 0,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn cost(text: &str) -> StepCost {
        StepCost::of(&Recipe::parse(text, &[]).unwrap(), 1000)
    }

    /// torchvision gives ResNet-50 25,557,032 parameters and 4.09 billion multiply-adds at 224 px (with the stride in the 3x3),
    /// ResNet-18 11,689,512 and 1.81 billion.
    #[test]
    fn networks_have_the_sizes_that_torchvision_gives() {
        let of = |arch: &str| {
            let model =
                format!("[model]\narch = '{arch}'\nstem = 'imagenet'\n[views]\nsize = 224\n");
            cost(&format!("{model}[method]\nname = 'supervised'\n"))
        };
        for (arch, parameters, multiply_adds) in [
            ("resnet50", 25_557_032, 4.09e9),
            ("resnet18", 11_689_512, 1.81e9),
        ] {
            let cost = of(arch);
            assert_eq!(cost.parameters, parameters);
            let ratio = cost.multiply_adds as f64 / (3.0 * multiply_adds);
            assert!((ratio - 1.0).abs() < 0.01, "{arch}: {ratio}");
            assert_eq!((cost.keys, cost.saved), (0, 2 * parameters));
        }
    }

    #[test]
    fn symmetric_methods_cost_twice_as_much() {
        let of = |method: &str| {
            cost(&format!(
                "[method]\nname = '{method}'\n[model]\narch = 'resnet50'\n"
            ))
        };
        let (moco, byol, supervised) = (of("moco-v2"), of("byol"), of("supervised"));
        let ratio = |a: StepCost, b: StepCost| a.multiply_adds as f64 / b.multiply_adds as f64;
        assert!((ratio(byol, moco) - 2.0).abs() < 0.02);
        assert!((ratio(moco, supervised) - 4.0 / 3.0).abs() < 0.02);
        assert_eq!((moco.keys, byol.keys), (128, 0));
    }
}
