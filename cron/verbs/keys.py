"""`keys`: make, list and revoke the gateway's API keys."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from cron.api_keys import (
    MAX_NAME_CHARS,
    ROLES,
    SETTING_NAME,
    ApiKey,
    digest_of,
    draw_key,
    parse_origin,
)
from cron.ledger import key_rows
from cron.settings.file import Loaded
from cron.verbs.actions import add_action
from cron.verbs.person import person_name
from cron.verbs.table import clock, show_json, table
from cron.wiring import open_ledger

SUMMARY = "make, list and revoke the gateway's API keys; running gateways follow within a second"

_HEADER = ("name", "roles", "origins", "made (UTC)", "by", "revoked (UTC)")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the actions and their arguments."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    adding = add_action(actions, "add", "make a key and print it, once")
    adding.add_argument("--name", type=_name, required=True, help="never given again")
    adding.add_argument(
        "--role",
        choices=ROLES,
        action="append",
        required=True,
        help="what the key may do; may be repeated, but `browser` stands alone",
    )
    adding.add_argument(
        "--origin",
        type=_origin,
        action="append",
        default=[],
        metavar="URL",
        help="a site whose pages may use a browser key; may be repeated",
    )
    adding.set_defaults(refuse=adding.error)  # a usage message and exit status 2
    listing = add_action(actions, "list", "list all keys, without the keys themselves")
    listing.add_argument("--json", action="store_true", help="print JSON")
    revoking = add_action(actions, "revoke", "revoke a key, permanently")
    revoking.add_argument("key_name", metavar="NAME", help="a key's name, as in `keys list`")


def run(arguments: argparse.Namespace, loaded: Loaded) -> int:
    """Make, list or revoke."""
    if arguments.action == "add":
        return _add(arguments, loaded)
    ledger = open_ledger(loaded.settings.store.ledger)
    if arguments.action == "revoke":
        key_rows.revoke(ledger, arguments.key_name)
        print(f"the key {arguments.key_name!r} is revoked")
        return 0
    keys = key_rows.every(ledger)
    if arguments.json:
        show_json([_as_json(key) for key in keys])
    elif not keys:
        print("no key yet; make one with: python -m cron keys add --name NAME --role ROLE")
    else:
        print(table(_HEADER, [_row(key) for key in keys]))
    return 0


def _add(arguments: argparse.Namespace, loaded: Loaded) -> int:
    roles = tuple(dict.fromkeys(arguments.role))
    wrong = _wrong_combination(roles, arguments.origin)
    if wrong is not None:
        arguments.refuse(wrong)
    key = draw_key()
    key_rows.add(
        open_ledger(loaded.settings.store.ledger),
        arguments.name,
        digest_of(key.encode()),
        roles=roles,
        origins=tuple(dict.fromkeys(arguments.origin)),
        created_by=person_name(),
    )
    # alone on standard output, so that `KEY=$(python -m cron keys add …)` holds it
    print(key)
    sys.stderr.write("this is the only time that the key is shown; only its SHA-256 is stored\n")
    return 0


def _wrong_combination(roles: Sequence[str], origins: Sequence[str]) -> str | None:
    if "browser" in roles and len(roles) > 1:
        return "--role browser stands alone, since everybody can read such a key in the page"
    if "browser" in roles and not origins:
        return "--role browser needs --origin: the sites whose pages may use the key"
    if origins and "browser" not in roles:
        return "--origin is for --role browser; pages may use no other key"
    return None


def _name(text: str) -> str:
    """Accept a name; argparse turns the error into a usage message."""
    if not text.strip() or not text.isprintable() or len(text) > MAX_NAME_CHARS:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a valid name; expected 1 to {MAX_NAME_CHARS} printable characters"
        )
    if text.strip() == SETTING_NAME:
        raise argparse.ArgumentTypeError(f"{SETTING_NAME} is the name of the key in the settings")
    return text.strip()


def _origin(text: str) -> str:
    """Parse an origin; argparse turns the error into a usage message."""
    try:
        return parse_origin(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _row(key: ApiKey) -> list[str]:
    revoked = clock(key.revoked_at) if key.revoked_at is not None else ""
    origins = ", ".join(key.origins) or "–"
    return [
        key.name,
        ", ".join(key.roles),
        origins,
        clock(key.created_at),
        key.created_by,
        revoked,
    ]


def _as_json(key: ApiKey) -> dict[str, object]:
    return {
        "name": key.name,
        "roles": list(key.roles),
        "origins": list(key.origins),
        "created_at": key.created_at.isoformat(),
        "created_by": key.created_by,
        "revoked_at": key.revoked_at.isoformat() if key.revoked_at is not None else None,
    }
