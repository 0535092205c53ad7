"""A TCP proxy that misbehaves on demand, between a gateway and its broker: what a network can do to a connection."""
import socket
import struct
import threading
import time


class Proxy:
    """Passes everything on while `mode` is "pass".

    hold   takes and keeps what both sides say, as a switch that lost its uplink: nobody hears of an end
    stall  as hold, and new connections get no answer at all: a TLS peer that stops in mid-handshake
    """

    def __init__(self, to_port):
        self.to_port, self.mode, self.accepted = to_port, "pass", 0
        self.pairs, self.lock = set(), threading.Lock()
        self.server = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near, _ = self.server.accept()
            except OSError:
                return
            self.accepted += 1
            threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near):
        while self.mode == "stall":
            time.sleep(0.02)
        try:
            far = socket.create_connection(("127.0.0.1", self.to_port), timeout=5)
        except OSError:
            near.close()
            return
        for s in (near, far):
            s.settimeout(None)
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        pair = (near, far)
        with self.lock:
            self.pairs.add(pair)
        other = threading.Thread(target=self._pump, args=(far, near, pair), daemon=True)
        other.start()
        self._pump(near, far, pair)
        other.join()
        with self.lock:
            self.pairs.discard(pair)
        for s in pair:
            s.close()

    def _pump(self, source, to, pair):
        try:
            while data := source.recv(65536):
                while self.mode != "pass":
                    time.sleep(0.01)
                to.sendall(data)
        except OSError:
            pass
        while self.mode != "pass":
            time.sleep(0.01)
        for s in pair:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut(self):
        """Ends every connection at once, by a reset."""
        with self.lock:
            pairs = list(self.pairs)
        for pair in pairs:
            for s in pair:
                try:
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    s.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def forget(self):
        """The far side is gone, and the near side never hears of it: half-open."""
        with self.lock:
            pairs = list(self.pairs)
        self.mode = "hold"
        for _, far in pairs:
            try:
                far.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self.mode = "pass"
        self.server.close()
        self.cut()
