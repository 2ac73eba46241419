"""The posteriors that a worker of the model keeps: the last few, by their ids."""

from __future__ import annotations

from collections import OrderedDict

from recommender.policies.posterior import ItemPosterior

MAX_KEPT = 4  # gateways change to a new one within seconds of each other


class KeptPosteriors:
    """For one thread. What was used least recently is dropped first."""

    def __init__(self) -> None:
        self._by_id: OrderedDict[str, ItemPosterior] = OrderedDict()

    def find(self, posterior_id: str) -> ItemPosterior | None:
        """Return a posterior by its id; None if it is not kept."""
        if posterior_id in self._by_id:
            self._by_id.move_to_end(posterior_id)
        return self._by_id.get(posterior_id)

    def keep(self, posterior_id: str, posterior: ItemPosterior) -> None:
        """Keep a posterior."""
        self._by_id[posterior_id] = posterior
        while len(self._by_id) > MAX_KEPT:
            self._by_id.popitem(last=False)
