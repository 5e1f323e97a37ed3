"""A process that outlives the harness, ends what that has started and removes what it has made, however the
harness died. What shall stay, because something went wrong, is marked by a file KEPT in the folder."""
import glob, os, shutil, signal, subprocess, time

import cgroup

KEPT = "kept"


class Guardian:
    def __init__(self, pid, fd):
        self.pid, self.fd = pid, fd

    def close(self):
        """All is done: the guardian finds nothing, and ends."""
        os.close(self.fd)
        os.waitpid(self.pid, 0)


def start(folder, name):
    """Before there are threads. Jobs whose config is in `folder` and whose name begins with `name`- are ours."""
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid:
        os.close(ours)
        return Guardian(pid, theirs)
    status = 1
    try:
        os.close(theirs)
        os.setsid()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        os.read(ours, 1)  # until the other end is closed
        clean(folder, name)
        status = 0
    finally:
        os._exit(status)


def commands():
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            try:
                with open(f"/proc/{name}/cmdline", "rb") as f:
                    yield int(name), f.read().decode(errors="replace").split("\0")
            except OSError:
                pass


def is_ours(words, folder, memory):
    """A supervisor, a task or a spare of one of our jobs, or a busy loop of ours."""
    what, rest = words[1] if len(words) > 1 else "", words[2:]
    if what == "task":
        return bool(rest) and rest[0].startswith(memory + "-")
    return what in ("run", "-c") and any(w.startswith(folder + "/") for w in rest)


def clean(folder, name):
    memory = f"/dev/shm/weir-{os.getuid()}/{name}"
    for _ in range(200):
        left = [pid for pid, words in commands() if is_ours(words, folder, memory)]
        if not left:
            break
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.01)
    for path in glob.glob(memory + "-*"):
        shutil.rmtree(path, ignore_errors=True)
    for root, _ in cgroup.mounted().values():
        for path in glob.glob(f"{root}/{name}-*"):
            cgroup.remove(path)
    if not os.path.exists(f"{folder}/{KEPT}"):
        for path in [p for p in glob.glob(folder + "/round-*/*") if os.path.ismount(p)]:
            subprocess.run(["umount", "-l", path], check=False)
        shutil.rmtree(folder, ignore_errors=True)
