"""Ranks that divide the weights of an encoder learn what one with all of them learns."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from recommender.config import EncoderConfig
from tests.component.encoder_rank import AFTER, HELD, SERVED, TASKS, EncoderTask, main
from tests.component.training import ROOT
from tests.planted import write_tiny_encoder
from tests.unit.recommender.encoder.test_decoders import write_decoder
from trainer.codec import encode
from trainer.config import EncoderMemoryConfig

WHOLE, DIVIDED = EncoderMemoryConfig(), EncoderMemoryConfig(divide_weights=True)
SMALLEST = EncoderMemoryConfig(divide_weights=True, recompute_layers=True, texts_at_once=2)
HALF = EncoderMemoryConfig(divide_weights=True, half_precision=True)
NUM_STEPS = 4


def run(num_ranks: int, tasks: list[EncoderTask], folder: Path) -> None:
    """Do tasks on several ranks, which meet at a file; with one, in this process."""
    file = folder / f"{num_ranks}-{TASKS}"
    file.write_text(encode(tasks), encoding="utf-8")
    if num_ranks == 1:
        main(file)
        return
    where = {"WORLD_SIZE": str(num_ranks), "FRESHET_RENDEZVOUS": f"file://{folder}/of-{num_ranks}"}
    ranks = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.component.encoder_rank", str(file)],
            cwd=ROOT,
            env={**os.environ, **where, "RANK": str(rank), "PYTHONPATH": str(ROOT)},
            stderr=subprocess.PIPE,
        )
        for rank in range(num_ranks)
    ]
    errors = [rank.communicate(timeout=600)[1].decode() for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0] * num_ranks, errors


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of each way to take four steps, with a BERT and a Qwen."""
    folder = tmp_path_factory.mktemp("divided")
    tiny, qwen = write_tiny_encoder(folder / "tiny"), write_decoder(folder / "qwen2")
    configs = {
        "bert": EncoderConfig(model=str(tiny), max_tokens=32, train="full"),
        "qwen": EncoderConfig(model=str(qwen), pooling="last", max_tokens=32, train="full"),
    }

    def task(
        name: str, memory: EncoderMemoryConfig, num_steps: int = NUM_STEPS, start: str = ""
    ) -> EncoderTask:
        return EncoderTask(
            folder=str(folder / name),
            encoder=configs[name.partition("-")[0]],
            memory=memory,
            num_steps=num_steps,
            start=str(folder / start) if start else None,
        )

    one = [task("bert-one", WHOLE), task("bert-begun-by-one", WHOLE, 2), task("qwen-one", WHOLE)]
    run(1, one, folder)
    two = [
        task("bert-divided", DIVIDED),
        task("qwen-smallest", SMALLEST),
        task("bert-half", HALF),
        task("bert-begun-by-two", DIVIDED, 2),
        task("bert-taken-over-by-two", DIVIDED, 2, "bert-begun-by-one"),
    ]
    run(2, two, folder)
    run(1, [task("bert-taken-over-by-one", WHOLE, 2, "bert-begun-by-two")], folder)
    return folder


def with_influence(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Leave out the biases of keys: Adam moves them by the sign of their rounding error."""
    return {name: tensor for name, tensor in state.items() if "key.bias" not in name}


@pytest.mark.parametrize(
    "name",
    ["bert-divided", "qwen-smallest", "bert-taken-over-by-two", "bert-taken-over-by-one"],
)
def test_two_ranks_learn_the_weights_of_one(steps: Path, name: str) -> None:
    kind = name.partition("-")[0]
    found, expected = (load_file(steps / one / AFTER) for one in (name, f"{kind}-one"))
    assert found.keys() == expected.keys()
    assert any("exp_avg" in tensor for tensor in expected)
    for weight, tensor in with_influence(expected).items():
        torch.testing.assert_close(found[weight], tensor, atol=1e-5, rtol=1e-4, msg=weight)


@pytest.mark.parametrize(("name", "least"), [("bert-divided", 0.9999), ("bert-half", 0.98)])
def test_the_first_rank_gets_the_whole_encoder(steps: Path, name: str, least: float) -> None:
    found, expected = (load_file(steps / one / SERVED) for one in (name, "bert-one"))
    for vectors, wanted in expected.items():
        alike = torch.nn.functional.cosine_similarity(found[vectors], wanted)
        assert alike.min() > least


def test_between_steps_a_rank_holds_half_of_it(steps: Path) -> None:
    """Weights and moments, without a copy of the whole encoder or what layers have gathered."""
    state = load_file(steps / "bert-one" / AFTER)
    whole = sum(tensor.nbytes for tensor in state.values())
    for rank in (0, 1):
        held = int((steps / "bert-divided" / f"{HELD}{rank}").read_text())
        assert whole / 2 <= held < 0.52 * whole
