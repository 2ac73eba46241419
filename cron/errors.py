"""The error tree. Each class builds its message from typed arguments.

A message says what happened, to what, and what to do next.

    FreshetError
    ├── SettingsError            a setting is wrong; exit status 2
    │   └── WrongUrl             a URL in the settings is wrong (cron.urls.wrong_url)
    ├── MissingClient            a back end's client library is not installed; exit status 2
    ├── Unavailable              another machine does not answer; the call may be retried
    │   ├── AccessRefused        it rejects our password or key
    │   ├── TopicMissing         Kafka has no such topic
    │   ├── CannotKeep           it is full, or configured to lose what it accepts
    │   └── SwitchPending        a person's decision is recorded, and not yet carried out
    ├── LedgerTooNew             a newer Freshet has migrated the ledger
    ├── LedgerFailed             the ledger's database failed; retrying would not help
    ├── StoreError
    │   ├── ArtifactConflict     the name holds different bytes
    │   ├── ArtifactMissing      the name is not in the store
    │   └── ArtifactCorrupt      the bytes are not the ones that were put
    ├── BadPicture               a picture can't be fetched or read; it is tried again later
    ├── LogGap                   the log was trimmed past our cursor, or recreated
    ├── JournalAhead             the store has newer segments than the ledger
    ├── ServerRefused            TorchServe refused a release
    ├── NoRoom                   TorchServe's machine has no memory for one more version
    ├── Unanswered               a registered version did not give a valid answer
    ├── TrainingFailed           the trainer produced no candidate, because of its input
    │   └── TrainerDied          it crashed, was killed, or ran out of time or memory
    ├── MachinesRefused          whoever gives machines says no (cron.machine_errors)
    ├── MachinesMissing          too few machines joined in time (the same)
    ├── LeaseLost                another worker holds the lease now
    ├── Superseded               the live version changed during a run
    │   └── TrainedOnExcluded    events were excluded that the run has already used
    ├── Overtaken                a later decision than this rollback or promotion was carried out
    ├── RolledBackMeanwhile      somebody else rolled back after this rollback was requested
    ├── LiveChanged              another release is live than the one that a person saw
    ├── Held                     publishing is paused until a person resumes it
    ├── Stopped                  this worker was asked to stop; the next start continues the run
    ├── UnknownPanelKey          a release's panel uses a key that is not in the ledger
    ├── AlreadyRunning           another process does the worker's job here
    ├── UnknownVersion           no release has that version
    ├── NoArchive                its archive was deleted
    ├── TooManySideVersions      as many as there may be are loaded beside the live one
    ├── KeyNameInUse             an API key with that name was made before
    ├── UnknownKey               no API key has that name
    ├── UnknownExperiment        no experiment has that name (cron.experiment_errors)
    ├── ExperimentRefused        an experiment does not fit what is running (the same)
    ├── NoTrial                  no candidate is on trial (the same)
    ├── WrongUserId              the text is not a valid user id
    └── NothingToRollBackTo      there is no earlier good release
"""

from __future__ import annotations

from pathlib import Path


class FreshetError(Exception):
    """Root of every error raised on purpose; the command line prints it and exits with 1."""


class SettingsError(FreshetError):
    """A wrong setting: the message names file, key and value, and says what is expected."""


class MissingClient(FreshetError):
    """A client library is missing. In a checkout the extra is pinned in pyproject.toml."""

    def __init__(self, *, scheme: str, package: str, extra: str | None = None) -> None:
        wanted = f"'freshet[{extra}]'" if extra else package
        missing = f"{scheme}:// needs the package {package}, which is not installed"
        super().__init__(f"{missing}; run: pip install {wanted}")


class Unavailable(FreshetError):
    """Another machine did not answer in time. The call may be retried."""

    def __init__(self, what: str, *, where: str, why: str, remedy: str = "is it running?") -> None:
        super().__init__(f"{what} at {where} does not answer ({why}); {remedy}")


class AccessRefused(Unavailable):
    """Another machine rejects our credentials. Retried, since a password may change meanwhile."""

    def __init__(self, what: str, *, where: str, why: str, remedy: str) -> None:
        FreshetError.__init__(self, f"{what} at {where} refuses access ({why}); {remedy}")


class CannotKeep(Unavailable):
    """Another machine cannot store durably; nothing was stored. Retried, as space may be freed."""

    def __init__(self, what: str, *, where: str, why: str, remedy: str) -> None:
        FreshetError.__init__(self, f"{what} at {where} cannot store our data ({why}); {remedy}")


class TopicMissing(Unavailable):
    """Kafka has no such topic. Retried, since a person may create it at any time."""

    def __init__(self, topic: str, *, where: str) -> None:
        remedy = "create it with the partitions and retention you want, as docs/backends.md shows"
        FreshetError.__init__(self, f"Kafka at {where} has no topic {topic}; {remedy}")


class SwitchPending(Unavailable):
    """A person's decision is in the ledger; the server could not be reached yet."""

    def __init__(self, version: int, *, why: str, is_paused: bool) -> None:
        paused = " and publishing is paused" if is_paused else ""
        self.version = version
        decided = f"the change to version {version} is recorded{paused}, but {why}"
        FreshetError.__init__(
            self, f"{decided} The worker carries it out as soon as the server answers."
        )


class LedgerTooNew(FreshetError):
    """A newer Freshet has migrated the ledger."""

    def __init__(self, *, where: str, found: str, known: str) -> None:
        super().__init__(
            f"the ledger at {where} is at migration {found}, made by a newer Freshet, and this one"
            f" supports up to {known}; upgrade Freshet here too"
        )


class LedgerFailed(FreshetError):
    """The ledger's database failed in a way that retrying would not cure."""

    def __init__(self, *, where: str, why: str) -> None:
        super().__init__(f"the ledger at {where} failed ({why}); see the database's own log")


class StoreError(FreshetError):
    """Root of the artifact store's errors."""


class ArtifactConflict(StoreError):
    """The name already holds different bytes."""

    def __init__(self, name: str, *, expected: str, found: str) -> None:
        super().__init__(
            f"artifact {name}: the store holds other bytes (sha256 {found[:12]}…) than the file to"
            f" put ({expected[:12]}…); use a new name, names are never reused"
        )


class ArtifactMissing(StoreError):
    """The name is not in the store."""

    def __init__(self, name: str, *, store: str) -> None:
        super().__init__(f"artifact {name}: not in {store}")


class ArtifactCorrupt(StoreError):
    """The bytes are not the ones that were put."""

    def __init__(self, name: str, *, expected: str, found: str) -> None:
        super().__init__(
            f"artifact {name}: expected sha256 {expected[:12]}…, found {found[:12]}…;"
            " restore it from a backup or another node"
        )


class BadPicture(FreshetError):
    """A picture can't be fetched, or is not one that can be read; the text says why."""


class LogGap(FreshetError):
    """Records after our cursor are gone from the log. `gone` is the message without the remedy."""

    def __init__(self, *, log: str, cursor: str, earliest: str) -> None:
        self.gone = (
            f"event log {log}: records after cursor {cursor} are gone (the earliest left is"
            f" {earliest}), and none is skipped silently"
        )
        super().__init__(
            f"{self.gone}; if the log was recreated or the loss is acceptable,"
            " stop the worker and run: python -m cron follow --new-log --once"
        )


class JournalAhead(FreshetError):
    """The store holds segments that the ledger does not have."""

    def __init__(self, *, name: str, last_seq: int) -> None:
        super().__init__(
            f"the artifact store holds {name}, which is not in the ledger, whose last number is"
            f" {last_seq}: an older ledger was restored, and nothing is collected over newer"
            " records; stop the worker and run: python -m cron adopt"
        )


class ServerRefused(FreshetError):
    """TorchServe answered with an error status."""

    def __init__(self, version: int | None, *, status: int, message: str) -> None:
        self.status = status
        self.message = message
        what = "the default version" if version is None else f"version {version}"
        super().__init__(f"TorchServe refused {what}: {status} {message}")


class NoRoom(FreshetError):
    """TorchServe's machine has no memory for one more version."""

    def __init__(self, *, taken_bytes: int, left_bytes: int) -> None:
        super().__init__(
            "TorchServe's machine has no memory for one more version (the live version's worker"
            f" uses {taken_bytes / 2**20:.0f} MiB, and {left_bytes / 2**20:.0f} MiB are free);"
            " the live version stays: add memory, or lower release.keep_registered"
        )


class Unanswered(FreshetError):
    """A registered version did not answer a probe: a fault of a worker or its machine."""

    def __init__(self, version: int, *, why: str) -> None:
        self.version = version
        super().__init__(
            f"version {version} is registered and did not answer a probe ({why});"
            " see torchserve.log and model.log"
        )


class TrainingFailed(FreshetError):
    """The trainer produced no candidate."""

    def __init__(self, *, exit_status: int | None, limit_s: float, log: Path, tail: str) -> None:
        if exit_status is None:
            how = f"did not end within {limit_s:.0f} s"
        else:
            how = f"ended with status {exit_status}"
        super().__init__(f"the trainer {how}; its log is {log}; last lines:\n{tail}")


class TrainerDied(TrainingFailed):
    """A fault of the machine, which says nothing about the data or the model."""


class LeaseLost(FreshetError):
    """Another worker holds the lease now."""

    def __init__(self, *, holder: str) -> None:
        super().__init__(f"the lease is held by {holder}; this worker does nothing more")


class Superseded(FreshetError):
    """The live version changed during a run."""

    def __init__(self, *, expected: int | None, found: int | None) -> None:
        super().__init__(
            f"version {expected} was live when this run began and {found} is live now;"
            " the run is dropped"
        )


class TrainedOnExcluded(Superseded):
    """Events were excluded that the run has already used."""

    def __init__(self, first_seq: int, last_seq: int) -> None:
        what = f"events {first_seq}–{last_seq} were excluded after this run had begun"
        FreshetError.__init__(self, f"{what}; the run is dropped, and the next one leaves them out")


class Overtaken(FreshetError):
    """A later decision than this rollback or promotion was carried out."""

    def __init__(self, version: int, *, live: int | None) -> None:
        super().__init__(
            f"the change to version {version} was overtaken by a later decision:"
            f" version {live} is live now"
        )


class RolledBackMeanwhile(FreshetError):
    """Somebody else rolled back after this rollback was requested."""

    def __init__(self, version: int, *, live: int | None) -> None:
        super().__init__(
            f"version {version} was rolled back by somebody else a moment ago: version {live} is"
            " live, and nothing more was done; to go further back, run:"
            " python -m cron rollback VERSION"
        )


class LiveChanged(FreshetError):
    """Another release is live than the one that a person saw before deciding."""

    def __init__(self, *, expected: int, found: int | None) -> None:
        super().__init__(
            f"version {expected} was live when this was decided, and"
            f" {'nothing' if found is None else f'version {found}'} is live now: nothing was done;"
            " look at the status and decide again"
        )


class Held(FreshetError):
    """Publishing is paused."""

    def __init__(self, *, reason: str) -> None:
        super().__init__(f"publishing is paused ({reason}) until `python -m cron resume`")


class Stopped(FreshetError):
    """This worker was asked to stop."""

    def __init__(self) -> None:
        super().__init__("the worker was asked to stop; the next start continues the run")


class AlreadyRunning(FreshetError):
    """Another process does the worker's job here."""

    def __init__(self, *, holder: str, where: str) -> None:
        super().__init__(
            f"{holder} already works in {where}; stop it first, or use another store.var"
        )


class WrongUserId(FreshetError):
    """The text is not a valid user id."""

    def __init__(self, user_id: str, *, expected: str) -> None:
        super().__init__(f"user_id: found {ascii(user_id)[:80]}, expected {expected}")


class KeyNameInUse(FreshetError):
    """An API key with that name was made before, and may be revoked."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"a key named {name!r} was made before, and names are never reused; choose another"
            " name (`python -m cron keys list` shows all)"
        )


class UnknownKey(FreshetError):
    """No API key has that name."""

    def __init__(self, name: str, *, known: list[str]) -> None:
        names = ", ".join(known) or "none"
        super().__init__(f"no key is named {name!r}; existing keys: {names}")


class TooManyPlacements(FreshetError):
    """The ledger has as many placements as there may be."""

    def __init__(self, *, limit: int) -> None:
        super().__init__(f"there are {limit} placements already; delete one first")


class UnknownPanelKey(FreshetError):
    """A release's panel uses a key that is not in the ledger."""

    def __init__(self, key: str, *, known: str) -> None:
        super().__init__(
            f"a release stores its judged users under the panel key {key}, and this ledger holds"
            f" the key {known}; restore the ledger that made the release, or a backup of it"
        )


class UnknownVersion(FreshetError):
    """No release has that version."""

    def __init__(self, version: int, *, known: list[int]) -> None:
        versions = ", ".join(map(str, known)) or "none"
        super().__init__(f"no release has version {version}; existing versions: {versions}")


class NoArchive(FreshetError):
    """The archive of a release was deleted."""

    def __init__(self, version: int) -> None:
        super().__init__(
            f"the archive of version {version} was deleted (release.keep_releases), so it can't be"
            " loaded; `python -m cron releases` lists those that are kept"
        )


class TooManySideVersions(FreshetError):
    """As many versions as there may be are loaded beside the live one."""

    def __init__(self, version: int, *, limit: int, taken: list[int]) -> None:
        super().__init__(
            f"version {version} can't be loaded beside the live one: versions"
            f" {', '.join(map(str, taken))} are, and release.max_side_versions is {limit}; stop an"
            " experiment, or raise it if the model server has the memory"
        )


class NothingToRollBackTo(FreshetError):
    """There is no earlier good release."""

    def __init__(self, *, live: int | None) -> None:
        if live is None:
            what = "nothing is live yet"
        else:
            what = f"there is no earlier good release than version {live}"
        super().__init__(f"{what}; `python -m cron releases` lists them")
