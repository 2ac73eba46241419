"""Texts about items that are written ahead: writers, what is ready, what it may cost."""
