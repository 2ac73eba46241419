"""Start Freshet: settings files here, programs in the folders below.

install      `.venv` and its packages, from the requirement and lock files
supervision  supervisord: its configuration, its driver, what it passes to its programs
servers      the real servers: one module per server, from its configuration to its command
machine      `make serve`: one machine with the embedded back ends
stack        `make stack`: the same programs on real servers, natively or with Docker Compose
"""
