"""The Settings tree: one TOML file, environment overrides, every default a decision.

Each part of the program gets only its branch. Reading and checking is in `cron.settings.file`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from trainer.config import TrainConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSettings:
    """Where things are kept; each a URL whose scheme picks the back end. Relative paths start at the project's root."""

    events: str = "sqlite:///var/events.db"
    histories: str = "sqlite:///var/histories.db"
    artifacts: str = "file:///archives"
    ledger: str = "sqlite:///var/ledger.db"
    launcher: str = "process:"
    server: str = "torchserve://127.0.0.1:8081/rec?inference=8080"
    var: str = "var"  # runs, caches, logs, dead letters


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """When the worker runs a cycle."""

    interval_s: float = 120.0  # a turn at least this often; `cron` replaces it when set
    cron: str | None = None  # a crontab expression, UTC
    after_events: int = 1000  # or as soon as so many new events wait, whichever is first
    min_events: int = 500  # fewer are not worth an update: a gate on a handful decides nothing
    full_every_s: float = (
        86_400.0  # a full retrain a day; updates between full retrains, not instead of them
    )
    # of the time goes into full retrains that come sooner while they are cheap; 0: none.
    # docs/log.md
    full_share: float = 0.1
    max_events_per_run: int = 200_000  # the oldest so many train now, the rest wait
    max_refusals: int = 3  # so many refusals since the last release call for a full retrain
    refusal_backoff_s: float = 120.0  # after a run that was refused or failed; doubled with each
    train_limit_s: float = 7_200.0
    poll_s: float = 1.0  # how often the log, the server's default and the followers are looked at
    lease_s: float = 30.0
    grace_s: float = 8.0  # after SIGTERM
    metrics_host: str = (
        "127.0.0.1"  # where Prometheus reads the worker's figures; they ask nobody for a key
    )
    metrics_port: int = 8010  # 0: nowhere


@dataclass(frozen=True, slots=True, kw_only=True)
class GateSettings:
    """Figures to start from; measured shares of accepted honest and damaged updates are in docs/log.md."""

    live_tolerance: float = 0.01  # NDCG@10, one-sided 95 % lower bound of candidate minus live
    anchor_tolerance: float = 0.02
    older_tolerance: float = (
        0.015  # NDCG@10 on older panel events; honest updates of MovieLens 100K: −.008 at the least
    )
    popularity_margin: float = 0.0
    rating_tolerance: float = 0.01  # of the rating scale's width
    min_coverage_ratio: float = 0.5  # of live's
    min_users: int = 50
    min_events: int = 1000
    min_panel_share: float = 0.05
    max_panel_share: float = 0.20
    max_user_share: float = 0.01  # of a run's events, at least 1,000: what one user may contribute
    max_item_share: float = (
        0.1  # of a run's events, at least 1,000, and of the panel's: what one item may
    )
    max_shift: float | None = (
        None  # of the mix of new events, beyond which publishing is paused; None: only an alarm
    )
    resamples: int = 2000
    probe_p99_ms: float = 250.0
    num_probes: int = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseSettings:
    """How releases are kept."""

    keep_registered: int = 3  # live and two to roll back to, loaded
    keep_releases: int = 20  # archives on disk or in the store
    keep_journal_days: float | None = None  # None: for ever
    drain_timeout_s: float = 60.0
    sign_archives: bool = (
        False  # with the key in store.var; off where archives never leave the machine
    )
    require_signatures: bool = (
        False  # by the nodes that we start; on once every kept release is signed
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySettings:
    """The HTTP door."""

    host: str = "127.0.0.1"  # loopback until tokens are on; see docs/operations.md
    port: int = 8000
    inference_timeout_s: float = 2.0
    api_key: str | None = field(default=None, metadata={"secret": True})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The whole tree."""

    store: StoreSettings = field(default_factory=StoreSettings)
    worker: WorkerSettings = field(default_factory=WorkerSettings)
    gate: GateSettings = field(default_factory=GateSettings)
    release: ReleaseSettings = field(default_factory=ReleaseSettings)
    gateway: GatewaySettings = field(default_factory=GatewaySettings)
    train: TrainConfig = field(default_factory=TrainConfig)
