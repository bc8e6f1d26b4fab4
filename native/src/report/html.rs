//! The page of a report: one file, without network.

use anyhow::Result;

use crate::figure::{DARK, escaped};

use super::figures::Named;
use super::table::Table;

const STYLE: &str = "
:root { color-scheme: light dark; --paper: #ffffff; --ink: #222222; --grey: #5c5c5c; --line: #d8d8d8; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #1b1d21; --ink: #e6e6e6; --grey: #a8a8a8; --line: #3c4048; }
}
body { margin: 0 auto; max-width: 76rem; padding: 1.5rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin: 2.2rem 0 .5rem; }
p { max-width: 50rem; } .note { color: var(--grey); font-size: .9rem; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-size: .9rem; }
th, td { padding: .3rem .7rem; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line); }
.text { text-align: left; } th { white-space: normal; border-bottom: 2px solid var(--ink); vertical-align: bottom; }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(36rem, 100%), 1fr)); gap: 1.5rem; }
figure { margin: 0; } figure svg { width: 100%; height: auto; max-width: 45rem; }
figcaption { color: var(--grey); font-size: .85rem; } a { color: inherit; }
@media print { figure, table { break-inside: avoid; } }
";

/// The page with all tables and figures.
pub fn page(title: &str, summary: &Table, tables: &[Table], figures: &[Named]) -> Result<String> {
    let mut body = format!("<h1>{}</h1>\n", escaped(title));
    for table in std::iter::once(summary).chain(tables) {
        let (name, note) = (&table.name, escaped(&table.note));
        body += &format!(
            "<h2 id=\"{name}\">{}</h2>\n<p class=\"note\">{note}</p>\n{}<p class=\"note\">Files: \
             <a href=\"{name}.md\">Markdown</a>, <a href=\"{name}.csv\">CSV</a>, <a href=\"{name}.tex\">LaTeX</a></p>\n",
            escaped(&table.title),
            table.html(),
        );
    }
    if !figures.is_empty() {
        body += "<h2>Figures</h2>\n<div class=\"figures\">\n";
        for Named { name, figure } in figures {
            body += &format!(
                "<figure id=\"{name}\">\n{}<figcaption>Files: <a href=\"{name}.svg\">SVG</a>, <a href=\"{name}.png\">PNG</a>\
                 </figcaption>\n</figure>\n",
                figure.svg()?
            );
        }
        body += "</div>\n";
    }
    Ok(format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{}</title>\n\
         <style>{STYLE}{}</style>\n</head>\n<body>\n{body}</body>\n</html>\n",
        escaped(title),
        dark()
    ))
}

/// The colours of figures on a dark page, in place of those that they are drawn with.
fn dark() -> String {
    let hex = |(r, g, b): (u8, u8, u8)| format!("#{r:02X}{g:02X}{b:02X}");
    let rules = DARK.iter().map(|(from, to)| {
        let (from, to) = (hex(*from), hex(*to));
        format!("  svg [fill=\"{from}\"] {{ fill: {to}; }} svg [stroke=\"{from}\"] {{ stroke: {to}; }}\n")
    });
    let rules: String = rules.collect();
    format!("@media (prefers-color-scheme: dark) {{\n{rules}}}\n")
}
