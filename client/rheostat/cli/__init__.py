"""The `rheostat` command: `parser` (what can be said), `main` (run it), `commands` (what each does), `show` (how it
looks), `given` (targets from arguments and files)."""
