"""Intake of records: into the event log, durably, and into the histories."""
