//! NormRescale against PyTorch's norms (`pytorch/generate.py`).
#![allow(clippy::unwrap_used)]

use parallax_weights::{
    Anchor, Branch, Import, ONLINE, Scope, WeightFile, WeightsError, layer_norms, norm_rescale,
};

fn read(bytes: &[u8]) -> WeightFile {
    Import::read("w", bytes).unwrap().file
}

fn weights() -> WeightFile {
    read(include_bytes!("pytorch/norms-weights.safetensors"))
}

fn anchor() -> WeightFile {
    read(include_bytes!("pytorch/norms-anchor.safetensors"))
}

fn check(rescaled: &WeightFile, kind: &str, takes: impl Fn(&[usize]) -> bool) -> usize {
    let bytes = include_bytes!("pytorch/norms-expected.safetensors");
    let expected = WeightFile::from_bytes("expected", bytes).unwrap();
    let before = weights();
    let mut changed = 0;
    for (name, tensor) in &rescaled.tensors {
        let bare = name.strip_prefix(ONLINE).unwrap();
        let expected = match expected.tensors.get(&format!("{kind}.{bare}")) {
            Some(expected) if takes(&tensor.shape) => {
                changed += 1;
                expected
            }
            _ => &before.tensors[name],
        };
        for (found, expected) in tensor.values.iter().zip(&expected.values) {
            let error = (found - expected).abs();
            assert!(
                error <= 1e-6 * expected.abs(),
                "{name}: {found}, not {expected}"
            );
        }
    }
    changed
}

#[test]
fn norms_of_an_anchor() {
    let (weights, anchor) = (weights(), anchor());
    let run = |scope| norm_rescale(&weights, Branch::Online, Anchor::File(&anchor), scope).unwrap();
    let (all, report) = run(Scope::All);
    let changed = check(&all, "anchor", |_| true);
    // Twelve counters stay, and the tensor of zeros.
    assert_eq!(
        (changed, report.rescaled.len(), report.out_of_scope.len()),
        (60, 59, 12)
    );
    assert_eq!(report.zero, ["online_encoder.layer1.0.bn1.bias"]);
    assert!(report.not_in_anchor.is_empty());

    let (matrices, report) = run(Scope::Weights);
    assert_eq!(check(&matrices, "anchor", |shape| shape.len() >= 2), 12);
    assert_eq!((report.rescaled.len(), report.out_of_scope.len()), (12, 60));
}

#[test]
fn norms_times_a_constant() {
    let weights = weights();
    for (scope, count) in [(Scope::All, 60), (Scope::Weights, 12)] {
        let (rescaled, _) =
            norm_rescale(&weights, Branch::Online, Anchor::Constant(0.1), scope).unwrap();
        let takes = |shape: &[usize]| scope == Scope::All || shape.len() >= 2;
        assert_eq!(check(&rescaled, "constant", takes), count);
    }
}

#[test]
fn heads_that_do_not_correspond_stay() {
    let paper = read(include_bytes!("pytorch/paper.pth.tar"));
    let anchor = read(include_bytes!("pytorch/torchvision.pth"));
    let (out, report) =
        norm_rescale(&paper, Branch::Online, Anchor::File(&anchor), Scope::All).unwrap();
    assert!(
        report
            .not_in_anchor
            .iter()
            .all(|name| name.contains(".fc."))
    );
    assert_eq!(report.not_in_anchor.len(), 8);
    let name = "online_encoder.fc.3.weight";
    assert_eq!(out.tensors[name], paper.tensors[name]);
    assert!(!out.tensors.keys().any(|name| name.starts_with("target")));
}

#[test]
fn anchors_that_do_not_fit() {
    let weights = weights();
    let run = |anchor: &WeightFile| {
        norm_rescale(&weights, Branch::Online, Anchor::File(anchor), Scope::All).unwrap_err()
    };
    let name = "online_encoder.conv1.weight";
    let mut other = anchor();
    other.tensors.get_mut(name).unwrap().shape = vec![3, 7, 7];
    let message = run(&other).to_string();
    assert!(
        message.contains("[1, 3, 7, 7]") && message.contains("[3, 7, 7]"),
        "{message}"
    );
    other.tensors.remove(name);
    assert!(matches!(run(&other), WeightsError::Missing { tensor, .. } if tensor == name));
    let mut broken = anchor();
    broken.tensors.get_mut(name).unwrap().values[0] = f32::NAN;
    assert!(matches!(run(&broken), WeightsError::NotFinite { .. }));
}

#[test]
fn norms_are_those_of_pytorch_in_the_order_of_its_modules() {
    let rows = layer_norms(&[&weights(), &anchor()], Branch::Online, Scope::All).unwrap();
    let expected: Vec<&str> = include_str!("pytorch/norms.csv").lines().collect();
    assert_eq!((rows.len(), expected.len()), (60, 60));
    for (row, line) in rows.iter().zip(expected) {
        let mut fields = line.split(',');
        assert_eq!(fields.next().unwrap(), row.name);
        let norms: Vec<f64> = fields.map(|field| field.parse().unwrap()).collect();
        for (found, expected) in row.norms.iter().zip(&norms) {
            let error = (found.unwrap() - expected).abs();
            assert!(error <= 1e-12 * expected, "{}: {found:?}", row.name);
        }
        let ratio = (norms[0] > 0.0).then(|| norms[1] / norms[0]);
        match (row.ratios[1], ratio) {
            (Some(found), Some(expected)) => assert!((found / expected - 1.0).abs() < 1e-12),
            (found, expected) => assert_eq!(found, expected, "{}", row.name),
        }
    }
}
