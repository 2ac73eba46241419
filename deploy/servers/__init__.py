"""The real servers: one module per server, from its configuration file to its start command."""
