"""A bucket: `s3://BUCKET/PREFIX?endpoint=http://HOST:PORT&region=REGION`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from cron.urls.artifact_name import is_name
from cron.urls.wrong_url import WrongUrl

_EXPECTED = (
    "s3://BUCKET/PREFIX?endpoint=http://HOST:PORT&region=REGION&style=path (or virtual), with"
    " public=http://HOST:PORT, shared=/PATH and ca=/PATH where needed, without user and password:"
    " these come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
)
AWS = "https://s3.amazonaws.com"
_REGION = "us-east-1"  # S3's own default; servers without regions accept it
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_OPTIONS = {"endpoint", "region", "style", "public", "shared", "ca"}


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Url:
    """A bucket. `prefix` is empty or ends with a slash; endpoints are `http(s)://host[:port]`.

    `public` is the endpoint as TorchServe sees it, and `shared` a folder that is TorchServe's model
    store. `is_virtual` puts the bucket into the host name; None leaves it to the client: for AWS
    yes, otherwise no. `ca` is the certificate file of a private authority.
    """

    bucket: str
    prefix: str
    endpoint: str
    public: str
    region: str
    is_virtual: bool | None
    shared: Path | None
    ca: Path | None

    @property
    def where(self) -> str:
        """Return the address for messages."""
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/") + f" on {self.endpoint}"


def parse(url: str) -> S3Url:
    """Parse a URL; raise WrongUrl."""
    try:
        return _parse(urlsplit(url))
    except ValueError as error:
        raise WrongUrl(url, expected=_EXPECTED, reason=str(error)) from error


def _parse(parts: SplitResult) -> S3Url:
    options = {
        key: values[-1] for key, values in parse_qs(parts.query, keep_blank_values=True).items()
    }
    if "@" in parts.netloc:
        raise ValueError("a user or a password in a URL ends up in logs")
    if not _BUCKET.fullmatch(parts.netloc):
        raise ValueError("a bucket has 3 to 63 lower-case letters, digits, dots and dashes")
    if unknown := sorted(options.keys() - _OPTIONS):
        raise ValueError(f"{unknown[0]}= is not an option")
    prefix = unquote(parts.path).strip("/")
    if (prefix and not is_name(prefix)) or parts.fragment:
        raise ValueError(
            "a prefix has parts joined by /, none of them empty or starting with a dot"
        )
    if options.get("style", "path") not in ("path", "virtual"):
        raise ValueError("style= is path or virtual")
    endpoint = _endpoint("endpoint", options.get("endpoint", AWS))
    return S3Url(
        bucket=parts.netloc,
        prefix=f"{prefix}/" if prefix else "",
        endpoint=endpoint,
        public=_endpoint("public", options["public"]) if "public" in options else endpoint,
        region=_region(options.get("region", _REGION)),
        is_virtual=options["style"] == "virtual" if "style" in options else None,
        shared=_path("shared", options.get("shared")),
        ca=_path("ca", options.get("ca")),
    )


def _endpoint(option: str, text: str) -> str:
    parts = urlsplit(text)
    _ = parts.port  # raises ValueError for a port that is not valid
    if (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or "@" in parts.netloc
        or parts.path.strip("/")
        or parts.query
    ):
        raise ValueError(f"{option}= is http://HOST:PORT or https://HOST:PORT")
    return f"{parts.scheme}://{parts.netloc}"


def _region(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", text):
        raise ValueError("region= is a name like eu-central-1")
    return text


def _path(option: str, text: str | None) -> Path | None:
    if text is not None and not text.startswith("/"):
        raise ValueError(f"{option}= is an absolute path")
    return None if text is None else Path(text)
