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
        query = parse_qs(parts.query, strict_parsing=True)
        models = query["model"]
    except (ValueError, KeyError) as error:
        raise WrongUrl(url, expected=_EXPECTED, reason="it has no model=") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise WrongUrl(url, expected=_EXPECTED, reason="it has no http or https, or no host")
    if len(query) + len(models) > 2 or parts.username is not None or parts.fragment:
        raise WrongUrl(url, expected=_EXPECTED, reason="it has more than host, path and one model")
    root = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
    return RemoteWriterUrl(root=root, model=models[0])
