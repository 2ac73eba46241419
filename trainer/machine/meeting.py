"""Where the ranks of several machines meet under torchrun, and agree on who is first.

torchrun numbers the ranks by the names of their machines, differently in each round. The first rank
writes the candidate and its checkpoints, so it has to be on the machine that started the training.
The ranks of that machine *lead*. Those of other machines *follow*: the first one has their orders.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import torch.distributed as dist

from trainer.machine.sentences import GOES_ON

if TYPE_CHECKING:
    from torch._C._distributed_c10d import Store

_LOOK_EVERY_S = 0.1
_ALL_HERE_WITHIN_S = 300.0  # torchrun starts all ranks of a round at about the same time
_LEADS, _FOLLOWS = b"leads", b"follows"


class LostRank(RuntimeError):
    """Another rank ended, or did not answer within `limit_s`."""

    def __init__(self, error: RuntimeError | str, *, limit_s: float | None = None) -> None:
        lines = str(error).splitlines() or [type(error).__name__]
        why = (
            lines[0].rpartition("] ")[2].partition(". ")[0]
        )  # gloo's place in its own code, advice
        if "timed out" in why.lower() and limit_s is not None:
            why = f"no answer for {limit_s:g} s, which is train.step_limit_s"
        super().__init__(f"another rank ended or hangs ({why}); the training {GOES_ON}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Meeting:
    """The store by which ranks connect, this rank's number, and what the first one wants done."""

    store: Store
    rank: int
    order: str


def meet(order: str | None, check: Callable[[], None]) -> Meeting:
    """Meet all ranks of this round of torchrun; raise LostRank if they do not come.

    `order` is what to train, from a rank that leads; None from one that follows. `check` is called
    often and raises to end the wait.
    """
    number, num_ranks = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    wait = _Wait(check=check, ends_at_s=time.monotonic() + _ALL_HERE_WITHIN_S)
    try:
        store: Store = dist.TCPStore(  # type: ignore[attr-defined]
            os.environ["MASTER_ADDR"],
            int(os.environ["MASTER_PORT"]),
            world_size=num_ranks,
            is_master=number == 0,
            wait_for_workers=False,
            timeout=timedelta(seconds=_ALL_HERE_WITHIN_S),
        )
        store.set(_role(number), (_FOLLOWS if order is None else _LEADS).decode())
        roles = [wait.value(store, _role(other)) for other in range(num_ranks)]
        if _LEADS not in roles:
            raise LostRank("the machine that started the training is not in this round")
        numbers = sorted(range(num_ranks), key=lambda other: (roles[other] != _LEADS, other))
        if number == numbers[0] and order is not None:
            store.set("order", order)
        agreed = wait.value(store, "order").decode()
    except dist.DistError as error:
        raise LostRank(error) from error
    return Meeting(store=store, rank=numbers.index(number), order=agreed)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wait:
    """A wait for what other ranks write, in which signals are seen."""

    check: Callable[[], None]
    ends_at_s: float

    def value(self, store: Store, key: str) -> bytes:
        """Return the value of a key once it exists; raise LostRank or DistError."""
        while not store.check([key]):
            self.check()
            if time.monotonic() >= self.ends_at_s:
                raise LostRank(f"none came within {_ALL_HERE_WITHIN_S:g} s")
            threading.Event().wait(_LOOK_EVERY_S)
        return store.get(key)


def _role(number: int) -> str:
    return f"role/{number}"
