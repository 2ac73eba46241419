"""Training steps by the size of the catalogue.

A step learns 32 windows of 60 events of the default network; the data is made up: items by a Zipf
law, random unit text vectors. Its time is the processor's, the median of several steps.
"""

from __future__ import annotations

import time

import numpy as np
import torch

from bench.scale.costs import Cost, Size, peak_gib
from recommender.config import ModelConfig
from recommender.network.model import ItemFacts, TwoTowers
from trainer.config import TrainConfig
from trainer.data.dataset import Ints
from trainer.data.histories import GroupReader, SharedHistories
from trainer.data.sampling import Sequences, batches, draw_withheld
from trainer.learning.optimizer import Optimizer
from trainer.learning.step import Step
from trainer.learning.trainee import FixedFacts, Trainee

NUM_USERS, EVENTS_PER_USER, WINDOWS = 2_000, 60, 32
WARM_UP_STEPS, TIMED_STEPS = 3, 20
ZIPF_EXPONENT = 0.8


def step_costs(size: Size) -> list[Cost]:
    """Measure training steps on a catalogue, and the end of an epoch."""
    torch.set_num_threads(1)
    num_items, config = size.num_items, TrainConfig(batch_size=WINDOWS)
    items_E = made_up_items(num_items)
    facts = made_up_facts(num_items, items_E)
    step, seconds = timed_steps(made_up_model(num_items), facts, items_E)
    peak = peak_gib()
    began_s = time.process_time()
    step.settle()
    settled_s = time.process_time() - began_s
    whole = num_items < config.full_softmax_items
    kind = "all items" if whole else f"{config.num_negatives:,} negatives"
    events = WINDOWS * EVENTS_PER_USER
    return [
        Cost(
            size=size,
            what=f"a training step of {events:,} events",
            value=1000 * float(np.median(seconds)),
            unit="ms",
            peak_gib=peak,
            note=f"softmax over {kind}",
        ),
        Cost(
            size=size,
            what="the end of an epoch",
            value=1000 * settled_s,
            unit="ms",
            peak_gib=peak_gib(),
            note=f"after {WARM_UP_STEPS + TIMED_STEPS} steps",
        ),
    ]


def timed_steps(model: TwoTowers, facts: ItemFacts, items_E: Ints) -> tuple[Step, list[float]]:
    """Take steps on made-up histories of the events' items; return the seconds of the last ones."""
    generator = np.random.default_rng(1)
    sequences = made_up_sequences(items_E, generator)
    optimizer = Optimizer(model.train(), weight_decay=0.01)
    trainee = Trainee(model=model, optimizer=optimizer, source=FixedFacts(facts))
    histories = SharedHistories(sequences)
    step = Step(trainee, histories, TrainConfig(batch_size=WINDOWS))
    windows = histories.cut(max_history=model.config.max_history, generator=generator)
    groups = batches(windows.lengths_W, batch_size=WINDOWS, generator=generator)
    reader = GroupReader(histories, windows, groups)
    seconds = []
    for number, chosen in enumerate(groups[: WARM_UP_STEPS + TIMED_STEPS]):
        withheld = draw_withheld(len(chosen), generator, dropout_seed=0)
        began_s = time.process_time()
        step.run(reader.read(number), withheld, lr=1e-3)
        seconds.append(time.process_time() - began_s)
    return step, seconds[WARM_UP_STEPS:]


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
