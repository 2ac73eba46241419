"""SQLite: the embedded event log and histories."""
