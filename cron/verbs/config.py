"""`config`: the settings in force and where each came from."""

from __future__ import annotations

import argparse

from cron.settings_file import Loaded, settings_leaves, value_of
from cron.verbs.table import show_json, table

SUMMARY = "the settings in force and where each came from; secrets are hidden"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--check", action="store_true", help="only say whether the settings are fine")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace, loaded: Loaded) -> int:
    """Print the settings; wrong ones never come this far."""
    rows = [(key, _shown(loaded, key, secret=leaf.secret), loaded.origins[key]) for key, leaf in settings_leaves().items()]
    if arguments.json:
        show_json({key: {"value": value, "origin": origin} for key, value, origin in rows})
    elif arguments.check:
        print(f"{loaded.file or 'the embedded defaults'}: fine, {len(rows)} settings")
    else:
        print(table(["setting", "value", "from"], [[key, in_toml(value), origin] for key, value, origin in rows]))
    return 0


def _shown(loaded: Loaded, key: str, *, secret: bool) -> object:
    value = value_of(loaded.settings, key)
    return "***" if secret and value is not None else value


def in_toml(value: object) -> str:
    """Write a value as the settings file would; a dash for nothing."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "[" + ", ".join(in_toml(part) for part in value) + "]"
    return f'"{value}"' if isinstance(value, str) else str(value)
