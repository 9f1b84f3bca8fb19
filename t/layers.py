#!/usr/bin/python3
"""Every file includes its own floor or lower ones (doc/architecture.md), and each foreign library has one room."""
import os
import re
import sys

SRC = os.environ.get("AUTHMILL_SRC") or os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

FLOORS = [  # (folder or file prefix, floor)
    ("libauth/base/", 0),
    ("libauth/dns/", 1), ("libauth/mail/", 1),
    ("libauth/sig/", 2),
    ("libauth/spf/", 3), ("libauth/dkim/", 3), ("libauth/arc/", 3), ("libauth/dmarc/", 3), ("libauth/ident/", 3),
    ("libauth/authres/", 3),
    ("libauth/", 4),
    ("milter/", 5), ("tools/", 6),
]
FOREIGN = {
    r"libmilter/": ["milter/"],
    r"ldns/": ["libauth/dns/"],
    r"openssl/": ["libauth/sig/"],
    r"opendkim/": ["libauth/dkim/opendkim.c"],
    r"idn2\.h": ["libauth/base/domain.c"],
    r"libpsl\.h": ["libauth/dmarc/psl.c"],
    r"confuse\.h": ["milter/"],
    r"jansson\.h": ["tools/", "milter/record_write.c", "milter/record_read.c"],
    r"syslog\.h": ["milter/"],
}


def floor(path):
    return next((f for prefix, f in FLOORS if path.startswith(prefix)), None)


def room(path):
    return os.path.dirname(path)


def check(path, text):
    wrong = []
    for kind, name in re.findall(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', text, re.M):
        if kind == '"':
            f = floor(name)
            same = room(name) == room(path)
            if f is not None and not same and f >= floor(path) and not (f == 4 and floor(path) == 4):
                wrong.append("includes %s of its own or a higher floor" % name)
            if name == "config.h" or f is not None:
                continue
            if not os.path.exists(os.path.join(SRC, name)):
                wrong.append("includes %s by a path that is not the tree's" % name)
        else:
            for pattern, rooms in FOREIGN.items():
                if re.match(pattern, name) and not any(path.startswith(r) for r in rooms):
                    wrong.append("includes <%s>, which is %s's alone" % (name, rooms[0]))
    return wrong


def main():
    files = []
    for top in ("libauth", "milter", "tools"):
        for folder, _, names in os.walk(os.path.join(SRC, top)):
            files += [os.path.relpath(os.path.join(folder, n), SRC) for n in names if n.endswith((".c", ".h"))]
    print("1..%d" % len(files))
    bad = 0
    for i, path in enumerate(sorted(files), 1):
        with open(os.path.join(SRC, path), encoding="utf-8") as f:
            text = f.read()
        wrong = check(path, text)
        if path.endswith(".c") and not text.startswith("/*"):
            wrong.append("does not open with a block that says what it is for")
        bad += bool(wrong)
        print("%sok %d - %s" % ("not " if wrong else "", i, path))
        for w in wrong:
            print("# %s %s" % (path, w))
    return 1 if bad or not files else 0


if __name__ == "__main__":
    sys.exit(main())
