"""The verbs of the command line, a module each: `SUMMARY`, `add_arguments(parser)`, `run(arguments, loaded) -> exit status`.

A module's top loads only what is quick; what a verb needs is imported when it runs.
"""
