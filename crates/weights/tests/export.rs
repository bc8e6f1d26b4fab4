//! What goes out to other tools.
#![allow(clippy::unwrap_used)]

use parallax_weights::{Branch, Export, Import, Names, ONLINE, TARGET, WeightFile};

const PAPER: &[u8] = include_bytes!("pytorch/paper.pth.tar");
const TORCHVISION: &[u8] = include_bytes!("pytorch/torchvision.pth");
const DETECTRON2: &[u8] = include_bytes!("pytorch/detectron2-4.pkl");

fn paper() -> WeightFile {
    Import::read("paper.pth.tar", PAPER).unwrap().file
}

#[test]
fn one_backbone_under_torchvisions_names() {
    let expected = Import::read("w", TORCHVISION).unwrap();
    for (branch, sign) in [(None, 1.0), (Some(Branch::Target), -1.0)] {
        let export = Export::of(paper(), Names::Torchvision, branch).unwrap();
        assert_eq!(export.file.tensors.len(), 72);
        for (name, tensor) in &export.file.tensors {
            let expected = &expected.file.tensors[&format!("{ONLINE}{name}")];
            let signed: Vec<f32> = expected.values.iter().map(|value| sign * value).collect();
            assert_eq!(tensor.values, signed, "{name}");
        }
        // The other network, both heads of nine tensors, queue and pointer.
        assert_eq!(export.skipped.len(), 72 + 18 + 2);
    }
}

#[test]
fn detectron2s_names_are_those_that_its_own_script_gives() {
    let export = Export::of(paper(), Names::Detectron2, None).unwrap();
    let theirs = Import::read("w", DETECTRON2).unwrap();
    let mut names: Vec<&str> = theirs
        .placed
        .iter()
        .map(|(name, _)| name.strip_prefix("model.").unwrap())
        .collect();
    names.sort_unstable();
    assert!(export.file.tensors.keys().eq(names));
}

#[test]
fn every_format_comes_back_as_it_went() {
    let file = paper();
    let own = Export::of(file.clone(), Names::Own, None).unwrap();
    assert!(own.skipped.is_empty());
    for bytes in [
        own.file.to_bytes().unwrap(),
        own.file.to_torch_bytes().unwrap(),
    ] {
        let back = Import::read("back", &bytes).unwrap();
        assert_eq!(back.file.tensors, file.tensors);
        assert!(back.placed.iter().all(|(from, to)| from == to));
    }
    let detectron2 = Export::of(file.clone(), Names::Detectron2, Some(Branch::Target)).unwrap();
    let bytes = detectron2.file.to_detectron2_bytes().unwrap();
    let back = Import::read("back", &bytes).unwrap().file;
    for (name, tensor) in &back.tensors {
        let name = name.replace(ONLINE, TARGET);
        assert_eq!(tensor.values, file.tensors[&name].values, "{name}");
    }
    assert_eq!(back.tensors.len(), 72);
}

#[test]
fn one_network_of_our_own_names() {
    let export = Export::of(paper(), Names::Own, Some(Branch::Target)).unwrap();
    assert!(
        export
            .file
            .tensors
            .keys()
            .all(|name| name.starts_with(TARGET))
    );
    assert_eq!(export.file.tensors.len(), 72 + 9);
}

#[test]
fn a_network_that_is_not_there_is_an_error() {
    let file = Import::read("plain.pth", TORCHVISION).unwrap().file;
    for names in [Names::Own, Names::Torchvision, Names::Detectron2] {
        let error = Export::of(file.clone(), names, Some(Branch::Target)).unwrap_err();
        assert_eq!(error.to_string(), "plain.pth: it holds no target network");
    }
}

#[test]
fn the_recipe_stays_in_safetensors() {
    let file = paper().with_recipe("text");
    let export = Export::of(file, Names::Torchvision, None).unwrap();
    let bytes = export.file.to_bytes().unwrap();
    let back = Import::read("back", &bytes).unwrap().file;
    assert_eq!(back.recipe.as_deref(), Some("text"));
}
