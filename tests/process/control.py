"""The control block of a job, read from outside (shm/control_layout.h).

It is read with pread and never mapped: a test may cut the segment while somebody looks."""
import collections, os, struct

PAGE = 4096
STATES = ["empty", "starting", "running", "waiting-input", "waiting-output", "finished", "failed", "orphaned"]
EMPTY, STARTING, RUNNING, WAITING_INPUT, WAITING_OUTPUT, FINISHED, FAILED, ORPHANED = range(8)
SPARE_READY, SPARES_MAX = 2, 4
COUNTERS_AT = 64
COUNTERS = {"rows_in": 0, "rows_out": 1, "commits": 6, "aborts": 7, "wake_calls": 11, "sleeps": 13}

Task = collections.namedtuple("Task", "pid state start heartbeat_ns progress attempt taken_ns ready_ns rows_in rows_out")
Spare = collections.namedtuple("Spare", "pid state start")
Job = collections.namedtuple("Job", "count pid start epoch fingerprint wanted complete")


def memory(job, memory_dir="/dev/shm"):
    """The folder of a job's segments."""
    return f"{memory_dir}/weir-{os.getuid()}/{job}"


class Control:
    """Of the job whose segments are in `folder`. OSError or ValueError: there is none, or it is not whole."""

    def __init__(self, folder):
        self.fd = os.open(folder + "/control", os.O_RDONLY | os.O_CLOEXEC)
        try:
            self.count = self.job().count
            if self.count == 0:
                raise ValueError("no tasks yet")
            self.spares(self.count - 1)
        except ValueError:
            self.close()
            raise

    def close(self):
        if self.fd >= 0:
            os.close(self.fd)
        self.fd = -1

    def _read(self, layout, at):
        data = os.pread(self.fd, struct.calcsize(layout), at)
        if len(data) < struct.calcsize(layout):
            raise ValueError("the control block is cut")
        return struct.unpack(layout, data)

    def job(self):
        return Job(*self._read("<IIQQQQQ", PAGE))

    def task(self, index):
        w = self._read("<IIQQQQQQQqq", (2 + index) * PAGE)
        return Task(w[0], w[1], w[2], w[3], w[4], w[5], w[7], w[8], w[9], w[10])

    def counter(self, index, name):
        return self._read("<q", (2 + index) * PAGE + COUNTERS_AT + 8 * COUNTERS[name])[0]

    def tasks(self):
        return [self.task(i) for i in range(self.count)]

    def spares(self, index):
        """The lines of one task's spares that are in use."""
        at = (2 + 3 * self.count + index) * PAGE
        lines = [Spare(*self._read("<IIQ", at + 64 * k)) for k in range(SPARES_MAX)]
        return [s for s in lines if s.pid]
