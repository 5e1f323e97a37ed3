#!/usr/bin/env python3
"""check.py MACHINE:FILE...: are the placements that weir proposes right, by what placement is for?

It knows the answers of `weir pin --json` and nothing of the solver: prices and rules are written down here once more,
from stages/placement/cost.h and place.h. Prints what it has verified; the first thing that is wrong ends it.
"""
import json
import sys

# picoseconds a byte and a frame
PRICES = {"same core": (20, 3000000), "SMT siblings": (30, 24000), "same L2": (60, 45000), "same L3": (100, 75000),
          "other L3": (390, 300000), "other node": (470, 360000), "other package": (780, 600000)}
MOVES_MAX = 6000  # pairs of a task and a place that are tried: what takes a second

# What must be so on one machine, whatever the plan: nodes that give memory.
MEMORY_NODES = {"memoryless": {0}, "hbm": {0, 1}, "cxl": {0}}


def fail(text):
    print("WRONG:", text)
    sys.exit(1)


class Proposal:
    def __init__(self, answer):
        self.units = {unit["core"]: unit for unit in answer["units"]}
        self.tasks = answer["tasks"]
        self.channels = answer["channels"]
        self.house = answer["housekeeping"]["cores"]
        self.answer = answer
        self.allowed = [u for u in answer["units"] if u["allowed"]]
        self.place = [self.units[task["core"]] for task in self.tasks]
        taken = {self.units[core]["physical"] for core in self.house}
        if len(self.tasks) >= len(self.physical(self.allowed)):  # no core is left: an idle sibling may do
            taken = set()
        self.free = [u for u in self.allowed if u["physical"] not in taken and u["core"] not in self.house]

    def distance(self, a, b):
        for name, key in (("same core", "core"), ("SMT siblings", "physical"), ("same L2", "l2"), ("same L3", "l3"),
                          ("other L3", "node"), ("other node", "package")):
            if a[key] == b[key]:
                return name
        return "other package"

    def physical(self, units):
        return {unit["physical"] for unit in units}


def check_cores(p):
    for task, unit in zip(p.tasks, p.place):
        if not unit["allowed"]:
            fail(f"task {task['task']} is on core {unit['core']}, which is not allowed")
    used = [unit["core"] for unit in p.place]
    cores = [unit["physical"] for unit in p.place]
    if len(p.tasks) <= len(p.free) and len(set(used)) < len(used):
        fail("two tasks share a core while another is free")
    if len(p.tasks) <= len(p.physical(p.free)) and len(set(cores)) < len(cores):
        fail("two tasks are SMT siblings while another core is free")
    most = max(used.count(core) for core in used)
    if len(p.tasks) > len(p.free) and most > -(-len(p.tasks) // len(p.free)):
        fail(f"{most} tasks share a core: they are not spread evenly")
    return "cores"


def check_housekeeping(p):
    spare = len(p.physical(p.allowed)) - len(p.tasks)
    shared = p.physical(p.place) & {p.units[core]["physical"] for core in p.house}
    if spare > 0 and (not p.house or shared):
        fail("housekeeping has no core of its own, though there is one")
    if any(unit["core"] in p.house for unit in p.place):
        fail("a task is on a core of housekeeping")
    if any(u["isolated"] for u in p.allowed) and any(not u["isolated"] for u in p.allowed) and \
            any(p.units[core]["isolated"] for core in p.house[:1]):
        fail("housekeeping is on an isolated core, though there are others")
    return "housekeeping"


def check_kinds(p):
    performance = p.physical(u for u in p.free if not u["efficient"])
    efficient = p.physical(u for u in p.free if u["efficient"])
    isolated = p.physical(u for u in p.free if u["isolated"])
    heavy = [unit for task, unit in zip(p.tasks, p.place) if not task["is_light"]]
    light = [unit for task, unit in zip(p.tasks, p.place) if task["is_light"]]
    if len(heavy) <= len(performance) and any(unit["efficient"] for unit in heavy):
        fail("a task that is no merge is on an E-core, though a P-core is free")
    if efficient and len(light) <= len(efficient) and not isolated and any(not u["efficient"] for u in light):
        fail("a merge is on a P-core, though an E-core is free")
    if isolated and len(p.tasks) <= len(isolated) and any(not unit["isolated"] for unit in p.place):
        fail("a task is beside the isolated cores, though one is free")
    if isolated and len(p.tasks) > len(isolated) and not all(
            any(unit["physical"] == core for unit in p.place) for core in isolated):
        fail("an isolated core is idle, though there are tasks beside")
    return "kinds"


def check_l3(p):
    """Tasks joined by channels share an L3 where one has room, and a node and a package where these have."""
    said = []
    special = any(u["isolated"] or u["efficient"] for u in p.free)
    if not p.channels or any("device_node" in task for task in p.tasks):
        return None
    for key in ("l3", "node", "package"):
        groups = {}
        for unit in p.free:
            if not special or not unit["efficient"] and (unit["isolated"] or not any(u["isolated"] for u in p.free)):
                groups.setdefault(unit[key], set()).add(unit["physical"])
        fits = any(len(cores) >= len(p.tasks) for cores in groups.values())
        is_one = len({unit[key] for unit in p.place}) == 1
        if fits and not is_one:
            fail(f"a group of one {key} has room for all tasks, and they are not in one")
        if is_one:
            said.append("one " + key)
    return ", ".join(said) or "no group has room for all"


def channel_cost(p, channel, place):
    name = p.distance(place[channel["from"]], place[channel["to"]])
    byte, frame = PRICES[name]
    return channel["bytes_s"] * byte + channel["frames_s"] * frame


def check_prices(p):
    for channel in p.channels:
        name = p.distance(p.place[channel["from"]], p.place[channel["to"]])
        if channel["proposed"] != name:
            fail(f"channel {channel['from']} -> {channel['to']} is called {channel['proposed']}, and it is {name}")
        wanted, found = channel_cost(p, channel, p.place) / 1000, channel["proposed_ns_s"]
        # Far ones are scaled by the machine's distances, at most threefold.
        scaled = name in ("other node", "other package")
        if (abs(found - wanted) > 1 and not scaled) or (scaled and not 0.3 * wanted <= found <= 3.1 * wanted):
            fail(f"channel {channel['from']} -> {channel['to']} costs {wanted:.0f} ns/s, not {found:.0f}")
    return f"prices of {len(p.channels)} channels"


def check_local(p):
    """No single move to a free core, and no exchange of two tasks, makes the channels cheaper (where nothing else
    tells cores apart)."""
    plain = not any(u["isolated"] or u["efficient"] or u["irqs_per_s"] for u in p.free)
    plain = plain and all(t["memory_node"] == u["node"] for t, u in zip(p.tasks, p.place))
    plain = plain and len(p.tasks) <= len(p.physical(p.free)) and not any("device_node" in t for t in p.tasks)
    scaled = len({u["node"] for u in p.free}) > 2
    if not plain or scaled or len(p.tasks) * len(p.free) > MOVES_MAX:
        return None
    own = [[c for c in p.channels if t in (c["from"], c["to"])] for t in range(len(p.tasks))]
    used = {unit["physical"]: task for task, unit in enumerate(p.place)}
    tried = 0

    def cost(tasks, place):
        seen = {(c["from"], c["to"]): c for t in tasks for c in own[t]}
        return sum(channel_cost(p, channel, place) for channel in seen.values())

    for task in range(len(p.tasks)):
        for unit in p.free:
            other = used.get(unit["physical"])
            if other == task:
                continue
            place = list(p.place)
            place[task] = unit
            tasks = [task]
            if other is not None:
                place[other] = p.place[task]
                tasks.append(other)
            tried += 1
            if cost(tasks, place) < cost(tasks, p.place):
                fail(f"task {task} on core {unit['core']} would make the channels cheaper")
    return f"{tried} moves and exchanges, none is better"


def check_memory(p, machine):
    good = MEMORY_NODES.get(machine)
    for task, unit in zip(p.tasks, p.place):
        if good is not None and task["memory_node"] not in good:
            fail(f"task {task['task']} has its memory on node {task['memory_node']}")
        if good is None and task["memory_node"] != unit["node"]:
            fail(f"task {task['task']} runs on node {unit['node']}, its memory is on {task['memory_node']}")
    return "memory"


def check_devices(p):
    sources = [(t, u) for t, u in zip(p.tasks, p.place) if "device_node" in t]
    if not sources:
        return None
    room = p.physical(u for u in p.free if u["node"] == sources[0][0]["device_node"])
    near = [t["task"] for t, u in sources if u["node"] == t["device_node"]]
    if len(room) >= len(sources) and len(near) < len(sources):
        fail(f"sources {[t['task'] for t, _ in sources]} read from node {sources[0][0]['device_node']}, near is {near}")
    return f"{len(near)} sources near their device"


def check_why(p):
    for task in p.tasks:
        if len(task["why"]) < 20:
            fail(f"task {task['task']} has no reason")
    return "reasons"


def check(machine, path):
    with open(path, encoding="utf-8") as answer:
        p = Proposal(json.load(answer))
    said = [check_cores(p), check_housekeeping(p), check_kinds(p), check_l3(p), check_prices(p), check_local(p),
            check_memory(p, machine), check_devices(p), check_why(p)]
    print(f"{machine}: {len(p.tasks)} tasks: " + "; ".join(text for text in said if text))


def main():
    for argument in sys.argv[1:]:
        machine, path = argument.split(":", 1)
        try:
            check(machine, path)
        except SystemExit:
            print(f"in {path}")
            raise
    print(f"{len(sys.argv) - 1} placements verified")


if __name__ == "__main__":
    main()
