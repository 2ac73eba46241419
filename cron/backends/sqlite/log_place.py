"""Places in the event log of a SQLite file, which cursors name."""

from __future__ import annotations

from dataclasses import dataclass

from cron.ports import Cursor


@dataclass(frozen=True, slots=True)
class LogPlace:
    """A position in the log that has this identity.

    The identity is random and made with the file, so a cursor of a deleted log is never taken for
    a place in its successor.
    """

    position: int
    identity: str

    @classmethod
    def parse(cls, cursor: Cursor) -> LogPlace | None:
        """Return the place that a cursor names; None for START and for those of other logs."""
        position, _, identity = cursor.partition("@")
        return cls(int(position), identity) if identity and position.isdigit() else None

    @property
    def cursor(self) -> Cursor:
        """The cursor: `position@identity`."""
        return Cursor(f"{self.position}@{self.identity}")

    def reaches(self, other: LogPlace) -> bool:
        """Return whether a reader at this place has read the entry at the other one."""
        return self.identity == other.identity and self.position >= other.position
