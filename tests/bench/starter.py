"""A small process that starts others and tells what each took; ``launch`` runs this file as a script.

Linux counts into a process's peak memory what it held before ``exec``, which is a copy of its parent. Started from a
large process, no process would ever seem smaller than that one; so this file imports next to nothing.
"""

import json
import os
import signal
import sys
import time


def measured(command: list[str], environ: dict[str, str], folder: str, seconds: int) -> dict[str, float]:
    """Run the command in this folder, its stderr in a file there; killed after so many seconds."""
    os.chdir(folder)
    streams = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
        (os.POSIX_SPAWN_OPEN, 2, "stderr", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
    ]
    begun = time.monotonic()
    process = os.posix_spawn(command[0], command, environ, file_actions=streams)
    signal.signal(signal.SIGALRM, lambda *_: os.kill(process, signal.SIGKILL))
    signal.alarm(seconds)
    _, status, used = os.wait4(process, 0)
    signal.alarm(0)
    return {
        "code": os.waitstatus_to_exitcode(status),
        "begun": begun,
        "seconds": time.monotonic() - begun,
        "cpu": used.ru_utime + used.ru_stime,
        "memory": used.ru_maxrss * 1024,
    }


def main() -> None:
    """A job a line on stdin, as JSON; what it took in a line on stdout."""
    for line in sys.stdin:
        print(json.dumps(measured(**json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
