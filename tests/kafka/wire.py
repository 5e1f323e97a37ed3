"""The one request of Kafka's protocol that tells whether a broker is ready: metadata, spoken without a library, so
that asking costs no start of a Java process."""
import socket, struct

METADATA, VERSION = 3, 7  # the last version but one without compact fields


class Reader:
    """Takes big-endian fields off the front of a response."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def number(self, code):
        (value,) = struct.unpack_from(">" + code, self.data, self.at)
        self.at += struct.calcsize(">" + code)
        return value

    def string(self):
        size = self.number("h")
        if size < 0:
            return None
        self.at += size
        return self.data[self.at - size:self.at].decode()

    def array(self, item):
        return [item() for _ in range(self.number("i"))]


def receive(connection, count):
    data = b""
    while len(data) < count:
        more = connection.recv(count - len(data))
        if not more:
            raise ConnectionError("the broker closed the connection")
        data += more
    return data


def metadata(host, port, timeout=2.0):
    """{brokers: {id: (host, port)}, controller: id, topics: {name: {partition: leader}}}; a leader of -1 is none.

    OSError when the broker does not answer in time."""
    client = b"weir-tests"
    body = struct.pack(">hhih", METADATA, VERSION, 1, len(client)) + client + struct.pack(">iB", -1, 0)
    with socket.create_connection((host, port), timeout) as connection:
        connection.sendall(struct.pack(">i", len(body)) + body)
        r = Reader(receive(connection, struct.unpack(">i", receive(connection, 4))[0]))
    number = lambda: r.number("i")
    r.at = 8  # the number of the request, the throttling

    def broker():
        found = number(), r.string(), number()
        r.string()  # rack
        return found

    def partition():
        r.number("h")  # an error says no more than the leader of -1
        index, leader, _ = number(), number(), number()
        for _ in range(3):  # replicas, replicas in sync, replicas offline
            r.array(number)
        return index, leader

    def topic():
        r.number("h")
        name, _ = r.string(), r.number("b")
        return name, dict(r.array(partition))

    brokers = {i: (host, port) for i, host, port in r.array(broker)}
    r.string()  # cluster
    return {"brokers": brokers, "controller": number(), "topics": dict(r.array(topic))}
