"""Policies: how the items of a list are chosen from their scores, with exact propensities."""
