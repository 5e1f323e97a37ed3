#!/usr/bin/env python3
"""A whole job is killed before its k-th rename, unlink, mkdir, rmdir or sync, most often near its end
(the mark that it is finished, the renames of its output, the removal of its checkpoints), up to three
times; then it goes on: every row and every dead letter once.

usage: checkpoint_calls.py --seed N --rounds N PRELOAD.so WEIR BUILD
"""
import argparse, collections, glob, mmap, os, random, shutil, struct, subprocess, sys, tempfile
import everything

SCRIPT = """SET 'execution.checkpointing.interval' = '10 ms';
SET 'parallelism.default' = '2';
CREATE TABLE person (id STRING, dimension STRING, eventTime TIMESTAMP(3),
  WATERMARK FOR eventTime AS eventTime - INTERVAL '4' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'rows.json', 'format' = 'json');
CREATE TABLE p (w TIMESTAMP(3), d STRING, n BIGINT) WITH ('connector' = 'filesystem',
  'path' = 'out/p', 'format' = 'csv', 'sink.rolling-policy.file-size' = '8kb');
CREATE TABLE q (id STRING, d STRING) WITH ('connector' = 'filesystem',
  'path' = 'out/q', 'format' = 'csv', 'sink.rolling-policy.file-size' = '8kb');
EXECUTE STATEMENT SET BEGIN
INSERT INTO p SELECT window_end, dimension, COUNT(DISTINCT id)
FROM TABLE(CUMULATE(TABLE person, DESCRIPTOR(eventTime), INTERVAL '10' MINUTE, INTERVAL '1' DAY))
GROUP BY window_start, window_end, dimension;
INSERT INTO q SELECT id, dimension FROM person;
END;
"""


def lines_of(pattern):
    rows = collections.Counter()
    for path in glob.glob(pattern):
        with open(path) as f:
            rows.update(f.read().splitlines())
    return rows


class Job:
    def __init__(self, a):
        self.a, self.name = a, f"checkpoint-calls-{os.getpid()}"
        data = subprocess.run([a.build + "/bench/uv_data", "json", "6000", "5000", "10", "3000", "3"],
                              stdout=subprocess.PIPE, check=True).stdout.decode()
        with open("rows.json", "w") as f:
            for number, line in enumerate(data.splitlines()):
                f.write(line + "\n" + (f"bad {number}\n" if number % 500 == 0 else ""))
        with open("job.sql", "w") as f:
            f.write(SCRIPT)
        with open("count", "wb") as f:
            f.write(b"\0" * 4096)

    def configure(self, engine):
        everything.reboot(self.name)
        for name in ("out", "checkpoints", "dead"):
            shutil.rmtree(name, ignore_errors=True)
        with open("job.yaml", "w") as f:
            f.write(f"job: {self.name}\nsql: job.sql\nmemory: {{state: 16MiB, reserve: 0%}}\n"
                    f"checkpoint: {{interval: 1s, dir: checkpoints, engine: {engine}}}\n"
                    "recovery: {dead_letter: dead}\n")

    def run(self, kill_at):
        """The exit status, and how many calls there were."""
        with open("count", "r+b") as f, mmap.mmap(f.fileno(), 4096) as words, open("err", "a") as err:
            words[0:24] = struct.pack("<qqq", 0, 0, 0)
            environment = dict(os.environ, LD_PRELOAD=self.a.preload, CALL_KILL=os.path.abspath("count"))
            p = subprocess.Popen([self.a.weir, "run", "--quiet", "job.yaml"], env=environment, stderr=err)
            words[16:24] = struct.pack("<q", p.pid)
            words[8:16] = struct.pack("<q", kill_at)
            p.wait()
            everything.everything_dies(self.name)
            return p.returncode, struct.unpack("<q", words[0:8])[0]

    def is_over(self, want):
        """Complete, and nothing is left to go on from: another run would begin anew."""
        return (lines_of("out/*/part-*") == want and not os.path.exists("checkpoints/FINISHED")
                and not glob.glob("checkpoints/chk-*/MANIFEST")
                and not os.path.exists(everything.memory(self.name) + "/control"))


def round_of(job, r, want, dead, calls):
    """None, or what is wrong."""
    kills = []
    job.configure(r.choice(["io_uring", "pwrite"]))
    for life in range(r.choice([1, 1, 2, 3])):
        at = r.randrange(1, 80) if life else max(1, calls - r.randrange(60 if r.random() < 0.6 else calls))
        status, _ = job.run(at)
        kills.append(at)
        if r.random() < 0.7:
            everything.reboot(job.name)
        if lines_of("out/*/part-*") - want:
            return f"killed at {kills}: rows too many are seen"
        if status == 0 or job.is_over(want):
            break
    if status and not job.is_over(want):
        status, _ = job.run(0)
        if status:
            return f"killed at {kills}: status {status}"
    seen = lines_of("out/*/part-*")
    if seen != want:
        return f"killed at {kills}: {sum((want - seen).values())} lost, {sum((seen - want).values())} too many"
    return None if lines_of("dead/*") == dead else f"killed at {kills}: dead letters"


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--seed", type=int, required=True)
    p.add_argument("--rounds", type=int, required=True)
    for name in ("preload", "weir", "build"):
        p.add_argument(name)
    a = p.parse_args()
    print(f"SEED={a.seed}", flush=True)
    r = random.Random(a.seed)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        job = Job(a)
        job.configure("auto")
        status, calls = job.run(0)
        want, dead = lines_of("out/*/part-*"), lines_of("dead/*")
        if status or calls < 40 or sum(want.values()) < 6000 or sum(dead.values()) != 24:
            print(f"undisturbed: status {status}, {calls} calls, {sum(want.values())} rows")
            return 1
        wrong = [text for text in (round_of(job, r, want, dead, calls) for _ in range(a.rounds)) if text]
        for text in wrong:
            print("FAIL " + text)
        if wrong:
            with open("err", errors="replace") as f:
                print(f.read()[-2000:])
        everything.reboot(job.name)
        os.chdir("/")
    print(f"{a.rounds - len(wrong)} passed, {len(wrong)} failed")
    return 1 if wrong else 0


sys.exit(main())
