#!/usr/bin/env python3
"""What lies between clients and brokers and can fail: passes bytes on, rewrites none.

usage: proxy.py CONTROL-FILE LISTEN:TARGET...       ports of 127.0.0.1

Writes the port at which it takes commands, a line each, into CONTROL-FILE once it listens; each is answered with
`ok` when it is in force:

  cut        all connections are reset, new ones refused
  drop       all connections are reset, new ones work
  stall      nothing is passed on any more, in either direction; new connections are taken
  mute       requests arrive, answers do not come back: what was asked happens and nobody knows
  slow MS    each piece of at most 64 KiB waits so long
  heal       as at the start; what was stalled goes on, muted connections are reset
"""
import asyncio, os, socket, sys

HOST, PIECE = "127.0.0.1", 65536


class Proxy:
    def __init__(self, routes):
        self.routes, self.servers, self.connections = routes, [], set()
        self.mode, self.delay, self.open = "heal", 0.0, asyncio.Event()
        self.open.set()

    async def listen(self):
        for source, target in self.routes:
            self.servers.append(await asyncio.start_server(
                lambda reader, writer, target=target: self.connect(reader, writer, target), HOST, source,
                limit=PIECE, backlog=256))

    async def refuse(self):
        for server in self.servers:
            server.close()
        self.servers = []

    def reset(self):
        """RST, not FIN: a connection that is cut says no goodbye."""
        for writer in self.connections:
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                                       b"\1\0\0\0\0\0\0\0")
            writer.transport.abort()
        self.connections.clear()

    async def connect(self, reader, writer, target):
        self.connections.add(writer)
        try:
            up_reader, up_writer = await asyncio.open_connection(HOST, target, limit=PIECE)
        except OSError:
            self.close(writer)
            return
        self.connections.add(up_writer)
        await asyncio.gather(self.pump(reader, up_writer, False), self.pump(up_reader, writer, True))

    def close(self, writer):
        self.connections.discard(writer)
        writer.close()

    async def pump(self, reader, writer, answers):
        try:
            while True:
                data = await reader.read(PIECE)
                await self.open.wait()
                if self.delay:
                    await asyncio.sleep(self.delay)
                if not data:
                    break
                if answers and self.mode == "mute":
                    continue
                writer.write(data)
                await writer.drain()
        except (OSError, asyncio.CancelledError):
            pass
        self.close(writer)

    async def obey(self, words):
        """Raises ValueError for what is no command."""
        command = words[0] if words else ""
        if command not in ("cut", "drop", "stall", "mute", "slow", "heal"):
            raise ValueError(f"no command {command}")
        delay = int(words[1]) / 1000 if command == "slow" else 0.0
        if command in ("cut", "drop") or self.mode == "mute" != command:
            self.reset()
        if command == "cut":
            await self.refuse()
        elif not self.servers:
            await self.listen()
        (self.open.clear if command == "stall" else self.open.set)()
        self.mode, self.delay = command, delay

    async def control(self, reader, writer):
        async for line in reader:
            try:
                await self.obey(line.decode().split())
                writer.write(b"ok\n")
            except (ValueError, IndexError, OSError) as why:
                writer.write(f"{why}\n".encode())
            await writer.drain()
        writer.close()


async def main():
    control_file = sys.argv[1]
    proxy = Proxy([tuple(map(int, route.split(":"))) for route in sys.argv[2:]])
    await proxy.listen()
    control = await asyncio.start_server(proxy.control, HOST, 0)
    with open(control_file + ".new", "w", encoding="utf-8") as out:
        out.write(f"{control.sockets[0].getsockname()[1]}\n")
    os.replace(control_file + ".new", control_file)
    await control.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
