"""The project's Markdown: where it lies, its fenced blocks, its links."""

from __future__ import annotations

import re
from pathlib import Path

from cron.project_root import PROJECT_ROOT

FENCE = re.compile(r"^```(?P<kind>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!!)\[[^\]\n]+\]\((?P<target>[^)\s]+)\)")


def documents() -> list[Path]:
    """Return every Markdown file of the project, sorted."""
    folders = ("docs", "bench", "archives", "clients")
    return sorted(
        [
            *PROJECT_ROOT.glob("*.md"),
            *(file for folder in folders for file in (PROJECT_ROOT / folder).rglob("*.md")),
        ]
    )


def blocks(file: Path, kind: str) -> list[str]:
    """Return the texts of a file's fenced blocks of one kind."""
    return [match["text"] for match in FENCE.finditer(file.read_text()) if match["kind"] == kind]


def commands(file: Path) -> list[str]:
    """Return the commands after `$ ` in `console` blocks; a trailing backslash joins two lines."""
    joined = "\n".join(blocks(file, "console")).replace("\\\n", " ")
    return [
        re.sub(r"\s+", " ", line[2:]).strip()
        for line in joined.splitlines()
        if line.startswith("$ ")
    ]


def links(file: Path) -> list[str]:
    """Return the targets of a file's links, outside of fenced blocks and code."""
    prose = re.sub(r"`[^`\n]*`", "", FENCE.sub("", file.read_text()))
    return [match["target"] for match in LINK.finditer(prose)]


def anchors(file: Path) -> set[str]:
    """Return the anchors of a file's headings, as code hosts make them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", file.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
