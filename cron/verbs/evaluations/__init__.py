"""What `evaluate` does: slates and their rewards, propensities of a policy, and findings."""
