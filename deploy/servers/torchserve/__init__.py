"""TorchServe's Java front end, in place of the process that starts it.

    python -m deploy.servers.torchserve --model-store archives --var var

So a supervisor's child is the server itself. It starts empty; the worker loads the releases.

Who may register an archive can run code as this account. So the management API is a Unix socket
for this account alone (`VAR/management-PORT.sock`), and gRPC is left out. Only with `--remote` does
the management API listen on the network, where it asks for a key.

TorchServe's own launcher is not used: it leaves a Java process behind when it ends, shares one pid
file between all servers of a machine, and passes PYTHONPATH on, so that a worker would import a
checkout's code instead of its archive's.

__main__         the options, and the change of this process into TorchServe
command          the Java command and its environment
configuration    TorchServe's properties and metrics files
own_files        the lock, and what a killed server left behind
without_grpc     the server class without its gRPC servers
forked_workers   workers are forked from one process, whose imports they share
fork_server      that process: imports, then forks
forked_worker    asks for a worker and waits for its end, or becomes Python
programs         scripts that TorchServe starts in place of Python
signed_archives  workers start through the guard, where signatures are required
guard            verifies an unpacked archive, then becomes Python
"""
