"""Metrics of the whole system, read from the ledger, the log and the histories."""
