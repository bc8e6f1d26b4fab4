//! `parallax taxonomy`: classes in groups by WordNet.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::Args;
use parallax_data::taxonomy::{Grouping, Scheme, TaxonomyError, WordNet, parse_wnids, rows};
use serde_json::json;

use crate::data::wordnet;
use crate::usage::BadArgument;
use crate::whole::write_whole;

/// The schemes and the use of a map, for the help.
const SCHEMES: &str = "\
Schemes, with the number of groups of ImageNet's 1,000 classes:
  bottom-up:6    every class deeper than 6 steps becomes its ancestor there (79)
  top-down:1     every class becomes its parent, then every class below another
                 one becomes that one; so many rounds (1: 127, 2: 10)
  artifact       artifacts against the rest (522 and 478 classes)
  imbalanced     abstractions against physical entities (3 and 997 classes)

parallax pretrain supervised --set data.taxonomy=MAP.json trains on the groups.
A map can also be written by hand, with the names of any classes:
  {\"groups\": [{\"name\": \"animal\", \"members\": [\"bird\", \"cat\"]}, ...]}";

/// Arguments of `parallax taxonomy`.
#[derive(Args)]
#[command(after_help = SCHEMES)]
pub struct Taxonomy {
    /// Folder with data.noun and index.noun or index.sense of WordNet 3.0 [default: what `parallax data fetch wordnet`
    /// fetched, or /usr/share/wordnet]
    #[arg(long, value_name = "DIR")]
    pub wordnet: Option<PathBuf>,
    /// The classes: a synset id on each line, such as n02084071, in the order of their indices
    #[arg(long, value_name = "FILE")]
    pub wnids: PathBuf,
    /// How classes are grouped, see below
    #[arg(long)]
    pub scheme: String,
    /// The map to write
    #[arg(long, value_name = "MAP.json")]
    pub out: PathBuf,
    /// Print the tree of synsets down to the groups, with their classes
    #[arg(long, conflicts_with = "json")]
    pub tree: bool,
    /// Print the sizes of the groups as JSON
    #[arg(long)]
    pub json: bool,
}

/// Writes the map and prints its groups.
pub fn run(arguments: &Taxonomy) -> Result<()> {
    let wrong = |error: TaxonomyError| BadArgument(error.to_string());
    let scheme: Scheme = arguments.scheme.parse().map_err(wrong)?;
    let list = arguments.wnids.display().to_string();
    if !arguments.wnids.is_file() {
        return Err(BadArgument(format!("there is no file {list} of synset ids")).into());
    }
    let text =
        fs::read_to_string(&arguments.wnids).with_context(|| format!("{list} cannot be read"))?;
    let classes = parse_wnids(&list, &text).map_err(wrong)?;
    let folder = match &arguments.wordnet {
        Some(folder) => folder.clone(),
        None => wordnet::installed()?,
    };
    let nouns = wordnet::read(&folder)?;
    let map = scheme.group(&nouns, &classes).map_err(wrong)?;
    write_whole(&arguments.out, map.to_json()?.as_bytes())?;
    let out = arguments.out.display();
    if arguments.json {
        let groups = map.groups.iter().map(|group| {
            json!({ "wnid": group.wnid, "name": group.name, "classes": group.members.len() })
        });
        let groups: Vec<_> = groups.collect();
        let scheme = scheme.to_string();
        println!(
            "{}",
            json!({ "out": out.to_string(), "scheme": scheme, "classes": classes.len(), "groups": groups })
        );
        return Ok(());
    }
    println!(
        "{scheme}: {} classes in {} groups, written to {out}\n",
        classes.len(),
        map.groups.len()
    );
    match arguments.tree {
        true => print!("{}", tree(&nouns, &map)?),
        false => print!("{}", sizes(&map)),
    }
    Ok(())
}

/// Columns of the output.
const COLUMNS: usize = 80;

/// Groups of several classes, the largest first, then the names of those of one.
fn sizes(map: &Grouping) -> String {
    let mut groups: Vec<_> = map.groups.iter().collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.members.len()));
    let mut text = "classes  group\n".to_string();
    for group in groups.iter().filter(|group| group.members.len() > 1) {
        let id = group.wnid.as_deref().unwrap_or_default();
        let line = format!("{:>7}  {id:<9}  {}", group.members.len(), group.name);
        let _ = writeln!(text, "{}", line.trim_end());
    }
    let single = groups.iter().filter(|group| group.members.len() == 1);
    let single: Vec<&str> = single.map(|group| group.name.as_str()).collect();
    if !single.is_empty() {
        let head = format!("{:>7}  each of these {}: ", 1, single.len());
        text += &wrapped(&head, 9, &single);
    }
    text
}

/// The tree of synsets down to the groups.
fn tree(nouns: &WordNet, map: &Grouping) -> Result<String> {
    let mut text = String::new();
    for row in rows(nouns, map)? {
        let indent = " ".repeat(2 * row.depth);
        match &row.members {
            None => {
                let _ = writeln!(text, "{indent}{}", row.name);
            }
            Some(members) if members.len() == 1 && members[0] == row.name => {
                let _ = writeln!(text, "{indent}{} (1)", row.name);
            }
            Some(members) => {
                let head = format!("{indent}{} ({}): ", row.name, members.len());
                let members: Vec<&str> = members.iter().map(String::as_str).collect();
                text += &wrapped(&head, 2 * row.depth + 4, &members);
            }
        }
    }
    Ok(text)
}

/// Words behind a head, with commas, in lines of at most [`COLUMNS`] where words allow; later lines begin at a column.
fn wrapped(head: &str, column: usize, words: &[&str]) -> String {
    let (mut text, mut used) = (head.to_string(), head.chars().count());
    for (at, word) in words.iter().enumerate() {
        let comma = if at + 1 < words.len() { "," } else { "" };
        let width = word.chars().count() + comma.len();
        if used + width > COLUMNS && used > column {
            text.truncate(text.trim_end().len());
            let _ = write!(text, "\n{}", " ".repeat(column));
            used = column;
        }
        let _ = write!(text, "{word}{comma} ");
        used += width + 1;
    }
    text.truncate(text.trim_end().len());
    text + "\n"
}

/// Reads a map's file.
pub fn read(path: &Path) -> Result<Grouping> {
    let name = path.display().to_string();
    let bytes = fs::read(path).with_context(|| format!("{name} cannot be read"))?;
    let map = Grouping::parse(&name, &bytes);
    Ok(map.map_err(|error| BadArgument(format!("data.taxonomy: {error}")))?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_listed_by_size_in_lines_of_80_columns() {
        let group = |name: &str, members: usize| {
            let members: Vec<String> = (0..members).map(|n| format!("{name}{n}")).collect();
            json!({ "name": name, "wnid": "n00000001", "members": members })
        };
        let mut groups = vec![group("few", 2), group("many", 30)];
        groups.extend((0..20).map(|number| group(&format!("alone number {number}"), 1)));
        let map = json!({ "groups": groups }).to_string();
        let text = sizes(&Grouping::parse("m", map.as_bytes()).unwrap());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[1], "     30  n00000001  many");
        assert_eq!(lines[2], "      2  n00000001  few");
        assert!(lines[3].starts_with("      1  each of these 20: alone number 0, alone"));
        assert!(
            lines
                .iter()
                .all(|line| line.len() <= COLUMNS && line.trim_end() == *line)
        );
        assert!(text.ends_with("alone number 19\n"));
    }
}
