#!/usr/bin/env python3
"""bench_driver.py WEIR: what bench.sh says. No figure is looked at for its size: hosts are busy.

Histograms are decoded here from HdrHistogram's format, independently of the code that wrote them, and by the reference
implementation where build/hdr-venv has it (python3 -m venv build/hdr-venv; its pip install hdrhistogram==0.10.8).
"""
import base64
import glob
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import xml.dom.minidom
import zlib

WEIR = os.path.abspath(sys.argv[1])
REFERENCE = "build/hdr-venv/bin/python"
PERCENTS = ["p50", "p90", "p99", "p99.9", "p99.99", "max"]
passed = failed = 0


def check(what, is_good, seen=""):
    global passed, failed
    passed += bool(is_good)
    failed += not is_good
    if not is_good:
        print(f"FAIL {what}: {str(seen)[:1500]}")


def weir(*words, env=None):
    return subprocess.run([WEIR, "bench", *words], text=True, capture_output=True, timeout=300, check=False,
                          env=env or os.environ)


def memory_left():
    return glob.glob(f"/dev/shm/weir-{os.getuid()}/weir-bench-*") + \
        glob.glob(f"/dev/shm/weir-{os.getuid()}/recovery-*")


def report_of(kind, figures, series, *words):
    """Run it; the report, when it has all that a report has, and these names."""
    done = weir(kind, "--json", "--runs", "1", *words)
    check(f"{kind} runs", done.returncode == 0, done.stderr)
    try:
        report = json.loads(done.stdout)
    except ValueError as problem:
        check(f"{kind}: JSON", False, f"{problem} {done.stdout} {done.stderr}")
        return {"figures": [], "series": [], "machine": {}}
    for key in ("bench", "version", "command", "started", "runs", "machine", "figures", "series", "notes"):
        check(f"{kind}: has {key}", key in report, report)
    check(f"{kind}: says its command", kind in report["command"] and "--runs 1" in report["command"], report["command"])
    for fact in ("cpu", "kernel", "memory", "cores"):
        check(f"{kind}: machine: {fact}", report["machine"].get(fact), report["machine"])
    names = {f["name"] for f in report["figures"]}
    check(f"{kind}: figures", set(figures) <= names, names)
    for f in report["figures"]:
        check(f"{kind}: {f['name']}", f["min"] <= f["median"] <= f["max"] and len(f["values"]) >= 1 and
              f["better"] in ("less", "more"), f)
    names = {s["name"] for s in report["series"]}
    check(f"{kind}: series", set(series) <= names, names)
    for s in report["series"]:
        values = [s[p] for p in PERCENTS]
        check(f"{kind}: {s['name']} ascends", values == sorted(values) and s["count"] > 0 and s["min"] <= values[0], s)
    return report


def decode(text):
    """(total, smallest counted, largest counted) of one base64 V2 histogram; CORE OF THE FORMAT, not our code."""
    cookie, length = struct.unpack(">II", base64.b64decode(text)[:8])
    assert cookie & ~0xf0 == 0x1c849304, hex(cookie)
    raw = zlib.decompress(base64.b64decode(text)[8:8 + length])
    cookie, length, _, digits, lowest, highest, ratio = struct.unpack(">IIIIQQd", raw[:40])
    assert cookie & ~0xf0 == 0x1c849303 and (digits, lowest, ratio) == (3, 1, 1.0) and highest == 3600 * 10**9
    payload, at, index, counts = raw[40:40 + length], 0, 0, {}
    while at < len(payload):
        value = shift = 0
        for i in range(9):
            byte = payload[at]
            at += 1
            value |= (byte if i == 8 else byte & 0x7f) << shift
            shift += 7
            if i < 8 and not byte & 0x80:
                break
        number = (value >> 1) ^ -(value & 1)
        if number < 0:
            index -= number
        else:
            if number:
                counts[index] = number
            index += 1
    def low(i):
        return i if i < 2048 else (i % 1024 + 1024) << (i // 1024 - 1)
    return sum(counts.values()), low(min(counts)), low(max(counts) + 1) - 1


def check_files(folder, report):
    """The forms of one report say the same."""
    page = open(f"{folder}/r.html", encoding="utf-8").read()
    xml.dom.minidom.parseString(page)
    links = [w for w in ("http://", "https://", "<script", "src=", "href=", "url(", "@import") if w in page]
    check("html needs nothing else", [w for w in links if w != "http://"] == [] and
          page.count("http://") == page.count("http://www.w3.org/"), links)
    check("html has a curve a series", page.count("<polyline") == len(report["series"]) > 0, page)
    rows = [line for line in open(f"{folder}/r.hlog", encoding="utf-8") if line.startswith("Tag=")]
    by_tag = {s["name"].replace(" ", "-").replace(",", "-"): s for s in report["series"]}
    check("hlog: a row a series", sorted(by_tag) == sorted(r[4:].split(",")[0] for r in rows), rows)
    for row in rows:
        tag, _, _, largest, text = row.rstrip("\n").split(",")
        total, low, high = decode(text)
        s = by_tag[tag[4:]]
        check(f"hlog: {tag}", total == s["count"] and low <= s["min"] and s["max"] <= high and
              abs(float(largest) - s["max"] / 1e6) < 0.001, (total, low, high, s))
        name = glob.escape(f"{folder}/hgrm/ring-" + s["name"].replace(" ", "-")) + ".hgrm"
        lines = open(glob.glob(name)[0], encoding="utf-8").read().splitlines()
        values = [line.split() for line in lines if line and line[0] == " " and "Value" not in line]
        check(f"hgrm: {tag}", int(values[-1][2]) == s["count"] and values[-1][1] == "1.000000000000" and
              [float(v[0]) for v in values] == sorted(float(v[0]) for v in values), lines[-8:])
    ask_reference(f"{folder}/r.hlog", by_tag)


def ask_reference(path, by_tag):
    if not os.path.exists(REFERENCE):
        print("note: build/hdr-venv is not there; the reference implementation was not asked")
        return
    # The Python library rounds percent x count to the nearest whole number, Java's and ours up: ask for that one.
    code = ("import sys,json,math\nfrom hdrh.log import HistogramLogReader\nfrom hdrh.histogram import HdrHistogram\n"
            "log=HistogramLogReader(sys.argv[1],HdrHistogram(1,3600000000000,3))\nout={}\n"
            "while True:\n    h=log.get_next_interval_histogram()\n    if h is None: break\n"
            "    n=h.get_total_count()\n"
            "    out[h.tag]=[n]+[h.get_value_at_percentile(100*math.ceil(p*n/100)/n) for p in (50,90,99)]\n"
            "print(json.dumps(out))")
    done = subprocess.run([REFERENCE, "-c", code, path], text=True, capture_output=True, check=False)
    check("the reference reads the hlog", done.returncode == 0, done.stderr)
    for tag, seen in json.loads(done.stdout or "{}").items():
        s = by_tag[tag]
        wanted = [s["count"], s["p50"], s["p90"], s["p99"]]
        near = all(min(a, s["max"]) == min(b, s["max"]) for a, b in zip(seen[1:], wanted[1:]))
        check(f"the reference's {tag}", seen[0] == wanted[0] and near, (seen, wanted))


def check_kinds(folder, cores):
    jitter = report_of("jitter", [f"core {cores[0]}: longest hole"], [f"core {cores[0]} due", f"core {cores[0]} timer"],
                       "--seconds", "0.2", "--save", f"{folder}/jitter.json")
    check("--save is the report", json.load(open(f"{folder}/jitter.json", encoding="utf-8")) == jitter)
    report_of("checkpoint", ["full speed to none: pwrite"], ["delay, checkpoints: none", "delay, checkpoints: pwrite"],
              "--state", "2", "--seconds", "0.1", "--folder", folder)
    with open(f"{folder}/own.sql", "w", encoding="utf-8") as sql:
        sql.write("CREATE TABLE t (k BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '0', "
                  "'number-of-rows' = '5000000');\nCREATE TABLE o (k BIGINT) WITH ('connector' = 'blackhole');\n"
                  "INSERT INTO o SELECT k FROM t;\n")
    with open(f"{folder}/own.yaml", "w", encoding="utf-8") as yaml:
        yaml.write(f"job: bench-own-{os.getpid()}\nsql: own.sql\nmemory: {{state: 16MiB, reserve: 0%}}\n")
    job = report_of("job", ["seconds", "rows read", "CPU of all processes"], [], f"{folder}/own.yaml")
    rows = [f["median"] for f in job["figures"] if f["name"].endswith(": rows in")]
    check("job: every row was read", sum(rows[:1]) == 5000000 or sum(rows) == 5000000, job["figures"])
    if len(cores) < 2:
        for kind in ("ring", "hop", "pipeline", "recovery"):
            done = weir(kind)
            check(f"{kind} on one core", done.returncode == 69 and "needs 2 cores" in done.stderr, done.stderr)
        return
    ring = report_of("ring", ["raw ping-pong", "round trip", "round trip to raw"], ["round trip"], "--seconds", "0.1",
                     "--html", f"{folder}/r.html", "--hlog", f"{folder}/r.hlog", "--hgrm", f"{folder}/hgrm",
                     "--save", f"{folder}/ring.json")
    check("ring is probed", ring.get("probe", {}).get("before", {}).get("round_trip_ns", 0) > 0, ring)
    check_files(folder, ring)
    check_against(folder)
    report_of("hop", ["block, frames at full speed"], ["block, at --rate"], "--seconds", "0.1", "--rate", "5000",
              "--waiting", "block")
    pipeline = report_of("pipeline", ["rows", "p99.99, to the host's own"], ["window result", "host alone"], "--rate",
                         "20000", "--seconds", "0.4", "--warmup", "0.1", "--folder", folder)
    check("pipeline says its load", "20000 rows/s" in pipeline["machine"].get("load", ""), pipeline["machine"])
    recovery = report_of("recovery", ["rows lost", "rows twice"], ["gap: kill to first rows"], "--kills", "2",
                         "--state", "4", "--rate", "50000", "--seconds", "1")
    lost = [f["max"] for f in recovery["figures"] if f["name"] in ("rows lost", "rows twice", "points lost or twice")]
    check("recovery: nothing is lost", lost == [0, 0, 0], lost)


def check_against(folder):
    done = weir("ring", "--runs", "2", "--seconds", "0.05", "--against", f"{folder}/ring.json")
    check("--against in text", done.returncode == 0 and "of saved, one run: no spread" in done.stdout, done.stdout)
    saved = json.load(open(f"{folder}/ring.json", encoding="utf-8"))
    for f in saved["figures"]:  # so good and so steady that nothing comes near: lower, or for rates higher
        f["values"] = [1e-3, 1e-3] if f["better"] == "less" else [1e9, 1e9]
    json.dump(saved, open(f"{folder}/better.json", "w", encoding="utf-8"))
    done = weir("ring", "--runs", "2", "--seconds", "0.05", "--json", "--against", f"{folder}/better.json")
    report = json.loads(done.stdout)
    check("--against finds what is worse", {f["against"] for f in report["figures"]} == {"worse"}, report["figures"])
    for name, text in (("none.json", None), ("text.json", "no json"), ("other.json", '{"bench": "ring"}'),
                       ("hop.json", '{"bench": "hop", "figures": []}'),
                       ("odd.json", '{"bench": "ring", "figures": [{"name": "x", "values": ["y"]}]}')):
        if text is not None:
            with open(f"{folder}/{name}", "w", encoding="utf-8") as file:
                file.write(text)
        done = weir("ring", "--against", f"{folder}/{name}")
        check(f"--against {name}", done.returncode == 78 and name in done.stderr, (done.returncode, done.stderr))


def check_refusals(cores):
    usage = [("ring", "--seconds", "x"), ("ring", "--seconds", "0"), ("ring", "--runs", "0"), ("ring", "--runs", "101"),
             ("ring", "--cores", "0,0"), ("ring", "--cores", "0-"), ("ring", "--cores", ""), ("ring", "--cores"),
             ("ring", "--rate", "5"), ("hop", "--waiting", "sometimes"), ("hop", "--rate", "0"), ("ring", "file"),
             ("recovery", "--what", "nothing"), ("pipeline", "--keys", "-1"), ("job",), ("rings",), ()]
    for words in usage:
        done = weir(*words)
        check(f"refused: {words}", done.returncode == 64 and done.stderr, (done.returncode, done.stdout, done.stderr))
    done = weir("ring", "--second", "1")
    check("a hint", "did you mean --seconds?" in done.stderr, done.stderr)
    done = weir("jitter", "--cores", "60000")
    check("a core that is not there", done.returncode == 78 and "core 60000 does not exist" in done.stderr, done.stderr)
    if len(cores) > 1:
        done = subprocess.run(["taskset", "-c", str(cores[0]), WEIR, "bench", "jitter", "--cores", str(cores[1])],
                              text=True, capture_output=True, check=False)
        check("a core outside of the mask", done.returncode == 78 and "may not be used" in done.stderr, done.stderr)
        done = subprocess.run(["taskset", "-c", str(cores[0]), WEIR, "bench", "ring"], text=True,
                              capture_output=True, check=False)
        check("ring on one core", done.returncode == 69 and "needs 2 cores" in done.stderr, done.stderr)
    done = weir("job", "no-such.yaml")
    check("a job that is not there", done.returncode == 78 and "no-such.yaml" in done.stderr, done.stderr)
    done = weir("--help")
    check("--help", done.returncode == 0 and "pipeline" in done.stdout and "--against" in done.stdout, done.stdout)


def check_interrupt(folder, cores):
    """Ctrl-C while a job of the benchmark runs: it is stopped, nothing of it stays."""
    if len(cores) < 2:
        return
    process = subprocess.Popen([WEIR, "bench", "pipeline", "--rate", "20000", "--seconds", "60", "--folder", folder],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    until = time.time() + 120  # the jitter measured before the job takes half of --seconds: it begins after that
    while time.time() < until and process.poll() is None and not glob.glob(f"{folder}/weir-bench-*/job.sql"):
        time.sleep(0.05)
        if time.time() > until - 118:
            break
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    check("Ctrl-C", process.returncode == 130, (process.returncode, errors))
    process = subprocess.Popen([WEIR, "bench", "job", f"{folder}/long.yaml"], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, start_new_session=True)
    name = f"/dev/shm/weir-{os.getuid()}/bench-long-{os.getpid()}"
    while time.time() < until and process.poll() is None and not os.path.exists(f"{name}/control"):
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    check("Ctrl-C of a job", process.returncode == 130 and not os.path.exists(name), (process.returncode, errors))


def main():
    cores = sorted(os.sched_getaffinity(0))
    before = memory_left()
    folder = tempfile.mkdtemp()
    try:
        with open(f"{folder}/long.sql", "w", encoding="utf-8") as sql:
            sql.write("CREATE TABLE t (k BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '1000');\n"
                      "CREATE TABLE o (k BIGINT) WITH ('connector' = 'blackhole');\nINSERT INTO o SELECT k FROM t;\n")
        with open(f"{folder}/long.yaml", "w", encoding="utf-8") as yaml:
            yaml.write(f"job: bench-long-{os.getpid()}\nsql: long.sql\nmemory: {{dir: /dev/shm, state: 16MiB, "
                       "reserve: 0%}\ncheckpoint: {interval: none}\n")
        check_refusals(cores)
        check_kinds(folder, cores)
        check_interrupt(folder, cores)
        left = glob.glob(f"{folder}/weir-bench-*")
        check("no folder stays", left == [], left)
        check("no memory stays", [m for m in memory_left() if m not in before] == [], memory_left())
    finally:
        shutil.rmtree(folder)
    print(f"{passed} passed, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
