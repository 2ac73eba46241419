"""The actions of a verb that has several, such as `keys add`."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_action(
    actions: argparse._SubParsersAction[argparse.ArgumentParser], name: str, summary: str
) -> argparse.ArgumentParser:
    """Return the parser of an action; it takes `--config` as every verb does."""
    parser = actions.add_parser(name, help=summary, description=summary)
    # without a default, so that it does not replace one given before the action
    parser.add_argument(
        "--config", type=Path, metavar="FILE", default=argparse.SUPPRESS, help="settings file"
    )
    return parser
