//! The studies that come with Parallax.

macro_rules! studies {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../../../studies/", $name, ".toml")))),*]
    };
}

/// Names and texts: those of the paper, and small ones of each on CIFAR-10.
const STUDIES: [(&str, &str); 13] = studies![
    "fig1",
    "fig2",
    "fig3",
    "table2",
    "table3",
    "table4",
    "fig1-small",
    "fig2-small",
    "fig3-small",
    "table2-small",
    "table3-small",
    "table4-small",
    "transfer-small",
];

/// The names.
pub fn names() -> Vec<&'static str> {
    STUDIES.iter().map(|(name, _)| *name).collect()
}

/// The text of a study.
pub fn text(name: &str) -> Option<&'static str> {
    let found = STUDIES.iter().find(|(known, _)| *known == name);
    found.map(|(_, text)| *text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::super::file::StudyFile;
    use super::super::plan::Plan;
    use super::*;

    #[test]
    fn every_study_expands() {
        for name in names() {
            let (short, study) = StudyFile::read(name).unwrap_or_else(|error| panic!("{error:#}"));
            assert!(!study.title.is_empty() && short == name);
            let plan = match (name, Plan::of(&study, None)) {
                // Its taxonomies are files that `parallax taxonomy` writes.
                ("table2", Err(error)) => {
                    assert!(
                        format!("{error:#}").contains("parallax taxonomy"),
                        "{error:#}"
                    );
                    continue;
                }
                (_, plan) => plan.unwrap_or_else(|error| panic!("{name}: {error:#}")),
            };
            assert!(plan.jobs.len() > plan.runs.len(), "{name}");
            let mut seeds: Vec<u64> = plan.runs.iter().map(|run| run.recipe.run.seed).collect();
            seeds.dedup();
            let expected = if name.ends_with("-small") { 3 } else { 1 };
            assert_eq!(seeds.len(), expected, "{name}");
        }
    }
}
