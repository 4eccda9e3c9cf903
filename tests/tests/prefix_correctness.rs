//! A hit changes nothing: answers to prompts whose beginnings were cached have the
//! log-probabilities that they have without a cache, on full attention and on a sliding window.
//!
//! The prompts are cuts of a text. Most begin as an earlier one does, up to a place chosen at
//! random, so that prefixes are taken from the middle of what is cached, and cached pieces are cut
//! in two. Several callers ask at once. What is compared with is computed alone, without an engine.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use indwell::{Engine, Reply};
use indwell_tests::{Score, Scorer, model, stats};

const PROMPTS: usize = 200;
const CALLERS: usize = 4;
const ANSWER_TOKENS: u32 = 3;
/// Names the model with a sliding window; `cargo xtask test` sets it.
const SWA_MODEL_VARIABLE: &str = "INDWELL_TEST_SWA_MODEL";
/// Another seed gives other prompts; the one in use is printed.
const SEED_VARIABLE: &str = "INDWELL_TEST_SEED";

/// The most that a token's log-probability may differ from the one computed alone: the tolerance
/// of `concurrency.rs`, which says why a batch's shape moves them. A hit moves them no further: the
/// cells that it shares were computed in another batch, and nothing else is different.
const DIFFERENCE_MAX: f32 = 1.0;
/// The same for the mean over all answers of their largest difference. A cell that is missing or
/// wrong in one answer of a few moves the mean beyond it, as the last test shows.
const DIFFERENCE_MEAN_MAX: f32 = 0.15;

/// Tokens of the sliding window that prompts must leave behind.
const WINDOW_TOKENS: u32 = 512;
const LONG_PROMPTS: usize = 4;

#[test]
fn answers_with_hits_are_those_without() {
    compare("full attention", &model());
}

#[test]
fn answers_with_hits_on_a_sliding_window_are_those_without() {
    let Some(model) = swa_model() else { return };
    compare("sliding window", &model);
}

/// Prompts several times as long as the window, from cached beginnings longer than it.
#[test]
fn hits_beyond_the_window_are_right() {
    let Some(model) = swa_model() else { return };
    let mut random = Random::seeded();
    let words = text();
    let from = random.below(words.len() / 2);
    let shared = words[from..from + 500].join(" ");
    let ending = |at: usize| words[from + 500 + 7 * at..][..4 + at].join(" ");
    let prompts: Vec<String> =
        (0..LONG_PROMPTS).map(|at| format!("{shared} {}", ending(at))).collect();

    let engine = engine(&model);
    let replies: Vec<Reply> = prompts.iter().map(|prompt| ask(&engine, prompt)).collect();
    assert!(replies[0].usage.prompt_tokens > WINDOW_TOKENS + 64, "longer than the window");
    for reply in &replies[1..] {
        assert!(reply.usage.cached_tokens > WINDOW_TOKENS, "no hit: {:?}", reply.usage);
    }
    let found = Comparison::of(&model, &prompts, &replies);
    println!("beyond the window: {}", found.told());
    found.assert_alike();
}

/// That the comparison can fail: with one word of the prefix replaced, which is what a cell of
/// another prompt would be, the answers are told from those that were given.
#[test]
fn a_wrong_cell_would_be_noticed() {
    let prompts = prompts(&mut Random::seeded(), 16);
    let engine = engine(&model());
    let replies: Vec<Reply> = prompts.iter().map(|prompt| ask(&engine, prompt)).collect();
    let wrong: Vec<String> = prompts
        .iter()
        .map(|prompt| {
            let mut words: Vec<&str> = prompt.split(' ').collect();
            let at = words.len() - 4;
            words[at] = "harpsichord";
            words.join(" ")
        })
        .collect();
    let found = Comparison::of(&model(), &wrong, &replies);
    println!("one wrong word: {}", found.told());
    assert!(found.mean > 2.0 * DIFFERENCE_MEAN_MAX, "{}", found.told());
}

fn compare(title: &str, model: &Path) {
    let prompts = prompts(&mut Random::seeded(), PROMPTS);
    let engine = engine(model);
    let replies = ask_together(&engine, &prompts);
    let sum = |count: fn(&Reply) -> u32| replies.iter().map(count).sum::<u32>();
    let cached = sum(|reply| reply.usage.cached_tokens);
    let asked = sum(|reply| reply.usage.prompt_tokens);
    let hits = replies.iter().filter(|reply| reply.usage.cached_tokens > 0).count();
    let found = Comparison::of(model, &prompts, &replies);
    println!(
        "{title}: {cached} of {asked} prompt tokens were hits, in {hits} of {PROMPTS} requests; {}",
        found.told()
    );
    assert!(cached * 3 >= asked, "too few hits to say anything: {cached} of {asked} tokens");
    let stats = stats(&engine);
    assert_eq!(u64::from(cached), stats.prefix_cache_hits, "statistics say the same");
    found.assert_alike();
}

/// How answers compare with what is computed alone.
struct Comparison {
    worst: Score,
    worst_prompt: String,
    /// The mean over the answers of each one's largest difference.
    mean: f32,
    /// Answers without a token, which say nothing.
    empty: usize,
}

impl Comparison {
    fn of(model: &Path, prompts: &[String], replies: &[Reply]) -> Self {
        let mut scorer = Scorer::new(model);
        let (worst, worst_prompt) = (Score::default(), String::new());
        let mut all = Self { worst, worst_prompt, mean: 0.0, empty: 0 };
        for (prompt, reply) in prompts.iter().zip(replies) {
            // A base model may end a text where an answer would begin.
            all.empty += usize::from(reply.logprobs.is_empty());
            let score = scorer.score(prompt, &reply.logprobs);
            if score.difference >= all.worst.difference {
                all.worst_prompt.clone_from(prompt);
            }
            all.worst.difference = all.worst.difference.max(score.difference);
            all.worst.margin = all.worst.margin.max(score.margin);
            all.mean += score.difference / prompts.len() as f32;
        }
        assert!(all.empty * 10 <= prompts.len(), "{} answers have no token", all.empty);
        all
    }

    fn told(&self) -> String {
        let Self { worst, worst_prompt, mean, .. } = self;
        let begins: String = worst_prompt.chars().take(80).collect();
        format!("mean difference {mean:.4}, at worst {worst:?} for {begins:?}")
    }

    fn assert_alike(&self) {
        let alike = self.worst.difference <= DIFFERENCE_MAX
            && self.worst.margin <= 2.0 * DIFFERENCE_MAX
            && self.mean <= DIFFERENCE_MEAN_MAX;
        assert!(alike, "answers differ from those computed alone: {}", self.told());
    }
}

/// A cache that is too small for all prompts, so that cached pieces are given up and come back.
fn engine(model: &Path) -> Engine {
    Engine::builder(model)
        .context_tokens(4096)
        .sequences_max(CALLERS as u32)
        .prefix_cache_tokens(1500)
        .host_cache_bytes(64 << 20)
        .response_cache_bytes(0)
        .build()
        .expect("an engine")
}

fn ask(engine: &Engine, prompt: &str) -> Reply {
    engine.complete(prompt).max_tokens(ANSWER_TOKENS).logprobs(true).run().expect("an answer")
}

/// Each caller takes the next prompt, so that hits and computing overlap.
fn ask_together(engine: &Engine, prompts: &[String]) -> Vec<Reply> {
    let next = Mutex::new(0..prompts.len());
    let mut replies: Vec<(usize, Reply)> = std::thread::scope(|scope| {
        let caller = || {
            let mut replies = Vec::new();
            loop {
                let Some(at) = next.lock().expect("no panic").next() else { return replies };
                replies.push((at, ask(engine, &prompts[at])));
            }
        };
        let callers: Vec<_> = (0..CALLERS).map(|_| scope.spawn(caller)).collect();
        callers.into_iter().flat_map(|caller| caller.join().expect("no panic")).collect()
    });
    replies.sort_by_key(|&(at, _)| at);
    replies.into_iter().map(|(_, reply)| reply).collect()
}

/// `count` prompts, three of four of which begin as an earlier one does.
fn prompts(random: &mut Random, count: usize) -> Vec<String> {
    let words = text();
    let mut prompts: Vec<Vec<&str>> = Vec::new();
    for index in 0..count {
        let mut prompt: Vec<&str> = Vec::new();
        if index > 0 && random.below(4) > 0 {
            let earlier = &prompts[random.below(prompts.len())];
            // Short prompts end up longer, long ones are cut: about thirty words each.
            let kept = 4 + random.below(earlier.len().min(36) - 4);
            prompt.extend(&earlier[..kept]);
        }
        let own = if prompt.is_empty() { 10 + random.below(16) } else { 4 + random.below(6) };
        let from = random.below(words.len() - own);
        prompt.extend(words[from..from + own].iter().map(String::as_str));
        prompts.push(prompt);
    }
    prompts.into_iter().map(|prompt| prompt.join(" ")).collect()
}

/// The words of wikitext-2, or those of this repository's own documents where it is not there.
fn text() -> &'static [String] {
    static WORDS: std::sync::OnceLock<Vec<String>> = std::sync::OnceLock::new();
    WORDS.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("in the repository");
        let read = |path: &str| std::fs::read_to_string(root.join(path));
        let text = read("../shared/data/wikitext-2-test.txt").unwrap_or_else(|_| {
            ["README.md", "docs/ARCHITECTURE.md", "docs/STYLE.md", "CONTRIBUTING.md"]
                .map(|path| read(path).expect("a file of this repository"))
                .join("\n")
        });
        text.split_whitespace().map(str::to_owned).collect()
    })
}

/// The model with a sliding window, or the reason why there is none.
fn swa_model() -> Option<PathBuf> {
    let named = std::env::var_os(SWA_MODEL_VARIABLE).map(PathBuf::from);
    if named.is_none() {
        println!("skipped: {SWA_MODEL_VARIABLE} names no model; `cargo xtask test` fetches one");
    }
    named
}

/// xorshift64*, from a seed that is printed.
struct Random(u64);

impl Random {
    fn seeded() -> Self {
        let seed = std::env::var(SEED_VARIABLE).ok().and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or(20_260_301);
        println!("{SEED_VARIABLE}={seed}");
        Self(seed | 1)
    }

    /// A number below `limit`.
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let bits = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(bits).expect("31 bits") % limit
    }
}
