"""Silences a part of Ray that repeats, in each process that Ray starts for us."""

from __future__ import annotations

import logging

# It asks the dashboard every second whether the training's controller lives, and warns each time
# where there is none. A driver that dies ends its controller anyway.
_CLEANER = "ray.train.v2._internal.execution.controller.placement_group_cleaner"


def quieten() -> None:
    """Keep the cleaner of placement groups from filling the run's log."""
    logging.getLogger(_CLEANER).setLevel(logging.ERROR)
