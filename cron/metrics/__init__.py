"""Metrics and the overview of the whole system, from the ledger, the log and the histories."""
