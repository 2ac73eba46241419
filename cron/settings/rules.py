"""Rules for the values of settings; each is part of the type of its field (`Annotated`)."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from urllib.parse import urlsplit

from cron.placement import MAX_PLACEMENTS, Placement, check_name, parse_placement
from cron.urls.wrong_url import WrongUrl
from recommender.records.record_fields import MAX_TYPE_CHARS, is_finite
from recommender.requests.body_fields import field_name
from recommender.requests.wire import BadRequest

OWN_MODALITIES = ("text", "id", "facts", "picture")
_MODALITY_NAME = re.compile("[a-z][a-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Bounds:
    """The least and the greatest value of a number, and the same in words."""

    least: float
    greatest: float
    words: str

    def violation(self, value: object) -> str | None:
        """Return what was expected when a value is out of bounds or not finite; None otherwise."""
        fits = (
            isinstance(value, int | float)
            and math.isfinite(value)
            and self.least <= value <= self.greatest
        )
        return None if fits else self.words


@dataclass(frozen=True, slots=True)
class Text:
    """A text that a function checks: it returns what was expected, or None when the text fits."""

    check: Callable[[str], str | None]

    def violation(self, value: object) -> str | None:
        """Return what was expected when a text does not fit; None otherwise."""
        return self.check(value) if isinstance(value, str) else "a text"


@dataclass(frozen=True, slots=True)
class EachText:
    """A list or table of texts, each of which a function checks as in `Text`."""

    check: Callable[[str], str | None]

    def violation(self, value: object) -> str | None:
        """Return what was expected of the first text that does not fit; None if all fit."""
        texts = value.values() if isinstance(value, Mapping) else value
        wrong = (self.check(text) for text in texts) if isinstance(texts, Iterable) else iter(())
        return next((expected for expected in wrong if expected is not None), None)


@dataclass(frozen=True, slots=True)
class ParsedTable:
    """A table that a function converts; it raises BadRequest, which names the field below it."""

    parse: Callable[[Mapping[str, object]], object]


Rule = Bounds | Text | EachText | ParsedTable


def is_filled(text: str) -> str | None:
    """Accept any text that is not blank."""
    return None if text.strip() else "a text that is not empty"


def is_event_type(text: str) -> str | None:
    """Accept a type of events, and the empty text for none."""
    return None if len(text) <= MAX_TYPE_CHARS else f"types of at most {MAX_TYPE_CHARS} characters"


def is_crontab(expression: str) -> str | None:
    """Accept five fields of a crontab, with weekdays by name."""
    from apscheduler.triggers.cron import CronTrigger  # 100 ms, only for files that set `cron`

    try:
        CronTrigger.from_crontab(expression, timezone="UTC")
    except ValueError as error:
        return f"five fields of a crontab, as in '*/10 * * * *' ({error})"
    # APScheduler 3 counts weekdays from Monday, every other program from Sunday
    if any(letter.isdigit() for letter in expression.split()[4]):
        return "five fields of a crontab with weekdays by name, as in '0 3 * * sun' or 'mon-fri'"
    return None


def is_header_value(text: str) -> str | None:
    """Accept what an HTTP header can hold; the line end of a secret's file is stripped later."""
    if not text.strip():
        return "a text that is not empty"
    if any(letter < " " or letter == "\x7f" for letter in text.strip()):
        return "one line without control characters, since it is sent in a header"
    return None


def is_network(text: str) -> str | None:
    """Accept an IP address, or a network of them."""
    try:
        ip_network(text)
    except ValueError as error:
        return f"addresses or networks, such as 10.0.0.7 or 10.0.0.0/8 ({error})"
    return None


def is_host(text: str) -> str | None:
    """Accept a host by name or address, with a port if it is not the usual one."""
    expected = "hosts such as images.shop.example or 10.0.0.7:8080, without https:// and paths"
    try:
        parts = urlsplit(f"//{text}")
        is_plain = parts.netloc == text and parts.username is None
        is_valid = is_plain and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_valid = False
    return None if is_valid and text.isprintable() and " " not in text else expected


def parse_placements(table: Mapping[str, object]) -> dict[str, Placement]:
    """Parse placements by name; raise BadRequest."""
    if len(table) > MAX_PLACEMENTS:
        found, expected = f"{len(table)} placements", f"at most {MAX_PLACEMENTS}"
        raise BadRequest("placements", found=found, expected=expected)
    return {
        check_name(name, f"placements.{field_name(name)}"): parse_placement(
            one, f"placements.{name}."
        )
        for name, one in table.items()
    }


def parse_weights(table: Mapping[str, object]) -> dict[str, float]:
    """Parse weights of event types; raise BadRequest."""
    weights: dict[str, float] = {}
    for name, value in table.items():
        where = f"reward.weights.{field_name(name)}"
        if (expected := is_event_type(name)) is not None:
            raise BadRequest(where, found=f"{len(name)} characters", expected=expected)
        if not is_finite(value):
            raise BadRequest(where, found=repr(value), expected="a number; it may be below 0")
        weights[name] = float(value)
    return weights


def parse_vector_files(table: Mapping[str, object]) -> dict[str, str]:
    """Parse the files of further modalities by name; raise BadRequest."""
    files: dict[str, str] = {}
    for name, file in table.items():
        where = f"train.fusion.vectors.{field_name(name)}"
        if not _MODALITY_NAME.fullmatch(name) or name in OWN_MODALITIES:
            taken = ", ".join(OWN_MODALITIES)
            expected = f"a name of a-z, 0-9 and _, which begins with a letter, not {taken}"
            raise BadRequest(where, found=repr(name), expected=expected)
        if not str(file).strip():
            raise BadRequest(where, found=repr(file), expected="the path of a Parquet file")
        files[name] = str(file)
    return files


def url_for(parse: Callable[[str], object]) -> Text:
    """Accept the URLs that a parser of `cron.urls.stores` accepts."""

    def check(url: str) -> str | None:
        try:
            parse(url)
        except WrongUrl as error:
            return error.advice
        return None

    return Text(check)


POSITIVE = Bounds(math.ulp(0.0), math.inf, "a number over 0")
NOT_NEGATIVE = Bounds(0, math.inf, "a number of 0 or more")  # of every number without a rule
AT_LEAST_ONE = Bounds(1, math.inf, "a whole number of 1 or more")
SHARE = Bounds(0, 1, "a share between 0 and 1")
FILLED = Text(is_filled)  # of every text without a rule
