"""Texts by a language model: what it is asked, the models, and what is kept of their texts."""
