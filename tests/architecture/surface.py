"""Measure how dense and large Python code is: `python -m tests.architecture.surface PATH…`.

It prints each path's metrics, and those of all paths together. docs/decisions/house.md compares
ours with others by these metrics.
"""

from __future__ import annotations

import ast
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

MAX_WIDTH = 100
MAX_SUMMARY = 90
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surface:
    """The metrics of one code base; lines are all lines of its Python files."""

    num_files: int
    num_lines: int
    fullest_folder: tuple[str, int]
    wide_lines: int
    conditional_expressions_per_100: float
    comprehensions_per_100: float
    long_summaries: int
    largest_class: tuple[str, int]


def measure(roots: Sequence[Path]) -> Surface:
    """Measure all Python files below the given folders, `__pycache__` left out."""
    files = sorted({file for root in roots for file in root.rglob("*.py")})
    texts = {file: file.read_text(encoding="utf-8") for file in files}
    nodes = [node for text in texts.values() for node in ast.walk(ast.parse(text))]
    lines = [line for text in texts.values() for line in text.splitlines()]
    folders = Counter(str(file.parent) for file in files if file.name != "__init__.py")
    classes = {node.name: _num_methods(node) for node in nodes if isinstance(node, ast.ClassDef)}
    return Surface(
        num_files=len(files),
        num_lines=len(lines),
        fullest_folder=folders.most_common(1)[0],
        wide_lines=sum(len(line) > MAX_WIDTH for line in lines),
        conditional_expressions_per_100=_per_100(nodes, (ast.IfExp,), len(lines)),
        comprehensions_per_100=_per_100(nodes, _COMPREHENSIONS, len(lines)),
        long_summaries=sum(len(summary) > MAX_SUMMARY for summary in _summaries(nodes)),
        largest_class=max(classes.items(), key=lambda one: one[1], default=("", 0)),
    )


def _per_100(nodes: Sequence[ast.AST], kinds: tuple[type[ast.AST], ...], num_lines: int) -> float:
    return round(100 * sum(isinstance(node, kinds) for node in nodes) / num_lines, 2)


def _summaries(nodes: Sequence[ast.AST]) -> Iterator[str]:
    """Yield the first line of every docstring."""
    for node in nodes:
        if isinstance(node, _DOCUMENTED) and (text := ast.get_docstring(node)):
            yield text.splitlines()[0]


def _num_methods(node: ast.ClassDef) -> int:
    return sum(isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef) for one in node.body)


if __name__ == "__main__":
    paths = [Path(word) for word in sys.argv[1:]]
    for path in paths:
        sys.stdout.write(f"{path}: {measure([path])}\n")
    sys.stdout.write(f"all: {measure(paths)}\n")
