"""What the import contracts cannot see: what really gets loaded, how big modules are, what the tree speaks of."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import grimp
import pytest

from rheostat.local import LocalDaemon

ROOT = Path(__file__).resolve().parent.parent
SOURCES = [path for room in ("client", "daemon", "hal") for path in sorted((ROOT / room).rglob("*.py"))]
TOP_LEVEL = {
    *("pyproject.toml", "README.md", "daemon", "client", "hal", "tests", "deploy"),
    *("Makefile", "LICENSE", "CHANGELOG.md", ".ci", ".gitignore"),
}
LONGEST = 360  # lines of a module
WIRE = {
    "rheostat.wire",
    *(f"rheostat.wire.{part}" for part in ["base", "frames", "jobs", "replies", "requests", "tables"]),
}
CURVES = {"rheostat.curves", *(f"rheostat.curves.{part}" for part in ["choice", "maps", "sweeps"])}
HEAVY = {"torch", "aihwkit", "matplotlib", "h5py", "rich", "sklearn", "pandas"}


def loaded_by(code):
    """Names of all modules in a new interpreter after running `code`."""
    command = [sys.executable, "-c", f"{code}\nimport sys, json; print(json.dumps(sorted(sys.modules)))"]
    return set(json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout))


def ours(modules):
    return {name for name in modules if name.split(".")[0] in ("rheostat", "rheostatd", "rheostat_hal")}


def tracked_files():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout: which files belong to the project is not known")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).exists()]


def test_importing_rheostat_loads_nothing_else():
    assert ours(loaded_by("import rheostat")) == {"rheostat"}


def test_importing_the_wire_brings_no_client_and_no_socket():
    loaded = loaded_by("from rheostat import wire")
    assert ours(loaded) == {"rheostat", *WIRE}
    assert not loaded & {"zmq", "scipy", "numba", *HEAVY}


def test_wire_and_curves_are_leaves():
    graph = grimp.build_graph("rheostat")
    for leaf in WIRE:
        assert ours(graph.find_modules_directly_imported_by(leaf)) <= WIRE
    for leaf in CURVES:
        assert ours(graph.find_modules_directly_imported_by(leaf)) <= WIRE | CURVES


def test_importing_the_instruments_starts_no_visa_and_no_simulation():
    loaded = loaded_by("import rheostat_hal.bench, rheostat_hal.rig, rheostat_hal.values, rheostat_hal.errors")
    assert not loaded & {"pyvisa", "lupa", "numba", *HEAVY}


def test_the_running_daemon_holds_nothing_of_the_client_but_wire_and_curves(tmp_path):
    """All its processes report each import: service, executor and virtual bench."""
    with LocalDaemon(tmp_path, variables={"PYTHONPROFILEIMPORTTIME": "1"}) as daemon:
        daemon.ready(timeout=180.0)
    report = daemon.log.read_text(errors="replace")
    loaded = set(re.findall(r"^import time:.*\| *(\S+)$", report, re.MULTILINE))
    assert {"rheostatd.service.front", "rheostatd.executor.loop", "rheostat_hal.virtual.world"} <= loaded
    assert {name for name in loaded if name.split(".")[0] == "rheostat"} <= {"rheostat", *CURVES, *WIRE}
    assert not {name.split(".")[0] for name in loaded} & (HEAVY - {"rich"})  # structlog loads rich where it finds it


def test_every_module_is_small_enough_to_read():
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in SOURCES}
    assert not {name: lines for name, lines in lengths.items() if lines > LONGEST}


ONE_SYSTEMS_MODULES = {*("fcntl", "pwd", "grp", "resource", "termios", "tty", "pty", "syslog", "msvcrt", "winreg")}
ONE_SYSTEMS_OPTIONS = {"start_new_session", "pass_fds", "preexec_fn", "process_group", "creationflags"}
ONE_SYSTEMS_NAMES = {
    "os": {
        *("fork", "forkpty", "setsid", "getsid", "setpgid", "setpgrp", "getpgid", "getpgrp", "killpg", "kill", "wait"),
        *("waitpid", "posix_spawn", "spawnv", "getuid", "geteuid", "getgid", "getegid", "chown", "fchown", "fchmod"),
        *("mkfifo", "mknod", "set_blocking", "uname", "statvfs", "sync", "fdatasync", "sendfile", "pipe2", "nice"),
        *("O_DIRECTORY", "O_NOFOLLOW", "O_NONBLOCK", "O_BINARY", "name", "startfile", "pread", "pwrite", "lockf"),
    },
    "sys": {"platform", "getwindowsversion"},
    "signal": {
        *("SIGKILL", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGCHLD", "SIGPIPE", "SIGSTOP", "SIGBREAK"),
        *("CTRL_C_EVENT", "CTRL_BREAK_EVENT", "alarm", "setitimer", "pause", "sigwait", "pthread_kill"),
    },
    "socket": {"AF_UNIX", "SO_REUSEPORT", "fromfd"},
    "select": {"select", "poll", "epoll", "kqueue"},
    "subprocess": {"CREATE_NO_WINDOW", "CREATE_NEW_PROCESS_GROUP", "STARTUPINFO"},
}
ONE_SYSTEMS_PLACES = ("/proc", "/dev/", "/sys/", "/etc/", "/tmp", "ipc://")
SELECTS_SOCKETS = {"hal/rheostat_hal/virtual/sockets.py", "hal/rheostat_hal/bus.py"}  # Windows selects nothing else


def one_systems_only(path):
    """What a module uses that not every operating system has, with its line."""
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Import(names=names):
                found = {each.name for each in names} & ONE_SYSTEMS_MODULES
            case ast.ImportFrom(module=str(module), names=names):
                found = {each.name for each in names} & ONE_SYSTEMS_NAMES.get(module, set())
                found |= {module} & ONE_SYSTEMS_MODULES
            case ast.Attribute(value=ast.Name(id=module), attr=name):
                found = {f"{module}.{each}" for each in {name} & ONE_SYSTEMS_NAMES.get(module, set())}
            case ast.keyword(arg=str(name)):
                found = {name} & ONE_SYSTEMS_OPTIONS
            case ast.Constant(value=str(text)) if text.startswith(ONE_SYSTEMS_PLACES):
                found = {text}
            case _:
                continue
        yield from ((name, node.lineno) for name in found)


def test_what_only_one_system_has_stands_in_one_module():
    found = {
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for path in SOURCES
        if path != ROOT / "hal/rheostat_hal/platform.py"
        for name, line in one_systems_only(path)
        if not (name == "select.select" and str(path.relative_to(ROOT)) in SELECTS_SOCKETS)
    }
    assert not found


def test_what_only_one_system_has_is_found(tmp_path):
    module = tmp_path / "module.py"
    module.write_text(
        "import fcntl\nimport os, select, subprocess\nfrom signal import SIGKILL\nos.killpg(1, SIGKILL)\n"
        "select.select([], [], [])\nsubprocess.Popen([], start_new_session=True)\nopen('/proc/self/status')\n"
    )
    names = {name for name, _ in one_systems_only(module)}
    assert names == {
        *("fcntl", "SIGKILL", "os.killpg", "select.select", "start_new_session", "/proc/self/status"),
    }


def test_the_top_of_the_tree_holds_the_rooms_and_few_tool_files():
    assert {path.relative_to(ROOT).parts[0] for path in tracked_files()} <= TOP_LEVEL


def test_no_file_knows_the_machine_it_was_written_on():
    places = re.compile(r"(?<![\w.])/(?:work|root|home/(?!\w*user)|Users)/\w+|\.\./shared\b")
    found = []
    for path in tracked_files():
        if path.suffix in (".png", ".npz") or path == Path(__file__):
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            found += [f"{path.relative_to(ROOT)}:{number}: {place}" for place in places.findall(line)]
    assert not found


def test_nothing_is_left_undone_or_swallowed():
    undone = re.compile(r"\b(?:TODO|FIXME|XXX)\b|raise NotImplementedError|except:|except (?:Base)?Exception:\s*pass")
    found = [path for path in SOURCES if undone.search(path.read_text())]
    assert not found


def test_what_is_committed_is_small():
    big = {str(path.relative_to(ROOT)): os.path.getsize(path) for path in tracked_files()}
    assert not {name: size for name, size in big.items() if size > 300_000}
