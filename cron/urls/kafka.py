"""`kafka://[USER@]HOST:PORT[,HOST:PORT]/EVENTS?items=ITEMS`: where the brokers are, the topics, and how we show who we are.

Loads no client, so that a settings file can be checked where none is installed. Secrets are not
here: they come from the environment.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

DEFAULT_PORT = 9092
EXPECTED = (
    "kafka://[USER@]HOST:PORT[,HOST:PORT]/EVENTS_TOPIC?items=ITEMS_TOPIC, with options security, mechanism, ca, certificate, key, "
    "properties, trim as docs/backends.md has them"
)
SECURITY = ("plaintext", "ssl", "sasl_plaintext", "sasl_ssl")
_HOST = re.compile(r"(?P<name>[^\[\]:/@\s]+|\[[0-9A-Fa-f:.]+\])(:(?P<port>\d{1,5}))?")
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")
_FILES = {
    "ca": "ssl.ca.location",
    "certificate": "ssl.certificate.location",
    "key": "ssl.key.location",
}
_OPTIONS = {"items", "security", "mechanism", "properties", "trim", *_FILES}


class WrongUrl(ValueError):
    """Says what was expected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaUrl:
    """A setting, read: `client` holds librdkafka's properties that follow from it, `properties` a file with more of them."""

    servers: str
    events: str
    items: str
    client: Mapping[str, str]
    properties: Path | None
    trims: bool

    @property
    def shown(self) -> str:
        """Return it as messages name it."""
        return f"kafka://{self.servers}/{self.events}"

    @property
    def topics(self) -> tuple[str, ...]:
        """Return the topics' names; one when both kinds of record share it."""
        return tuple(sorted({self.events, self.items}))


def parse_url(url: str) -> KafkaUrl:
    """Read a setting; raise WrongUrl."""
    try:
        parts = urlsplit(url)
        pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError as error:
        raise WrongUrl(EXPECTED) from error
    user, _, hosts = parts.netloc.rpartition("@")
    options = dict(pairs)
    unknown = sorted(options.keys() - _OPTIONS)
    if unknown:
        raise WrongUrl(f"{EXPECTED}; {unknown[0]} is none of them")
    events, items = parts.path.removeprefix("/"), options.get("items", "items")
    for topic in (events, items):
        if not _TOPIC.fullmatch(topic) or topic in (".", ".."):
            raise WrongUrl(f"{EXPECTED}; {topic!r} is no name of a topic")
    if options.get("trim", "no") not in ("yes", "no"):
        raise WrongUrl("trim=yes, for topics that nobody else reads, or trim=no")
    return KafkaUrl(
        servers=",".join(_server(host) for host in hosts.split(",")),
        events=events,
        items=items,
        client=_client(unquote(user), options),
        properties=_file("properties", options["properties"]) if "properties" in options else None,
        trims=options.get("trim") == "yes",
    )


def _server(host: str) -> str:
    found = _HOST.fullmatch(host)
    port = int(found["port"] or DEFAULT_PORT) if found else 0
    if found is None or not 0 < port < 65_536:
        raise WrongUrl(f"{EXPECTED}; {host!r} is no HOST:PORT")
    return f"{found['name']}:{port}"


def _client(user: str, options: Mapping[str, str]) -> dict[str, str]:
    uses_files = any(name in options for name in _FILES)
    # encrypted unless told otherwise as soon as there is something to hide
    security = options.get("security", "sasl_ssl" if user else "ssl" if uses_files else "plaintext")
    if security not in SECURITY:
        raise WrongUrl(f"security={'|'.join(SECURITY)}")
    if ":" in user:
        raise WrongUrl(
            "no password in the URL; it comes from the environment, FRESHET_KAFKA_SASL_PASSWORD"
        )
    if bool(user) != security.startswith("sasl") and "properties" not in options:
        raise WrongUrl(
            "kafka://USER@HOST:PORT/… with security=sasl_ssl or sasl_plaintext, and no USER without"
        )
    client = (
        {"security.protocol": security} if security != "plaintext" or "security" in options else {}
    )
    if user:
        client |= {
            "sasl.username": user,
            "sasl.mechanism": options.get("mechanism", "SCRAM-SHA-512"),
        }
    return client | {
        known: str(_file(name, options[name])) for name, known in _FILES.items() if name in options
    }


def _file(name: str, path: str) -> Path:
    if not path.startswith("/"):
        raise WrongUrl(f"{name}=/PATH from the root of the disk")
    return Path(path)
