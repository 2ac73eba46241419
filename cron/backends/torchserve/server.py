"""The ModelServer port on TorchServe 0.12's management and inference API.

TorchServe has these traps, each one tried:

* A version whose handler fails stays registered without workers, a zombie. Registering it again is
  answered 409 until it is deleted.
* `set-default` accepts a version without workers; every default call is then answered 503.
* A DELETE right after `set-default` leaves in-flight requests unanswered forever. So does one while
  a worker holds a batch, which `pendingRequests` does not count.
* `/token` anywhere in a management URL is taken for the token endpoint, so URLs are
  percent-encoded.
* A URL whose file name is already in the model store is refused, and such a file outlives the
  server.
* `synchronous=true` holds one of its two network threads, and all connections of that thread, until
  the handler has started. So a version is registered without waiting, and polled until it is READY.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, urlsplit

import httpx

from cron.backends.torchserve.answers import (
    START_TIMEOUT_S,
    Described,
    error_text,
    may_be_starting,
    start_time,
    version_of,
    without_signature,
    worker_pids,
)
from cron.errors import ServerRefused, Unavailable
from cron.ports import ModelServer
from cron.server_versions import ServerMemory, ServerVersion
from cron.urls.management_socket import usable_path
from cron.urls.torchserve import Node
from trainer.machine.retries import RetryPolicy, call_with_retries

_READ_TIMEOUT_S = 5.0
_CONNECT_TIMEOUT_S = 2.0  # a host that is gone does not refuse; the other nodes wait this long
_POLL_S = 0.1
_FILE_EXISTS = "Model file already exists"
_MISSING = (
    "TorchServe accepted the file, but the version is not registered; does the file hold another"
    " version?"
)
_NO_START = "its handler does not start; see model.log next to torchserve.log"
_SETTLE_S = 1.0  # for requests to the old default that are not in its queue yet
# Reads only: they are idempotent. A node whose packets are lost has already cost a time-out.
_READ_RETRIES = RetryPolicy(
    may_pass=lambda error: (
        isinstance(error, Unavailable) and not isinstance(error.__cause__, httpx.ConnectTimeout)
    ),
    max_tries=3,
    first_pause_s=0.15,
)


def utc_now() -> datetime:
    """Return the time, aware UTC."""
    return datetime.now(UTC)


class TorchServe:
    """One TorchServe node and one model name on it."""

    def __init__(
        self,
        node: Node,
        *,
        drain_timeout_s: float = 60.0,
        recovery_s: float = 15.0,  # a killed worker is READY again in 2 to 4 s
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        name = quote(node.model, safe="")
        self._address = node.address
        self._model = f"{node.management}/models/{name}"
        self._register_url = (
            f"{node.management}/models?model_name={name}&synchronous=false&initial_workers=1&url="
        )
        self._predictions = node.predictions
        self._keys = node.keys
        self._drain_timeout_s = drain_timeout_s
        self._recovery_s = recovery_s
        self._sleep = sleep
        self._now = now
        self._seen_ready: dict[int, str] = {}  # by version: the start time of its first worker
        self._socket = node.socket
        self._client = httpx.Client(trust_env=False)
        self._management = self._client if node.socket is None else _client_of(node.socket)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
        self._management.close()

    def nodes(self) -> Mapping[str, ModelServer]:
        """See the port."""
        return {self._address: self}

    def register(self, version: int, url: str) -> None:
        """See the port."""
        if self._settle(version):
            return
        answer = self._load(url)
        if answer.status_code == 409 and self._settle(version):  # another process was faster
            return
        why = error_text(answer)
        if answer.status_code == 202:
            failure = self._wait_until_ready(version, num_deaths=0)
            if failure is None:
                return
            why = f"{without_signature(url)}: {failure}"
        self._delete(version)
        status = 500 if answer.status_code == 202 else answer.status_code
        raise ServerRefused(version, status=status, message=why)

    def predict(self, version: int | None, body: object, *, timeout_s: float) -> object:
        """See the port."""
        url = self._predictions if version is None else f"{self._predictions}/{version}"
        answer = self._send("POST", url, body=body, timeout_s=timeout_s)
        if answer.status_code != 200:
            raise ServerRefused(version, status=answer.status_code, message=error_text(answer))
        try:
            result: object = answer.json()
        except ValueError as error:
            raise ServerRefused(
                version, status=200, message=f"an answer that is not JSON: {error_text(answer)}"
            ) from error
        return result

    def set_live(self, version: int) -> None:
        """See the port."""
        found = self._find(version)
        if found is None or not found.ready:
            state = "not registered"
            if found is not None:
                state = "without a READY worker, so every default call would be answered 503"
            raise ServerRefused(
                version, status=409, message=f"the version is {state}; register it first"
            )
        answer = self._send(
            "PUT", f"{self._model}/{version}/set-default", timeout_s=_READ_TIMEOUT_S
        )
        if answer.status_code != 200:
            raise ServerRefused(version, status=answer.status_code, message=error_text(answer))

    def live(self) -> int | None:
        """See the port."""
        described = self._describe("")
        return described[0].version if described else None

    def versions(self) -> tuple[ServerVersion, ...]:
        """See the port."""
        return tuple(sorted(self._describe("/all"), key=lambda found: found.version))

    def memory(self) -> ServerMemory | None:
        """See the port; the live version's worker reports its machine's or container's memory."""
        try:
            answer = self._send("GET", f"{self._model}?customized=true", timeout_s=_READ_TIMEOUT_S)
            memory = answer.json()[0]["customizedMetadata"]["memory"]
            return ServerMemory(
                taken_bytes=int(memory["own_bytes"]), left_bytes=int(memory["available_bytes"])
            )
        # busy, nothing live, or a handler that does not report it
        except (Unavailable, ValueError, LookupError, TypeError):
            return None

    def unregister(self, version: int) -> None:
        """See the port."""
        if self._find(version) is None:
            return
        if self.live() == version:
            raise ServerRefused(
                version,
                status=403,
                message="the version is the default; make another one live first",
            )
        self._drain_and_delete(version)

    def unregister_all(self) -> None:
        """See the port; TorchServe deletes the default when no other version is left."""
        live = self.live()
        for one in sorted(self.versions(), key=lambda one: one.version == live):
            self._drain_and_delete(one.version)

    def _drain_and_delete(self, version: int) -> None:
        self._drain(version)
        answer = self._delete(version)
        if answer.status_code not in (200, 404):
            raise ServerRefused(version, status=answer.status_code, message=error_text(answer))

    def _load(self, url: str) -> httpx.Response:
        """Let TorchServe fetch, start and register the archive.

        A file that the server fetched before its restart blocks the URL. The file is then
        registered by its name, which loads only a complete file.
        """
        answer = self._send(
            "POST", self._register_url + quote(url, safe=""), timeout_s=START_TIMEOUT_S
        )
        file_name = urlsplit(url).path.rpartition("/")[2]
        if file_name != url and answer.status_code == 500 and _FILE_EXISTS in error_text(answer):
            answer = self._send(
                "POST", self._register_url + quote(file_name, safe=""), timeout_s=START_TIMEOUT_S
            )
        return answer

    def _settle(self, version: int) -> bool:
        """Wait until a registered version is READY, and tell whether it is.

        A version that stays without a worker is deleted. One in its first start belongs to another
        process, which also waits for it; it gets the time of a start. A worker that was killed once
        comes back; a second death before it is READY means that the handler does not start.
        """
        why = self._wait_until_ready(version, num_deaths=1)
        if why is not None and why != _MISSING:
            self._delete(version)
        return why is None

    def _wait_until_ready(self, version: int, *, num_deaths: int) -> str | None:
        """Wait for a registered version's worker; return None once it is READY, else the reason.

        `num_deaths` of its processes may die meanwhile: TorchServe starts new ones for five
        minutes.
        """
        pids: set[int] = set()
        for number in range(int(START_TIMEOUT_S / _POLL_S)):
            raw = next(iter(self._raw(f"/{version}")), None)
            if raw is None:
                return _MISSING
            found = self._version(raw)
            if found.ready:
                return None
            pids |= worker_pids(raw)
            # minWorkers 0: TorchServe has given up the start, a zombie. It stays 1 while a worker
            # recovers.
            if found.min_workers == 0 or len(pids) > num_deaths + 1:
                return _NO_START
            if number >= self._recovery_s / _POLL_S and not found.is_starting:
                return f"no READY worker within {self._recovery_s:.0f} s"
            self._sleep(_POLL_S)
        return f"no READY worker within {START_TIMEOUT_S:.0f} s"

    def _drain(self, version: int) -> None:
        """Return when no request of the version is queued or running.

        `pendingRequests` counts the queue alone. To wait for the batch in the worker, a request of
        our own is sent: with one worker per version, as in our archives, it is answered after all
        that were queued before it. Raise ServerRefused when the requests do not end.
        """
        pending, num_dead = 0, 0
        for _ in range(max(1, int(self._drain_timeout_s / _POLL_S))):
            found = self._find(version)
            pending = found.pending_requests if found is not None else 0
            num_dead = 0 if found is not None and found.ready_workers else num_dead + 1
            if num_dead > self._recovery_s / _POLL_S:
                return  # a version without workers never answers them
            if pending == 0:
                self._sleep(_SETTLE_S)
                if self._answers_last(version):
                    return
            self._sleep(_POLL_S)
        message = (
            f"requests are still pending after {self._drain_timeout_s:.0f} s ({pending} queued);"
            " it stays registered"
        )
        raise ServerRefused(version, status=409, message=message)

    def _answers_last(self, version: int) -> bool:
        """Send a request, and tell whether none was queued when it was answered."""
        try:
            self._send(
                "POST",
                f"{self._predictions}/{version}",
                body={},
                timeout_s=max(self._drain_timeout_s, _READ_TIMEOUT_S),
            )
        except Unavailable:
            return False
        return self._pending(version) == 0

    def _pending(self, version: int) -> int:
        found = self._find(version)
        return found.pending_requests if found is not None else 0

    def _delete(self, version: int) -> httpx.Response:
        return self._send("DELETE", f"{self._model}/{version}", timeout_s=START_TIMEOUT_S)

    def _find(self, version: int) -> ServerVersion | None:
        return next(iter(self._describe(f"/{version}")), None)

    def _describe(self, which: str) -> list[ServerVersion]:
        """Return one version (`/17`), all (`/all`) or the default (empty); unknown: none."""
        return [self._version(raw) for raw in self._raw(which)]

    def _raw(self, which: str) -> list[Described]:
        answer = self._read(self._model + which)
        if answer.status_code == 404:
            return []
        if answer.status_code != 200:
            raise ServerRefused(None, status=answer.status_code, message=error_text(answer))
        try:
            # Ours are plain decimals; somebody else registered the others.
            return [raw for raw in answer.json() if str(raw["modelVersion"]).isdecimal()]
        except (ValueError, TypeError, KeyError) as error:  # a proxy, or another program
            raise Unavailable(
                "TorchServe",
                where=self._model + which,
                why="something else answers there",
                remedy="check store.server",
            ) from error

    def _version(self, raw: Described) -> ServerVersion:
        found, started = version_of(raw), start_time(raw)
        if started is None:
            return found
        if found.ready:
            self._seen_ready[found.version] = started
        elif not found.ready_workers and self._seen_ready.get(found.version) != started:
            return replace(found, is_starting=may_be_starting(started, self._now()))
        return found

    def _read(self, url: str) -> httpx.Response:
        return call_with_retries(
            _READ_RETRIES,
            lambda: self._send("GET", url, timeout_s=_READ_TIMEOUT_S),
            sleep=self._sleep,
        )

    def _authorization(self, kind: str) -> dict[str, str]:
        """Read the key for each call: TorchServe makes new ones when it starts."""
        if self._keys is None:
            return {}
        try:
            keys = json.loads(self._keys.read_text(encoding="utf-8"))
            return {"Authorization": f"Bearer {keys[kind]['key']}"}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Unavailable(
                "TorchServe's key file", where=str(self._keys), why=type(error).__name__
            ) from error

    def _send(
        self, method: str, url: str, *, timeout_s: float, body: object = None
    ) -> httpx.Response:
        predicts = url.startswith(self._predictions)
        headers = self._authorization("inference" if predicts else "management")
        client = self._client if predicts else self._management
        try:
            limits = httpx.Timeout(timeout_s, connect=min(timeout_s, _CONNECT_TIMEOUT_S))
            return client.request(method, url, json=body, timeout=limits, headers=headers)
        except httpx.HTTPError as error:
            where = url.partition("?")[0]
            if client is not self._client:
                where = f"{where} through {self._socket}"
            raise Unavailable(
                "TorchServe", where=where, why=f"{type(error).__name__} {error}".strip()
            ) from error


def _client_of(socket: Path) -> httpx.Client:
    return httpx.Client(transport=httpx.HTTPTransport(uds=usable_path(socket)), trust_env=False)
