//! SentencePiece's table of characters to replace, which llama.cpp walks for every text, and throws
//! where it leads outside. All of its ways are walked here once.

use super::GgufError;
use super::value::{Value, ValueType};

/// A node's check has this bit where the node holds a value.
const IS_VALUE: u32 = 1 << 31;

/// Checks the table at `key`: its length in four bytes, nodes, and the texts that replace.
pub(super) fn check(key: &str, value: &Value) -> Result<(), GgufError> {
    let refused = |value: String| {
        Err(GgufError::key(key, value, "a table of SentencePiece's whose ways stay inside it"))
    };
    let kinds = [ValueType::I8, ValueType::U8];
    let Some(numbers) = value.as_numbers().filter(|n| kinds.contains(&n.kind())) else {
        return refused(value.to_string());
    };
    let bytes = numbers.as_bytes();
    let Some((length, rest)) = bytes.split_first_chunk::<4>() else {
        return refused(format!("{} bytes long", bytes.len()));
    };
    let length = u32::from_le_bytes(*length) as usize;
    // As llama.cpp has it: something must be left behind the nodes.
    if length >= rest.len() || !length.is_multiple_of(4) {
        return refused(format!("{} bytes long with {length} bytes of nodes", bytes.len()));
    }
    let (nodes, texts) = rest.split_at(length);
    let nodes: Vec<u32> = nodes
        .chunks_exact(4)
        .map(|node| u32::from_le_bytes([node[0], node[1], node[2], node[3]]))
        .collect();
    match walk(&nodes, texts) {
        Ok(()) => Ok(()),
        Err(lost) => refused(format!("one with a way to {lost}")),
    }
}

/// Walks from the root by every byte (`llm_tokenizer_ugm_session::normalize_prefix`).
fn walk(nodes: &[u32], texts: &[u8]) -> Result<(), String> {
    if nodes.is_empty() {
        return Ok(());
    }
    let node = |at: u32| {
        nodes.get(at as usize).copied().ok_or_else(|| format!("node {at} of {}", nodes.len()))
    };
    let mut seen = vec![false; nodes.len()];
    // Where the children of a node begin.
    let mut open = vec![base(node(0)?)];
    while let Some(begin) = open.pop() {
        for byte in 1..=u32::from(u8::MAX) {
            let at = begin ^ byte;
            let child = node(at)?;
            if child & (IS_VALUE | 0xff) != byte || std::mem::replace(&mut seen[at as usize], true)
            {
                continue;
            }
            let next = at ^ base(child);
            let holds_value = (child >> 8) & 1 == 1;
            if holds_value {
                check_text(texts, (node(next)? & !IS_VALUE) as usize)?;
            }
            open.push(next);
        }
    }
    Ok(())
}

fn base(node: u32) -> u32 {
    (node >> 10) << ((node & (1 << 9)) >> 6)
}

fn check_text(texts: &[u8], from: usize) -> Result<(), String> {
    let is_ended = texts.get(from..).is_some_and(|text| text.contains(&0));
    if is_ended { Ok(()) } else { Err(format!("a text at {from} of {} bytes", texts.len())) }
}

#[cfg(test)]
mod tests {
    use super::super::value::Numbers;
    use super::*;

    fn table(nodes: &[u32], texts: &[u8]) -> Value {
        let mut bytes = u32::try_from(nodes.len() * 4).expect("small").to_le_bytes().to_vec();
        bytes.extend(nodes.iter().flat_map(|node| node.to_le_bytes()));
        bytes.extend_from_slice(texts);
        Value::Numbers(Numbers { kind: ValueType::U8, bytes })
    }

    /// A root whose child `a` holds a value that says where its text is.
    fn with_text_at(text: u32) -> Vec<u32> {
        let mut nodes = vec![0_u32; 512];
        nodes[0] = 256 << 10;
        let child = 256 ^ u32::from(b'a');
        nodes[child as usize] = (1 << 10) | (1 << 8) | u32::from(b'a');
        nodes[(child ^ 1) as usize] = IS_VALUE | text;
        nodes
    }

    #[test]
    fn ways_that_stay_inside_pass_and_others_are_refused() {
        check("map", &table(&with_text_at(0), b"A\0")).expect("whole");
        check("map", &table(&with_text_at(1), b"xA\0")).expect("whole");
        for (nodes, texts) in [
            (with_text_at(2), &b"A\0"[..]),
            (with_text_at(0), b"A"),
            (with_text_at(0)[..300].to_vec(), b"A\0"),
            (vec![u32::MAX; 4], b"A\0"),
        ] {
            check("map", &table(&nodes, texts)).expect_err("it leads outside");
        }
        check("map", &Value::Text(Vec::new())).expect_err("no table");
    }

    #[test]
    fn a_table_without_texts_or_with_half_a_node_is_refused() {
        let value =
            |bytes: &[u8]| Value::Numbers(Numbers { kind: ValueType::U8, bytes: bytes.to_vec() });
        check("map", &value(&[1, 2])).expect_err("no length");
        check("map", &value(&[4, 0, 0, 0, 1, 2, 3, 4])).expect_err("nothing behind the nodes");
        check("map", &value(&[3, 0, 0, 0, 1, 2, 3, 4, 5])).expect_err("three quarters of a node");
        check("map", &value(&[255, 255, 255, 255, 0, 0])).expect_err("longer than it is");
    }
}
