"""The commands of TorchServe, its management door, the gateway and the worker."""

from __future__ import annotations

import sys

from cron.settings.places import var_folder
from cron.settings.tree import Settings
from cron.urls import files
from cron.urls.torchserve import Node
from deploy.machine.endpoints import Endpoints
from deploy.servers.torchserve.forked_workers import import_options
from deploy.servers.torchserve.signed_archives import signature_options
from deploy.supervision.confine import confine


def commands(settings: Settings, node: Node, where: Endpoints) -> dict[str, list[str]]:
    """Return each program's command, by its name."""
    by_name = {"torchserve": _torchserve(settings, node, where)}
    if node.socket is not None:
        door = [sys.executable, "-m", "deploy.servers.management_door", "--host", node.host]
        door += [f"{node.management_port}={node.socket}"]
        by_name["management"] = confine("server", door)
    by_name["gateway"] = confine("gateway", [sys.executable, "-m", "gateway"])
    by_name["worker"] = confine("worker", [sys.executable, "-m", "cron", "worker"])
    return by_name


def archive_options(settings: Settings) -> list[str]:
    """Return TorchServe's options for its archives.

    Its model store is the artifact store's folder, or its own folder, into which it fetches
    archives from a bucket.
    """
    url, signatures = settings.store.artifacts, signature_options(settings)
    if not url.startswith("s3:"):
        return ["--model-store", str(files.parse(url).path), *signatures]
    from cron.backends.artifacts.s3.client import archives_url
    from cron.urls import s3

    shared = s3.parse(url).shared
    if shared is not None:
        return ["--model-store", str(shared), *signatures]
    own = var_folder(settings) / "model-store"
    return ["--model-store", str(own), "--archives", archives_url(url), *signatures]


def _torchserve(settings: Settings, node: Node, where: Endpoints) -> list[str]:
    command = [sys.executable, "-m", "deploy.servers.torchserve"]
    command += ["--var", str(var_folder(settings)), *archive_options(settings)]
    command += ["--host", node.host]
    ports = {
        "--inference": node.inference_port,
        "--management": node.management_port,
        "--metrics": where.metrics_port,
    }
    command += [str(part) for option in ports.items() for part in option]
    command += import_options(settings)
    command += ["--tokens"] if node.keys else []
    command += ["--socket", str(node.socket)] if node.socket is not None else ["--remote"]
    return command
