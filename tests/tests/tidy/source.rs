//! Rust source without its comments and literals, so that a search finds code and nothing else.

use super::files::File;

/// A Rust file's code, line by line.
#[derive(Debug)]
pub(crate) struct Source {
    lines: Vec<String>,
    /// Index of the line where the file's own test module begins; the number of lines without one.
    tests_from: usize,
}

impl Source {
    /// Reads a Rust file.
    pub(crate) fn of(file: &File) -> Self {
        let lines: Vec<String> = blanked(&file.text).lines().map(str::to_owned).collect();
        let begins_tests = |index: usize| {
            let module = lines.get(index + 1).map_or("", |line| line.trim());
            lines[index].trim() == "#[cfg(test)]"
                && module.starts_with("mod ")
                && module.ends_with('{')
        };
        let tests_from = if file.is_test() {
            0
        } else {
            (0..lines.len()).find(|&index| begins_tests(index)).unwrap_or(lines.len())
        };
        Self { lines, tests_from }
    }

    /// Every line with its number.
    pub(crate) fn all(&self) -> impl Iterator<Item = (usize, &str)> {
        self.lines.iter().enumerate().map(|(index, line)| (index + 1, line.as_str()))
    }

    /// Lines outside tests, with their numbers.
    pub(crate) fn production(&self) -> impl Iterator<Item = (usize, &str)> {
        self.all().take(self.tests_from)
    }

    /// Lines of tests, with their numbers.
    pub(crate) fn tests(&self) -> impl Iterator<Item = (usize, &str)> {
        self.all().skip(self.tests_from)
    }
}

/// Whether `line` has `word` with nothing on either side that would make it part of a longer one.
pub(crate) fn has_word(line: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

/// The text with comments and the insides of literals replaced by spaces; lines stay where they
/// are.
fn blanked(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = literal_or_comment(&chars, at);
        if end == at {
            out.push(chars[at]);
            at += 1;
        } else {
            out.extend(chars[at..end].iter().map(|&c| if c == '\n' { '\n' } else { ' ' }));
            at = end;
        }
    }
    out
}

/// Where the comment or literal that begins at `at` ends; `at` itself when none begins there.
fn literal_or_comment(chars: &[char], at: usize) -> usize {
    let next = chars.get(at + 1).copied();
    let in_word = at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_');
    match chars[at] {
        '/' if next == Some('/') => find(chars, at, |rest| rest[0] == '\n', 0),
        '/' if next == Some('*') => block_comment(chars, at),
        '"' => string(chars, at),
        'b' | 'c' if !in_word && next == Some('"') => string(chars, at + 1),
        'r' if !in_word || at > 0 && matches!(chars[at - 1], 'b' | 'c') => raw_string(chars, at),
        '\'' => character(chars, at),
        _ => at,
    }
}

/// Where `is_end` first holds from `from` on, plus `length`; the end of the text if never.
fn find(chars: &[char], from: usize, is_end: impl Fn(&[char]) -> bool, length: usize) -> usize {
    (from..chars.len()).find(|&at| is_end(&chars[at..])).map_or(chars.len(), |at| at + length)
}

fn block_comment(chars: &[char], from: usize) -> usize {
    let mut depth = 0;
    let mut at = from;
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    at
}

fn string(chars: &[char], quote: usize) -> usize {
    let mut at = quote + 1;
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(chars.len())
}

fn raw_string(chars: &[char], from: usize) -> usize {
    let hashes = chars[from + 1..].iter().take_while(|&&c| c == '#').count();
    let quote = from + 1 + hashes;
    if chars.get(quote) != Some(&'"') {
        return from;
    }
    let is_end = |rest: &[char]| {
        rest[0] == '"' && rest[1..].iter().take(hashes).filter(|&&c| c == '#').count() == hashes
    };
    find(chars, quote + 1, is_end, hashes + 1)
}

/// A character, not a lifetime: it is closed after one, or after an escape.
fn character(chars: &[char], quote: usize) -> usize {
    match (chars.get(quote + 1), chars.get(quote + 2)) {
        (Some('\\'), _) => find(chars, quote + 3, |rest| rest[0] == '\'', 1),
        (Some(_), Some('\'')) => quote + 3,
        _ => quote,
    }
}

#[cfg(test)]
mod tests {
    use super::super::files::file;
    use super::*;

    #[test]
    fn comments_and_literals_are_not_code() {
        for hidden in [
            "// bad",
            "/// bad",
            "/* bad /* bad */ bad */",
            r#"let s = "bad \" bad";"#,
            r##"let s = r#"bad " bad"#;"##,
            r#"let s = br"bad\";"#,
            "let s = \"bad\nbad\";",
        ] {
            let code = blanked(hidden);
            assert!(!code.contains("bad"), "{hidden} became {code}");
            assert_eq!(code.lines().count(), hidden.lines().count(), "{hidden}");
        }
    }

    #[test]
    fn code_around_literals_is_kept() {
        for code in [
            r#"let a = "x"; bad()"#,
            r"let quote = '\''; bad()",
            "let quote = '\"'; bad()",
            "fn f<'a>(x: &'a str) { bad() }",
            "for r in rows { bad() }",
            r#"let b = (b"x", c"y"); bad()"#,
        ] {
            assert!(blanked(code).contains("bad()"), "{code} became {}", blanked(code));
        }
    }

    #[test]
    fn test_module_ends_production() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n}\n";
        let source = Source::of(&file("core/x/src/a.rs", text));
        assert_eq!(source.production().count(), 1);
        assert_eq!(source.tests().count(), 3);
        assert_eq!(Source::of(&file("core/x/tests/a.rs", text)).production().count(), 0);
        let declared = "#[cfg(test)]\nmod tests;\nfn a() {}\n";
        assert_eq!(Source::of(&file("core/x/src/a.rs", declared)).tests().count(), 0);
    }

    #[test]
    fn words_are_whole() {
        assert!(has_word("unsafe {", "unsafe"));
        assert!(!has_word("#![forbid(unsafe_code)]", "unsafe"));
    }
}
