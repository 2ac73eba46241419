"""The bench of texts: what the verifier catches, and what a list with texts costs."""
