"""The error tree. Each class builds its message from typed arguments: what happened, to what, and what to do.

FreshetError ├── SettingsError            the settings file or a URL is wrong
exit 2 ├── MissingClient            a back end's client library is not installed              exit 2
├── Unavailable              another machine does not answer; retryable │   ├── AccessRefused
it answers, and refuses our password or key │   ├── TopicMissing         Kafka answers, and has no
such topic │   ├── CannotKeep           it answers, and is full, or would forget what it took │
└── SwitchPending        a person's decision is noted, and the server could not be told yet ├──
LedgerTooNew             the ledger was brought up to date by a newer Freshet ├── StoreError │   ├──
ArtifactConflict     other bytes lie under that name │   ├── ArtifactMissing      nothing lies under
that name │   └── ArtifactCorrupt      the bytes are not the ones that were put ├── LogGap
the log was trimmed past our cursor, or recreated ├── JournalAhead             the store has newer
segments than the ledger knows ├── ServerRefused            TorchServe would not take a release ├──
NoRoom                   TorchServe's machine has no memory for one more version ├── Unanswered
a registered version gave something that is not an answer ├── TrainingFailed           the trainer
ended without a candidate, and says what is wrong with its input │   └── TrainerDied          it
crashed, ran out of time or memory, or was killed ├── LeaseLost                another worker holds
the lease now ├── Superseded               the live version changed while a run was under way │
└── TrainedOnExcluded    events were excluded that the run had taken already ├── Overtaken
a later decision than this rollback or promotion was carried out ├── RolledBackMeanwhile
somebody else rolled back after this rollback was asked for ├── Held                     publishing
is paused until a person resumes it ├── Stopped                  this worker was told to end; the
run is continued at the next start ├── UnknownPanelKey          a release's panel is keyed with a
secret that the ledger does not hold ├── AlreadyRunning           another process does the worker's
job here ├── UnknownVersion           no release has that version ├── WrongUserId              no
user can have that id └── NothingToRollBackTo      there is no previous good release
"""

from __future__ import annotations

from pathlib import Path


class FreshetError(Exception):
    """Root of everything we raise on purpose; the command line prints it as one sentence and exits 1."""


class SettingsError(FreshetError):
    """A setting that can't be: names file, key, value and what would be right."""


class MissingClient(FreshetError):
    def __init__(self, *, scheme: str, package: str, extra: str | None = None) -> None:
        wanted = (
            f"'freshet[{extra}]'" if extra else package
        )  # in a checkout: the pin in pyproject.toml
        super().__init__(
            f"{scheme}:// needs the package {package}, which is not installed; run: pip install {wanted}"
        )


class Unavailable(FreshetError):
    """Another machine did not answer in time. The call may be repeated."""

    def __init__(self, what: str, *, where: str, why: str, remedy: str = "is it running?") -> None:
        super().__init__(f"{what} at {where} does not answer ({why}); {remedy}")


class AccessRefused(Unavailable):
    """Another machine refuses who we are. Unavailable, since it too is tried again: passwords change under a worker's eyes."""

    def __init__(self, what: str, *, where: str, why: str, remedy: str) -> None:
        FreshetError.__init__(self, f"{what} at {where} refuses us ({why}); {remedy}")


class CannotKeep(Unavailable):
    """Another machine is full, or set up to forget. Unavailable, since room can be made; nothing was stored."""

    def __init__(self, what: str, *, where: str, why: str, remedy: str) -> None:
        FreshetError.__init__(self, f"{what} at {where} can't keep what we store ({why}); {remedy}")


class TopicMissing(Unavailable):
    """Kafka answers, and has no such topic. Unavailable, since a person may make it at any time."""

    def __init__(self, topic: str, *, where: str) -> None:
        make = (
            "make it with the partitions and the retention that you want, as docs/backends.md shows"
        )
        FreshetError.__init__(self, f"Kafka at {where} has no topic {topic}; {make}")


class SwitchPending(Unavailable):
    """A person's decision is in the ledger, and the server could not be told yet."""

    def __init__(self, version: int, *, why: str, is_paused: bool) -> None:
        paused = " and publishing is paused" if is_paused else ""
        decided = f"the change to version {version} is decided and noted{paused}, but {why}"
        FreshetError.__init__(
            self, f"{decided} The worker carries it out as soon as the server answers."
        )


class LedgerTooNew(FreshetError):
    def __init__(self, *, where: str, found: str, known: str) -> None:
        super().__init__(
            f"the ledger at {where} was brought to step {found} by a newer Freshet, and this one knows it up to {known}; upgrade here too"
        )


class StoreError(FreshetError):
    """Root of what an artifact store can say."""


class ArtifactConflict(StoreError):
    def __init__(self, name: str, *, expected: str, found: str) -> None:
        super().__init__(
            f"artifact {name}: the store holds other bytes ({found[:12]}…) than those to put ({expected[:12]}…); names are never reused"
        )


class ArtifactMissing(StoreError):
    def __init__(self, name: str, *, store: str) -> None:
        super().__init__(f"artifact {name}: not in {store}")


class ArtifactCorrupt(StoreError):
    def __init__(self, name: str, *, expected: str, found: str) -> None:
        super().__init__(
            f"artifact {name}: expected sha256 {expected[:12]}…, found {found[:12]}…; restore it from a backup or another node"
        )


class LogGap(FreshetError):
    def __init__(self, *, log: str, cursor: str, earliest: str) -> None:
        self.gone = f"event log {log}: records after cursor {cursor} are gone (the earliest left is {earliest}), and none is skipped in silence"
        super().__init__(
            f"{self.gone}; if it was made anew or the loss is accepted, stop the worker and run: python -m cron follow --new-log --once"
        )


class JournalAhead(FreshetError):
    def __init__(self, *, name: str, last_seq: int) -> None:
        found = f"the artifact store holds {name}, which the ledger does not know; its own last number is {last_seq}"
        remedy = "an older ledger was put back, and nothing is collected over newer records; stop the worker and run: python -m cron adopt"
        super().__init__(f"{found}: {remedy}")


class ServerRefused(FreshetError):
    def __init__(self, version: int | None, *, status: int, message: str) -> None:
        self.status = status
        self.message = message
        what = "the default version" if version is None else f"version {version}"
        super().__init__(f"TorchServe refused {what}: {status} {message}")


class NoRoom(FreshetError):
    def __init__(self, *, taken_bytes: int, left_bytes: int) -> None:
        sizes = f"the live version's worker holds {taken_bytes / 2**20:.0f} MiB, and {left_bytes / 2**20:.0f} MiB are left"
        remedy = "give it more memory, or lower release.keep_registered"
        super().__init__(
            f"TorchServe's machine has no memory for one more version ({sizes}); what is live stays: {remedy}"
        )


class Unanswered(FreshetError):
    """A fault of a worker or its machine; no verdict on the model."""

    def __init__(self, version: int, *, why: str) -> None:
        self.version = version
        super().__init__(
            f"version {version} is registered and gave no answer to a probe ({why}); look into torchserve.log and model.log"
        )


class TrainingFailed(FreshetError):
    def __init__(self, *, exit_status: int | None, limit_s: float, log: Path, tail: str) -> None:
        how = (
            f"did not end within {limit_s:.0f} s"
            if exit_status is None
            else f"ended with status {exit_status}"
        )
        super().__init__(f"the trainer {how}; its log is {log}; last lines:\n{tail}")


class TrainerDied(TrainingFailed):
    """A fault of the machine; says nothing about the data or the model."""


class LeaseLost(FreshetError):
    def __init__(self, *, holder: str) -> None:
        super().__init__(f"the lease is held by {holder}; this worker does nothing more")


class Superseded(FreshetError):
    def __init__(self, *, expected: int | None, found: int | None) -> None:
        super().__init__(
            f"version {expected} was live when this run began, now it is {found}; the run is dropped"
        )


class TrainedOnExcluded(Superseded):
    def __init__(self, first_seq: int, last_seq: int) -> None:
        what = f"events {first_seq}–{last_seq} were excluded after this run had begun"
        FreshetError.__init__(self, f"{what}; the run is dropped, and the next one leaves them out")


class Overtaken(FreshetError):
    def __init__(self, version: int, *, live: int | None) -> None:
        super().__init__(
            f"the change to version {version} was overtaken by a later decision: version {live} is live now"
        )


class RolledBackMeanwhile(FreshetError):
    def __init__(self, version: int, *, live: int | None) -> None:
        done = f"version {version} was rolled back by somebody else a moment ago: version {live} is live, and nothing more was done"
        super().__init__(f"{done}; to go further back, run: python -m cron rollback VERSION")


class Held(FreshetError):
    def __init__(self, *, reason: str) -> None:
        super().__init__(f"publishing is paused ({reason}) until `python -m cron resume`")


class Stopped(FreshetError):
    def __init__(self) -> None:
        super().__init__("the worker was told to end; the next start continues the run")


class AlreadyRunning(FreshetError):
    def __init__(self, *, holder: str, where: str) -> None:
        super().__init__(
            f"{holder} already works in {where}; end it first, or use another store.var"
        )


class WrongUserId(FreshetError):
    """What is asked to be forgotten can be no user's id."""

    def __init__(self, user_id: str, *, expected: str) -> None:
        super().__init__(f"user_id: found {ascii(user_id)[:80]}, expected {expected}")


class UnknownPanelKey(FreshetError):
    def __init__(self, key: str, *, known: str) -> None:
        what = f"a release keeps its judged users by the panel key {key}, and this ledger holds the key {known}"
        super().__init__(f"{what}; put back the ledger that made the release, or a backup of it")


class UnknownVersion(FreshetError):
    def __init__(self, version: int, *, known: list[int]) -> None:
        super().__init__(
            f"no release has version {version}; there are {', '.join(map(str, known)) or 'none'}"
        )


class NothingToRollBackTo(FreshetError):
    def __init__(self, *, live: int | None) -> None:
        than = (
            "nothing is live yet"
            if live is None
            else f"there is no earlier good release than version {live}"
        )
        super().__init__(f"{than}; `python -m cron releases` lists them")
