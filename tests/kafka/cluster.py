"""The brokers of a folder: their plan (ports, settings), their processes, when they are ready."""
import base64, glob, json, os, random, shutil, signal, socket, subprocess, sys, time, uuid
import tls, wire

HERE = os.path.dirname(os.path.realpath(__file__))
BUILD = os.path.normpath(os.path.join(HERE, "..", "..", "build", "kafka"))
HOST = "127.0.0.1"
SECONDS_TO_START, SECONDS_TO_STOP = 90, 20
CONTROLLER = 1000  # the number of a controller that is a process of its own
FAST_START = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1"
USERS = ["alice", "bob"]
# What a test wants otherwise than Kafka: quick starts, little memory, timeouts that end while one waits.
SETTINGS = {
    "auto.create.topics.enable": "false",
    "auto.leader.rebalance.enable": "false",
    "broker.heartbeat.interval.ms": "300",
    "broker.session.timeout.ms": "1500",  # after a kill the new process waits until the old one is given up
    "group.initial.rebalance.delay.ms": "0",
    "log.cleaner.dedupe.buffer.size": "4194304",
    "log.index.size.max.bytes": "1048576",
    "log.retention.ms": "-1",
    "num.io.threads": "4",
    "num.network.threads": "2",
    "offsets.topic.num.partitions": "4",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "500",
    "transaction.state.log.num.partitions": "4",
}


class Cannot(Exception):
    """There can be no broker here; the reason is for a person."""


class Failed(Exception):
    """The broker did not do what it should."""


def write(path, text):
    with open(path + ".new", "w", encoding="utf-8") as out:
        out.write(text)
    os.replace(path + ".new", path)


def read(path, otherwise=""):
    try:
        with open(path, encoding="utf-8") as text:
            return text.read().strip()
    except FileNotFoundError:
        return otherwise


def free_ports(count):
    """Ports that nobody has, below those that the kernel gives to connections: a broker that is down for a while
    finds its port free when it comes back."""
    found = []
    while len(found) < count:
        port = random.randrange(20000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
        if port not in found:
            found.append(port)
    return found


def new_id():
    """A random id in Kafka's writing; one that begins with a dash would be taken for an option."""
    while True:
        made = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not made.startswith("-"):
            return made


def unmount(disk):
    """A JVM that has ended by itself may still have files open; then it is gone when they are."""
    deadline = time.monotonic() + 5
    while os.path.ismount(disk):
        lazily = ["-l"] if time.monotonic() > deadline else []
        subprocess.run(["umount", *lazily, disk], capture_output=True, check=False)
        time.sleep(0.05)


def has_threads(pid):
    """A JVM's first thread is gone before the others, which have its files and ports until they end too."""
    try:
        return pid and len(os.listdir(f"/proc/{pid}/task")) > 1
    except OSError:
        return False


class Process:
    """A process that is known by a file `pid` and by a word of its command line; a number that another process has
    got since is nobody's."""

    def __init__(self, pid_path, word):
        self.pid_path, self.word = pid_path, word

    def pid(self):
        pid = read(self.pid_path)
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as line:
                return int(pid) if self.word.encode() in line.read().split(b"\0") else 0
        except (OSError, ValueError):
            return 0

    def state(self):
        try:
            with open(f"/proc/{self.pid()}/stat", encoding="utf-8") as stat:
                letter = stat.read().rsplit(")", 1)[1].split()[0]
        except OSError:
            return "dead"
        return {"T": "paused", "Z": "dead"}.get(letter, "running")

    def signal(self, number):
        pid = self.pid()
        if pid:
            os.kill(pid, number)

    def end(self, number):
        """Send the signal and wait; what does not end in time is killed."""
        pid = self.pid()
        self.signal(number)
        self.signal(signal.SIGCONT)
        deadline = time.monotonic() + SECONDS_TO_STOP
        while self.state() != "dead" or has_threads(pid):
            if time.monotonic() > deadline:
                self.signal(signal.SIGKILL)
                deadline += SECONDS_TO_STOP
            time.sleep(0.02)

    def launch(self, command, log_path):
        with open(log_path, "ab") as log:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                       start_new_session=True, cwd=os.path.dirname(log_path))
        write(self.pid_path, f"{process.pid}\n")
        while not self.pid() and process.poll() is None:  # exec has not yet set the command line
            time.sleep(0.001)


class Node(Process):
    """One broker."""

    def __init__(self, folder, number):
        self.number, self.folder = number, os.path.join(folder, f"node-{number}")
        self.disk = os.path.join(self.folder, "disk")
        self.data = os.path.join(self.disk, "data")
        self.properties = os.path.join(self.folder, "server.properties")
        self.log = os.path.join(self.folder, "log")
        super().__init__(os.path.join(self.folder, "pid"), self.properties)

    def log_tail(self):
        return "\n".join(read(self.log).splitlines()[-15:])

    def mount(self, size):
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "weir-kafka", self.disk],
                              capture_output=True, text=True, check=False)
        if done.returncode:
            raise Cannot(f"a disk of its own needs root: {done.stderr.strip()}")

    def fill(self):
        """Until not a byte fits."""
        with open(os.path.join(self.disk, "ballast"), "ab", buffering=0) as out:
            size = 1 << 20
            while size:
                try:
                    out.write(bytes(size))
                except OSError:
                    size //= 2

    def drain(self):
        os.remove(os.path.join(self.disk, "ballast"))


class Cluster:
    """What `start` decided for a folder, and what is done with it."""

    def __init__(self, folder):
        self.folder = os.path.realpath(folder)
        self.plan_path = self.path("plan.json")
        self.plan = json.loads(read(self.plan_path, "{}"))
        self.proxy = Process(self.path("proxy.pid"), self.path("proxy.control"))

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def nodes(self, only=None):
        count = self.plan.get("nodes", 0)
        if only and only > count:
            raise Failed(f"{self.folder} has no node {only}")
        return [Node(self.folder, n) for n in ([only] if only else range(1, count + 1))]

    def controller(self):
        """The node that only decides, if it is a process of its own."""
        return Node(self.folder, CONTROLLER) if self.plan.get("controller") else None

    def processes(self):
        return ([self.controller()] if self.controller() else []) + self.nodes()

    def port(self, node, listener):
        return self.plan["ports"][str(node)][listener]

    # --- the plan ---

    def make_plan(self, a):
        listeners = ["PLAINTEXT"] + (["PROXIED"] if a.proxy else []) + (["SSL"] if a.tls else []) + \
            (["SASL_PLAINTEXT"] if a.sasl else []) + (["SASL_SSL"] if a.sasl and a.tls else [])
        names = listeners + ["INTERNAL", "CONTROLLER"] + (["PROXY"] if a.proxy else [])
        ports = free_ports(a.nodes * len(names))
        self.plan = {"nodes": a.nodes, "heap": a.heap, "jvm": a.jvm, "settings": dict(s.split("=", 1) for s in a.c),
                     "cluster": new_id(), "listeners": listeners, "disk": a.disk, "controller": a.controller,
                     "ports": {str(n): {name: ports.pop() for name in names} for n in range(1, a.nodes + 1)}}
        if a.controller:
            self.plan["ports"][str(CONTROLLER)] = {"CONTROLLER": free_ports(1)[0]}
        os.makedirs(self.folder, exist_ok=True)
        if a.tls:
            tls.make(self.path("tls"))
        if a.sasl:
            tls.make_users(self.path("users"), USERS)
        for node in self.processes():
            self.format(node)
        self.write_bootstraps()
        write(self.plan_path, json.dumps(self.plan, indent=1))

    def write_bootstraps(self):
        for listener in self.plan["listeners"]:
            name = {"PLAINTEXT": "bootstrap", "PROXIED": "bootstrap.proxy"}.get(listener,
                                                                               f"bootstrap.{listener.lower()}")
            port = "PROXY" if listener == "PROXIED" else listener
            write(self.path(name), ",".join(f"{HOST}:{self.port(n.number, port)}" for n in self.nodes()) + "\n")

    def format(self, node):
        """What kafka-storage.sh would write, and the settings."""
        os.makedirs(node.disk)
        if self.plan["disk"] and node.number != CONTROLLER:
            node.mount(self.plan["disk"])
        os.makedirs(node.data)
        write(os.path.join(node.data, "meta.properties"), f"version=1\ncluster.id={self.plan['cluster']}\n"
              f"node.id={node.number}\ndirectory.id={new_id()}\n")
        for path in glob.glob(os.path.join(BUILD, "fresh", "*")):
            shutil.copy(path, node.data)
        listeners = self.of_controller(node) if node.number == CONTROLLER else self.of_listeners(node)
        settings = {**SETTINGS, **self.of_node(node), **listeners, **self.plan["settings"]}
        write(node.properties, "".join(f"{key}={value}\n" for key, value in settings.items()))

    def of_node(self, node):
        replicas = min(self.plan["nodes"], 3)
        in_sync = min(replicas, 2)
        controllers = [self.controller()] if self.controller() else self.nodes()
        roles = "broker,controller" if not self.controller() else "controller" if node.number == CONTROLLER else "broker"
        return {
            "process.roles": roles,
            "node.id": node.number,
            "log.dirs": node.data,
            "controller.quorum.voters": ",".join(f"{n.number}@{HOST}:{self.port(n.number, 'CONTROLLER')}"
                                                 for n in controllers),
            "controller.listener.names": "CONTROLLER",
            "default.replication.factor": replicas,
            "min.insync.replicas": in_sync,
            "offsets.topic.replication.factor": replicas,
            "transaction.state.log.replication.factor": replicas,
            "transaction.state.log.min.isr": in_sync,
            "share.coordinator.state.topic.replication.factor": replicas,
            "share.coordinator.state.topic.min.isr": in_sync,
        }

    def of_controller(self, node):
        return {"listeners": f"CONTROLLER://{HOST}:{self.port(node.number, 'CONTROLLER')}",
                "listener.security.protocol.map": "CONTROLLER:PLAINTEXT"}

    def of_listeners(self, node):
        # Brokers talk to each other (and to themselves) on INTERNAL, which no test ever cuts.
        clients = self.plan["listeners"] + ["INTERNAL"]
        at = lambda name, port: f"{name}://{HOST}:{self.port(node.number, port)}"
        protocol = lambda name: name if name.startswith(("SSL", "SASL")) else "PLAINTEXT"
        found = {
            "inter.broker.listener.name": "INTERNAL",
            "listeners": ",".join(at(name, name) for name in clients + ([] if self.controller() else ["CONTROLLER"])),
            "advertised.listeners": ",".join(at(name, "PROXY" if name == "PROXIED" else name) for name in clients),
            "listener.security.protocol.map": ",".join(f"{name}:{protocol(name)}"
                                                       for name in clients + ["CONTROLLER"]),
        }
        if os.path.exists(self.path("tls")):
            found |= {"ssl.keystore.type": "PEM", "ssl.keystore.location": self.path("tls", "server.both"),
                      "ssl.truststore.type": "PEM", "ssl.truststore.location": self.path("tls", "ca.pem"),
                      "ssl.client.auth": "requested"}
        if os.path.exists(self.path("users")):
            found |= self.of_users([name for name in clients if name.startswith("SASL")])
        return found

    def of_users(self, listeners):
        module = "org.apache.kafka.common.security"
        users = " ".join(f'user_{name}="{read(self.path("users", name))}"' for name in USERS)
        found = {"sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512"}
        for listener in listeners:
            prefix = f"listener.name.{listener.lower()}"
            found[f"{prefix}.plain.sasl.jaas.config"] = f"{module}.plain.PlainLoginModule required {users};"
            for scram in ("scram-sha-256", "scram-sha-512"):
                found[f"{prefix}.{scram}.sasl.jaas.config"] = f"{module}.scram.ScramLoginModule required;"
        return found

    # --- processes ---

    def launch(self, node):
        jars = ":".join(sorted(glob.glob(os.path.join(BUILD, "jars", "*.jar"))))
        archive = os.path.join(BUILD, "broker.jsa")
        command = ["java", f"-Xmx{self.plan['heap']}"] + (self.plan["jvm"] or FAST_START).split() + \
            ([f"-XX:SharedArchiveFile={archive}"] if os.path.exists(archive) else []) + [
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.showDateTime=true",
            "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS", "-cp", jars, "kafka.Kafka", node.properties]
        node.launch(command, node.log)

    def launch_proxy(self):
        control = self.path("proxy.control")
        if os.path.exists(control):
            os.remove(control)
        routes = [f"{self.port(n.number, 'PROXY')}:{self.port(n.number, 'PROXIED')}" for n in self.nodes()]
        self.proxy.launch([sys.executable, os.path.join(HERE, "proxy.py"), control] + routes, self.path("proxy.log"))
        deadline = time.monotonic() + SECONDS_TO_START
        while not os.path.exists(control):
            if self.proxy.state() == "dead" or time.monotonic() > deadline:
                raise Failed("the proxy does not listen: " + read(self.path("proxy.log")))
            time.sleep(0.02)

    def tell_proxy(self, words):
        if self.proxy.state() == "dead":
            raise Failed(f"{self.folder} has no proxy; start it with --proxy")
        with socket.create_connection((HOST, int(read(self.path("proxy.control")))), 10) as connection:
            connection.sendall(" ".join(words).encode() + b"\n")
            answer = connection.makefile().readline().strip()
        if answer != "ok":
            raise Failed(f"the proxy says: {answer}")

    def ready(self, node, alive):
        """Whether the node knows all that are alive, and leaders for what can have some."""
        try:
            found = wire.metadata(HOST, self.port(node.number, "PLAINTEXT"))
        except OSError:
            return False
        if not alive <= set(found["brokers"]):
            return False
        leaders = [leader for partitions in found["topics"].values() for leader in partitions.values()]
        return len(alive) < self.plan["nodes"] or all(leader >= 0 for leader in leaders)

    def await_ready(self, node, alive):
        deadline = time.monotonic() + SECONDS_TO_START
        while not self.ready(node, alive):
            dead = node.state() == "dead"
            if dead or time.monotonic() > deadline:
                what = "ended while it started" if dead else f"is not ready after {SECONDS_TO_START} s"
                raise Failed(f"node {node.number} {what}; {node.log} ends with\n{node.log_tail()}")
            time.sleep(0.05)

    def start(self, a):
        fresh = not self.plan
        if fresh:
            self.make_plan(a)
        if "PROXIED" in self.plan["listeners"] and self.proxy.state() == "dead":
            self.launch_proxy()
        if self.controller() and self.controller().state() == "dead":
            self.launch(self.controller())
        started = [node for node in self.nodes(a.node) if node.state() == "dead"]
        for node in started:
            self.launch(node)
        alive = {node.number for node in self.nodes() if node.state() == "running"}
        for node in started:
            self.await_ready(node, alive)
        if fresh and a.sasl:
            words = " -- ".join(f"scram {name} {self.path('users', name)}" for name in USERS).split()
            done = subprocess.run([os.path.join(HERE, "tool"), self.folder] + words, stderr=subprocess.PIPE,
                                  text=True, check=False)
            if done.returncode:
                raise Failed(f"no users of SCRAM: {done.stderr.strip()}")

    def leader(self, topic, partition):
        for node in self.nodes():
            if node.state() == "running":
                found = wire.metadata(HOST, self.port(node.number, "PLAINTEXT"))
                return found["topics"].get(topic, {}).get(partition, -1)
        raise Failed("no node is running")

    def remove(self):
        """All of it ends and is gone."""
        for node in self.processes():
            node.end(signal.SIGKILL)
        self.proxy.end(signal.SIGKILL)
        for disk in glob.glob(self.path("node-*", "disk")):  # also of a start that did not come to its plan
            unmount(disk)
        if self.plan:
            shutil.rmtree(self.folder, ignore_errors=True)
