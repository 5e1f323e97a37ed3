"""metrics_driver.py WEIR JOB: in a folder with metrics.yaml: run it with metrics.listen, and read what is served.

The parser below is strict: what it does not know is an error. Prints "N passed, N failed"."""
import http.client, math, os, re, signal, socket, subprocess, sys, time

import watched
from watched import PATIENCE, check, until

weir, job = sys.argv[1:3]
NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*\Z")
LINE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(\{.*\})? (\S+)\Z")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(,|\Z)')


def parse(text):
    """{name: (type, {labels: value})} of the text format 0.0.4, as promtool would have it."""
    assert text.endswith("\n"), "the last line has no end"
    families, current = {}, None
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            current = line.split(" ", 3)[2]
            assert NAME.match(current) and current not in families, f"a family twice: {line}"
            assert len(line.split(" ", 3)) == 4, f"no help: {line}"
            families[current] = [None, {}]
            continue
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name == current and families[name][0] is None, f"TYPE is not behind its HELP: {line}"
            assert kind in ("counter", "gauge", "histogram"), line
            families[name][0] = kind
            continue
        match = LINE.match(line)
        assert match, f"no sample: {line}"
        name, labels, value = match.groups()
        kind, samples = families[current]
        base = name
        if kind == "histogram":
            base = re.sub(r"_(bucket|sum|count)\Z", "", name)
            assert base != name, f"a histogram's sample: {line}"
        assert base == current and kind, f"not of the family above: {line}"
        pairs, rest = [], (labels or "{}")[1:-1]
        while rest:
            found = LABEL.match(rest)
            assert found, f"labels: {line}"
            pairs.append(found.groups()[:2])
            rest = rest[found.end():]
        assert len({k for k, _ in pairs}) == len(pairs), f"a label twice: {line}"
        key = (name, tuple(sorted(pairs)))
        assert key not in samples, f"a sample twice: {line}"
        samples[key] = float(value)
        assert not math.isnan(samples[key]), line
        if kind in ("counter", "histogram"):
            assert samples[key] >= 0, line
    for name, (kind, samples) in families.items():
        if kind == "histogram":
            check_histogram(name, samples)
    return families


def check_histogram(name, samples):
    series = {}
    for (which, labels), value in samples.items():
        rest = tuple(p for p in labels if p[0] != "le")
        series.setdefault(rest, {})[(which[len(name):], dict(labels).get("le"))] = value
    for labels, values in series.items():
        bounds = sorted((float(le.replace("+Inf", "inf")), v) for (which, le), v in values.items() if which == "_bucket")
        counts = [v for _, v in bounds]
        assert counts == sorted(counts), f"{name}{labels}: buckets fall"
        assert bounds[-1][0] == math.inf and bounds[-1][1] == values[("_count", None)], f"{name}{labels}: count"
        total = values[("_sum", None)]
        least = sum(low * n for low, n in zip([0] + [b for b, _ in bounds], [counts[0]] + [b - a for a, b in zip(counts, counts[1:])]))
        assert total >= 0 and least * 0.98 <= total + 1e-9, f"{name}{labels}: sum {total} below {least}"


def request(port, path="/metrics", method="GET", body=None):
    """(status, headers, body), or None when nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read().decode()
    except OSError:
        return None
    finally:
        connection.close()


def families(port):
    answer = request(port)
    return parse(answer[2]) if answer else {}


def total(found, name):
    return sum(found[name][1].values()) if name in found else 0


def config(listen, extra=""):
    text = open("metrics.yaml").read()
    with open("listen.yaml", "w") as f:
        f.write(text + f'metrics: {{listen: "{listen}"{extra}}}\n')


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def refused():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        port = s.getsockname()[1]
        config(f"127.0.0.1:{port}")
        done = subprocess.run([weir, "run", "listen.yaml"], capture_output=True, text=True, timeout=PATIENCE)
        check("a port in use", done.returncode == 69 and f"127.0.0.1:{port} is in use" in done.stderr, done)
    for listen, text in (("192.0.2.1:9090", "not an address of this host"), ("no.such.host.invalid:1", "no address")):
        config(listen)
        done = subprocess.run([weir, "run", "listen.yaml"], capture_output=True, text=True, timeout=PATIENCE)
        check(listen, done.returncode == 78 and text in done.stderr, done)
    config("127.0.0.1")
    done = subprocess.run([weir, "check", "listen.yaml"], capture_output=True, text=True, timeout=PATIENCE)
    check("no port", done.returncode == 78 and "listen.yaml:" in done.stderr, done)
    check("nothing was left", not os.path.exists(f"/dev/shm/weir-{os.getuid()}/{job}"))


def server_of(pid):
    found = subprocess.run(["pgrep", "-P", str(pid), "-f", "metrics-server"], capture_output=True, text=True).stdout.split()
    return int(found[0]) if found else 0


def served(port, run):
    # The text is read as it comes from the first moment on: whatever a job is in the middle of.
    first = until("an answer", lambda: len(f := families(port)) > 1 and f)
    ready = lambda: (f := families(port)) and total(f, "weir_checkpoint_complete") > 0 and all(
        v > 20 for (n, _), v in f["weir_latency_from_source_seconds"][1].items() if n.endswith("_count")) and f
    now = until("latencies and a checkpoint", ready)
    tasks = int(total(now, "weir_tasks"))
    check("tasks", tasks >= 2 and total(now, "weir_tasks_alive") == tasks and total(now, "weir_task_up") == tasks)
    check("each task has one state", total(now, "weir_task_state") == tasks)
    later = until("more rows", lambda: (f := families(port)) and
                  total(f, "weir_task_rows_in_total") > total(now, "weir_task_rows_in_total") and f)
    falls = [k for name, (kind, samples) in now.items() if kind != "gauge"
             for k, v in samples.items() if later[name][1].get(k, 0) < v]
    check("counters do not fall", not falls, falls)
    check("the families are the same", set(later) == set(first))
    status, headers, text = request(port)
    check("status and type", status == 200 and headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8")
    check("HEAD", request(port, method="HEAD")[0::2] == (200, ""))
    check("another path", request(port, "/secret")[0] == 404 and request(port, "/")[0] == 200)
    check("another method", request(port, method="POST", body="x" * 100000)[0] == 405)
    idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]
    check("idle connections do not keep others out", request(port)[0] == 200)
    for s in idle:
        s.close()
    # A server that is killed is replaced; the job hears nothing of it.
    server = until("the server", lambda: server_of(run.pid))
    os.kill(server, signal.SIGKILL)
    until("another server", lambda: server_of(run.pid) not in (0, server))
    until("its answer", lambda: families(port))
    check("the job runs on", run.poll() is None and total(families(port), "weir_task_restarts_total") == 0)
    # A task that is killed: its counters go on, its death is counted.
    before = families(port)
    task = int(subprocess.run(["pgrep", "-f", f"weir task .*/{job} 0"], capture_output=True, text=True).stdout.split()[0])
    os.kill(task, signal.SIGKILL)
    after = until("a death", lambda: (f := families(port)) and total(f, "weir_task_deaths_total") > 0 and f)
    check("rows go on", total(after, "weir_task_rows_in_total") >= total(before, "weir_task_rows_in_total"))


def main():
    refused()
    port = free_port()
    config(f"127.0.0.1:{port}")
    run = subprocess.Popen([weir, "run", "--quiet", "listen.yaml"])
    served(port, run)
    # Without its supervisor it is gone; the next one serves again, at once.
    server = server_of(run.pid)
    run.kill()
    run.wait()
    run = subprocess.Popen([weir, "run", "--quiet", "listen.yaml"])
    until("the next run serves", lambda: (f := families(port)) and total(f, "weir_supervised") == 1 and
          total(f, "weir_tasks_alive") == total(f, "weir_tasks"))
    check("the old server is gone", not os.path.exists(f"/proc/{server}") or server_of(run.pid) != server)
    run.terminate()
    check("the job ends", run.wait(PATIENCE) == 0)
    check("nobody listens any more", request(port) is None)
    sys.exit(watched.verdict())


main()
