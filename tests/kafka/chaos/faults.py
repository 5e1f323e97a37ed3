"""What is done to a job and its broker. Three lanes at a time, each with a schedule drawn from the seed: `weir` (its
processes and memory), `net` (the proxy between weir and the broker), `broker` (its process and disk). A fault is a
function of (round, random); it returns what it did, or None: there was nothing to do it to."""
import signal

from job import send

KILL, STOP, CONT = signal.SIGKILL, signal.SIGSTOP, signal.SIGCONT
TIMEOUT_S = 5.0  # transaction.timeout.ms of the jobs


# --- weir ---

def kill(round_, random):
    found = round_.job.victims()
    if not found:
        return None
    index, task = random.choice(found)
    state = "with a spare" if round_.job.spares(index) else "without a spare"
    if not send(task, KILL):
        return None
    round_.job.note_kill(index, task)
    return f"SIGKILL of a task, {state}"


def kill_spare(round_, random):
    found = [s for i in range(len(round_.job.tasks())) for s in round_.job.spares(i)]
    return "SIGKILL of a spare" if found and send(random.choice(found), KILL) else None


def kill_both(round_, random):
    found = [(i, t) for i, t in round_.job.victims() if round_.job.spares(i)]
    if not found:
        return None
    index, task = random.choice(found)
    for process in [task] + round_.job.spares(index):
        send(process, KILL)
    round_.job.note_kill(index, task)
    return "SIGKILL of a task and its spares"


def burst(round_, random):
    """Several within milliseconds, what recovers is struck on its way."""
    count = 0
    for _ in range(random.randrange(2, 6)):
        count += bool(kill(round_, random))
        round_.sleep(random.random() * 0.05)
    return "SIGKILL of several tasks within 250 ms" if count else None


def freeze(round_, random):
    """SIGSTOP of a task for a while: it believes that nothing has happened."""
    found = round_.job.victims()
    if not found:
        return None
    _, task = random.choice(found)
    if not send(task, STOP):
        return None
    seconds = random.uniform(0.1, 3) if random.random() < 0.9 else TIMEOUT_S + 2
    round_.sleep(seconds)
    send(task, CONT)
    return "SIGSTOP of a task" + (", longer than its transaction's timeout" if seconds > TIMEOUT_S else "")


def kill_supervisor(round_, random):
    round_.kill_supervisor()
    round_.sleep(random.random() * (2 if random.random() < 0.8 else 6))
    round_.run_again()
    return "SIGKILL of the supervisor; the next run adopts"


def kill_all(round_, random):
    round_.everything_dies(False)
    round_.sleep(random.random())
    round_.run_again()
    return "SIGKILL of everything; on from memory"


def reboot(round_, random):
    round_.everything_dies(True)
    round_.sleep(random.random() * (1 if random.random() < 0.8 else TIMEOUT_S + 3))
    round_.run_again()
    return "everything killed, memory deleted; on from the checkpoint"


def stop(round_, random):
    """weir stop, whatever is with the broker, and run again."""
    round_.stop_job()
    round_.sleep(random.random() * 0.5)
    round_.run_again()
    return "weir stop and weir run"


# --- the proxy ---

def proxy(words, low, high, name):
    def fault(round_, random):
        seconds = random.uniform(low, high)
        round_.proxy(*words(random))
        round_.sleep(seconds)
        round_.proxy("heal")
        return name
    return fault


def drop(round_, random):
    for _ in range(random.randrange(1, 4)):
        round_.proxy("drop")
        round_.sleep(random.random() * 0.2)
    return "connections reset"


NET = [
    (20, drop),
    (16, proxy(lambda r: ["cut"], 0.2, 3, "connections cut, new ones refused")),
    (16, proxy(lambda r: ["stall"], 0.3, 4, "connections stalled")),
    (20, proxy(lambda r: ["mute"], 0.2, 3, "answers lost: what was asked happens, nobody hears")),
    (10, proxy(lambda r: ["slow", str(r.randrange(5, 80))], 0.5, 2, "connections slow")),
    (4, proxy(lambda r: ["stall"], TIMEOUT_S + 1, TIMEOUT_S + 4, "stalled longer than the transaction's timeout")),
    (4, proxy(lambda r: ["cut"], TIMEOUT_S + 1, TIMEOUT_S + 4, "cut longer than the transaction's timeout")),
    (4, proxy(lambda r: ["mute"], TIMEOUT_S + 1, TIMEOUT_S + 4, "answers lost longer than the transaction's timeout")),
]


# --- the broker ---

def broker_kill(round_, random):
    round_.broker("kill")
    round_.sleep(random.random())
    round_.broker("start")
    return "SIGKILL of the broker, started again"


def broker_restart(round_, random):
    round_.broker("stop", options=["--node", "1"])  # the proxy stays
    round_.broker("start")
    return "broker stopped and started again"


def broker_pause(round_, random):
    seconds = random.uniform(0.3, 4) if random.random() < 0.85 else TIMEOUT_S + random.uniform(1, 4)
    round_.broker("pause")
    round_.sleep(seconds)
    round_.broker("resume")
    return "SIGSTOP of the broker" + (", longer than the transaction's timeout" if seconds > TIMEOUT_S else "")


def broker_disk(round_, random):
    """A broker whose disk is full gives its log up and ends; with room and started again it goes on."""
    if not round_.has_disk:
        return None
    round_.broker("fill")
    round_.sleep(random.uniform(0.5, 3))
    round_.broker("drain")
    if round_.broker_is_dead(wait=1):
        round_.broker("start")
    return "the broker's disk full"


WEIR = [(40, kill), (8, kill_spare), (6, kill_both), (6, burst), (9, freeze), (9, kill_supervisor), (4, kill_all),
        (8, reboot), (4, stop)]
BROKER = [(8, broker_kill), (5, broker_restart), (10, broker_pause), (3, broker_disk)]
# What each lane does, and how long it rests at most between two.
LANES = {"weir": (WEIR, 1.0), "net": (NET, 1.2), "broker": (BROKER, 4.0)}


def draw(table, random):
    return random.choices([f for _, f in table], [weight for weight, _ in table])[0]
