//! The label sets of the paper from WordNet 3.0, entry by entry. `taxonomy/generate.py` writes the reference.
#![allow(clippy::unwrap_used)]

use parallax_data::taxonomy::{Grouping, Index, Scheme, Synset, WordNet, parse_wnids, rows};

const DATA: &[u8] = include_bytes!("taxonomy/data.noun");
const INDEX: &[u8] = include_bytes!("taxonomy/index.noun");
const WNIDS: &str = include_str!("taxonomy/wnids.txt");
const APPENDIX: &str = include_str!("taxonomy/appendix_b.txt");

fn nouns() -> WordNet {
    WordNet::parse(DATA, Index::Noun(INDEX)).unwrap()
}

fn classes() -> Vec<Synset> {
    parse_wnids("wnids.txt", WNIDS).unwrap()
}

fn group(scheme: &str) -> Grouping {
    let scheme: Scheme = scheme.parse().unwrap();
    scheme.group(&nouns(), &classes()).unwrap()
}

/// Id, name and class indices of a group.
type Entry = (String, String, Vec<usize>);

/// The groups of a section of the appendix, by their smallest class index.
fn expected(title: &str) -> Vec<Entry> {
    let section = APPENDIX.split("# ").find(|part| part.starts_with(title));
    let mut entries: Vec<Entry> = section.unwrap().lines().skip(1).map(entry).collect();
    entries.sort_by_key(|(_, _, members)| members[0]);
    entries
}

fn entry(line: &str) -> Entry {
    let fields: Vec<&str> = line.split('\t').collect();
    let mut members = Vec::new();
    for range in fields[3].split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        members.extend(first.parse::<usize>().unwrap()..=last.parse().unwrap());
    }
    assert_eq!(members.len(), fields[2].parse::<usize>().unwrap());
    (fields[0].to_string(), fields[1].to_string(), members)
}

/// The groups of a map, with members by index.
fn found(map: &Grouping) -> Vec<Entry> {
    let ids: Vec<String> = classes().iter().map(Synset::to_string).collect();
    let index = |member: &String| ids.binary_search(member).unwrap();
    let entry = |group: &parallax_data::taxonomy::Group| {
        let members = group.members.iter().map(index).collect();
        (
            group.wnid.clone().unwrap_or_default(),
            group.name.clone(),
            members,
        )
    };
    map.groups.iter().map(entry).collect()
}

#[test]
fn every_label_set_of_the_paper_is_found() {
    for (scheme, title, groups) in [
        ("bottom-up:6", "79 classes", 79),
        ("top-down:1", "127 classes", 127),
        ("top-down:2", "10 classes", 10),
        ("imbalanced", "2 classes", 2),
    ] {
        let map = group(scheme);
        assert_eq!(map.scheme.as_deref(), Some(scheme));
        let found = found(&map);
        assert_eq!(found.len(), groups, "{scheme}");
        assert_eq!(found, expected(title), "{scheme}");
    }
}

#[test]
fn artifacts_against_the_rest() {
    let found = found(&group("artifact"));
    assert_eq!(found.len(), 2);
    let (id, name, rest) = &found[0];
    assert_eq!((id.as_str(), name.as_str(), rest.len()), ("", "rest", 478));
    let artifacts: Vec<usize> = (398..=918).chain([921]).collect();
    let expected = ("n00021939".to_string(), "artifact".to_string(), artifacts);
    assert_eq!(found[1], expected);
}

#[test]
fn bottom_up_at_every_depth_and_top_down_to_the_end() {
    let counts = [
        999, 977, 918, 877, 820, 753, 694, 596, 486, 345, 206, 79, 36, 17, 9, 5, 2, 1,
    ];
    for (depth, count) in (0..18).rev().zip(counts) {
        assert_eq!(
            group(&format!("bottom-up:{depth}")).groups.len(),
            count,
            "{depth}"
        );
    }
    assert_eq!(group("bottom-up:18").groups.len(), 1000);
    assert_eq!(group("top-down:3").groups.len(), 2);
    let imbalanced = group("imbalanced").groups;
    assert_eq!(imbalanced, group("bottom-up:1").groups);
}

#[test]
fn any_other_list_of_synsets_works() {
    let nouns = nouns();
    let ids = "n02123045 tabby\nn02124075 Egyptian cat\nn03417042 garbage truck\n";
    let classes = parse_wnids("three", ids).unwrap();
    let scheme: Scheme = "bottom-up:6".parse().unwrap();
    let map = scheme.group(&nouns, &classes).unwrap();
    let text = map.to_json().unwrap();
    assert_eq!(
        text,
        "{\"scheme\": \"bottom-up:6\", \"groups\": [\n\
         {\"wnid\":\"n00015388\",\"name\":\"animal\",\"members\":[\"n02123045\",\"n02124075\"]},\n\
         {\"wnid\":\"n03094503\",\"name\":\"container\",\"members\":[\"n03417042\"]}\n]}\n"
    );
    let lines = rows(&nouns, &map).unwrap().into_iter().map(|row| {
        let members = row.members.unwrap_or_default().join(", ");
        format!("{}{} {members}", " ".repeat(row.depth), row.name)
    });
    let lines: Vec<String> = lines.collect();
    assert_eq!(
        lines[..4],
        ["entity ", " physical entity ", "  object ", "   whole "]
    );
    // Siblings by name: the artifact comes before the living thing.
    let place = |line: &str| lines.iter().position(|other| other == line);
    let container = place("      container garbage truck");
    let animal = place("      animal tabby, Egyptian cat");
    assert!(container.is_some() && container < animal, "{lines:?}");
    let other = parse_wnids("other", "n02123045\nn99999999\n").unwrap();
    let error = scheme.group(&nouns, &other).unwrap_err().to_string();
    assert!(
        error.contains("1 of the synset ids") && error.contains("n99999999"),
        "{error}"
    );
    for wrong in [
        "bottom-up",
        "bottom-up:x",
        "top-down:0",
        "artifact:2",
        "flat",
    ] {
        let error = wrong.parse::<Scheme>().unwrap_err().to_string();
        assert!(
            error.contains("bottom-up:6") && error.contains(wrong),
            "{error}"
        );
    }
}
