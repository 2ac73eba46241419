"""The Kafka topics that a shop, the join and Freshet use.

python -m deploy.servers.topics      # creates missing ones, on the Kafka of the settings
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from urllib.parse import parse_qs, urlsplit

from cron.errors import FreshetError, SettingsError
from cron.settings.file import load_settings
from cron.settings.private_files import keep_private
from deploy.servers.kafka import create_topics

IMPRESSIONS, CLICKS, REJECTED = "impressions", "clicks", "rejected"
# A partition is the unit of order and of parallel reading; a user's records share one. Items are
# few.
NUM_PARTITIONS = 3
NUM_ITEM_PARTITIONS = 1


def topics(events_url: str) -> Mapping[str, int]:
    """Return every topic and its number of partitions, for the Kafka log of `store.events`."""
    parts = urlsplit(events_url)
    if parts.scheme != "kafka":
        raise SettingsError(
            f"store.events = {events_url!r}: the stack's log is Kafka; expected "
            "kafka://HOST:PORT/TOPIC?items=TOPIC"
        )
    items = parse_qs(parts.query).get("items", ["items"])[-1]
    several = (IMPRESSIONS, CLICKS, REJECTED, parts.path.strip("/"))
    return {**dict.fromkeys(several, NUM_PARTITIONS), items: NUM_ITEM_PARTITIONS}


def main() -> int:
    """Create the topics; return 0 when all exist, 1 with a sentence otherwise."""
    keep_private()
    try:
        url = load_settings(None, os.environ).settings.store.events
        wanted = topics(url)
        create_topics(urlsplit(url).netloc, wanted)
    except FreshetError as why:
        print(why, file=sys.stderr)
        return 1
    print("topics: " + ", ".join(f"{name} ({count})" for name, count in wanted.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
