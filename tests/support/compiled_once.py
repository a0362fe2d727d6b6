"""What libraries compile for every database and every application, compiled once for each test process.

A worker has one database and one application for its whole life; tests open thousands of each, and compiling their
statements and routes anew took a third of what most of them cost.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Dialect, Engine
from werkzeug.routing import Rule

from signer.storage import database


class Statements(dict[Any, Any]):
    """What engines compiled, for every other one with a database of the same kind.

    An engine looks for it under its dialect and the statement. All dialects of a kind compile alike; what is theirs
    alone is how they connect.
    """

    def get(self, key: Any, default: Any = None) -> Any:
        """What was compiled by any of them."""
        return super().get(_by_kind(key), default)

    def __setitem__(self, key: Any, compiled: Any) -> None:
        super().__setitem__(_by_kind(key), compiled)


def _by_kind(key: tuple[Dialect, Any]) -> tuple[object, ...]:
    dialect, *statement = key
    return type(dialect), *statement


_statements = Statements()
_builders: dict[tuple[object, ...], Callable[..., tuple[str, str]]] = {}
_create_engine = database.create_engine
# Not public; where a later release has it no more, this line says so at once.
_compile_builder = Rule._compile_builder


def engine_that_shares(*arguments: Any, **options: Any) -> Engine:
    """An engine that finds the statements which others of its kind have compiled."""
    engine = _create_engine(*arguments, **options)
    engine.update_execution_options(compiled_cache=_statements)
    return engine


def builder_of_rule(self: Rule, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
    """What builds addresses of a rule: a function of the rule's text, which is told the rule at each call."""
    assert not self.defaults
    key = (self.rule, tuple(self._trace), append_unknown)
    if key not in _builders:
        _builders[key] = _compile_builder(self, append_unknown)
    return _builders[key]


def compile_once() -> None:
    """From now on, in this process."""
    database.create_engine = engine_that_shares
    Rule._compile_builder = builder_of_rule  # type: ignore[method-assign]
