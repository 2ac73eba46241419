"""HTTP: connections, request bodies, access, refusals. Nothing here knows a recommendation."""
