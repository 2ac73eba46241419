"""The real servers, natively: one module a server, from its configuration file to the command that starts it.

`make stack` starts all of them with Freshet on top; the service tests start each alone. Nothing
here needs Docker.
"""
