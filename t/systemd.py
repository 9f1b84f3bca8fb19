#!/usr/bin/python3
"""The units for systemd: understood, and how much they leave open (systemd-analyze, where there is one)."""

import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import tap  # noqa: E402
from tap import diag, is_, ok  # noqa: E402

SRC = os.environ.get("AUTHMILL_SRC") or os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LIMIT, LIMIT_UNPRIVILEGED = 2.8, 1.8


def laid_out(here):
    """The units as they would be installed; the program is one that exists."""
    with open(SRC + "/conf/systemd/authmill.service.in") as f:
        text = f.read().replace("@sysconfdir@", "/etc")
    with open(here + "/authmill.service", "w") as f:
        f.write(re.sub(r"(?m)^ExecStart=@sbindir@/authmilld", "ExecStart=/bin/true", text))
    shutil.copy(SRC + "/conf/systemd/authmill.socket", here)
    return here + "/authmill.service", here + "/authmill.socket"


def analyze(*args):
    return subprocess.run(["systemd-analyze", *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=60, check=False).stdout.decode("utf-8", "replace")


def exposure(unit):
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", analyze("security", "--offline=yes", "--no-pager", unit))
    if not found:
        raise tap.Missing("this systemd-analyze does not look at files")
    return float(found.group(1))


def understood():
    with tempfile.TemporaryDirectory(prefix="authmill-t.") as here:
        out = analyze("verify", "--man=no", *laid_out(here))
        is_([line for line in out.splitlines() if here in line or "authmill" in line], [], "nothing to complain of")


def exposed():
    with tempfile.TemporaryDirectory(prefix="authmill-t.") as here:
        unit, _ = laid_out(here)
        level = exposure(unit)
        ok(level <= LIMIT, "exposure %.1f, at most %.1f" % (level, LIMIT))
        with open(SRC + "/conf/systemd/unprivileged.conf") as f, open(unit, "a") as g:
            g.write(f.read())
        level = exposure(unit)
        ok(level <= LIMIT_UNPRIVILEGED, "without root %.1f, at most %.1f" % (level, LIMIT_UNPRIVILEGED))
        with open(unit, "a") as f:
            f.write("[Service]\nNoNewPrivileges=no\nProtectSystem=no\nSystemCallFilter=\n")
        diag("worse")
        ok(exposure(unit) > LIMIT_UNPRIVILEGED, "the measure does measure")


if not shutil.which("systemd-analyze"):
    tap.skip_all("systemd-analyze is not installed")
tap.run(understood, exposed)
