"""How good a candidate is: metrics, their values on the panel, and golden answers."""
