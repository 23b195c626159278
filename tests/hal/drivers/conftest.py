"""Real sockets and real processes to drive against."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

Handler = Callable[[socket.socket], None]


@pytest.fixture
def serve() -> Iterator[Callable[[Handler], str]]:
    """serve(handler) listens on loopback, runs `handler(connection)` in a thread and gives the VISA resource."""
    servers: list[socket.socket] = []
    threads: list[threading.Thread] = []
    connections: list[socket.socket] = []

    def start(handler: Handler) -> str:
        server = socket.create_server(("127.0.0.1", 0))
        servers.append(server)

        def run() -> None:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            connections.append(connection)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with connection:
                try:
                    handler(connection)
                except OSError:
                    return

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        threads.append(thread)
        return f"TCPIP0::127.0.0.1::{server.getsockname()[1]}::SOCKET"

    yield start
    for each in [*connections, *servers]:
        try:
            each.shutdown(socket.SHUT_RDWR)
        except OSError:
            continue  # already gone
        finally:
            each.close()
    for thread in threads:
        thread.join(5)
