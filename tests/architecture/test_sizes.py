"""Rooms stay small: the hard bounds of files and functions."""

from __future__ import annotations

import ast

from .sources import PACKAGES, ROOT, python_files, tree

FILE_LINES = 400
FUNCTION_LINES = 60
LONG_FILES: dict[str, str] = {}
LONG_FUNCTIONS = {
    "signer/storage/migrations/versions/0001_key_records.py:upgrade": "a migration is a list of tables",
}


def _functions() -> dict[str, int]:
    return {
        f"{path.relative_to(ROOT)}:{node.name}": node.end_lineno - node.lineno + 1
        for package in (*PACKAGES, "tests")
        for path in python_files(package)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None
    }


def _files() -> dict[str, int]:
    return {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for package in (*PACKAGES, "tests")
        for path in python_files(package)
    }


def test_no_file_is_too_long() -> None:
    assert {name for name, lines in _files().items() if lines > FILE_LINES} == set(LONG_FILES)


def test_no_function_is_too_long() -> None:
    assert {name for name, lines in _functions().items() if lines > FUNCTION_LINES} == set(LONG_FUNCTIONS)
