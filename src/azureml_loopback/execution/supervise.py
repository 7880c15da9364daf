"""Runs a command and ends it, with all that it started, when the service is gone.

Started as a program of its own, by path, with the standard library only. Its standard input is a
pipe that the service holds open: at its end, by whatever death the service died, the process group
is killed. So a step never outlives its service, and never runs twice at the same time.
"""

import os
import signal
import subprocess
import sys
import threading


def main() -> int:
    """Run the command in the arguments and return its exit status."""
    process = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
    threading.Thread(target=_watch, daemon=True).start()
    status = process.wait()
    return 128 - status if status < 0 else status


def _watch() -> None:
    while os.read(0, 1):  # not through sys.stdin, whose lock would disturb the exit
        pass
    os.killpg(os.getpgid(0), signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
