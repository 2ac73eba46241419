"""The block that ends a start: addresses, calls that work when pasted, what to try next."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from urllib.parse import quote

from cron.ledger import key_rows
from cron.ledger.ledger import Ledger
from cron.lineage import Release
from cron.settings.keys import variable
from deploy.machine.endpoints import Endpoints

_READ_KEY = (
    ".venv/bin/python -c "
    """'import json, sys; print(json.load(open(sys.argv[1]))["inference"]["key"])'"""
)
# Examples for MovieLens: two that somebody liked, and one to ask about.
FILMS = ("Toy Story (1995)", "Star Wars (1977)", "GoldenEye (1995)")
_NEXT_STEPS = """\
Then, in another terminal:
  make replay      the rest of the data, as if it happened now; watch releases 2, 3, … arrive
  make status      what is live, how fresh, how good
  make rollback    the previous release, at once
  .venv/bin/python -m cron runs    why each run did or didn't publish

Ctrl-C stops everything."""


def ready_block(
    live: Release, why_baseline: str | None, where: Endpoints, *, data: str, user_id: str
) -> str:
    """Return the block."""
    user = quote(user_id, safe="")
    recommendations = f"{where.gateway}/v1/recommendations/{user}?k=5"
    lines = [
        "",
        *what_is_live(live, why_baseline, data),
        "",
        f"  {where.gateway}/  status page; the API is at {where.gateway}/docs",
        f"  {where.gateway}/shop  a demo shop of the live catalogue",
        f"  {where.predictions}  TorchServe's endpoint",
        f"  {where.management}  its management",
        "",
        *_key_lines(where),
        *(examples := _examples(live, where)),
        f"{'And user' if examples else 'User'} {user_id}, whose history is known here:",
        f"  curl -s '{recommendations}'{key_option(asked=where.asks_for_key)}",
        "",
        _NEXT_STEPS,
    ]
    return "\n".join(lines)


def has_keys(ledger: Ledger) -> bool:
    """Return whether keys were made: from the first one on, the gateway asks for one."""
    return bool(key_rows.every(ledger))


def key_option(*, asked: bool) -> str:
    """Return curl's option for the gateway's key, which the shell's environment holds."""
    return f' -H "Authorization: Bearer ${variable("gateway.api_key")}"' if asked else ""


def _key_lines(where: Endpoints) -> list[str]:
    """Return what to do in a terminal whose commands need the gateway's key."""
    if not where.asks_for_key:
        return []
    name = variable("gateway.api_key")
    return [
        "The gateway asks for a key; one with the roles read and write, in each terminal:",
        f"  export {name}=KEY",
        "",
    ]


def what_is_live(live: Release, why_baseline: str | None, data: str) -> list[str]:
    """Return the lines on the live release, and on why there is only a baseline."""
    if live.version:
        return [f"ready: release {live.version} is live, trained on {data}"]
    lines = [f"ready: the baseline is live, over {data}"]
    if why_baseline:
        lines += [f"  There is no trained release yet: {why_baseline}."]
    return lines


def _examples(live: Release, where: Endpoints) -> list[str]:
    """Return requests about items of the data, with one for a rating if it has ratings."""
    items = _example_items(live)
    if not items:
        return []
    *liked, asked = items
    lines = []
    if live.manifest.rating_scale is not None:
        lines += [
            f"How would someone who liked {' and '.join(liked)} rate {asked}?",
            f"  {_post(where, {'user_seq': liked, 'item_desc': asked})}",
            "What should they see next?",
        ]
    else:
        lines.append(f"What should someone who liked {' and '.join(liked)} see next?")
    return [*lines, f"  {_post(where, {'user_seq': liked, 'k': 5})}"]


def _example_items(live: Release) -> Sequence[str]:
    """Return two items that somebody liked and another: of MovieLens these films, else popular.

    Return none if there are fewer whose names can be printed.
    """
    names = dict.fromkeys(item.title or item.item_id for item in live.manifest.popular)
    if FILMS[0] in names:
        return FILMS
    printable = [name for name in names if name.isprintable()]
    return printable[: len(FILMS)] if len(printable) >= len(FILMS) else ()


def _post(where: Endpoints, body: object) -> str:
    text = shlex.quote(json.dumps(body, ensure_ascii=False))
    token = ""
    if where.keys is not None:
        token = f' -H "Authorization: Bearer $({_READ_KEY} {shlex.quote(str(where.keys))})"'
    return f"curl -s {where.predictions} -H 'Content-Type: application/json'{token} -d {text}"
