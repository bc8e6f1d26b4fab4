//! The registry of methods and the recipes: names, defaults, the page.
#![allow(clippy::unwrap_used)]

use parallax_methods::{BnKind, MethodKind};
use parallax_train::{PAGE_RECIPES, Recipe};

#[test]
fn every_method_has_its_recipes() {
    let mut pages = 0;
    for kind in MethodKind::ALL {
        let text = format!("[method]\nname = '{}'", kind.name());
        let recipe = Recipe::parse(&text, &[]).unwrap();
        let (spec, method) = (kind.spec(), &recipe.method);
        assert_eq!((method.name, method.bn), (kind, kind.bn()));
        assert_eq!(recipe.pipeline(), spec.pipeline);
        assert_eq!(method.hidden, spec.defaults.hidden);
        assert_eq!(Recipe::named(kind.name(), &[]).unwrap().method.name, kind);
        for page in spec.page_recipes {
            for size in ["tiny", "small"] {
                let recipe = Recipe::named(&format!("page/{}-{size}", page.name), &[]).unwrap();
                assert_eq!(recipe.method.name, kind);
                pages += 1;
            }
        }
    }
    assert_eq!(pages, PAGE_RECIPES.len());
}

#[test]
fn the_former_name_of_batch_norm_per_group_is_read() {
    for name in ["per-group", "per-device"] {
        let text = format!("[method]\nname = 'byol'\nbn = '{name}'");
        let recipe = Recipe::parse(&text, &[]).unwrap();
        assert_eq!(recipe.method.bn, BnKind::PerGroup);
        assert!(recipe.to_toml().unwrap().contains("bn = \"per-group\""));
    }
}
