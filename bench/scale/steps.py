"""Time and memory by the size of the catalogue: training steps and exact top-10 lists.

    python -m bench scale

The data is made up: items by a Zipf law, 60 events a user, random unit text vectors, the default
network. Each part is a process of its own with one thread, so its peak memory is its own. A
training step learns 32 windows of 60 events. Its seconds are the processor's, the median of several
steps. Top-10 lists are those of `answer_batch`, as the handler calls it, without TorchServe.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from bench.report.rows import BenchMetric, is_quick, results_folder, save
from recommender.answer import answer_batch
from recommender.bundle import Bundle, BundleManifest, Whitening
from recommender.catalogue import Catalogue
from recommender.config import EncoderConfig, ModelConfig
from recommender.item_columns import CatalogueItem
from recommender.model import ItemFacts, TwoTowers
from recommender.ranker import Ranker
from trainer.config import TrainConfig
from trainer.data.dataset import Ints
from trainer.data.sampling import Sequences, batches, cut_windows, draw_withheld
from trainer.learning.optimizer import Optimizer
from trainer.learning.step import Step
from trainer.learning.trainee import FixedFacts, Trainee

COMMAND = "python -m bench scale"
SIZES, QUICK_SIZES = (2_000, 10_000, 100_000, 1_000_000), (2_000, 20_000)
NUM_USERS, EVENTS_PER_USER, WINDOWS = 2_000, 60, 32
WARM_UP_STEPS, TIMED_STEPS = 3, 20
ZIPF_EXPONENT = 0.8
NUM_KINDS = 20  # values of the attribute that a filter asks for
BATCH_SIZES = (1, 32)
TIMED_BATCHES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """One measured time of a size of catalogue, with the process's peak memory."""

    num_items: int
    what: str
    seconds: float
    peak_gib: float
    note: str = ""


def made_up_facts(num_items: int, items_E: Ints) -> ItemFacts:
    """Return facts with random unit text vectors and the counts of the events."""
    width = ModelConfig().text_dim
    counts_N = torch.from_numpy(np.bincount(items_E, minlength=num_items)).float()
    texts_NT = torch.randn(num_items, width, generator=torch.Generator().manual_seed(0))
    return ItemFacts(
        texts_NT=torch.nn.functional.normalize(texts_NT, dim=1),
        has_text_N=torch.ones(num_items, dtype=torch.bool),
        counts_N=counts_N,
        rating_sum_N=torch.zeros(num_items),
        rating_count_N=counts_N.clone(),
    )


def made_up_items(num_items: int) -> Ints:
    """Draw the item of each event; low rows are popular."""
    share_N = np.arange(1, num_items + 1) ** -ZIPF_EXPONENT
    events = NUM_USERS * EVENTS_PER_USER
    return np.random.default_rng(0).choice(num_items, size=events, p=share_N / share_N.sum())


def made_up_model(num_items: int) -> TwoTowers:
    """Return the default network, untrained, with small random residuals."""
    torch.manual_seed(0)
    model = TwoTowers(ModelConfig(), num_items)
    torch.nn.init.normal_(model.table, std=0.1)
    model.rating_mean.fill_(3.0)
    return model


def made_up_sequences(items_E: Ints, generator: np.random.Generator) -> Sequences:
    """Return the events as histories with random ratings and times."""
    num_events, nothing = len(items_E), np.zeros(0, np.int64)
    return Sequences(
        rows=items_E,
        types=np.ones(num_events, np.int64),
        ratings=generator.integers(1, 6, num_events).astype(np.float64),
        at_s=np.sort(generator.random(num_events)) * 1e7,
        positive=np.ones(num_events, np.bool_),
        learnable=np.ones(num_events, np.bool_),
        user_bounds=np.arange(0, num_events + 1, EVENTS_PER_USER),
        shown_places=nothing,
        shown_rows=nothing,
        shown_users=nothing,
    )


def step_costs(num_items: int) -> list[Cost]:
    """Measure training steps on a catalogue, and the end of an epoch."""
    torch.set_num_threads(1)
    generator = np.random.default_rng(1)
    items_E = made_up_items(num_items)
    sequences = made_up_sequences(items_E, generator)
    model, facts = made_up_model(num_items).train(), made_up_facts(num_items, items_E)
    optimizer = Optimizer(model, weight_decay=0.01)
    config = TrainConfig(batch_size=WINDOWS)
    trainee = Trainee(model=model, optimizer=optimizer, source=FixedFacts(facts))
    step = Step(trainee, sequences, config)
    windows = cut_windows(sequences, max_history=model.config.max_history, generator=generator)
    groups = batches(windows, batch_size=WINDOWS, generator=generator)
    seconds = []
    for group in groups[: WARM_UP_STEPS + TIMED_STEPS]:
        began_s = time.process_time()
        step.run(group, draw_withheld(len(group), generator), lr=1e-3)
        seconds.append(time.process_time() - began_s)
    peak = peak_gib()
    began_s = time.process_time()
    step.settle()
    settled_s = time.process_time() - began_s
    whole = num_items < config.full_softmax_items
    kind = "all items" if whole else f"{config.num_negatives:,} negatives"
    events = WINDOWS * EVENTS_PER_USER
    return [
        Cost(
            num_items=num_items,
            what=f"a training step of {events:,} events",
            seconds=float(np.median(seconds[WARM_UP_STEPS:])),
            peak_gib=peak,
            note=f"softmax over {kind}",
        ),
        Cost(
            num_items=num_items,
            what="the end of an epoch",
            seconds=settled_s,
            peak_gib=peak_gib(),
            note=f"after {WARM_UP_STEPS + TIMED_STEPS} steps",
        ),
    ]


def ranking_costs(num_items: int) -> list[Cost]:
    """Measure exact top-10 lists of one user and of a batch, with and without a filter."""
    torch.set_num_threads(1)
    items_E = made_up_items(num_items)
    ranker = Ranker(_bundle(num_items, made_up_facts(num_items, items_E)))
    costs = []
    for filters in ({}, {"kind": "k1"}):
        for size in BATCH_SIZES:
            bodies = [_body(items_E, user, filters) for user in range(size)]
            seconds = []
            for _ in range(WARM_UP_STEPS + TIMED_BATCHES):
                began_s = time.process_time()
                answers = answer_batch(ranker, bodies)
                seconds.append(time.process_time() - began_s)
            assert all(map(_has_ten_items, answers))
            filtered = f", filtered to 1/{NUM_KINDS}" if filters else ""
            costs.append(
                Cost(
                    num_items=num_items,
                    what=f"top-10 for one user in a batch of {size}{filtered}",
                    seconds=float(np.median(seconds[WARM_UP_STEPS:])) / size,
                    peak_gib=peak_gib(),
                )
            )
    return costs


def _has_ten_items(answer: object) -> bool:
    return isinstance(answer, dict) and len(answer["items"]) == 10


def _bundle(num_items: int, facts: ItemFacts) -> Bundle:
    config = ModelConfig()
    items = (
        CatalogueItem(
            item_id=f"i{row}", title=f"Item {row}", attributes={"kind": f"k{row % NUM_KINDS}"}
        )
        for row in range(num_items)
    )
    return Bundle(
        manifest=BundleManifest(
            model=config,
            encoder=EncoderConfig(),
            encoder_digest=None,
            rating_scale=(1.0, 5.0),
            num_items=num_items,
            files={},
        ),
        catalogue=Catalogue(items),
        model=made_up_model(num_items),
        facts=facts,
        whitening=Whitening(
            mean_R=torch.zeros(config.text_dim), components_RT=torch.zeros(1, config.text_dim)
        ),
    )


def _body(items_E: Ints, user: int, filters: dict[str, str]) -> dict[str, object]:
    history = items_E[user * EVENTS_PER_USER : (user + 1) * EVENTS_PER_USER]
    return {"user_seq": [f"i{row}" for row in history], "k": 10, "filter": filters}


def peak_gib() -> float:
    """Return this process's peak memory in GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def in_own_process(measure: Callable[[int], list[Cost]], num_items: int) -> list[Cost]:
    """Call a measurement in a fresh process."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as processes:
        return processes.submit(measure, num_items).result()


def metrics_of(costs: Sequence[Cost]) -> list[BenchMetric]:
    """Return times and peak memory as rows."""
    rows = []
    for cost in costs:
        title = f"{cost.num_items:,} items, {cost.what}"
        rows.append(BenchMetric(metric=title, value=1000 * cost.seconds, unit="ms", note=cost.note))
        rows.append(BenchMetric(metric=f"{title}: peak memory", value=cost.peak_gib, unit="GiB"))
    return rows


def draw(costs: Sequence[Cost], path: Path) -> None:
    """Draw the time of each kind of work over the number of items, both axes in powers of ten."""
    from matplotlib.figure import Figure

    picture = Figure(figsize=(8, 5.5), layout="constrained")
    axes = picture.add_subplot()
    for what in dict.fromkeys(cost.what for cost in costs):
        chosen = [cost for cost in costs if cost.what == what]
        axes.plot(
            [cost.num_items for cost in chosen],
            [1000 * cost.seconds for cost in chosen],
            "o-",
            label=what,
        )
    axes.set(
        title="Cost by the size of the catalogue, one core",
        xlabel="items",
        ylabel="milliseconds of the processor",
        xscale="log",
        yscale="log",
    )
    axes.grid(alpha=0.3)
    picture.legend(loc="outside lower center", ncols=2)
    picture.savefig(path, dpi=120, metadata={"Software": None})


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write the results."""
    argparse.ArgumentParser(
        prog=COMMAND,
        description="Time and memory of training steps and top-10 lists by number of items.",
    ).parse_args(arguments)
    costs: list[Cost] = []
    for measure in (step_costs, ranking_costs):
        for num_items in QUICK_SIZES if is_quick() else SIZES:
            found = in_own_process(measure, num_items)
            costs += found
            for cost in found:
                title = f"{cost.num_items:,} items, {cost.what}"
                print(f"{title}: {1000 * cost.seconds:.2f} ms, {cost.peak_gib:.2f} GiB", flush=True)
    save("scale", "made-up catalogues", metrics_of(costs), command=COMMAND)
    draw(costs, results_folder() / "scale.png")
