"""Placements: the named places of lists, with the rules of their lists."""
