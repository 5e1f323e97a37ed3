"""latency_driver.py WEIR SEED: in a folder with the jobs of latency.sh. Prints "N passed, N failed"."""
import hashlib, json, os, random, shutil, signal, subprocess, sys, time

import watched
from watched import PATIENCE, check, until

weir, rng = sys.argv[1], random.Random(int(sys.argv[2]))


def look(name):
    done = subprocess.run([weir, "top", "--json", "--once", "--interval", "100ms", f"{name}.yaml"],
                          capture_output=True, text=True, timeout=PATIENCE)
    return json.loads(done.stdout) if done.returncode == 0 and done.stdout else None


def start(name):
    for left in ("out", "chk"):
        shutil.rmtree(left, ignore_errors=True)
    return subprocess.Popen([weir, "run", "--quiet", f"{name}.yaml"])


def rows():
    lines = []
    for part in sorted(os.listdir("out")):
        lines += open(f"out/{part}").read().splitlines()
    return len(lines), hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def total(task, path="latency_from_source"):
    return (task[path] or {}).get("total", {}).get("markers", 0)


def sane(what, job, age_ns):
    """Every latency is one: not negative, not longer than the job has run, percentiles in order."""
    bad = []
    for task in job["tasks"]:
        for path in ("latency_from_source", "latency_last_hop"):
            h = (task[path] or {}).get("total", {})
            if not h.get("markers"):
                continue
            order = [h["min_ns"], h["p50_ns"], h["p99_ns"], h["p99_9_ns"], h["p99_99_ns"], h["max_ns"]]
            if order[0] < 0 or order != sorted(order) or order[-1] > age_ns:
                bad.append((task["task"], path, h))
        if task["markers_lost"]:
            bad.append((task["task"], "lost", task["markers_lost"]))
    check(what + ": latencies are sane", not bad, bad)


def undisturbed(name):
    begun = time.monotonic()
    run = start(name)
    job = until("markers at every task", lambda: (j := look(name)) and all(total(t) > 50 for t in j["tasks"]) and j)
    sane(name, job, (time.monotonic() - begun) * 1e9)
    sources = [t for t in job["tasks"] if t["latency_last_hop"] is None]
    others = [t for t in job["tasks"] if t["latency_last_hop"]]
    check(name + ": sources make them", all(t["markers_made"] >= total(t) > 0 for t in sources))
    check(name + ": others do not", all(t["markers_made"] == 0 for t in others))
    check(name + ": every hop counts", all(total(t, "latency_last_hop") > 0 for t in others))
    check(name + ": it ends well", run.wait(PATIENCE) == 0)
    return len(sources), rows()


def killed(name, want, kills):
    """Tasks are killed at random, with their spares and alone; some as they are stopped."""
    begun = time.monotonic()
    run = start(name)
    counted, falls, done = {}, [], 0
    while run.poll() is None and done < kills:
        job = look(name)
        if not job:
            continue
        for t in job["tasks"]:
            if total(t) < counted.get(t["task"], 0):
                falls.append(t)
            counted[t["task"]] = total(t)
        if not all(total(t) for t in job["tasks"]):
            continue
        for victim in rng.sample(job["tasks"], 2):
            if victim["alive"]:
                try:
                    os.kill(victim["pid"], signal.SIGKILL)
                    done += 1
                except ProcessLookupError:
                    pass
        last = job
        time.sleep(rng.random() * 0.05)
    job = look(name) or last
    sane(name + " under kills", job, (time.monotonic() - begun) * 1e9)
    check(name + ": counts outlive processes", not falls, falls)
    check(name + ": it ends well under kills", run.wait(PATIENCE) == 0)
    check(name + ": no row is lost, none comes twice", rows() == want, rows(), want)
    return done


def frozen(name):
    """The last task stands still for a while: what was due meanwhile is recorded, with its age."""
    run = start(name)
    job = until("markers at every task", lambda: (j := look(name)) and all(total(t) > 20 for t in j["tasks"]) and j)
    last = job["tasks"][-1]
    os.kill(last["pid"], signal.SIGSTOP)
    time.sleep(0.6)
    os.kill(last["pid"], signal.SIGCONT)
    late = until("late markers", lambda: (j := look(name)) and
                 (h := j["tasks"][-1]["latency_from_source"]["total"])["max_ns"] > 400e6 and h)
    check(name + ": not one of them is late but all that were due", late["p99_ns"] > 100e6, late)
    run.terminate()
    check(name + ": a stop ends it", run.wait(PATIENCE) == 0)


def main():
    tasks, want = undisturbed("distinct")
    check("four sources", tasks == 4, tasks)
    check("windows gave rows", want[0] > 1000, want)
    done = killed("distinct", want, 14)
    check("tasks were killed", done >= 8, done)
    frozen("phases")
    run = start("off")
    job = until("rows", lambda: (j := look("off")) and sum(t["rows_in"] for t in j["tasks"]) > 1000 and j)
    check("none when they are off", all(total(t) == 0 and t["markers_made"] == 0 for t in job["tasks"]), job)
    check("off: it ends well", run.wait(PATIENCE) == 0)
    # A source that has read everything: a marker now and then, through a forward exchange.
    run = start("forward")
    job = until("all rows", lambda: (j := look("forward")) and j["tasks"][0]["rows_in"] == 40000 and
                len(j["tasks"]) == 2 and all(total(t) > 3 for t in j["tasks"]) and j)
    later = until("idle markers", lambda: (j := look("forward")) and total(j["tasks"][1]) > total(job["tasks"][1]) + 3 and j)
    check("idle: no row, markers all the same", later["tasks"][1]["rows_in"] == job["tasks"][1]["rows_in"])
    run.terminate()
    check("forward: a stop ends it", run.wait(PATIENCE) == 0)
    sys.exit(watched.verdict())


main()
