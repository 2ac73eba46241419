"""The ranker: histories in; scores, ratings and the best items of the catalogue out."""
