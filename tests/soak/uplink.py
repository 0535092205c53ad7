#!/usr/bin/env python3
"""A gateway's way to its brokers (TAP): fail-over and fail-back, certificates replaced under way, TLS 1.3 only.

    tests/soak/uplink.py [BUILD]
"""
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scene"))
from house import Gateway, House, Trouble, free_port, patience, tail, wait_for     # noqa: E402
from proxy import Proxy                                                 # noqa: E402


class Way:
    """One broker, reached by two proxies that stand for two brokers."""

    def __init__(self, build):
        self.house = House(build)
        self.house.init("--record-mib", "16")
        self.house.enroll("nc1", "icu3", "nursecall-device")
        if not self.house.broker_start():
            raise Trouble("the broker ended at once")
        self.best, self.other = Proxy(self.house.device_port), Proxy(self.house.device_port)
        self.gateway = Gateway(self.house, "nc1", "icu3")
        self.home = self.gateway.home
        for name in ("device.crt", "device.key"):
            shutil.copy(self.house.folder("nc1") / name, self.home / name)
        self.set(port=self.best.port, others=f"localhost:{self.other.port}", prefer_s=5, connect_timeout_ms=3000,
                 certfile=self.home / "device.crt", keyfile=self.home / "device.key")
        self.said = 0

    def set(self, **settings):
        ini = self.gateway.ini.read_text()
        for name, value in settings.items():
            ini = re.sub(rf"(?m)^{name} = .*\n", "", ini)
            ini = ini.replace("[uplink]\n", f"[uplink]\n{name} = {value}\n")
        self.gateway.ini.write_text(ini)

    def log(self):
        return self.gateway.process.text()

    def logged(self, text, seconds=20, times=1):
        try:
            wait_for("", patience(seconds), lambda: self.log().count(text) >= times)
        except Trouble:
            raise Trouble(f"the gateway did not say {text!r} {times} times:\n{tail(self.log())}") from None

    def stored(self):
        """An alert makes its way into the broker's history."""
        self.said += 1
        self.gateway.say({"type": "alert", "id": f"a{self.said}", "source": "bed", "kind": "call.emergency",
                          "bed": str(self.said), "text": "x"})
        if not self.gateway.answer(lambda o: o.get("id") == f"a{self.said}" and o["answer"] == "stored",
                                   patience(20)):
            raise Trouble(f"alert {self.said} was not stored:\n{tail(self.log())}")

    def replace(self, folder):
        """As an administrator would: written beside, then renamed."""
        for name in ("device.key", "device.crt"):
            new = self.home / f"{name}.new"
            shutil.copy(folder / name, new)
            os.replace(new, self.home / name)

    # ---- the stories, in order ----

    def goes_to_the_next_when_the_best_does_not_answer(self):
        self.best.mode = "stall"
        self.gateway.start()
        self.stored()
        assert self.other.accepted, "it did not come by the other"

    def goes_back_when_the_best_is_back(self):
        self.best.mode = "pass"
        self.logged("uplink_better")
        self.logged("uplink_up", times=2)
        self.stored()
        assert self.best.pairs, "it is not with the best"

    def is_back_soon_after_a_blip(self):
        took = []
        for _ in range(3):
            time.sleep(5.3)         # or it is taken for a line that flaps
            before = self.best.accepted
            start = time.monotonic()
            self.best.cut()
            wait_for("it dials again", patience(10), lambda: self.best.accepted > before, poll=0.001)
            self.stored()
            took.append((time.monotonic() - start) * 1000)
        print(f"# cut, connected again and an alert stored after {', '.join(f'{t:.0f}' for t in sorted(took))} ms")

    def takes_a_new_certificate_under_way(self):
        self.replace(self.house.forge("renewed", "/CN=nc1", "urn:pullcord:mercy:device:nc1"))
        self.logged("certificate_changed", 30)
        ups = self.log().count("uplink_up")
        self.logged("uplink_up", 40, ups + 1 if "uplink_up" not in self.log().split("certificate_changed")[1] else ups)
        self.stored()

    def keeps_the_old_one_when_the_new_does_not_work(self):
        self.replace(self.house.forge("stranger", "/CN=nc1", "urn:pullcord:mercy:device:nc1", own=False))
        self.logged("certificate_refused", 30)
        self.best.cut()
        self.stored()

    def keeps_the_old_one_when_the_new_is_broken(self):
        before = self.log().count("certificate_refused")
        (self.home / "device.crt").write_text("-----BEGIN CERTIFICATE-----\nnone\n")
        self.logged("certificate_refused", 30, before + 1)
        self.best.cut()
        self.stored()

    def speaks_no_tls_before_1_3(self):
        port, house = free_port(), self.house
        server = house.start("old-tls", ["openssl", "s_server", "-accept", port, "-cert", house.dir / "server.crt", "-key",
                                         house.dir / "keys/server.key", "-tls1_2", "-quiet"])
        try:
            self.gateway.end()
            for name in ("device.crt", "device.key"):
                shutil.copy(house.folder("nc1") / name, self.home / name)
            self.set(port=port, others="")
            time.sleep(0.5)
            self.gateway.start()
            self.logged("uplink_lost")
            assert "uplink_up" not in self.log(), "it spoke TLS 1.2"
            assert re.search("protocol|version|alert", self.log()), self.log()
        finally:
            server.child.kill()
            server.child.wait()

    STORIES = [goes_to_the_next_when_the_best_does_not_answer, goes_back_when_the_best_is_back, is_back_soon_after_a_blip,
               takes_a_new_certificate_under_way, keeps_the_old_one_when_the_new_does_not_work,
               keeps_the_old_one_when_the_new_is_broken, speaks_no_tls_before_1_3]


def main():
    way = Way(sys.argv[1] if len(sys.argv) > 1 else "build")
    failed = 0
    print(f"1..{len(Way.STORIES) + 1}")
    for number, story in enumerate(Way.STORIES, 1):
        why = None
        try:
            if not failed:
                story(way)
        except (Trouble, AssertionError, OSError, subprocess.SubprocessError) as e:
            why, failed = e, number
        bad = bool(failed)
        print(f"{'not ok' if bad else 'ok'} {number} - {story.__name__}", flush=True)
        if why:
            print("# " + str(why).replace("\n", "\n# "))
    for proxy in (way.best, way.other):
        proxy.close()
    wrong = [w for w in way.house.close() if "old-tls" not in w.splitlines()[0]]
    print(f"{'not ok' if wrong else 'ok'} {len(Way.STORIES) + 1} - all ended in good order")
    for w in wrong:
        print("# " + w.replace("\n", "\n# "))
    return 1 if failed or wrong else 0


if __name__ == "__main__":
    sys.exit(main())
