"""Choices among actions for the Personalizer calls, and the loop that learns from rewards."""
