"""Which values a settings key may have: read from text, checked against its type and its bounds.

Knows types and limits; does not know the file, nor which keys go together.
"""

from __future__ import annotations

import math
import types
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Union, get_args, get_origin

from cron.errors import SettingsError
from cron.wiring import check_url, hide_password

# Least and greatest value, and the same in words. A number that isn't named here must be finite and
# not negative.
_POSITIVE = (math.ulp(0.0), math.inf, "a number over 0")
_COUNT = (1, math.inf, "a whole number of 1 or more")
_SHARE = (0, 1, "a share between 0 and 1")
_BOUNDS: Mapping[str, tuple[float, float, str]] = {
    "gateway.port": (1, 65_535, "a port between 1 and 65535"),
    "worker.metrics_port": (0, 65_535, "a port between 1 and 65535, or 0 for none"),
    "release.keep_registered": (2, math.inf, "2 or more: the live release and one to roll back to"),
    **dict.fromkeys(
        ("train.model.dropout", "train.average_decay"), (0, 0.99, "a share between 0 and 0.99")
    ),
    **dict.fromkeys(
        (
            "gate.min_panel_share",
            "gate.max_panel_share",
            "gate.min_coverage_ratio",
            "gate.rating_tolerance",
        ),
        _SHARE,
    ),
    **dict.fromkeys(
        ("worker.full_share", "gate.max_user_share", "gate.max_item_share", "gate.max_shift"),
        _SHARE,
    ),
    **dict.fromkeys(
        (
            "worker.interval_s",
            "worker.full_every_s",
            "worker.train_limit_s",
            "worker.poll_s",
            "worker.lease_s",
        ),
        _POSITIVE,
    ),
    **dict.fromkeys(
        ("gateway.inference_timeout_s", "gate.probe_p99_ms", "train.full_lr", "train.update_lr"),
        _POSITIVE,
    ),
    **dict.fromkeys(
        (
            "worker.after_events",
            "worker.max_events_per_run",
            "worker.max_refusals",
            "release.keep_releases",
        ),
        _COUNT,
    ),
    "gate.num_probes": (1, 20, "1 to 20, as many as a candidate brings"),
    **dict.fromkeys(
        ("gate.resamples", "train.full_epochs", "train.batch_size", "train.num_threads"), _COUNT
    ),
    **dict.fromkeys(
        (
            "train.encoder.max_tokens",
            "train.model.text_dim",
            "train.model.dim",
            "train.model.num_layers",
        ),
        _COUNT,
    ),
    **dict.fromkeys(("train.encoder.lora_rank", "train.encoder.lora_alpha"), _COUNT),
    "train.encoder.texts_per_step": (2, math.inf, "2 or more: texts learn by how they differ"),
    "train.encoder.lr": _POSITIVE,
    **dict.fromkeys(("train.model.num_heads", "train.model.max_history"), _COUNT),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """One key of the tree: its type, its default, and whether it is a secret."""

    hint: object
    default: object
    secret: bool


def from_text(text: str, hint: object) -> object:
    """Read an environment variable as its key's type; what can't be read stays text and fails the check of types by name."""
    options = _options(hint)
    if text == "" and type(None) in options:
        return None
    if any(get_origin(option) is tuple for option in options):
        return [part.strip() for part in text.split(",") if part.strip()]
    if bool in options:
        return {"true": True, "1": True, "false": False, "0": False}.get(text.lower(), text)
    for number in (int, float):
        if number in options:
            try:
                return number(text)
            except ValueError:
                continue
    return text


def _options(hint: object) -> tuple[object, ...]:
    return get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)


def checked(key: str, value: object, leaf: Leaf, where: str) -> object:
    """Return the value as its key's type; raise SettingsError naming where it was found when it can't be."""
    shown = (
        "***" if leaf.secret else repr(hide_password(value) if isinstance(value, str) else value)
    )
    for option in _options(leaf.hint):
        fits, taken = _fit(value, option)
        if fits:
            wrong = _out_of_bounds(key, taken)
            if wrong:
                raise SettingsError(f"{where}: {key} = {shown}: expected {wrong}")
            return taken
    raise SettingsError(
        f"{where}: {key} = {shown}: expected {' or '.join(_in_words(option) for option in _options(leaf.hint))}"
    )


def _fit(value: object, option: object) -> tuple[bool, object]:
    """Tell whether a value is of a type, and return it as that type."""
    if option is type(None):
        return value is None, None
    if get_origin(option) is Literal:
        return value in get_args(option), value
    if get_origin(option) is tuple:
        is_list = (
            isinstance(value, list)
            and bool(value)
            and all(isinstance(part, str) and part for part in value)
        )
        return is_list, tuple(value) if isinstance(value, list) else value
    if option is float and isinstance(value, int | float) and not isinstance(value, bool):
        return True, float(value)
    if option is int and isinstance(value, bool):
        return False, value
    return isinstance(option, type) and isinstance(value, option), value


def _in_words(option: object) -> str:
    if get_origin(option) is Literal:
        return "one of " + ", ".join(repr(choice) for choice in get_args(option))
    if get_origin(option) is tuple:
        return "a list of texts, not empty"
    words = {
        int: "a whole number",
        float: "a number",
        str: "a text",
        bool: "true or false",
        type(None): "nothing",
    }
    return words[option] if isinstance(option, type) else str(option)


def _out_of_bounds(key: str, value: object) -> str | None:
    """Return what was expected when a value of the right type still can't be; None when it is fine."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        low, high, words = _BOUNDS.get(key, (0, math.inf, "a number of 0 or more"))
        return None if math.isfinite(value) and low <= value <= high else words
    if key == "worker.cron" and isinstance(value, str):
        return _wrong_crontab(value)
    if key.startswith("store.") and key != "store.var" and isinstance(value, str):
        return check_url(key.removeprefix("store."), value)
    if isinstance(value, str) and not value.strip():
        return "a text that is not empty"
    if key == "gateway.api_key" and isinstance(value, str) and not _fits_a_header(value.strip()):
        return "one line without control characters, as it has to stand in a header"
    return None


def _fits_a_header(text: str) -> bool:
    return all(letter >= " " and letter != "\x7f" for letter in text)


def _wrong_crontab(expression: str) -> str | None:
    from apscheduler.triggers.cron import CronTrigger  # 100 ms that only a file with `cron` pays

    try:
        CronTrigger.from_crontab(expression, timezone="UTC")
    except ValueError as error:
        return f"five fields of a crontab, as in '*/10 * * * *' ({error})"
    if any(
        letter.isdigit() for letter in expression.split()[4]
    ):  # APScheduler 3 counts from Monday, everybody else from Sunday
        return "five fields of a crontab with weekdays by name, as in '0 3 * * sun' or 'mon-fri'"
    return None
