"""The verbs of the command line, one module each.

A module has `SUMMARY`, `add_arguments(parser)` and `run(arguments, loaded)`, which returns the exit
status. At its top it imports only what loads quickly; the rest is imported in `run`.
"""
