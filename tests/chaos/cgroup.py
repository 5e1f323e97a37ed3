"""A control group for the processes of one job: frozen, or with next to no processor. Version 2, and for the
processor also version 1, wherever they are mounted and may be written."""
import os, time


def mounted():
    """{what: folder}: "freeze" and "cpu", where there are such."""
    found = {}
    with open("/proc/self/mounts") as f:
        mounts = [line.split()[1:4] for line in f]
    for folder, kind, options in mounts:
        if kind == "cgroup" and "cpu" in options.split(","):
            found.setdefault("cpu", (folder, 1))
        if kind == "cgroup2":
            found["freeze"] = (folder, 2)
            with open(folder + "/cgroup.subtree_control") as f:
                if "cpu" in f.read().split():
                    found["cpu"] = (folder, 2)
    return found


class Group:
    """parts: what of `mounted` can be used here."""

    def __init__(self, name):
        self.folders, self.versions = {}, {}
        for what, (folder, version) in mounted().items():
            path = f"{folder}/{name}"
            try:
                os.makedirs(path, exist_ok=True)
                open(path + "/cgroup.procs", "a").close()
            except OSError:
                continue
            self.folders[what], self.versions[what] = path, version

    def put(self, what, name, text):
        with open(f"{self.folders[what]}/{name}", "w") as f:
            f.write(text)

    def add(self, what, pids):
        for pid in pids:
            try:
                self.put(what, "cgroup.procs", str(pid))
            except OSError:
                pass  # it has ended

    def freeze(self, is_frozen):
        self.put("freeze", "cgroup.freeze", "1" if is_frozen else "0")

    def limit(self, percent):
        """Of one processor; None: no limit."""
        period = 100000
        quota = int(period * percent / 100) if percent else -1
        if self.versions["cpu"] == 1:
            self.put("cpu", "cpu.cfs_period_us", str(period))
            self.put("cpu", "cpu.cfs_quota_us", str(quota))
        else:
            self.put("cpu", "cpu.max", f"{quota if percent else 'max'} {period}")

    def remove(self):
        """When its processes have ended."""
        for path in set(self.folders.values()):
            remove(path)


def remove(path):
    """Its processes may take a moment to be gone."""
    for _ in range(100):
        try:
            os.rmdir(path)
            return
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(0.01)
