"""The best rows of a large catalogue for each user: an exact scan, and one of a few cells."""
