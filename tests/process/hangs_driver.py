#!/usr/bin/env python3
"""Hangs of a whole job, hang_after: 300ms.

usage: hangs_driver.py WEIR

  stopped    the task that reads is stopped: it alone is replaced, not the ones that wait for room in their
             rings to it, nor the one that waits for rows from it
  debugger   a task is held by a debugger for six times as long, and let go on: nothing happens to it
  idle       a source that gives a row every half a second: nothing happens
"""
import ctypes, glob, json, os, shutil, signal, struct, subprocess, sys, tempfile, time
import everything

PAGE, HANG = 4096, 0.3
SEIZE, INTERRUPT, DETACH = 0x4206, 0x4207, 17
SCRIPT = """CREATE TABLE n (i BIGINT, t TIMESTAMP(3), WATERMARK FOR t AS t) WITH ('connector' = 'datagen',
  'rows-per-second' = '{rate}', 'fields.i.kind' = 'sequence', 'fields.i.start' = '0', 'fields.i.end' = '{last}',
  'fields.t.start' = '2024-01-01 00:00:00', 'fields.t.rows-per-second' = '1000');
CREATE TABLE points (t TIMESTAMP(3), n BIGINT, lo BIGINT) WITH ('connector' = 'filesystem',
  'path' = 'out', 'format' = 'csv', 'sink.rolling-policy.file-size' = '1kb');
INSERT INTO points SELECT window_start, COUNT(*), MIN(i)
FROM TABLE(TUMBLE(TABLE n, DESCRIPTOR(t), INTERVAL '1' SECOND)) GROUP BY window_start, window_end;
"""


class Wrong(Exception):
    pass


def until(what, why, seconds=30):
    limit = time.monotonic() + seconds
    while not what():
        if time.monotonic() > limit:
            raise Wrong(why)
        time.sleep(0.005)


class Run:
    def __init__(self, weir, job, rows, rate):
        self.weir, self.job, self.rows = weir, job, rows
        shutil.rmtree("out", ignore_errors=True)
        with open("job.sql", "w") as f:
            f.write(SCRIPT.format(rate=rate, last=rows - 1))
        with open("job.yaml", "w") as f:
            f.write(f"job: {job}\nsql: job.sql\nmemory: {{state: 16MiB, ring: 64KiB, reserve: 0%}}\n"
                    "checkpoint: {interval: none}\nplacement: {cores: 2}\nrecovery: {hang_after: 300ms, spares: 0}\n")
        with open("err", "w") as f:
            self.p = subprocess.Popen([weir, "run", "--json", "job.yaml"], stderr=f, stdout=subprocess.DEVNULL)
        until(lambda: self.pages() and all(p[1] > 0 for p in self.pages()), "it does not begin")

    def events(self, name):
        with open("err", errors="replace") as f:
            lines = [json.loads(line) for line in f.read().split("\n")[:-1] if line.startswith("{")]
        return [e for e in lines if e["event"] == name]

    def pages(self):
        """Of each task: pid, progress"""
        try:
            with open(everything.memory(self.job) + "/control", "rb") as f:
                data = f.read()
        except OSError:
            return []
        count = struct.unpack_from("<I", data, PAGE)[0] if len(data) > 2 * PAGE else 0
        return [struct.unpack_from("<I", data, (2 + t) * PAGE) + struct.unpack_from("<Q", data, (2 + t) * PAGE + 24)
                for t in range(count)]

    def assert_calm(self, but=()):
        told = [e for e in self.events("hung") + self.events("died") + self.events("stuck") if e["pid"] not in but]
        if told:
            raise Wrong(f"it was taken for a hang: {told}")

    def end(self):
        try:
            status = self.p.wait(60)
        except subprocess.TimeoutExpired:
            raise Wrong("it does not end by itself") from None
        rows = []
        for path in glob.glob("out/part-*"):
            with open(path) as f:
                rows += [line.split(",")[1:] for line in f.read().splitlines()]
        rows.sort(key=lambda r: int(r[1]))
        if status or rows != [["1000", str(1000 * w)] for w in range(self.rows // 1000)]:
            raise Wrong(f"status {status}, {len(rows)} windows, missing or wrong")


def stopped(run):
    last = len(run.pages()) - 1
    pid = run.pages()[last][0]
    os.kill(pid, signal.SIGSTOP)
    until(lambda: run.events("restarted"), "a stopped task is not replaced")
    time.sleep(2 * HANG)
    run.assert_calm(but=(pid,))
    if [e["pid"] for e in run.events("hung")] != [pid] or "stopped" not in run.events("hung")[0]["text"]:
        raise Wrong(f"it says {run.events('hung')}")


def debugger(run):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
    pid, progress = run.pages()[0]
    if libc.ptrace(SEIZE, pid, None, None):
        return "nobody may be debugged here"
    if libc.ptrace(INTERRUPT, pid, None, None):
        raise Wrong("it cannot be held")
    os.waitpid(pid, 0x40000000)
    time.sleep(6 * HANG)
    run.assert_calm()
    libc.ptrace(DETACH, pid, None, None)
    until(lambda: not run.pages() or run.pages()[0][1] > progress + 1, "it does not go on")
    run.assert_calm()
    return ""


def idle(run):
    time.sleep(4 * HANG)
    run.assert_calm()


def main():
    weir, passed, failed = os.path.abspath(sys.argv[1]), 0, 0
    folder, job = tempfile.mkdtemp(prefix="hangs-"), f"hangs-driver-{os.getpid()}"
    os.chdir(folder)
    for name, what, rows, rate in (("stopped", stopped, 120000, 60000), ("debugger", debugger, 120000, 60000),
                                   ("idle", idle, 1000, 2)):
        run = None
        try:
            run = Run(weir, job, rows, rate)
            what(run)
            if name == "idle":
                run.p.send_signal(signal.SIGTERM)
                run.p.wait(60)
                run.assert_calm()
            else:
                run.end()
            passed += 1
        except Wrong as wrong:
            failed += 1
            print(f"FAIL {name}: {wrong}")
            with open("err", errors="replace") as f:
                print("".join("     " + line for line in f.readlines()[-12:]), flush=True)
        everything.reboot(job, run and run.p)
    os.chdir("/")
    shutil.rmtree(folder)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
