"""Certificates byte by byte (X.690, RFC 5280), as no tool would make them: for what must be refused. openssl only signs."""
import subprocess
import time

UTF8, PRINTABLE, T61, UNIVERSAL, BMP = 0x0c, 0x13, 0x14, 0x1c, 0x1e
ECDSA_SHA256 = "1.2.840.10045.4.3.2"


def tlv(tag, *parts):
    body = b"".join(parts)
    n = len(body)
    return bytes([tag]) + (bytes([n]) if n < 0x80 else bytes([0x82]) + n.to_bytes(2, "big")) + body


def seq(*parts):
    return tlv(0x30, *parts)


def oid(dotted):
    first, second, *rest = map(int, dotted.split("."))
    out = bytearray([first * 40 + second])
    for n in rest:
        groups = [n & 0x7f]
        while n := n >> 7:
            groups.insert(0, n & 0x7f | 0x80)
        out += bytes(groups)
    return tlv(0x06, bytes(out))


def read(raw, at=0):
    """(tag, where the content begins, where it ends)."""
    n, at_body = raw[at + 1], at + 2
    if n >= 0x80:
        size = n & 0x7f
        n, at_body = int.from_bytes(raw[at + 2:at + 2 + size], "big"), at + 2 + size
    return raw[at], at_body, at_body + n


def subject_of(certificate):
    """The subject of a certificate, which is the issuer of those it signs: the fifth field after the version."""
    at = read(certificate, read(certificate)[1])[1]
    fields = []
    while len(fields) < 6:
        end = read(certificate, at)[2]
        fields.append(certificate[at:end])
        at = end
    return fields[5]    # version, serial, algorithm, issuer, validity, subject


def cn(text, kind=UTF8):
    return seq(oid("2.5.4.3"), tlv(kind, text))


def name(*rdns):
    """Each a list of attributes of one RDN."""
    return seq(*(tlv(0x31, *rdn) for rdn in rdns))


def uri(text):
    return tlv(0x86, text.encode())


def dns(text):
    return tlv(0x82, text.encode())


def extension(number, critical, value):
    return seq(oid(number), tlv(0x01, b"\xff") if critical else b"", tlv(0x04, value))


def moment(seconds):
    return tlv(0x17, time.strftime("%y%m%d%H%M%SZ", time.gmtime(seconds)).encode())


def run(*argv, stdin=None):
    return subprocess.run([str(a) for a in argv], input=stdin, capture_output=True, check=True).stdout


def to_der(pem):
    return run("openssl", "x509", "-in", pem, "-outform", "DER")


def certificate(ca, ca_key, key, subject, alternative, usage="1.3.6.1.5.5.7.3.2", is_ca=False, begins=-3600, ends=86400):
    """DER. `alternative`: names, may be empty; `usage`: of the extended key, "" for none; times are seconds from now."""
    now = time.time()
    algorithm = seq(oid(ECDSA_SHA256))
    extensions = [extension("2.5.29.17", not subject[2:], seq(*alternative))] if alternative else []
    if usage:
        extensions.append(extension("2.5.29.37", False, seq(oid(usage))))
    if is_ca:
        extensions.append(extension("2.5.29.19", True, seq(tlv(0x01, b"\xff"))))
    serial = tlv(0x02, b"\x01" + time.time_ns().to_bytes(8, "big"))
    body = seq(tlv(0xa0, tlv(0x02, b"\2")), serial, algorithm, subject_of(to_der(ca)),
               seq(moment(now + begins), moment(now + ends)), subject,
               run("openssl", "pkey", "-in", key, "-pubout", "-outform", "DER"), tlv(0xa3, seq(*extensions)) if extensions else b"")
    signature = run("openssl", "dgst", "-sha256", "-sign", ca_key, stdin=body)
    return seq(body, algorithm, tlv(0x03, b"\0", signature))
