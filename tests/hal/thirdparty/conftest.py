"""A virtual bench in a process of its own, on fixed ports, as somebody with other software would start it."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
from collections.abc import Iterator

A1 = ("1101", "1202", "1303", "1404")  # the relays of device A1


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextlib.contextmanager
def virtual_bench(*options: str) -> Iterator[dict[str, str]]:
    """`python -m rheostat_hal.virtual --flex-port P --tsp-port Q`: the VISA resources of its instruments."""
    ports = {"--flex-port": free_port(), "--tsp-port": free_port()}
    command = [sys.executable, "-m", "rheostat_hal.virtual", "--until-eof", *options]
    for option, port in ports.items():
        command += [option, str(port)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said = list(iter(process.stdout.readline, "ready\n"))
    resources = dict(line.split() for line in said)
    served = [resources["analyser"], resources["switch"]]
    assert served == [f"TCPIP0::127.0.0.1::{port}::SOCKET" for port in ports.values()]
    try:
        yield resources
    finally:
        process.communicate(timeout=10)


def tell(resource: str, line: str) -> str:
    """One line to an instrument, and its answer."""
    _, host, port, _ = resource.split("::")
    with socket.create_connection((host, int(port)), timeout=5.0) as sock, sock.makefile("r") as replies:
        sock.sendall(f"{line}\n".encode())
        return replies.readline().strip()


def close_relays(resource: str, *channels: str) -> None:
    listed = ",".join(channels)
    answer = tell(resource, f"channel.exclusiveclose('{listed}') print(channel.getclose('allslots'))")
    assert answer == (";".join(channels) or "nil")
