"""Makes the project's environment `.venv`: every dependency at its pinned version, aihwkit included.

    python3 deploy/setup_env.py            what the demo needs
    python3 deploy/setup_env.py --bench    besides, `.venv-bench`: public drivers that tests and benchmarks drive

For POSIX systems, as make is; on Windows pip installs the parts (README). Needs Python 3.11 or newer, pip and, where
aihwkit has no wheel, a C++ compiler; uses the standard library only. It may be interrupted and run again at any time,
and does nothing when nothing has changed since it last finished.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONSTRAINTS = ROOT / "deploy" / "constraints.txt"
BENCH_REQUIREMENTS = ROOT / "tests" / "benchmarks" / "requirements.txt"
LOG = ROOT / "build" / "setup.log"
EXTRAS = "client,rig,analog,dev"
BACKEND = ["pip", "hatchling", "editables"]
AIHWKIT = "1.2.0"
# The build runs `python` and mypy's `stubgen` by name, and takes all its tools from the environment of its torch.
AIHWKIT_TOOLS = ["cmake", "scikit-build", "pybind11", "ninja", "mypy", "setuptools", "wheel"]
AIHWKIT_CHECK = "import torch; from aihwkit.nn import AnalogLinear; AnalogLinear(2, 2)(torch.zeros(1, 2))"


class SetupError(Exception):
    """What stopped the set-up, in words for the person who ran it."""


def wheel_exists() -> bool:
    """Whether aihwkit is published as a wheel for this Python (else it is built from source)."""
    return (3, 12) <= sys.version_info[:2] <= (3, 13)


class Steps:
    """Runs commands, one line each: what, then how long. Their output goes to the log."""

    def __init__(self) -> None:
        LOG.parent.mkdir(exist_ok=True)
        self._log = LOG.open("w")

    def run(self, title: str, command: list[str], env: dict[str, str] | None = None) -> None:
        """Run one command. Raises SetupError with the end of its output when it fails."""
        begin = self._log.tell()
        self._log.write(f"$ {' '.join(command)}\n")
        self._log.flush()
        start = time.monotonic()
        live = sys.stdout.isatty()
        print(f"  {title} ...", end="", flush=True)
        process = subprocess.Popen(
            command, cwd=ROOT, env=env, stdout=self._log, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            while process.poll() is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=1.0)
                if live:
                    print(f"\r  {title} ... {time.monotonic() - start:.0f} s", end="", flush=True)
        except KeyboardInterrupt:
            print(" interrupted", flush=True)
            end(process)
            raise
        line = f"{title} ... {time.monotonic() - start:.0f} s"
        print(f"\r  {line}" if live else f" {time.monotonic() - start:.0f} s", flush=True)
        if process.returncode:
            tail = "\n".join(LOG.read_text(errors="replace")[begin:].splitlines()[-30:])
            raise SetupError(f"{tail}\n\n{title}: failed (status {process.returncode}); all of its output: {LOG}")


def end(process: subprocess.Popen[bytes]) -> None:
    """Stop a command and what it started: first as Ctrl-C does, so that pip cleans up."""
    for number, patience in ((signal.SIGINT, 10.0), (signal.SIGKILL, 5.0)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=patience)
            return


class Environment:
    """One virtual environment. `stamp` is written when it is complete, `unfinished` exists while pip changes it."""

    def __init__(self, name: str, inputs: list[Path]) -> None:
        self.path = ROOT / name
        self.python = str(self.path / "bin" / "python")
        self.stamp = self.path / "rheostat-setup.json"
        self.unfinished = self.path / "rheostat-setup-unfinished"
        digest = hashlib.sha256()
        for path in [*inputs, CONSTRAINTS, Path(__file__)]:
            digest.update(path.read_bytes())
        self._made_for = {"root": str(ROOT), "python": platform.python_version(), "machine": platform.machine()}
        self._complete = {**self._made_for, "inputs": digest.hexdigest()}

    def complete(self) -> bool:
        try:
            return json.loads(self.stamp.read_text()) == self._complete and os.access(self.python, os.X_OK)
        except (OSError, ValueError):
            return False

    def finish(self) -> None:
        self.stamp.write_text(json.dumps(self._complete, indent=1) + "\n")

    def _why_remake(self) -> str | None:
        if self.unfinished.exists():
            return "an earlier set-up was interrupted"
        try:
            stamp = json.loads(self.stamp.read_text())
        except (OSError, ValueError):
            stamp = self._made_for
        if any(stamp.get(key) != value for key, value in self._made_for.items()):
            return "it was made for another Python or place"
        probe = "import platform, pip; print(platform.python_version())"
        try:
            run = subprocess.run([self.python, "-c", probe], capture_output=True, text=True, timeout=60, check=True)
        except (OSError, subprocess.SubprocessError):
            return "its Python does not run"
        return None if run.stdout.strip() == platform.python_version() else "it was made for another Python"

    def prepare(self, steps: Steps) -> None:
        """Make the environment, or keep the one there is when it is sound."""
        if self.path.exists():
            why = self._why_remake()
            self.stamp.unlink(missing_ok=True)
            if why is None:
                return
            print(f"  removing {self.path.name}: {why}")
            shutil.rmtree(self.path)
        self.path.mkdir()
        self.unfinished.touch()
        create = [sys.executable, "-m", "venv", str(self.path)]
        try:
            import ensurepip  # noqa: F401 (Debian ships Python without it)
        except ImportError:
            steps.run(f"creating {self.path.name}", [*create, "--without-pip"])
            steps.run("pip", [sys.executable, "-m", "pip", "--python", self.python, "install", "pip"])
        else:
            steps.run(f"creating {self.path.name} with Python {platform.python_version()}", create)
        self.unfinished.unlink()

    def pip_install(self, steps: Steps, title: str, arguments: list[str]) -> None:
        self.unfinished.touch()
        command = [self.python, "-m", "pip", "install", "--disable-pip-version-check", "-c", str(CONSTRAINTS)]
        steps.run(title, command + arguments, self.variables())
        self.unfinished.unlink()

    def variables(self) -> dict[str, str]:
        """The process environment with this virtual environment active."""
        env = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONHOME", "PIP_USER")}
        env["VIRTUAL_ENV"] = str(self.path)
        env["PATH"] = f"{self.path / 'bin'}{os.pathsep}{env.get('PATH', '')}"
        return env

    def works(self, code: str) -> bool:
        run = subprocess.run([self.python, "-c", code], capture_output=True, env=self.variables(), cwd=ROOT)
        return run.returncode == 0

    def output(self, code: str) -> str:
        command = [self.python, "-c", code]
        run = subprocess.run(command, capture_output=True, text=True, check=True, env=self.variables(), cwd=ROOT)
        return run.stdout.strip()


# ---- aihwkit from source ---------------------------------------------------------------------------------------------


def links_openblas() -> bool:
    """Whether a C++ program that uses OpenBLAS compiles and links."""
    program = 'extern "C" int openblas_get_num_threads(); int main() { return openblas_get_num_threads() < 1; }'
    with tempfile.TemporaryDirectory() as folder:
        command = [compiler(), "-x", "c++", "-", "-lopenblas", "-o", f"{folder}/try"]
        return subprocess.run(command, input=program.encode(), capture_output=True).returncode == 0


def compiler() -> str:
    for name in (os.environ.get("CXX"), "c++", "g++", "clang++"):
        if name and shutil.which(name):
            return name
    raise SetupError("no C++ compiler: install one (Debian, Ubuntu: apt-get install g++), then repeat")


def system_packages(environment: Environment, steps: Steps) -> None:
    """OpenBLAS and Python's headers: through apt when root, else one line that says what to install."""
    missing = [] if links_openblas() else ["libopenblas-dev"]
    header = "import os, sysconfig; print(os.path.exists(sysconfig.get_path('include') + '/Python.h'))"
    if environment.output(header) != "True":
        missing.append(f"python3.{sys.version_info.minor}-dev")
    if not missing:
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise SetupError(
            f"aihwkit is built from source here and needs {' and '.join(missing)}: "
            f"sudo apt-get install {' '.join(missing)} (or your system's equivalent), then repeat"
        )
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    steps.run("apt-get update", ["apt-get", "update", "-qq"], env)
    steps.run(f"apt-get install {' '.join(missing)}", ["apt-get", "install", "-y", "-qq", *missing], env)


def wheel_folder(environment: Environment) -> Path:
    """Where the built wheel is kept. It fits one Python and one torch only, which pip's own cache does not know."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    torch = environment.output("import torch; print(torch.__version__)")
    return cache / "rheostat" / "wheels" / f"python{platform.python_version()}-torch{torch}-{platform.machine()}"


def build_aihwkit(environment: Environment, steps: Steps) -> None:
    if environment.works(AIHWKIT_CHECK):
        return
    system_packages(environment, steps)
    environment.pip_install(steps, "build tools of aihwkit", AIHWKIT_TOOLS)
    folder = wheel_folder(environment)
    folder.mkdir(parents=True, exist_ok=True)
    pattern = f"aihwkit-{AIHWKIT}-*.whl"
    if not list(folder.glob(pattern)):
        with tempfile.TemporaryDirectory(dir=folder) as unfinished:
            command = [environment.python, "-m", "pip", "wheel", "--disable-pip-version-check", "--no-cache-dir"]
            command += ["--no-build-isolation", "--no-deps", "--no-binary", "aihwkit", "-w", unfinished]
            title = f"building aihwkit {AIHWKIT} from source (minutes, once)"
            steps.run(title, [*command, f"aihwkit=={AIHWKIT}"], environment.variables())
            for wheel in Path(unfinished).glob(pattern):
                wheel.rename(folder / wheel.name)
    wheel = next(folder.glob(pattern))
    environment.pip_install(steps, "aihwkit", ["--no-deps", "--force-reinstall", str(wheel)])
    if not environment.works(AIHWKIT_CHECK):
        wheel.unlink()
        raise SetupError(f"the aihwkit built for this torch does not load; its wheel is removed, repeat. Log: {LOG}")


# ---- the environments ------------------------------------------------------------------------------------------------


def make_project(environment: Environment, steps: Steps) -> None:
    environment.prepare(steps)
    environment.pip_install(steps, "pip and the build back end", ["--upgrade", *BACKEND])
    if not wheel_exists():
        environment.pip_install(steps, "torch", ["torch"])
    title = f"rheostat[{EXTRAS}] and its dependencies"
    environment.pip_install(steps, title, ["--no-build-isolation", "-e", f".[{EXTRAS}]"])
    if not wheel_exists():
        build_aihwkit(environment, steps)
    environment.finish()


def make_bench(environment: Environment, steps: Steps) -> None:
    environment.prepare(steps)
    environment.pip_install(steps, "public drivers for tests and benchmarks", ["-r", str(BENCH_REQUIREMENTS)])
    environment.finish()


@contextlib.contextmanager
def only_one() -> Iterator[None]:
    """Two set-ups of one tree wait for each other."""
    (ROOT / "build").mkdir(exist_ok=True)
    with (ROOT / "build" / "setup.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("set-up: waiting for another one in this folder", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def stop(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def main() -> int:
    parser = argparse.ArgumentParser(description="Make the environment of the project.")
    parser.add_argument("--bench", action="store_true", help="also the public drivers that tests and benchmarks drive")
    arguments = parser.parse_args()
    if sys.version_info < (3, 11):  # noqa: UP036 (run by hand, this file meets any Python)
        print("set-up: needs Python 3.11 or newer", file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, stop)
    wanted = [(Environment(".venv", [ROOT / "pyproject.toml"]), make_project)]
    if arguments.bench:
        wanted.append((Environment(".venv-bench", [BENCH_REQUIREMENTS]), make_bench))
    start = time.monotonic()
    try:
        with only_one():
            missing = [(environment, make) for environment, make in wanted if not environment.complete()]
            for environment, make in missing:
                print(f"set-up: {environment.path.name} (minutes the first time)", flush=True)
                make(environment, Steps())
    except SetupError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nset-up: interrupted; run the same command again to go on", file=sys.stderr)
        return 130
    if missing:
        print(f"set-up: done in {time.monotonic() - start:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
