"""Ranks that encode together: the vectors of a single rank, each made once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cron.project_root import PROJECT_ROOT
from trainer.data.encoding_team import split

NUM_VALUES = 203
# Its vectors depend on the batch, as those of a language model do in their last digits.
RANK = f"""
import json, os, sys
from dataclasses import dataclass
import torch
from trainer.data import encoding_team
from trainer.machine import distributed

encoding_team.BATCHES_AT_ONCE = 3
encoded = []

def encode(values):
    encoded.extend(values)
    batches = [values[first : first + 8] for first in range(0, len(values), 8)]
    vectors = [[one, sum(batch)] for batch in batches for one in batch]
    return torch.tensor(vectors, dtype=torch.float)

@dataclass(frozen=True)
class Place:
    unable: int

    def load(self):
        if distributed.rank() == self.unable:
            raise OSError("no such model here")
        return encode

values = list(range({NUM_VALUES}))
with distributed.process_group(torch.device("cpu")):
    team = encoding_team.EncodingTeam()
    found = None
    if distributed.rank() == 0:
        with team.lead():
            found = team.encode(Place(int(sys.argv[1])), encode, values, batch_size=8).tolist()
            few = team.encode(Place(int(sys.argv[1])), encode, values[:8], batch_size=8)
    else:
        team.assist()
print(json.dumps({{"found": found, "encoded": encoded}}))
"""


@pytest.mark.parametrize("unable", [-1, 1])
def test_vectors_and_batches_are_those_of_one_rank(unable: int, tmp_path: Path) -> None:
    whole = _run(tmp_path / "one", num_ranks=1, unable=-1)[0]
    first, *others = _run(tmp_path / "three", num_ranks=3, unable=unable)
    assert first["found"] == whole["found"]
    by_rank = [set(one["encoded"]) for one in (first, *others)]
    assert set().union(*by_rank) == set(range(NUM_VALUES))
    assert sum(map(len, by_rank)) == NUM_VALUES  # none twice
    if unable < 0:
        assert min(map(len, by_rank)) >= NUM_VALUES // 4
    else:
        assert not by_rank[unable]
        assert len(by_rank[2]) > NUM_VALUES // 4


def test_shares_are_whole_batches_in_turn() -> None:
    assert split(7, 2, 2) == [[0, 1, 4, 5], [2, 3, 6]]
    assert split(2, 2, 3) == [[0, 1], [], []]


def _run(folder: Path, *, num_ranks: int, unable: int) -> list[dict[str, list[int]]]:
    folder.mkdir()
    (folder / "rank.py").write_text(RANK)
    ranks = [
        subprocess.Popen(
            [sys.executable, str(folder / "rank.py"), str(unable)],
            cwd=PROJECT_ROOT,
            env={
                **os.environ,
                "PYTHONPATH": str(PROJECT_ROOT),
                "WORLD_SIZE": str(num_ranks),
                "RANK": str(rank),
                "FRESHET_RENDEZVOUS": f"file://{folder}/rendezvous",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(num_ranks)
    ]
    outputs = [rank.communicate(timeout=400) for rank in ranks]
    assert not any(rank.returncode for rank in ranks), [errors for _, errors in outputs]
    return [json.loads(printed.splitlines()[-1]) for printed, _ in outputs]
