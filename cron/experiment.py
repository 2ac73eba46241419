"""An experiment: arms that users are divided among, where it applies, and how it is judged.

The command line and the gateway's API start one in the same form; `parse_draft` reads both, and
every mistake names its field.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from cron.experiments.assignment import LayerRange, Ramp, chosen_arm, is_in_range
from cron.experiments.outcome import ComparisonRules
from cron.placement import Placement, check_name, parse_placement, placement_json
from recommender.records.record_fields import MAX_TYPE_CHARS
from recommender.records.slates import MAX_VERSION
from recommender.requests.body_fields import describe, expect_known_fields, field_name, read_list
from recommender.requests.rule_fields import read_between, read_whole
from recommender.requests.wire import BadRequest

MAX_ARMS = 6
MAX_RAMP_DAYS = 90
MAX_REWARD_TYPES = 20
MIN_SHARE = 0.01
MAX_WEIGHT = 1e6
# as in a slate's `arm`, EXPERIMENT/ARM, which has room for two texts of 64 characters
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_FIELDS = {"kind", "placement", "layer", "share", "ramp_days", "arms", "effect", "reward"}
_OF_THE_LIST = ("k", "pins")  # rules that an interleaved list has from its own placement
_ARM_FIELDS = {"name", "share", "placement", "rules", "release"}
_RELEASE = "release:"  # before the number, in an arm of the command line


Kind = Literal["ab", "interleaving"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentArm:
    """An alternative, with its share of the experiment's users.

    `placement` is another placement whose rules replace those of the list; `rules` replace single
    rules, in the form of a placement. `release` makes the lists; None is the live one. Without any
    of them, the lists stay as they are.
    """

    name: str
    share: float
    placement: str | None = None
    rules: Mapping[str, object] = field(default_factory=dict)
    release: int | None = None

    def apply(self, placement: Placement | None) -> Placement:
        """Return a placement with this arm's own rules."""
        before = placement_json(placement) if placement is not None else {}
        return parse_placement({**before, **self.rules})


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentDraft:
    """What a person asks for; the first arm is the control.

    In an A/B experiment (`ab`) each user is in one arm. In an interleaving one there are two arms,
    whose lists are drafted into one for each user.

    `placement` is the one whose lists take part; None for all lists. `share` is that of the users.
    `effect` is the relative effect worth finding. `reward` has the weight of each event type; if it
    is empty, the weights are those of the settings.
    """

    kind: Kind = "ab"
    placement: str | None = None
    layer: str = "default"
    share: float = 1.0
    ramp_days: float = 0.0
    arms: tuple[ExperimentArm, ...]
    effect: float = 0.05
    reward: Mapping[str, float] = field(default_factory=dict)

    @property
    def rules(self) -> ComparisonRules:
        """How the arms are compared."""
        return ComparisonRules(effect=self.effect)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentEnd:
    """Who or what stopped an experiment, when and why; `winner` is an arm, or None."""

    at: datetime
    by: str
    why: str
    winner: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """An experiment that was started. `after_seq` is the journal's last number at its start."""

    name: str
    draft: ExperimentDraft
    begin: float
    started_at: datetime
    started_by: str
    after_seq: int
    end: ExperimentEnd | None = None

    @property
    def layer_range(self) -> LayerRange:
        """The range of the layer."""
        return LayerRange(begin=self.begin, share=self.draft.share)

    @property
    def is_running(self) -> bool:
        """Whether it has not been stopped."""
        return self.end is None

    def arms_of(self, unit: str, at: datetime) -> tuple[ExperimentArm, ...]:
        """Return a user's arm at a time, both if they are interleaved; none outside of it."""
        draft = self.draft
        ramp = Ramp(started_at=self.started_at, length_s=draft.ramp_days * 86_400)
        if not is_in_range(draft.layer, unit, self.layer_range, part=ramp.part(at)):
            return ()
        if draft.kind == "interleaving":
            return draft.arms
        return (draft.arms[chosen_arm(self.name, unit, [arm.share for arm in draft.arms])],)


def check_experiment_name(name: object, where: str) -> str:
    """Return the name of an experiment, arm or layer; raise BadRequest."""
    if isinstance(name, str) and _NAME.fullmatch(name):
        return name
    expected = "1 to 64 of the characters A-Z a-z 0-9 _ -, no sign first"
    raise BadRequest(where, found=describe(name), expected=expected)


def parse_draft(raw: object) -> ExperimentDraft:
    """Parse what a person asks for; raise BadRequest."""
    if not isinstance(raw, dict):
        raise BadRequest("body", found=describe(raw), expected="an object")
    expect_known_fields(raw, _FIELDS)
    given = {name: value for name, value in raw.items() if value is not None}
    placement, kind = given.get("placement"), _kind(given.get("kind", "ab"))
    arms = _arms(given.get("arms"))
    if kind == "interleaving":
        _check_teams(arms)
    return ExperimentDraft(
        kind=kind,
        placement=None if placement is None else check_name(placement, "placement"),
        layer=check_experiment_name(given.get("layer", "default"), "layer"),
        share=read_between(given.get("share", 1.0), "share", MIN_SHARE, 1),
        ramp_days=read_between(given.get("ramp_days", 0.0), "ramp_days", 0, MAX_RAMP_DAYS),
        arms=arms,
        effect=read_between(given.get("effect", 0.05), "effect", 0.001, 10),
        reward=_weights(given.get("reward", {})),
    )


def parse_arm(text: str) -> dict[str, object]:
    """Parse an arm of the command line: NAME, or NAME=WHAT.

    WHAT is a placement, release:7 or {"rule": …}. Raise BadRequest. What it returns is an arm of
    `parse_draft`.
    """
    name, _, what = text.partition("=")
    arm: dict[str, object] = {"name": name.strip()}
    what = what.strip()
    if what.startswith("{"):
        try:
            arm["rules"] = json.loads(what)
        except ValueError as error:
            expected = "rules of a placement as a JSON object"
            raise BadRequest(
                f"arm {name}", found=f"{what!a} ({error})", expected=expected
            ) from None
    elif what.startswith(_RELEASE):
        number = what.removeprefix(_RELEASE)
        arm["release"] = int(number) if number.isdecimal() else number
    elif what:
        arm["placement"] = what
    return arm


def draft_json(draft: ExperimentDraft) -> dict[str, object]:
    """Return a draft in the form that `parse_draft` reads."""
    kind = {} if draft.kind == "ab" else {"kind": draft.kind}  # earlier releases know no other
    return {
        **kind,
        "placement": draft.placement,
        "layer": draft.layer,
        "share": draft.share,
        "ramp_days": draft.ramp_days,
        "arms": [arm_json(arm) for arm in draft.arms],
        "effect": draft.effect,
        "reward": dict(draft.reward),
    }


def arm_json(arm: ExperimentArm) -> dict[str, object]:
    """Return an arm in the form that `parse_draft` reads, without what it does not change."""
    values: dict[str, object] = {"name": arm.name, "share": arm.share}
    if arm.placement is not None:
        values["placement"] = arm.placement
    if arm.rules:
        values["rules"] = dict(arm.rules)
    if arm.release is not None:
        values["release"] = arm.release
    return values


def needed_by(name: str) -> str:
    """Return what the side versions of an experiment's releases are needed by."""
    return f"experiment {name}"


def _kind(raw: object) -> Kind:
    match raw:
        case "ab" | "interleaving":
            return raw
    raise BadRequest("kind", found=describe(raw), expected="ab or interleaving")


def _check_teams(arms: Sequence[ExperimentArm]) -> None:
    """Raise BadRequest for arms that can't be drafted into one list."""
    if len(arms) != 2:
        expected = "2 arms, whose lists are interleaved"
        raise BadRequest("arms", found=f"{len(arms)} arms", expected=expected)
    for place, arm in enumerate(arms):
        if arm.share != 0.5:
            raise BadRequest(
                f"arms[{place}].share",
                found=f"{arm.share:.6g}",
                expected="no share: every user sees both arms",
            )
        for name in _OF_THE_LIST:
            if name in arm.rules:
                raise BadRequest(
                    f"arms[{place}].rules.{name}",
                    found="a rule",
                    expected="none: an interleaved list has those of its own placement",
                )


def _arms(raw: object) -> tuple[ExperimentArm, ...]:
    found = [] if raw is None else read_list(raw, "arms", limit=MAX_ARMS)
    if len(found) < 2:
        raise BadRequest("arms", found=f"{len(found)} arms", expected=f"2 to {MAX_ARMS} arms")
    arms = [_arm(one, f"arms[{place}]", 1 / len(found)) for place, one in enumerate(found)]
    for place, arm in enumerate(arms):
        if any(arm.name == other.name for other in arms[:place]):
            found_twice = f"{arm.name!a} a second time"
            raise BadRequest(f"arms[{place}].name", found=found_twice, expected="another name")
    total = sum(arm.share for arm in arms)
    if abs(total - 1) > 1e-6:
        raise BadRequest("arms", found=f"shares with the sum {total:.6g}", expected="the sum 1")
    return tuple(arms)


def _arm(raw: object, where: str, share: float) -> ExperimentArm:
    if not isinstance(raw, dict):
        expected = f"an object with {', '.join(sorted(_ARM_FIELDS))}"
        raise BadRequest(where, found=describe(raw), expected=expected)
    expect_known_fields(raw, _ARM_FIELDS, where=where)
    given = {name: value for name, value in raw.items() if value is not None}
    placement, rules, release = given.get("placement"), given.get("rules", {}), given.get("release")
    parse_placement(rules, f"{where}.rules.")  # every single rule must be valid
    if placement is not None:
        placement = check_name(placement, f"{where}.placement")
    if release is not None:
        release = read_whole(release, f"{where}.release", 1, MAX_VERSION)
    return ExperimentArm(
        name=check_experiment_name(given.get("name"), f"{where}.name"),
        share=read_between(given.get("share", share), f"{where}.share", MIN_SHARE, 1),
        placement=placement,
        rules=dict(rules),
        release=None
        if release is None
        else read_whole(release, f"{where}.release", 1, MAX_VERSION),
    )


def _weights(raw: object) -> dict[str, float]:
    if not isinstance(raw, dict) or len(raw) > MAX_REWARD_TYPES:
        expected = f"an object of at most {MAX_REWARD_TYPES} event types with a weight for each"
        raise BadRequest("reward", found=describe(raw), expected=expected)
    weights: dict[str, float] = {}
    for type_, weight in raw.items():
        place = f"reward.{field_name(type_)}"
        if not isinstance(type_, str) or not type_.strip() or len(type_) > MAX_TYPE_CHARS:
            raise BadRequest(place, found=describe(type_), expected="an event type")
        weights[type_] = read_between(weight, place, -MAX_WEIGHT, MAX_WEIGHT)
    return weights


def placements_of(draft: ExperimentDraft) -> Sequence[str]:
    """Return the placements that a draft names; all of them must exist."""
    names = [draft.placement, *(arm.placement for arm in draft.arms)]
    return [name for name in dict.fromkeys(names) if name is not None]
