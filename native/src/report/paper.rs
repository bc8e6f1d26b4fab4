//! The paper's tables, with what was measured here beside its figures.

use super::collect::RANDOM;
use super::measure::{Group, Measure};
use super::quantities;
use super::setting::Setting;
use super::table::{Cell, Column, Table};

/// How a row of the paper's is recognised among the runs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Key {
    /// By method and taxonomy.
    Taxonomy,
    /// By network and method.
    Arch,
    /// By anchor of NormRescale.
    Anchor,
    /// By method, at the length of the released models.
    Release,
}

/// A table of the paper.
struct Paper {
    name: &'static str,
    title: &'static str,
    /// The paper's figures: lines of comment, names of the columns, rows.
    text: &'static str,
    key: Key,
}

const TABLES: [Paper; 4] = [
    Paper {
        name: "table2",
        title: "Table 2: methods and label taxonomies",
        text: include_str!("paper/table2.csv"),
        key: Key::Taxonomy,
    },
    Paper {
        name: "table3",
        title: "Table 3: other networks",
        text: include_str!("paper/table3.csv"),
        key: Key::Arch,
    },
    Paper {
        name: "table4",
        title: "Table 4: NormRescale of networks trained with LARS",
        text: include_str!("paper/table4.csv"),
        key: Key::Anchor,
    },
    Paper {
        name: "release",
        title: "Released models: 200 epochs",
        text: include_str!("paper/release.csv"),
        key: Key::Release,
    },
];

/// Epochs of the released models.
const RELEASE: f64 = 200.0;

/// The tables for which there is something to compare.
pub fn tables(groups: &[Group<'_>]) -> Vec<Table> {
    TABLES
        .iter()
        .filter_map(|paper| paper.table(groups))
        .collect()
}

/// A row of our own: its key, its setting, its values.
struct Own {
    key: String,
    /// Its name where the paper has no such row.
    name: String,
    setting: String,
    values: Vec<Cell>,
}

impl Paper {
    fn table(&self, groups: &[Group<'_>]) -> Option<Table> {
        let (note, names, rows) = self.parse();
        let measures = self.measures(groups);
        let mut own = self.own(groups, &measures);
        if own.is_empty() {
            return None;
        }
        let mut columns = vec![Column::new(names[1])];
        columns.extend(
            measures
                .iter()
                .map(|m| Column::measured(format!("ours: {}", m.label()))),
        );
        columns.push(Column::new("ours: trained"));
        columns.extend(
            names[2..]
                .iter()
                .map(|name| Column::new(&format!("paper: {name}"))),
        );
        let papers = names.len() - 2;
        let mut table = Vec::new();
        for row in rows {
            let values = row[2..]
                .iter()
                .map(|text| text.parse().map_or(Cell::Nothing, Cell::Number));
            let values: Vec<Cell> = values.collect();
            let (matching, rest): (Vec<Own>, Vec<Own>) =
                own.into_iter().partition(|o| o.key == row[0]);
            own = rest;
            let mut line = vec![Cell::Text(row[1].to_string())];
            let mut matching = matching.into_iter();
            match matching.next() {
                Some(first) => {
                    line.extend(first.values);
                    line.push(Cell::Text(first.setting));
                }
                None => line.extend(vec![Cell::Nothing; measures.len() + 1]),
            }
            line.extend(values);
            table.push(line);
            table.extend(matching.map(|other| other.line(row[1], papers)));
        }
        for other in own {
            let name = other.name.clone();
            table.push(other.line(&name, papers));
        }
        Some(Table {
            name: self.name.to_string(),
            title: self.title.to_string(),
            note: format!(
                "{} in percent, mean ± standard deviation over seeds. The figures of the paper: {note}",
                quantities(&measures)
            ),
            columns,
            rows: table,
        })
    }

    /// Source, names of the columns, rows.
    fn parse(&self) -> (String, Vec<&'static str>, Vec<Vec<&'static str>>) {
        let (comments, lines): (Vec<&str>, Vec<&str>) =
            self.text.lines().partition(|line| line.starts_with('#'));
        let note: Vec<&str> = comments
            .iter()
            .map(|line| line.trim_start_matches("# "))
            .collect();
        let mut lines = lines
            .into_iter()
            .map(|line| line.split(',').collect::<Vec<_>>());
        let names = lines.next().unwrap_or_default();
        (note.join(" "), names, lines.collect())
    }

    /// What is compared: for the table of anchors, what was measured of rescaled weights.
    fn measures(&self, groups: &[Group<'_>]) -> Vec<Measure> {
        let measured = |measure: &Measure| {
            groups.iter().any(|group| match self.key {
                Key::Anchor => rescaled(group)
                    .iter()
                    .any(|anchor| group.summary(measure, Some(anchor)).is_some()),
                _ => group.summary(measure, None).is_some(),
            })
        };
        // A probe stands in for an evaluation that was not made.
        let stands_in = |measure: &Measure| match measure {
            Measure::Probe => !measured(&Measure::Linear),
            Measure::KnnProbe => !measured(&Measure::Knn),
            _ => true,
        };
        let all = Measure::all(groups).into_iter();
        all.filter(measured).filter(stands_in).collect()
    }

    fn own(&self, groups: &[Group<'_>], measures: &[Measure]) -> Vec<Own> {
        let settings: Vec<Setting> = groups.iter().map(|group| group.setting.clone()).collect();
        let architectures = |setting: &Setting| settings.iter().any(|s| s.arch != setting.arch);
        let mut rows = Vec::new();
        for group in groups.iter().filter(|group| group.setting.ratio >= 1.0) {
            let setting = &group.setting;
            let values = |anchor: Option<&str>| -> Vec<Cell> {
                let values = measures.iter().map(|m| Cell::of(group.summary(m, anchor)));
                values.collect()
            };
            let row = |key: String, name: String| Own {
                key,
                name,
                setting: trained(setting),
                values: values(None),
            };
            let name = setting.name();
            if self.key == Key::Taxonomy && group.anchors().contains(&Some(RANDOM)) {
                rows.push(Own {
                    key: RANDOM.to_string(),
                    name: "Random weights".to_string(),
                    setting: setting.arch.clone(),
                    values: values(Some(RANDOM)),
                });
            }
            match self.key {
                Key::Taxonomy if setting.taxonomy.is_empty() => {
                    rows.push(row(setting.system.clone(), name));
                }
                Key::Taxonomy => {
                    let key = format!("{}/{}", setting.system, setting.taxonomy);
                    rows.push(row(key, format!("{name}, {}", setting.taxonomy)));
                }
                Key::Arch => {
                    let paper = ["resnet18", "resnet101"].contains(&setting.arch.as_str());
                    if setting.taxonomy.is_empty() && (paper || architectures(setting)) {
                        let key = format!("{}/{}", setting.arch, setting.system);
                        rows.push(row(key, format!("{} {name}", setting.arch)));
                    }
                }
                Key::Release
                    if setting.length == RELEASE
                        && setting.unit == "epochs"
                        && setting.taxonomy.is_empty() =>
                {
                    rows.push(row(setting.system.clone(), name));
                }
                Key::Release => {}
                Key::Anchor => {
                    let rescaled = rescaled(group);
                    let none = (!rescaled.is_empty()).then_some(None);
                    for anchor in none.into_iter().chain(rescaled.into_iter().map(Some)) {
                        let name_of_anchor = anchor.unwrap_or("none");
                        rows.push(Own {
                            // The small recipes stand for those of the paper.
                            key: name_of_anchor.trim_end_matches("-cifar10").to_string(),
                            name: name_of_anchor.to_string(),
                            setting: format!("{name}: {}", trained(setting)),
                            values: values(anchor),
                        });
                    }
                }
            }
        }
        let measured = |own: &Own| own.values.iter().any(|cell| !matches!(cell, Cell::Nothing));
        rows.retain(measured);
        rows
    }
}

/// The anchors to whose norms a group's weights were rescaled.
fn rescaled<'a>(group: &'a Group<'_>) -> Vec<&'a str> {
    let anchors = group.anchors().into_iter().flatten();
    anchors.filter(|anchor| *anchor != RANDOM).collect()
}

impl Own {
    fn line(self, name: &str, papers: usize) -> Vec<Cell> {
        let mut line = vec![Cell::Text(name.to_string())];
        line.extend(self.values);
        line.push(Cell::Text(self.setting));
        line.extend(vec![Cell::Nothing; papers]);
        line
    }
}

/// What a row of ours was trained with.
fn trained(setting: &Setting) -> String {
    let source = setting
        .source
        .rsplit(['/', '\\'])
        .next()
        .unwrap_or_default();
    format!("{}, {source}, {}", setting.arch, setting.length())
}
