//! The file given to `--ops`: a JSON list of operations.

use std::fs;
use std::io::Read as _;
use std::path::Path;

use anyhow::Result;
use parallax_views::Op;

use crate::usage::BadArgument;

/// Reads the list; `-` is standard input.
pub fn read(path: &Path) -> Result<Vec<Op>> {
    let (name, text) = if path == Path::new("-") {
        let mut text = String::new();
        let read = std::io::stdin().read_to_string(&mut text);
        ("standard input".to_string(), read.map(|_| text))
    } else {
        (path.display().to_string(), fs::read_to_string(path))
    };
    let text =
        text.map_err(|error| BadArgument(format!("--ops: {name} cannot be read: {error}")))?;
    parse(&text)
        .map_err(|reason| BadArgument(format!("--ops: {name}: {reason}")))
        .map_err(Into::into)
}

/// Parses operation by operation, so that an error names the operation.
fn parse(text: &str) -> Result<Vec<Op>, String> {
    let values: Vec<serde_json::Value> = serde_json::from_str(text)
        .map_err(|error| format!("is not a JSON list of operations: {error}"))?;
    let ops = values.into_iter().enumerate().map(|(index, value)| {
        let shown = value.to_string();
        serde_json::from_value(value)
            .map_err(|error| format!("operation {} is {shown}: {error}", index + 1))
    });
    ops.collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn every_operation_is_read() {
        let text = r#"[{"op":"crop","left":3,"top":2,"width":13,"height":11},
            {"op":"resize","width":224,"height":224},{"op":"hflip"},{"op":"brightness","factor":1.2},
            {"op":"contrast","factor":0.8},{"op":"saturation","factor":1.1},{"op":"hue","delta":-0.05},
            {"op":"grayscale"},{"op":"blur","sigma":0.7},{"op":"solarize","threshold":128}]"#;
        let ops = parse(text).unwrap();
        assert_eq!(ops.len(), 10);
        assert_eq!(ops[6], Op::Hue { delta: -0.05 });
        assert_eq!(parse("[]"), Ok(Vec::new()));
    }

    #[test]
    fn an_invalid_operation_is_named() {
        let error = |text| parse(text).unwrap_err();
        assert!(error("{").contains("not a JSON list"));
        let message = error(r#"[{"op":"hflip"},{"op":"crp"}]"#);
        assert!(
            message.contains("operation 2") && message.contains("`crop`"),
            "{message}"
        );
        let message = error(r#"[{"op":"blur"}]"#);
        assert!(
            message.contains("operation 1") && message.contains("sigma"),
            "{message}"
        );
        let message = error(r#"[{"op":"hflip","factor":1}]"#);
        assert!(message.contains("factor"), "{message}");
    }
}
