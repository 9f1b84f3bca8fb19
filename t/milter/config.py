#!/usr/bin/python3
"""`authmill config`: what it says of wrong files, of files that cannot be meant and of an MTA's settings;
and the reload that it does, or leaves alone."""

import os
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap  # noqa: E402
from milterclient import Daemon, text as octets  # noqa: E402
from tap import build, is_, like, ok  # noqa: E402
from testdns import TestDNS  # noqa: E402

AUTHMILL = build("authmill")
AUTHMILLD = build("authmilld")

# (what, text of the file, what is said about it)
WRONG = [
    ('an unknown option',
     'log {\n'
     ' levle = info\n'
     '}\n',
     '2: unknown option "log.levle"; did you mean "level"?'),
    ('an option in the wrong section',
     'dkim { enforce = yes }\n',
     '1: unknown option "dkim.enforce"; did you mean "enforce" in section dmarc?'),
    ('a word that is none',
     '\n'
     'dmarc { enforce = perhaps }\n',
     '2: dmarc.enforce: "perhaps" is not right; wanted: yes, no, true, false, on or off'),
    ('a number out of range',
     'limits {\n'
     '  sessions-per-client = -1\n'
     '}\n',
     '2: limits.sessions-per-client: "-1" is not right; wanted: a number from 0 to 100000'),
    ('octets without a unit that is known',
     'limits { memory = 64X }\n',
     '1: limits.memory: "64X" is not right; wanted: octets from 1024K to 2048M, such as 64M'),
    ('a list of networks with a name in it',
     'local-networks = {"10.0.0.0/8",\n'
     '  "intranet"}\n',
     '2: local-networks: "intranet" is not right; wanted: addresses or networks, such as 192.0.2.0/24 or 2001:db8::/32'),
    ('a section that does not end',
     'policy {\n'
     '  mode = monitor\n',
     '1: section "policy" does not end; a } is missing'),
    ('a section that does not end before another one',
     'log {\n'
     ' to = stderr\n'
     'dmarc {\n'
     ' enforce = yes\n'
     '}\n',
     '1: section "log" does not end before dmarc; a } is missing'),
    ('a rule that does not end',
     '\n'
     'rule a {\n'
     '  when { spf = fail }\n'
     '  action = hold\n'
     '\n'
     'rule b { action = accept }\n',
     '2: section "rule" does not end before rule; a } is missing'),
    ('one } too many',
     'dmarc { enforce = yes }\n'
     '}\n',
     '2: unexpected closing brace; there is one } too many'),
    ('a string that does not end',
     'dmarc {\n'
     '  reject-text = "no\n'
     '  psl = "/x"\n'
     '}\n',
     '2: string does not end in its line; a " is missing'),
    ('a string that lacks its end among others',
     'rule a {\n'
     '  when { header-from = {"a.example, "b.example"} }\n'
     '  action = accept }\n',
     '2: string does not end in its line; a " is missing'),
    ('an apostrophe',
     'rule a { action = accept\n'
     "  reason = it's }\n",
     "2: string does not end in its line; a ' is missing"),
    ('no equal sign',
     'dmarc {\n'
     '  enforce yes\n'
     '}\n',
     "2: missing equal sign after option 'enforce'; wanted: NAME = VALUE"),
    ('a colon for it',
     'dmarc { enforce: yes }\n',
     '1: unknown option "dmarc.enforce:"; did you mean "enforce"?'),
    ('a section like an option',
     'dmarc = { enforce = yes }\n',
     "1: missing opening brace for section 'dmarc'; wanted: NAME { ... }"),
    ('an option as messages have it',
     'dmarc.enforce = yes\n',
     '1: unknown option "dmarc.enforce"; did you mean "enforce" in section dmarc?'),
    ('a section that is misspelt',
     'limit { sessions = 3 }\n',
     '1: unknown option "limit"; did you mean "limits"?'),
    ('no comma in a list',
     'local-networks = {10.0.0.0/8\n'
     '  192.0.2.0/24}\n',
     "2: unexpected token '192.0.2.0/24'; wanted: NAME = VALUE, or {VALUE, VALUE} for a list"),
    ('a list that does not end',
     'local-networks = {10.0.0.0/8,\n'
     '  192.0.2.0/24\n'
     '\n',
     '2: the file ends before a value does; a value, or a } behind a list, is missing'),
    ('a list for what is none',
     'dmarc { enforce = {yes} }\n',
     "1: unexpected token '{'; wanted: NAME = VALUE, or {VALUE, VALUE} for a list"),
    ('no value at the end of the file',
     'drain = 3\n'
     'user =\n',
     '2: user: a value is missing'),
    ('a title of two words',
     'rule my rule { action = hold }\n',
     '1: missing opening brace for section \'rule\'; wanted: rule "TITLE" { ... }, a title with spaces in quotes'),
    ('a NUL octet',
     'user = root\n'
     'a = \0\n',
     '2: holds a NUL octet; wanted: text'),
    ('a CRLF file',
     'log {\r\n'
     '  to = stdout\r\n'
     '}\r\n',
     '2: log.to: "stdout" is not right; wanted: syslog or stderr'),
    ('a list that is a pipe',
     'rule a {\n'
     '  when { mail-from = "file:{dir}/pipe" }\n'
     '  action = accept }\n',
     '2: rule "a": mail-from: {dir}/pipe: not a plain file; wanted: one entry a line'),
    ('sealers of a pipe',
     'arc { trusted-sealers = {"file:{dir}/pipe"} }\n',
     '1: arc.trusted-sealers: {dir}/pipe: a pipe; wanted: a plain file'),
    ('a shadow that is a pipe',
     'policy { shadow = {dir}/pipe }\n',
     '1: policy.shadow: {dir}/pipe: a pipe; wanted: a plain file'),
    ('logins of a pipe',
     'methods { login-map = {dir}/pipe }\n',
     '1: methods.login-map: {dir}/pipe: a pipe; wanted: a plain file'),
    ('suffixes of a pipe',
     'dmarc { org-domain = psl psl = {dir}/pipe }\n',
     '1: dmarc.psl: {dir}/pipe: a pipe; wanted: a plain file'),
    ('a zone file that is a pipe',
     'dns { zones = {"{dir}/pipe"} }\n',
     '1: dns.zones: {dir}/pipe: a pipe; wanted: a plain file'),
    ('a resolv.conf that is a folder',
     'dns { resolv-conf = "{dir}" }\n',
     '1: dns.resolv-conf: {dir}: a directory; wanted: a plain file'),
    ('a user whom nobody knows',
     '\n'
     'user = nobody-of-this-name\n',
     '2: user: "nobody-of-this-name" does not exist; make it, or name another'),
    ('a group that nobody knows',
     'socket-group = nobody-of-this-name\n',
     '1: socket-group: "nobody-of-this-name" does not exist; make it, or name another'),
    ('a decision log that cannot be',
     'decision-log {\n'
     '  path = /nowhere/decisions\n'
     '}\n',
     '2: decision-log.path: /nowhere/decisions: No such file or directory'),
    ('sealers of a file that is not there',
     'arc {\n'
     '  trusted-sealers = {"file:/nowhere/list"} }\n',
     '2: arc.trusted-sealers: /nowhere/list: No such file or directory'),
    ('sealers of a file with a mistake',
     'arc { trusted-sealers = {"file:{dir}/bad-list"} }\n',
     '1: arc.trusted-sealers: {dir}/bad-list: line 2: no domain name; wanted: example.org, or .example.org for all below it'),
    ('logins of a file that is not there',
     'methods {\n'
     '  login-map = /nowhere/map }\n',
     '2: methods.login-map: /nowhere/map: No such file or directory'),
    ('suffixes of a file that is not there',
     'dmarc { org-domain = psl\n'
     '  psl = /nowhere/psl }\n',
     '2: dmarc.psl: /nowhere/psl: no public suffix list; the package publicsuffix has one'),
    ('a zone file that is not there',
     'dns {\n'
     '  zones = {/nowhere/zone} }\n',
     '2: dns.zones: /nowhere/zone: No such file or directory'),
    ('a resolv.conf that is not there',
     'dns {\n'
     '  resolv-conf = /nowhere/resolv.conf }\n',
     '2: dns.resolv-conf: /nowhere/resolv.conf: No such file or directory; set dns.nameservers'),
    ('nine resolvers',
     'dns {\n'
     '  nameservers = {' + ', '.join('"127.0.0.%d"' % i for i in range(1, 10)) + '} }\n',
     '2: dns.nameservers: 9 are too many; at most 8'),
    ('a comment that does not end',
     'user = a\n'
     '/* no end\n',
     '2: comment does not end; a */ is missing'),
    ('an option given twice',
     'drain = 1\n'
     'drain = 2\n',
     '2: drain: given twice; keep one of them'),
    ('include is not there, and so are circles of it',
     'include("{dir}/c")\n',
     '1: unknown option "include"; authmill.conf(5) lists them all'),
    ('a rule without a title',
     'rule { action = accept }\n',
     '1: missing title for section \'rule\'; wanted: rule "TITLE" { ... }'),
    ('an empty title',
     'rule "" {\n'
     '  action = accept\n'
     '}\n',
     '2: rule "": the title is not right; wanted: printable ASCII without quotes or backslashes, at most 100 octets'),
    ('two rules of one title',
     'rule a { action = accept }\n'
     '\n'
     'rule a { action = hold }\n',
     "3: found duplicate title 'a'; every rule needs a title of its own"),
    ('a rule without an action',
     'rule a {\n'
     '  when { spf = pass }\n'
     '}\n',
     '2: rule "a": no action; wanted: action = accept, header, quarantine, hold, reject, tempfail or discard'),
    ('an action that is none',
     'rule a {\n'
     '  when { spf = pass }\n'
     '  action = bounce\n'
     '}\n',
     '3: rule "a": action: "bounce" is not right; wanted: accept, header, quarantine, hold, reject, tempfail or discard'),
    ('a condition that is none',
     'rule a {\n'
     '  when {\n'
     '    dmarc = fail\n'
     '    header-form = x.example\n'
     '  }\n'
     '  action = hold\n'
     '}\n',
     '4: unknown option "when.header-form"; did you mean "header-from"?'),
    ('a condition outside of when',
     'rule a {\n'
     '  dmarc = fail\n'
     '  action = hold\n'
     '}\n',
     '2: unknown option "rule.dmarc"; did you mean "dmarc" in section when?'),
    ('an action inside of when',
     'rule a {\n'
     '  when {\n'
     '    action = hold } }\n',
     '3: unknown option "when.action"; did you mean "action" in section rule?'),
    ('not {} inside of not {}',
     'rule a {\n'
     '  when { not { not { spf = pass } } }\n'
     '  action = hold }\n',
     '2: unknown option "not.not"; did you mean "not" in section when?'),
    ('a result that the method does not have',
     'rule a {\n'
     '  when { spf = pass\n'
     '         dmarc = softfail }\n'
     '  action = hold }\n',
     '3: rule "a": dmarc: "softfail" is not right; wanted: none, pass, fail, temperror or permerror'),
    ('a condition without a value',
     'rule a {\n'
     '  when { header-from = {} }\n'
     '  action = accept }\n',
     '3: rule "a": header-from holds nothing; give it a value, or leave it out'),
    ('an empty not {}',
     'rule a {\n'
     '  when { spf = fail not { } }\n'
     '  action = hold }\n',
     '2: rule "a": not {} holds nothing; wanted: conditions as in when {}'),
    ('a condition given twice',
     'rule a {\n'
     '  when { spf = fail\n'
     ' spf = softfail }\n'
     '  action = hold }\n',
     '3: rule "a": spf is given twice; keep one of them'),
    ('a domain that is none',
     'rule a {\n'
     '  when { header-from = {"a.example",\n'
     '    "b..example"} }\n'
     '  action = accept }\n',
     '3: rule "a": header-from: "b..example" is not right; wanted: example.org, .example.org (all below it), user@example.org, or file:/PATH'),
    ('the null sender in From',
     'rule a {\n'
     '  when { header-from = "<>" }\n'
     '  action = accept }\n',
     '2: rule "a": header-from: "<>" is not right; wanted: example.org, .example.org (all below it), user@example.org, or file:/PATH'),
    ('a network that is none',
     'rule a {\n'
     '  when { client = 192.0.2.0/33 }\n'
     '  action = accept }\n',
     '2: rule "a": client: "192.0.2.0/33" is not right; wanted: addresses or networks, such as 192.0.2.0/24, or file:/PATH'),
    ('a list that is not there',
     'rule a {\n'
     '  when { mail-from = "file:/nowhere/list" }\n'
     '  action = accept }\n',
     '2: rule "a": mail-from: /nowhere/list: No such file or directory; wanted: a file with one entry a line'),
    ('a list that is a folder',
     'rule a {\n'
     '  when { mail-from = "file:/tmp" }\n'
     '  action = accept }\n',
     '2: rule "a": mail-from: /tmp: not a plain file; wanted: one entry a line'),
    ('a list without a path',
     'rule a {\n'
     '  when { mail-from = "file:list" }\n'
     '  action = accept }\n',
     '2: rule "a": mail-from: "file:list" is not right; wanted: file:/PATH'),
    ('a list with a wrong line',
     'rule a {\n'
     '  when { mail-from = "file:{dir}/bad-list" }\n'
     '  action = accept }\n',
     '2: rule "a": mail-from: {dir}/bad-list:4: "no such@@thing.." is not right; wanted: example.org, .example.org (all below it), user@example.org, or file:/PATH'),
    ('a list with a NUL octet',
     'rule a {\n'
     '  when { mail-from = "file:{dir}/nul-list" }\n'
     '  action = accept }\n',
     '2: rule "a": mail-from: {dir}/nul-list:2: holds a NUL octet; wanted: example.org, .example.org (all below it), user@example.org, or file:/PATH'),
    ('a list that names nothing',
     'rule a {\n'
     '  when { mail-from = "file:{dir}/empty-list" }\n'
     '  action = accept }\n',
     '2: rule "a": mail-from: the file names nothing; wanted: one entry a line'),
    ('a size that is none',
     'rule a {\n'
     '  when { size-over = big }\n'
     '  action = hold }\n',
     '2: rule "a": size-over: "big" is not right; wanted: octets, such as 10M'),
    ('a day that is none',
     'rule a {\n'
     '  action = accept\n'
     '  until = 2027-02-29\n'
     '}\n',
     '3: rule "a": until: "2027-02-29" is not right; wanted: a day as 2027-01-31'),
    ('a day in another form',
     'rule a {\n'
     '  action = accept\n'
     '  until = 31.1.2027\n'
     '}\n',
     '3: rule "a": until: "31.1.2027" is not right; wanted: a day as 2027-01-31'),
    ('a code for an accept',
     'rule a {\n'
     '  action = accept\n'
     '  code = 550\n'
     '}\n',
     '3: rule "a": code is for reject and tempfail; leave it out'),
    ('a code of the other class',
     'rule a {\n'
     '  action = tempfail\n'
     '  code = 550\n'
     '}\n',
     '3: rule "a": code: "550" is not right; wanted: 4NN, such as 550 for reject or 451 for tempfail'),
    ('a code that ends the session',
     'rule a { action = tempfail\n'
     '  code = 421 }\n',
     '2: rule "a": code: "421" is not right; wanted: 4NN, such as 550 for reject or 451 for tempfail'),
    ('a code that RFC 5321 does not know',
     'rule a { action = reject\n'
     '  code = 560 }\n',
     '2: rule "a": code: "560" is not right; wanted: 5NN, such as 550 for reject or 451 for tempfail'),
    ('an enhanced code of the other class',
     'rule a {\n'
     '  action = reject\n'
     '  enhanced-code = 4.7.1\n'
     '}\n',
     '3: rule "a": enhanced-code: "4.7.1" is not right; wanted: 5.N.N, such as 5.7.1 for reject or 4.7.1 for tempfail'),
    ('a place that is none',
     'rule a {\n'
     '  action = reject\n'
     '  text = "no %{subject}"\n'
     '}\n',
     '3: rule "a": text: %{subject} is not known; wanted: %{domain}, %{sender-domain}, %{client}, %{helo}, %{receiver}, %{rule}, %{reason} or %{url}'),
    ('a sign that stands alone',
     'rule a {\n'
     '  action = reject\n'
     '  text = "100% no"\n'
     '}\n',
     '3: rule "a": text: a % stands alone; wanted: %{NAME}, or %% for the sign itself'),
    ('text for nobody',
     'rule a {\n'
     '  action = discard\n'
     '  text = "x"\n'
     '}\n',
     '3: rule "a": text is for what somebody is told; leave it out, reason says why'),
    ('a reason with a line end',
     'rule a {\n'
     '  action = hold\n'
     '  reason = "a\\nb"\n'
     '}\n',
     '3: rule "a": reason is not right; wanted: printable ASCII, at most 200 octets'),
    ('a field that others write',
     'policy {\n'
     '  quarantine-field = Subject\n'
     '}\n',
     '2: policy.quarantine-field: "Subject" is not right; wanted: the name of a field that begins with X-'),
    ('an address that is none',
     'policy { url = "www.example.org" }\n',
     '1: policy.url: "www.example.org" is not right; wanted: http://... or https://... without spaces, with %{domain} and the like where wanted'),
    ('a shadow that is not there',
     'policy {\n'
     '  shadow = /nowhere/shadow\n'
     '}\n',
     '2: policy.shadow: /nowhere/shadow: No such file or directory'),
    ('a shadow with a mistake',
     'policy {\n'
     '  shadow = {dir}/bad-shadow\n'
     '}\n',
     '2: policy.shadow: {dir}/bad-shadow:2: dmarc.enforce: "maybe" is not right; wanted: yes, no, true, false, on or off'),
    ('a shadow that is itself',
     'policy {\n'
     '  shadow = {dir}/c\n'
     '}\n',
     '2: policy.shadow: {dir}/c names a shadow itself; take that out'),
    ('a step that is none',
     'spf { reject-at = data }\n',
     '1: spf.reject-at: "data" is not right; wanted: mail, rcpt or end'),
]
MEANS = [
    ('a rule below one that means all of its mail',
     'rule a { when { spf = {fail, softfail} } action = hold }\n'
     '\n'
     'rule b { when { spf = fail dmarc = fail } action = reject }\n',
     '3: rule "b" can never decide: rule "a" in line 1 comes first and means all of its mail; put it above that one, or take it out'),
    ('larger ones below large ones, and as large',
     'rule a { when { size-over = 1K size-under = 9K } action = hold }\n'
     'rule b { when { size-over = 1K size-under = 8K spf = fail } action = reject }\n',
     '2: rule "b" can never decide: rule "a" in line 1 comes first and means all of its mail; put it above that one, or take it out'),
    ('until a later day above',
     'rule a { when { spf = fail } action = hold until = 2097-02-01 }\n'
     'rule b { when { spf = fail } action = reject until = 2097-01-31 }\n',
     '2: rule "b" can never decide: rule "a" in line 1 comes first and means all of its mail; put it above that one, or take it out'),
    ('below one that is over',
     'rule a { when { spf = fail } action = hold until = 2020-02-01 }\n'
     'rule b { when { spf = fail } action = reject }\n',
     '1: rule "a": until is over, it holds no more; take the rule out, or give it another day'),
    ('networks within another',
     'rule a { when { client = 192.0.2.0/24 } action = accept }\n'
     'rule b { when { client = {192.0.2.7, "192.0.2.128/25"} } action = hold }\n',
     '2: rule "b" can never decide: rule "a" in line 1 comes first and means all of its mail; put it above that one, or take it out'),
    ('a rule below one for everybody',
     'rule a { action = accept reason = x }\n'
     'rule b { when { dmarc = fail } action = hold }\n',
     '2: rule "b" can never decide: rule "a" in line 1 comes first and means all of its mail; put it above that one, or take it out'),
    ('a rule that contradicts itself',
     'rule a { when { dmarc = fail\n'
     '  not { dmarc = {fail, permerror} } } action = hold }\n',
     '2: rule "a" can never hold: dmarc contradicts its other conditions; take one of them out'),
    ('no record, but its policy',
     'rule a { when { dmarc = none\n'
     '  dmarc-policy = reject } action = hold }\n',
     '2: rule "a" can never hold: dmarc-policy contradicts its other conditions; take one of them out'),
    ("authenticated and none of one's own",
     'rule a { when { own = no\n'
     '  auth = pass } action = hold }\n',
     '2: rule "a" can never hold: auth contradicts its other conditions; take one of them out'),
    ("the same where they are not judged at all",
     'exempt = {} skip = {authenticated}\n'
     'rule a { when { own = no\n'
     '  auth = pass } action = hold }\n',
     '3: rule "a" can never hold: auth contradicts its other conditions; take one of them out'),
    ('between no sizes',
     'rule a { when { size-over = 2M\n'
     '  size-under = 1M } action = hold }\n',
     '2: rule "a" can never hold: size-under contradicts its other conditions; take one of them out'),
    ('a date that is over',
     'rule a {\n'
     '  when { spf = fail }\n'
     '  action = hold\n'
     '  until = 2020-02-29\n'
     '}\n',
     '4: rule "a": until is over, it holds no more; take the rule out, or give it another day'),
    ("one's own machines, whom a rule does not mean",
     'rule a {\n'
     '  when { client = {127.0.0.1, "::1"} }\n'
     '  action = reject }\n',
     '2: rule "a" can never hold: all of client are local-networks, whom a rule means only where it says so; add own = yes'),
    ('relays that are everybody',
     'trusted-relays = {192.0.2.0/24, 0.0.0.0/1,\n'
     '  128.0.0.0/1}\n',
     '1: trusted-relays holds all addresses, so that nobody is a client and SPF judges none; name your own relays'),
    ('trust in everybody',
     'rule a {\n'
     '  when { dkim-domain = .com }\n'
     '  action = accept }\n',
     '2: rule "a": dkim-domain: ".com" is a public suffix, anybody can have a name below it; name the domains that are meant'),
    ('trust in a public suffix',
     'rule a {\n'
     '  when { header-from = {"a.example", "co.uk"} }\n'
     '  action = accept }\n',
     '2: rule "a": header-from: "co.uk" is a public suffix, anybody can have a name below it; name the domains that are meant'),
    ('a sealer that is a public suffix',
     'arc {\n'
     '  trusted-sealers = {"co.uk"}\n'
     '}\n',
     '2: arc.trusted-sealers: "co.uk" is a public suffix, anybody can have a name below it; name the sealer\'s own domain'),
    ("all traffic is one's own",
     'dmarc { enforce = yes }\n'
     'local-networks = {"0.0.0.0/0", "::/0"}\n',
     '2: local-networks holds all addresses of IPv4 and IPv6, so that nothing is ever enforced upon them; name your own networks'),
    ('all of it, in halves',
     'dmarc { enforce = yes }\n'
     'local-networks = {"0.0.0.0/1", "128.0.0.0/1"}\n',
     '2: local-networks holds all addresses of IPv4, so that nothing is ever enforced upon them; name your own networks'),
    ('enforced behind a rule for everybody',
     'dmarc {\n'
     '  enforce = yes }\n'
     'rule a { action = accept }\n',
     '2: dmarc.enforce: rule "a" in line 3 means every message, so that it counts for none; give the rule a when {}, or take it out'),
    ('quarantine that nobody sees',
     'dmarc { enforce = yes }\n'
     'log { level = warning }\n',
     '2: log.level: mail is quarantined or discarded, and this level keeps out the lines that say which; set log.level = info'),
    ('watching that nobody sees',
     'policy { mode = monitor }\n'
     'log { level = error }\n',
     '2: log.level: policy.mode = monitor tells what it would do in the log alone, and this level keeps that out; set log.level = info'),
    ('two fields of one name',
     'policy {\n'
     '  note-field = x-authmill-quarantine\n'
     '}\n',
     '2: policy.note-field: the same as policy.quarantine-field, a filter cannot tell one from the other; give it another name'),
    ('nothing to refuse early',
     'spf {\n'
     '  reject-at = mail\n'
     '}\n'
     'rule a { when { dmarc = fail } action = reject }\n',
     '2: spf.reject-at: no rule refuses by the envelope alone, so there is nothing to do early; add one such as when { spf = fail } action = reject, or leave it out'),
    ('keys that are too long to be long enough',
     'dkim { max-rsa-bits = 2048\n'
     '  min-rsa-bits = 4096 }\n',
     '2: dkim.min-rsa-bits: more than dkim.max-rsa-bits, no RSA key is right; make it less than 2048'),
    ('a worker that stays root',
     '\n'
     'user = root\n',
     '2: user: the worker stays root, without its capabilities, but owner of its files; name a user of its own'),
    ('more of one client than of all',
     'limits { sessions = 50 sessions-per-client = 60 }\n',
     '1: limits.sessions-per-client: more than limits.sessions, one client can take all; make it less than 50'),
    ('in the shadow',
     'policy { shadow = {dir}/odd-shadow }\n',
     '{dir}/odd-shadow:3: rule "a": until is over, it holds no more; take the rule out, or give it another day'),
]
FINE = [
    ('the example',
     'rule "broken but known sender" {\n'
     '  when   { header-from = {"bank.example", ".bank.example"}  iprev = pass  dmarc = fail }\n'
     '  action = accept\n'
     '  reason = "ticket 4711: signs with the wrong key until May"     # goes into policy.* of the header, the log and the reports\n'
     '  until  = 2097-01-31\n'
     '}\n'),
    ('a narrower rule above a wider one',
     'rule a { when { spf = fail dmarc = fail } action = reject }\n'
     'rule b { when { spf = fail } action = hold }\n'),
    ("the same but for one's own",
     'rule a { when { spf = fail } action = reject }\n'
     'rule b { when { spf = fail own = yes } action = hold }\n'),
    ('above it until a day',
     'rule a { when { spf = fail } action = accept until = 2097-01-31 }\n'
     'rule b { when { spf = fail } action = hold }\n'),
    ('above it until an earlier day',
     'rule a { when { spf = fail } action = accept until = 2097-01-30 }\n'
     'rule b { when { spf = fail } action = hold until = 2097-01-31 }\n'),
    ('smaller ones below large ones',
     'rule a { when { size-over = 2K } action = hold }\n'
     'rule b { when { size-over = 1K } action = hold }\n'),
    ('one octet between two sizes',
     'rule a { when { size-over = 1000 size-under = 1002 } action = hold }\n'),
    ('both alignments, and one of them',
     'rule a { when { dmarc-aligned = spf not { dmarc-aligned = dkim } } action = hold }\n'),
    ('one signature of several above, another below',
     'rule a { when { not { dkim = fail } } action = accept }\n'
     'rule b { when { dkim = pass } action = hold }\n'),
    ('one alignment of two above, the other below',
     'rule a { when { not { dmarc-aligned = dkim } } action = accept }\n'
     'rule b { when { dmarc-aligned = spf } action = hold }\n'),
    ('an any {} that only overlaps',
     'rule a { when { any { spf = fail iprev = fail } } action = hold }\n'
     'rule b { when { any { spf = fail list = yes } } action = hold }\n'),
    ('trust in an address below a suffix',
     'rule a { when { mail-from = user@co.uk } action = accept }\n'),
    ('a suffix that is refused',
     'rule a { when { mail-from = .zip } action = reject }\n'),
    ('several signatures',
     'rule a { when { dkim = pass not { dkim = fail } } action = hold }\n'),
    ('a byte order mark, CRLF and tabs',
     '\ufefflog\t{\r\n'
     '\tto\t=\tstderr\r\n'
     '}\r\n'),
    ('a byte order mark in a list',
     'rule a { when { client = "file:{dir}/marked-list" } action = hold }\n'),
    ('a string over two lines that a backslash joins',
     'rule a { when { spf = fail } action = reject text = "one \\\n'
     'two" }\n'),
    ('authenticated clients where they are not exempt',
     'exempt = {local}\n'
     'rule a { when { own = no auth = pass } action = hold }\n'
     'rule b { when { own = no auth-user = alice } action = hold }\n'),
    ('loopback where it is not exempt',
     'exempt = {authenticated}\n'
     'rule a { when { client = 127.0.0.1 } action = hold }\n'),
    ("a recipient of one label, who is one's own",
     'rule a { when { rcpt = {intranet, ".lan"} } action = accept }\n'),
    ('everything and early',
     'spf { reject-at = rcpt }\n'
     'rule a { when { spf = fail rcpt = x.example } action = reject }\n'),
]

FILES = {
    "bad-list": "# ok\nu@a.example\n\nno such@@thing..\n",
    "nul-list": "a.example\nb\0c.example\n",
    "marked-list": "\ufeff192.0.2.0/24\r\n",
    "empty-list": "# nothing\n",
    "bad-shadow": "\ndmarc { enforce = maybe }\n",
    "odd-shadow": "rule a {\n action = accept\n until = 2020-01-31 }\n",
}

# (what postconf prints, what is said about it; None: nothing). The socket is unix:/run/a/sock.
HERE = "smtpd_milters = unix:/run/a/sock\n"
POSTFIX = [
    (HERE + "milter_default_action = tempfail\nmilter_protocol = 6\nmilter_content_timeout = 300s\n", None),
    ("smtpd_milters = unix:a/sock\n", None),
    ("smtpd_milters = { unix:/run/a/sock, default_action=tempfail, content_timeout=5m }, inet:[::1]:8891\n"
     "milter_default_action = accept\n", None),
    ("smtpd_milters =\n", "smtpd_milters does not name unix:/run/a/sock, so that no mail comes here; add it, in "
     "front of the others"),
    ("smtpd_milters = unix:/run/b/sock\n", "smtpd_milters does not name unix:/run/a/sock, so that no mail comes "
     "here; add it, in front of the others"),
    ("smtpd_milters =\nnon_smtpd_milters = unix:/run/a/sock\n", "non_smtpd_milters names unix:/run/a/sock, which is "
     "for mail that was not received; put it into smtpd_milters"),
    ("smtpd_milters = inet:localhost:11332, unix:/run/a/sock\n", "smtpd_milters: inet:localhost:11332 stands before "
     "authmilld, and what it changes breaks the signatures that are checked behind it; put authmilld first"),
    ("smtpd_milters = { inet:localhost:11332, connect_timeout=3s } { unix:/run/a/sock }\n",
     "smtpd_milters: inet:localhost:11332 stands before authmilld, and what it changes breaks the signatures that "
     "are checked behind it; put authmilld first"),
    (HERE + "milter_default_action = accept\n", "milter_default_action = accept: mail passes unseen, with forged "
     "results, whenever authmilld is away; set tempfail"),
    (HERE + "milter_default_action = reject\n", "milter_default_action = reject: mail is lost whenever authmilld is "
     "away; set tempfail"),
    ("smtpd_milters = { unix:/run/a/sock, default_action=reject }\n", "milter_default_action = reject: mail is lost "
     "whenever authmilld is away; set tempfail"),
    (HERE + "milter_content_timeout = 20s\n", "milter_content_timeout = 20s: not longer than dns.timeout (20 s), so "
     "that the MTA gives up first; set 300s"),
    (HERE + "milter_content_timeout = 5m\nmilter_command_timeout = 10s\n", "milter_command_timeout = 10s: not longer "
     "than dns.timeout (20 s), so that the MTA gives up first; set more, or spf.reject-at = end"),
    (HERE + "milter_protocol = 2\nmilter_mail_macros = i {auth_authen}\nmilter_connect_macros = {daemon_name}\n",
     "milter_protocol = 2: without the exact space in fields, signatures with simple canonicalisation break; set 6"),
]
SENDMAIL = [
    ("O InputMailFilters=authmill\nXauthmill, S=local:/run/a/sock, F=T, T=S:30s;R:60s;E:2m\n", None),
    ("Xother, S=inet:1@localhost\n", "no filter has S=unix:/run/a/sock, so that no mail comes here; add it"),
    ("O InputMailFilters=authmill\nXauthmill, S=local:/run/a/sock, T=R:60s\n", "filter authmill has no F=: mail passes "
     "unseen, with forged results, whenever authmilld is away; set F=T"),
    ("Xauthmill, S=unix:/run/a/sock, F=R, T=R:60s\n", "filter authmill has F=R: mail is lost whenever authmilld is "
     "away; set F=T"),
    ("O InputMailFilters=clamav, authmill\nXauthmill, S=unix:/run/a/sock, F=T, T=R:60s\n", "InputMailFilters: clamav "
     "stands before authmill, and what it changes breaks the signatures that are checked behind it; put authmilld first"),
    ("Xauthmill, S=unix:/run/a/sock, F=T, T=R:60s;E:10s\n", "time-out E = 10s: not longer than dns.timeout (20 s), so "
     "that the MTA gives up first; set more, such as T=E:5m"),
    ("Xauthmill, S=unix:/run/a/sock, F=T\n", "time-out R = 10s: not longer than dns.timeout (20 s), so that the MTA "
     "gives up first; set more, such as T=R:60s, or spf.reject-at = end"),
]


class Place:
    """A folder with the files above; `c` is the configuration."""

    def __init__(self):
        self.scratch = tempfile.TemporaryDirectory(prefix="authmill-t.")
        self.dir = self.scratch.name
        for name, content in FILES.items():
            self.write(name, content)
        os.mkfifo(os.path.join(self.dir, "pipe"))

    def write(self, name, content):
        path = os.path.join(self.dir, name)
        with open(path, "wb") as f:
            f.write(octets(content).replace(b"{dir}", self.dir.encode()))
        return path

    def run(self, *args):
        p = subprocess.run([AUTHMILL, "config", *args], stdin=subprocess.DEVNULL, capture_output=True, timeout=120)
        return p.returncode, p.stdout.decode(), p.stderr.decode().replace(self.dir, "{dir}")

    def check(self, content, *args):
        return self.run("check", "-c", self.write("c", content), "--offline", *args)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.scratch.cleanup()


def usage():
    with Place() as p:
        is_(p.run()[0], 64, "no word")
        is_(p.run("chekc")[0], 64, "a word that is none")
        is_(p.run("check", "--nonsense")[0], 64, "an option that is none")
        is_(p.run("check", "more")[0], 64, "an operand")
        status, out, _ = p.run("check", "--help")
        is_(status, 0, "--help")
        like(out, "usage: authmill config check", "prints the usage")
        status, _, err = p.run("check", "-c", "/nowhere/c")
        is_((status, err), (78, "authmill config: /nowhere/c: No such file or directory\n"), "no such file")


def wrong_files():
    with Place() as p:
        for what, text, want in WRONG:
            if os.geteuid() != 0 and ("that nobody knows" in what or "that cannot be" in what):
                continue
            is_(p.check(text), (78, "", "authmill config: {dir}/c:%s\n" % want), what)
        is_(p.run("check", "-c", os.path.join(p.dir, "pipe"))[::2],
            (78, "authmill config: {dir}/pipe: a pipe; wanted: a plain file\n"), "a pipe, which nobody may ever write to")
        is_(p.check(" " * (1 << 20))[::2], (78, "authmill config: {dir}/c: over 1 MiB\n"), "too large")
        d = subprocess.run([AUTHMILLD, "-t", "-c", p.write("c", WRONG[0][1])], capture_output=True, timeout=60)
        is_((d.returncode, d.stderr.decode().replace(p.dir, "{dir}")),
            (78, "authmilld: {dir}/c:%s\n" % WRONG[0][2]), "authmilld -t says the same")


def meanings():
    with Place() as p:
        for what, text, want in MEANS:
            line = (want if want.startswith("{dir}") else "{dir}/c:" + want).replace("{dir}/c:{dir}/c: ", "{dir}/c: ")
            is_(p.check(text), (0, "%s/c: reads well, with 1 finding\n" % p.dir, line + "\n"), what)
        is_(p.check(MEANS[0][1], "--strict")[0], 78, "--strict: a finding is wrong")
        for what, text in FINE:
            is_(p.check(text), (0, "%s/c: good\n" % p.dir, ""), "nothing to say: " + what)
        is_(p.check(FINE[0][1], "--strict")[0], 0, "--strict: nothing is wrong")
        d = subprocess.run([AUTHMILLD, "-t", "-c", p.write("c", MEANS[0][1])], capture_output=True, timeout=60)
        like(d.stderr.decode(), r"^authmilld: .*/c:3: rule .b. can never decide", "authmilld -t says it too")
        is_(d.returncode, 0, "and that it would start")


def mtas():
    conf = 'socket = "unix:/run/a/sock"\nspf { reject-at = rcpt }\nrule a { when { spf = fail } action = reject }\n'
    with Place() as p:
        for option, name, table in (("--postconf", "Postfix", POSTFIX), ("--sendmail-cf", "sendmail.cf", SENDMAIL)):
            for text, want in table:
                status, _, err = p.check(conf, option, p.write("mta", text))
                is_((status, err), (0, "%s: %s\n" % (name, want) if want else ""),
                    "%s: %s" % (name, (want or "fits").split(":")[0]))
        _, _, err = p.check(conf.replace("spf = fail", "spf = fail listener = x"), "--postconf",
                            p.write("mta", HERE + "milter_protocol = 4\nmilter_mail_macros = i\nmilter_connect_macros = j v\n"))
        is_([line.split()[1] for line in err.splitlines()],
            ["milter_protocol", "milter_mail_macros", "milter_connect_macros"], "macros that an old protocol needs")
        is_(p.check("", "--postconf", "/nowhere/x")[0], 66, "no such output")
        for junk in (b"", b"\0\xff" * 2000, b"smtpd_milters = {{{{{{", b"smtpd_milters = }}}} ,,,{", b"X\nX,\nX, S=\n"):
            for option in ("--postconf", "--sendmail-cf"):
                ok(p.check(conf, option, p.write("mta", junk))[0] == 0, "junk does no harm: %r" % junk[:20])


def resolvers():
    with Place() as p, TestDNS({}) as dns:
        good = "127.0.0.1@%d" % dns.port
        text = 'dns {\n nameservers = {"%s"%s} }\n'
        args = ("check", "--postconf", p.write("mta", HERE), "-c")
        socket = 'socket = "unix:/run/a/sock"\n'
        is_(p.run(*args, p.write("c", socket + text % (good, ""))), (0, p.dir + "/c: good\n", ""), "one that answers")
        status, _, err = p.run(*args, p.write("c", socket + text % (good, ', "127.0.0.1@9"')))
        like(err, r"^\{dir\}/c:3: dns.nameservers: 127.0.0.1@9 does not answer \(.+\); start it, or name one that does\n$",
             "one that does not")
        p.write("resolv.conf", "nameserver 127.0.0.9\n")
        status, _, err = p.run(*args, p.write("c", socket + 'dns { resolv-conf = "{dir}/resolv.conf" }'))
        like(err, r"no resolver of \{dir\}/resolv.conf answers", "none of resolv.conf's")


def long_files():
    with Place() as p:
        p.write("list", "".join("d%d.example\n" % i for i in range(100000)))
        begin = os.times().children_user
        status = p.check('rule a { when { header-from = "file:{dir}/list" } action = accept }\n')[0]
        took = os.times().children_user - begin  # of the CPU: others may want it too
        is_(status, 0, "100,000 entries")
        ok(took < 1 or "AUTHMILL_SLOW" in os.environ, "in less than a second (%.2f s)" % took)
        begin = time.monotonic()
        rules = "".join("rule r%d { when { mail-from = d%d.example spf = fail } action = hold }\n" % (i, i) for i in range(5000))
        status = p.check(rules)[0]
        is_(status, 0, "5,000 rules (%.2f s)" % (time.monotonic() - begin))


def reloads():
    conf = 'pid-file = "{dir}/pid"\nlog { to = stderr }\nlocal-networks = {127.0.0.1}\n'
    with Daemon(conf, program=AUTHMILLD) as d, Place() as p:
        def reload(*args):
            return p.run("reload", "-c", d.conf, *args)
        d.logged("is ready", 20)  # by then the pid file is there
        d.write(conf + "dmarc { enforce = yes }\nrule a { when { dmarc = fail } action = hold until = 2020-01-31 }\n")
        is_(reload(), (0, "", "%s:6: rule \"a\": until is over, it holds no more; take the rule out, or give it another "
                       "day\n" % d.conf), "a good file")
        ok(d.logged("reloaded"), "is taken over")
        ok(d.logged('reload: dmarc.enforce: no -> yes'), "the log says which option is another")
        ok(d.logged('reload: rule "a": new'), "and which rule is new")
        ok(d.logged('until is over'), "and what cannot be meant")
        ok(not [line for line in d.log if "reload: local-networks" in line], "and no other")
        before = len([line for line in d.log if "reload" in line])
        is_(reload("--strict")[0], 78, "--strict does not reload what cannot be meant")
        d.write(conf + "dmarc { enforce = maybe }\n")
        status, _, err = reload()
        is_(status, 78, "a wrong file")
        like(err, r"dmarc\.enforce: .maybe. is not right", "is named")
        time.sleep(1.5)
        is_(len([line for line in d.log if "reload" in line]), before, "and authmilld is not told at all")
        list_file = p.write("sealers", "lists.example\n")
        os.chmod(list_file, 0o666)
        for more, want in (("decision-log { path = /nowhere/decisions }", "decision-log.path: /nowhere/decisions: No such"),
                           ('arc { trusted-sealers = {"file:%s"} }' % list_file, "everybody may write to it")):
            d.write(conf + more + "\n")
            status, _, err = reload()
            is_((status, want in err), (78 if os.geteuid() == 0 or "arc" in more else 0, True), "refused before it is told: " + want)
        is_(len([line for line in d.log if "reload" in line]), before, "authmilld is not told of that either")
        os.unlink(d.conf)
        os.mkfifo(d.conf)
        d.process.send_signal(signal.SIGHUP)
        ok(d.logged("nothing is changed: %s: a pipe" % d.conf), "a pipe in its place does not make it wait")
        os.unlink(d.conf)
        d.write(conf)
        for what, content, want in (("no process", "999999999\n", 69), ("another process", "%d\n" % os.getpid(), 69),
                                    ("no number", "x\n", 69), ("every process", "-1\n", 69), ("nothing", "", 69)):
            is_(reload("--pid-file", p.write("pid", content))[0], want, "a pid file that names " + what)
        is_(reload("--pid-file", "/nowhere/pid")[0], 69, "a pid file that is not there")
        is_(p.run("reload", "-c", p.write("c", ""))[0], 64, "no pid file at all")


tap.run(usage, wrong_files, meanings, mtas, resolvers, long_files, reloads)
