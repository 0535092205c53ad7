"""Our messages once more, from proto/wire/pullcord.proto and the text of the standards alone: what a scene forges, and
what unit tests compare with. Shares nothing with the C code."""
import hashlib

PARTY = {"device": 1, "user": 2, "broker": 3}
PRIORITY = {"info": 1, "low": 2, "medium": 3, "high": 4, "code": 5}
KIND = {"alert": 1, "alert-update": 2, "observations": 3, "device-state": 4, "device-command": 5, "chat-message": 7, "broadcast": 9}


def varint(n):
    out = bytearray()
    while n > 0x7f:
        out.append(n & 0x7f | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def number(field, n):
    return varint(field << 3) + varint(n) if n else b""


def fixed64(field, n):
    return varint(field << 3 | 1) + n.to_bytes(8, "little") if n else b""


def data(field, b):
    b = b.encode() if isinstance(b, str) else b
    return varint(field << 3 | 2) + varint(len(b)) + b if b else b""


def read(raw, repeated=()):
    """The fields of a message: numbers, and bytes where there is a length; of `repeated` ones a list."""
    fields, at = {}, 0

    def take_varint():
        nonlocal at
        n = shift = 0
        while True:
            byte, at = raw[at], at + 1
            n |= (byte & 0x7f) << shift
            shift += 7
            if byte < 0x80:
                return n
    while at < len(raw):
        key = take_varint()
        kind = key & 7
        if kind == 0:
            value = take_varint()
        else:
            size = take_varint() if kind == 2 else 8
            value, at = raw[at:at + size], at + size
        if key >> 3 in repeated:
            fields.setdefault(key >> 3, []).append(value)
        else:
            fields[key >> 3] = value
    return fields


def tag(tenant, party, sender):
    return hashlib.sha256(f"pullcord id v1\0{tenant}/{PARTY[party]}/{sender}".encode()).digest()[:8]


def message_id(ms, sequence, tenant, party, sender):
    return ms.to_bytes(6, "big") + sequence.to_bytes(2, "big") + tag(tenant, party, sender)


def alert(key, priority, code="call.normal", text="", bed="", at_us=0, source=""):
    return (data(1, key) + number(2, PRIORITY[priority]) + number(3, 4) + number(4, 1) + data(5, code) + data(6, text)
            + data(7, bed) + fixed64(9, at_us) + number(10, 1) + fixed64(11, at_us) + data(12, source))


def alert_update(alert_id, key, state, by, at_us):
    return data(1, alert_id) + data(2, key) + number(3, state) + data(4, by) + fixed64(5, at_us)


def device_state(online, since_us):
    return number(1, int(online)) + fixed64(2, since_us) + data(3, "forged")


def device_command(command, counter, nonce, detail, expires_us, approvals):
    return (number(1, command) + number(2, counter) + data(3, nonce) + data(4, detail) + fixed64(5, expires_us)
            + b"".join(data(6, data(1, officer) + data(2, signature)) for officer, signature in approvals))


def chat(text):
    return data(1, text)


def broadcast(priority, code, text):
    return number(1, PRIORITY[priority]) + data(2, code) + data(3, text)


def envelope(tenant, party, sender, kind, body, sent_us, sequence=1, expires_us=0, version=1, id_sender=None):
    """id_sender: whose tag the id carries, when that is not the sender's."""
    ident = message_id(sent_us // 1000, sequence, tenant, party, id_sender or sender)
    return (number(1, version) + data(2, ident) + data(3, tenant) + number(4, PARTY[party]) + data(5, sender)
            + fixed64(6, sent_us) + fixed64(7, expires_us) + number(8, KIND[kind]) + data(9, body))
