"""Texts about items in answers: briefs from lists, and what is ready for them."""
