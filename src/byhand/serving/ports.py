"""Where a replica listens for others of the service."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def keep_to_node() -> None:
    """Let Ray Serve open this replica's internal port at the node's own address.

    It opens it at all addresses of the machine, there is no setting for that, and who reaches the
    port has his bytes unpickled. At the node's address, which is 127.0.0.1 where Ray is of this
    machine alone, those reach it that are of the cluster.

    To be called in a replica's process before the replica is ready.
    """
    ray: Any = import_module("ray.util")
    replica: Any = import_module("ray.serve._private.replica")
    opened, node = replica.add_port_to_grpc_server, ray.get_node_ip_address()
    host = f"[{node}]" if ":" in node else node

    def narrowed(server: Any, address: str) -> Any:
        return opened(server, address.replace("[::]:", f"{host}:"))

    replica.add_port_to_grpc_server = narrowed
