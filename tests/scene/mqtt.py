"""MQTT 5, or 3.1.1, from its standard alone, over TLS: a client that may say what stock clients would not, and many things at
once. One connection; what is delivered is acknowledged and kept."""
import base64
import functools
import os
import socket
import ssl
import struct
import time

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK, PINGREQ, PINGRESP, DISCONNECT = 1, 2, 3, 4, 8, 9, 12, 13, 14


def varint(n):
    out = bytearray()
    while n > 0x7f:
        out.append(n & 0x7f | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def text(s):
    """Bytes are sent as they are, right or wrong."""
    raw = s.encode("utf-8", "surrogatepass") if isinstance(s, str) else s
    return struct.pack(">H", len(raw)) + raw


@functools.cache
def tls(cafile, cert, key):
    context = ssl.create_default_context(cafile=cafile)
    if cert:
        context.load_cert_chain(cert, key)
    return context


class Websocket:
    """A socket whose bytes go in frames (RFC 6455). What comes is unmasked, in one piece, and shorter than 64 KiB."""

    def __init__(self, sock):
        self.sock, self.unread = sock, b""
        sock.sendall(b"GET /mqtt HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     b"Sec-WebSocket-Version: 13\r\n"
                     b"Sec-WebSocket-Protocol: mqtt\r\nSec-WebSocket-Key: " + base64.b64encode(os.urandom(16)) + b"\r\n\r\n")
        while b"\r\n\r\n" not in self.unread:
            self._more()
        head, self.unread = self.unread.split(b"\r\n\r\n", 1)
        if b" 101 " not in head.splitlines()[0]:
            raise OSError("it is not switched to websocket")
        self.settimeout, self.close = sock.settimeout, sock.close

    def _more(self):
        got = self.sock.recv(65536)
        if not got:
            raise OSError("it was closed")
        self.unread += got

    def sendall(self, data):
        mask = os.urandom(4)
        length = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + struct.pack(">H", len(data))
        self.sock.sendall(b"\x82" + length + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(data)))

    def recv(self, _):
        while True:
            n = self.unread[1] if len(self.unread) > 1 else 0
            at = 4 if n == 126 else 2
            n = struct.unpack_from(">H", self.unread, 2)[0] if n == 126 and len(self.unread) >= 4 else n
            if len(self.unread) > 1 and len(self.unread) >= at + n:
                kind, data, self.unread = self.unread[0] & 15, self.unread[at:at + n], self.unread[at + n:]
                return data if kind == 2 else b""
            self._more()


KEEP_ALIVE_S = 100      # less than the broker grants: 2.0.21 ends who asks for as much (mosquitto#3226)


class Connection:
    """Outcomes are words: accepted, refused, closed (without an answer)."""

    def __init__(self, port, cafile, cert=None, key=None, seconds=10, websocket=False, version=5):
        self.websocket, self.version = websocket, version
        self.context = tls(cafile, cert, key)
        self.port, self.seconds, self.sock, self.said = port, seconds, None, 0.0
        self.unread, self.packets, self.delivered, self.number = b"", [], [], 0

    def properties(self, raw=b""):
        """Of version 5 only."""
        return varint(len(raw)) + raw if self.version == 5 else b""

    def send(self, kind, body, flags=0):
        self.said = time.monotonic()
        self.sock.sendall(bytes([kind << 4 | flags]) + varint(len(body)) + body)

    def connect(self, client, username=None, password=None, clean=True, will=None):
        """`will`: (topic, payload, retain). A session that is not clean is kept for an hour."""
        flags = (2 if clean else 0) | (0x80 if username is not None else 0) | (0x40 if password is not None else 0)
        body = text(client)
        if will:
            topic, payload, retain = will
            flags |= 4 | 1 << 3 | (0x20 if retain else 0)
            body += b"\0" + text(topic) + text(payload)
        body += b"".join(text(word) for word in (username, password) if word is not None)
        properties = b"" if clean else b"\x11" + struct.pack(">I", 3600)
        try:
            raw = socket.create_connection(("127.0.0.1", self.port), timeout=self.seconds)
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.sock = self.context.wrap_socket(raw, server_hostname="localhost")
            if self.websocket:
                self.sock = Websocket(self.sock)
            self.send(CONNECT, text("MQTT") + bytes([self.version, flags]) + struct.pack(">H", KEEP_ALIVE_S) +
                      self.properties(properties) + body)
            packet = self.await_packet(CONNACK)
        except (ssl.SSLError, OSError):
            packet = None
        outcome = "closed" if not packet else "accepted" if packet[1][1] == 0 else "refused"
        if outcome != "accepted":
            self.drop()
        return outcome

    def drop(self):
        """Without a goodbye."""
        if self.sock:
            self.sock.close()
        self.sock = None

    # ---- reading ----

    def _take(self):
        """One packet from what was read, or None."""
        n, shift, at = 0, 0, 1
        while True:
            if at >= len(self.unread):
                return None
            byte = self.unread[at]
            n |= (byte & 0x7f) << shift
            shift, at = shift + 7, at + 1
            if byte < 0x80:
                break
        if len(self.unread) < at + n:
            return None
        packet = self.unread[0], self.unread[at:at + n]
        self.unread = self.unread[at + n:]
        return packet

    def _pump(self, seconds):
        """Reads once; False when nothing came in time or the connection is over."""
        if not self.sock:
            return False
        try:
            self.sock.settimeout(max(seconds, 0.001))
            got = self.sock.recv(65536)
        except (TimeoutError, ssl.SSLWantReadError):
            return False
        except (ssl.SSLError, OSError):
            got = b""
        if not got:
            self.drop()
            return False
        self.unread += got
        while packet := self._take():
            if packet[0] >> 4 == PUBLISH:
                self._deliver(*packet)
            else:
                self.packets.append(packet)
        return True

    def _deliver(self, head, body):
        n = struct.unpack_from(">H", body)[0]
        at = 2 + n
        if head >> 1 & 3:
            self.send(PUBACK, body[at:at + 2])
            at += 2
        if self.version == 5:
            at += 1 + body[at]
        self.delivered.append((body[2:2 + n].decode(errors="replace"), bytes(body[at:]), bool(head & 1)))

    def await_packet(self, kind, number=None):
        end = time.monotonic() + self.seconds
        while True:
            for packet in self.packets:
                if packet[0] >> 4 == kind and (number is None or packet[1][:2] == number):
                    self.packets.remove(packet)
                    return packet
            if not self.sock or time.monotonic() > end or (not self._pump(end - time.monotonic()) and not self.sock):
                return None

    def receive(self, seconds, enough=lambda: False):
        """Takes what is delivered for a while, or until it is enough."""
        end = time.monotonic() + seconds
        while self.sock and not enough() and time.monotonic() < end:
            self._pump(end - time.monotonic())

    # ---- asking ----

    def _number(self):
        self.number = self.number % 65535 + 1
        return struct.pack(">H", self.number)

    def keep_alive(self):
        """To be called now and then: who says nothing for long is put out."""
        if self.sock and time.monotonic() - self.said > KEEP_ALIVE_S / 3:
            self.is_alive()

    def is_alive(self):
        try:
            self.send(PINGREQ, b"")
        except (OSError, AttributeError):
            return False
        return self.await_packet(PINGRESP) is not None

    def subscribe(self, filter):
        number = self._number()
        try:
            self.send(SUBSCRIBE, number + self.properties() + text(filter) + b"\1", flags=2)
        except (OSError, AttributeError):
            return "closed"
        packet = self.await_packet(SUBACK, number)
        return "closed" if not packet else "granted" if packet[1][-1] < 0x80 else "refused"

    def publish(self, topic, payload, retain=False, alias=None):
        """At QoS 1; answered when it returns. `alias`: the topic's, or, when that is empty, instead of one."""
        number = self._number()
        properties = b"" if alias is None else struct.pack(">BH", 0x23, alias)
        try:
            self.send(PUBLISH, text(topic) + number + self.properties(properties) + payload, flags=2 | retain)
        except (OSError, AttributeError):
            return "closed"
        packet = self.await_packet(PUBACK, number)
        return "closed" if not packet else "refused" if len(packet[1]) > 2 and packet[1][2] >= 0x80 else "accepted"
