"""The demo, by the code of now and of an earlier commit, in turn.

    python -m bench demo [--before COMMIT] [--rounds N]

In each round both codes ingest MovieLens 100K, train from scratch and update, and answer through
TorchServe (`bench.speed.demo_machine`). Then both load one model, each in the format of its own
releases: the earlier one's is written from the bundle. They answer the same requests in a process
of their own with one thread. Times are the processor's, except walls. The gateway is not part of
it.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from bench.report.rows import BenchMetric, is_quick, save
from bench.speed.demo_machine import Values, demo_values, trained_bundle
from bench.speed.earlier_code import code_of
from cron.project_root import PROJECT_ROOT
from deploy.machine.demo import demo_data
from recommender.bundle import FACTS, WEIGHTS, load_bundle
from recommender.catalogue.catalogue import OLD_FILE

COMMAND = "python -m bench demo"
BEFORE = "7289c88"  # before there were large catalogues
_SCRIPT = Path(__file__).with_name("demo_lists.py")
_MANIFEST = (
    "format",
    "model",
    "encoder",
    "encoder_digest",
    "rating_scale",
    "num_items",
    "files",
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure both codes and write `bench/results/demo.json`."""
    parser = argparse.ArgumentParser(
        prog=COMMAND, description="The demo, now and at an earlier commit."
    )
    parser.add_argument(
        "--before", default=BEFORE, help=f"the commit to compare with; default {BEFORE}"
    )
    parser.add_argument("--rounds", type=int, default=1 if is_quick() else 2)
    asked = parser.parse_args(arguments)
    found: dict[str, list[Values]] = {"before": [], "now": []}
    with (
        tempfile.TemporaryDirectory(prefix="freshet-bench-") as name,
        code_of(asked.before, Path(name)) as old_code,
    ):
        folder = Path(name)
        codes = {"before": old_code, "now": PROJECT_ROOT}
        for number in range(asked.rounds):
            for when, code in codes.items():
                place = folder / f"{when}-{number}"
                values = demo_values(
                    code, demo_data(folder, os.environ), place, seconds=1.0 if is_quick() else 3.0
                )
                found[when].append(values)
                print(when, values, flush=True)
            bundles = _bundles(folder / f"now-{number}", folder / f"bundles-{number}")
            for when, bundle in bundles.items():
                values = _list_values(codes[when], bundle, bundles["before"] / OLD_FILE)
                found[when][-1] = {**found[when][-1], **values}
                print(when, values, flush=True)
    rows = comparison(found["before"], found["now"], commit=asked.before)
    save("demo", "ML-100K demo", rows, command=COMMAND)


def _bundles(demo: Path, folder: Path) -> dict[str, Path]:
    """Return the bundle that a demo has trained, in the formats of both codes."""
    folder.mkdir()
    write_in_old_format(trained_bundle(demo, folder / "now"), folder / "before")
    return {name: folder / name for name in ("before", "now")}


def write_in_old_format(bundle: Path, folder: Path) -> None:
    """Write a small bundle with its items as lines, without what came later to its manifest."""
    folder.mkdir()
    for name in (WEIGHTS, FACTS):
        shutil.copyfile(bundle / name, folder / name)
    with (folder / OLD_FILE).open("w", encoding="utf-8") as file:
        for item in load_bundle(bundle, verify=False).catalogue:
            values = {
                "item_id": item.item_id,
                "title": item.title,
                "text": item.text,
                "attributes": dict(item.attributes),
                "hidden": item.hidden,
            }
            file.write(json.dumps(values) + "\n")
    manifest = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
    kept = {name: manifest[name] for name in _MANIFEST}
    (folder / "manifest.json").write_text(json.dumps(kept), encoding="utf-8")


def comparison(
    before: Sequence[Values], now: Sequence[Values], *, commit: str
) -> list[BenchMetric]:
    """Return the medians over the rounds of both codes, and the median of the rounds' ratios."""
    metrics = []
    for name in now[0]:
        what, unit = name.rsplit(", ", 1)
        pairs = [(old[name], new[name]) for old, new in zip(before, now, strict=True)]
        note = f"median of {len(pairs)} rounds"
        values = {f"at {commit}": [old for old, _ in pairs], "now": [new for _, new in pairs]}
        metrics += [
            BenchMetric(metric=f"{what}, {when}", value=median(each), unit=unit, note=note)
            for when, each in values.items()
        ]
        ratios = [new / old for old, new in pairs]
        metrics.append(
            BenchMetric(
                metric=f"{what}, now over {commit}",
                value=median(ratios),
                unit="1",
                note=f"{min(ratios):.2f} to {max(ratios):.2f} in {len(pairs)} rounds",
            )
        )
    return metrics


def _list_values(code: Path, bundle: Path, catalogue: Path) -> Values:
    ended = subprocess.run(
        [sys.executable, "-P", str(_SCRIPT), str(bundle), str(catalogue)],
        cwd=code,
        env={**os.environ, "PYTHONPATH": str(code)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    values: Values = json.loads(ended.stdout.splitlines()[-1])
    return values
