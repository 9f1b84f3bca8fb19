"""The zone of t/vectors/attacks/bombs.yml: records that make others work."""


def zone():
    z = {}

    def put(name, *records):
        z[name] = [r if isinstance(r, dict) or r == "TIMEOUT" else {"TXT": r} for r in records]

    def spf(name, terms):
        put(name, "v=spf1 " + " ".join(terms) + " -all")

    tree(spf)
    rings(spf, put)
    names(spf, put)
    texts(spf, put)
    return z


def tree(spf):
    spf("tree.example", ["include:t%d.tree.example" % i for i in range(10)])
    for i in range(10):
        spf("t%d.tree.example" % i, ["include:t%d%d.tree.example" % (i, j) for j in range(10)])
        for j in range(10):
            spf("t%d%d.tree.example" % (i, j), ["a:u%d%d%d.tree.example" % (i, j, k) for k in range(10)])


def rings(spf, put):
    spf("self.example", ["include:self.example", "include:self.example"])
    spf("ring1.example", ["include:ring2.example"])
    spf("ring2.example", ["include:ring1.example"])
    put("again.example", "v=spf1 redirect=again.example")
    put("alias.example", {"CNAME": "alias2.example"})
    put("alias2.example", {"CNAME": "alias.example"})
    for n, name in ((11, "eleven.example"), (10, "ten.example")):
        spf(name, ["include:n%d.example" % i for i in range(n)])
    for i in range(11):
        spf("n%d.example" % i, [])


def names(spf, put):
    host = {"A": "198.51.100.1"}
    put("mx11.example", "v=spf1 mx -all", *[{"MX": "10 m%d.mx11.example" % i} for i in range(11)])
    for i in range(11):
        put("m%d.mx11.example" % i, host)
    for top in ("mxmx.example", "mymy.example"):
        spf(top, ["mx:d%d.%s" % (i, top) for i in range(10)])
        for i in range(10):
            put("d%d.%s" % (i, top), *[{"MX": "10 h%d.d%d.%s" % (k, i, top)} for k in range(10)])
            for k in range(10):
                put("h%d.d%d.%s" % (k, i, top), host)
    spf("ptr.example", ["ptr"])
    put("77.2.0.192.in-addr.arpa", *[{"PTR": "p%d.ptr.example" % i} for i in range(30)])
    for i in range(30):
        put("p%d.ptr.example" % i, host)
    put("78.2.0.192.in-addr.arpa", "TIMEOUT")
    spf("void.example", ["a:nowhere%d.example" % i for i in range(9)] + ["ip4:192.0.2.66"])
    spf("silent.example", ["include:s%d.silent.example" % i for i in range(10)])
    for i in range(10):
        put("s%d.silent.example" % i, "TIMEOUT")
    spf("macro.example", ["exists:%{l}.%{lr}.%{l1r-}.x.example", "exists:%{S}.x.example"])
    spf("grows.example", ["a:%s.grows.example" % ("%{d}." * 20)] * 5)
    spf("digits.example", ["exists:%{d99999999999999999999r+-/,_=}.x.example", "exists:%{i0}.x.example"])
    spf("helo.example", ["exists:%{h}.x.example", "exists:%{h1r}.x.example"])


def texts(spf, put):
    put("long.example", "v=spf1 " + " ".join("ip4:10.%d.%d.0/24" % divmod(i, 250) for i in range(3500)) + " -all")
    put("many.example", *["v=spf1 ip4:10.0.0.%d +all" % i for i in range(100)])
    put("crowd.example", "v=spf1 a -all", *[{"A": "10.0.%d.%d" % (i // 250, i % 250 + 1)} for i in range(1000)])
    put("nul.example", "v=spf1 +all\0 -all")
    put("eight.example", "v=spf1 +all \xff")
    put("_dmarc.deep.example", "v=DMARC1; p=reject")
    put("_dmarc.a.records.example", *["v=DMARC1; p=reject; rua=mailto:r%d@x.example" % i for i in range(50)])
    put("_dmarc.tags.example", "v=DMARC1; p=reject; " + "x=y; " * 11000)
