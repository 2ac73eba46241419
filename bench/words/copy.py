"""Texts about items: whether they are true, and what they cost.

    python -m bench copy [--parts lies,lists,shown,writer]
    python -m bench copy --parts writer --model FOLDER --language zh

Each part has a page of results of its own, and so has a writer in another language or with a model
of one's own, which `--model` names as `copy.model` does.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from typing import get_args

from bench.words.lies import measure_lies
from bench.words.list_cost import measure_lists
from bench.words.shown_lists import measure_shown
from bench.words.writer import MODEL, NUM_LINES, measure_writer
from copywriter.brief import Language

COMMAND = "python -m bench copy"
PARTS: Mapping[str, Callable[[str], None]] = {
    "lies": measure_lies,
    "lists": measure_lists,
    "shown": measure_shown,
    "writer": measure_writer,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the chosen parts; each writes its own results."""
    parser = argparse.ArgumentParser(prog=COMMAND, description="Texts: their truth and cost.")
    parser.add_argument(
        "--parts", default=",".join(PARTS), help=f"the parts to measure, of {', '.join(PARTS)}"
    )
    parser.add_argument("--model", default=MODEL, help="what writes in the part `writer`")
    languages = get_args(Language)
    parser.add_argument("--language", default="en", choices=languages, help="of the part `writer`")
    parser.add_argument("--lines", type=int, default=NUM_LINES, help="of the part `writer`")
    asked = parser.parse_args(arguments)
    names = asked.parts.split(",")
    if unknown := [name for name in names if name not in PARTS]:
        parser.error(f"--parts {unknown[0]}: no such part; there are {', '.join(PARTS)}")
    for name in names:
        if name == "writer":
            measure_writer(
                COMMAND, model=asked.model, language=asked.language, num_lines=asked.lines
            )
        else:
            PARTS[name](COMMAND)
