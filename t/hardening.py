#!/usr/bin/python3
"""What the compiler and the linker were told to make safer is in the programs. (TAP)"""

import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import tap  # noqa: E402
from tap import Missing, build, ok  # noqa: E402

# flag, what to look with, what is then found
WANTED = [
    ("-fPIE", ["readelf", "-hW"], r"Type:\s+DYN"),
    ("-Wl,-z,relro", ["readelf", "-lW"], r"GNU_RELRO"),
    ("-Wl,-z,now", ["readelf", "-dW"], r"BIND_NOW|Flags:.*NOW"),
    ("-Wl,-z,noexecstack", ["readelf", "-lW"], r"GNU_STACK.* RW +0x"),
    ("-fstack-protector-strong", ["readelf", "-sW"], r"__stack_chk_fail|__stack_chk_guard"),
    ("-D_FORTIFY_SOURCE=2", ["readelf", "-sW"], r"__snprintf_chk|__vsnprintf_chk"),
    ("-fcf-protection", ["objdump", "-d"], r"endbr(64|32)"),
]


def given():
    with open(os.path.join(os.environ.get("AUTHMILL_BUILD", "."), "Makefile")) as f:
        text = f.read()
    return " ".join(re.findall(r"(?m)^(?:AUTHMILL_(?:C|LD)FLAGS|CFLAGS|CPPFLAGS) = *(.*)$", text)).split()


def hardened():
    flags = given()
    if "-fstack-protector-strong" not in flags:
        raise Missing("built with --disable-hardening")
    ok("-pie" in flags and "-fPIE" in flags, "position independent")
    for name in ("authmill", "authmilld"):
        for flag, tool, pattern in WANTED:
            if flag not in flags or not shutil.which(tool[0]):
                tap.skip("%s: %s" % (name, flag), "not given, or no " + tool[0])
                continue
            said = subprocess.run(tool + [build(name)], capture_output=True, check=True).stdout.decode("latin-1")
            ok(re.search(pattern, said), "%s: %s" % (name, flag))


tap.run(hardened)
