"""`recommend`: write the lists of a file of users, for a newsletter or another system.

It asks the gateway, so the lists are those that the users would see.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from cron.settings.file import Loaded
from cron.verbs.gateway_calls import GatewayCalls, add_url_argument
from cron.verbs.numbers import whole_number
from cron.verbs.table import count
from cron.verbs.user_lists.lists_file import ListsWriter, open_lists
from cron.verbs.user_lists.questions import USER_COLUMN, Question, read_questions
from recommender.long_work import progress_bar, say_beside_bar

SUMMARY = "write the recommendations of a file of users"

Answer = Mapping[str, object]

_SHARED = ("k", "filter", "placement")  # what every user of a file is asked with
_USERS_A_CALL = 500  # some seconds of a gateway's time, and 5 MB of answers
_MAX_CALL_BYTES = 4 * 1024 * 1024  # half of what the gateway takes; one body may be as large


@dataclass(slots=True, kw_only=True)
class Written:
    """What the gateway answered so far."""

    lists: int = 0
    fallbacks: int = 0
    refused: int = 0
    first_reason: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "users",
        type=Path,
        metavar="USERS",
        help="a .csv, .tsv or .parquet table with one user per row, or .jsonl with one body of "
        "POST /v1/recommendations per line",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="a .csv or .parquet file with one item per row, or .jsonl with one answer per line "
        "(default: CSV on the standard output)",
    )
    parser.add_argument(
        "--user",
        default=USER_COLUMN,
        metavar="COLUMN",
        help=f"the table's column of user ids (default {USER_COLUMN})",
    )
    parser.add_argument(
        "--k", type=whole_number, metavar="N", help="how many items each (default 10)"
    )
    parser.add_argument(
        "--filter",
        type=_json_object,
        metavar="JSON",
        help='attributes that items must have, such as \'{"genre": ["Comedy", "Drama"]}\'',
    )
    parser.add_argument("--placement", metavar="NAME", help="the placement whose rules apply")
    add_url_argument(parser)


def run(arguments: argparse.Namespace, loaded: Loaded) -> int:
    """Ask for the lists, write them, and print what became of them on the standard error."""
    shared = {name: getattr(arguments, name) for name in _SHARED}
    given = {name: value for name, value in shared.items() if value is not None}
    questions = ({**given, **one} for one in read_questions(arguments.users, arguments.user))
    written = Written()
    with (
        progress_bar("recommending", unit=" users") as bar,
        GatewayCalls(
            "/v1/recommendations", arguments.url, loaded.settings.gateway, say=say_beside_bar
        ) as calls,
        open_lists(arguments.out, umask=arguments.umask) as lists,
    ):
        for group in _groups(questions):
            _write(calls.post_lines(group), lists, written)
            bar.update(len(group))
    sys.stderr.write(_summary(written, arguments.out))
    return 1 if written.refused else 0


def _groups(questions: Iterable[Question]) -> Iterator[Sequence[bytes]]:
    """Yield the questions as lines of JSON, as many as fit into one call."""
    lines = (json.dumps(question).encode() for question in questions)
    while group := list(islice(lines, _USERS_A_CALL)):
        start, size_bytes = 0, 0
        for place, line in enumerate(group):
            if place > start and size_bytes + len(line) > _MAX_CALL_BYTES:
                yield group[start:place]
                start, size_bytes = place, 0
            size_bytes += len(line)
        yield group[start:]


def _write(answers: Iterable[Answer], lists: ListsWriter, written: Written) -> None:
    for answer in answers:
        error = answer.get("error")
        if isinstance(error, dict):
            written.refused += 1
            written.first_reason = written.first_reason or str(error["reason"])
            continue
        written.lists += 1
        written.fallbacks += "fallback" in answer
        lists.write(answer)


def _summary(written: Written, out: Path | None) -> str:
    where = "" if out is None else f" to {out}"
    lines = [f"wrote {count(written.lists, 'list')}{where}, {written.refused:,} refused"]
    if written.refused:
        lines.append(f"the reason of the first refusal: {written.first_reason}")
    if written.fallbacks:
        lines.append(
            f"{count(written.fallbacks, 'list')} of them hold popular items, since the model did "
            "not answer (their policy is `popular`)"
        )
    return "\n".join(lines) + "\n"


def _json_object(text: str) -> dict[str, object]:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise argparse.ArgumentTypeError(
            f'{text!r} is not a JSON object; expected one such as {{"genre": "Comedy"}}'
        )
    return found
