"""One round: a job, its schedule of faults, and the comparison with the undisturbed run.

Which faults, at whom and how far apart is drawn from the seed and the number of the round alone; a fault that
finds nothing to strike is passed over. So a seed gives the same decisions again, though not the same timing.
"""
import json, os, random, shutil, subprocess, time

import everything, verify
from cgroup import Group
from faults import FAULTS
from job import Job, Over, now_ns
from scenarios import config, dead_letters
from verify import Wrong

DESCRIPTORS = 30   # that a supervisor may have open besides one for each process
QUIET_S = 0.4      # so long without a row: all that was there has been handled
STOPS_MAX = 12     # ends of a followed job, until its output must be whole
LOOK_EVERY = 12    # faults between two looks at the output
SETTLED_NS = 2 * 10**9  # a death this old is in the event log, whatever happens to the supervisor
PAUSE_S = 0.008
CALM_EVERY_S = 2.0  # now and then a checkpoint shall come through


class Round:
    def __init__(self, world, scenario, number):
        self.w, self.scenario, self.number = world, scenario, number
        self.r = random.Random(f"{world.a.seed} {number}")
        r = self.r
        self.cores = r.choice([1, 2, 2, 3])
        self.spares = r.choice([0, 1, 1, 1, 2])
        self.interval = r.choice([40, 100, 250])
        self.hang_after = r.choice([250, 300, 500])
        self.orphan_after = r.choice([700, 30000, 30000])
        self.engine = r.choice(["auto", "io_uring", "pwrite"])
        self.waiting = r.choice(["adaptive", "adaptive", "block"])
        self.folder = f"{world.folder}/round-{number}"
        self.ends_itself = not scenario.follow
        self.job = Job(world, self.folder, f"{world.name}-{number}")
        self.records, self.log, self.others = [], [], []
        self.logged, self.restored_at, self.looked = [], 0, 0
        self.appended, self.began, self.segment_faults = 0, 0.0, 0

    def __str__(self):
        return (f"round {self.number}: {self.scenario.name}, cores {self.cores}, spares {self.spares}, a checkpoint "
                f"each {self.interval} ms ({self.engine}), hang_after {self.hang_after} ms, orphan_after "
                f"{self.orphan_after} ms, waiting {self.waiting}")

    # --- the job ---

    def prepare(self):
        self.want, self.want_dead = self.w.references.of(self.scenario)
        os.makedirs(self.folder)
        self.job.mount()
        self.group = Group(self.job.name)
        source = self.scenario.source
        if self.scenario.follow:
            os.mkdir(self.folder + "/in")
            source = f"{self.folder}/in/rows.{self.scenario.form}"
            open(source, "w").close()
            self.input, self.job.feed = source, self.feed
        with open(self.folder + "/job.sql", "w") as f:
            f.write(f"SET 'execution.checkpointing.interval' = '{self.interval} ms';\n")
            f.write(self.scenario.sql(source, self.folder + "/out", self.cores, self.scenario.follow))
        with open(self.folder + "/job.yaml", "w") as f:
            f.write(config(self.job.name, self.folder, cores=self.cores, spares=self.spares, engine=self.engine,
                           hang_after=self.hang_after, orphan_after=self.orphan_after, waiting=self.waiting))
        self.outputs = [verify.Output(f"{self.folder}/out/{s.name}", s, self.want[s.name])
                        for s in self.scenario.sinks]

    def feed(self):
        """A followed file grows evenly, and is whole when the time for faults is over."""
        lines = self.scenario.lines
        share = (time.monotonic() - self.began) / self.w.a.round_seconds
        due = len(lines) if share >= 1 else int(len(lines) * share)
        if due - self.appended > len(lines) // 1000 or (share >= 1 and due > self.appended):
            with open(self.input, "a") as f:
                f.writelines(self.scenario.lines[self.appended:due])
            self.appended = due

    def restart(self):
        """`weir run` after an end; returns when it was called. Over: there is nothing left to do."""
        if self.ends_itself and not self.job.is_left() and all(o.is_whole() for o in self.outputs):
            raise Over
        self.restored_at = self.complete_before
        return self.job.start()

    def also(self, *processes):
        self.others += processes

    # --- what faults tell ---

    def note(self, text):
        self.log.append(f"{time.time():.3f} {text}")

    def supervisor_dies(self):
        """Deaths that it may not have written down yet are not asked for."""
        self.complete_before = self.job.complete()
        self.logged = [(pid, at) for pid, at in self.logged if now_ns() - at > SETTLED_NS]

    def forget_log(self):
        self.supervisor_dies()

    def must_log(self, pid):
        self.logged.append((pid, now_ns()))

    def may_go_back(self):
        """Not to the same checkpoint again and again: that would be no way to come to an end."""
        return self.job.complete() > self.restored_at

    # --- the schedule ---

    def decide(self):
        names, weights = [f[0] for f in self.w.faults], [f[1] for f in self.w.faults]
        name = self.r.choices(names, weights)[0]
        u = [self.r.random() for _ in range(6)]
        pause = self.r.random() ** 3 * PAUSE_S * (30 if self.r.random() < 0.03 else 1)
        return name, dict((f[0], f[2]) for f in FAULTS)[name], u, pause

    def step(self):
        name, fault, u, pause = self.decide()
        self.job.tick()
        self.complete_before = self.job.complete()
        begin = time.monotonic()
        self.note(f"{name} {[round(x, 3) for x in u]}")
        found = fault(self, u)
        if found:
            self.segment_faults += name.startswith("spoil")
            self.records += found
            self.w.ledger.add(found)
            self.note(f"  {json.dumps(found)} after {time.monotonic() - begin:.3f} s")
            self.looked += len(found)
        else:
            self.log.pop()
        if self.looked >= LOOK_EVERY or (found and found[0][1] in ("checkpoint", "memory")):
            self.look()
        self.job.pause(pause)

    def look(self):
        self.looked = 0
        for output in self.outputs:
            output.look()

    def calm(self):
        """A moment without faults, until a checkpoint is complete."""
        complete, limit = self.job.complete(), time.monotonic() + 1.5
        self.job.wait(lambda: self.job.complete() > complete or time.monotonic() > limit, "a calm moment")

    def disturb(self):
        self.began = time.monotonic()
        limit = min(self.began + self.w.a.round_seconds, self.w.ends)
        self.complete_before = 0
        self.job.start()
        self.job.wait_up("all tasks at the start")
        calm_at = time.monotonic() + CALM_EVERY_S
        while time.monotonic() < limit:
            self.step()
            if self.job.p.poll() is not None:
                self.job.run_ended()
            if time.monotonic() > calm_at:
                self.calm()
                calm_at = time.monotonic() + CALM_EVERY_S

    # --- the end ---

    def settle(self):
        """Until all there is has been handled."""
        seen = [(-1, 0.0)]

        def is_quiet():
            rows, now = self.job.rows(), time.monotonic()
            if rows != seen[0][0]:
                seen[0] = (rows, now)
            return now - seen[0][1] > QUIET_S
        self.began = -1e9  # all input is there now
        self.job.wait(lambda: self.job.is_up() and is_quiet(), "the job handles what it has")
        self.check_descriptors()

    def check_descriptors(self):
        """Whatever has died under this supervisor, it holds no more than its tasks and spares need."""
        held = os.listdir(f"/proc/{self.job.p.pid}/fd")
        most = DESCRIPTORS + len(self.job.tasks()) * (1 + self.spares)
        if len(held) > most:
            raise Wrong(f"the supervisor has {len(held)} open files, not at most {most}")

    def finish(self):
        """The job ends, by itself or told to; then everything must be right."""
        if self.ends_itself:
            status = self.job.wait_exit("the end of a bounded input")
            if status:
                self.job.run_ended()
            return
        for stop in range(STOPS_MAX):
            self.settle()
            self.job.p.terminate()
            if self.job.wait_exit("it was told to stop") != 0:
                self.job.run_ended()
            if all(o.is_whole() for o in self.outputs):
                return
            if stop < STOPS_MAX - 1:
                self.job.start()

    def check(self):
        for output in self.outputs:
            output.check_end()
        verify.compare_dead(self.want_dead, dead_letters(self.folder + "/dead"))
        # A supervisor that was killed amid its last work, when all output was final: the next run clears it.
        is_cut_short = self.job.p is not None and self.job.p.returncode == -9
        if everything.processes(self.job.name) or (os.path.exists(self.job.memory) and not is_cut_short):
            raise Wrong(f"processes or memory are left: {everything.processes(self.job.name)}, "
                        f"{os.path.exists(self.job.memory)}")
        self.check_log()

    def check_log(self):
        """Each death has its record, and no memory was lost but where a segment was spoiled."""
        died = {e["pid"] for name in ("events.1", "events") for e in events_of(f"{self.folder}/{name}")
                if e["event"] == "death"}
        said = events_of(self.folder + "/err")
        # Who took over and was killed before the supervisor had seen it is not known to it as a task.
        known = {e["pid"] for e in said if e["event"] in ("started", "restarted", "adopted")}
        missing = [pid for pid, _ in self.logged if pid in known and pid not in died]
        if missing:
            raise Wrong(f"deaths without a record in the event log: pids {missing[:5]}")
        lost = sum(e["event"] == "memory-lost" for e in said)
        if lost and not self.segment_faults:
            raise Wrong(f"{lost} times the memory was given up, and no segment was spoiled")

    def run(self):
        self.prepare()
        try:
            self.disturb()
            self.finish()
        except Over:
            if not self.ends_itself:
                raise Wrong(f"a followed input came to an end: {self.job.said()[-2:]}") from None
        self.check()

    def close(self, keep):
        """Nothing of it runs on; what it left is kept when it is needed to see what went wrong."""
        if keep and self.job.p:
            with open(self.folder + "/faults", "w") as f:
                f.write("\n".join(self.log) + "\n")
            with open(self.folder + "/state", "w") as f:
                f.write(self.job.describe())
            if os.path.isdir(self.job.memory):
                subprocess.run(["cp", "-r", "--sparse=always", self.job.memory, self.folder + "/memory"], check=False)
        for p in self.others:
            if p.poll() is None:
                p.kill()
                p.wait()
        self.job.end()
        self.job.unmount(keep)
        if hasattr(self, "group"):
            self.group.remove()
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)


def events_of(path):
    """Of a file of JSON lines; none when it is not there. A supervisor that is killed while it writes may leave
    half a line, which the next one ends."""
    found = []
    if os.path.exists(path):
        with open(path, errors="replace") as f:
            for line in f:
                try:
                    found += [json.loads(line)] if line.startswith("{") else []
                except ValueError:
                    pass
    return found
