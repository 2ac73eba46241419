"""The networks: item facts and histories in, vectors, scores and ratings out."""
