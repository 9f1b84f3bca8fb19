#!/usr/bin/python3
"""The decision log of a running authmilld: a line a message, opened again on reload; and where it cannot be
written, mail goes on."""

import json
import os
import re
import signal
import stat
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from fixture import CONF, ZONES, records, sample, zone  # noqa: E402
from milterclient import LEADSPC, STEPS, Client, Daemon, session  # noqa: E402
import tap  # noqa: E402
from tap import build, is_, like, ok  # noqa: E402

AUTHMILL = build("authmill")
AUTHMILLD = build("authmilld")
FILES = {"zone": zone('hostile.example. TXT "v=spf1 exp=e.hostile.example -all"\n'
                      'e.hostile.example. TXT "\\"},{\\"id\\":\\"forged\\" \\\\u0000"\n')}
HOW = dict(ip="192.0.2.1", helo="mail.garden.example", mail_from="news@garden.example")


def conf(path="{dir}/decisions", more=""):
    return CONF % (ZONES + 'decision-log { path = "%s" }\n' % path + more)


def daemon(*a, **more):
    return Daemon(conf(*a, **more), FILES, program=AUTHMILLD)


def code(d, **how):
    return session(d.socket, sample("newsletter"), **(how or HOW))[1][0]


def said():
    with daemon() as d:
        path = d.dir + "/decisions"
        with Client(d.socket) as c:
            c.negotiate()
            c.connect("192.0.2.1")
            c.helo("mail.garden.example")
            c.message(sample("newsletter"), "news@garden.example", rcpts=("a@here.example", "b@here.example"))
            c.message(sample("spoof"), "x@bank.example", rcpts=("c@here.example",), auth_authen="alice")
            c.envelope("given@up.example")
            c.abort()
            c.quit()
        first, second = records(path, 2)
        is_((first["id"], first["action"], first["client"], first["helo"], first["mail_from"], first["rcpts"]),
            ("QUEUEID", "accept", "192.0.2.1", "mail.garden.example", "<news@garden.example>", 2), "the envelope")
        is_((first["spf"]["result"], first["dkim"][0]["result"], first["dmarc"]["result"], first["iprev"]["result"]),
            ("pass", "pass", "pass", "pass"), "the results")
        look_ups = {x["type"] + " " + x["name"]: x for x in first["lookups"]}
        ok("TXT _dmarc.garden.example" in look_ups and "TXT s1._domainkey.garden.example" in look_ups, "the look-ups")
        like(look_ups["TXT garden.example"]["data"][0], "^v=spf1 ", "with their answers")
        like(first["time"], r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$", "the time")
        ok(0 < first["took_us"] < 10000000, "and how long it took")
        is_((second["user"], second["why"], second["rcpts"]), ("alice", "authenticated client", 1), "the next message")
        ok("octets" not in first, "no size where no rule asks for it")
        text = json.dumps([first, second])
        subject = next(v for v in sample("newsletter").splitlines() if v.startswith(b"Subject:"))
        for secret in ("here.example>", subject.decode(), "c@here"):
            ok(secret not in text, "not kept: " + secret)
        is_(stat.S_IMODE(os.stat(path).st_mode), 0o640, "mode of the file")
        if os.geteuid() == 0:
            is_(os.stat(path).st_uid, 0, "it was opened before privileges were dropped")


def hostile():
    """Whatever strangers say, each message is one line, and says what they said."""
    every = bytes(range(1, 256))
    with daemon() as d:
        with Client(d.socket) as c:
            c.negotiate()
            c.connect("198.51.100.1")
            c.helo(every)
            c.macros("M", auth_authen=every)
            c.step("M", b"<" + every + b'"},{"id":"forged"}\n@hostile.example>\0')
            c.rcpt("postmaster")
            c.data()
            c.header("From", b" \xff\x1b{\"id\":\"forged\"}@bank.example")
            c.header("DKIM-Signature", b" v=1; a=\"},{\n\x01; d=\xff\\u0000; s=\\; b=\x7f; i=x@y")
            c.macros("N", i=every)
            c.eoh()
            c.macros("E", i=every)
            c.eom()
            c.message(sample("newsletter"), "x@hostile.example")
            c.quit()
        path = d.dir + "/decisions"
        first, second = records(path, 2)
        with open(path, "rb") as f:
            raw = f.read()
        ok(all(0x20 <= o < 0x7f or o == 0x0a for o in raw), "printable ASCII alone")
        is_(raw.count(b"\n"), 2, "a line each")
        spelt = "".join(chr(o) if 0x20 <= o < 0x7f and o != 0x5c else "\\x%02X" % o for o in every)
        is_((first["id"], first["helo"], first["user"]), (spelt, spelt, spelt), "octets that are not plain are \\xHH")
        ok("explanation" in second["spf"] and "forged" in second["spf"]["explanation"], "an explanation is a value")


def size():
    with daemon(more='rule a { when { size-over = 1G } action = hold }\n') as d:
        for steps in (STEPS, STEPS & ~LEADSPC):
            with Client(d.socket) as c:
                c.negotiate(steps=steps)
                c.connect("192.0.2.1")
                c.message(sample("newsletter"), "news@garden.example")
                c.quit()
        is_([r["octets"] for r in records(d.dir + "/decisions", 2)], [len(sample("newsletter")) - 2] * 2,
            "the size, where one asks: header and body, without the line between")


ASKS = {"recipients": 'rule r { when { rcpt = x@y.example } action = hold }\n', "size": 'rule s { when { size-under = 1 } action = hold }\n',
        "list": 'rule l { when { list = yes } action = hold }\n', "listener": 'rule p { when { listener = ":25" } action = hold }\n'}


def gathered():
    """What rules ask for is told from what nobody asked for then, and explain and replay say where that is missing."""
    def tell(d, log, word):
        with open(d.dir + "/new", "w") as f:
            f.write(conf(more="".join(ASKS.values()) if word == "all" else ASKS.get(word, "")).replace("{dir}", d.dir))
        out = []
        for args in (["explain", "--log", log], ["replay"]):
            for form in ("json", "text"):
                run = [AUTHMILL, *args, "--config", d.dir + "/new", "--format", form, *(["QUEUEID"] if "--log" in args else [log])]
                out.append(subprocess.run(run, capture_output=True, timeout=30, check=False).stdout.decode())
        explain, replay = json.loads(out[0]), json.loads(out[2])
        is_(explain["recipients_unknown"], "recipients" in explain["not_recorded"], "explain: recipients")
        is_([re.findall(r"rules ask for what is not recorded \((.*)\): as if there were none\n", x) for x in (out[1], out[3])],
            [[", ".join(explain["not_recorded"])] if explain["not_recorded"] else [],
             [", ".join("%s of %d" % x for x in replay["summary"]["not_recorded"].items() if x[1])]
             if any(replay["summary"]["not_recorded"].values()) else []], "as text too")
        return explain["not_recorded"], replay["summary"]["not_recorded"]
    none = dict.fromkeys(ASKS, 0)
    with daemon() as d:
        code(d)
        code(d)
        log = d.dir + "/decisions"
        ok("list" not in records(log, 2)[0], "where no rule asks, nothing of lists")
        is_(tell(d, log, ""), ([], none), "nothing is asked for, nothing is missing")
        for word in ASKS:
            is_(tell(d, log, word), ([word], dict(none, **{word: 2})), "a rule asks for what the record does not have: " + word)
        is_(tell(d, log, "all"), (list(ASKS), dict.fromkeys(ASKS, 2)), "all of it")
    with daemon(more="".join(ASKS.values())) as d:
        with Client(d.socket) as c:
            c.negotiate()
            c.macros("C", daemon_name="mx", daemon_port="25")
            c.connect("192.0.2.1")
            c.message(sample("newsletter").replace(b"List-Id:", b"X-Id:"), "news@garden.example")
            c.quit()
        record = records(d.dir + "/decisions", 1)[0]
        is_((record.get("list"), record["octets"] > 0, record["listener_port"]), (False, True, ":25"), "where rules ask, what was found")
        is_(tell(d, d.dir + "/decisions", "all"), (["recipients"], dict(none, recipients=1)), "recipients alone are never kept")
        is_(tell(d, d.dir + "/decisions", "list"), ([], none), "no list is an answer")
        del record["octets"]
        record["list"] = True
        with open(d.dir + "/old", "w") as f:
            f.write(json.dumps(record) + "\n" + json.dumps(dict(record, stage="mail")) + "\n")
        is_(tell(d, d.dir + "/old", "all")[1], dict(none, recipients=1, size=1), "at MAIL nobody knew size or recipients either")


def kept_over_reload():
    with daemon() as d:
        path = d.dir + "/decisions"
        with Client(d.socket) as old:
            old.negotiate()
            old.connect("192.0.2.1")
            old.message(sample("newsletter"), "first@garden.example")
            records(path, 1)
            os.rename(path, path + ".1")
            d.process.send_signal(signal.SIGHUP)
            ok(d.logged("reloaded"), "reload")
            code(d)
            is_([r["mail_from"] for r in records(path, 1)], ["<news@garden.example>"], "the file is opened again")
            old.message(sample("newsletter"), "last@garden.example")
            is_([r["mail_from"] for r in records(path + ".1", 2)], ["<first@garden.example>", "<last@garden.example>"],
                "an open session ends in the old one")
            old.quit()
        d.logged("an earlier worker is gone")
        d.write(conf(d.dir + "/other"))
        d.log.clear()
        d.process.send_signal(signal.SIGHUP)
        d.logged("an earlier worker is gone")  # until then it may take one more session
        code(d)
        is_((len(records(d.dir + "/other", 1)), len(records(path))), (1, 1), "another name")
        d.write(conf("/nowhere/decisions"))
        d.process.send_signal(signal.SIGHUP)
        like(d.logged("nothing is changed") or "", r"decision-log\.path: /nowhere/decisions: No such file",
             "a name that cannot be: nothing is changed")
        code(d)
        is_(len(records(d.dir + "/other", 2)), 2, "and all goes on")
        d.write(conf(""))
        d.log.clear()
        d.process.send_signal(signal.SIGHUP)
        d.logged("reloaded")
        is_(code(d) in "ac", True, "none is wanted any more")
        time.sleep(0.2)
        is_(len(records(d.dir + "/other")), 2, "none is kept")


def checked():
    with daemon() as d:
        os.symlink(d.dir + "/zone", d.dir + "/link")
        with open(d.dir + "/one", "w"):
            os.link(d.dir + "/one", d.dir + "/two")
        for name, want in (("relative", "wanted: a path that starts with /"), (d.dir + "/link", "a symbolic link"),
                           (d.dir + "/two", "a file with several names"), (d.dir, "a directory")):
            with open(d.dir + "/c", "w") as f:
                f.write('decision-log { path = "%s" }\ndns { zones = {"%s/zone"} }\n' % (name, d.dir))
            p = subprocess.run([AUTHMILLD, "-t", "-c", d.dir + "/c"], capture_output=True, timeout=30, check=False)
            is_((p.returncode, want in p.stderr.decode(), p.stderr.count(b"\n")), (78, True, 1), want)


def worker_comes_back():
    """What was good at the start and is no more: mail goes on without."""
    with daemon() as d:
        path = d.dir + "/decisions"
        code(d)
        records(path, 1)
        os.rename(path, path + ".1")
        with open(d.dir + "/victim", "w"):
            os.symlink(d.dir + "/victim", path)
        os.kill(d.workers()[0], signal.SIGKILL)
        like(d.logged("none is kept") or "", "decisions: ", "the next worker says what is wrong")
        ok(code(d) in "ac", "and judges mail")
        is_(os.stat(d.dir + "/victim").st_size, 0, "nothing is written through a link")


def disk_is_full():
    if not os.path.exists("/dev/full"):
        tap.skip("a full disk", "no /dev/full")
        return
    with daemon("/dev/full") as d:
        ok(all(code(d) in "ac" for _ in range(20)), "a full disk: mail goes on")
        ok(d.logged("No space left on device"), "it is logged")
        time.sleep(0.3)
        is_(sum("No space left" in line for line in list(d.log)), 1, "once a minute")
        d.process.terminate()
        d.process.wait(20)
        ok(d.logged("19 lines lost"), "those that were not told are told at the end")


def nobody_reads():
    d = daemon("{dir}/fifo")
    os.mkfifo(d.dir + "/fifo")
    reader = os.open(d.dir + "/fifo", os.O_RDONLY | os.O_NONBLOCK)
    with d:
        slowest = 0
        for _ in range(60):
            start = time.monotonic()
            ok_ = code(d) in "ac"
            slowest = max(slowest, time.monotonic() - start)
            if not ok_:
                break
        ok(ok_, "a pipe that nobody reads: mail goes on")
        ok(slowest < 2, "and does not wait (%.2f s at most)" % slowest)
        ok(d.logged("decision log"), "it is logged")
        start = time.monotonic()
        d.process.terminate()
        is_((d.process.wait(30), time.monotonic() - start < 10), (0, True), "nor does the end")
    os.close(reader)


def at_the_end():
    with daemon() as d:
        for _ in range(30):
            code(d)
        d.process.terminate()
        d.process.wait(20)
        is_(len(records(d.dir + "/decisions")), 30, "SIGTERM: no line is lost")


def to_standard_output():
    with daemon("/dev/stdout") as d:
        code(d)
        like(d.logged('{"v":1,') or "", '"id":"QUEUEID"', "/dev/stdout, for containers")


def not_wanted():
    no_rcpt = 0x08
    with Daemon(CONF % ZONES, FILES, program=AUTHMILLD) as d:
        with Client(d.socket) as c:
            c.negotiate()
            ok(c.steps & no_rcpt, "without a decision log the MTA need not tell of recipients")
            c.quit()
        ok(code(d) in "ac" and not os.path.exists(d.dir + "/decisions"), "and nothing is kept")


def skipped():
    with daemon(more="skip = {local}\n") as d:
        code(d, ip="127.0.0.1")
        record = records(d.dir + "/decisions", 1)[0]
        is_((record["action"], record["why"], "client" in record, "lookups" in record),
            ("accept", "skipped", False, False), "a message that was not judged")
    rule = 'rule r { when { auth = pass } action = reject }\n'
    with daemon(more=rule) as d:
        session(d.socket, sample("newsletter"), auth_authen="bob", **HOW)
        log, new = d.dir + "/decisions", d.dir + "/new"
        is_(records(log, 1)[0]["action"], "reject", "a login that a rule refuses")
        with open(new, "w") as f:
            f.write(conf(more="skip = {authenticated}\n" + rule).replace("{dir}", d.dir))
        said = [json.loads(subprocess.run([AUTHMILL, *args, "--config", new, "--format", "json", *last], capture_output=True,
                                          timeout=30, check=False).stdout)
                for args, last in ((["replay"], [log]), (["explain", "--log", log], ["QUEUEID"]))]
        is_([(x["action"], x["why"]) for x in (said[0]["messages"][0]["outcomes"][1], said[1])], [("accept", "skipped")] * 2,
            "replay and explain: a configuration that skips it")


def refused_early():
    """What is refused at MAIL or RCPT has a line too, and replay repeats it as far as the message had come."""
    more = 'spf { reject-at = rcpt }\nrule r { when { spf = fail } action = reject reason = x }\n' \
           'rule u { when { auth-user = mallory } action = tempfail }\nrule late { when { dmarc = fail } action = hold }\n'
    with daemon(more=more) as d, Client(d.socket) as c:
        c.negotiate()
        c.connect("198.51.100.1")
        c.helo("mail.garden.example")
        c.mail("news@garden.example")
        is_(c.rcpt("secret@here.example")[0], "y", "refused at RCPT")
        record = records(d.dir + "/decisions", 1)[0]
        is_((record.get("id"), record["stage"], record["action"], record["rule"], record["code"], record["xcode"]),
            (None, "rcpt", "reject", "r", "550", "5.7.23"), "it has a line")
        is_((record["spf"]["result"], record["client"], "dmarc" in record, "rcpts" in record),
            ("fail", "198.51.100.1", False, False), "with what is known")
        ok("TXT garden.example" in [x["type"] + " " + x["name"] for x in record["lookups"]], "and the look-ups")
        ok("secret" not in json.dumps(record), "and no recipient")
        c.abort()
        c.macros("M", auth_authen="mallory")
        c.mail("news@other.example")
        is_((c.rcpt("secret@here.example")[0], records(d.dir + "/decisions", 2)[1]["user"]), ("y", "mallory"), "a login")
        c.quit()
        path = d.dir + "/decisions"
        for name, conf_file, want in (("the same configuration", d.conf, (["reject", "tempfail"], 0, 0)),
                                      ("one without the rule", d.dir + "/other", (["accept", "accept"], 2, 0)),
                                      ("one that asks for what was not known", d.dir + "/third", (["accept", "tempfail"], 1, 0))):
            with open(d.dir + "/other", "w") as f:
                f.write(conf().replace("{dir}", d.dir))
            with open(d.dir + "/third", "w") as f:
                f.write(conf(more="rule a { when { dmarc = fail } action = hold }\n" + more).replace("{dir}", d.dir))
            p = subprocess.run([AUTHMILL, "replay", "--config", conf_file, "--format", "json", path], capture_output=True,
                               timeout=30, check=False)
            got = json.loads(p.stdout)
            is_(([m["outcomes"][1]["action"] for m in got["messages"]], got["summary"]["decided_otherwise"],
                 got["summary"]["other_results"]), want, "replay: " + name)


def everything_strange(record):
    """Each text of it holds an escape, a bell and a line's end; words stay what they are."""
    words = {"v", "time", "action", "measure", "would", "result", "type", "status", "stage", "policy", "requested", "client", "relay", "xcode"}

    def strange(key, value):
        if isinstance(value, dict):
            return {k: strange(k, v) for k, v in value.items()}
        if isinstance(value, list):
            return [strange(key, v) for v in value]
        return value + "\\x1B[31m\\x07\\x0A\x1b\x9b" if isinstance(value, str) and key not in words and key != "id" else value
    more = {"helo_check": {"result": "fail", "reason": "r"}, "tls": {"result": "pass", "version": "v", "reason": "r"},
            "auth": {"result": "pass", "mechanism": "m", "reason": "r"}, "user": "u", "relay": "192.0.2.9",
            "auth_align": {"result": "fail", "reason": "r"}, "trail": {"result": "fail", "reason": "r"},
            "sender_id": {"result": "pass", "domain": "d", "reason": "r"}, "pra": {"field": "Sender", "domain": "d.example"},
            "hop": {"found": False, "reason": "r"}, "disposition": "", "limit": "l", "list_id": "i",
            "trust": {"overridden": True, "instance": 1, "reason": "r"}, "rule": "r", "rule_reason": "r"}
    got = strange("", dict(record, **more))
    for look_up in got["lookups"]:
        if look_up["type"] in ("A", "AAAA"):
            look_up["data"] = ["192.0.2.1"] if look_up["type"] == "A" else ["2001:db8::1"]
            look_up["status"] = "data"
    return got


def torn():
    """A line that another worker left half written ends where the next one begins."""
    def write(d, how, text):
        with open(d.dir + "/decisions", how) as f:
            f.write(text)
    with daemon() as d:
        code(d)
        whole = json.dumps(records(d.dir + "/decisions", 1)[0]) + "\n"
        write(d, "w", whole + whole[:100])
        d.process.send_signal(signal.SIGHUP)
        ok(d.logged("reloaded"), "a line that is torn, and a new worker")
        d.logged("an earlier worker is gone")
        code(d)
        end = time.monotonic() + 10
        while time.monotonic() < end and lines(d).count(b"\n") < 3:
            time.sleep(0.02)
        is_([x[:7] for x in lines(d).split(b"\n")], [b'{"v": 1', b'{"v": 1', b'{"v":1,', b""], "the next record has its own")
        write(d, "a", "\n" + whole)
        p = subprocess.run([AUTHMILL, "replay", "--config", d.conf, "--format", "json", d.dir + "/decisions"],
                           capture_output=True, timeout=30, check=False)
        got = json.loads(p.stdout)["summary"]
        is_((got["messages"], got["unread"]), (3, 1), "replay: what is torn is told, an empty line is nothing")


def lines(d):
    with open(d.dir + "/decisions", "rb") as f:
        return f.read()


def shadowed():
    """What policy.shadow would have done is in the line, and explain tells it."""
    with daemon() as d:
        with open(d.dir + "/shadow", "w") as f:
            f.write("rule next { when { spf = pass } action = hold reason = new }\n")
        d.write(conf(more='policy { shadow = "{dir}/shadow" }\n'))
        d.process.send_signal(signal.SIGHUP)
        ok(d.logged("reloaded"), "a shadow")
        code(d)
        code(d, ip="198.51.100.1", helo="x.example", mail_from="news@garden.example")
        first, second = records(d.dir + "/decisions", 2)
        is_((first["action"], first["shadow"]["action"], first["shadow"]["measure"], first["shadow"]["rule"],
             first["shadow"]["rule_reason"]), ("accept", "quarantine", "hold", "next", "new"), "it would have held that")
        ok("shadow" not in second, "and done the same with another")
        run = [AUTHMILL, "explain", "--config", d.conf, "--log", d.dir + "/decisions", "--all", "QUEUEID"]
        p = subprocess.run(run, capture_output=True, timeout=30, check=False)
        is_(p.stdout.decode().count('shadow     hold, rule "next"'), 1, "explain says so")
        p = subprocess.run(run + ["--format", "json"], capture_output=True, timeout=30, check=False)
        is_([json.loads(x)["record"].get("shadow") for x in p.stdout.splitlines()],
            [{"action": "quarantine", "measure": "hold", "why": "rule", "rule": "next", "reply": ""}, None], "and in JSON")
        first.update(code="\x1b[31m", xcode="\x1b[1m", action="reject", measure="reject", would="reject", text="\x1b[0m",
                     why="\x1b[2m")
        with open(d.dir + "/strange", "w") as f:
            f.write(json.dumps(first) + "\n")
        explain = [AUTHMILL, "explain", "--log", d.dir + "/strange", "QUEUEID"]
        p = subprocess.run(explain, capture_output=True, timeout=30, check=False)
        ok(b"\nreply " in p.stdout and b"\x1b" not in p.stdout, "a record's octets do not reach the terminal")
        with open(d.dir + "/strange", "w") as f:
            f.write(json.dumps(everything_strange(first)) + "\n")
        for args, shown in (([], (b"\npra ", b"\nhop ", b"disposition \\x1b")), (["--config", d.conf], (b"\npra ", b"\nhop "))):
            p = subprocess.run(explain + args, capture_output=True, timeout=30, check=False)
            ok(all(w in p.stdout for w in shown), "disposition, hop, PRA: they are shown")
            is_([line for line in p.stdout.splitlines() if re.search(rb"[^ -~]", line)], [], "and all of it is printable")
        p = subprocess.run(explain + ["--format", "json"], capture_output=True, timeout=30, check=False)
        is_((json.loads(p.stdout)["action"], re.findall(rb"[^ -~\n]", p.stdout)), ("reject", []), "JSON: in ASCII alone")


tap.run(said, size, gathered, hostile, kept_over_reload, checked, worker_comes_back, disk_is_full, nobody_reads, at_the_end,
        to_standard_output, not_wanted, skipped, refused_early, torn, shadowed)
