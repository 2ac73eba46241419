"""The calls that verbs make to a gateway: each one again until the gateway has answered."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cron.errors import FreshetError, Unavailable
from cron.settings.keys import variable
from cron.settings.own_gateway import authorization, gateway_url
from cron.settings.tree import GatewaySettings
from trainer.machine.retries import RetryPolicy, call_with_retries

if TYPE_CHECKING:
    import httpx


class _GatewayDown(Exception):
    """Why the gateway did not answer a call; the same call may be made again."""


def _is_down(error: BaseException) -> bool:
    return isinstance(error, _GatewayDown)


# 300 s is longer than a restart; a gateway that was never started is reported
WHILE_DOWN = RetryPolicy(may_pass=_is_down, limit_s=300.0, first_pause_s=1.0, longest_pause_s=1.0)


def add_url_argument(parser: argparse.ArgumentParser) -> None:
    """Declare `--url`."""
    parser.add_argument(
        "--url", type=_url, metavar="URL", help="the gateway (default: that of the settings)"
    )


def _url(text: str) -> str:
    """Return the address of a gateway; a wrong one would be called again and again."""
    try:
        parts = urlsplit(text)
        is_right = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # of a port or an address in brackets
        is_right = False
    if not is_right:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not an address such as http://127.0.0.1:8000"
        )
    return text


class GatewayCalls:
    """Makes the calls of one path of a gateway. A call must be safe to make twice.

    `say` is called once for each call that waits.
    """

    def __init__(
        self,
        path: str,
        url: str | None,
        gateway: GatewaySettings,
        *,
        say: Callable[[str], object],
        while_down: RetryPolicy = WHILE_DOWN,
    ) -> None:
        import httpx

        self._url = (url or gateway_url(gateway)).rstrip("/") + path
        self._say = say
        self._while_down = while_down
        self._client = httpx.Client(
            timeout=30.0, headers=authorization(gateway.api_key), trust_env=False
        )

    def __enter__(self) -> GatewayCalls:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def post(self, content: bytes, content_type: str) -> httpx.Response:
        """Post one body, waiting while the gateway is down; raise Unavailable if it stays down."""
        headers = {"Content-Type": content_type}
        return self._send(
            self._client.build_request("POST", self._url, content=content, headers=headers)
        )

    def post_lines(self, lines: Sequence[bytes]) -> list[Mapping[str, object]]:
        """Post lines of JSON and return the answer to each; raise FreshetError for anything else.

        It waits as `post` does.
        """
        answer = self.post(b"\n".join(lines), "application/x-ndjson")
        if answer.status_code != 200:
            raise unexpected_answer(answer)
        answers = [json.loads(line) for line in answer.text.split("\n") if line]
        if len(answers) != len(lines):
            raise FreshetError(
                f"the gateway answered {len(answers):,} of {len(lines):,} lines; run the command "
                "again"
            )
        return answers

    def get(self, query: Mapping[str, str]) -> httpx.Response:
        """Get what the query asks for; otherwise like `post`."""
        return self._send(self._client.build_request("GET", self._url, params=query))

    def _send(self, request: httpx.Request) -> httpx.Response:
        def report(error: BaseException, num_tries: int) -> None:
            if num_tries == 1:
                self._say(
                    f"the gateway at {self._url} does not answer ({error}); "
                    "waiting to send the same again"
                )

        try:
            return call_with_retries(
                self._while_down, lambda: self._send_once(request), before_pause=report
            )
        except _GatewayDown as error:
            raise Unavailable("the gateway", where=self._url, why=str(error)) from error

    def _send_once(self, request: httpx.Request) -> httpx.Response:
        import httpx

        try:
            answer = self._client.send(request)
        except httpx.TransportError as error:
            raise _GatewayDown(type(error).__name__) from error
        if answer.status_code in (429, 503):
            raise _GatewayDown(f"{answer.status_code}: {_reason(answer)}")
        return answer


def unexpected_answer(answer: httpx.Response) -> FreshetError:
    """Return the error for an answer that no call should get."""
    if answer.status_code == 401:
        return FreshetError(
            f"{answer.url} requires a key; give this command one: {variable('gateway.api_key')}=KEY"
        )
    return FreshetError(f"{answer.url} answered {answer.status_code}: {_reason(answer)}")


def _reason(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["error"]["reason"])
    except (ValueError, KeyError, TypeError):
        return answer.text[:200]
