"""Run the benches one after the other: `make bench` small versions of them in a quarter of an hour, `make bench-full` all of it.

    .venv/bin/python -m bench [--full] [--only quality,cold] [--again]

Each is a command of its own, printed before it runs. A full one that was finished with the same
code is not run again, and the long ones keep their finished parts by themselves, so that a run that
was cut off goes on. A bench that fails doesn't keep the others from running. At the end the tables
and the README's section are rendered.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.kept import WORK, files_digest
from cron.wiring import PROJECT_ROOT

BEAUTY = "amazon-2014-beauty"
CODE = tuple(
    f"{folder}/**/*.py"
    for folder in ("recommender", "trainer", "handler", "cron", "gateway", "deploy", "bench")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One call of one bench."""

    bench: str
    words: tuple[str, ...] = ()

    @property
    def command(self) -> tuple[str, ...]:
        """What is run, without the interpreter."""
        return ("-m", f"bench.{self.bench}", *self.words)


QUICK = (
    Part(bench="freshness"),
    Part(bench="serving"),
    Part(bench="registering"),
    Part(bench="ingest"),
    Part(
        bench="quality",
        words=("--sets", "ml-100k", "--threads", "2", "--without-peers", "--without-ratings"),
    ),
    Part(
        bench="prequential",
        words=("--sets", "ml-100k", "--seeds", "0", "--windows", "3", "--fulls", "2"),
    ),
    Part(bench="cold", words=("--sets", "ml-100k", "--folds", "1")),
)


def full_parts(*, beauty: bool) -> tuple[Part, ...]:
    """Return all of it; Beauty is on no package index, so it may be missing."""
    return (
        Part(bench="freshness"),
        Part(bench="serving"),
        Part(bench="registering"),
        Part(bench="crowd"),
        Part(bench="backends"),
        Part(bench="ingest"),
        Part(bench="quality", words=("--sets", "ml-100k", "--seeds", "0,1,2")),
        Part(bench="cold", words=("--sets", "ml-100k", "--folds", "5")),
        Part(bench="prequential", words=("--sets", "ml-100k", "--seeds", "0,1,2")),
        Part(bench="training", words=("--sets", "ml-100k")),
        *(
            (
                Part(bench="quality", words=("--sets", "beauty")),
                Part(bench="cold", words=("--sets", "beauty", "--folds", "1")),
            )
            if beauty
            else ()
        ),
        Part(bench="quality", words=("--sets", "ml-1m")),
        Part(bench="cold", words=("--sets", "ml-1m", "--folds", "1")),
        Part(bench="prequential", words=("--sets", "ml-1m", "--seeds", "0", "--fulls", "4")),
    )


def run(part: Part, *, full: bool, again: bool) -> bool:
    """Run a part unless it is finished; tell whether it is now."""
    shown = " ".join(part.command)
    key = hashlib.sha256(f"{files_digest(*CODE)} {shown}".encode()).hexdigest()[:12]
    done = WORK / "done" / f"{part.bench}-{key}"
    if full and not again and done.exists():
        print(f"= {shown}: finished with this code", flush=True)
        return True
    print(f"+ {shown}", flush=True)
    began = time.monotonic()
    environment = {**os.environ, "FRESHET_BENCH": "full" if full else "quick"}
    status = subprocess.run(
        [sys.executable, *part.command], cwd=PROJECT_ROOT, env=environment, check=False
    ).returncode
    print(
        f"+ {shown}: {'done' if status == 0 else f'failed with status {status}'} after {time.monotonic() - began:.0f} s",
        flush=True,
    )
    if status == 0 and full:
        done.parent.mkdir(parents=True, exist_ok=True)
        done.touch()
    return status == 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run them and render; return 1 when one failed."""
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="Run the benches one after the other."
    )
    parser.add_argument(
        "--full",
        action="store_true",
        help="everything, for hours, into bench/results; without it small versions, into bench/results/quick",
    )
    parser.add_argument("--only", help="only these benches, by their names")
    parser.add_argument(
        "--again", action="store_true", help="also what was finished with this code"
    )
    given = parser.parse_args(arguments)
    beauty = "FRESHET_DATA" in os.environ and (Path(os.environ["FRESHET_DATA"]) / BEAUTY).is_dir()
    if given.full and not beauty:
        print(
            f"Amazon Beauty is left out: FRESHET_DATA names no folder with {BEAUTY}/ (bench/README.md says in which form)",
            flush=True,
        )
    parts = full_parts(beauty=beauty) if given.full else QUICK
    known = list(dict.fromkeys(part.bench for part in parts))
    wanted = given.only.split(",") if given.only else known
    if unknown := [name for name in wanted if name not in known]:
        parser.error(
            f"--only {unknown[0]}: no such bench{'' if given.full else ' among the small ones'}; there are {', '.join(known)}"
        )
    failed = [
        " ".join(part.command)
        for part in parts
        if part.bench in wanted and not run(part, full=given.full, again=given.again)
    ]
    subprocess.run([sys.executable, "-m", "bench.tables"], cwd=PROJECT_ROOT, check=True)
    for shown in failed:
        print(f"failed: {shown}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
