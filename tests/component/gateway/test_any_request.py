"""Every call answers any request as its OpenAPI says: valid ones, and ones that break it.

schemathesis makes the requests from `/openapi.json`, the same in each run. The stand-in for
TorchServe asks a real model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    status_code_conformance,
)

from recommender.ranking.ranker import Ranker
from tests.component import story
from tests.component.gateway.test_little_to_show import ModelStandIn
from tests.component.gateway.test_openapi import child, document, errors, strict
from tests.component.gateway_process import gateway, settings_in
from tests.planted import planted_bundle

KEY = "a key for every call, also to operate"
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
]
NUM_REQUESTS = 8  # of each call and kind
# A decision about the model server waits for it, and the stand-in does not serve management.
NUM_DECISIONS = 2
NOTHING_TO_BREAK = {"GET /healthz", "GET /readyz"}  # without parameters


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve a gateway with a release; return its address."""
    folder = tmp_path_factory.mktemp("any-request")
    story.tell(folder / "ledger.db").close()
    bundle = planted_bundle(folder / "bundle", tower="transformer", encoder="tiny")
    model = ModelStandIn(Ranker(bundle))
    with gateway(settings_in(folder, inference_port=model.port, api_key=KEY)) as client:
        yield str(client.base_url)
    model.stop()


@pytest.mark.parametrize("mode", GenerationMode)
def test_every_answer_is_as_documented(address: str, mode: GenerationMode) -> None:
    components = strict(child(document(), "components"))
    statuses: Counter[int] = Counter()
    for found in schemathesis.openapi.from_url(f"{address}/openapi.json").get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()
        if mode is GenerationMode.POSITIVE or operation.label not in NOTHING_TO_BREAK:
            statuses += send_requests(operation, address, mode, components)
    num_good = sum(num for status, num in statuses.items() if status < 400)
    # most valid requests, and few of the others, do something
    assert num_good > 80 if mode is GenerationMode.POSITIVE else num_good < 80


def send_requests(
    operation: APIOperation[Any, Any, Any, Any],
    address: str,
    mode: GenerationMode,
    components: object,
) -> Counter[int]:
    """Send requests of one call, check each answer, and return how often each status came."""
    statuses: Counter[int] = Counter()

    @settings(
        max_examples=NUM_DECISIONS if "/operate/" in operation.label else NUM_REQUESTS,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def send(case: Case[Any]) -> None:
        answer = case.call(base_url=address, headers={"Authorization": f"Bearer {KEY}"})
        statuses[answer.status_code] += 1
        case.validate_response(answer, checks=CHECKS)
        described = operation.definition.raw["responses"][str(answer.status_code)].get(
            "content", {}
        )
        if "application/json" in described:
            # not by schemathesis 4.32, which does not read a `prefixItems` inside of `items`
            schema = described["application/json"]["schema"]
            assert errors(schema, answer.json(), components) == []

    send()
    return statuses
