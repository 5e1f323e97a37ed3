#!/bin/sh
# pids.sh: a pid that is another process's by now. In a pid namespace of its own, where the next pid can be
# chosen: everything of a job is killed, and each of its pids, of the tasks, of their spares and of the
# supervisor, becomes a `sleep`'s. The next run must neither wait for one of them, nor adopt it, nor kill it.
# Root only: 77 otherwise.
set -eu
[ -x "${WEIR:?}" ] || { echo "the command is not built"; exit 77; }
unshare --pid --fork --mount-proc true 2>/dev/null || { echo "no pid namespace can be made here"; exit 77; }
dir=$(mktemp -d)
job=pids-$$
memory=/dev/shm/weir-$(id -u)/$job
trap 'rm -rf "$dir" "$memory"' EXIT
cat >"$dir/job.sql" <<SQL
CREATE TABLE src (i BIGINT, t TIMESTAMP(3), WATERMARK FOR t AS t) WITH ('connector' = 'datagen',
  'rows-per-second' = '60000', 'fields.i.kind' = 'sequence', 'fields.i.start' = '0', 'fields.i.end' = '119999',
  'fields.t.start' = '2024-01-01', 'fields.t.rows-per-second' = '1000');
CREATE TABLE result (t TIMESTAMP(3), c BIGINT) WITH ('connector' = 'filesystem', 'path' = '$dir/out',
  'format' = 'csv');
INSERT INTO result SELECT window_start, COUNT(*)
FROM TABLE(TUMBLE(TABLE src, DESCRIPTOR(t), INTERVAL '1' SECOND)) GROUP BY window_start, window_end;
SQL
cat >"$dir/job.yaml" <<YAML
job: $job
sql: job.sql
memory: {state: 16MiB, reserve: 0%}
checkpoint: {interval: none}
recovery: {spares: 1}
placement: {cores: 2}
YAML

# Inside the namespace, whose first process this is: it also reaps.
cat >"$dir/inside.py" <<'PYTHON'
import os, signal, struct, subprocess, sys, time
weir, folder, memory = sys.argv[1:]
PAGE = 4096

def pages():
    """tasks [(pid, start, progress)], spares [(pid, state)], the supervisor's pid"""
    with open(memory + "/control", "rb") as f:
        data = f.read()
    count, supervisor = struct.unpack_from("<II", data, PAGE)
    tasks = [struct.unpack_from("<I", data, (2 + t) * PAGE) + struct.unpack_from("<Q8xQ", data, (2 + t) * PAGE + 8)
             for t in range(count)]
    return tasks, [struct.unpack_from("<II", data, (2 + 3 * count + t) * PAGE) for t in range(count)], supervisor

def until(what):
    limit = time.monotonic() + 20
    while not what():
        if time.monotonic() > limit:
            sys.exit("FAIL: it does not come to that: " + what.__name__)
        time.sleep(0.002)

def begun():
    try:
        tasks, spares, _ = pages()
    except (OSError, struct.error):
        return False
    return all(t[2] > 0 for t in tasks) and all(s[1] == 2 for s in spares)

def start():
    return subprocess.Popen([weir, "run", "--json", folder + "/job.yaml"], stderr=open(folder + "/err", "w"),
                            stdout=subprocess.DEVNULL)

def is_gone(pid):
    while True:  # orphans are ours to reap
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                break
        except ChildProcessError:
            break
    return not os.path.exists(f"/proc/{pid}")

def take(pid):
    """A sleep with just that pid."""
    for _ in range(100):
        with open("/proc/sys/kernel/ns_last_pid", "w") as f:
            f.write(str(pid - 1))
        child = os.fork()
        if child == 0:
            os.execlp("sleep", "sleep", "1000")
        if child == pid:
            return child
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    sys.exit(f"FAIL: pid {pid} is not to be had")

first = start()
until(begun)
tasks, spares, supervisor = pages()
pids = [t[0] for t in tasks] + [s[0] for s in spares] + [supervisor]
for pid in [supervisor] + pids:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
for pid in pids:
    until(lambda: is_gone(pid))
time.sleep(0.03)  # start times are told in hundredths of a second
innocents = [take(pid) for pid in pids]
begin = time.monotonic()
second = start()
pid, status = os.waitpid(second.pid, 0)
seconds = time.monotonic() - begin
with open(folder + "/err") as f:
    told = f.read()
if status:
    sys.exit(f"FAIL: status {status}: {told[-2000:]}")
if '"adopted":0' not in told:
    sys.exit("FAIL: it did not go on from memory, or adopted somebody: " + told[:2000])
for pid in innocents:
    if os.waitpid(pid, os.WNOHANG) != (0, 0):
        sys.exit(f"FAIL: pid {pid}, which had become another's, was killed")
    os.kill(pid, signal.SIGKILL)
print(f"{len(innocents)} pids were another's; the job went on from memory in {seconds:.1f} s")
PYTHON
unshare --pid --fork --mount-proc python3 "$dir/inside.py" "$WEIR" "$dir" "$memory"
# Windows 0, 1, 2 ... of a thousand rows, each once.
cat "$dir"/out/* | sort | awk -F, '$2 != 1000 || seen[$1]++ { exit 1 } END { if (NR != 120) exit 1 }' ||
    { echo "FAIL: windows are missing or wrong"; exit 1; }
[ ! -e "$memory" ] || { echo "FAIL: memory is left"; exit 1; }
