//! One mutant: how it is made from its number, and how it comes to lie in a file.
//!
//! A mutant whose beginning is as long as the original's is written into the whole copy of the
//! model and taken back afterwards, so that nothing large is copied.

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::edits;
use crate::models::Base;
use crate::random::Random;

/// A mutant.
#[derive(Debug)]
pub(crate) struct Mutant {
    /// What was done, in words.
    pub(crate) what: String,
    /// The file's beginning.
    head: Vec<u8>,
    /// Bytes of the data that are others: where, and what.
    data: Vec<(usize, u8)>,
    /// How long the file is, if not as long as its beginning and the data.
    length: Option<u64>,
}

/// Makes the mutant `number` of `base`.
pub(crate) fn make(base: &Base, number: u64) -> Mutant {
    let mut random = Random::new(number);
    let whole = Mutant { what: String::new(), head: Vec::new(), data: Vec::new(), length: None };
    match random.below(20) {
        0 | 1 => flipped_head(base, &mut random, whole),
        2 => flipped_data(base, &mut random, whole),
        3 => cut(base, &mut random, whole),
        _ => edited(base, &mut random, whole),
    }
}

fn flipped_head(base: &Base, random: &mut Random, whole: Mutant) -> Mutant {
    let mut head = base.head.clone();
    // Half of them where the numbers are, before the long lists of tokens.
    let reach = if random.once_in(2) { head.len().min(2048) } else { head.len() };
    let bits: Vec<usize> = (0..=random.below(4)).map(|_| random.below(reach * 8)).collect();
    for bit in &bits {
        head[bit / 8] ^= 1 << (bit % 8);
    }
    Mutant { what: format!("bits {bits:?} of the beginning"), head, ..whole }
}

fn flipped_data(base: &Base, random: &mut Random, whole: Mutant) -> Mutant {
    let flips: Vec<(usize, u8)> = (0..64)
        .map(|_| {
            let at = random.below(base.data.len());
            (at, base.data[at] ^ (1 << random.below(8)))
        })
        .collect();
    let what = format!("{} bits of the data", flips.len());
    Mutant { what, head: base.head.clone(), data: flips, ..whole }
}

fn cut(base: &Base, random: &mut Random, whole: Mutant) -> Mutant {
    let total = base.head.len() + base.data.len();
    let reach = if random.once_in(2) { base.head.len() } else { total };
    let length = random.below(reach);
    let head = base.head[..length.min(base.head.len())].to_vec();
    Mutant { what: format!("cut at byte {length}"), head, length: Some(length as u64), ..whole }
}

fn edited(base: &Base, random: &mut Random, whole: Mutant) -> Mutant {
    let mut draft = base.draft.clone();
    let count = if random.once_in(3) { 1 + random.below(3) } else { 1 };
    let mut done: Vec<String> = (0..count).map(|_| edits::edit(&mut draft, random)).collect();
    // Where types and shapes changed, the data are laid out anew half of the time: else the first
    // offset that is not as expected would hide everything else.
    let mut length = None;
    if random.once_in(2) {
        edits::lay_out(&mut draft);
        done.push("laid out anew".to_owned());
        length = Some(draft.head().len() as u64 + draft.data_bytes);
    }
    Mutant { what: done.join(", "), head: draft.head(), length, ..whole }
}

/// Where a mutant lies.
pub(crate) enum Placed {
    /// In the whole copy.
    InPlace(PathBuf),
    /// In a file of its own.
    Own(PathBuf),
}

impl Mutant {
    /// Writes it, into the copy `whole` of the model or beside it.
    pub(crate) fn write(
        &self,
        base: &Base,
        folder: &Path,
        whole: &Path,
    ) -> std::io::Result<Placed> {
        let as_long = base.head.len() as u64 + base.data.len() as u64;
        let fits = self.head.len() == base.head.len() && self.length.is_none_or(|l| l == as_long);
        if fits {
            let mut file = OpenOptions::new().write(true).open(whole)?;
            file.write_all(&self.head)?;
            write_bytes(&mut file, base, self.data.iter().copied())?;
            return Ok(Placed::InPlace(whole.to_owned()));
        }
        let path = folder.join("mutant.gguf");
        let mut file = File::create(&path)?;
        file.write_all(&self.head)?;
        let length = self.length.unwrap_or(self.head.len() as u64 + base.data.len() as u64);
        let room =
            usize::try_from(length).expect("a file in memory").saturating_sub(self.head.len());
        file.write_all(&base.data[..room.min(base.data.len())])?;
        file.set_len(length)?;
        Ok(Placed::Own(path))
    }
}

impl Placed {
    /// The file.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::InPlace(path) | Self::Own(path) => path,
        }
    }

    /// Makes the copy of the model whole again.
    pub(crate) fn restore(self, base: &Base, mutant: &Mutant) -> std::io::Result<()> {
        match self {
            Self::Own(path) => std::fs::remove_file(path),
            Self::InPlace(path) => {
                let mut file = OpenOptions::new().write(true).open(path)?;
                file.write_all(&base.head)?;
                let bytes = mutant.data.iter().map(|&(at, _)| (at, base.data[at]));
                write_bytes(&mut file, base, bytes)
            }
        }
    }
}

fn write_bytes(
    file: &mut File,
    base: &Base,
    bytes: impl Iterator<Item = (usize, u8)>,
) -> std::io::Result<()> {
    for (at, byte) in bytes {
        file.seek(SeekFrom::Start((base.head.len() + at) as u64))?;
        file.write_all(&[byte])?;
    }
    Ok(())
}
