"""A contextual bandit over actions with features: pure, it knows no store and no API."""
