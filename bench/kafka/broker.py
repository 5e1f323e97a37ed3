"""broker.py: the broker of tests/kafka, for a benchmark or a demo: one node, ended with this process whatever happens."""
import os
import shutil
import subprocess
import sys

PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tests", "kafka", "broker")
TICKS = os.sysconf("SC_CLK_TCK")


class Broker:
    """`with Broker(FOLDER) as broker`: fresh, running; `options` are those of `broker start`."""

    def __init__(self, folder, *options):
        self.folder, self.options = os.path.abspath(folder), options
        self.address = self.pid = None

    def __enter__(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        self.start()
        with open(self.folder + "/bootstrap", encoding="ascii") as text:
            self.address = text.read().strip()
        return self

    def __exit__(self, *_):
        self.call("kill", self.folder)
        shutil.rmtree(self.folder + "/node-1/data", ignore_errors=True)

    def call(self, *argv):
        done = subprocess.run([PROGRAM, *argv], stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            sys.exit(done.returncode)
        return done.stdout

    def start(self):
        self.call("start", "--owner", str(os.getpid()), *self.options, self.folder)
        self.pid = int(self.call("status", self.folder).split()[1])

    def kill(self):
        """SIGKILL; `start` brings it back with its data."""
        self.call("kill", self.folder)

    def tool(self, *argv):
        """What Kafka's own client says: see tests/kafka/tool."""
        return subprocess.run([os.path.join(os.path.dirname(PROGRAM), "tool"), self.folder, *argv],
                              stdout=subprocess.PIPE, text=True, check=True).stdout

    def cpu_seconds(self):
        """User and system time of the broker's process so far."""
        with open(f"/proc/{self.pid}/stat", encoding="ascii") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS
