"""The Python client needs httpx alone, and is written for Python 3.9."""

from __future__ import annotations

import ast
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.sources import CLIENT, display_path, syntax_tree

FILES = sorted(CLIENT.glob("*.py"))
OLDEST = (3, 9)


@pytest.mark.parametrize("file", FILES, ids=display_path)
def test_the_client_imports_httpx_alone(file: Path) -> None:
    allowed = {*sys.stdlib_module_names, "freshet_client", "httpx"}
    assert set(_modules(syntax_tree(file).body)) <= allowed


def test_the_client_requires_what_it_imports() -> None:
    project = tomllib.loads((CLIENT.parent / "pyproject.toml").read_text())["project"]
    assert [one.split(">")[0] for one in project["dependencies"]] == ["httpx"]
    assert project["requires-python"] == ">=" + ".".join(map(str, OLDEST))


@pytest.mark.parametrize("file", FILES, ids=display_path)
def test_the_client_is_written_for_its_oldest_python(file: Path) -> None:
    ast.parse(file.read_text(), str(file), feature_version=OLDEST)


def test_the_checks_of_the_client_would_notice() -> None:
    tree = ast.parse(
        "import numpy.linalg\nif TYPE_CHECKING:\n    from typing_extensions import Self"
    )
    assert list(_modules(tree.body)) == ["numpy"]
    with pytest.raises(SyntaxError):
        ast.parse("match a:\n    case 1:\n        pass\n", feature_version=OLDEST)


def _modules(body: list[ast.stmt]) -> Iterator[str]:
    """Yield the modules that are imported at run time, by their first names."""
    for node in body:
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0]
        elif not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
            inner = [one for one in ast.iter_child_nodes(node) if isinstance(one, ast.stmt)]
            yield from _modules(inner)
