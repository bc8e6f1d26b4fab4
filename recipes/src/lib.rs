//! The recipes that come with Parallax, as texts.

macro_rules! recipes {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../", $name, ".toml")))),*]
    };
}

/// Names and texts of the recipes for the command line.
pub const RECIPES: [(&str, &str); 17] = recipes![
    "demo",
    "supervised",
    "moco-v1",
    "moco-v2",
    "moco-v2-plus",
    "s-moco-v2-plus",
    "moco-v2-plus-lars",
    "byol",
    "byol-lars",
    "supervised-cifar10",
    "moco-v1-cifar10",
    "moco-v2-cifar10",
    "moco-v2-plus-cifar10",
    "s-moco-v2-plus-cifar10",
    "moco-v2-plus-lars-cifar10",
    "byol-cifar10",
    "byol-lars-cifar10",
];

/// Names and texts of the page's recipes, `page/SYSTEM-SIZE`: a system of the paper with a tiny network or a small
/// ResNet-18.
pub const PAGE_RECIPES: [(&str, &str); 16] = recipes![
    "page/supervised-tiny",
    "page/supervised-small",
    "page/moco-v1-tiny",
    "page/moco-v1-small",
    "page/moco-v2-tiny",
    "page/moco-v2-small",
    "page/moco-v2-plus-tiny",
    "page/moco-v2-plus-small",
    "page/s-moco-v2-plus-tiny",
    "page/s-moco-v2-plus-small",
    "page/moco-v2-plus-lars-tiny",
    "page/moco-v2-plus-lars-small",
    "page/byol-tiny",
    "page/byol-small",
    "page/byol-lars-tiny",
    "page/byol-lars-small",
];

/// Names and texts of the recipes for detection and segmentation.
pub const TRANSFER_RECIPES: [(&str, &str); 8] = [
    ("voc07-c4", include_str!("../transfer/voc07-c4.toml")),
    ("voc0712-c4", include_str!("../transfer/voc0712-c4.toml")),
    ("coco-c4", include_str!("../transfer/coco-c4.toml")),
    ("coco-fpn", include_str!("../transfer/coco-fpn.toml")),
    ("cityscapes", include_str!("../transfer/cityscapes.toml")),
    (
        "bccd-c4-small",
        include_str!("../transfer/bccd-c4-small.toml"),
    ),
    (
        "coco128-fpn-small",
        include_str!("../transfer/coco128-fpn-small.toml"),
    ),
    (
        "camvid-small",
        include_str!("../transfer/camvid-small.toml"),
    ),
];

/// The text of a recipe for detection or segmentation.
pub fn transfer(name: &str) -> Option<&'static str> {
    let found = TRANSFER_RECIPES.iter().find(|(known, _)| *known == name);
    found.map(|(_, text)| *text)
}

/// Names and texts of the taxonomies, maps of classes to groups: `animal-vehicle` of CIFAR-10.
pub const TAXONOMIES: [(&str, &str); 1] = [(
    "animal-vehicle",
    include_str!("../taxonomies/animal-vehicle.json"),
)];

/// The text of a taxonomy.
pub fn taxonomy(name: &str) -> Option<&'static str> {
    let found = TAXONOMIES.iter().find(|(known, _)| *known == name);
    found.map(|(_, text)| *text)
}

/// The text of a recipe: `byol`, `page/byol-tiny`.
pub fn text(name: &str) -> Option<&'static str> {
    let mut all = RECIPES.iter().chain(&PAGE_RECIPES);
    all.find(|(known, _)| *known == name).map(|(_, text)| *text)
}
