"""Lists of a model of the demo, by the code of now and of an earlier commit, in turn.

    python -m bench demo --bundle FOLDER [--before COMMIT] [--rounds N]

Both codes load the same model, each in the format of its own releases: the earlier one's is written
from the bundle. They answer the same requests in a process of their own with one thread. Times are
the processor's. TorchServe and the gateway are not part of it.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

from bench.report.rows import BenchMetric, is_quick, save
from bench.speed.earlier_code import code_of
from cron.project_root import PROJECT_ROOT
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
Values = Mapping[str, float]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure both codes and write `bench/results/demo.json`."""
    parser = argparse.ArgumentParser(
        prog=COMMAND, description="Lists of a model of the demo, now and at an earlier commit."
    )
    parser.add_argument(
        "--bundle", type=Path, required=True, metavar="FOLDER", help="such as one of var/bundles"
    )
    parser.add_argument(
        "--before", default=BEFORE, help=f"the commit to compare with; default {BEFORE}"
    )
    parser.add_argument("--rounds", type=int, default=1 if is_quick() else 5)
    asked = parser.parse_args(arguments)
    found: dict[str, list[Values]] = {"before": [], "now": []}
    with (
        tempfile.TemporaryDirectory(prefix="freshet-bench-") as folder,
        code_of(asked.before, Path(folder)) as old_code,
    ):
        old_bundle = Path(folder) / "bundle"
        write_in_old_format(asked.bundle, old_bundle)
        codes = {"before": (old_code, old_bundle), "now": (PROJECT_ROOT, asked.bundle.resolve())}
        for _ in range(asked.rounds):
            for name, (code, bundle) in codes.items():
                found[name].append(_values(code, bundle, old_bundle / OLD_FILE))
                print(name, found[name][-1], flush=True)
    rows = comparison(found["before"], found["now"], commit=asked.before)
    save("demo", "ML-100K demo", rows, command=COMMAND)


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


def _values(code: Path, bundle: Path, catalogue: Path) -> Values:
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
