"""`relay`: copy another event log, such as Kafka, into the Redis log that the worker reads."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NoReturn

from cron.errors import FreshetError, LogGap, SettingsError
from cron.ports import Rejected
from cron.settings.file import Loaded
from cron.verbs.table import count
from recommender.long_work import progress_bar

if TYPE_CHECKING:
    from tqdm import tqdm

SUMMARY = "copy another event log into a Redis log until SIGTERM, each record exactly once"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--from",
        dest="source",
        required=True,
        metavar="URL",
        help="the other event log, such as kafka://HOST:9092/events",
    )
    parser.add_argument(
        "--to", dest="target", metavar="URL", help="a Redis event log (default: store.events)"
    )
    parser.add_argument(
        "--once", action="store_true", help="stop when there is nothing more to copy"
    )
    parser.add_argument(
        "--from-start",
        action="store_true",
        help="start with the other log's earliest record instead of where the last relay ended",
    )


def run(arguments: argparse.Namespace, loaded: Loaded) -> int:
    """Relay records and print their number."""
    from cron.journal.dead_letters import DeadLetters
    from cron.journal.relay import begin_again, relay_once
    from cron.settings.places import var_folder
    from cron.verbs.repeat import repeat
    from cron.wiring import open_log, open_relay_target

    target_url = arguments.target or loaded.settings.store.events
    _check_urls({"--from": arguments.source, "--to": target_url})
    source, target = open_log(arguments.source), open_relay_target(target_url)
    letters = DeadLetters(var_folder(loaded.settings) / "dead-letters.jsonl")

    def bury(rejected: Sequence[Rejected]) -> None:
        for one in rejected:
            letters.add(
                source=f"relay {one.source}", reason=one.reason, raw=one.raw, at=datetime.now(UTC)
            )

    if arguments.from_start:
        begin_again(source, target)
    num_duplicates = 0
    with _bar(is_finite=arguments.once) as bar:

        def turn() -> int:
            nonlocal num_duplicates
            relayed = relay_once(source, target, bury)
            if relayed is None:
                return 0
            num_duplicates += relayed.num_duplicates
            bar.update(relayed.num_read)
            return relayed.num_read or 1  # the source may have more after skipped records

        try:
            total = repeat(turn, once=arguments.once, poll_s=loaded.settings.worker.poll_s)
        except LogGap as error:
            raise FreshetError(
                f"{error.gone}; to continue with the earliest record that is left, add --from-start"
            ) from error
    print(f"{count(total, 'record')} read, {num_duplicates:,} of them already in the log")
    return 0


def _bar(*, is_finite: bool) -> tqdm[NoReturn]:
    """Return a bar; off a terminal a relay that goes on forever would fill a log with its lines."""
    from tqdm import tqdm

    if is_finite:
        return progress_bar("relaying", unit=" records")
    return tqdm(desc="relaying", unit=" records", disable=None)


def _check_urls(urls: Mapping[str, str]) -> None:
    """Raise SettingsError for a URL that is no event log's, with its option."""
    from cron.urls.stores import parse_events
    from cron.urls.wrong_url import WrongUrl

    for option, url in urls.items():
        try:
            parse_events(url)
        except WrongUrl as error:
            raise SettingsError(f"{option} = {error}") from error
