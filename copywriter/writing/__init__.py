"""Texts by a language model: what it is asked, the models, and what becomes of what they write."""
