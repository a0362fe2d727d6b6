"""Text from outside, made safe for a terminal."""

from __future__ import annotations

_LONGEST_TEXT = 200
_LARGEST_LATIN1 = 0xFF
_LARGEST_BASIC_PLANE = 0xFFFF


def visible(text: str) -> str:
    """``text`` with everything that does not print written as an escape, and cut where it is very long."""
    shown = "".join(char if char.isprintable() else _escape(ord(char)) for char in text[: _LONGEST_TEXT + 1])
    return shown if len(text) <= _LONGEST_TEXT else f"{shown[:_LONGEST_TEXT]}..."


def _escape(number: int) -> str:
    if number <= _LARGEST_LATIN1:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number <= _LARGEST_BASIC_PLANE else f"\\U{number:08x}"
