"""How a server process is started, awaited and ended, so that none outlives the tests, however they end."""

import fcntl
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX = "rcbill-tests-"
STALE_SECONDS = 60
# A server's time zone is not to depend on where the tests run.
ENVIRONMENT = os.environ | {"TZ": "UTC"}


def free_port() -> int:
    """A free loopback port, below the range the system gives to outgoing connections: nobody takes it meanwhile."""
    while True:
        # Not `random`: hypothesis seeds it, and then all workers draw the same.
        port = 20000 + secrets.randbelow(10000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@contextmanager
def work_folder(owner: str | None = None) -> Iterator[Path]:
    """A folder for a server's data, gone afterwards. Not pytest's tmp_path: other users cannot enter that."""
    sweep()
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    try:
        with (folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if owner:
                shutil.chown(folder, owner)
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sweep() -> None:
    """Remove the folders of runs that were killed: nobody holds their lock any more."""
    for lock in Path(tempfile.gettempdir()).glob(f"{PREFIX}*/lock"):
        # Of another user, or gone while we look: not ours to mind.
        with suppress(OSError):
            # The age keeps us off a folder whose owner has made the lock file but not yet taken it.
            if time.time() - lock.stat().st_mtime > STALE_SECONDS:
                with lock.open() as file:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(lock.parent, ignore_errors=True)


def wrapped(command: list[str], owner: str | None = None, dies_by: str = "KILL") -> list[str]:
    """The command as another user (PostgreSQL refuses root), and killed by the kernel when we die, even by SIGKILL."""
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        return command
    # Here and not in preexec_fn: the kernel forgets the death signal when the user changes.
    user = [f"--reuid={owner}", f"--regid={owner}", "--clear-groups"] if owner else []
    return [setpriv, f"--pdeathsig={dies_by}", *user, "--", *command]


def run(command: list[str], folder: Path) -> None:
    """Run a command to its end in `folder`; its output becomes the error when it fails."""
    done = subprocess.run(  # noqa: S603 - our own command, no shell
        command, cwd=folder, capture_output=True, text=True, check=False, env=ENVIRONMENT
    )
    if done.returncode:
        message = f"{command[0]} ended with status {done.returncode}:\n{done.stdout}{done.stderr}"
        raise RuntimeError(message)


@contextmanager
def serving(
    command: list[str], folder: Path, ready: Callable[[], bool], ends_by: signal.Signals = signal.SIGKILL
) -> Iterator[None]:
    """Run a server while the block runs. Its data is thrown away, so it need not put anything in order at the end."""
    log = folder / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own command, no shell
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=ENVIRONMENT
        )
    try:
        _wait(process, ready, log)
        yield
    finally:
        process.send_signal(ends_by)
        process.wait(timeout=30)


def _wait(process: subprocess.Popen[bytes], ready: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + 60
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            message = f"{process.args!r} does not serve:\n{log.read_text(errors='replace')[-4000:]}"
            raise RuntimeError(message)
        time.sleep(0.02)
