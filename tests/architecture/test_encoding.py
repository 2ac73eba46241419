"""The product reads and writes text as UTF-8, whatever the locale of the machine is."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from cron.project_root import PROJECT_ROOT
from tests.architecture.sources import display_path, python_files, syntax_tree

PRODUCT = [file for file in python_files() if not file.is_relative_to(PROJECT_ROOT / "tests")]
TEXT_CALLS = ("read_text", "write_text")
OPENING_CALLS = ("open", "fdopen")


@pytest.mark.parametrize("file", PRODUCT, ids=display_path)
def test_text_files_name_their_encoding(file: Path) -> None:
    wrong = [
        f'{display_path(file)}:{call.lineno} {ast.unparse(call.func)}: give encoding="utf-8"'
        for call in _calls_without_encoding(syntax_tree(file))
    ]
    assert not wrong, "\n".join(wrong)


def test_a_missing_encoding_is_found() -> None:
    calls = (
        "path.read_text()\npath.write_text(text)\npath.open()\npath.open('w', newline='')\n"
        "os.fdopen(descriptor, 'w')\n"
        "path.read_text(encoding='utf-8')\npath.open('rb')\nos.fdopen(descriptor, 'wb')\n"
        "archive.open(member)\nos.open(path, os.O_WRONLY, 0o600)\n"
    )
    assert [call.lineno for call in _calls_without_encoding(ast.parse(calls))] == [1, 2, 3, 4, 5]


def _calls_without_encoding(tree: ast.Module) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and all(keyword.arg != "encoding" for keyword in node.keywords)
            and (node.func.attr in TEXT_CALLS or _opens_text(node.func.attr, node))
        ):
            yield node


def _opens_text(name: str, call: ast.Call) -> bool:
    """Return whether a call opens a file as text; the mode of an archive's member is not known."""
    if name not in OPENING_CALLS:
        return False
    values = [arg.value for arg in call.args if isinstance(arg, ast.Constant)]
    modes = [value for value in values if isinstance(value, str)]
    return not call.args or any("b" not in mode for mode in modes)
