"""Which release is live, and which versions the model server has loaded.

The verbs of this room:

* load: register a release's archive on a node, from the artifact store.
* reload: load a version again on a node where it lost its workers.
* switch: change the live version, in the ledger and as the server's default. A switch is begun in
  the ledger, carried out on the server, and ended in the ledger. `publish` (the worker), `rollback`
  and `promote` (a person) and `restore` are the four kinds.
* side versions: loaded beside the live one, because an experiment or a trial needs them.
* stand in: a rollback candidate answers while the live version cannot.
* restore: load the live version when no node has it any more, or let another one stand in.
* reconcile: compare the server with the ledger at every look, and do one of the above.
"""
