"""Callers: their keys and roles, and what each may do."""
