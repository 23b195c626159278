"""The 3706A: TSP over a socket, on an embedded Lua; it shares nothing with the drivers."""
