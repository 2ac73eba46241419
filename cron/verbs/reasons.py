"""The option `--reason` of the verbs that decide something."""

from __future__ import annotations

import argparse

from recommender.records.ids import holds_control


def add_reason(parser: argparse.ArgumentParser, *, shown_by: str) -> None:
    """Declare the option."""
    parser.add_argument("--reason", type=_reason, metavar="TEXT", help=f"shown by {shown_by}")


def _reason(text: str) -> str:
    """Accept one line of text; argparse turns the error into a usage message."""
    if holds_control(text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a valid reason; expected one line without control characters"
        )
    return text
