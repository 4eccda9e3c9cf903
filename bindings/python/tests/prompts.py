"""Prompts whose answers are known to be short or long."""

from __future__ import annotations

#: Greedy, the model counts on for hundreds of tokens.
ENDLESS = "1 2 3 4 5 6 7 8 9 10 11 12"


def of_words(count: int) -> str:
    """A prompt of about `count` tokens."""
    return "word " * count
