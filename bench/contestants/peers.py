"""Peers that need an environment of their own: RecTools 0.19 with its SASRec and HSTU, made at the first use in var/bench/rectools.

Each gets what its own tutorials recommend: softmax over the whole catalogue, dropout, HSTU's
temperature of .05 and the time of the question (RecTools' `context`; ours is not told it). SASRec's
epochs and batches on ML-100K were chosen on the tuning event; on Beauty they stand there at our
width too, and less dropout was tried; nothing else of theirs was searched, while ours was
(docs/log.md).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

from bench.data.leave_one_out import Scored, Split, list_gains
from bench.report.kept import WORK, events_digest, files_digest, kept_part

VERSIONS: Mapping[str, str] = {"rectools": "0.19.0", "torch": "2.15.0"}
REQUIREMENTS = (f"rectools[torch]=={VERSIONS['rectools']}", f"torch=={VERSIONS['torch']}")
ENVIRONMENT = WORK / "rectools"
SCRIPT = Path(__file__).with_name("rectools_peer.py")
# Tensors of hundreds of MB come and go each step: without these glibc gives them back to the system
# each time, a third of the time lost.
MALLOC = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**33)}

WIDTH = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A model of RecTools and how it is trained: for so many `epochs` at the test, for at most `tuning_epochs` while they are chosen."""

    model: str
    width: int = WIDTH
    dropout: float = 0.2
    max_history: int = 200
    batch_size: int = 32
    epochs: int
    tuning_epochs: int
    ranked_every: int = 2  # epochs, while tuning

    @property
    def name(self) -> str:
        """Name it in tables."""
        return f"RecTools {self.model}" + (f", {self.width} wide" if self.width != WIDTH else "")

    def parameters(self) -> Mapping[str, object]:
        """Return the model's arguments."""
        own = {"lightning_module_kwargs": {"logits_t": 0.05}} if self.model == "HSTU" else {}
        return {
            "n_factors": self.width,
            "n_blocks": 2,
            "n_heads": 2,
            "session_max_len": self.max_history,
            "loss": "softmax",
            "dropout_rate": self.dropout,
            "batch_size": self.batch_size,
            **own,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """What a peer answered after some epochs, and what these took."""

    epoch: int
    scored: Scored


# SASRec's epochs on ml-100k come from the tuning event (docs/log.md); the others wait for theirs:
# `bench.quality --tuning`.
PEERS: Mapping[str, Sequence[Peer]] = {
    "ml-100k": (
        Peer(model="SASRec", epochs=26, tuning_epochs=40),
        Peer(model="HSTU", epochs=26, tuning_epochs=40),
    ),
    "ml-1m": (
        Peer(model="SASRec", batch_size=128, epochs=40, tuning_epochs=60),
        Peer(model="HSTU", batch_size=128, epochs=40, tuning_epochs=60),
    ),
    # dropout as in the SASRec paper; 98 % of users have no more than 30 events, and padding to 50
    # costs 60 % more time
    "beauty": tuple(
        Peer(
            model=model,
            width=width,
            batch_size=128,
            max_history=30,
            dropout=0.5,
            epochs=20,
            tuning_epochs=20,
        )
        for width in (WIDTH, 128)  # ours is 128
        for model in ("SASRec", "HSTU")
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """One training of a peer. Another `run` measures anew what is kept of this one."""

    peer: Peer
    seed: int
    threads: int
    run: str = "1"

    def task(self, split: Split) -> dict[str, object]:
        """Return what the peer's script is told: at the test its epochs, in the tuning stage a ranking every few while tried."""
        epochs = self.peer.tuning_epochs if split.tuning else self.peer.epochs
        return {
            "model": self.peer.model,
            "parameters": self.peer.parameters(),
            "epochs": epochs,
            "every": self.peer.ranked_every if split.tuning else epochs,
            "seed": self.seed,
            "threads": self.threads,
        }

    def part(self, split: Split) -> tuple[str, tuple[str, ...]]:
        """Return the name of its result and what decides it: nothing of ours but the peer's script."""
        stage = "-tuning" if split.tuning else ""
        name = f"peers/{split.data.name}-{self.peer.model.lower()}{stage}-{self.seed}"
        code = (*REQUIREMENTS, files_digest("bench/contestants/rectools_peer.py"))
        return name, (
            *code,
            events_digest(split.data),
            split.protocol,
            json.dumps(self.task(split)),
            self.run,
        )


def rankings(training: Training, split: Split) -> list[Ranking]:
    """Return what a peer answers, and after how many epochs."""
    kept = kept_part(
        *training.part(split), lambda folder: _measured(training.task(split), split, folder)
    )
    assert isinstance(kept, list)
    return [Ranking(epoch=one["epoch"], scored=Scored(**one["scored"])) for one in kept]


def _measured(task: Mapping[str, object], split: Split, folder: Path) -> list[dict[str, object]]:
    _make_environment()
    rows = pd.DataFrame(
        {"user": split.data.users_E, "item": split.data.items_E, "at": split.data.at_s_E}
    )
    rows[split.train_E].to_csv(folder / "interactions.csv", index=False)
    rows.loc[split.asked_E, ["user", "at"]].to_csv(folder / "asked.csv", index=False)
    (folder / "task.json").write_text(json.dumps(task))
    names = ("task.json", "interactions.csv", "asked.csv", "rankings.jsonl")
    command = [
        str(ENVIRONMENT / "bin" / "python"),
        str(SCRIPT),
        *(str(folder / name) for name in names),
    ]
    environment = os.environ | MALLOC | {"OMP_NUM_THREADS": str(task["threads"])}
    with (folder / "log.txt").open("w") as log:
        subprocess.run(
            command, cwd=folder, check=True, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
    answers = [json.loads(line) for line in (folder / "rankings.jsonl").read_text().splitlines()]
    for name in names[1:]:
        (folder / name).unlink()
    return [{"epoch": one["epoch"], "scored": asdict(_scored(one, split))} for one in answers]


def _scored(answer: Mapping[str, object], split: Split) -> Scored:
    tops = answer["tops"]
    assert isinstance(tops, dict)
    lists = [tops.get(str(user), []) for user in range(split.data.num_users)]
    seconds, cpu_s = (float(str(answer[name])) for name in ("seconds", "cpu_s"))
    return Scored(ndcg_U=list_gains(lists, split.targets_U).tolist(), seconds=seconds, cpu_s=cpu_s)


def _make_environment() -> None:
    stamp = ENVIRONMENT / "complete"
    if stamp.exists():
        return
    print(
        f"making {ENVIRONMENT} with {' '.join(REQUIREMENTS)}: some minutes and 5 GB the first time",
        flush=True,
    )
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(ENVIRONMENT)], check=True)
    subprocess.run([str(ENVIRONMENT / "bin" / "pip"), "install", "-q", *REQUIREMENTS], check=True)
    stamp.touch()
