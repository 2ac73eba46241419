"""The verifier: whether a text says only what its brief says. Pure; one rule per module."""
