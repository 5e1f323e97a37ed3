#!/usr/bin/env python3
"""Run weir as a service manager would, and hold what it says to the rules.

usage: service_driver.py SCENE WEIR JOB.yaml

Binds a datagram socket, sets NOTIFY_SOCKET and WATCHDOG_USEC, runs `weir run`, and does what SCENE says:

  whole     ready only when every task runs; signs of life while nothing happens, none while it is stopped; status;
            more time and STOPPING at SIGTERM
  slow      a last checkpoint that takes longer than a stop may: waited for, with more time asked for
  finish    a job that ends by itself, perhaps before anybody could look: ready, then stopping
  refused   a run that cannot begin: never ready, its error as status
  adopt     SIGKILL to the run; a second one is ready with the same tasks
  abstract  the socket has a name in the abstract namespace
  deaf      nobody listens on the socket, and its queue is full: the job runs all the same
  other     WATCHDOG_PID is another process: no signs of life

Prints a line for each rule that does not hold; the last line is `N passed, N failed`.
"""
import os, re, signal, socket, subprocess, sys, tempfile, threading, time

WATCHDOG_MS = 1000
STOP_S = 10  # how long tasks have to stop, their last checkpoint not counted
PATIENCE = 60
passed = failed = 0


def rule(what, holds, more=""):
    global passed, failed
    if holds:
        passed += 1
    else:
        failed += 1
        print(f"FAILED: {what} {more}")


class Manager:
    """the socket, and every message with the time at which it came"""

    def __init__(self, abstract=False):
        self.folder = tempfile.mkdtemp(prefix="weir-service-")
        self.name = f"@weir-service-{os.getpid()}" if abstract else f"{self.folder}/notify"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.socket.bind("\0" + self.name[1:] if abstract else self.name)
        self.messages, self.pids, self.news = [], set(), threading.Condition()
        self.listens = threading.Thread(target=self.listen, daemon=True)

    def listen(self):
        while True:
            data, ancillary, _, _ = self.socket.recvmsg(65536, 256)
            pid = int.from_bytes(ancillary[0][2][:4], sys.byteorder) if ancillary else 0
            with self.news:
                for line in data.decode().splitlines():
                    self.messages.append((time.monotonic(), *line.split("=", 1)))
                    self.pids.add(pid)
                self.news.notify_all()

    def all(self, key, since=0.0):
        with self.news:
            return [(at, value) for at, k, value in self.messages if k == key and at >= since]

    def wait(self, key, text="", since=0.0):
        """the first such message; None: it did not come"""
        until = time.monotonic() + PATIENCE
        with self.news:
            while True:
                for at, k, value in self.messages:
                    if k == key and at >= since and re.search(text, value):
                        return at, value
                if not self.news.wait(until - time.monotonic()):
                    return None

    def close(self):
        if os.path.exists(self.name):
            os.unlink(self.name)
        os.rmdir(self.folder)


class Run:
    def __init__(self, weir, yaml, manager, watchdog_pid=None):
        environment = dict(os.environ, NOTIFY_SOCKET=manager.name, WATCHDOG_USEC=str(WATCHDOG_MS * 1000))
        if watchdog_pid:
            environment["WATCHDOG_PID"] = str(watchdog_pid)
        self.stderr = tempfile.TemporaryFile("w+")  # a pipe's end would be its tasks' end
        self.process = subprocess.Popen([weir, "run", yaml], env=environment, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=self.stderr)
        self.pid = self.process.pid

    def ended(self):
        self.said, status = "", "it did not end"
        try:
            status = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.stderr.seek(0)
        self.said = self.stderr.read()
        return status


def tasks_of(yaml):
    """pid of each task (spares are none), by the job's folder in the command"""
    job = "/" + os.path.basename(yaml).split(".")[0]
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline") as f:
                words = f.read().split("\0")
        except OSError:
            continue
        if len(words) > 3 and words[0] == "weir" and words[1] == "task" and words[2].endswith(job):
            found[int(words[3])] = int(pid)
    return found


def inherited(pid, word):
    with open(f"/proc/{pid}/environ") as f:
        return word in f.read()


def sockets(pid):
    links = []
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            links.append(os.readlink(f"/proc/{pid}/fd/{fd}"))
        except OSError:
            pass
    return [link for link in links if link.startswith("socket:")]


def signs_of_life(manager):
    """at least two in the time after which the run would be killed, though nothing happens"""
    since = time.monotonic()
    while len(manager.all("WATCHDOG", since)) < 8:
        if time.monotonic() - since > PATIENCE:
            break
        time.sleep(0.05)
    times = [at for at, _ in manager.all("WATCHDOG", since)]
    rule("signs of life come", len(times) >= 8, str(times))
    gaps = sorted(b - a for a, b in zip(times, times[1:]))
    # The loop is woken by a timer. On a busy machine one wake-up may be late, most are not.
    rule("most come within half of the period", gaps and gaps[len(gaps) // 2] <= WATCHDOG_MS / 2000, str(gaps))


def stopped(manager, run):
    """none while the loop cannot work, and they go on behind it"""
    os.kill(run.pid, signal.SIGSTOP)
    while open(f"/proc/{run.pid}/stat").read().rsplit(")", 1)[1].split()[0] != "T":
        time.sleep(0.01)
    time.sleep(0.1)  # what was sent before has come
    since = time.monotonic()
    time.sleep(2.5 * WATCHDOG_MS / 1000)
    rule("no sign of life while it is stopped", not manager.all("WATCHDOG", since))
    os.kill(run.pid, signal.SIGCONT)
    rule("they go on behind that", manager.wait("WATCHDOG", since=since) is not None)


def whole(weir, yaml):
    manager = Manager()
    manager.listens.start()
    hold = os.environ["HOLD_TASK"]
    open(hold, "w").close()
    run = Run(weir, yaml, manager)
    until = time.monotonic() + PATIENCE
    while 0 not in tasks_of(yaml) and time.monotonic() < until:
        time.sleep(0.01)
    time.sleep(1)
    rule("not ready while a task does not run", not manager.all("READY"))
    rule("alive all the same", manager.all("WATCHDOG"))
    os.unlink(hold)
    rule("ready when every task runs", manager.wait("READY", "^1$") is not None)
    tasks = tasks_of(yaml)
    rule("there are two tasks or more", len(tasks) > 1, str(tasks))
    for pid in tasks.values():
        for word in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"):
            rule(f"no task has {word}", not inherited(pid, word))
        rule("no task has a socket", not sockets(pid), str(sockets(pid)))
    rule("the status has the rate", manager.wait("STATUS", r"rows in, [0-9,]+ rows/s, .*tasks") is not None)
    rule("the status has the checkpoint", manager.wait("STATUS", r", checkpoint [0-9]+$") is not None)
    signs_of_life(manager)
    stopped(manager, run)
    since = time.monotonic()
    os.kill(run.pid, signal.SIGTERM)
    stopping = manager.wait("STOPPING", "^1$", since)
    status = run.ended()
    gone = time.monotonic()
    rule("it ends well", status == 0, f"{status} {run.said}")
    rule("stopping is told before the end", stopping and stopping[0] < gone)
    rule("more time for the last checkpoint", manager.wait("EXTEND_TIMEOUT_USEC", "^[0-9]{7,}$", since) is not None)
    rule("the last checkpoint is told", manager.wait("STATUS", "its last checkpoint, [0-9]+, is complete", since))
    rule("ready and stopping are told once", len(manager.all("READY")) == 1 and len(manager.all("STOPPING")) == 1)
    rule("the run alone speaks", manager.pids == {run.pid}, str(manager.pids))
    manager.close()


def slow(weir, yaml):
    manager = Manager()
    manager.listens.start()
    run = Run(weir, yaml, manager)
    rule("ready", manager.wait("READY") is not None)
    rule("a checkpoint is complete", manager.wait("STATUS", r", checkpoint [0-9]+$") is not None)
    hold = os.environ["HOLD_SYNC"]
    open(hold, "w").close()
    os.kill(run.pid, signal.SIGTERM)
    rule("stopping", manager.wait("STOPPING") is not None)
    time.sleep(STOP_S + 1)
    since = time.monotonic()
    rule("it waits for its last checkpoint", run.process.poll() is None)
    rule("and asks for more time", manager.wait("EXTEND_TIMEOUT_USEC", since=since) is not None)
    os.unlink(hold)
    rule("it ends well", run.ended() == 0, run.said)
    rule("no task was killed", "did not stop in time" not in run.said, run.said)
    rule("the last checkpoint is complete", manager.wait("STATUS", "its last checkpoint, [0-9]+, is complete"),
         f"{run.said} {manager.all('STATUS')[-3:]}")
    manager.close()


def finish(weir, yaml):
    manager = Manager()
    manager.listens.start()
    run = Run(weir, yaml, manager)
    rule("it ends well", run.ended() == 0, run.said)
    ready, stopping = manager.wait("READY", "^1$"), manager.wait("STOPPING", "^1$")
    rule("ready, then stopping", ready and stopping and ready[0] <= stopping[0])
    rule("each once", len(manager.all("READY")) == 1 and len(manager.all("STOPPING")) == 1)
    manager.close()


def refused(weir, yaml):
    manager = Manager()
    manager.listens.start()
    run = Run(weir, yaml, manager)
    rule("it is refused", run.ended() == 69, run.said)
    rule("the status says why", manager.wait("STATUS", "memory.dir /nowhere") is not None)
    rule("never ready", not manager.all("READY"))
    manager.close()


def adopt(weir, yaml):
    manager = Manager()
    manager.listens.start()
    first = Run(weir, yaml, manager)
    rule("ready", manager.wait("READY") is not None)
    before = tasks_of(yaml)
    os.kill(first.pid, signal.SIGKILL)
    first.ended()
    rule("it did not say that it stops", not manager.all("STOPPING"))
    since = time.monotonic()
    second = Run(weir, yaml, manager)
    rule("ready again", manager.wait("READY", since=since) is not None)
    rule("the same tasks run on", before and tasks_of(yaml) == before, f"{before} {tasks_of(yaml)}")
    os.kill(second.pid, signal.SIGTERM)
    rule("it ends well", second.ended() == 0, second.said)
    manager.close()


def abstract(weir, yaml):
    manager = Manager(abstract=True)
    manager.listens.start()
    run = Run(weir, yaml, manager)
    rule("it ends well", run.ended() == 0, run.said)
    rule("ready", manager.wait("READY") is not None)
    manager.close()


def deaf(weir, yaml):
    manager = Manager()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.setblocking(False)
        try:
            while True:
                other.sendto(b"X=1", manager.name)
        except BlockingIOError:
            pass
    run = Run(weir, yaml, manager)
    rule("it ends well", run.ended() == 0, run.said)
    manager.close()
    nobody = Run(weir, yaml, manager)
    rule("it ends well without the socket", nobody.ended() == 0, nobody.said)


def other(weir, yaml):
    manager = Manager()
    manager.listens.start()
    run = Run(weir, yaml, manager, watchdog_pid=1)
    rule("ready", manager.wait("READY") is not None)
    rule("the status comes", manager.wait("STATUS", r"rows in") is not None)
    time.sleep(WATCHDOG_MS / 1000)
    rule("no sign of life for another process", not manager.all("WATCHDOG"))
    os.kill(run.pid, signal.SIGTERM)
    rule("it ends well", run.ended() == 0, run.said)
    manager.close()


def main():
    scene, weir, yaml = sys.argv[1:]
    globals()[scene](weir, yaml)
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed > 0)


main()
