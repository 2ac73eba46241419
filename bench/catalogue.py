"""The benches by name, each with the room of its module and a phrase on what it measures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A command of `python -m bench`; its module is `bench.ROOM.NAME` and has a `main`."""

    room: str
    phrase: str


BENCHES: Mapping[str, Bench] = {
    "freshness": Bench(
        room="speed", phrase="event to next answer, event to live weights, a cycle, a rollback"
    ),
    "serving": Bench(
        room="speed", phrase="requests a second and latency, steady and during releases"
    ),
    "registering": Bench(
        room="speed", phrase="the slowest answer while TorchServe registers a version"
    ),
    "crowd": Bench(room="speed", phrase="the gateway at 200 connections, now and at an old commit"),
    "batches": Bench(
        room="speed", phrase="events in batches, by the gateway now and by that of an old commit"
    ),
    "demo": Bench(
        room="speed", phrase="training and answers of the demo, now and at an old commit"
    ),
    "backends": Bench(room="speed", phrase="each back end and its bare client at the same work"),
    "ingest": Bench(room="speed", phrase="memory and rate of reading ten million ratings"),
    "scale": Bench(
        room="scale", phrase="steps, lists, trainings, releases, cycles and peers by size of shop"
    ),
    "training": Bench(room="speed", phrase="training speed of Freshet and of RecTools' SASRec"),
    "scaling": Bench(
        room="speed", phrase="a training by launcher, and the loss of a rank or a machine"
    ),
    "devices": Bench(room="speed", phrase="one training on a GPU and on the CPU (needs a GPU)"),
    "decoder": Bench(
        room="speed", phrase="a language model of 7B's shape as text encoder (needs a GPU)"
    ),
    "encoder_memory": Bench(
        room="speed", phrase="memory and time of a step of an encoder in training"
    ),
    "quality": Bench(room="ranking", phrase="ranking and rating quality of Freshet and its peers"),
    "prequential": Bench(room="ranking", phrase="what retraining brings, window by window"),
    "cold": Bench(room="ranking", phrase="new items, ranked by their text alone"),
    "pictures": Bench(
        room="ranking", phrase="items found by how they look (needs timm and torchvision)"
    ),
    "graph": Bench(room="ranking", phrase="the names of facts as text, for new and known films"),
    "modalities": Bench(room="ranking", phrase="pictures and facts in the item tower"),
    "decisions": Bench(
        room="decisions",
        phrase="errors of experiments, estimates of policies, the cost of recording lists",
    ),
    "copy": Bench(room="words", phrase="texts about items: planted lies, true sentences, cost"),
    "tune": Bench(room="ranking", phrase="a search for training settings (writes no results)"),
    "shop": Bench(room="data", phrase="makes a shop with planted structure (writes no results)"),
    "tables": Bench(room="report", phrase="renders results/*.md and the README's tables"),
}


def module_name(bench: str) -> str:
    """Return the module of a bench; raise KeyError for an unknown name."""
    return f"bench.{BENCHES[bench].room}.{bench}"


def overview() -> str:
    """List the benches, one a line."""
    return "\n".join(f"  {name:12} {bench.phrase}" for name, bench in BENCHES.items())
