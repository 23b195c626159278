"""Takes the POSIX parts of Python away from every process that starts with this folder on its path.

What is left is what Python offers on Windows, as far as it can be had elsewhere: what is missing there is missing here,
what means something else there (kill, open files, `select`) means that here, and `msvcrt.locking` is made of Linux's
locks of open file descriptions, which like Windows' belong to one opening of a file and to a range of bytes.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import socket
import stat
import struct
import subprocess
import sys
import types

NO_WINDOW, NEW_GROUP = 0x0800_0000, 0x0000_0200
KNOWN = ("SIGABRT", "SIGFPE", "SIGILL", "SIGINT", "SIGSEGV", "SIGTERM", "SIGBREAK")
OFD_SETLK, TEMPORARY = 37, os.O_TMPFILE

_kill, _killed = os.kill, signal.SIGKILL
_open, _popen, _select, _signal = os.open, subprocess.Popen.__init__, select.select, signal.signal


def locking(descriptor, mode, count):
    """LK_NBLCK and LK_UNLCK of `count` bytes from the file's position on."""
    kind = fcntl_module.F_UNLCK if mode == msvcrt.LK_UNLCK else fcntl_module.F_WRLCK
    here = os.lseek(descriptor, 0, os.SEEK_CUR)
    fcntl_module.fcntl(descriptor, OFD_SETLK, struct.pack("hhqqi4x", kind, os.SEEK_SET, here, count, 0))


fcntl_module, msvcrt = fcntl, types.ModuleType("msvcrt")
msvcrt.LK_UNLCK, msvcrt.LK_LOCK, msvcrt.LK_NBLCK, msvcrt.locking = 0, 1, 2, locking
sys.modules["msvcrt"] = msvcrt
for name in ("fcntl", "pwd", "grp", "resource", "termios", "tty", "pty", "syslog"):
    sys.modules[name] = None  # importing it is an ImportError


# ---- processes ------------------------------------------------------------------------------------------------------


def popen(self, *arguments, creationflags=0, pass_fds=(), start_new_session=False, **options):
    """What it ignores or refuses on Windows is refused; a console of its own is a session of its own."""
    if pass_fds or start_new_session or options.get("preexec_fn") or options.get("process_group"):
        raise ValueError("not supported on Windows platforms")
    _popen(self, *arguments, start_new_session=bool(creationflags & NO_WINDOW), **options)


def terminate(self):
    if self.poll() is None:
        _kill(self.pid, _killed)


def send_signal(self, number):
    if number != signal.SIGTERM:
        raise ValueError(f"Unsupported signal: {number}")
    terminate(self)


def kill(pid, number):
    raise AssertionError(f"os.kill({pid}, {number}) would end the process, or signal a console's whole group")


def handle(number, handler):
    if number not in [getattr(signal, name) for name in KNOWN]:
        raise ValueError("invalid signal value")
    return _signal(number, handler)


subprocess.CREATE_NO_WINDOW, subprocess.CREATE_NEW_PROCESS_GROUP = NO_WINDOW, NEW_GROUP
subprocess.Popen.__init__ = popen
subprocess.Popen.kill = subprocess.Popen.terminate = terminate
subprocess.Popen.send_signal = send_signal
os.kill, signal.signal = kill, handle
signal.SIGBREAK = signal.Signals(21)  # its number there
for name in ("SIGKILL", "SIGHUP", "SIGQUIT", "SIGALRM", "SIGCHLD", "SIGUSR1", "SIGUSR2", "SIGSTOP", "SIGPIPE"):
    delattr(signal, name)
for name in ("alarm", "setitimer", "pause", "sigwait", "pthread_kill", "pthread_sigmask", "siginterrupt"):
    delattr(signal, name)
for name in (
    *("fork", "forkpty", "setsid", "setpgid", "setpgrp", "getpgid", "getpgrp", "killpg", "getsid", "posix_spawn"),
    *("getuid", "geteuid", "getgid", "getegid", "getgroups", "setuid", "setgid", "nice", "getpriority"),
    *("chown", "fchown", "lchown", "fchmod", "mkfifo", "mknod", "fdatasync", "sendfile", "pipe2"),
    *("O_DIRECTORY", "O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "pread", "pwrite", "lockf", "sync", "ttyname"),
):
    delattr(os, name)


# ---- files ----------------------------------------------------------------------------------------------------------


def open_file(path, flags, *arguments, **options):
    if os.path.isdir(path) and flags & TEMPORARY != TEMPORARY:  # how `tempfile` makes a file without a name on Linux
        raise PermissionError(13, "Permission denied", path)
    return _open(path, flags, *arguments, **options)


def unless_open(change):
    def changed(path, *arguments, **options):
        target = os.path.realpath(arguments[0] if arguments else path)
        for descriptor in os.listdir("/proc/self/fd"):
            try:
                if os.readlink(f"/proc/self/fd/{descriptor}") == target:
                    raise PermissionError(13, "The process cannot access the file because it is being used", target)
            except FileNotFoundError:
                continue
        return change(path, *arguments, **options)

    return changed


os.open = open_file
os.unlink = unless_open(os.unlink)
os.remove = unless_open(os.remove)
os.replace = unless_open(os.replace)


# ---- sockets --------------------------------------------------------------------------------------------------------


def sockets_only(*lists_and_timeout):
    for each in (one for some in lists_and_timeout[:3] for one in some):
        number = each if isinstance(each, int) else each.fileno()
        if not stat.S_ISSOCK(os.fstat(number).st_mode):
            raise OSError(10038, "An operation was attempted on something that is not a socket")
    return _select(*lists_and_timeout)


def socketpair(family=socket.AF_INET, kind=socket.SOCK_STREAM, proto=0):
    """As Python makes one on Windows: over loopback."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        first = socket.create_connection(listening.getsockname())
        return listening.accept()[0], first


select.select, socket.socketpair = sockets_only, socketpair
del socket.AF_UNIX
