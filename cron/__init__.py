"""Decide which model is live: the worker, its ledger, its ports and their back ends."""
