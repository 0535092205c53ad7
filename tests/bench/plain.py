"""MQTT 3.1.1 over plain TCP, as little of it as the policy's bench needs: one socket for a client, QoS 0, nothing
asynchronous. Plain, because what a delivery costs beside TLS would look cheap."""
import socket
import time

from rig import Unmeasured


def counted(data):
    return len(data).to_bytes(2, "big") + data


def packet(first, body):
    n, length = len(body), b""
    while True:
        n, low = divmod(n, 128)
        length += bytes([low | (0x80 if n else 0)])
        if not n:
            return bytes([first]) + length + body


def publish_packet(topic, payload):
    return packet(0x30, counted(topic.encode()) + payload)


class Refused(Unmeasured):
    pass


class Client:
    """Connected when made; Refused when the broker says no, ConnectionError when it says nothing."""

    def __init__(self, port, name, user, password, seconds=60):
        self.buffer = b""
        self.s = socket.create_connection(("127.0.0.1", port), timeout=seconds)
        self.s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.s.sendall(packet(0x10, counted(b"MQTT") + b"\x04\xc2" + (120).to_bytes(2, "big") + counted(name.encode())
                              + counted(user.encode()) + counted(password.encode())))
        try:
            first, body = self.read()
        except OSError:
            self.s.close()
            raise
        if first != 0x20 or body[1]:
            self.s.close()
            raise Refused(f"{name}: CONNACK {body.hex()}")

    def fill(self):
        got = self.s.recv(1 << 16)
        if not got:
            raise ConnectionError("the broker closed the connection")
        self.buffer += got

    def parsed(self):
        """The next whole packet in the buffer: first byte and body; None."""
        length, at, shift = 0, 1, 0
        while True:
            if at >= len(self.buffer):
                return None
            byte = self.buffer[at]
            length |= (byte & 0x7f) << shift
            at, shift = at + 1, shift + 7
            if not byte & 0x80:
                break
        if len(self.buffer) < at + length:
            return None
        first, body = self.buffer[0], self.buffer[at:at + length]
        self.buffer = self.buffer[at + length:]
        return first, body

    def read(self):
        while (p := self.parsed()) is None:
            self.fill()
        return p

    def subscribe(self, topic):
        self.s.sendall(packet(0x82, b"\x00\x01" + counted(topic.encode()) + b"\x00"))
        while True:     # messages may come before the answer
            first, body = self.read()
            if first == 0x90:
                break
        if body[2] > 2:
            raise Refused(f"may not subscribe to {topic}")

    def publish(self, topic, payload):
        self.s.sendall(publish_packet(topic, payload))

    def ping(self):
        """For its keep-alive: under callgrind minutes pass."""
        self.s.sendall(b"\xc0\x00")

    def receive(self, n):
        """Waits for so many messages."""
        while n:
            if self.read()[0] & 0xf0 == 0x30:
                n -= 1

    def message(self):
        """The next one's payload."""
        while True:
            first, body = self.read()
            if first & 0xf0 != 0x30:
                continue
            body = body[2 + int.from_bytes(body[:2], "big"):]
            if first & 0x06 == 0:
                return body
            self.s.sendall(packet(0x40, body[:2]))
            return body[2:]

    def close(self):
        try:
            self.s.sendall(b"\xe0\x00")
        except OSError:
            pass
        self.s.close()


def knock(port, name, user, password, seconds=60, pause=0.01, alive=lambda: None):
    """Until it is let in: the broker may not listen yet, or tell the client to try again."""
    until = time.monotonic() + seconds
    while True:
        try:
            return Client(port, name, user, password)
        except OSError:
            if time.monotonic() > until:
                raise
        alive()
        time.sleep(pause)
