"""A gateway with placements, in front of a real model that may be as old as a test wants."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from cron.placement import parse_placement
from recommender.ranking.ranker import Ranker
from tests.component import story
from tests.component.gateway.test_little_to_show import ModelStandIn
from tests.component.gateway_process import RunningGateway, gateway, settings_in


class PolicyModel(ModelStandIn):
    """A model that refuses some fields, as an older release does."""

    unknown: tuple[str, ...] = ()

    def answer(self, path: str, asked: dict[str, object]) -> tuple[int, object]:
        """Refuse the first field that is unknown, or answer."""
        for name in asked:
            if name in self.unknown:
                error = {"field": name, "reason": f"{name}: found an unknown field"}
                return 400, {"error": error, "model_version": 3}
        for name in ("policy.name", "policy.new_items.doubts"):
            if name in self.unknown and "policy" in asked:
                error = {"field": name, "reason": f"{name}: found ..., expected another"}
                return 400, {"error": error, "model_version": 3}
        return super().answer(path, asked)


@contextmanager
def serve_placements(
    folder: Path, ranker: Ranker, placements: Mapping[str, object]
) -> Iterator[RunningGateway]:
    """Serve a gateway with placements, and a model of the planted items."""
    story.tell(folder / "ledger.db").close()
    model = PolicyModel(ranker)
    settings = replace(
        settings_in(folder, inference_port=model.port),
        placements={name: parse_placement(one) for name, one in placements.items()},
    )
    with gateway(settings) as client:
        yield RunningGateway(client=client, settings=settings, model=model)
    model.stop()
