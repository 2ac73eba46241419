"""The pages of docs/ agree with the command line, the defaults and the gateway's calls."""

from __future__ import annotations

import argparse
import re

import pytest

from cron.__main__ import VERBS, build_parser
from cron.project_root import PROJECT_ROOT
from cron.settings.keys import settings_leaves, value_of
from cron.settings.tree import Settings
from cron.verbs.config import in_toml
from gateway.app import create_app

CLI = PROJECT_ROOT / "docs" / "cli.md"
CONFIGURATION = PROJECT_ROOT / "docs" / "configuration.md"


def sections() -> dict[str, str]:
    """Return the text under each `## verb` heading."""
    parts = re.split(r"^## `([a-z-]+)`.*$", CLI.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def arguments_of(verb: str) -> set[str]:
    """Return the options and the names of the positional arguments of a verb and its actions."""
    (verbs,) = actions_of(build_parser())
    parser = verbs.choices[verb]
    nested = [one for actions in actions_of(parser) for one in actions.choices.values()]
    return {
        (action.option_strings or [str(action.metavar)])[-1]
        for one in (parser, *nested)
        for action in one._actions
        if action.dest not in ("help", "config")
    }


def actions_of(
    parser: argparse.ArgumentParser,
) -> list[argparse._SubParsersAction[argparse.ArgumentParser]]:
    """Return what holds a parser's verbs, or a verb's actions."""
    return [one for one in parser._actions if isinstance(one, argparse._SubParsersAction)]


def test_every_verb_is_documented_and_no_other() -> None:
    assert list(sections()) == list(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_argument_is_documented_and_no_other(verb: str) -> None:
    section = sections()[verb]
    documented = set(re.findall(r"^\| `(?:(--[a-z-]+)|([A-Z]+))", section, flags=re.MULTILINE))
    assert {option or positional for option, positional in documented} == arguments_of(verb)


def test_every_default_is_the_documented_one() -> None:
    rows = dict(
        re.findall(
            r"^\| `([a-z_.0-9]+)` \| (?:`(.*?)`|–) \|",
            CONFIGURATION.read_text(encoding="utf-8"),
            flags=re.MULTILINE,
        )
    )
    assert rows == {
        key: in_toml(value_of(Settings(), key)).replace("–", "") for key in settings_leaves()
    }


def test_every_call_of_the_gateway_is_documented_and_no_other() -> None:
    paths = create_app(Settings()).openapi()["paths"]
    calls = {(method.upper(), path) for path, methods in paths.items() for method in methods} | {
        ("GET", "/"),
        ("GET", "/freshet.js"),
        ("GET", "/shop"),
        ("GET", "/v1/pictures/{sha256}.jpg"),
    }
    text = (PROJECT_ROOT / "docs" / "gateway.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `([A-Z]+) (/\S*)` \|", text, flags=re.MULTILINE)) == calls
