"""TAP for test scripts: ok, is_, like, skip, diag, bail, run, done.

    from tap import *        # after sys.path got t/lib
    ok(1 + 1 == 2, "sum")
    is_(got, want, "name")
    done()                   # prints the plan; exit status 1 where a test failed
"""

import os
import re
import sys
import traceback

_count = 0
_failed = 0


def diag(text):
    for line in str(text).splitlines():
        print("# " + line, flush=True)


def ok(good, name):
    global _count, _failed
    _count += 1
    _failed += not good
    print("%s %d - %s" % ("ok" if good else "not ok", _count, name.replace("#", "\\#")), flush=True)
    return bool(good)


def is_(got, want, name):
    good = ok(got == want, name)
    if not good:
        diag("got  %r\nwant %r" % (got, want))
    return good


def like(got, pattern, name):
    good = ok(re.search(pattern, got) is not None, name)
    if not good:
        diag("got  %r\nwant something like %r" % (got, pattern))
    return good


def skip(name, why):
    global _count
    _count += 1
    print("ok %d - %s # SKIP %s" % (_count, name, why), flush=True)


def skip_all(why):
    print("1..0 # SKIP " + why, flush=True)
    sys.exit(0)


def bail(why):
    print("Bail out! " + why, flush=True)
    sys.exit(1)


def done():
    print("1..%d" % _count, flush=True)
    sys.exit(1 if _failed else 0)


class Missing(Exception):
    """Something that a test needs is not to be had: a reason to skip it."""


def run(*tests):
    """Runs functions; an exception is a failed test of that function's name (Missing: a
    skipped one). Ends the script."""
    for test in tests:
        try:
            test()
        except Missing as why:
            skip(test.__name__, str(why))
        except Exception:
            ok(False, test.__name__ + " ran to its end")
            diag(traceback.format_exc())
    done()


def build(program):
    """The path of a program that was built; without it there is nothing to test."""
    path = os.path.join(os.environ.get("AUTHMILL_BUILD", "."), program)
    if not os.access(path, os.X_OK):
        bail("%s is not there (AUTHMILL_BUILD)" % path)
    return path
