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

from cron.experiments.assignment import LayerRange, Ramp, chosen_arm, is_in_range
from cron.experiments.outcome import ComparisonRules
from cron.placement import Placement, check_name, parse_placement, placement_json
from recommender.records.record_fields import MAX_TYPE_CHARS
from recommender.requests.body_fields import describe, expect_known_fields, field_name, read_list
from recommender.requests.rule_fields import read_between
from recommender.requests.wire import BadRequest

MAX_ARMS = 6
MAX_RAMP_DAYS = 90
MAX_REWARD_TYPES = 20
MIN_SHARE = 0.01
MAX_WEIGHT = 1e6
# as in a slate's `arm`, EXPERIMENT/ARM, which has room for two texts of 64 characters
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_FIELDS = {"placement", "layer", "share", "ramp_days", "arms", "effect", "reward"}
_ARM_FIELDS = {"name", "share", "placement", "rules"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentArm:
    """An alternative, with its share of the experiment's users.

    `placement` is another placement whose rules replace those of the list; `rules` replace single
    rules, in the form of a placement. Without both, the lists stay as they are.
    """

    name: str
    share: float
    placement: str | None = None
    rules: Mapping[str, object] = field(default_factory=dict)

    def apply(self, placement: Placement | None) -> Placement:
        """Return a placement with this arm's own rules."""
        before = placement_json(placement) if placement is not None else {}
        return parse_placement({**before, **self.rules})


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentDraft:
    """What a person asks for; the first arm is the control.

    `placement` is the one whose lists take part; None for all lists. `share` is that of the users.
    `effect` is the relative effect worth finding. `reward` has the weight of each event type; if it
    is empty, the weights are those of the settings.
    """

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

    def arm_of(self, unit: str, at: datetime) -> ExperimentArm | None:
        """Return a user's arm at a time; None for users who do not take part."""
        draft = self.draft
        ramp = Ramp(started_at=self.started_at, length_s=draft.ramp_days * 86_400)
        if not is_in_range(draft.layer, unit, self.layer_range, part=ramp.part(at)):
            return None
        return draft.arms[chosen_arm(self.name, unit, [arm.share for arm in draft.arms])]


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
    placement = given.get("placement")
    return ExperimentDraft(
        placement=None if placement is None else check_name(placement, "placement"),
        layer=check_experiment_name(given.get("layer", "default"), "layer"),
        share=read_between(given.get("share", 1.0), "share", MIN_SHARE, 1),
        ramp_days=read_between(given.get("ramp_days", 0.0), "ramp_days", 0, MAX_RAMP_DAYS),
        arms=_arms(given.get("arms")),
        effect=read_between(given.get("effect", 0.05), "effect", 0.001, 10),
        reward=_weights(given.get("reward", {})),
    )


def parse_arm(text: str) -> dict[str, object]:
    """Parse an arm of the command line: NAME, NAME=PLACEMENT or NAME={"rule": …}.

    Raise BadRequest. What it returns is an arm of `parse_draft`.
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
    elif what:
        arm["placement"] = what
    return arm


def draft_json(draft: ExperimentDraft) -> dict[str, object]:
    """Return a draft in the form that `parse_draft` reads."""
    return {
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
    return values


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
    placement, rules = given.get("placement"), given.get("rules", {})
    parse_placement(rules, f"{where}.rules.")  # every single rule must be valid
    if placement is not None:
        placement = check_name(placement, f"{where}.placement")
    return ExperimentArm(
        name=check_experiment_name(given.get("name"), f"{where}.name"),
        share=read_between(given.get("share", share), f"{where}.share", MIN_SHARE, 1),
        placement=placement,
        rules=dict(rules),
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
