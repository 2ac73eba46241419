"""What lists of a bundle cost with the code of the working folder; printed as JSON.

    PYTHONPATH=CODE python -P bench/speed/demo_lists.py BUNDLE CATALOGUE

The catalogue is a file of JSON lines, whose ids are asked for.

It imports nothing of the bench, and finds `answer_batch` and `Ranker` where they are now and where
they were.
"""

from __future__ import annotations

import importlib
import json
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import ModuleType

import torch

WARM_UP, TIMED = 60, 60
EVENTS = 60
TYPES = ("view", "rating", "click")


def main(bundle: Path, catalogue: Path) -> None:
    """Load the bundle, answer batches, print the processor times."""
    torch.set_num_threads(1)
    answers = first_module("recommender.lists.answer", "recommender.answer")
    rankers = first_module("recommender.ranking.ranker", "recommender.ranker")
    bundles = importlib.import_module("recommender.bundle")
    began_s = time.process_time()
    ranker = rankers.Ranker(bundles.load_bundle(bundle, verify=False))
    answers.answer_batch(ranker, [b'{"user_seq": [], "k": 10}'])
    values = {"loading, s": time.process_time() - began_s}
    lines = catalogue.read_text(encoding="utf-8").splitlines()
    ids = [json.loads(line)["item_id"] for line in lines]
    asked: dict[str, dict[str, object]] = {
        "top-10": {"k": 10},
        "scores of 10 items": {"items": [{"id": one} for one in ids[:10]]},
    }
    for name, question in asked.items():
        for size in (1, 8, 32):
            seconds = []
            for number in range(WARM_UP + TIMED):
                bodies = list(made_up_bodies(ids, question, first=number * size, size=size))
                began_s = time.process_time()
                found = answers.answer_batch(ranker, bodies)
                seconds.append(time.process_time() - began_s)
                assert all(isinstance(one, dict) for one in found), found[0]
            median_s = statistics.median(seconds[WARM_UP:])
            values[f"{name}, a user of {size}, ms"] = 1000 * median_s / size
    rollup = Path("/proc/self/smaps_rollup").read_text(encoding="utf-8")
    kib = next(line.split()[1] for line in rollup.splitlines() if line.startswith("Private_Dirty:"))
    values["memory of its own, GiB"] = int(kib) / 2**20
    print(json.dumps(values))


def first_module(*names: str) -> ModuleType:
    """Import the first of some modules that there is."""
    for name in names:
        with suppress(ModuleNotFoundError):
            return importlib.import_module(name)
    raise ModuleNotFoundError(names[0])


def made_up_bodies(
    ids: list[str], question: dict[str, object], *, first: int, size: int
) -> Iterator[bytes]:
    """Yield the bodies of some users, with elements as the gateway sends them."""
    for user in range(first, first + size):
        history = []
        for place in range(EVENTS):
            type_ = TYPES[(user + place) % len(TYPES)]
            element: dict[str, object] = {"id": ids[(user * 37 + place * 11) % len(ids)]}
            element |= {"type": type_, "at": 1.7e9 + 3_600.0 * place}
            if type_ == "rating":
                element["rating"] = float(1 + place % 5)
            history.append(element)
        yield json.dumps({"user_seq": history, **question}).encode()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
