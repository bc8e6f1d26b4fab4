//! Puts right what Binaryen 108, Debian's, gets wrong: it writes 0 for the number of every exported table, so that a
//! page asks the table of functions for its objects.

use anyhow::{Context, Result, bail};

const EXPORTS: u8 = 7;
const TABLE: u8 = 1;

/// An exported table.
#[derive(Debug, PartialEq, Eq)]
struct Exported<'a> {
    name: &'a [u8],
    number: u32,
    /// Where the number stands.
    at: usize,
}

/// Gives the exported tables of `optimised` the numbers that they have in `raw`. Binaryen keeps tables in order.
pub fn restore(raw: &[u8], optimised: &mut [u8]) -> Result<()> {
    let right = exported_tables(raw)?;
    let mut wrong = Vec::new();
    for found in exported_tables(optimised)? {
        let same = right.iter().find(|table| table.name == found.name);
        let number = same.context("the optimised module exports a table of a new name")?;
        wrong.push((found.at, found.number, number.number));
    }
    for (at, found, number) in wrong {
        if found >= 128 || number >= 128 {
            bail!("a module of more than 128 tables");
        }
        optimised[at] = number as u8;
    }
    Ok(())
}

fn exported_tables(module: &[u8]) -> Result<Vec<Exported<'_>>> {
    let mut at = 8;
    while at < module.len() {
        let section = module[at];
        at += 1;
        let end = number(module, &mut at)? as usize + at;
        if section == EXPORTS {
            return entries(module, at);
        }
        at = end;
    }
    bail!("a module without exports")
}

fn entries(module: &[u8], mut at: usize) -> Result<Vec<Exported<'_>>> {
    let mut tables = Vec::new();
    for _ in 0..number(module, &mut at)? {
        let len = number(module, &mut at)? as usize;
        let name = module.get(at..at + len).context("a module cut short")?;
        at += len;
        let kind = *module.get(at).context("a module cut short")?;
        at += 1;
        let place = at;
        let number = number(module, &mut at)?;
        if kind == TABLE {
            tables.push(Exported {
                name,
                number,
                at: place,
            });
        }
    }
    Ok(tables)
}

/// An unsigned LEB128 number.
fn number(module: &[u8], at: &mut usize) -> Result<u32> {
    let (mut value, mut shift) = (0u64, 0);
    loop {
        let byte = *module.get(*at).context("a module cut short")?;
        *at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte < 0x80 {
            return u32::try_from(value).context("a number too large");
        }
        if shift > 28 {
            bail!("a number too long");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::restore;

    /// A module with nothing but exports: a function `f` and tables `a` and `b`.
    fn module(numbers: [u8; 2]) -> Vec<u8> {
        let mut module = b"\0asm\x01\0\0\0".to_vec();
        let [a, b] = numbers;
        module.extend([7, 13, 3, 1, b'f', 0, 200, 1]);
        module.extend([1, b'a', 1, a, 1, b'b', 1, b]);
        module[9] = (module.len() - 10) as u8;
        module
    }

    #[test]
    fn numbers_come_from_the_raw_module() -> anyhow::Result<()> {
        let mut optimised = module([0, 0]);
        restore(&module([1, 0]), &mut optimised)?;
        assert_eq!(optimised, module([1, 0]));
        Ok(())
    }

    #[test]
    fn a_module_cut_short_is_refused() {
        let whole = module([0, 1]);
        for len in 8..whole.len() {
            assert!(restore(&whole[..len], &mut module([0, 1])).is_err());
        }
    }
}
