"""How titles, genres and roles are written in a language, and what no text may contain."""
