"""What is done to a job, and what must hold afterwards. A fault is a function of (round, u): `u` holds numbers
in [0, 1) that the schedule has drawn for it. It does harm, waits until the job has recovered, and returns its
records: (kind, how it recovered, gap in ms or None). None at all: there was nothing to do it to.

How it recovered: "spare", "cold" start, "adopted" by a new supervisor, from "memory", from the "checkpoint" on
disk, or "none" needed. The gap: until the replacement has attached to what its predecessor left (as the event
log counts it); after `weir run`, from the call until all tasks have; where nobody is replaced, until the job's
next transaction.
"""
import os, random, signal, subprocess, time

import everything
from control import FINISHED, PAGE
from job import BUSY, Over, alive, now_ns, send
from verify import Wrong

KILL, STOP, CONT, TERM = signal.SIGKILL, signal.SIGSTOP, signal.SIGCONT, signal.SIGTERM
QUIET_MS = 400  # so long without a transaction there is nothing to do


def ms(from_ns, to_ns=None):
    return max(0.0, ((to_ns or now_ns()) - from_ns) / 1e6)


def pick(job, u):
    """(index, task) or None."""
    found = job.victims()
    return found[int(u * len(found))] if found else None


def next_work_ms(job, before, since_ns):
    """Until the next transaction; None when there is nothing to do."""
    limit = time.monotonic() + QUIET_MS / 1000

    def moved():
        return job.total() != before or time.monotonic() > limit
    job.wait(moved, "the next transaction")
    return ms(since_ns) if job.total() != before else None


# --- a task ---

def await_replacement(job, index, old, since_ns, spares, struck=()):
    """How, and after how long, the task goes on. `spares`: the pids of those that waited; `struck`: of those
    that were killed, too, which may take a moment."""
    def replaced():
        spares.update(job.spare_pids())
        task = job.task(index)
        return task and (task.state >= FINISHED or (task.pid != old.pid and task.ready_ns > since_ns and
                                                     task.pid not in struck))
    job.wait(replaced, f"task {index} (pid {old.pid}) is not replaced")
    task = job.task(index)
    if not task or task.pid == old.pid:
        return "none", None  # it had just ended as planned
    return "spare" if task.pid in spares else "cold", ms(since_ns, task.ready_ns)


def strike(round_, kind, victim, number):
    """A signal that ends a task."""
    job, (index, task) = round_.job, victim
    spares = job.spare_pids()
    at = now_ns()
    if not send(task, number):
        return []
    job.note_kill(index, task)
    how, gap = await_replacement(job, index, task, at, spares)
    round_.must_log(task.pid)
    return [(kind, how, gap)]


def kill(round_, u):
    victim = pick(round_.job, u[0])
    if not victim:
        return []
    job, index = round_.job, victim[0]
    state = "spare ready" if job.spares(index) else "spare on its way" if job.spares(index, False) else "no spare"
    return strike(round_, f"SIGKILL of a task, {state}", victim, KILL)


def crash(round_, u):
    victim = pick(round_.job, u[0])
    number = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE)[int(u[1] * 4)]
    return strike(round_, "SIGSEGV, ABRT, BUS, FPE to a task", victim, number) if victim else []


def kill_spare(round_, u):
    job = round_.job
    found = [(i, s) for i in range(len(job.tasks())) for s in job.spares(i)]
    if not found:
        return []
    index, spare = found[int(u[0] * len(found))]
    before = job.task(index)
    if not send(spare, KILL) or not before or spare.pid == before.pid:
        return []
    job.pause(0.002)
    after = job.task(index)
    if after and after.pid != before.pid and alive(before):
        raise Wrong(f"task {index} was replaced when its spare was killed")
    return [("SIGKILL of a spare", "none", None)]


def kill_both(round_, u):
    job, victim = round_.job, pick(round_.job, u[0])
    spares = job.spares(victim[0]) if victim else []
    if not spares:
        return []
    index, task = victim
    known, at = job.spare_pids(), now_ns()
    order = [task] + spares if u[1] < 0.5 else spares + [task]
    for process in order:
        send(process, KILL)
    job.note_kill(index, task)
    how, gap = await_replacement(job, index, task, at, known, [s.pid for s in spares])
    round_.must_log(task.pid)
    return [("SIGKILL of a task and its spares", how, gap)]


def burst(round_, u):
    """Several within milliseconds: what recovers is struck again on its way."""
    job, r = round_.job, random.Random(u[0])
    known, struck, records, dead = job.spare_pids(), {}, [], set()
    for _ in range(2 + int(u[1] * 6)):
        known |= job.spare_pids()
        victim = pick(job, r.random())
        wants_spare = r.random() < 0.25
        spares, at = job.spares(victim[0], False) if victim else [], now_ns()
        if wants_spare and spares and send(spares[0], KILL):
            dead.add(spares[0].pid)
            records.append(("in a burst: SIGKILL of a spare", "none", None))
        elif victim and send(victim[1], KILL):
            job.note_kill(*victim)
            struck.setdefault(victim[0], []).append((victim[1], at))
        job.pause(r.random() * 0.008)
    for index, kills in struck.items():
        old, at = kills[-1]
        how, gap = await_replacement(job, index, old, at, known, dead)
        records += [("in a burst: SIGKILL of a task", how, gap)] + \
            [("in a burst: SIGKILL of a task", "again", None)] * (len(kills) - 1)
    return records


def kill_all_tasks(round_, u):
    job, known = round_.job, round_.job.spare_pids()
    struck = [(i, t) for i, t in job.victims()]
    if len(struck) < 2:
        return []
    at = now_ns()
    struck = [(i, t) for i, t in struck if send(t, KILL)]
    ends = []
    for index, task in struck:
        job.note_kill(index, task)
        ends.append(await_replacement(job, index, task, at, known))
    how = "cold" if any(h == "cold" for h, _ in ends) else "spare"
    gaps = [g for _, g in ends if g is not None]
    return [("SIGKILL of all tasks at once", how, max(gaps))] if gaps else []


# --- stopped, starved ---

def short_stop(round_, u):
    """Nothing but a delay."""
    job, victim = round_.job, pick(round_.job, u[0])
    if not victim:
        return []
    index, task = victim
    before, at = job.total(), now_ns()
    if not send(task, STOP):
        return []
    job.pause(0.005 + u[1] * 0.3 * round_.hang_after / 1000)
    stopped_ms, silent_ms = ms(at), ms(task.heartbeat_ns)
    send(task, CONT)
    job.pause(0.003)
    after = job.task(index)
    if after and after.pid != task.pid and silent_ms < round_.hang_after:
        raise Wrong(f"task {index} was replaced, though it was stopped for {stopped_ms:.0f} ms only, and silent "
                    f"for {silent_ms:.0f} of {round_.hang_after}")
    return [("SIGSTOP of a task, short", "none", next_work_ms(job, before, at))]


def hang(round_, u):
    job, victim = round_.job, pick(round_.job, u[0])
    if not victim:
        return []
    index, task = victim
    known, at = job.spare_pids(), now_ns()
    if not send(task, STOP):
        return []
    how, gap = await_replacement(job, index, task, at, known)
    job.wait(lambda: not alive(task), f"task {index} is replaced, and pid {task.pid}, which is stopped, lives on")
    round_.must_log(task.pid)
    return [("SIGSTOP of a task, longer than hang_after (in the gap)", how, gap)]


def stop_supervisor(round_, u):
    """Tasks need it for nothing; where a spare waits, not even for a death."""
    job, records = round_.job, []
    before, at = job.total(), now_ns()
    job.p.send_signal(STOP)
    try:
        if u[0] < 0.5:
            victim = pick(job, u[1])
            if victim and job.spares(victim[0]):
                known = job.spare_pids()
                round_.job.note_kill(*victim)
                killed_at = now_ns()
                if send(victim[1], KILL):
                    records.append((victim, known, killed_at))
        job.pause(0.02 + u[2] * 0.4)
    finally:
        job.p.send_signal(CONT)
    found = [("SIGSTOP of the supervisor", "none", None if records else next_work_ms(job, before, at))]
    for (index, task), known, killed_at in records:
        how, gap = await_replacement(job, index, task, killed_at, known)
        found.append(("SIGKILL of a task under a stopped supervisor", how, gap))
    return found


def all_pids(job):
    return [job.p.pid] + list(everything.processes(job.name))


def judge_starved(round_, kind, before, pids, at):
    """Everything was slow: usually nobody was replaced."""
    job = round_.job
    known = job.spare_pids()
    gap = next_work_ms(job, before, at)
    tasks = job.wait_up(f"all tasks after: {kind}")
    new = [t.pid for t, old in zip(tasks, pids) if t.pid != old]
    how = "none" if not new else "spare" if all(p in known for p in new) else "cold"
    return [(kind, how, gap)]


def freeze(round_, u):
    """Supervisor, tasks and spares together."""
    job, group = round_.job, round_.group
    before, pids, at = job.total(), [t.pid for t in job.tasks()], now_ns()
    seconds = 0.02 + u[0] ** 2 * 0.8
    if "freeze" in group.folders and u[1] < 0.8:
        kind = "all frozen (control group)"
        group.add("freeze", all_pids(job))
        group.freeze(True)
        try:
            job.pause(seconds)
        finally:
            group.freeze(False)
        return judge_starved(round_, kind, before, pids, at)
    stopped = all_pids(job)
    for pid in stopped:
        signal_pid(pid, STOP)
    try:
        job.pause(seconds)
    finally:
        for pid in stopped:
            signal_pid(pid, CONT)
    return judge_starved(round_, "all stopped (SIGSTOP)", before, pids, at)


def signal_pid(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def starve(round_, u):
    """A few percent of one core for the whole job."""
    job, group = round_.job, round_.group
    if "cpu" not in group.folders:
        return []
    before, pids, at = job.total(), [t.pid for t in job.tasks()], now_ns()
    group.add("cpu", all_pids(job))
    group.limit(2 + u[0] * 10)
    try:
        job.pause(0.1 + u[1])
    finally:
        group.limit(None)
    return judge_starved(round_, "2 to 12 % of a core for all (control group)", before, pids, at)


def hogs(round_, u):
    """Busy loops on all cores."""
    job = round_.job
    before, pids, at = job.total(), [t.pid for t in job.tasks()], now_ns()
    running = []
    try:
        for core in sorted(os.sched_getaffinity(0)) * 2:
            p = subprocess.Popen(["sh", "-c", "while :; do :; done", round_.folder + "/hog"])
            running.append(p)
            os.sched_setaffinity(p.pid, {core})
        job.pause(0.1 + u[0] * 0.6)
    finally:
        for p in running:
            p.kill()
            p.wait()
    return judge_starved(round_, "busy loops on all cores", before, pids, at)


# --- the supervisor, everything ---

def resumed(round_, kind, at, living):
    """A new run has found what the old one left. living: how many tasks there were to adopt; None: it may
    have been any number."""
    job = round_.job
    job.wait_up(f"all tasks after: {kind}")
    event = job.event("resumed")
    if not event:
        raise Wrong(f"{kind}: the memory is there, and is not used: {job.said()[:3]}")
    await_adoption(job)
    if living is not None and event["adopted"] != living:
        raise Wrong(f"{kind}: {event['adopted']} tasks adopted, {living} lived")
    return event["adopted"]


def await_adoption(job):
    """Until then who dies, and is replaced by a spare, is a stranger to the new supervisor."""
    wanted = (job.event("resumed") or {}).get("adopted", 0)
    job.wait(lambda: job.count("adopted") >= wanted, f"{wanted} tasks are adopted")


def kill_supervisor(round_, u):
    job = round_.job
    if not job.is_up():
        return []
    before, pids, at = job.total(), [t.pid for t in job.tasks()], now_ns()
    round_.supervisor_dies()
    job.kill_supervisor()
    gap = next_work_ms_alone(job, before, at)
    if u[0] < 0.5:
        job.pause(u[1] * 0.3)
    called = round_.restart()
    is_strict = round_.orphan_after > 10000 and all(t.state < FINISHED for t in job.tasks())
    resumed(round_, "SIGKILL of the supervisor", called, len(pids) if is_strict else None)
    if is_strict and [t.pid for t in job.tasks()] != pids:
        raise Wrong(f"SIGKILL of the supervisor: tasks {[t.pid for t in job.tasks()]}, before {pids}")
    return [("SIGKILL of the supervisor", "adopted", gap)]


def next_work_ms_alone(job, before, since_ns):
    """As next_work_ms, while there is no supervisor whose end would have to be looked for."""
    supervisor, job.p = job.p, None
    try:
        return next_work_ms(job, before, since_ns)
    finally:
        job.p = supervisor


def kill_supervisor_and_some(round_, u):
    job, r = round_.job, random.Random(u[0])
    if not job.is_up():
        return []
    victims = [v for v in job.victims() if r.random() < 0.6]
    round_.supervisor_dies()
    if u[1] < 0.5:
        job.kill_supervisor()
    for index, task in victims:
        if send(task, KILL):
            job.note_kill(index, task)
    if u[1] >= 0.5:
        job.kill_supervisor()
    job.pause(u[2] * 0.05)
    at = round_.restart()
    adopted = resumed(round_, "SIGKILL of supervisor and tasks", at, None)
    return [("SIGKILL of supervisor and some tasks", "adopted" if adopted else "memory", ms(at))]


def kill_everything(round_, u):
    job = round_.job
    if not job.is_up():
        return []
    round_.supervisor_dies()
    job.everything_dies()
    if not job.is_left():
        raise Over
    at = round_.restart()
    resumed(round_, "SIGKILL of everything", at, 0)
    return [("SIGKILL of everything", "memory", ms(at))]


def leave_alone(round_, u):
    """No supervisor for orphan_after: the tasks stop by themselves."""
    job = round_.job
    if round_.orphan_after > 1000 or not job.is_up():
        return []
    round_.supervisor_dies()
    job.kill_supervisor()
    supervisor, job.p = job.p, None
    job.wait(lambda: not any(alive(t) for t in job.tasks()), "the tasks give their supervisor up")
    job.p = supervisor
    at = round_.restart()
    resumed(round_, "no supervisor for orphan_after", at, 0)
    return [("no supervisor for longer than orphan_after", "memory", ms(at))]


def terminate(round_, u):
    """Stopped and gone on with; now and then with kills on the way."""
    job = round_.job
    if not job.is_up():
        return []
    job.p.send_signal(TERM if u[0] < 0.5 else signal.SIGINT)
    if u[1] < 0.4:
        job.pause(u[2] * 0.02)
        for _, task in job.victims():
            send(task, KILL)
    status = job.wait_exit("it was told to stop")
    if status != 0:
        raise Wrong(f"status {status} after SIGTERM: {job.said()[-2:]}")
    at = round_.restart()
    job.wait_up("all tasks after a stop")
    return [("SIGTERM or SIGINT, and `weir run` again", "checkpoint", ms(at))]


def second_run(round_, u):
    job = round_.job
    if not job.is_up():
        return []
    with open(round_.folder + "/err2", "w") as err:
        second = subprocess.Popen([round_.w.a.weir, "run", "--json", round_.folder + "/job.yaml"], stderr=err,
                                  stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    check_refused(round_, second)
    return [("a second `weir run`", "none", None)]


def check_refused(round_, second):
    """Where the first one has just ended the second one runs: then this was no test of anything."""
    limit = time.monotonic() + round_.job.patience
    while second.poll() is None and time.monotonic() < limit:
        if round_.job.p.poll() is not None:
            second.terminate()
        round_.job.pause(0.002)
    if second.poll() is None:
        second.kill()
    second.wait()
    with open(round_.folder + "/err2") as f:
        text = f.read()
    if round_.job.p.poll() is not None:
        round_.job.run_ended()
    if second.returncode != BUSY or "is already running" not in text:
        raise Wrong(f"a second run ended with status {second.returncode}: {text[:300]}")


def two_at_once(round_, u):
    """The supervisor dies, and two want to take its place."""
    job = round_.job
    if round_.ends_itself or not job.is_up():
        return []
    round_.supervisor_dies()
    job.kill_supervisor()
    at = now_ns()
    first, said_at = job.launch(), job.err_at
    second, job.err_at = job.launch(), said_at  # whoever wins, what it says is there
    round_.also(first, second)
    limit = time.monotonic() + job.patience
    while first.poll() is None and second.poll() is None and time.monotonic() < limit:
        job.pause(0.002)
    winner, loser = (second, first) if first.poll() is not None else (first, second)
    job.use(winner)
    if loser.returncode != BUSY:
        raise Wrong(f"two runs at once: the other one ended with status {loser.returncode}")
    job.wait_up("all tasks after two runs at once")
    await_adoption(job)
    return [("two `weir run` at once, after SIGKILL of the supervisor", "adopted", ms(at))]


# --- memory ---

def reboot(round_, u):
    job = round_.job
    if not job.is_up() or not round_.may_go_back():
        return []
    round_.supervisor_dies()
    everything.everything_dies(job.name, job.p)
    everything.reboot(job.name)
    at = round_.restart()
    job.wait_up("all tasks after a reboot")
    return [("SIGKILL of everything, memory gone (a reboot)", "checkpoint", ms(at))]


def segments(job):
    names = sorted(os.listdir(job.memory)) if os.path.isdir(job.memory) else []
    # Latency figures are made anew: nothing goes back for them.
    return [n for n in names if n not in ("lock", "job.new", "latency") and os.path.isfile(f"{job.memory}/{n}")]


def spoil(path, way, r, may_be_deep=True):
    """may_be_deep: also behind the segment's head, in that of an arena: a new run looks there."""
    size = os.path.getsize(path)
    if way == "deleted":
        os.unlink(path)
    elif way == "cut":
        os.truncate(path, r.choice([0, 100, PAGE, size // 2 & ~(PAGE - 1), max(0, size - PAGE)]))
    else:
        at = PAGE if may_be_deep and "arena" in path and r.random() < 0.5 else r.randrange(0, 24)
        with open(path, "r+b") as f:
            f.seek(at)
            f.write(bytes(r.randrange(1, 256) for _ in range(16)))


def spoil_dead(round_, u):
    """Everything dies and a segment is deleted, cut or written over."""
    job, r = round_.job, random.Random(u[0])
    if not job.is_up() or not round_.may_go_back():
        return []
    round_.supervisor_dies()
    job.everything_dies()
    if not job.is_left():
        raise Over
    names = segments(job)
    way = ("deleted", "cut", "written over")[int(u[1] * 3)]
    name = names[int(u[2] * len(names))]
    round_.note(f"{name} {way}")
    spoil(f"{job.memory}/{name}", way, r)
    at = round_.restart()
    job.wait_up(f"all tasks after {name} was {way}")
    return [(f"a segment {way}, all dead", "checkpoint", ms(at))]


def spoil_running(round_, u):
    """A segment is deleted or cut under a running job, or written over under a task that is stopped; then the
    task dies, after its spares."""
    job, r, victim = round_.job, random.Random(u[0]), pick(round_.job, u[1])
    if not job.is_up() or not victim or not round_.may_go_back() or job.losses >= 2:
        return []
    index, task = victim
    names = [n for n in segments(job) if n == f"arena-{index}" or not n.startswith("arena")]
    way, name = ("deleted", "cut", "written over")[int(u[2] * 3)], names[int(u[3] * len(names))]
    if way == "written over":  # what nobody else uses; who has checked the head does not look again
        name = f"arena-{index}"
        send(task, STOP)
    round_.note(f"{name} {way}, then task {index} killed")
    path, at, losses = f"{job.memory}/{name}", now_ns(), job.count("memory-lost")
    size = os.path.getsize(path)
    spoil(path, way, r, False)
    for process in job.spares(index, False) + [task]:
        send(process, KILL)
    job.note_kill(index, task)
    job.losses += 1
    round_.forget_log()

    def is_mended():
        try:
            is_there = os.path.getsize(path) >= size
        except OSError:
            is_there = False
        now = job.task(index)
        return is_there and job.is_up() and now.pid != task.pid
    begin_over_unless(round_, is_mended, losses)
    return [(f"a segment {way} under a running job", "checkpoint", ms(at))]


def begin_over_unless(round_, is_mended, losses):
    """What nobody has noticed within a second is brought to light: everything dies. A supervisor whose own
    memory was cut may die of it. losses: how often memory was given up before."""
    job, limit = round_.job, time.monotonic() + 1

    def noticed():
        return job.p.poll() is not None or is_mended() or time.monotonic() > limit
    while not noticed():
        job.pause(0.002)
    status = job.p.poll()
    if status is not None and status >= 0:
        job.run_ended()
    if status is None and not is_mended():
        if job.count("memory-lost") > losses:  # noticed, and on its way back
            job.wait(is_mended, "the job goes back to its checkpoint")
            return
    if status is not None or not is_mended():
        round_.supervisor_dies()
        everything.everything_dies(job.name, job.p)
        round_.restart()
        job.wait_up("all tasks after a segment was spoiled")


# --- disks ---

def fill_checkpoints(round_, u):
    """Checkpoints are given up, the job runs on, the next one succeeds when there is room again."""
    job, r = round_.job, random.Random(u[0])
    if not round_.w.can_mount or not job.is_up():
        return []
    at, limit, records = now_ns(), time.monotonic() + 1.5, []
    had = job.count("checkpoint-failed")
    job.fill("checkpoints")
    try:
        while time.monotonic() < limit and job.p.poll() is None and \
                job.count("checkpoint-failed") == had:
            job.pause(0.05)
            if r.random() < 0.3:
                records += kill(round_, [r.random()])
    finally:
        job.free("checkpoints")
    complete = job.complete()
    job.wait(lambda: job.complete() > complete or quiet_end(job), "a checkpoint, when there is room again")
    return records + [("the checkpoints' disk full", "none", ms(at))]


def quiet_end(job):
    """Of a bounded job: its last tasks end, no checkpoint will come."""
    tasks = job.tasks()
    return bool(tasks) and any(t.state >= FINISHED for t in tasks)


def fill_output(round_, u):
    return fill_disk(round_, "out", "the output's disk full")


def fill_dead(round_, u):
    return fill_disk(round_, "dead", "the dead letters' disk full") if round_.scenario.bad else []


def fill_disk(round_, disk, kind):
    """The job ends and says why; with room again, the next run goes on from the checkpoint."""
    job = round_.job
    if not round_.w.can_mount or not job.is_up():
        return []
    limit = time.monotonic() + 1.5
    before, at = job.total(), now_ns()
    job.fill(disk)
    try:
        while job.p.poll() is None and time.monotonic() < limit:
            job.pause(0.005)
    finally:
        job.free(disk)
    status = job.p.poll()
    if status is None:
        return [(kind, "none", None)]
    if status == 0:
        raise Over
    if not any("No space left" in str(e.get("text")) for e in job.said()):
        raise Wrong(f"{kind}: status {status}: {job.said()[-3:]}")
    if everything.processes(job.name) or job.is_left():
        raise Wrong(f"{kind}: the job has ended, and processes or memory are left")
    at = round_.restart()
    job.wait_up(f"all tasks after: {kind}")
    return [(kind, "checkpoint", ms(at))]


# name, weight, function. A schedule draws from all of them.
FAULTS = [
    ("kill", 34, kill), ("burst", 14, burst), ("crash", 5, crash), ("kill_spare", 6, kill_spare),
    ("kill_both", 6, kill_both), ("kill_all_tasks", 4, kill_all_tasks), ("short_stop", 8, short_stop),
    ("hang", 2, hang), ("stop_supervisor", 2, stop_supervisor), ("freeze", 2, freeze), ("starve", 1, starve),
    ("hogs", 0.7, hogs), ("kill_supervisor", 4, kill_supervisor),
    ("kill_supervisor_and_some", 3, kill_supervisor_and_some), ("kill_everything", 3, kill_everything),
    ("leave_alone", 1, leave_alone), ("terminate", 1.2, terminate), ("second_run", 1.2, second_run),
    ("two_at_once", 1, two_at_once), ("reboot", 2, reboot), ("spoil_dead", 1.6, spoil_dead),
    ("spoil_running", 1.6, spoil_running), ("fill_checkpoints", 0.8, fill_checkpoints),
    ("fill_output", 0.8, fill_output), ("fill_dead", 0.5, fill_dead),
]
