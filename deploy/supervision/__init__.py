"""supervisord, which restarts the programs of `make serve` and `make stack`.

configuration  what supervisord is asked to run, and the text of its configuration file
supervisor     the driver: start supervisord, ask about programs, start and stop them, leave nothing
supervisord    the program itself, with logs that never stop a program
confine        a program that becomes another one with the environment variables of its kind alone
"""
