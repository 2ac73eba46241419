"""Texts about recommended items: the facts that a text may state, templates, and a verifier."""
