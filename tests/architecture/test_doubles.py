"""No test replaces a function or constant of ours in place; it passes a fake or a value in."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from cron.project_root import PROJECT_ROOT
from tests.architecture.sources import PACKAGES, display_path, python_files, syntax_tree

TESTS = [file for file in python_files() if file.is_relative_to(PROJECT_ROOT / "tests")]
REPLACING = ("setattr", "delattr")  # methods of pytest's MonkeyPatch


@pytest.mark.parametrize("file", TESTS, ids=display_path)
def test_no_test_replaces_our_own_code(file: Path) -> None:
    wrong = [
        f"{display_path(file)}:{line} replaces {what}; pass a value or a fake in"
        for line, what in _replacements(syntax_tree(file))
    ]
    assert not wrong, "\n".join(wrong)


def test_a_replacement_of_our_own_code_is_found() -> None:
    ours = (
        "import sys\nfrom cron.cycle import stages\nfrom unittest import mock\n"
        "monkeypatch.setattr(stages, 'judge', None)\n"
        "monkeypatch.setattr('cron.cycle.stages.judge', None)\n"
        "monkeypatch.setattr(services.ledger, 'write', None)\n"
        "monkeypatch.delattr(stages, 'judge')\n"
        "monkeypatch.setattr(sys, 'stdin', None)\n"
        "monkeypatch.setattr('builtins.input', None)\n"
        "monkeypatch.setenv('HOME', '/')\n"
    )
    assert [line for line, _ in _replacements(ast.parse(ours))] == [3, 4, 5, 6, 7]


def _replacements(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield the line and target of every replacement, except in modules that are not ours.

    A target whose root is not an imported module is ours: a test has no other objects.
    """
    foreign = set(_foreign_names(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom | ast.Import) and _imports_mock(node):
            yield node.lineno, "things with unittest.mock"
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in REPLACING
            and not _is_foreign(node.args[0], foreign)
        ):
            yield node.lineno, ast.unparse(node.args[0])


def _foreign_names(tree: ast.Module) -> Iterator[str]:
    """Yield the names that imports of other people's modules bind."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [one.asname or one.name.partition(".")[0] for one in node.names]
            yield from (name for name in names if not _is_ours(name))
        elif isinstance(node, ast.ImportFrom) and not _is_ours(node.module or ""):
            yield from (one.asname or one.name for one in node.names)


def _is_foreign(target: ast.expr, foreign: set[str]) -> bool:
    if isinstance(target, ast.Constant):
        return not _is_ours(str(target.value))
    return ast.unparse(target).partition(".")[0] in foreign


def _is_ours(dotted: str) -> bool:
    return dotted.partition(".")[0] in PACKAGES


def _imports_mock(node: ast.Import | ast.ImportFrom) -> bool:
    names = [one.name for one in node.names]
    if isinstance(node, ast.Import):
        return "unittest.mock" in names
    return node.module == "unittest.mock" or (node.module == "unittest" and "mock" in names)
