"""The sources of the project as syntax trees: what they import, and how long they are."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("verifier", "hsm", "device", "signer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """One imported name: ``module`` imports ``target``, a module or a name in one, on ``line`` of ``path``."""

    module: str
    target: str
    path: Path
    line: int

    @property
    def top(self) -> str:
        """The distribution-level name, such as ``sqlalchemy``."""
        return self.target.partition(".")[0]

    def within(self, *packages: str) -> bool:
        """Whether the target is one of ``packages`` or lies inside of one."""
        return any(inside(self.target, package) for package in packages)

    def __str__(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.line} imports {self.target}"


def inside(name: str, package: str) -> bool:
    """Whether a dotted name is ``package`` or lies inside of it."""
    return name == package or name.startswith(package + ".")


def module_name(path: Path) -> str:
    """``signer/web/app.py`` is ``signer.web.app``."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def python_files(directory: str) -> tuple[Path, ...]:
    """All Python files below a directory of the repository."""
    return tuple(sorted((ROOT / directory).rglob("*.py")))


@cache
def tree(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


@cache
def imports(package: str) -> tuple[Import, ...]:
    """Every import in the package: of the module, inside functions, and for the type checker only."""
    return tuple(found for path in python_files(package) for found in _imports_of(path))


def _imports_of(path: Path) -> Iterator[Import]:
    module = module_name(path)
    for node in ast.walk(tree(path)):
        match node:
            case ast.Import(names=names):
                targets = [alias.name for alias in names]
            case ast.ImportFrom(names=names):
                source = _absolute(node, path)
                targets = [f"{source}.{alias.name}" for alias in names]
            case ast.Call(func=ast.Name(id="import_module" | "__import__"), args=[ast.Constant(value=str(name)), *_]):
                targets = [name]
            case ast.Call(func=ast.Attribute(attr="import_module"), args=[ast.Constant(value=str(name)), *_]):
                targets = [name]
            case _:
                continue
        for target in targets:
            yield Import(module=module, target=target, path=path, line=node.lineno)


def _absolute(node: ast.ImportFrom, path: Path) -> str:
    if node.level == 0:
        return node.module or ""
    package = path.relative_to(ROOT).parent.parts
    base = package[: len(package) - node.level + 1]
    return ".".join([*base, *([node.module] if node.module else [])])
