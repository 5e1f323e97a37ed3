"""top_driver.py WEIR JOB: in a folder with top.yaml: run it and look at it with `weir top`, in every state.

Prints "N passed, N failed"."""
import errno, fcntl, json, os, pty, select, signal, struct, subprocess, sys, termios, time

import watched
from watched import PATIENCE, check, until

weir, job = sys.argv[1:3]


def top(*words, env=None):
    return subprocess.run([weir, "top", *words], capture_output=True, text=True, timeout=PATIENCE,
                          env={**os.environ, **(env or {})})


def look(interval="100ms"):
    """The job as JSON; None: it cannot be looked at."""
    done = top("--json", "--once", "--interval", interval, "top.yaml")
    return json.loads(done.stdout) if done.returncode == 0 and done.stdout else None


class Terminal:
    """`weir top` on a terminal of its own."""

    def __init__(self, *words, **env):
        self.out = b""
        self.ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 120, 0, 0))
        self.before = termios.tcgetattr(theirs)
        self.theirs = theirs

        def begin():
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen([weir, "top", *words], stdin=theirs, stdout=theirs, stderr=theirs,
                                        preexec_fn=begin, env={**os.environ, "TERM": "xterm", **env})

    def read(self, seconds=0.05):
        while select.select([self.ours], [], [], seconds)[0]:
            try:
                data = os.read(self.ours, 65536)
            except OSError as error:
                if error.errno == errno.EIO:
                    return self.out
                raise
            self.out += data
        return self.out

    def shows(self, text):
        until(f"{text!r} on the terminal", lambda: text in self.read())

    def type(self, keys):
        os.write(self.ours, keys)

    def resize(self, lines, columns):
        fcntl.ioctl(self.theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def end(self):
        status = self.process.wait(PATIENCE)
        self.read()
        after = termios.tcgetattr(self.theirs)
        os.close(self.ours)
        os.close(self.theirs)
        return status, after == self.before


def terminal():
    t = Terminal("--interval", "100ms", "top.yaml")
    t.shows(b"\x1b[?1049h")
    t.shows(b"running, supervisor")
    t.shows(b"BLOCK%")
    t.type(b"h")
    t.shows(b"r reverse")
    t.type(b"lr")
    t.type(b"h")
    t.shows(b"sorted by latency, reversed")
    t.resize(12, 60)
    at = len(t.out)
    until("a picture of 60 columns", lambda: picture_fits(t.read()[at:], 12, 60))
    t.type(b"q")
    status, restored = t.end()
    check("q quits and leaves the terminal as it was", status == 0 and restored and t.out.endswith(b"\x1b[?1049l"),
          status, restored, t.out[-60:])
    check("nothing is cleared before it is drawn", b"\x1b[2J" not in t.out)
    for what, act in (("Ctrl-C", lambda t: t.type(b"\x03")), ("SIGTERM", lambda t: t.process.terminate())):
        t = Terminal("top.yaml", NO_COLOR="1")
        t.shows(b"BLOCK%")
        act(t)
        status, restored = t.end()
        check(what + " ends it in order", status == 0 and restored, status, restored)
        check("NO_COLOR", b"\x1b[1m" not in t.out and b"\x1b[7m" not in t.out)
    t = Terminal("--interval", "100ms", "top.yaml", TERM="dumb")
    status, restored = t.end()
    check("a dumb terminal is printed on once", status == 0 and b"\x1b" not in t.out and b"BLOCK%" in t.out, t.out)


def picture_fits(out, lines, columns):
    """Is the last whole picture no larger than that?"""
    pictures = out.split(b"\x1b[H")
    if len(pictures) < 3:
        return False
    rows = [row.split(b"\x1b[K")[0] for row in pictures[-2].split(b"\r\n")]
    plain = [row.replace(b"\x1b[1m", b"").replace(b"\x1b[7m", b"").replace(b"\x1b[m", b"") for row in rows]
    return len(rows) <= lines and max(map(len, plain)) <= columns


def running():
    until("latencies, a checkpoint and spares", lambda: (d := look()) and d["checkpoint"]["complete"] and all(
        t["latency_from_source"]["recent"]["markers"] > 20 and t["spares_ready"] for t in d["tasks"]))
    d = look("500ms")
    sources = [t for t in d["tasks"] if t["latency_last_hop"] is None]
    sink = d["tasks"][-1]
    rate = sum(t["rows_in_per_second"] for t in sources)
    check("rows a second", 2000 < rate < 60000, rate)
    check("every task lives", d["state"] == "running" and d["tasks_alive"] == len(d["tasks"]), d["state"])
    check("markers are made by sources alone", all((t["markers_made"] > 0) == (t in sources) for t in d["tasks"]))
    check("watermark and lag", sink["watermark_ms"] and sink["watermark_lag_ms"] is not None, sink)
    total = sink["latency_from_source"]["total"]
    check("percentiles ascend", 0 < total["min_ns"] <= total["p50_ns"] <= total["p99_ns"] <= total["max_ns"], total)
    check("the input ring is looked at", 0 <= sink["input_ring_fill"] <= 1 and sources[0]["input_ring_fill"] is None)
    check("memory", 0 < d["memory_held_bytes"] <= d["memory_promised_bytes"])
    text = top("--interval", "100ms", "top.yaml")
    check("text, once, when it is no terminal", text.returncode == 0 and "to final window" in text.stdout and
          "\x1b" not in text.stdout and "checkpoint" in text.stdout, text.stdout)
    named = top("--interval", "100ms", job)
    check("by its name", named.returncode == 0 and named.stdout.startswith(job + ": running"), named.stdout)
    jobs = json.loads(top("--json", "--once", "--interval", "100ms").stdout)["jobs"]
    check("among all jobs", job in [j["job"] for j in jobs])
    check("a line of all jobs", job in top("--interval", "100ms").stdout)
    stream = subprocess.Popen([weir, "top", "--json", "--interval", "100ms", "top.yaml"], stdout=subprocess.PIPE,
                              text=True)
    lines = [json.loads(stream.stdout.readline()) for _ in range(3)]
    stream.kill()
    stream.wait()
    check("JSON, a line an interval", lines[0]["time_ms"] < lines[1]["time_ms"] < lines[2]["time_ms"])
    terminal()


def dead(run):
    pids = {t["task"]: t["pid"] for t in look()["tasks"]}
    run.kill()
    run.wait()
    d = look()
    check("the supervisor is dead", d["state"] == "unsupervised" and d["tasks_alive"] == len(d["tasks"]), d["state"])
    check("it says so", "is gone" in top("--interval", "100ms", "top.yaml").stdout)
    markers = d["tasks"][-1]["latency_from_source"]["total"]["markers"]
    check("markers go on", (look("500ms") or d)["tasks"][-1]["latency_from_source"]["total"]["markers"] > markers)
    end = time.monotonic() + PATIENCE
    while (d := look())["tasks_alive"] and time.monotonic() < end:  # spares take over: all of them
        for t in d["tasks"]:
            if t["alive"]:
                os.kill(t["pid"], signal.SIGKILL)
    check("nothing lives", d["state"] == "left" and all(t["state"] == "dead" for t in d["tasks"]),
          [t["state"] for t in d["tasks"]])
    check("its memory tells the same", d["tasks"][-1]["latency_from_source"]["total"]["markers"] >= markers)
    check("there are no rates", top("--json", "--once", "--interval", "30s", "top.yaml").returncode == 0)
    with open(f"/dev/shm/weir-{os.getuid()}/{job}/control", "r+b") as f:
        f.seek(8)
        f.write(b"\xff" * 8)
    done = top("top.yaml")
    check("damaged memory is said to be so", done.returncode == 69 and done.stderr.startswith("weir: "), done.stderr)


def refused():
    for status, words, text in ((69, ["top.yaml"], "does not run"), (69, ["no-such"], "no file of that name"),
                                (64, ["--frobnicate"], "unknown option"), (64, ["--interval", "1ms", job], "100ms"),
                                (64, ["--interval"], "duration"), (64, ["a", "b"], "one job only"),
                                (78, ["top.sql"], "top.sql")):
        done = top(*words)
        check(f"refused: {words}", done.returncode == status and text in done.stderr, done.returncode, done.stderr)
    check("help", "example" in top("--help").stdout)


refused()
run = subprocess.Popen([weir, "run", "--quiet", "top.yaml"])
running()
dead(run)
sys.exit(watched.verdict())
