"""A bare pyzmq echo: the least a round trip over ROUTER and DEALER can cost. Prints its port, ends with its stdin."""

from __future__ import annotations

import json
import sys
import threading

import zmq


def main() -> None:
    context = zmq.Context()
    router = context.socket(zmq.ROUTER)
    port = router.bind_to_random_port("tcp://127.0.0.1")
    print(json.dumps({"port": port}), flush=True)
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    while True:
        router.send_multipart(router.recv_multipart())


def _end_with_stdin() -> None:
    sys.stdin.read()
    import os

    os._exit(0)


if __name__ == "__main__":
    main()
