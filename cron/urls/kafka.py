"""Kafka's brokers and topics: `kafka://[USER@]HOST:PORT[,HOST:PORT]/EVENTS?items=ITEMS`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from cron.urls.wrong_url import WrongUrl

DEFAULT_PORT = 9092
SECURITY = ("plaintext", "ssl", "sasl_plaintext", "sasl_ssl")
_EXPECTED = (
    "kafka://[USER@]HOST:PORT[,HOST:PORT]/EVENTS_TOPIC?items=ITEMS_TOPIC, with the options"
    " security, mechanism, ca, certificate, key, properties and trim described in docs/backends.md;"
    " the user's password comes from FRESHET_KAFKA_SASL_PASSWORD"
)
_HOST = re.compile(r"(?P<name>[^\[\]:/@\s]+|\[[0-9A-Fa-f:.]+\])(:(?P<port>\d{1,5}))?")
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")
_FILES = {
    "ca": "ssl.ca.location",
    "certificate": "ssl.certificate.location",
    "key": "ssl.key.location",
}
_OPTIONS = {"items", "security", "mechanism", "properties", "trim", *_FILES}


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaUrl:
    """Brokers and topics.

    `client` holds the properties of librdkafka that follow from the URL; `properties` is a file
    with more of them. `trims` allows the log to delete what it has read.
    """

    servers: str
    events: str
    items: str
    client: Mapping[str, str]
    properties: Path | None
    trims: bool

    @property
    def where(self) -> str:
        """Return the address for messages."""
        return f"kafka://{self.servers}/{self.events}"

    @property
    def topics(self) -> tuple[str, ...]:
        """Return the topics' names; one when both kinds of record share it."""
        return tuple(sorted({self.events, self.items}))


def parse(url: str) -> KafkaUrl:
    """Parse a URL; raise WrongUrl."""
    try:
        return _parse(url)
    except ValueError as error:
        raise WrongUrl(url, expected=_EXPECTED, reason=str(error)) from error


def _parse(url: str) -> KafkaUrl:
    parts = urlsplit(url)
    pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    user, _, hosts = parts.netloc.rpartition("@")
    options = dict(pairs)
    if unknown := sorted(options.keys() - _OPTIONS):
        raise ValueError(f"{unknown[0]}= is not an option")
    if options.get("trim", "no") not in ("yes", "no"):
        raise ValueError("trim=yes, for topics that nobody else reads, or trim=no")
    return KafkaUrl(
        servers=",".join(_server(host) for host in hosts.split(",")),
        events=_topic(parts.path.removeprefix("/")),
        items=_topic(options.get("items", "items")),
        client=_client(unquote(user), options),
        properties=_file("properties", options["properties"]) if "properties" in options else None,
        trims=options.get("trim") == "yes",
    )


def _server(host: str) -> str:
    found = _HOST.fullmatch(host)
    port = int(found["port"] or DEFAULT_PORT) if found else 0
    if found is None or not 0 < port < 65_536:
        raise ValueError(f"{host!r} is not a valid HOST:PORT")
    return f"{found['name']}:{port}"


def _topic(name: str) -> str:
    if not _TOPIC.fullmatch(name) or name in (".", ".."):
        raise ValueError(f"{name!r} is not a valid name of a topic")
    return name


def _client(user: str, options: Mapping[str, str]) -> dict[str, str]:
    security = _security(user, options)
    client: dict[str, str] = {}
    if security != "plaintext" or "security" in options:
        client["security.protocol"] = security
    if user:
        client["sasl.username"] = user
        client["sasl.mechanism"] = options.get("mechanism", "SCRAM-SHA-512")
    for name, known in _FILES.items():
        if name in options:
            client[known] = str(_file(name, options[name]))
    return client


def _security(user: str, options: Mapping[str, str]) -> str:
    """Return the protocol: encrypted by default as soon as there is a user or a certificate."""
    default = "plaintext"
    if any(name in options for name in _FILES):
        default = "ssl"
    if user:
        default = "sasl_ssl"
    security = options.get("security", default)
    if security not in SECURITY:
        raise ValueError(f"security={'|'.join(SECURITY)}")
    if ":" in user:
        raise ValueError("a password in a URL ends up in logs")
    if bool(user) != security.startswith("sasl") and "properties" not in options:
        raise ValueError("USER goes with security=sasl_ssl or sasl_plaintext, and only with these")
    return security


def _file(name: str, path: str) -> Path:
    if not path.startswith("/"):
        raise ValueError(f"{name}=/PATH is an absolute path")
    return Path(path)
