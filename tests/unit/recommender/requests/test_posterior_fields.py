"""The posterior of a question's policy: by its id, with its evidence, or refused."""

from __future__ import annotations

import base64
import struct

import pytest

from recommender.requests.policy_fields import read_policy
from recommender.requests.reward_evidence import SUMS, PosteriorReference, RewardEvidence
from recommender.requests.wire import BadRequest

EVIDENCE = RewardEvidence(
    ids=("a", "b"), sums=struct.pack(f"<{2 * len(SUMS)}f", *range(2 * len(SUMS)))
)


def content(**changes: object) -> dict[str, object]:
    sums = base64.b64encode(EVIDENCE.sums).decode()
    return {"id": EVIDENCE.digest, "ids": [*EVIDENCE.ids], "sums": sums, **changes}


def read(posterior: object, name: str = "thompson") -> PosteriorReference | None:
    raw: dict[str, object] = {"name": name, "seed": 3}
    raw |= {"width": 1.5} if name == "ucb" else {}
    raw |= {} if posterior is None else {"posterior": posterior}
    return read_policy(raw, "policy", is_drawn=True).posterior


@pytest.mark.parametrize("name", ["thompson", "ucb"])
def test_a_posterior_comes_by_id_or_with_its_evidence(name: str) -> None:
    assert read({"id": EVIDENCE.digest}, name) == PosteriorReference(id=EVIDENCE.digest)
    assert read(content(), name) == PosteriorReference(id=EVIDENCE.digest, evidence=EVIDENCE)


def test_the_digest_is_of_ids_and_sums() -> None:
    digests = {
        EVIDENCE.digest,
        RewardEvidence(ids=("ab",), sums=EVIDENCE.sums).digest,
        RewardEvidence(ids=("a", "c"), sums=EVIDENCE.sums).digest,
        RewardEvidence(ids=("a", "b"), sums=EVIDENCE.sums[::-1]).digest,
    }
    assert len(digests) == 4


@pytest.mark.parametrize(
    ("posterior", "field"),
    [
        (None, "policy.posterior"),
        ("x", "policy.posterior"),
        ({"id": "x"}, "policy.posterior.id"),
        ({"id": "0" * 32, "ids": ["a"]}, "policy.posterior.sums"),
        (content(sums="?"), "policy.posterior.sums"),
        (content(sums=""), "policy.posterior"),
        (content(ids=["a"]), "policy.posterior"),
        (content(ids=["a", "c"]), "policy.posterior"),
        (content(ids=["a", {}]), "policy.posterior.ids[1]"),
        (content(more=1), "policy.posterior.more"),
    ],
)
def test_a_wrong_posterior_is_refused(posterior: object, field: str) -> None:
    with pytest.raises(BadRequest) as refused:
        read(posterior)
    assert refused.value.field == field


def test_other_policies_take_no_posterior() -> None:
    with pytest.raises(BadRequest, match=r"policy\.posterior: found an object"):
        read({"id": EVIDENCE.digest}, "greedy")
