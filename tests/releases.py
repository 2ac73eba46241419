"""Complete manifests and reasons for tests, and releases entered in a ledger."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from cron.ledger import release_rows, switches
from cron.ledger.ledger import Ledger
from cron.lineage import Lease, Manifest, Reason
from recommender.config import BUNDLE_FORMAT

_PLAIN = Manifest(
    version=1,
    mode="full",
    run_id=1,
    parent=None,
    anchor=1,
    supersedes=None,
    target_range=(1, 100),
    trained_through=100,
    items_through=100,
    excluded=(),
    panel_share=0.1,
    archive="rec-1-0123456789ab.mar",
    archive_sha256="01" * 32,
    state=None,
    bundle_digest="b",
    data_digest="d",
    code_digest="c",
    bundle_format=BUNDLE_FORMAT,
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
    config={},
    metrics={},
    libraries={},
    num_items=40,
)


def manifest(version: int, **changes: object) -> Manifest:
    """Return a manifest of that version."""
    named = {"version": version, "archive": f"rec-{version}-0123456789ab.mar"}
    return msgspec.structs.replace(_PLAIN, **{**named, **changes})


def reason(name: str, *, ok: bool) -> Reason:
    """Return a reason with every number set."""
    return Reason(
        name=name, ok=ok, text=f"{name}: −.011", value=-0.011, low=-0.014, high=0.001, limit=-0.01
    )


def publish_releases(ledger: Ledger, lease: Lease, *versions: int) -> None:
    """Make versions live, one after the other, in the ledger alone."""
    publish_manifests(ledger, lease, *map(manifest, versions))


def publish_manifests(ledger: Ledger, lease: Lease, *manifests: Manifest) -> None:
    """Make releases live, one after the other, in the ledger alone."""
    for one in manifests:
        release_rows.add(ledger, one, lease=lease)
        begun = switches.begin_publish(
            ledger, one.version, expected=switches.serving(ledger).live, lease=lease
        )
        assert switches.end(ledger, begun)
