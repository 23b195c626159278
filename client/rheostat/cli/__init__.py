"""The `rheostat` command: `parser` (what can be said), `main` (run it), `look`, `follow`, `commands` (what each does),
`show` (how it looks), `given` (targets from arguments and files)."""
