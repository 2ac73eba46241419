"""Fields of policies: checked against the limits and converted, or refused."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import TypeGuard, get_args

from recommender.requests.body_fields import (
    describe,
    expect_known_fields,
    read_ids,
    read_list,
)
from recommender.requests.list_policy import (
    MAX_DOUBT,
    MAX_NEW_IDS,
    MAX_SEED,
    MAX_TEMPERATURE,
    MAX_WIDTH,
    MIN_TEMPERATURE,
    ListPolicy,
    NewItemsShare,
    PolicyName,
    learns_from_rewards,
    strength_of,
)
from recommender.requests.reward_evidence import (
    MAX_EVIDENCE_ITEMS,
    ROW_BYTES,
    PosteriorReference,
    RewardEvidence,
)
from recommender.requests.rule_fields import read_between, read_object, read_whole
from recommender.requests.wire import BadRequest

_DIGEST = re.compile(r"[0-9a-f]{32}")


def read_policy(raw: object, where: str, *, is_drawn: bool) -> ListPolicy:
    """Parse the `policy` of a question; raise BadRequest. What is drawn by chance needs a seed."""
    values = read_policy_object(raw, where, {"seed", "new_items", "posterior"})
    policy = ListPolicy(
        name=read_policy_name(values["name"], f"{where}.name"),
        epsilon=read_epsilon(values, where),
        temperature=read_temperature(values, where),
        width=read_width(values, where),
        posterior=_posterior(values, f"{where}.posterior"),
        seed=read_whole(values["seed"], f"{where}.seed", 0, MAX_SEED) if "seed" in values else None,
        new_items=_new_items(values["new_items"], f"{where}.new_items")
        if "new_items" in values
        else None,
    )
    if is_drawn and policy.explores and policy.seed is None:
        expected = f"a whole number from 0 to {MAX_SEED:,}, drawn for this list"
        raise BadRequest(f"{where}.seed", found="nothing", expected=expected)
    return policy


def read_policy_object(raw: object, where: str, more: set[str]) -> Mapping[str, object]:
    """Return a policy's fields: its name, the strength that it needs, and some of `more`."""
    if not isinstance(raw, dict):
        raise BadRequest(where, found=describe(raw), expected='an object with "name"')
    if "name" not in raw:
        raise BadRequest(f"{where}.name", found="nothing", expected=_one_of_the_names())
    strength = strength_of(read_policy_name(raw["name"], f"{where}.name"))
    known = {"name", *more} | ({strength} if strength is not None else set())
    expect_known_fields(raw, known, where=where)
    if strength is not None and strength not in raw:
        raise BadRequest(f"{where}.{strength}", found="nothing", expected="a number")
    return raw


def read_policy_name(raw: object, where: str) -> PolicyName:
    """Parse the name of a policy; raise BadRequest."""
    if not _is_policy_name(raw):
        raise BadRequest(where, found=describe(raw), expected=_one_of_the_names())
    return raw


def read_epsilon(values: Mapping[str, object], where: str) -> float:
    """Parse the probability of a random item, 0 where the policy has none; raise BadRequest."""
    return read_between(values.get("epsilon", 0.0), f"{where}.epsilon", 0, 1)


def read_temperature(values: Mapping[str, object], where: str) -> float:
    """Parse a temperature in spreads, 1 where the policy has none; raise BadRequest."""
    return read_between(
        values.get("temperature", 1.0), f"{where}.temperature", MIN_TEMPERATURE, MAX_TEMPERATURE
    )


def read_width(values: Mapping[str, object], where: str) -> float:
    """Parse how many standard deviations are hoped for, 1 if unset; raise BadRequest."""
    return read_between(values.get("width", 1.0), f"{where}.width", 0, MAX_WIDTH)


def read_share(raw: object, where: str) -> float:
    """Parse the share of slots that new items get; raise BadRequest."""
    return read_between(raw, where, 0, 1)


def read_doubt(raw: object, where: str) -> float:
    """Parse by how many spreads a new item's score may be wrong; raise BadRequest."""
    return read_between(raw, where, 0, MAX_DOUBT)


def _new_items(raw: object, where: str) -> NewItemsShare:
    values = read_object(raw, where, {"share", "ids", "doubts"})
    for name in ("ids", "share"):
        if name not in values:
            raise BadRequest(f"{where}.{name}", found="nothing", expected="a value")
    ids = read_ids(values["ids"], f"{where}.ids", limit=MAX_NEW_IDS)
    return NewItemsShare(
        share=read_share(values["share"], f"{where}.share"),
        ids=ids,
        doubts=_doubts(values["doubts"], f"{where}.doubts", num=len(ids))
        if "doubts" in values
        else None,
    )


def _doubts(raw: object, where: str, *, num: int) -> tuple[float, ...]:
    doubts = read_list(raw, where, limit=MAX_NEW_IDS)
    if len(doubts) != num:
        expected = f"{num} numbers, one for each id"
        raise BadRequest(where, found=f"{len(doubts)} of them", expected=expected)
    return tuple(read_doubt(value, f"{where}[{i}]") for i, value in enumerate(doubts))


def _posterior(policy: Mapping[str, object], where: str) -> PosteriorReference | None:
    """Parse the posterior, which the policies that learn from rewards need, and no other has."""
    needs_one = learns_from_rewards(read_policy_name(policy["name"], "policy.name"))
    if needs_one != ("posterior" in policy):
        found, expected = ("nothing", "an object") if needs_one else ("an object", "nothing")
        raise BadRequest(where, found=found, expected=f"{expected} with this policy")
    if not needs_one:
        return None
    values = read_object(policy["posterior"], where, {"id", "ids", "sums"})
    given_id = values.get("id")
    if not isinstance(given_id, str) or not _DIGEST.fullmatch(given_id):
        expected = "32 hexadecimal digits"
        raise BadRequest(f"{where}.id", found=describe(given_id), expected=expected)
    if "ids" not in values and "sums" not in values:
        return PosteriorReference(id=given_id)
    evidence = RewardEvidence(
        ids=read_ids(values.get("ids"), f"{where}.ids", limit=MAX_EVIDENCE_ITEMS),
        sums=_bytes(values.get("sums"), f"{where}.sums"),
    )
    if len(evidence.sums) != ROW_BYTES * len(evidence.ids) or evidence.digest != given_id:
        expected = "the ids and sums of the posterior with this id"
        raise BadRequest(where, found="others", expected=expected)
    return PosteriorReference(id=given_id, evidence=evidence)


def _bytes(raw: object, where: str) -> bytes:
    try:
        return base64.b64decode(raw if isinstance(raw, str) else "?", validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadRequest(where, found=describe(raw), expected="base64") from error


def _is_policy_name(raw: object) -> TypeGuard[PolicyName]:
    return isinstance(raw, str) and raw in get_args(PolicyName)


def _one_of_the_names() -> str:
    return f"one of {', '.join(get_args(PolicyName))}"
