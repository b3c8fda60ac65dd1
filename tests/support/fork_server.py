"""Runs each `dogbreeds` command in its own process, without the time for imports.

Each process is a fork of one server that has imported PyTorch and Keras on PyTorch but computed nothing. Its ResNet50
is the network of `shallow_networks`.
"""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp


@dataclass
class Command:
    """A command that was started; two files receive its output."""

    pid: int
    folder: Path
    returncode: int | None = None

    @property
    def stdout(self) -> str:
        return (self.folder / "stdout").read_text()

    @property
    def stderr(self) -> str:
        return (self.folder / "stderr").read_text()

    def running(self) -> bool:
        return not (self.folder / "status").exists()

    def wait(self) -> "Command":
        while self.running():
            time.sleep(0.02)
        self.returncode = int((self.folder / "status").read_text())
        return self


class ForkServer:
    """Runs commands: `run(words)` waits until a command ends, `start(words)` does not.

    `stderr` is another file for standard error, for example a terminal; `largest_file` limits the bytes of each file.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        environment = os.environ | {"KERAS_BACKEND": "torch"}
        script = [sys.executable, __file__]
        self.process = subprocess.Popen(script, stdin=-1, stdout=-1, text=True, env=environment)

    def start(self, words: list, stderr: str = "stderr", largest_file: int | None = None) -> Command:
        folder = Path(mkdtemp(dir=self.folder))
        for name in ("stdout", "stderr"):
            (folder / name).touch()
        own = {name: value for name, value in os.environ.items() if name.startswith("DOGBREEDS")}
        request = {"words": list(map(str, words)), "environment": own, "folder": str(folder)}
        request |= {"stderr": stderr, "largest_file": largest_file}
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return Command(int(self.process.stdout.readline()), folder)

    def run(self, words: list, **options) -> Command:
        return self.start(words, **options).wait()

    def close(self) -> None:
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


def fork(request: dict) -> int:
    """Starts a process that runs the command and writes its exit status to a file; returns the process id."""
    child = os.fork()
    if child:
        return child
    import resource

    from dogbreeds.cli import main

    folder = Path(request["folder"])
    for number, name in ((1, "stdout"), (2, request["stderr"])):
        os.dup2(os.open(folder / name, os.O_WRONLY | os.O_CREAT), number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.stdout, sys.stderr = (os.fdopen(number, "w", buffering=1, closefd=False) for number in (1, 2))
    os.environ |= request["environment"]
    os.chdir("/")
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    status = 1
    try:
        if request["largest_file"]:
            resource.setrlimit(resource.RLIMIT_FSIZE, (request["largest_file"],) * 2)
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        status = main(request["words"])
    except SystemExit as ended:
        status = ended.code
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        (folder / "unfinished").write_text(str(status))
        (folder / "unfinished").rename(folder / "status")
        os._exit(0)


def serve() -> None:
    import shallow_networks

    shallow_networks.install("keras")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # only the files show when a child has ended
    for line in sys.stdin:
        print(fork(json.loads(line)), flush=True)


if __name__ == "__main__":
    serve()
