"""`make serve`: everything on one machine with the embedded back ends."""
