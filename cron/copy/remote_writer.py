"""A writer behind an OpenAI-compatible API: DeepSeek's, vLLM's, and many others.

The prompts are ours and have nothing of a reader but the brief. The key comes from the environment
and is sent in a header only.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import httpx
import msgspec

from copywriter.brief import Brief
from copywriter.writing.prompts import Prompts
from copywriter.writing.writer import WriterAnswer, text_seed
from cron.copy_errors import WriterRefused
from cron.errors import AccessRefused, Unavailable
from cron.urls.writers import RemoteWriterUrl
from trainer.machine.retries import RetryPolicy, call_with_retries

MAX_TOKENS = 160  # a paragraph; in Chinese a character may take two tokens
_BUSY = (408, 409, 425, 429)  # and all from 500
_FIRST_PAUSE_S = 0.5
_SHOWN = 200  # characters of a server's error


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteOptions:
    """How a remote writer is asked."""

    temperature: float
    timeout_s: float
    at_once: int


class _ChatMessage(msgspec.Struct):
    content: str | None = None


class _ChatChoice(msgspec.Struct):
    message: _ChatMessage


class _TokenUsage(msgspec.Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0


class _ChatCompletion(msgspec.Struct):
    choices: list[_ChatChoice]
    usage: _TokenUsage | None = None


class RemoteWriter:
    """Asks for one text a call, some calls at the same time.

    `rules` is the digest of the rules that its texts are checked by: with others it is another
    writer, as with other prompts.
    """

    def __init__(
        self,
        url: RemoteWriterUrl,
        prompts: Prompts,
        options: RemoteOptions,
        *,
        key: str | None,
        rules: str,
    ) -> None:
        self._url = url
        self._prompts = prompts
        self._options = options
        self._headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        parts = (url.root, url.model, prompts.digest, rules, options.temperature, MAX_TOKENS)
        self._digest = hashlib.sha256(" ".join(map(str, parts)).encode()).hexdigest()

    @property
    def digest(self) -> str:
        """See the port; the server's model is known by its name alone."""
        return self._digest

    def write(self, briefs: Sequence[Brief], *, seed: int, within_s: float) -> WriterAnswer:
        """See the port; raise Unavailable or WriterRefused when no brief gets an answer."""
        ends_at = time.monotonic() + within_s
        with (
            httpx.Client(trust_env=False, headers=self._headers) as client,
            ThreadPoolExecutor(self._options.at_once) as threads,
        ):
            write_one = partial(self._outcome, client, seed=seed, ends_at=ends_at)
            outcomes = list(threads.map(write_one, briefs))
        failures = [one for one in outcomes if not isinstance(one, _ChatCompletion)]
        refusals = [one for one in failures if one is not None]
        if refusals and len(failures) == len(outcomes):
            raise refusals[0]
        done = [one for one in outcomes if isinstance(one, _ChatCompletion)]
        usages = [one.usage for one in done if one.usage is not None]
        return WriterAnswer(
            texts=tuple(map(_text, outcomes)),
            prompt_tokens=sum(usage.prompt_tokens for usage in usages),
            output_tokens=sum(usage.completion_tokens for usage in usages),
        )

    def _outcome(
        self, client: httpx.Client, brief: Brief, *, seed: int, ends_at: float
    ) -> _ChatCompletion | Unavailable | WriterRefused | None:
        """Return an answer, or why there is none; None when there was no time to ask."""
        left_s = ends_at - time.monotonic()
        if left_s <= 0:
            return None
        policy = RetryPolicy(
            may_pass=lambda error: (
                isinstance(error, Unavailable)
                and not isinstance(error, AccessRefused)
                and time.monotonic() + 2 * _FIRST_PAUSE_S < ends_at
            ),
            first_pause_s=_FIRST_PAUSE_S,
            longest_pause_s=max(_FIRST_PAUSE_S, left_s / 4),
            max_tries=4,
        )
        try:
            return call_with_retries(
                policy, partial(self._ask, client, brief, seed=seed, ends_at=ends_at)
            )
        except (Unavailable, WriterRefused) as error:
            return error

    def _ask(
        self, client: httpx.Client, brief: Brief, *, seed: int, ends_at: float
    ) -> _ChatCompletion:
        turns = self._prompts.prompt(brief).turns()
        body = {
            "model": self._url.model,
            "messages": [{"role": turn.role, "content": turn.content} for turn in turns],
            "temperature": self._options.temperature,
            "max_tokens": MAX_TOKENS,
            "seed": text_seed(seed, brief),
            "stop": ["\n"],
            "stream": False,
        }
        timeout_s = min(self._options.timeout_s, max(0.05, ends_at - time.monotonic()))
        try:
            answer = client.post(f"{self._url.root}/chat/completions", json=body, timeout=timeout_s)
        except httpx.HTTPError as error:
            why = str(error) or type(error).__name__
            raise Unavailable("the writer", where=self._url.root, why=why) from error
        return self._completion(answer)

    def _completion(self, answer: httpx.Response) -> _ChatCompletion:
        status, where = answer.status_code, self._url.root
        if status in (401, 403):
            remedy = "set FRESHET_COPY_KEY to a key that may use this model"
            raise AccessRefused("the writer", where=where, why=f"status {status}", remedy=remedy)
        if status in _BUSY or status >= 500:
            raise Unavailable("the writer", where=where, why=f"status {status}")
        if status != 200:
            raise WriterRefused(where, why=f"status {status}: {answer.text[:_SHOWN]}")
        try:
            return msgspec.json.decode(answer.content, type=_ChatCompletion)
        except msgspec.DecodeError as error:
            raise WriterRefused(where, why=f"not a chat completion ({error})") from error


def _text(outcome: _ChatCompletion | Exception | None) -> str | None:
    """Return the first line of an answer, without the thoughts of a model that reasons."""
    if not isinstance(outcome, _ChatCompletion) or not outcome.choices:
        return None
    content = outcome.choices[0].message.content or ""
    return content.rpartition("</think>")[2].strip().partition("\n")[0].strip()
