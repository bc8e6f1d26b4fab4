//! Many names in little memory.

/// Names one after the other in one text.
#[derive(Clone, Debug, Default)]
pub struct Names {
    text: String,
    /// The end of each name in the text.
    ends: Vec<u32>,
}

impl Names {
    /// Adds a name. Names beyond 4 GiB of text are cut: sources of so many images are refused elsewhere.
    pub fn push(&mut self, name: &str) {
        if u32::try_from(self.text.len() + name.len()).is_ok() {
            self.text.push_str(name);
        }
        self.ends.push(self.text.len() as u32);
    }

    /// Number of names.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// A name; empty where there is none.
    pub fn get(&self, index: usize) -> &str {
        let start = match index.checked_sub(1) {
            Some(before) => self.ends.get(before).copied(),
            None => Some(0),
        };
        let range = start.zip(self.ends.get(index).copied());
        range
            .and_then(|(start, end)| self.text.get(start as usize..end as usize))
            .unwrap_or_default()
    }

    /// All names as lines; `None` where one contains a line break.
    pub fn to_lines(&self) -> Option<String> {
        if self.text.contains('\n') {
            return None;
        }
        let mut lines = String::with_capacity(self.text.len() + self.len());
        for index in 0..self.len() {
            lines.push_str(self.get(index));
            lines.push('\n');
        }
        Some(lines)
    }

    /// The inverse of [`Names::to_lines`].
    pub fn from_lines(lines: &str) -> Self {
        let mut names = Self {
            text: String::with_capacity(lines.len()),
            ends: Vec::new(),
        };
        lines.lines().for_each(|line| names.push(line));
        names
    }
}

#[cfg(test)]
mod tests {
    use super::Names;

    #[test]
    fn names_are_kept_in_order() {
        let mut names = Names::default();
        ["a", "", "ü/b"].iter().for_each(|name| names.push(name));
        assert_eq!((names.get(0), names.get(1), names.get(2)), ("a", "", "ü/b"));
        assert_eq!((names.get(3), names.len()), ("", 3));
        let lines = names.to_lines().unwrap_or_default();
        let again = Names::from_lines(&lines);
        assert_eq!((again.get(0), again.get(2), again.len()), ("a", "ü/b", 3));
        names.push("x\ny");
        assert_eq!(names.to_lines(), None);
    }
}
