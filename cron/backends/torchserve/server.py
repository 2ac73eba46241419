"""The ModelServer port on TorchServe 0.12's management and inference API.

Knows TorchServe's answers and its traps; does not know why a version should be live, or what is
inside an archive.

The traps, each tried: a version whose handler fails stays as a zombie without workers (a retry is
409 until it is deleted); `set-default` accepts a version without workers (every default call is
then 503); a DELETE right after `set-default` leaves in-flight requests unanswered for ever, and so
does one while a batch is in the worker's hands, which `pendingRequests` does not count; `/token`
anywhere in a management URL is taken for the token endpoint, so everything is percent-encoded; a
URL whose file name lies in the model store already is refused, and such a file outlives the server;
`synchronous=true` holds one of its two network threads, and all connections of that thread, until
the handler has started, so a version is registered without waiting and asked for until it is READY.
"""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote, urlsplit

import httpx

from cron.errors import ServerRefused, Unavailable
from cron.ports import ModelServer, ServerMemory, ServerVersion
from cron.urls.management_socket import usable_path
from cron.urls.torchserve import Node

_READ_ATTEMPTS = 3  # reads only: they are idempotent
_READ_TIMEOUT_S = 5.0
_CONNECT_TIMEOUT_S = (
    2.0  # a host that is gone refuses nothing; the other nodes wait for it no longer
)
_START_TIMEOUT_S = 330.0  # over the startupTimeout of handler/model-config.yaml
_CLOCKS_DIFFER_S = 3600.0  # by so much at most, between our machine and TorchServe's
_RECOVERY_S = 15.0  # a killed worker is READY again in 2 to 4 s
_POLL_S = 0.1
_FILE_EXISTS = "Model file already exists"
_NOT_THERE = (
    "TorchServe took the file, but the version is not there; does the file hold another version?"
)
_NO_START = "its handler does not start: model.log beside torchserve.log says why"
_SETTLE_S = 1.0  # for requests that met the old default and are on their way into its queue


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
        if self._settled(version):
            return
        answer = self._load(url)
        if answer.status_code == 409 and self._settled(version):  # another process was faster
            return
        why = _message(answer)
        if answer.status_code == 202:
            waited_for = self._wait_until_ready(version, num_deaths=0)
            if waited_for is None:
                return
            why = f"{_without_signature(url)}: {waited_for}"
        self._delete(version)
        status = 500 if answer.status_code == 202 else answer.status_code
        raise ServerRefused(version, status=status, message=why)

    def predict(self, version: int | None, body: object, *, timeout_s: float) -> object:
        """See the port."""
        url = self._predictions if version is None else f"{self._predictions}/{version}"
        answer = self._send("POST", url, body=body, timeout_s=timeout_s)
        if answer.status_code != 200:
            raise ServerRefused(version, status=answer.status_code, message=_message(answer))
        try:
            result: object = answer.json()
        except ValueError as error:
            raise ServerRefused(
                version, status=200, message=f"an answer that is not JSON: {_message(answer)}"
            ) from error
        return result

    def set_live(self, version: int) -> None:
        """See the port."""
        found = self._find(version)
        if found is None or not found.ready:
            state = (
                "not registered"
                if found is None
                else "without a READY worker, every default call would be 503"
            )
            raise ServerRefused(
                version, status=409, message=f"the version is {state}; register it first"
            )
        answer = self._send(
            "PUT", f"{self._model}/{version}/set-default", timeout_s=_READ_TIMEOUT_S
        )
        if answer.status_code != 200:
            raise ServerRefused(version, status=answer.status_code, message=_message(answer))

    def live(self) -> int | None:
        """See the port."""
        described = self._describe("")
        return described[0].version if described else None

    def versions(self) -> tuple[ServerVersion, ...]:
        """See the port."""
        return tuple(sorted(self._describe("/all"), key=lambda found: found.version))

    def memory(self) -> ServerMemory | None:
        """See the port; the live version's worker is asked, so that it is the memory of TorchServe's machine or container."""
        try:
            answer = self._send("GET", f"{self._model}?customized=true", timeout_s=_READ_TIMEOUT_S)
            told = answer.json()[0]["customizedMetadata"]["memory"]
            return ServerMemory(
                taken_bytes=int(told["own_bytes"]), left_bytes=int(told["available_bytes"])
            )
        except (
            Unavailable,
            ValueError,
            LookupError,
            TypeError,
        ):  # busy, nothing live, or a handler that can't tell
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
        self._drain(version)
        answer = self._delete(version)
        if answer.status_code not in (200, 404):
            raise ServerRefused(version, status=answer.status_code, message=_message(answer))

    def _load(self, url: str) -> httpx.Response:
        """Have the archive fetched, started and registered.

        A file that an earlier life of the server fetched bars its URL; it is then registered by its
        name, which loads a whole file only.
        """
        answer = self._send(
            "POST", self._register_url + quote(url, safe=""), timeout_s=_START_TIMEOUT_S
        )
        file_name = urlsplit(url).path.rpartition("/")[2]
        if file_name != url and answer.status_code == 500 and _FILE_EXISTS in _message(answer):
            answer = self._send(
                "POST", self._register_url + quote(file_name, safe=""), timeout_s=_START_TIMEOUT_S
            )
        return answer

    def _settled(self, version: int) -> bool:
        """Wait until a registered version is READY; delete it when it stays without a worker. Tell whether it can serve.

        One that is in its first start is another process's, which waits for it too, and is left the
        time of a start. A worker that was killed once comes back; a second death before it is READY
        is a handler that does not start.
        """
        why = self._wait_until_ready(version, num_deaths=1)
        if why is not None and why != _NOT_THERE:
            self._delete(version)
        return why is None

    def _wait_until_ready(self, version: int, *, num_deaths: int) -> str | None:
        """Wait for a registered version's worker; return None when it is READY, otherwise why it will not be.

        `num_deaths` is how many of its processes may die meanwhile: TorchServe goes on starting new
        ones for five minutes.
        """
        pids: set[int] = set()
        for number in range(int(_START_TIMEOUT_S / _POLL_S)):
            raw = next(iter(self._raw(f"/{version}")), None)
            if raw is None:
                return _NOT_THERE
            found = self._version(raw)
            if found.ready:
                return None
            pids |= _worker_pids(raw)
            # no workers wanted: TorchServe has given its start up, a zombie; while one recovers
            # this stays 1
            if found.min_workers == 0 or len(pids) > num_deaths + 1:
                return _NO_START
            if number >= _RECOVERY_S / _POLL_S and not found.is_starting:
                return f"no READY worker within {_RECOVERY_S:.0f} s"
            self._sleep(_POLL_S)
        return f"no READY worker within {_START_TIMEOUT_S:.0f} s"

    def _drain(self, version: int) -> None:
        """Return when no request of the version is queued or under way; raise ServerRefused when they do not end.

        `pendingRequests` counts the queue alone. What the worker holds is waited for by a request
        of our own: with one worker a version, as in our archives, its answer comes after all that
        were queued before it.
        """
        pending, num_dead = 0, 0
        for _ in range(max(1, int(self._drain_timeout_s / _POLL_S))):
            found = self._find(version)
            pending = found.pending_requests if found is not None else 0
            num_dead = 0 if found is not None and found.ready_workers else num_dead + 1
            if num_dead > _RECOVERY_S / _POLL_S:
                return  # a version without workers answers none of them, however long they wait
            if pending == 0:
                self._sleep(_SETTLE_S)
                if self._overtakes_nothing(version):
                    return
            self._sleep(_POLL_S)
        message = f"requests are still pending after {self._drain_timeout_s:.0f} s ({pending} queued); it stays registered"
        raise ServerRefused(version, status=409, message=message)

    def _overtakes_nothing(self, version: int) -> bool:
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
        return self._send("DELETE", f"{self._model}/{version}", timeout_s=_START_TIMEOUT_S)

    def _find(self, version: int) -> ServerVersion | None:
        return next(iter(self._describe(f"/{version}")), None)

    def _describe(self, which: str) -> list[ServerVersion]:
        """Ask for one version, all (`/all`) or the default (empty); unknown gives an empty list."""
        return [self._version(raw) for raw in self._raw(which)]

    def _raw(self, which: str) -> list[dict[str, object]]:
        answer = self._read(self._model + which)
        if answer.status_code == 404:
            return []
        if answer.status_code != 200:
            raise ServerRefused(None, status=answer.status_code, message=_message(answer))
        # Versions are plain decimals; anything else was put there by somebody for something else.
        return [raw for raw in answer.json() if str(raw["modelVersion"]).isdecimal()]

    def _version(self, raw: dict[str, object]) -> ServerVersion:
        found = _version(raw)
        began = _began(raw)
        if found.ready and began is not None:
            self._seen_ready[found.version] = began
        elif (
            not found.ready_workers
            and began is not None
            and self._seen_ready.get(found.version) != began
        ):
            return replace(found, is_starting=_may_be_starting(began, self._now()))
        return found

    def _read(self, url: str) -> httpx.Response:
        for attempt in range(1, _READ_ATTEMPTS + 1):
            try:
                return self._send("GET", url, timeout_s=_READ_TIMEOUT_S)
            except Unavailable as error:
                if attempt == _READ_ATTEMPTS or isinstance(error.__cause__, httpx.ConnectTimeout):
                    raise
            self._sleep(0.1 * attempt * random.uniform(0.5, 1.5))
        raise AssertionError("the last attempt returns or raises")

    def _authorization(self, kind: str) -> dict[str, str]:
        """Read the key anew each time: TorchServe makes new ones when it starts."""
        if self._keys is None:
            return {}
        try:
            return {"Authorization": f"Bearer {json.loads(self._keys.read_text())[kind]['key']}"}
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


def _version(raw: dict[str, object]) -> ServerVersion:
    workers, queue = raw["workers"], raw.get("jobQueueStatus")
    ready = (
        sum(worker["status"] == "READY" for worker in workers) if isinstance(workers, list) else 0
    )
    pending = queue["pendingRequests"] if isinstance(queue, dict) else 0
    least = raw["minWorkers"]
    return ServerVersion(
        version=int(str(raw["modelVersion"])),
        ready_workers=ready,
        min_workers=least if isinstance(least, int) else 1,
        pending_requests=pending,
    )


def _began(raw: dict[str, object]) -> str | None:
    """Return when a version's worker was first started, by TorchServe's clock; it keeps that time when it is started again."""
    workers = raw["workers"]
    return (
        max((str(worker["startTime"]) for worker in workers), default=None)
        if isinstance(workers, list)
        else None
    )


def _may_be_starting(began: str, now: datetime) -> bool:
    """Tell whether a worker may be in its first start, whatever the two machines' clocks say."""
    return now - datetime.fromisoformat(began) < timedelta(
        seconds=_START_TIMEOUT_S + _CLOCKS_DIFFER_S
    )


def _worker_pids(raw: dict[str, object]) -> set[int]:
    """Return the worker's process; none before TorchServe knows it (-1)."""
    workers = raw["workers"]
    return (
        {worker["pid"] for worker in workers if worker["pid"] > 0}
        if isinstance(workers, list)
        else set()
    )


def _message(answer: httpx.Response) -> str:
    """Take the sentence out of TorchServe's error body."""
    try:
        body = answer.json()
        text = (
            str(body.get("message", body.get("error", answer.text)))
            if isinstance(body, dict)
            else answer.text[:500]
        )
    except ValueError:
        text = answer.text[:500]
    return _without_signature(text)


def _without_signature(text: str) -> str:
    """Cut what lets anybody fetch an archive off a signed URL; TorchServe's messages repeat it."""
    return re.sub(r"[?&]X-Amz-[^\s'\"]*", "?…", text)
