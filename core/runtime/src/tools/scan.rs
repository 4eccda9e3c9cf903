//! Where a JSON value ends, character by character.
//!
//! Knows JSON's grammar and nothing of what a value means. It keeps no text, so that a value of any
//! length is followed while it is passed on. Strict, but for control characters in strings, which
//! models write and JSON forbids: they are let through, and [`passed`] writes them as JSON would.

/// Objects and arrays inside each other at most. A deeper value is no value.
pub(super) const DEPTH_MAX: usize = 128;

/// Follows one value. Space before it is part of it.
#[derive(Clone, Debug)]
pub(super) struct JsonScan {
    state: State,
    open: Vec<Bracket>,
}

/// What a character was to a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scan {
    /// Part of it, and more must come.
    More,
    /// The last of it.
    Last,
    /// The first that is no part of it: only after a number.
    After,
    /// Nothing that JSON has there.
    Bad,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bracket {
    Array,
    Object,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// A value, where `empty` says that the array may end instead.
    Value {
        empty: bool,
    },
    /// A key, where `empty` says that the object may end instead.
    Key {
        empty: bool,
    },
    Colon,
    /// After a value inside a bracket.
    Next,
    Text {
        key: bool,
        escape: Escape,
    },
    Number(Number),
    /// What is left of `true`, `false` or `null`.
    Word(&'static str),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Escape {
    None,
    Started,
    /// Hexadecimal digits that are missing.
    Unicode(u8),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Number {
    Minus,
    Zero,
    Whole,
    Point,
    Fraction,
    Power,
    PowerSign,
    PowerDigits,
}

impl JsonScan {
    pub(super) fn new() -> Self {
        Self { state: State::Value { empty: false }, open: Vec::new() }
    }

    /// Whether it is inside a string.
    pub(super) fn in_text(&self) -> bool {
        matches!(self.state, State::Text { .. })
    }

    /// Takes the next character. After anything but [`Scan::More`] it must not be asked again.
    pub(super) fn take(&mut self, c: char) -> Scan {
        match self.state {
            State::Text { key, escape } => self.text(c, key, escape),
            State::Number(number) => self.number(c, number),
            State::Word(rest) => match rest.strip_prefix(c) {
                Some("") => self.value_ended(),
                Some(rest) => self.go(State::Word(rest)),
                None => Scan::Bad,
            },
            _ if matches!(c, ' ' | '\t' | '\n' | '\r') => Scan::More,
            State::Value { empty } => self.value(c, empty),
            State::Key { .. } if c == '"' => {
                self.go(State::Text { key: true, escape: Escape::None })
            }
            State::Key { empty: true } if c == '}' => self.close(Bracket::Object),
            State::Colon if c == ':' => self.go(State::Value { empty: false }),
            State::Next => self.next(c),
            State::Key { .. } | State::Colon => Scan::Bad,
        }
    }

    fn go(&mut self, state: State) -> Scan {
        self.state = state;
        Scan::More
    }

    fn value(&mut self, c: char, empty: bool) -> Scan {
        match c {
            '{' => self.bracket(Bracket::Object, State::Key { empty: true }),
            '[' => self.bracket(Bracket::Array, State::Value { empty: true }),
            ']' if empty => self.close(Bracket::Array),
            '"' => self.go(State::Text { key: false, escape: Escape::None }),
            '-' => self.go(State::Number(Number::Minus)),
            '0' => self.go(State::Number(Number::Zero)),
            '1'..='9' => self.go(State::Number(Number::Whole)),
            't' => self.go(State::Word("rue")),
            'f' => self.go(State::Word("alse")),
            'n' => self.go(State::Word("ull")),
            _ => Scan::Bad,
        }
    }

    fn bracket(&mut self, bracket: Bracket, state: State) -> Scan {
        if self.open.len() >= DEPTH_MAX {
            return Scan::Bad;
        }
        self.open.push(bracket);
        self.go(state)
    }

    fn close(&mut self, bracket: Bracket) -> Scan {
        if self.open.pop() == Some(bracket) { self.value_ended() } else { Scan::Bad }
    }

    fn value_ended(&mut self) -> Scan {
        self.state = State::Next;
        if self.open.is_empty() { Scan::Last } else { Scan::More }
    }

    fn next(&mut self, c: char) -> Scan {
        match (c, self.open.last()) {
            (',', Some(Bracket::Array)) => self.go(State::Value { empty: false }),
            (',', Some(Bracket::Object)) => self.go(State::Key { empty: false }),
            (']', _) => self.close(Bracket::Array),
            ('}', _) => self.close(Bracket::Object),
            _ => Scan::Bad,
        }
    }

    fn text(&mut self, c: char, key: bool, escape: Escape) -> Scan {
        let next = match (escape, c) {
            (Escape::None, '"') if key => return self.go(State::Colon),
            (Escape::None, '"') => return self.value_ended(),
            (Escape::None, '\\') => Escape::Started,
            (Escape::None, _) => Escape::None,
            (Escape::Started, 'u') => Escape::Unicode(4),
            (Escape::Started, '"' | '\\' | '/' | 'b' | 'f' | 'n' | 'r' | 't') => Escape::None,
            (Escape::Unicode(1), c) if c.is_ascii_hexdigit() => Escape::None,
            (Escape::Unicode(left), c) if c.is_ascii_hexdigit() => Escape::Unicode(left - 1),
            (Escape::Started | Escape::Unicode(_), _) => return Scan::Bad,
        };
        self.go(State::Text { key, escape: next })
    }

    fn number(&mut self, c: char, number: Number) -> Scan {
        use Number::{Fraction, Minus, Point, Power, PowerDigits, PowerSign, Whole, Zero};
        let next = match (number, c) {
            (Minus, '0') => Zero,
            (Minus, '1'..='9') | (Whole, '0'..='9') => Whole,
            (Zero | Whole, '.') => Point,
            (Point | Fraction, '0'..='9') => Fraction,
            (Zero | Whole | Fraction, 'e' | 'E') => Power,
            (Power, '+' | '-') => PowerSign,
            (Power | PowerSign | PowerDigits, '0'..='9') => PowerDigits,
            (Zero | Whole | Fraction | PowerDigits, _) => {
                self.state = State::Next;
                return if self.open.is_empty() { Scan::After } else { self.take(c) };
            }
            (Minus | Point | Power | PowerSign, _) => return Scan::Bad,
        };
        self.go(State::Number(next))
    }
}

/// Appends `c`, which stands in a string of a value if `in_text`, as JSON writes it there.
pub(super) fn passed(c: char, in_text: bool, into: &mut String) {
    use std::fmt::Write;
    match c {
        '\n' if in_text => into.push_str("\\n"),
        '\t' if in_text => into.push_str("\\t"),
        '\r' if in_text => into.push_str("\\r"),
        c if in_text && c < ' ' => {
            write!(into, "\\u{:04x}", u32::from(c)).expect("a text takes all that is written");
        }
        c => into.push(c),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What `text` is to a value that it begins with: its length, or nothing.
    fn end(text: &str) -> Option<usize> {
        let mut scan = JsonScan::new();
        for (at, c) in text.char_indices() {
            match scan.take(c) {
                Scan::More => {}
                Scan::Last => return Some(at + c.len_utf8()),
                Scan::After => return Some(at),
                Scan::Bad => return None,
            }
        }
        None
    }

    #[test]
    fn a_value_ends_where_json_says() {
        for (text, length) in [
            ("{} x", Some(2)),
            (r#" {"a": [1, -2.5e+3, {"b": null}], "c": "}\"\u00e9"} x"#, Some(51)),
            ("[] ", Some(2)),
            ("12,", Some(2)),
            ("true,", Some(4)),
            (r#""a"x"#, Some(3)),
            ("{\"a\": 1,}", None),
            ("[1,]", None),
            ("{'a': 1}", None),
            ("01", Some(1)),
            ("-x", None),
            ("1.x", None),
            (r#""\x""#, None),
            (r#""\u12g4""#, None),
            ("{]", None),
            ("nul ", None),
        ] {
            assert_eq!(end(text), length, "{text}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        assert!(end(&format!("{}{}", "[".repeat(DEPTH_MAX), "]".repeat(DEPTH_MAX))).is_some());
        assert!(
            end(&format!("{}{}", "[".repeat(DEPTH_MAX + 1), "]".repeat(DEPTH_MAX + 1))).is_none()
        );
    }

    fn value() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<f64>().prop_map(Into::into),
            ".{0,8}".prop_map(serde_json::Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
                proptest::collection::vec((".{0,4}", inner), 0..4)
                    .prop_map(|pairs| serde_json::Value::Object(pairs.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_value_that_is_written_ends_with_its_last_character(value in value()) {
            for text in [value.to_string(), serde_json::to_string_pretty(&value).expect("json")] {
                let number = value.is_number();
                let found = end(&format!("{text} x"));
                prop_assert_eq!(found, Some(text.len()), "{} ({})", text, number);
            }
        }

        #[test]
        fn nothing_that_ends_is_anything_else_to_serde(text in r#"[\[\]{}",:0-9.eE+\- tfn\\u]{0,12}"#) {
            if let Some(length) = end(&text) {
                prop_assert!(serde_json::from_str::<serde::de::IgnoredAny>(&text[..length]).is_ok(), "{}", text);
            }
        }
    }
}
