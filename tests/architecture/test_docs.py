"""The documents agree with the code: settings, links, targets and decisions."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cron.project_root import PROJECT_ROOT
from cron.settings.keys import settings_leaves
from tests.architecture.documents import anchors, documents, links
from tests.architecture.sources import display_path

CONFIGURATION = PROJECT_ROOT / "docs" / "configuration.md"
REQUIREMENT = re.compile(r"([a-zA-Z0-9-]+)(?:\[[a-z,]+\])?==[0-9][0-9a-z.]*$")


@pytest.mark.parametrize("document", documents(), ids=display_path)
def test_links_lead_somewhere(document: Path) -> None:
    broken = [target for target in links(document) if not _leads(document, target)]
    assert not broken, f"{display_path(document)}: {', '.join(broken)}"


def test_every_setting_is_documented_and_no_other() -> None:
    keys = set(settings_leaves())
    branches = {key.rsplit(".", 1)[0] for key in keys}
    text = CONFIGURATION.read_text()
    missing = sorted(key for key in keys if f"`{key}`" not in text)
    assert not missing, f"docs/configuration.md says nothing about {', '.join(missing)}"
    named = {
        name
        for name in re.findall(r"`([a-z_]+(?:\.[a-z_0-9]+)+)`", text)
        if name.rsplit(".", 1)[0] in branches
    }
    assert not named - keys, (
        f"docs/configuration.md names settings that do not exist: {', '.join(sorted(named - keys))}"
    )


def test_every_make_target_is_one_line_and_known_to_help() -> None:
    rules = re.findall(
        r"^([a-z-]+):(.*)\n((?:\t.*\n)*)", (PROJECT_ROOT / "Makefile").read_text(), re.MULTILINE
    )
    assert {"serve", "test", "check", "rollback", "status", "replay", "bench"} <= {
        name for name, _, _ in rules
    }
    for name, rest, recipe in rules:
        hidden = name in ("install-tests", "install-stack", "install-services", "installed")
        assert hidden or "##" in rest, f"make {name} is missing from the list of targets"
        if name != "check":  # several checks, one a line
            assert recipe.count("\n") <= 2, (
                f"make {name}: a target is one line that a reader could type"
            )


def test_every_requirement_is_pinned_and_earns_its_place() -> None:
    why = (PROJECT_ROOT / "docs" / "decisions" / "dependencies.md").read_text()
    for name in ("requirements.txt", "tests/requirements.txt"):
        lines = [
            line
            for line in (PROJECT_ROOT / name).read_text().splitlines()
            if line and not line.startswith("#")
        ]
        for line in lines:
            match = REQUIREMENT.match(line)
            assert match, f"{name}: {line} is not pinned by a plain version"
            assert f"`{match[1]}`" in why, (
                f"docs/decisions/dependencies.md does not say why {match[1]} is needed"
            )


def test_decisions_are_listed() -> None:
    folder = PROJECT_ROOT / "docs" / "decisions"
    listed = (folder / "README.md").read_text()
    missing = [
        file.name
        for file in folder.glob("*.md")
        if file.name != "README.md" and f"({file.name})" not in listed
    ]
    assert not missing, f"docs/decisions/README.md does not list {', '.join(missing)}"


def test_the_changelog_has_this_version_or_unreleased_changes() -> None:
    headings = re.findall(
        r"^## \[(.+?)\]", (PROJECT_ROOT / "CHANGELOG.md").read_text(), re.MULTILINE
    )
    assert headings
    assert headings[0] == "Unreleased"


def _leads(document: Path, target: str) -> bool:
    if re.match(r"[a-z]+:", target):  # another host: not ours to check
        return True
    path, _, anchor = target.partition("#")
    file = (document.parent / path).resolve() if path else document
    return file.exists() and (not anchor or anchor in anchors(file))
