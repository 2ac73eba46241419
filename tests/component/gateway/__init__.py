"""The gateway over HTTP, with real SQLite back ends and a stand-in for TorchServe."""
