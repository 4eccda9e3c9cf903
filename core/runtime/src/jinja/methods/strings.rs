//! Methods of texts: cutting, searching, asking.

use std::sync::Arc;

use super::letters;
use crate::jinja::arguments::{Arguments, flag, required, required_text, text, whole};
use crate::jinja::failure::{Result, wrong};
use crate::jinja::meter::Meter;
use crate::jinja::text::{Buffer, Char, Text, find, find_last, is_space};
use crate::jinja::value::Value;

/// Calls a method of a text.
pub(super) fn call(
    receiver: &Text,
    name: &str,
    arguments: Arguments,
    meter: &Arc<Meter>,
) -> Result<Value> {
    let chars = receiver.chars();
    meter.look(chars.len())?;
    let of_text = |text: Result<Text>| text.map(Value::Text);
    match name {
        "format" => return of_text(crate::jinja::format::format(receiver, arguments, meter)),
        "format_map" => {
            let [members] = arguments.bind(["map"])?;
            let members = vec![(Arc::from(crate::jinja::format::MAP), required(members, "map")?)];
            let arguments = Arguments { positional: Vec::new(), named: members };
            return of_text(crate::jinja::format::format(receiver, arguments, meter));
        }
        "strip" | "lstrip" | "rstrip" => {
            let [set] = arguments.bind(["chars"])?;
            let set = text(set, "chars")?;
            let sides = (name != "rstrip", name != "lstrip");
            return of_text(Text::of(stripped(chars, set.as_ref(), sides), meter));
        }
        "split" | "rsplit" => return split(chars, name == "rsplit", arguments, meter),
        "splitlines" => {
            let [keep] = arguments.bind(["keepends"])?;
            let lines = lines(chars, flag(keep, false));
            return texts(&lines, meter);
        }
        "partition" | "rpartition" => return partition(chars, name, arguments, meter),
        "startswith" | "endswith" => return edges(chars, name, arguments),
        "find" | "rfind" | "index" | "rindex" | "count" => {
            return search(chars, name, arguments);
        }
        "replace" => {
            let [old, new, count] = arguments.bind(["old", "new", "count"])?;
            let (old, new) = (required_text(old, "old")?, required_text(new, "new")?);
            let count = whole(count, "count", -1)?;
            return of_text(replaced(chars, old.chars(), new.chars(), count, meter));
        }
        "join" => {
            let [items] = arguments.bind(["iterable"])?;
            let items = required(items, "iterable")?.iterate(meter)?;
            return of_text(joined(chars, items.items(), meter));
        }
        "removeprefix" | "removesuffix" => {
            let [affix] = arguments.bind(["affix"])?;
            let affix = required_text(affix, "affix")?;
            let rest = match name {
                "removeprefix" => chars.strip_prefix(affix.chars()),
                _ => chars.strip_suffix(affix.chars()),
            };
            return of_text(Text::of(rest.unwrap_or(chars), meter));
        }
        "center" | "ljust" | "rjust" | "zfill" => {
            let [width, fill] = arguments.bind(["width", "fillchar"])?;
            let width = whole(width, "width", 0)?;
            return of_text(padded(chars, name, width, text(fill, "fillchar")?, meter));
        }
        "expandtabs" => {
            let [size] = arguments.bind(["tabsize"])?;
            return of_text(expanded(chars, whole(size, "tabsize", 8)?, meter));
        }
        "encode" => return wrong("templates have no bytes"),
        _ => {}
    }
    arguments.bind([])?;
    match name {
        "lower" | "casefold" => of_text(letters::lowered(chars, meter)),
        "upper" => of_text(letters::raised(chars, meter)),
        "title" => of_text(letters::titled(chars, meter)),
        "capitalize" => of_text(letters::capitalized(chars, meter)),
        "swapcase" => of_text(letters::swapped(chars, meter)),
        _ => Ok(Value::Bool(asks(chars, name))),
    }
}

/// `isalpha` and the like.
fn asks(chars: &[Char], name: &str) -> bool {
    let all = |is: fn(char) -> bool| !chars.is_empty() && chars.iter().all(|c| is(c.letter()));
    let cased = |wrong: fn(char) -> bool| {
        chars.iter().any(|c| letters::is_cased(*c)) && !chars.iter().any(|c| wrong(c.letter()))
    };
    match name {
        "isalpha" => all(char::is_alphabetic),
        "isalnum" => all(char::is_alphanumeric),
        "isdecimal" => all(is_decimal),
        "isdigit" => all(|c| is_decimal(c) || is_raised_digit(c)),
        "isnumeric" => all(char::is_numeric),
        "isspace" => all(is_space),
        "isascii" => chars.iter().all(|c| c.letter().is_ascii()),
        "isupper" => cased(char::is_lowercase),
        "islower" => cased(char::is_uppercase),
        "istitle" => {
            let mut inside = false;
            let mut any = false;
            for c in chars {
                let upper = c.letter().is_uppercase();
                if upper && inside || c.letter().is_lowercase() && !inside {
                    return false;
                }
                inside = letters::is_cased(*c);
                any |= inside;
            }
            any
        }
        _ => false,
    }
}

/// Whether it is a digit of some script: those scripts' zeros that come with Unicode's basic plane.
fn is_decimal(c: char) -> bool {
    const ZEROS: &[u32] = &[
        0x30, 0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66,
        0xde6, 0xe50, 0xed0, 0xf20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90,
        0x1b50, 0x1bb0, 0x1c40, 0x1c50, 0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0,
        0xff10,
    ];
    let code = u32::from(c);
    ZEROS.iter().any(|zero| (*zero..zero + 10).contains(&code))
}

/// Digits that Python counts as such, but not as decimal ones: raised, lowered and circled.
fn is_raised_digit(c: char) -> bool {
    matches!(c, '²' | '³' | '¹' | '\u{2070}' | '\u{2074}'..='\u{2079}' | '\u{2080}'..='\u{2089}'
        | '\u{2460}'..='\u{2468}' | '\u{2474}'..='\u{247c}' | '\u{2488}'..='\u{2490}')
}

/// Without white space, or the characters of `set`, at the sides that are true: left, right.
pub(crate) fn stripped<'c>(
    chars: &'c [Char],
    set: Option<&Text>,
    (left, right): (bool, bool),
) -> &'c [Char] {
    let goes = |c: &Char| match set {
        None => is_space(c.letter()),
        Some(set) => set.chars().contains(c),
    };
    let start = if left { chars.iter().position(|c| !goes(c)).unwrap_or(chars.len()) } else { 0 };
    let rest = &chars[start..];
    let end =
        if right { rest.iter().rposition(|c| !goes(c)).map_or(0, |at| at + 1) } else { rest.len() };
    &rest[..end]
}

fn texts(parts: &[&[Char]], meter: &Arc<Meter>) -> Result<Value> {
    let parts: Result<Vec<_>> =
        parts.iter().map(|part| Ok(Value::Text(Text::of(part, meter)?))).collect();
    Value::list(parts?, meter)
}

fn split(
    chars: &[Char],
    from_right: bool,
    arguments: Arguments,
    meter: &Arc<Meter>,
) -> Result<Value> {
    let [separator, most] = arguments.bind(["sep", "maxsplit"])?;
    let separator = text(separator, "sep")?;
    let most = usize::try_from(whole(most, "maxsplit", -1)?).unwrap_or(usize::MAX);
    let parts = match &separator {
        Some(separator) if separator.chars().is_empty() => return wrong("empty separator"),
        Some(separator) if from_right => split_right(chars, separator.chars(), most),
        Some(separator) => split_left(chars, separator.chars(), most),
        None if from_right => words_right(chars, most),
        None => words_left(chars, most),
    };
    texts(&parts, meter)
}

fn split_left<'c>(chars: &'c [Char], separator: &[Char], most: usize) -> Vec<&'c [Char]> {
    let mut parts = Vec::new();
    let mut from = 0;
    while parts.len() < most
        && let Some(at) = find(chars, separator, from)
    {
        parts.push(&chars[from..at]);
        from = at + separator.len();
    }
    parts.push(&chars[from..]);
    parts
}

fn split_right<'c>(chars: &'c [Char], separator: &[Char], most: usize) -> Vec<&'c [Char]> {
    let mut parts = Vec::new();
    let mut to = chars.len();
    while parts.len() < most
        && let Some(at) = find_last(&chars[..to], separator)
    {
        parts.push(&chars[at + separator.len()..to]);
        to = at;
    }
    parts.push(&chars[..to]);
    parts.reverse();
    parts
}

fn words_left(chars: &[Char], most: usize) -> Vec<&[Char]> {
    let mut parts = Vec::new();
    let mut rest = stripped(chars, None, (true, false));
    while !rest.is_empty() {
        if parts.len() == most {
            parts.push(rest);
            break;
        }
        let end = rest.iter().position(|c| is_space(c.letter())).unwrap_or(rest.len());
        parts.push(&rest[..end]);
        rest = stripped(&rest[end..], None, (true, false));
    }
    parts
}

fn words_right(chars: &[Char], most: usize) -> Vec<&[Char]> {
    let mut parts = Vec::new();
    let mut rest = stripped(chars, None, (false, true));
    while !rest.is_empty() {
        if parts.len() == most {
            parts.push(rest);
            break;
        }
        let start = rest.iter().rposition(|c| is_space(c.letter())).map_or(0, |at| at + 1);
        parts.push(&rest[start..]);
        rest = stripped(&rest[..start], None, (false, true));
    }
    parts.reverse();
    parts
}

/// Lines as Python's `splitlines` has them.
pub(crate) fn lines(chars: &[Char], keep_ends: bool) -> Vec<&[Char]> {
    let mut lines = Vec::new();
    let mut from = 0;
    let mut at = 0;
    while at < chars.len() {
        let letter = chars[at].letter();
        let ends = matches!(
            letter,
            '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{1c}'
                ..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}'
        );
        let both = letter == '\r' && chars.get(at + 1).is_some_and(|c| c.letter() == '\n');
        let next = at + if both { 2 } else { 1 };
        if ends {
            lines.push(&chars[from..if keep_ends { next } else { at }]);
            from = next;
        }
        at = next;
    }
    if from < chars.len() {
        lines.push(&chars[from..]);
    }
    lines
}

fn partition(
    chars: &[Char],
    name: &str,
    arguments: Arguments,
    meter: &Arc<Meter>,
) -> Result<Value> {
    let [separator] = arguments.bind(["sep"])?;
    let separator = required_text(separator, "sep")?;
    let separator = separator.chars();
    if separator.is_empty() {
        return wrong("empty separator");
    }
    let at = match name {
        "partition" => find(chars, separator, 0),
        _ => find_last(chars, separator),
    };
    let parts: [&[Char]; 3] = match at {
        Some(at) => {
            let end = at + separator.len();
            [&chars[..at], &chars[at..end], &chars[end..]]
        }
        None if name == "partition" => [chars, &[], &[]],
        None => [&[], &[], chars],
    };
    let parts: Result<Vec<_>> =
        parts.iter().map(|part| Ok(Value::Text(Text::of(part, meter)?))).collect();
    Value::tuple(parts?, meter)
}

fn edges(chars: &[Char], name: &str, arguments: Arguments) -> Result<Value> {
    let [affix, start, end] = arguments.bind(["prefix", "start", "end"])?;
    let chars = within(chars, start, end)?;
    let affix = required(affix, "prefix")?;
    let has = |affix: &Value| match affix {
        Value::Text(affix) if name == "startswith" => Ok(chars.starts_with(affix.chars())),
        Value::Text(affix) => Ok(chars.ends_with(affix.chars())),
        Value::Undefined(what) => wrong(what.to_string()),
        other => wrong(format!("{name} takes a str or a tuple of str, not {}", other.kind())),
    };
    let affixes = match &affix {
        Value::Tuple(list) => list.items(),
        one => std::slice::from_ref(one),
    };
    for affix in affixes {
        if has(affix)? {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}

/// The part between two positions, which may count from the end.
fn within(chars: &[Char], start: Option<Value>, end: Option<Value>) -> Result<&[Char]> {
    let length = chars.len() as i64;
    let place = |value: Option<Value>, name, default| {
        let at = whole(value.filter(|value| !matches!(value, Value::None)), name, default)?;
        let at = if at < 0 { at.saturating_add(length) } else { at };
        Ok(usize::try_from(at.clamp(0, length)).unwrap_or(0))
    };
    let (start, end) = (place(start, "start", 0)?, place(end, "end", length)?);
    Ok(chars.get(start..end).unwrap_or_default())
}

fn search(chars: &[Char], name: &str, arguments: Arguments) -> Result<Value> {
    let [part, start, end] = arguments.bind(["sub", "start", "end"])?;
    let part = required_text(part, "sub")?;
    let part = part.chars();
    let searched = within(chars, start.clone(), end)?;
    // Where what is searched begins.
    let from = within(chars, start, None)?;
    let offset = chars.len() - from.len();
    if name == "count" {
        let count = match part.len() {
            0 => searched.len() + 1,
            _ => split_left(searched, part, usize::MAX).len() - 1,
        };
        return Ok(Value::Int(count as i128));
    }
    let found = match name {
        "rfind" | "rindex" => find_last(searched, part),
        _ => find(searched, part, 0),
    };
    match found {
        Some(at) => Ok(Value::Int((at + offset) as i128)),
        None if name.ends_with("find") => Ok(Value::Int(-1)),
        None => wrong("substring not found"),
    }
}

/// Python's `replace`; a negative count replaces all.
pub(crate) fn replaced(
    chars: &[Char],
    old: &[Char],
    new: &[Char],
    count: i64,
    meter: &Arc<Meter>,
) -> Result<Text> {
    let mut left = usize::try_from(count).unwrap_or(usize::MAX);
    let mut buffer = Buffer::new(meter)?;
    let mut from = 0;
    if old.is_empty() {
        // Between all characters, and at both ends.
        while left > 0 && from < chars.len() {
            buffer.push(new)?;
            buffer.push_char(chars[from])?;
            from += 1;
            left -= 1;
        }
        if left > 0 {
            buffer.push(new)?;
        }
    } else {
        while left > 0
            && let Some(at) = find(chars, old, from)
        {
            buffer.push(&chars[from..at])?;
            buffer.push(new)?;
            from = at + old.len();
            left -= 1;
        }
    }
    buffer.push(&chars[from..])?;
    Ok(buffer.finish())
}

fn joined(separator: &[Char], items: &[Value], meter: &Arc<Meter>) -> Result<Text> {
    let mut buffer = Buffer::new(meter)?;
    for (index, item) in items.iter().enumerate() {
        let Value::Text(item) = item else {
            return wrong(format!("sequence item {index}: expected str, {} found", item.kind()));
        };
        if index > 0 {
            buffer.push(separator)?;
        }
        buffer.push(item.chars())?;
    }
    Ok(buffer.finish())
}

/// `center` and the like.
pub(crate) fn padded(
    chars: &[Char],
    name: &str,
    width: i64,
    fill: Option<Text>,
    meter: &Arc<Meter>,
) -> Result<Text> {
    let fill = match &fill {
        Some(fill) if fill.chars().len() == 1 => fill.chars()[0],
        Some(_) => return wrong("the fill character must be exactly one character long"),
        None if name == "zfill" => Char::written('0'),
        None => Char::written(' '),
    };
    let width = usize::try_from(width).unwrap_or(0);
    let missing = width.saturating_sub(chars.len());
    // CPython puts the odd one on the left where the width is odd.
    let left = match name {
        "ljust" => 0,
        "center" => missing / 2 + (missing & width & 1),
        _ => missing,
    };
    let mut buffer = Buffer::new(meter)?;
    let (sign, rest) = match chars.first().map(|c| c.letter()) {
        Some('+' | '-') if name == "zfill" => chars.split_at(1),
        _ => (&chars[..0], chars),
    };
    buffer.push(sign)?;
    buffer.repeat(&[fill], left)?;
    buffer.push(rest)?;
    buffer.repeat(&[fill], missing - left)?;
    Ok(buffer.finish())
}

fn expanded(chars: &[Char], size: i64, meter: &Arc<Meter>) -> Result<Text> {
    let size = usize::try_from(size).unwrap_or(0);
    let mut buffer = Buffer::new(meter)?;
    let mut column: usize = 0;
    for c in chars {
        match c.letter() {
            '\t' => {
                let width = column.checked_rem(size).map_or(0, |over| size - over);
                buffer.repeat(&[c.with(' ')], width)?;
                column += width;
            }
            letter => {
                buffer.push_char(*c)?;
                column = if matches!(letter, '\n' | '\r') { 0 } else { column + 1 };
            }
        }
    }
    Ok(buffer.finish())
}
