"""`config`: print the settings in force; with `--check`, try everything that they name."""

from __future__ import annotations

import argparse

from cron.placement import placement_json
from cron.settings.file import Loaded
from cron.settings.keys import settings_leaves, value_of
from cron.urls.passwords import hide_password
from cron.verbs.connections import look_at_all, look_json
from cron.verbs.table import show_json, table

SUMMARY = "show the settings in force and where each came from; secrets are hidden"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--check",
        action="store_true",
        help="connect to everything that the settings name and report how each answers",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace, loaded: Loaded) -> int:
    """Print the settings, which were checked when they were loaded."""
    if arguments.check:
        return _check(loaded, as_json=arguments.json)
    rows = [
        (key, _value_to_show(loaded, key, secret=leaf.secret), loaded.origins[key])
        for key, leaf in settings_leaves().items()
    ]
    if arguments.json:
        show_json({key: {"value": value, "origin": origin} for key, value, origin in rows})
    else:
        print(
            table(
                ["setting", "from", "value"],
                [[key, origin, in_toml(value)] for key, value, origin in rows],
            )
        )
    return 0


def _check(loaded: Loaded, *, as_json: bool) -> int:
    looks = look_at_all(loaded.settings)
    if as_json:
        show_json([look_json(one) for one in looks])
    else:
        origin = loaded.file or "the embedded defaults"
        print(f"settings   {origin}: valid, {len(settings_leaves())} keys")
        for one in looks:
            print(f"{one.part:<9}  {one.url}  {one.report}")
    return 0 if all(one.ok for one in looks) else 1


def _value_to_show(loaded: Loaded, key: str, *, secret: bool) -> object:
    value = value_of(loaded.settings, key)
    if secret and value is not None:
        return "***"
    if key == "placements":
        named = loaded.settings.placements
        return {name: placement_json(placement) for name, placement in named.items()}
    return hide_password(value) if key.startswith("store.") and isinstance(value, str) else value


def in_toml(value: object) -> str:
    """Return a value as the settings file would have it; a dash for None."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        pairs = (f'"{name}" = {in_toml(one)}' for name, one in value.items())
        return f"{{{', '.join(pairs)}}}"
    if isinstance(value, tuple | list):
        return "[" + ", ".join(in_toml(part) for part in value) + "]"
    return f'"{value}"' if isinstance(value, str) else str(value)
