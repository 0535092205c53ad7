#!/usr/bin/env python3
"""The alerting rules in configs/prometheus, by Prometheus' own tool (TAP): that they are rules, that each speaks when it
should and none when all is well, and that every metric in them is one that we tell."""
import re
import subprocess
import sys
import tempfile
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
RULES = TOP / "configs/prometheus/pullcord.rules.yml"

# One gateway and one broker that are well: values minute by minute, as promtool writes them; time begins at 0.
WELL = {
    'pullcord_gateway_uptime_seconds{instance="g"}': "1000+60x120",
    'pullcord_gateway_connected{instance="g"}': "1x120",
    'pullcord_gateway_evicted_total{instance="g"}': "3x120",
    'pullcord_gateway_unreadable_total{instance="g"}': "0x120",
    'pullcord_gateway_set_aside_messages{instance="g"}': "0x120",
    'pullcord_gateway_room_messages{instance="g"}': "100x120",
    'pullcord_gateway_queued_messages{instance="g",tier="high"}': "1x120",
    'pullcord_gateway_queued_messages{instance="g",tier="vitals"}': "20x120",
    'pullcord_gateway_oldest_message_seconds{instance="g",tier="high"}': "1x120",
    'pullcord_gateway_oldest_message_seconds{instance="g",tier="medium"}': "200x120",
    'pullcord_gateway_oldest_message_seconds{instance="g",tier="vitals"}': "500x120",
    'pullcord_gateway_connections_total{instance="g"}': "4+0.2x120",
    'pullcord_gateway_turned_away_total{instance="g"}': "4x120",
    'pullcord_gateway_unknown_places_total{instance="g"}': "4x120",
    'pullcord_gateway_broken_off_total{instance="g"}': "4x120",
    'pullcord_gateway_flush_seconds_bucket{instance="g",le="0.25"}': "0+60x120",
    'pullcord_gateway_flush_seconds_bucket{instance="g",le="0.5"}': "0+60x120",
    'pullcord_gateway_flush_seconds_bucket{instance="g",le="+Inf"}': "0+60x120",
    'pullcord_gateway_clock_offset_seconds{instance="g"}': "-2x120",
    'pullcord_gateway_certificate_expiry_timestamp_seconds{instance="g"}': "8000000x120",
    'pullcord_broker_uptime_seconds{instance="b"}': "1000+60x120",
    'pullcord_broker_record_state{instance="b"}': "0x120",
    'pullcord_broker_record_lost_total{instance="b"}': "5x120",
    'pullcord_broker_record_free_bytes{instance="b"}': "80x120",
    'pullcord_broker_record_room_bytes{instance="b"}': "100x120",
    'pullcord_broker_record_checkpoint_age_seconds{instance="b"}': "4000x120",
    'pullcord_broker_record_unsigned_entries{instance="b"}': "0x120",
    'pullcord_broker_record_witnesses{instance="b"}': "2x120",
    'pullcord_broker_stores_put_aside{instance="b"}': "0x120",
    'pullcord_broker_record_witness_silence_seconds{instance="b"}': "600x120",
    'pullcord_broker_record_quorum{instance="b"}': "2x120",
    'pullcord_broker_record_quorum_silence_seconds{instance="b"}': "600x120",
    'pullcord_broker_alerts_missing_total{instance="b"}': "2x120",
    'pullcord_broker_history_failing{instance="b"}': "0x120",
    'pullcord_broker_history_unreadable{instance="b"}': "0x120",
    'pullcord_broker_history_unkept_total{instance="b"}': "4x120",
    'pullcord_broker_history_yielded_total{instance="b"}': "9x120",
    'pullcord_broker_history_alerts{instance="b"}': "10x120",
    'pullcord_broker_history_room_alerts{instance="b"}': "100x120",
    'pullcord_broker_history_evicted_total{instance="b"}': "2x120",
    'pullcord_broker_directory_failing{instance="b"}': "0x120",
    'pullcord_broker_sessions_devices{instance="b"}': "7x120",
    'pullcord_broker_lockouts_total{instance="b"}': "0+0.1x120",
    'pullcord_broker_bypasses_total{instance="b"}': "0x120",
    'pullcord_broker_certificate_expiry_timestamp_seconds{instance="b"}': "8000000x120",
    'pullcord_broker_crl_expiry_timestamp_seconds{instance="b"}': "8000000x120",
    'pullcord_broker_files_unreadable{instance="b"}': "0x120",
} | {f'pullcord_gateway_fault{{instance="g",fault="{f}"}}': "0x120" for f in
     ("writer", "uplink", "disconnected", "flapping", "waiting", "disk", "full", "refusing", "evicting", "set-aside",
      "outbox-replaced", "clock", "certificate", "unreadable", "no-receipts", "record-contradicted", "record-silent",
      "witnesses-unheard", "order-refused", "quarantined", "orders-unreadable", "source", "input",
      "source-quiet")}

# Faults of a gateway that are seen by other metrics than their own.
OTHERWISE = {"disconnected", "flapping", "waiting", "full", "evicting", "unreadable", "set-aside", "clock", "certificate"}


def gateway(metric, values, labels=""):
    return {f'pullcord_gateway_{metric}{{instance="g"{labels}}}': values}


def fault(name, values="0x30 1x90"):
    return gateway("fault", values, f',fault="{name}"')


def broker(metric, values):
    return {f'pullcord_broker_{metric}{{instance="b"}}': values}


# What goes wrong at minute 31, and which alert speaks at minute 60 for it, alone but for those named after it.
ILL = {
    "PullcordGatewaySilent": gateway("uptime_seconds", "1000+60x30 2800x90"),
    "PullcordGatewayGone": gateway("uptime_seconds", "1000+60x52 stale"),
    "PullcordGatewayStuck": fault("writer"),
    "PullcordGatewayDisconnected": gateway("connected", "1x30 0x90"),
    "PullcordGatewayFlaps": gateway("connections_total", "4+1x120"),
    "PullcordAlertsWait": gateway("oldest_message_seconds", "1x30 61x90", ',tier="high"'),
    "PullcordCallsRefused": fault("refusing"),
    "PullcordSourcesTurnedAway": gateway("turned_away_total", "4x55 5x90"),
    "PullcordInputClosed": fault("input"),
    "PullcordSourceNotUnderstood": fault("source"),
    "PullcordPlaceUnknown": gateway("unknown_places_total", "4x55 5x90"),
    "PullcordSourceQuiet": fault("source-quiet"),
    "PullcordSourceBreaksOff": gateway("broken_off_total", "4x55 5x90"),
    "PullcordMessagesDropped": gateway("evicted_total", "3x55 4x90"),
    "PullcordMessagesSetAside": gateway("set_aside_messages", "0x30 1x90"),
    "PullcordGatewayHearsNoReceipts": fault("no-receipts"),
    "PullcordRecordContradicted": fault("record-contradicted"),
    "PullcordRecordNotWitnessed": fault("record-silent", "1x120"),
    "PullcordWitnessesUnheard": fault("witnesses-unheard", "1x120"),
    "PullcordOrderRefused": fault("order-refused"),
    "PullcordOrdersUnreadable": fault("orders-unreadable"),
    "PullcordGatewayQuarantined": fault("quarantined", "1x120"),
    "PullcordMessagesUnreadable": gateway("unreadable_total", "0x30 1x90"),
    "PullcordOutboxFills": gateway("queued_messages", "20x30 50x90", ',tier="vitals"'),
    "PullcordGatewayDiskFails": fault("disk"),
    "PullcordGatewayDiskSlow": gateway("flush_seconds_bucket", "0+60x30 1800x90", ',le="0.25"'),
    "PullcordGatewayClockOff": gateway("clock_offset_seconds", "-2x30 -61x90"),
    "PullcordGatewayCertificateEnds": gateway("certificate_expiry_timestamp_seconds", "2000000x120"),
    "PullcordGatewayCertificateEndsNow": gateway("certificate_expiry_timestamp_seconds", "200000x120"),
    "PullcordGatewayRestarts": gateway("uptime_seconds", "1000+60x30 1 2 1 2 1 2 1 2 3+60x80"),
    "PullcordBrokerSilent": broker("uptime_seconds", "1000+60x30 2800x90"),
    "PullcordBrokerGone": broker("uptime_seconds", "1000+60x52 stale"),
    "PullcordRecordStopped": broker("record_state", "0x30 2x90"),
    "PullcordRecordBehind": broker("record_state", "0x30 1x90"),
    "PullcordRecordLost": broker("record_lost_total", "5x55 9x90"),
    "PullcordRecordFills": broker("record_free_bytes", "80x30 19x90"),
    "PullcordRecordFull": broker("record_free_bytes", "80x30 6x90"),
    "PullcordCheckpointLate": broker("record_unsigned_entries", "0x30 1x90"),
    "PullcordStorePutAside": broker("stores_put_aside", "0x30 1x90"),
    "PullcordWitnessesSilent": broker("record_witness_silence_seconds", "600x30 90000x90"),
    "PullcordRecordWithoutQuorum": broker("record_quorum_silence_seconds", "600x30 7300x90"),
    "PullcordAlertsMissing": broker("alerts_missing_total", "2x55 3x90"),
    "PullcordHistoryFails": broker("history_failing", "0x30 1x90"),
    "PullcordHistoryUnreadable": broker("history_unreadable", "0x30 1x90"),
    "PullcordHistoryFull": broker("history_yielded_total", "9x50 99x90"),
    "PullcordHistoryShort": broker("history_unkept_total", "4x55 5x90"),
    "PullcordHistoryFills": broker("history_alerts", "10x30 81x90"),
    "PullcordHistoryYields": broker("history_evicted_total", "2x55 3x90"),
    "PullcordDirectoryFails": broker("directory_failing", "0x30 1x90"),
    "PullcordNoDevices": broker("sessions_devices", "7x30 0x90"),
    "PullcordLockOuts": broker("lockouts_total", "0x50 1 3 5 7 9x90"),
    "PullcordBypass": broker("bypasses_total", "0x55 1x90"),
    "PullcordBrokerCertificateEnds": broker("certificate_expiry_timestamp_seconds", "1000000x120"),
    "PullcordRevocationListEnds": broker("crl_expiry_timestamp_seconds", "80000x120"),
    "PullcordBrokerFileUnreadable": broker("files_unreadable", "0x30 1x90"),
}
BESIDE = {"PullcordGatewayCertificateEndsNow": ["PullcordGatewayCertificateEnds"], "PullcordRecordFull": ["PullcordRecordFills"]}


def promtool(*words):
    done = subprocess.run(["promtool", *map(str, words)], capture_output=True, text=True)
    return done.returncode, (done.stdout + done.stderr).strip()


def speak(series, alerts, minute=60):
    """Whether exactly these alerts speak at that minute; else what promtool said."""
    text = [f"rule_files: [{RULES}]", "evaluation_interval: 1m", "tests:", "  - interval: 1m", "    input_series:"]
    for name, values in series.items():
        text += [f"      - series: '{name}'", f"        values: '{values}'"]
    text += ["    promql_expr_test:", f"      - eval_time: {minute}m",
             "        expr: 'count by (alertname) (ALERTS{alertstate=\"firing\"})'"]
    if alerts:
        text += ["        exp_samples:"]
    for alert in sorted(alerts):
        text += [f"          - labels: '{{alertname=\"{alert}\"}}'", "            value: 1"]
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as f:
        f.write("\n".join(text) + "\n")
        f.flush()
        code, said = promtool("test", "rules", f.name)
    return [] if code == 0 else said.splitlines()


def they_are_rules():
    code, said = promtool("check", "rules", RULES)
    return [] if code == 0 else said.splitlines()


def none_speaks_when_all_is_well():
    return speak(WELL, [])


def each_speaks_when_it_should_and_no_other():
    rules = re.findall(r"- alert: (\w+)", RULES.read_text())
    broken = [f"{name}: no case for it" for name in rules if name not in ILL]
    broken += [f"{name}: there is no such rule" for name in ILL if name not in rules]
    for name, ill in ILL.items():
        broken += [f"{name}: {line}" for line in speak(WELL | ill, [name, *BESIDE.get(name, [])])]
    return broken


def what_is_over_is_told_no_more():
    """A disk that was slow, and since then has had nothing to do."""
    over = {'pullcord_gateway_flush_seconds_bucket{instance="g",le="0.25"}': "0x120",
            'pullcord_gateway_flush_seconds_bucket{instance="g",le="0.5"}': "0+60x30 1800x90",
            'pullcord_gateway_flush_seconds_bucket{instance="g",le="+Inf"}': "0+60x30 1800x90"}
    return speak(WELL | over, ["PullcordGatewayDiskSlow"], 40) + speak(WELL | over, [], 60)


def a_standstill_is_told_before_the_watchdog_ends_it():
    """Half a minute later it is started anew, and stands still again for another two."""
    return speak(WELL | fault("uplink", "0x59 1 0x60"), ["PullcordGatewayStuck"])


def calls_of_each_priority_are_missed_in_time():
    return [f"{tier}: {line}" for tier, age, alerts in (("code", 61, 1), ("medium", 301, 1), ("medium", 299, 0), ("low", 900, 0))
            for line in speak(WELL | gateway("oldest_message_seconds", f"{age}x120", f',tier="{tier}"'),
                              ["PullcordAlertsWait"] * alerts)]


def none_falls_silent_while_it_lasts():
    """A fault nobody has mended for hours is one still."""
    lasting = {
        "PullcordGatewayGone": gateway("uptime_seconds", "1000+60x30"),
        "PullcordBrokerGone": broker("uptime_seconds", "1000+60x30"),
        "PullcordNoDevices": broker("sessions_devices", "7x30 0x180"),
    }
    return [f"{name}: {line}" for name, ill in lasting.items() for line in speak(ill, [name], 180)]


def every_metric_is_one_we_tell():
    """Those of the tables, and those that have labels, which stand in the code as they are."""
    told = {f"pullcord_{who}_{name}" for who, path in (("gateway", "gateway/core/health.def"), ("broker", "plugin/metrics.def"))
            for name in re.findall(r"^METRIC\(\w+, (\w+),", (TOP / path).read_text(), re.M)}
    code = (TOP / "gateway/core/health.c").read_text()
    told |= {f"pullcord_gateway_{name}{part}" for name in re.findall(r'PREFIX "(\w+)"', code) for part in ("", "_bucket")}
    used = set(re.findall(r"\bpullcord_(?:gateway|broker)_\w+(?=[ {)\[])", RULES.read_text()))
    faults = set(re.findall(r'fault=~?"([^"]+)"', RULES.read_text()))
    words = set(re.findall(r'^\tX\(\w+, "([a-z-]+)"', (TOP / "gateway/core/health.h").read_text(), re.M))
    spoken = {f for both in faults for f in both.split("|")}
    broken = [f"{name}: nobody tells it" for name in sorted(used - told)]
    broken += [f"fault {f}: no alert is about it" for f in sorted(words - spoken - OTHERWISE)]
    return broken + [f"fault {f}: there is none" for both in faults for f in both.split("|") if f not in words]


def each_says_how_urgent_it_is_and_what_to_do():
    broken = []
    for text in re.split(r"- alert: ", RULES.read_text())[1:]:
        name = text.split()[0]
        for wanted in ("severity: critical|severity: warning", "summary: ", "action: "):
            if not re.search(wanted, text):
                broken.append(f"{name}: no {wanted}")
    return broken


CHECKS = [they_are_rules, none_speaks_when_all_is_well, each_speaks_when_it_should_and_no_other,
          what_is_over_is_told_no_more, a_standstill_is_told_before_the_watchdog_ends_it,
          calls_of_each_priority_are_missed_in_time, none_falls_silent_while_it_lasts, every_metric_is_one_we_tell,
          each_says_how_urgent_it_is_and_what_to_do]


def main():
    failed = 0
    print(f"1..{len(CHECKS)}")
    for number, check in enumerate(CHECKS, 1):
        broken = check()
        failed += bool(broken)
        print(f"{'not ' if broken else ''}ok {number} - {check.__name__}")
        for line in broken:
            print(f"# {line}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
