"""The symbols that lines begin with, and what stands for them where the encoding has none."""

from __future__ import annotations

from dataclasses import dataclass

from kcode.ui.look.terminal import Look


@dataclass(frozen=True, slots=True)
class Marks:
    done: str
    failed: str
    waiting: str
    current: str
    thought: str
    together: str
    under: str
    again: str
    joined: str
    opened: str
    prompt: str
    spinner: str


SYMBOLS = Marks("✓", "✗", "○", "●", "✻", "⇉", "│", "↻", "↳", "▾", "❯", "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")
LETTERS = Marks("+", "x", "-", ">", "*", "=", "|", "~", ">", "v", ">", "|/-\\")


def marks_of(look: Look) -> Marks:
    return SYMBOLS if look.unicode else LETTERS
