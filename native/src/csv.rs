//! Comma-separated values (RFC 4180).

/// One line, with its end. Fields with commas, quotes or line breaks are quoted.
pub fn line(fields: impl IntoIterator<Item = String>) -> String {
    let quoted = |field: String| match field.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", field.replace('"', "\"\"")),
        false => field,
    };
    let fields: Vec<String> = fields.into_iter().map(quoted).collect();
    fields.join(",") + "\n"
}

#[cfg(test)]
mod tests {
    #[test]
    fn fields_are_quoted_where_they_must_be() {
        let fields = ["a b", "c,d", "say \"e\"", ""].map(str::to_string);
        assert_eq!(super::line(fields), "a b,\"c,d\",\"say \"\"e\"\"\",\n");
    }
}
