"""The bodies of requests and answers, one dataclass each."""
