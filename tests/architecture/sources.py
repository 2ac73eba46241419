"""The project's own Python files, parsed: what the architecture tests look at."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from cron.project_root import PROJECT_ROOT

PACKAGES = (
    "recommender",
    "copywriter",
    "handler",
    "sources",
    "trainer",
    "cron",
    "gateway",
    "deploy",
    "bench",
    "tests",
)

# a distribution of its own: shops install it without anything else of ours
CLIENT = PROJECT_ROOT / "clients" / "python" / "freshet_client"

Function = ast.FunctionDef | ast.AsyncFunctionDef


def python_files() -> list[Path]:
    """Return every Python file of the project, sorted."""
    return sorted(
        file
        for folder in (*(PROJECT_ROOT / package for package in PACKAGES), CLIENT)
        for file in folder.rglob("*.py")
        if "__pycache__" not in file.parts
    )


@cache
def syntax_tree(file: Path) -> ast.Module:
    """Return a file's syntax tree."""
    return ast.parse(file.read_text(), str(file))


def functions(tree: ast.Module) -> Iterator[Function]:
    """Yield every function and method, nested ones too."""
    yield from (node for node in ast.walk(tree) if isinstance(node, Function))


def display_path(file: Path) -> str:
    """Return the path as people write it."""
    return str(file.relative_to(PROJECT_ROOT))
