"""HTTP: connections, request bodies, access and refusals."""
