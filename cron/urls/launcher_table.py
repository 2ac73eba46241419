"""Which launcher trains what, on which rented machines, by kind of training and new events."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from cron.urls.machines import parse_machines
from cron.urls.stores import parse_launcher
from cron.urls.wrong_url import WrongUrl
from recommender.requests.body_fields import field_name
from recommender.requests.wire import BadRequest

SCHEMES = ("process", "torchrun", "ray")
_ROW = re.compile(r"(full|update)(?:_from_([1-9][0-9]{0,11}))?")
_EXPECTED = "full, update, or one of them with a number of new events, as in update_from_100000"


def parse_launchers(table: Mapping[str, object]) -> dict[str, str]:
    """Parse the URLs of launchers by what they train; raise BadRequest."""
    return _rows(table, "worker.launchers", parse_launcher)


def parse_machines_table(table: Mapping[str, object]) -> dict[str, str]:
    """Parse the URLs of machines by the trainings that rent them; raise BadRequest."""
    return _rows(table, "worker.machines", parse_machines)


def _rows(
    table: Mapping[str, object], setting: str, parse: Callable[[str], object]
) -> dict[str, str]:
    for name, url in table.items():
        where = f"{setting}.{field_name(name)}"
        if _ROW.fullmatch(name) is None:
            raise BadRequest(where, found=repr(name), expected=_EXPECTED)
        if not isinstance(url, str):
            raise BadRequest(where, found=repr(url), expected="a URL")
        try:
            parse(url)
        except WrongUrl as error:
            raise BadRequest(where, found="another text", expected=error.advice) from error
    return {name: str(url) for name, url in table.items()}


def parse_prices(table: Mapping[str, object]) -> dict[str, float]:
    """Parse prices by the scheme of a launcher's URL; raise BadRequest."""
    prices: dict[str, float] = {}
    for name, price in table.items():
        where = f"worker.price_per_device_hour.{field_name(name)}"
        if name not in SCHEMES:
            raise BadRequest(where, found=repr(name), expected=" or ".join(SCHEMES))
        if not isinstance(price, int | float) or not 0 <= price < float("inf"):
            raise BadRequest(where, found=repr(price), expected="a number of 0 or more")
        prices[name] = float(price)
    return prices


def launcher_of(
    table: Mapping[str, str], *, is_full: bool, num_new_events: int, otherwise: str
) -> str:
    """Return the URL of the row with the greatest number of events that this training has.

    What is not a full retrain counts as an update. `otherwise` is returned where no row fits.
    """
    kind, best, url = "full" if is_full else "update", -1, otherwise
    for name, row_url in table.items():
        row = _ROW.fullmatch(name)
        if row is None or row[1] != kind:
            continue
        from_events = int(row[2] or 0)
        if best < from_events <= num_new_events:
            best, url = from_events, row_url
    return url


def launcher_url(snapshot: Path, table: Mapping[str, str], *, otherwise: str) -> str:
    """Return the URL of the launcher for a snapshot; `otherwise` if its manifest is missing."""
    try:
        manifest = json.loads((snapshot / "manifest.json").read_text(encoding="utf-8"))
    except FileNotFoundError:  # the trainer says what is wrong
        return otherwise
    return launcher_of(
        table,
        is_full=manifest["mode"] == "full",
        num_new_events=manifest["num_targets"],
        otherwise=otherwise,
    )


def rented_machines(snapshot: Path, table: Mapping[str, str]) -> str | None:
    """Return the URL of the machines that a snapshot's training rents; None where no row fits."""
    return launcher_url(snapshot, table, otherwise="") or None


def price_of(prices: Mapping[str, float], url: str) -> float:
    """Return what an hour of one device costs with a launcher; 0 without a price."""
    return prices.get(url.partition(":")[0], 0.0)
