"""Who writes texts about items: the model `copy` of TorchServe, or an OpenAI-like API.

torchserve:
https://api.deepseek.com/v1?model=deepseek-chat
http://127.0.0.1:8001/v1?model=deepseek-ai/deepseek-llm-7b-chat          vLLM on this machine
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from cron.urls.wrong_url import WrongUrl

_EXPECTED = "torchserve: or https://HOST/v1?model=NAME, the root of an OpenAI-compatible API"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedWriterUrl:
    """The model `copy` on the TorchServe nodes of `store.server`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteWriterUrl:
    """A server with `POST {root}/chat/completions`, and the name of a model there."""

    root: str
    model: str


def parse_writer(url: str) -> ServedWriterUrl | RemoteWriterUrl:
    """Return what the URL names; raise WrongUrl."""
    if url == "torchserve:":
        return ServedWriterUrl()
    try:
        parts = urlsplit(url)
        models = parse_qs(parts.query, strict_parsing=True)["model"]
        is_valid = parts.scheme in ("http", "https") and bool(parts.hostname) and len(models) == 1
    except (ValueError, KeyError) as error:
        raise WrongUrl(url, expected=_EXPECTED, reason="it has no model=") from error
    if not is_valid or parts.username is not None or parts.fragment:
        raise WrongUrl(url, expected=_EXPECTED, reason="it has no host, or more than host and path")
    root = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
    return RemoteWriterUrl(root=root, model=models[0])
