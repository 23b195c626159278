"""The B1500A: FLEX over a socket. Written from the manuals' pages alone; it shares nothing with the drivers."""
