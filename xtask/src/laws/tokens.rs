//! Rust source as tokens, without comments, literals and test modules: as much as reading imports takes.

/// A token with the line it stands on, from 1.
pub struct Token<'a> {
    pub text: &'a str,
    pub line: usize,
}

/// Identifiers, `::` and single characters of `source`, up to its test module.
pub fn tokens(source: &str) -> Vec<Token<'_>> {
    let mut found: Vec<Token<'_>> = Vec::new();
    let (mut at, mut line) = (0, 1);
    while let Some(first) = source[at..].chars().next() {
        let rest = &source[at..];
        let (length, keep) = match first {
            '/' if rest.starts_with("//") => (rest.find('\n').unwrap_or(rest.len()), false),
            '/' if rest.starts_with("/*") => (block_comment(rest), false),
            '"' => (string(rest, 1), false),
            'r' | 'b' if literal(rest).is_some() => (literal(rest).unwrap_or(1), false),
            '\'' => (quote(rest), false),
            ':' if rest.starts_with("::") => (2, true),
            c if c.is_alphabetic() || c == '_' => (word(rest), true),
            c if c.is_ascii_digit() => (word(rest), false),
            c => (c.len_utf8(), !c.is_whitespace()),
        };
        let text = &rest[..length];
        if keep {
            found.push(Token { text, line });
        }
        line += text.matches('\n').count();
        at += length;
    }
    found.truncate(tests_begin(&found));
    found
}

/// Where `#[cfg(test)] mod name {` begins, or the end.
fn tests_begin(tokens: &[Token<'_>]) -> usize {
    let pattern = ["#", "[", "cfg", "(", "test", ")", "]", "mod"];
    (0..tokens.len())
        .find(|at| {
            let texts = tokens[*at..].iter().map(|token| token.text);
            texts.clone().take(pattern.len()).eq(pattern)
                && tokens
                    .get(at + pattern.len() + 1)
                    .is_some_and(|token| token.text == "{")
        })
        .unwrap_or(tokens.len())
}

fn word(text: &str) -> usize {
    text.find(|c: char| !c.is_alphanumeric() && c != '_')
        .unwrap_or(text.len())
}

/// Length of a string whose opening quote ends at `from`.
fn string(text: &str, from: usize) -> usize {
    let mut escaped = false;
    for (at, c) in text[from..].char_indices() {
        match c {
            '"' if !escaped => return from + at + 1,
            _ => escaped = c == '\\' && !escaped,
        }
    }
    text.len()
}

/// Length of a raw or byte string or a byte, if one begins here.
fn literal(text: &str) -> Option<usize> {
    let prefix = text.find(|c| c != 'b' && c != 'r')?;
    let (before, rest) = text.split_at(prefix);
    if before.len() > 2 {
        return None;
    }
    let hashes = rest.find(|c| c != '#')?;
    match (rest[hashes..].chars().next()?, before.contains('r')) {
        ('"', true) => {
            let end = format!("\"{}", "#".repeat(hashes));
            let body = prefix + hashes + 1;
            Some(
                text[body..]
                    .find(&end)
                    .map_or(text.len(), |at| body + at + end.len()),
            )
        }
        ('"', false) if hashes == 0 => Some(string(text, prefix + 1)),
        ('\'', false) if hashes == 0 => Some(prefix + quote(rest)),
        _ => None,
    }
}

/// Length of a character, or 1 for the tick of a lifetime or label.
fn quote(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    match chars.next() {
        Some((_, '\\')) => {
            chars.next();
            chars
                .find(|(_, c)| *c == '\'')
                .map_or(text.len(), |(at, _)| at + 1)
        }
        Some(_) => match chars.next() {
            Some((at, '\'')) => at + 1,
            _ => 1,
        },
        None => 1,
    }
}

/// Length of a block comment; they nest.
fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        let rest = &text[at..];
        let step = match rest {
            _ if rest.starts_with("/*") => {
                depth += 1;
                2
            }
            _ if rest.starts_with("*/") => {
                depth -= 1;
                2
            }
            _ => rest.chars().next().map_or(1, char::len_utf8),
        };
        at += step;
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::tokens;

    #[test]
    fn comments_literals_and_tests_are_left_out() {
        let source = "use a::b; // c::d\n/* /* e */ f */ let x: &'g str = \"h\\\"i\"; r#\"j\"k\"#; b'l'; '\\''; 'm'\n\
            #[cfg(test)]\nmod tests { use n; }";
        let found: Vec<_> = tokens(source)
            .into_iter()
            .map(|t| (t.text, t.line))
            .collect();
        let words: Vec<_> = found
            .iter()
            .filter(|(text, _)| text.chars().all(char::is_alphanumeric))
            .collect();
        assert_eq!(
            words,
            [
                &("use", 1),
                &("a", 1),
                &("b", 1),
                &("let", 2),
                &("x", 2),
                &("g", 2),
                &("str", 2)
            ]
        );
    }
}
