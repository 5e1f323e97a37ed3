"""The processes of a job, for drivers that kill them.

SIGKILL of the supervisor leaves its tasks running, and a run that follows adopts them. "Everything
dies" is everything_dies, a reboot is reboot. Tasks are found by the job's own folder, so nobody else's
are hurt."""
import os, shutil, signal, time


def memory(job):
    return f"/dev/shm/weir-{os.getuid()}/{job}"


def processes(job):
    """{pid: words} of the tasks that live, `weir task FOLDER INDEX`, and of the spares, which would go on
    in the place of a task that is killed: `weir spare task FOLDER INDEX --spare NUMBER`."""
    found = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/cmdline", "rb") as f:
                words = f.read().decode(errors="replace").split("\0")
        except OSError:
            continue
        if words[1:3] == ["task", memory(job)]:
            found[int(name)] = words
    return found


def tasks(job):
    """{pid: index} of the tasks that live."""
    return {pid: int(words[3]) for pid, words in processes(job).items() if len(words) == 5}


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def has_ended(pid):
    """One that is about to end has no command any more, and lives for a moment."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] in "ZX"
    except OSError:
        return True


def everything_dies(job, supervisor=None):
    """supervisor: a Popen, or None when it is gone already."""
    if supervisor and supervisor.poll() is None:
        supervisor.kill()
    if supervisor:
        supervisor.wait()
    killed = set()
    while left := processes(job):
        killed.update(left)
        for pid in left:
            kill(pid)
        time.sleep(0.001)
    while not all(has_ended(pid) for pid in killed):
        time.sleep(0.001)


def reboot(job, supervisor=None):
    everything_dies(job, supervisor)
    shutil.rmtree(memory(job), ignore_errors=True)
