"""Ready-made releases: untrained bundles packed as real archives, put, entered in the ledger, and published one after the other."""

from __future__ import annotations

from pathlib import Path

from cron.parts import Parts
from cron.serving import release
from tests.planted import planted_bundle
from tests.releases import manifest
from tests.workshop import lease_of, open_workshop
from trainer.archive import pack, sha256_of


def open_shelf(folder: Path, *versions: int) -> Parts:
    """Open a workshop in which these versions were published; all are loaded and the last is live."""
    parts = open_workshop(folder)
    planted_bundle(folder / "bundle")
    lease = lease_of(parts.ledger)
    for version in versions:
        mar = pack(bundle=folder / "bundle", version=version, out=folder / "packed")
        parts.artifacts.put(mar.name, mar)
        parts.ledger.add_release(
            manifest(version, archive=mar.name, archive_sha256=sha256_of(mar)), lease=lease
        )
        parts.server.register(version, mar.name)
        release.switch(
            parts.ledger, parts.server, version, expected=parts.ledger.serving().live, lease=lease
        )
    return parts
