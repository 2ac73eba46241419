"""Which keys each call is for: the one list of all calls."""

from __future__ import annotations

from collections.abc import Mapping

from cron.api_keys import Role

Roles = frozenset[Role]

_SHOPPERS: Roles = frozenset({"browser", "read"})  # what a shop's page may read
_READERS: Roles = frozenset({"read"})
_VISITORS: Roles = frozenset({"browser", "write"})
_WRITERS: Roles = frozenset({"write"})
_OPERATORS: Roles = frozenset({"operate"})
_WATCHERS: Roles = frozenset({"read", "operate"})

# by method and path as in docs/gateway.md; a key needs one of the roles
CALLS: Mapping[str, Roles] = {
    "POST /v1/events": _VISITORS,
    "POST /v1/events/segment": _WRITERS,
    "POST /v1/track": _WRITERS,
    "POST /v1/batch": _WRITERS,
    "POST /v1/events/ga4": _WRITERS,
    "POST /v1/items": _WRITERS,
    "POST /v1/facts": _WRITERS,
    "DELETE /v1/facts": _WRITERS,
    "DELETE /v1/users/{user_id}": _WRITERS,
    "GET /v1/recommendations/{user_id}": _SHOPPERS,
    "POST /v1/recommendations": _SHOPPERS,
    "POST /predict": _READERS,
    "POST /v1/propensities": _READERS,
    "POST /v1/copy": _READERS,  # a language model may take long, which pages must not ask of it
    "GET /v1/copy/texts": _WATCHERS,
    "GET /v1/copy/texts/{digest}": _WATCHERS,
    "PUT /v1/copy/texts/{digest}": _OPERATORS,
    "DELETE /v1/copy/texts/{digest}": _OPERATORS,
    "POST /v1/operate/rollback": _OPERATORS,
    "POST /v1/operate/promote": _OPERATORS,
    "POST /v1/operate/pause": _OPERATORS,
    "POST /v1/operate/resume": _OPERATORS,
    "POST /v1/operate/trial": _OPERATORS,
    # a page would show hidden items and texts that the shop keeps to itself
    "GET /v1/items": _READERS,
    "GET /v1/items/{item_id}": _READERS,
    "PATCH /v1/items/{item_id}": _WRITERS,
    "DELETE /v1/items/{item_id}": _WRITERS,
    "GET /v1/users/{user_id}/history": _READERS,
    "GET /v1/items/{item_id}/similar": _SHOPPERS,
    "POST /v1/similar": _SHOPPERS,
    "GET /v1/pictures": _SHOPPERS,
    "GET /v1/popular": _SHOPPERS,
    "GET /v1/trending": _SHOPPERS,
    "GET /v1/new": _SHOPPERS,
    "GET /v1/search": _SHOPPERS,
    "GET /v1/release": _SHOPPERS,
    "GET /v1/placements": _READERS,
    "GET /v1/placements/{name}": _READERS,
    "PUT /v1/placements/{name}": _WRITERS,
    "DELETE /v1/placements/{name}": _WRITERS,
    "GET /v1/placements/{name}/changes": _READERS,
    "GET /v1/experiments": _WATCHERS,
    "GET /v1/experiments/{name}": _WATCHERS,
    "PUT /v1/experiments/{name}": _OPERATORS,
    "POST /v1/experiments/{name}/stop": _OPERATORS,
    "POST /personalizer/{api_version}/rank": _WRITERS,
    "POST /personalizer/{api_version}/events/{event_id}/reward": _WRITERS,
    "POST /personalizer/{api_version}/events/{event_id}/activate": _WRITERS,
    "POST /personalizer/{api_version}/multislot/rank": _WRITERS,
    "POST /personalizer/{api_version}/multislot/events/{event_id}/reward": _WRITERS,
    "POST /personalizer/{api_version}/multislot/events/{event_id}/activate": _WRITERS,
    "GET /v1/personalizer": _WATCHERS,
    "GET /v1/status": _WATCHERS,
    "GET /metrics": _WATCHERS,
}

# what shows nothing of a shop, or asks for a key itself
OPEN_CALLS = frozenset(
    {
        "GET /",
        "GET /docs",
        "GET /docs/{asset}",
        "GET /freshet.js",
        "GET /freshet.d.ts",
        "GET /freshet-api.d.ts",
        "GET /healthz",
        "GET /readyz",
        "GET /shop",
        "GET /shop.js",
        "GET /v1/pictures/{sha256}.jpg",  # who has the sha256 of a thumbnail was shown it
    }
)
