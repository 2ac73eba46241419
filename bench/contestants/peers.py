"""SASRec and HSTU of RecTools 0.19, in an environment of their own, var/bench/rectools.

The environment is made at the first use. Each model gets what RecTools' tutorials recommend:
softmax over the whole catalogue, dropout, and for HSTU a temperature of .05 and the time of the
question (RecTools' `context`; Freshet does not get it). SASRec's epochs and batch size on ML-100K
were chosen on the tuning event. On Beauty both models were also trained at our width, and a smaller
dropout was tried. Nothing else of theirs was searched, while ours was (docs/log.md).
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

from bench.data.leave_one_out import RankingResult, Split, list_gains
from bench.report.kept import events_digest, files_digest, kept_part, work_folder

VERSIONS: Mapping[str, str] = {"rectools": "0.19.0", "torch": "2.15.0"}
REQUIREMENTS = (f"rectools[torch]=={VERSIONS['rectools']}", f"torch=={VERSIONS['torch']}")
SCRIPT = Path(__file__).with_name("rectools_peer.py")
# Each step allocates and frees hundreds of MB. Without these settings glibc returns the memory to
# the system each time, which costs a third of the time.
MALLOC = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**33)}

WIDTH = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A model of RecTools and how it is trained.

    The test trains for `epochs`; the tuning stage ranks now and then, up to `tuning_epochs`.
    """

    model: str
    width: int = WIDTH
    dropout: float = 0.2
    max_history: int = 200
    batch_size: int = 32
    epochs: int
    tuning_epochs: int
    ranked_every: int = 2  # epochs, in the tuning stage

    @property
    def name(self) -> str:
        """The name in tables."""
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
    """The result of a peer after some epochs."""

    epoch: int
    scored: RankingResult


# SASRec's epochs on ml-100k come from the tuning event (docs/log.md); the others have not been
# chosen yet: `python -m bench quality --tuning`.
PEERS: Mapping[str, Sequence[Peer]] = {
    "ml-100k": (
        Peer(model="SASRec", epochs=26, tuning_epochs=40),
        Peer(model="HSTU", epochs=26, tuning_epochs=40),
    ),
    "ml-1m": (
        Peer(model="SASRec", batch_size=128, epochs=40, tuning_epochs=60),
        Peer(model="HSTU", batch_size=128, epochs=40, tuning_epochs=60),
    ),
    # Dropout as in the SASRec paper. 98 % of users have at most 30 events; padding to 50 takes 60 %
    # more time.
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
class PeerTraining:
    """One training of a peer. Another `run` trains again instead of taking the kept result."""

    peer: Peer
    seed: int
    threads: int
    run: str = "1"

    def task(self, split: Split) -> dict[str, object]:
        """Return the task for the peer's script.

        The test ranks once, after the last epoch; the tuning stage ranks every few epochs.
        """
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
        """Return the name of the kept result and what decides it; of our code only the script."""
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


def rankings(training: PeerTraining, split: Split) -> list[Ranking]:
    """Return the results of a peer by epoch, trained now or kept."""
    kept = kept_part(
        *training.part(split), lambda folder: _run_peer(training.task(split), split, folder)
    )
    assert isinstance(kept, list)
    return [Ranking(epoch=one["epoch"], scored=RankingResult(**one["scored"])) for one in kept]


def _run_peer(task: Mapping[str, object], split: Split, folder: Path) -> list[dict[str, object]]:
    environment = peer_environment("rectools", REQUIREMENTS)
    rows = pd.DataFrame(
        {"user": split.data.users_E, "item": split.data.items_E, "at": split.data.at_s_E}
    )
    rows[split.train_E].to_csv(folder / "interactions.csv", index=False)
    rows.loc[split.asked_E, ["user", "at"]].to_csv(folder / "asked.csv", index=False)
    (folder / "task.json").write_text(json.dumps(task), encoding="utf-8")
    names = ("task.json", "interactions.csv", "asked.csv", "rankings.jsonl")
    command = [
        str(environment / "bin" / "python"),
        str(SCRIPT),
        *(str(folder / name) for name in names),
    ]
    variables = os.environ | MALLOC | {"OMP_NUM_THREADS": str(task["threads"])}
    with (folder / "log.txt").open("w", encoding="utf-8") as log:
        subprocess.run(
            command, cwd=folder, check=True, env=variables, stdout=log, stderr=subprocess.STDOUT
        )
    answers = [
        json.loads(line)
        for line in (folder / "rankings.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    for name in names[1:]:
        (folder / name).unlink()
    return [{"epoch": one["epoch"], "scored": asdict(_result_of(one, split))} for one in answers]


def _result_of(answer: Mapping[str, object], split: Split) -> RankingResult:
    tops = answer["tops"]
    assert isinstance(tops, dict)
    lists = [tops.get(str(user), []) for user in range(split.data.num_users)]
    seconds, cpu_s = (float(str(answer[name])) for name in ("seconds", "cpu_s"))
    ndcg_U = list_gains(lists, split.targets_U).tolist()
    return RankingResult(ndcg_U=ndcg_U, seconds=seconds, cpu_s=cpu_s)


def peer_environment(name: str, requirements: Sequence[str]) -> Path:
    """Return a peer's environment with its packages; make it at the first use."""
    environment = work_folder() / name
    stamp = environment / "complete"
    if not stamp.exists():
        needed = " ".join(requirements)
        size = "a few minutes and 5 GB" if name == "rectools" else "a minute"
        print(f"making {environment} with {needed}: {size}, once", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(environment)], check=True)
        pip = str(environment / "bin" / "pip")
        subprocess.run([pip, "install", "-q", *requirements], check=True)
        stamp.touch()
    return environment
