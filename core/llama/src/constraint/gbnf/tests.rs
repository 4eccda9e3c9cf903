//! What llguidance accepts of a converted grammar is what the grammar says, character by character.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write;

use llguidance::api::TopLevelGrammar;
use llguidance::{Matcher, ParserFactory};
use toktrie::ApproximateTokEnv;

use super::to_lark;

/// A matcher of `gbnf` whose tokens are bytes.
fn matcher(gbnf: &str) -> Matcher {
    let lark = to_lark(gbnf).unwrap_or_else(|error| panic!("{error}\n{gbnf}"));
    let mut factory =
        ParserFactory::new_simple(&ApproximateTokEnv::single_byte_env()).expect("a factory");
    factory.quiet();
    let parser = factory.create_parser(TopLevelGrammar::from_lark(lark.clone()));
    let matcher = Matcher::new(parser);
    assert!(!matcher.is_error(), "{:?}\n{gbnf}\n{lark}", matcher.get_error());
    matcher
}

fn accepts(matcher: &Matcher, text: &str) -> bool {
    let mut matcher = matcher.deep_clone();
    let bytes: Vec<u32> = text.bytes().map(u32::from).collect();
    let taken = matcher.try_consume_tokens(&bytes).expect("within the limits");
    taken == bytes.len()
        && (matcher.is_stopped() || matcher.is_accepting().expect("within the limits"))
}

fn check(gbnf: &str, accepted: &[&str], refused: &[&str]) {
    let matcher = matcher(gbnf);
    for text in accepted {
        assert!(accepts(&matcher, text), "{text:?} is refused\n{gbnf}");
    }
    for text in refused {
        assert!(!accepts(&matcher, text), "{text:?} is accepted\n{gbnf}");
    }
}

#[test]
fn literals_classes_and_repetitions_are_what_they_are_in_llama_cpp() {
    check(
        r#"root ::= "a\"\\\x41" [^b-dé] . ("x" | "yz"){2,3} [-+]? # a comment
        "#,
        &["a\"\\Ae\nxx", "a\"\\A日\u{1f999}yzxyz-", "a\"\\A]xxyz+"],
        &["a\"\\Abexx", "a\"\\Aéexx", "a\"\\Aeex", "a\"\\Aeexxxx", "a\"\\Aeexx-+"],
    );
    check("root ::= \"\" | \"ab\"*\n", &["", "ab", "abab"], &["aba", "b"]);
    check(
        "root ::=\n  one |\n  two\none ::= \"1\"\ntwo ::= (\n\"2\"\n)+",
        &["1", "22"],
        &["12", ""],
    );
    check(r#"root ::= [\x61-\u0063\]]{2}"#, &["ab", "]c"], &["a", "d]"]);
}

#[test]
fn a_repetition_gives_back_what_comes_after_it_needs() {
    check(r#"root ::= [a-z]* "x" "#, &["x", "abx", "xxx"], &["", "ab", "xa"]);
    let recursive = r#"
        root ::= list
        list ::= "(" item* ")" word
        item ::= word list | word
        word ::= [a-z]+ [0-9]* "0"
    "#;
    check(recursive, &["()a0", "(a10b0()c00)d0"], &["()a", "(a1)b0", "()a1"]);
}

#[test]
fn arithmetic_keeps_its_line_ends() {
    // llama.cpp's grammars/arithmetic.gbnf: `ws` may take the line end that `root` needs.
    let arithmetic = r#"
        root  ::= (expr "=" ws term "\n")+
        expr  ::= term ([-+*/] ws term)*
        term  ::= ident | num | "(" ws expr ")" ws
        ident ::= [a-z] [a-z0-9_]* ws
        num   ::= [0-9]+ ws
        ws    ::= [ \t\n]*
    "#;
    check(
        arithmetic,
        &["1+2=3\n", "(a1 * 2) = b\n", "x=1\n\ny = 2 \n"],
        &["1+2=3", "(a*2=b\n", "=1\n"],
    );
}

#[test]
fn json_keeps_whole_strings_as_lexemes() {
    // llama.cpp's grammars/json.gbnf.
    let json = r#"
        root   ::= object
        value  ::= object | array | string | number | ("true" | "false" | "null") ws
        object ::= "{" ws ( string ":" ws value ("," ws string ":" ws value)* )? "}" ws
        array  ::= "[" ws ( value ("," ws value)* )? "]" ws
        string ::= "\"" ( [^"\\\x7F\x00-\x1F] | "\\" (["\\bfnrt] | "u" [0-9a-fA-F]{4}) )* "\"" ws
        number ::= ("-"? ([0-9] | [1-9] [0-9]{0,15})) ("." [0-9]+)? ([eE] [-+]? [0-9] [1-9]{0,15})? ws
        ws ::= | " " | "\n" [ \t]{0,20}
    "#;
    check(
        json,
        &[r#"{}"#, r#"{"a": [1, -2.5e3, "x\n\u00e9", null], "b": {"c": true}}"#],
        &[r#"{"a": }"#, r#"[1]"#, r#"{"a": 01}"#, r#"{"a": 1"#, r#"{"a": tru}"#],
    );
    let lark = to_lark(json).expect("a grammar");
    assert!(lark.lines().filter(|line| line.starts_with('L')).count() < 20, "{lark}");
}

#[test]
fn what_is_no_gbnf_is_told_with_its_place() {
    let nested = format!("root ::= {}\"a\"{}", "(".repeat(200), ")".repeat(200));
    let repeated = format!("root ::= \"a\"{}", "*".repeat(200));
    for (gbnf, reason) in [
        ("", "there is no rule \"root\""),
        ("a ::= \"b\"", "there is no rule \"root\""),
        ("root ::= a", "the rule \"a\" is used but not defined"),
        ("root ::= \"a", "1(12): expected a character"),
        ("root ::= [a", "1(12): expected a character"),
        ("root ::= [b-a]", "1(15): this class has no characters"),
        ("root ::= (\"a\"", "1(14): expected )"),
        ("root ::= *", "1(11): expected something to repeat"),
        ("root ::= \"a\"{3,2}", "the second count is below the first"),
        ("root ::= \"a\"{2001}", "at most 2000 repetitions"),
        ("root ::= \"\\q\"", "this escape is not known"),
        ("root = \"a\"", "1(6): expected ::="),
        ("root ::= \"a\"\nnext ::= )", "2(10): expected the end of the line"),
        ("root ::= !<a>", "say the id of a token"),
        (&nested, "nested deeper"),
        (&repeated, "nested deeper"),
    ] {
        let error = to_lark(gbnf).expect_err(gbnf).to_string();
        assert!(error.contains(reason), "{gbnf:?}: {error}");
    }
}

/// A part of a random grammar.
enum Part {
    Text(String),
    Class(&'static str),
    Both(Box<Part>, Box<Part>),
    Either(Box<Part>, Box<Part>),
    Repeated(Box<Part>, usize, Option<usize>),
    Rule(usize),
}

struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).expect("31 bits") % limit
    }
}

fn part(random: &mut Random, depth: usize, rules: usize) -> Part {
    if depth == 0 {
        return match random.below(5) {
            0 => Part::Class("ab"),
            1 => Part::Rule(random.below(rules)),
            _ => {
                let length = random.below(3);
                Part::Text((0..length).map(|_| ["a", "b"][random.below(2)]).collect())
            }
        };
    }
    let inner = |random: &mut Random| Box::new(part(random, depth - 1, rules));
    match random.below(6) {
        0 | 1 => Part::Both(inner(random), inner(random)),
        2 | 3 => Part::Either(inner(random), inner(random)),
        4 => {
            let from = random.below(3);
            let to = [None, Some(from + random.below(2))][random.below(2)];
            Part::Repeated(inner(random), from, to)
        }
        _ => *inner(random),
    }
}

fn write(part: &Part, text: &mut String) {
    let _ = match part {
        Part::Text(characters) => write!(text, "\"{characters}\""),
        Part::Class(characters) => write!(text, "[{characters}]"),
        Part::Rule(rule) => write!(text, "{}", name(*rule)),
        Part::Both(one, other) | Part::Either(one, other) => {
            text.push('(');
            write(one, text);
            text.push_str(if matches!(part, Part::Both(..)) { " " } else { " | " });
            write(other, text);
            text.write_str(")")
        }
        Part::Repeated(inner, from, to) => {
            text.push('(');
            write(inner, text);
            let to = to.map(|to| to.to_string()).unwrap_or_default();
            write!(text, "){{{from},{to}}}")
        }
    };
}

fn name(rule: usize) -> &'static str {
    ["root", "r1", "r2"][rule]
}

/// The texts of up to `length` characters that each rule stands for, found by going on until no new
/// one is found.
fn language(rules: &[Part], length: usize) -> BTreeSet<String> {
    let mut known: HashMap<usize, BTreeSet<String>> = HashMap::new();
    loop {
        let next: HashMap<_, _> = rules
            .iter()
            .enumerate()
            .map(|(rule, part)| (rule, texts(part, &known, length)))
            .collect();
        if next == known {
            return known.remove(&0).unwrap_or_default();
        }
        known = next;
    }
}

fn texts(part: &Part, known: &HashMap<usize, BTreeSet<String>>, length: usize) -> BTreeSet<String> {
    let both = |one: &BTreeSet<String>, other: &BTreeSet<String>| {
        let pairs = one.iter().flat_map(|a| other.iter().map(move |b| format!("{a}{b}")));
        pairs.filter(|text| text.len() <= length).collect::<BTreeSet<String>>()
    };
    match part {
        Part::Text(characters) => BTreeSet::from([characters.clone()]),
        Part::Class(characters) => characters.chars().map(String::from).collect(),
        Part::Rule(rule) => known.get(rule).cloned().unwrap_or_default(),
        Part::Both(one, other) => both(&texts(one, known, length), &texts(other, known, length)),
        Part::Either(one, other) => &texts(one, known, length) | &texts(other, known, length),
        Part::Repeated(inner, from, to) => {
            let inner = texts(inner, known, length);
            let mut all = BTreeSet::new();
            let mut now = BTreeSet::from([String::new()]);
            for count in 0..=to.unwrap_or(length + from) {
                if count >= *from {
                    all.extend(now.iter().cloned());
                }
                now = both(&now, &inner);
            }
            all
        }
    }
}

#[test]
fn random_grammars_accept_what_they_say() {
    const LENGTH: usize = 5;
    let all = (0..=LENGTH).flat_map(|length| {
        (0..1_u32 << length).map(move |bits| {
            (0..length).map(|at| if bits >> at & 1 == 1 { 'b' } else { 'a' }).collect::<String>()
        })
    });
    let all: Vec<String> = all.collect();
    let (mut accepted, mut refused) = (0, 0);
    for seed in 1..=300_u64 {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let count = 1 + random.below(3);
        let rules: Vec<Part> = (0..count).map(|_| part(&mut random, 2, count)).collect();
        let language = language(&rules, LENGTH);
        if language.is_empty() {
            // llguidance refuses a grammar that no text fits.
            continue;
        }
        let mut gbnf = String::new();
        for (rule, part) in rules.iter().enumerate() {
            let _ = write!(gbnf, "{} ::= ", name(rule));
            write(part, &mut gbnf);
            gbnf.push('\n');
        }
        let matcher = matcher(&gbnf);
        for text in &all {
            let is_accepted = accepts(&matcher, text);
            let lark = || to_lark(&gbnf).unwrap_or_default();
            assert_eq!(
                is_accepted,
                language.contains(text),
                "seed {seed}: {text:?}\n{gbnf}\n{}",
                lark()
            );
            *if is_accepted { &mut accepted } else { &mut refused } += 1;
        }
    }
    assert!(accepted > 1000 && refused > 1000, "{accepted} accepted, {refused} refused");
}
