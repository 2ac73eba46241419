"""The panel's secret key: one per installation, created with its ledger, read by cron alone.

A release records the id of its panel's key. Older releases, from before there was a secret, have
none: their updates keep using the plain hash, and the next full retrain uses the secret.
"""

from __future__ import annotations

from cron.errors import UnknownPanelKey
from cron.ledger.ledger import Ledger
from cron.ledger.secret_rows import secret
from cron.lineage import Manifest
from cron.snapshot.panel import PLAIN, Panel, key_id


def own_panel(ledger: Ledger, *, share: float) -> Panel:
    """Return the panel of that share under the installation's secret."""
    own_secret = secret(ledger, "panel")
    return Panel(share=share, key=key_id(own_secret), secret=own_secret)


def panel_by(ledger: Ledger, *, share: float, key: str) -> Panel:
    """Return the panel of that share under the key of that id; raise UnknownPanelKey."""
    if key == PLAIN:
        return Panel(share=share)
    own = own_panel(ledger, share=share)
    if own.key != key:
        raise UnknownPanelKey(key, known=own.key)
    return own


def panel_of(ledger: Ledger, manifest: Manifest) -> Panel:
    """Return the users whom a release kept out of its training; raise UnknownPanelKey."""
    return panel_by(ledger, share=manifest.panel_share, key=manifest.panel_key)
