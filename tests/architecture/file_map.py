"""Write the map of docs/architecture.md: `python -m tests.architecture.file_map`.

Each file's phrase is the first line of its docstring, so the map cannot contradict the code.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from cron.project_root import PROJECT_ROOT
from tests.architecture.sources import CLIENT, PACKAGES, syntax_tree

PAGE = PROJECT_ROOT / "docs" / "architecture.md"
BEGIN = "<!-- written by: python -m tests.architecture.file_map -->"
END = "<!-- end of the map -->"
_SOURCES = (*(PROJECT_ROOT / package for package in PACKAGES if package != "tests"), CLIENT)


def file_map() -> str:
    """Return the section between the marks: a heading per folder, a line per file."""
    folders = [folder for source in _SOURCES for folder in _folders(source)]
    return "\n\n".join([BEGIN, *(_section(folder) for folder in folders), END])


def with_map(page: str) -> str:
    """Return the page with today's map; ValueError when it has no marks."""
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    return before + file_map() + after


def _folders(top: Path) -> Iterator[Path]:
    """Yield the package and the packages below it, a folder before what it contains."""
    for file in sorted(top.rglob("__init__.py"), key=lambda one: one.parent.parts):
        if "results" not in file.parts:
            yield file.parent


def _section(folder: Path) -> str:
    name = str(folder.relative_to(PROJECT_ROOT))
    files = [file for file in sorted(folder.glob("*.py")) if file.name != "__init__.py"]
    lines = [f"* `{file.name}`: {_phrase(file)}" for file in files]
    return "\n".join([f"**`{name}/`** {_phrase(folder / '__init__.py')}", "", *lines]).rstrip()


def _phrase(file: Path) -> str:
    """Return the first line of a file's docstring; ValueError when it has none."""
    text = ast.get_docstring(syntax_tree(file))
    if not text:
        raise ValueError(f"{file} has no docstring")
    return text.splitlines()[0]


if __name__ == "__main__":
    PAGE.write_text(with_map(PAGE.read_text()))
