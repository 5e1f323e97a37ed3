"""A running job as the faults see it: its processes, its control block, its folders, its input.

Processes are signalled through pidfds, and only when pid and start time are those of the control block.
Every wait is bounded; on the way the input grows and full disks are kept full.
"""
import json, os, shutil, signal, subprocess, time

import control, everything
from control import FINISHED, RUNNING, WAITING_OUTPUT
from verify import Wrong

MOUNTS = ("out", "checkpoints", "dead")
DISK = "48m"
BUSY = 69  # exit status: another run of the job is there
QUICK_MAX = 5  # kills in a row of a task that did nothing in between; the supervisor bears eight


class Over(Exception):
    """The job has come to its end by itself."""


class Interrupted(Exception):
    """The harness shall end."""


def now_ns():
    return time.monotonic_ns()


def start_time(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def alive(process):
    """process: a Task or a Spare of the control block."""
    return process.pid > 0 and start_time(process.pid) == process.start


def send(process, number):
    """False: it is not there any more."""
    try:
        fd = os.pidfd_open(process.pid)
    except OSError:
        return False
    try:
        if not alive(process):
            return False
        signal.pidfd_send_signal(fd, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(fd)
    return True


class Job:
    def __init__(self, world, folder, name):
        self.w, self.folder, self.name = world, folder, name
        self.memory = control.memory(name)
        self.p, self.block, self.lives, self.losses = None, None, 0, 0
        self.full, self.quick, self.progress, self.killed = [], {}, {}, set()
        self.complete_at_start, self.patience = 0, world.a.patience
        self.feed = lambda: None
        self.reaped = []

    # --- disks ---

    def mount(self):
        for name in MOUNTS:
            os.makedirs(f"{self.folder}/{name}", exist_ok=True)
            if self.w.can_mount:
                subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK},mode=700", "chaos",
                                f"{self.folder}/{name}"], check=True)

    def unmount(self, keep):
        """keep: what is in them stays, as plain files."""
        for name in MOUNTS if self.w.can_mount else ():
            path, copy = f"{self.folder}/{name}", f"{self.folder}/{name}.copy"
            if not os.path.ismount(path):
                continue
            if keep:
                shutil.copytree(path, copy)
            subprocess.run(["umount", "-l", path], check=False)
            if keep:
                os.rmdir(path)
                os.rename(copy, path)

    def fill(self, disk):
        """From now on there is no byte left on this disk, until `free`."""
        self.full.append(disk)
        self.top_up(disk)

    def top_up(self, disk):
        path = f"{self.folder}/{disk}"
        room = os.statvfs(path)
        if not room.f_bavail:
            return
        with open(f"{path}/_filler", "ab", buffering=0) as f:
            try:
                os.posix_fallocate(f.fileno(), f.seek(0, 2), room.f_bavail * room.f_frsize)
            except OSError:
                pass  # the job took some of it meanwhile

    def free(self, disk):
        self.full.remove(disk)
        os.unlink(f"{self.folder}/{disk}/_filler")

    # --- life ---

    def launch(self):
        self.err_at = os.path.getsize(self.folder + "/err") if self.lives else 0
        with open(self.folder + "/err", "ab") as err:
            return subprocess.Popen([self.w.a.weir, "run", "--json", self.folder + "/job.yaml"], stderr=err,
                                    stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL, start_new_session=True)

    def start(self):
        """`weir run`; returns when it was called, in ns."""
        at = now_ns()
        self.use(self.launch())
        return at

    def use(self, process):
        self.p, self.losses, self.quick = process, 0, {}
        self.lives += 1
        self.forget_block()

    def forget_block(self):
        if self.block:
            self.block.close()
        self.block = None

    def said(self):
        """Events of this life, as --json tells them."""
        with open(self.folder + "/err", "rb") as f:
            f.seek(self.err_at)
            lines = f.read().decode(errors="replace").split("\n")[:-1]
        found = []
        for line in lines:
            try:
                found.append(json.loads(line))
            except ValueError:
                found.append({"event": "text", "text": line})
        return found

    def event(self, name):
        return next((e for e in self.said() if e.get("event") == name), None)

    def count(self, name):
        return sum(e.get("event") == name for e in self.said())

    def tick(self):
        if self.w.interrupted:
            raise Interrupted
        for disk in self.full:
            self.top_up(disk)
        self.feed()

    def wait(self, condition, what, seconds=None):
        """Until it holds. The run must not end meanwhile, but by itself."""
        limit = time.monotonic() + (seconds or self.patience)
        while not condition():
            self.tick()
            if self.p and self.p.poll() is not None:
                self.run_ended()
            if time.monotonic() > limit:
                raise Wrong(f"waited {seconds or self.patience:.0f} s in vain: {what}")
            time.sleep(0.001)

    def run_ended(self):
        if self.p.returncode == 0:
            raise Over
        raise Wrong(f"weir run ended with status {self.p.returncode}: {self.said()[-2:]}")

    def pause(self, seconds):
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            self.tick()
            time.sleep(min(0.002, max(0, limit - time.monotonic())))

    def wait_exit(self, what, seconds=None):
        """The supervisor's exit status."""
        limit = time.monotonic() + (seconds or self.patience)
        while self.p.poll() is None:
            self.tick()
            if time.monotonic() > limit:
                raise Wrong(f"waited {seconds or self.patience:.0f} s in vain: {what}")
            time.sleep(0.002)
        return self.p.returncode

    def kill_supervisor(self):
        """Over: it had come to its end just before."""
        self.p.kill()
        self.p.wait()
        if self.p.returncode == 0:
            raise Over

    def everything_dies(self):
        if self.p and self.p.poll() is None:
            self.kill_supervisor()
        everything.everything_dies(self.name)

    # --- what is seen ---

    def look(self):
        """The control block of the run that goes on, None before it is there."""
        if self.block and os.fstat(self.block.fd).st_nlink == 0:
            self.forget_block()  # another one is in its place, or will be
        if self.block is None:
            try:
                self.block = control.Control(self.memory)
            except (OSError, ValueError):
                return None
        return self.block

    def tasks(self):
        """All tasks; [] when there is no control block."""
        try:
            block = self.look()
            return block.tasks() if block else []
        except (OSError, ValueError):
            self.forget_block()
            return []

    def job(self):
        try:
            block = self.look()
            return block.job() if block else None
        except (OSError, ValueError):
            self.forget_block()
            return None

    def task(self, index):
        found = self.tasks()
        return found[index] if index < len(found) else None

    def spares(self, index, ready=True):
        try:
            block = self.look()
            lines = block.spares(index) if block else []
        except (OSError, ValueError):
            self.forget_block()
            return []
        return [s for s in lines if (s.state == control.SPARE_READY or not ready) and alive(s)]

    def spare_pids(self):
        return {s.pid for i in range(len(self.tasks())) for s in self.spares(i, False)}

    def is_current(self):
        """Is the block that of the run that we have started, with its segment still in the folder?"""
        job = self.job()
        if not job or not self.p or job.pid != self.p.pid:
            self.forget_block()
            return False
        return True

    def is_up(self):
        """This run's tasks have all attached and do their work, or have done it."""
        if not self.is_current():
            return False
        return all(t.state == FINISHED or
                   (t.ready_ns and RUNNING <= t.state <= WAITING_OUTPUT and self.is_alive(t)) for t in self.tasks())

    def is_alive(self, task):
        """Who was killed may still be there for a moment."""
        return (task.pid, task.start) not in self.killed and alive(task)

    def wait_up(self, what):
        self.wait(self.is_up, what)
        return self.tasks()

    def victims(self):
        """(index, task) of the tasks that live, have attached, and may be killed now: too many kills in a
        row without work in between would be taken for a crash loop."""
        found = []
        for index, task in enumerate(self.tasks()):
            if task.state < RUNNING or task.state > WAITING_OUTPUT or not task.ready_ns or not self.is_alive(task):
                continue
            if task.progress > self.progress.get(index, -1) or task.state > RUNNING:
                self.quick[index] = 0
            if self.quick.get(index, 0) < QUICK_MAX:
                found.append((index, task))
        return found

    def note_kill(self, index, task):
        self.killed.add((task.pid, task.start))
        self.quick[index] = self.quick.get(index, 0) + 1
        self.progress[index] = task.progress

    def total(self):
        """Transactions of all tasks."""
        return sum(t.progress for t in self.tasks())

    def rows(self):
        """In and out of all tasks."""
        return sum(t.rows_in + t.rows_out for t in self.tasks())

    def complete(self):
        job = self.job()
        return job.complete if job else 0

    def is_left(self):
        """Has a run left memory that the next one goes on from?"""
        return os.path.exists(self.memory + "/control")

    def end(self):
        """Nothing of it is left, whatever happened."""
        if self.p and self.p.poll() is None:
            self.p.kill()
            self.p.wait()
        everything.reboot(self.name)
        self.forget_block()

    def describe(self):
        """Of each task what the control block and the kernel say: for people."""
        lines = [f"job {self.job()}"]
        for index, task in enumerate(self.tasks()):
            lines.append(f"task {index}: {control.STATES[min(task.state, 7)]} {task} "
                         f"{'lives' if alive(task) else 'is gone'}, spares {self.spares(index, False)}")
        for pid, words in everything.processes(self.name).items():
            kernel = [read(f"/proc/{pid}/{name}") for name in ("stat", "wchan", "syscall", "stack")]
            lines.append(f"pid {pid}: {' '.join(words)}\n  " + "\n  ".join(kernel))
        return "\n".join(lines) + "\n"


def read(path):
    try:
        with open(path) as f:
            return f.read().strip()
    except OSError as error:
        return str(error)
