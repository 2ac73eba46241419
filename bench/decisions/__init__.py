"""The bench of decisions: experiments, policies and what they are worth."""
