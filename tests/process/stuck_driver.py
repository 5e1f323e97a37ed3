#!/usr/bin/env python3
"""Processes that sleep in the kernel because a disk does not answer; called by stuck.sh.

usage: stuck_driver.py DIR WEIR ONLY       DIR/disk is a file system that may be frozen

  late write    the disk of the checkpoints stands still while a snapshot is written to it, and the task is
            killed: its spare goes on at once, though the dead process is not gone. When the disk answers,
            what the dead process was writing lands, late, in a file that no successor writes: checkpoints
            go on, verify, and are gone on from. "plain write" (only when asked for) is the same with pwrite, whose
            writes end with their thread
  output    the disk of the output stands still: it is said where the task sleeps, nothing is put in its
            place, also when it is killed; then the disk answers, and all is right
  buried    a thread of a killed process that is not the task's does not end (it is frozen by a cgroup of
            the first version, which not even SIGKILL gets through): the task is started again without it
  stop      a task that cannot be ended (frozen so, or on the disk), and the job is stopped: the run ends
            and says what is left, and the memory stays. The next run finds the process and starts nothing
            in its place; when it can end the job goes on
"""
import fcntl, glob, hashlib, json, os, shutil, signal, struct, subprocess, sys, time
import everything

PAGE = 4096
ROWS = 120000
SCRIPT = """CREATE TABLE n (i BIGINT, t TIMESTAMP(3), WATERMARK FOR t AS t) WITH ('connector' = 'datagen',
  'rows-per-second' = '{rate}', 'fields.i.kind' = 'sequence', 'fields.i.start' = '0', 'fields.i.end' = '{last}',
  'fields.t.start' = '2024-01-01 00:00:00', 'fields.t.rows-per-second' = '1000');
CREATE TABLE points (t TIMESTAMP(3), n BIGINT, lo BIGINT) WITH ('connector' = 'filesystem',
  'path' = '{out}', 'format' = 'csv', 'sink.rolling-policy.file-size' = '{part}');
INSERT INTO points {query};
"""
QUICK = """SELECT window_start, COUNT(*), MIN(i)
FROM TABLE(TUMBLE(TABLE n, DESCRIPTOR(t), INTERVAL '1' SECOND)) GROUP BY window_start, window_end"""
LARGE = """SELECT window_start, COUNT(*), i
FROM TABLE(TUMBLE(TABLE n, DESCRIPTOR(t), INTERVAL '1' DAY)) GROUP BY window_start, window_end, i"""
FREEZE, THAW = 0xC0045877, 0xC0045878
folder, weir, only = sys.argv[1:]
disk = folder + "/disk"
job = f"stuck-{os.getpid()}"


class Skipped(Exception):
    pass


class Wrong(Exception):
    pass


def until(what, why, seconds=30):
    limit = time.monotonic() + seconds
    while not what():
        if time.monotonic() > limit:
            raise Wrong(why)
        time.sleep(0.005)


class Run:
    def __init__(self, out, checkpoints, recovery, engine="auto", rate=100000, query=QUICK):
        self.out, self.size = out, 1000 if query == QUICK else 1
        with open(folder + "/job.sql", "w") as f:
            f.write(SCRIPT.format(rate=rate, last=ROWS - 1, out=out, part="1kb" if query == QUICK else "1mb", query=query))
        with open(folder + "/job.yaml", "w") as f:
            f.write(f"job: {job}\nsql: job.sql\nmemory: {{state: 64MiB, reserve: 0%}}\nplacement: {{cores: 1}}\n"
                    f"checkpoint: {{interval: {'100ms' if checkpoints else 'none'}, engine: {engine}"
                    + (f", dir: {checkpoints}" if checkpoints else "") + f"}}\nrecovery: {{{recovery}}}\n")
        self.start()

    def start(self):
        self.err = folder + "/err"
        with open(self.err, "w") as f:
            self.p = subprocess.Popen([weir, "run", "--json", folder + "/job.yaml"], stderr=f, stdout=subprocess.DEVNULL)

    def events(self, name):
        with open(self.err, errors="replace") as f:
            lines = [json.loads(line) for line in f.read().split("\n")[:-1] if line.startswith("{")]
        return [e for e in lines if e["event"] == name]

    def page(self):
        """pid, progress, attempt of the one task"""
        try:
            with open(everything.memory(job) + "/control", "rb") as f:
                data = f.read()
        except OSError:
            return 0, 0, 0
        at = 2 * PAGE
        return struct.unpack_from("<I", data, at) + struct.unpack_from("<QQ", data, at + 24) if len(data) > 3 * PAGE else (0, 0, 0)

    def kill_task(self):
        pid = self.page()[0]
        os.kill(pid, signal.SIGKILL)
        return pid

    def end(self, want=0, seconds=60):
        try:
            status = self.p.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Wrong("it does not end by itself") from None
        if status != want:
            raise Wrong(f"status {status}")

    def check(self):
        rows = []
        for path in glob.glob(self.out + "/part-*"):
            with open(path) as f:
                rows += [line.split(",") for line in f.read().splitlines()]
        rows.sort(key=lambda r: int(r[2]))
        if [(r[1], r[2]) for r in rows] != [(str(self.size), str(i)) for i in range(0, ROWS, self.size)]:
            raise Wrong(f"{len(rows)} windows, missing or wrong")
        if everything.processes(job) or os.path.exists(everything.memory(job)):
            raise Wrong("processes or memory are left")


def freeze(on):
    fd = os.open(disk, os.O_RDONLY)
    fcntl.ioctl(fd, FREEZE if on else THAW, 0)
    os.close(fd)


class Freezer:
    """A cgroup, of the first version, that freezes threads one by one."""

    def __init__(self):
        top = folder + "/freezer"
        os.makedirs(top, exist_ok=True)
        if not os.path.exists(top + "/tasks") and subprocess.run(
                ["mount", "-t", "cgroup", "-o", "freezer", "none", top], stderr=subprocess.DEVNULL, check=False).returncode:
            raise Skipped("there is no freezer of cgroups of the first version")
        self.path = f"{top}/{job}"
        os.makedirs(self.path, exist_ok=True)

    def write(self, name, text):
        with open(f"{self.path}/{name}", "w") as f:
            f.write(text)

    def freeze(self, threads):
        for thread in threads:
            self.write("tasks", str(thread))
        self.write("freezer.state", "FROZEN")
        until(lambda: open(self.path + "/freezer.state").read().strip() == "FROZEN", "it does not freeze")

    def thaw(self):
        self.write("freezer.state", "THAWED")

    def end(self):
        self.thaw()
        until(lambda: not open(self.path + "/tasks").read().strip(), "the frozen do not end")
        os.rmdir(self.path)


def sleepers(pid):
    """threads of a process that sleep where no signal reaches them"""
    found = []
    for path in glob.glob(f"/proc/{pid}/task/*/stat"):
        try:
            with open(path) as f:
                if f.read().rsplit(")", 1)[1].split()[0] == "D":
                    found.append(path)
        except OSError:
            pass
    return found


def exists(pid):
    return os.path.exists(f"/proc/{pid}")


def contents(f):
    """Of an open file, however long it is: blocks are there before what is written to them."""
    f.seek(0)
    return hashlib.file_digest(f, "sha256").hexdigest()


def snapshots(where):
    """Open, so that what lands in them later is seen though they may be removed."""
    files = {path: open(path, "rb", 0) for path in glob.glob(where + "/*/task-*")}
    return {path: (f, contents(f)) for path, f in files.items()}


def freeze_amid_snapshot(run, checkpoints):
    """When a file has just been made; so that a thread of the task sleeps on the disk, not the task's own."""
    for _ in range(100):
        known = set(glob.glob(checkpoints + "/*/task-*"))
        until(lambda: set(glob.glob(checkpoints + "/*/task-*")) - known, "no snapshot is made")
        freeze(True)
        pid, limit = run.page()[0], time.monotonic() + 0.1
        while time.monotonic() < limit:
            if sleepers(pid) and not any(path.endswith(f"/task/{pid}/stat") for path in sleepers(pid)):
                return
            time.sleep(0.002)
        freeze(False)
    raise Wrong("no snapshot is being written when the disk stands still")


# --- what happens ---

def snapshot(engine):
    checkpoints = f"{disk}/checkpoints-{engine}"
    shutil.rmtree(checkpoints, ignore_errors=True)
    shutil.rmtree(f"{folder}/out-{engine}", ignore_errors=True)
    run = Run(f"{folder}/out-{engine}", checkpoints, "spares: 1, hang_after: 500ms", engine, 30000, LARGE)
    until(lambda: run.events("checkpoint") and run.events("spare-ready"), "no checkpoint, or no spare")
    freeze_amid_snapshot(run, checkpoints)
    written = snapshots(checkpoints)
    dead = run.kill_task()
    until(lambda: run.page()[0] != dead, "the spare does not take over from a process that is not gone")
    successor, progress, _ = run.page()
    until(lambda: run.page()[1] > progress + 5, "the successor stands still")
    if not exists(dead):
        raise Wrong("the dead process was gone before the disk answered: nothing was shown")
    freeze(False)
    until(lambda: not exists(dead), "the dead process does not go though the disk answers")
    landed = [os.path.basename(path) for path, (f, held) in written.items() if contents(f) != held]
    complete = len(run.events("checkpoint"))
    until(lambda: len(run.events("checkpoint")) > complete + 1 or run.p.poll() is not None, "no checkpoint after that")
    if run.p.poll() is None:  # from the disk, by itself
        run.p.kill()
        run.p.wait()
        everything.reboot(job)
        verify = subprocess.run([weir, "checkpoint", "verify", folder + "/job.yaml"], capture_output=True, text=True)
        if verify.returncode:
            raise Wrong("a checkpoint is damaged: " + verify.stdout + verify.stderr)
        run.start()
    run.end()
    run.check()
    return landed


def late_write():
    """Until one has been seen that landed behind its writer's death: most often the first time."""
    for attempt in range(4):
        landed = snapshot("io_uring")
        if landed:
            return f"landed late: {landed}"
        everything.reboot(job)
    raise Wrong("no write landed late: nothing was shown")


def no_late_write():
    return f"landed late: {snapshot('pwrite') or 'nothing'}"


def output():
    run = Run(f"{disk}/out-output", "", "spares: 1, hang_after: 300ms")
    until(lambda: glob.glob(run.out + "/part-*") and run.events("spare-ready"), "it does not begin")
    freeze(True)
    pid = run.page()[0]
    until(lambda: run.events("stuck"), "nothing is said of a task that sleeps in the kernel")
    told = run.events("stuck")[0]
    where = run.out in told["text"] or "(in " in told["text"]  # a call by name, as openat, has no descriptor
    if told["pid"] != pid or "sleeps in the kernel" not in told["text"] or not where:
        raise Wrong(f"it says {told}")
    if run.events("died") or run.events("hung"):
        raise Wrong("a task that sleeps in the kernel was killed")
    run.kill_task()
    assert_alone(run, pid, 0.8)
    freeze(False)
    until(lambda: run.page()[0] != pid, "no other process takes over when the disk answers")
    run.end()
    run.check()
    return "went on"


def assert_alone(run, pid, seconds):
    """Killed, and not gone: nobody is put in its place."""
    _, _, attempt = run.page()
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        if run.page()[0] != pid or run.page()[2] != attempt:
            raise Wrong("TWO WRITERS: another process took over from one that is not dead")
        time.sleep(0.01)


def buried():
    freezer = Freezer()
    run = Run(f"{folder}/out-buried", f"{folder}/checkpoints-buried", "spares: 0", "pwrite", 60000)
    until(lambda: run.events("checkpoint"), "no checkpoint")
    pid = run.page()[0]
    freezer.freeze([t for t in os.listdir(f"/proc/{pid}/task") if int(t) != pid])
    run.kill_task()
    until(lambda: run.page()[0] != pid, "no process takes over from one of which a thread does not end")
    told = run.events("stuck")
    if not told or told[0]["pid"] != pid or "a thread of its process does not end" not in told[0]["text"]:
        raise Wrong(f"it says {told}")
    if not exists(pid):
        raise Wrong("the dead process was gone: nothing was shown")
    run.end()  # though it is still there
    run.check()
    freezer.end()
    return "went on without it"


def stop():
    try:
        freezer = Freezer()
    except Skipped:
        freezer = None
    where = folder if freezer else disk
    run = Run(f"{where}/out-stop", f"{folder}/checkpoints-stop", "spares: 1, hang_after: 300ms")
    until(lambda: glob.glob(run.out + "/part-*") and run.events("spare-ready"), "it does not begin")
    pid = run.page()[0]
    if freezer:
        freezer.freeze([pid])
    else:
        freeze(True)
    until(lambda: run.events("stuck"), "nothing is said of a task that sleeps in the kernel")
    run.p.send_signal(signal.SIGTERM)
    until(lambda: run.events("stopping"), "it does not stop")
    time.sleep(0.2)
    run.p.send_signal(signal.SIGTERM)  # no more patience
    begin = time.monotonic()
    run.end(want=1, seconds=25)
    seconds = time.monotonic() - begin
    with open(run.err) as f:
        told = f.read()
    if f"pid {pid}, was killed and does not end" not in told or not os.path.exists(everything.memory(job) + "/control"):
        raise Wrong("it does not say what is left, or the memory is not: " + told[-600:])
    if freezer and only:  # takes 5 s more
        fresh = subprocess.run([weir, "run", "--fresh", folder + "/job.yaml"], capture_output=True, text=True)
        if fresh.returncode != 69 or f"pid {pid}, cannot be ended" not in fresh.stderr:
            raise Wrong(f"--fresh: status {fresh.returncode}, {fresh.stderr}")
    run.start()
    assert_alone(run, pid, 0.5)
    if freezer:
        until(lambda: run.events("adopted"), "the next run does not find the process")
        if run.events("adopted")[0]["pid"] != pid:
            raise Wrong("the next run adopts another process")
        until(lambda: run.events("stuck"), "the next run does not say that it is stuck")
        freezer.end()
    else:
        freeze(False)
    run.end()  # of what the first one was ending
    run.check()
    return f"ended after {seconds:.1f} s"


def main():
    passed = failed = 0
    for name, what in (("late write", late_write), ("plain write", no_late_write), ("output", output),
                       ("buried", buried), ("stop", stop)):
        if only not in name or (name == "plain write" and not only):
            continue
        begin = time.monotonic()
        try:
            print(f"{name}: {what()}, {time.monotonic() - begin:.1f} s", flush=True)
            passed += 1
        except Skipped as why:
            print(f"{name}: skipped, {why}")
        except Wrong as wrong:
            failed += 1
            print(f"FAIL {name}: {wrong}")
            with open(folder + "/err", errors="replace") as f:
                print("".join("     " + line for line in f.readlines()[-12:] if '"checkpoint"' not in line), flush=True)
        finally:
            subprocess.run(["fsfreeze", "-u", disk], stderr=subprocess.DEVNULL, check=False)
            for p in everything.processes(job):
                everything.kill(p)
            everything.reboot(job)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
