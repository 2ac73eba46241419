"""The parts of our style that a test can check: words, summaries, names, dense code."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from cron.project_root import PROJECT_ROOT
from tests.architecture.documents import documents
from tests.architecture.sources import CLIENT, display_path, functions, python_files, syntax_tree

MAX_SUMMARY = 90
MAX_TEST_NAME = 60
# Old turns of phrase, and what to write instead.
PHRASES = {
    r"\banew\b": "again, or from scratch",
    r"\bfor ever\b": "forever",
    r"\b(?:lies|lie|lay) (?:in|beside|under|behind)\b": "is (stored) in, is next to",
    r"\b(?:is|are|was|were|be|been) told\b(?! apart)": "is reported",
    r"\bis no (?:key|record|id|text|number|file|folder|member)\b": "is not a …",
    r"\bought to\b": "must, or should",
    r"\bmend(?:s|ed|ing)?\b": "repair, or fix",
    r"\bpassed over\b": "skipped",
    r"\b(?:thereof|therein|whence|wherein)\b": "its, in it",
    r"\bmakes? nothing of\b": "ignores",
}
# Words that are a bare participle or preposition, and say nothing about what a function returns.
BARE = frozenset(
    [
        "said",
        "told",
        "called",
        "made",
        "taken",
        "found",
        "shown",
        "held",
        "kept",
        "known",
        "sent",
        "given",
        "written",
        "drawn",
        "met",
        "begun",
        "done",
        "gone",
        "seen",
        "lost",
        "paid",
        "beside",
        "bound",
        "built",
        "bought",
        "brought",
        "caught",
        "chosen",
        "heard",
        "laid",
        "led",
        "meant",
        "spoken",
        "spent",
        "thrown",
        "thought",
        "understood",
        "won",
    ]
)
ENDS_IN_ED = frozenset({"embed", "exceed", "feed", "need", "proceed", "seed", "shed", "speed"})
THIS = Path(__file__)
TEXTS = [*python_files(), *documents(), *sorted((PROJECT_ROOT / "deploy").glob("*.toml"))]
FILES = python_files()


@pytest.mark.parametrize("file", [file for file in TEXTS if file != THIS], ids=display_path)
def test_no_old_turn_of_phrase(file: Path) -> None:
    wrong = [
        f"{display_path(file)}:{number} {found[0]!r}: write {instead}"
        for number, line in enumerate(file.read_text().splitlines(), start=1)
        for phrase, instead in PHRASES.items()
        if (found := re.search(phrase, line, re.IGNORECASE))
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("file", FILES, ids=display_path)
def test_a_docstring_begins_with_a_short_summary(file: Path) -> None:
    wrong = [
        f"{display_path(file)}:{line} {len(summary)} characters: {summary}"
        for line, summary in _summaries(syntax_tree(file))
        if len(summary) > MAX_SUMMARY
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("file", FILES, ids=display_path)
def test_functions_are_named_for_what_they_return_or_do(file: Path) -> None:
    wrong = [
        f"{display_path(file)}:{function.lineno} {function.name}"
        for function in functions(syntax_tree(file))
        if _is_bare(function.name) or _is_long_test(function.name) or _has_old_phrase(function.name)
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("file", FILES, ids=display_path)
def test_no_comprehension_holds_a_conditional_expression(file: Path) -> None:
    wrong = [
        f"{display_path(file)}:{getattr(node, 'lineno', 0)}: use a loop or a named function"
        for node in ast.walk(syntax_tree(file))
        if any(isinstance(part, ast.IfExp) for part in _elements(node))
    ]
    assert not wrong, "\n".join(wrong)


def test_no_two_classes_have_the_same_name() -> None:
    """A leading underscore does not make another name.

    Tests may have classes of their own, and so may the client: its users see no other names.
    """
    places: dict[str, list[str]] = {}
    for file in python_files():
        if file.is_relative_to(PROJECT_ROOT / "tests") or file.is_relative_to(CLIENT):
            continue
        for node in ast.walk(syntax_tree(file)):
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name.lstrip("_"), []).append(display_path(file))
    shared = {name: files for name, files in places.items() if len(files) > 1}
    assert not shared


def test_the_checks_would_notice() -> None:
    assert _is_bare("_said")
    assert _is_bare("narrowed")
    assert not _is_bare("_seed")
    assert not _is_bare("said_by")
    assert _is_long_test("test_" + "x" * MAX_TEST_NAME)
    assert _has_old_phrase("test_a_full_disk_is_told")
    assert not _has_old_phrase("test_two_holders_are_told_apart")
    (statement,) = ast.parse("[a if a else b for a in c]").body
    assert isinstance(statement, ast.Expr)
    assert [type(part) for part in _elements(statement.value)] == [ast.IfExp]
    assert re.search(next(iter(PHRASES)), "made anew")


def _summaries(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield getattr(node, "lineno", 1), text.splitlines()[0]


def _is_bare(name: str) -> bool:
    word = name.strip("_")
    ends = word.endswith("ed") and word not in ENDS_IN_ED
    return "_" not in word and (ends or word in BARE)


def _is_long_test(name: str) -> bool:
    return name.startswith("test_") and len(name) > MAX_TEST_NAME


def _has_old_phrase(name: str) -> bool:
    words = name.replace("_", " ")
    return any(re.search(phrase, words) for phrase in PHRASES)


def _elements(node: ast.AST) -> list[ast.expr]:
    """Return what a comprehension yields; nothing for other nodes."""
    if isinstance(node, ast.ListComp | ast.SetComp | ast.GeneratorExp):
        return [node.elt]
    return [node.key, node.value] if isinstance(node, ast.DictComp) else []
