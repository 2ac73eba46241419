"""Ready-made releases: untrained bundles, packed, stored and published in order."""

from __future__ import annotations

from pathlib import Path

from cron.ledger import release_rows, switches
from cron.services import Services
from cron.serving import release
from tests.planted import planted_bundle
from tests.releases import manifest
from tests.workshop import lease_of, open_workshop
from trainer.archive import pack
from trainer.machine.durable_files import sha256_of


def open_shelf(folder: Path, *versions: int) -> Services:
    """Open a workshop in which these versions were published; the last one is live."""
    services = open_workshop(folder)
    planted_bundle(folder / "bundle")
    for version in versions:
        mar = pack(bundle=folder / "bundle", version=version, out=folder / "packed")
        publish_archive(services, version, mar)
    return services


def publish_archive(services: Services, version: int, mar: Path) -> None:
    """Store an archive, register it with the model server, and make it live."""
    lease = lease_of(services.ledger)
    services.artifacts.put(mar.name, mar)
    entry = manifest(version, archive=mar.name, archive_sha256=sha256_of(mar))
    release_rows.add(services.ledger, entry, lease=lease)
    services.server.register(version, services.artifacts.url(mar.name))
    release.publish(
        services.ledger,
        services.server,
        version,
        expected=switches.serving(services.ledger).live,
        lease=lease,
    )
