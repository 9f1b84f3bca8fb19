/* The configuration: defaults, every option set, and what is wrong with wrong files. */
#include "t/unit/unit.h"

#include "milter/conf.h"
#include "milter/option.h"

#include <stdlib.h>
#include <syslog.h>
#include <unistd.h>

static char path[] = "/tmp/authmill-conf-XXXXXX";

static void write_file(const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fputs(text, f) < 0, 0);
    assert_int_equal(fclose(f), 0);
}

static am_conf *load(const char *text)
{
    am_error e;
    write_file(text);
    am_conf *c = am_conf_load(path, &e);
    if (!c)
        print_error("%s\n", e.text);
    assert_non_null(c);
    return c;
}

static void defaults(void **state)
{
    (void)state;
    char host[256] = "";
    am_error e;
    am_ip ip;
    am_conf *empty = load(""), *built_in = am_conf_defaults(&e);
    gethostname(host, sizeof host - 1);
    for (int i = 0; i < 2; i++) {
        const am_conf *c = i ? built_in : empty;
        assert_non_null(c);
        assert_string_equal(c->socket.path, "/run/authmill/authmill.sock");
        assert_int_equal(c->socket_mode, 0660);
        assert_string_equal(c->authserv_id, host);
        assert_string_equal(c->receiver, host);
        assert_string_equal(c->user, "");
        assert_int_equal(c->on_fault, AM_CONF_TEMPFAIL);
        assert_int_equal(c->on_dns_failure, AM_CONF_ACCEPT);
        assert_int_equal(c->drain_ms, 30000);
        assert_int_equal(c->local_networks.n, 2);
        assert_true(am_ip_parse(AM_STR("127.1.2.3"), &ip) &&
                    am_conf_class(c, &c->exempt, &ip, false) == AM_CLASS_LOCAL);
        assert_true(am_ip_parse(AM_STR("::1"), &ip) &&
                    am_conf_class(c, &c->exempt, &ip, false) == AM_CLASS_LOCAL);
        assert_true(am_ip_parse(AM_STR("192.0.2.1"), &ip) &&
                    am_conf_class(c, &c->exempt, &ip, false) == AM_CLASS_NONE);
        assert_int_equal(c->dns.timeout_ms, 20000);
        assert_int_equal(c->dns.try_ms, 1500);
        assert_int_equal(c->dns.cache, 16 << 20);
        assert_true(c->dns.prefetch && !c->dns.trust_ad);
        assert_int_equal(c->spf.max_terms, 10);
        assert_int_equal(c->spf.max_void, 2);
        assert_int_equal(c->dkim.engine, AM_DKIM_OWN);
        assert_int_equal(c->dkim.max_signatures, 10);
        assert_true(c->dkim.body_length_policy);
        assert_false(c->dmarc.enforce);
        assert_false(c->dmarc.use_psl);
        assert_null(c->dmarc.psl);
        assert_int_equal(c->dmarc.malformed_from, AM_MALFORMED_DEFAULT);
        assert_int_equal(c->limits.memory, 64 << 20);
        assert_int_equal(c->limits.memory_total, 1 << 30);
        assert_int_equal(c->log.to, AM_LOG_SYSLOG);
        assert_int_equal(c->log.level, LOG_INFO);
    }
    am_conf_free(empty);
    am_conf_free(built_in);
}

static const char everything[] =
    "# a comment, with \"quotes' and { braces }\n"
    "socket = \"inet6:8891@::1\"  // another\n"
    "socket-mode = 0666\n"
    "socket-group = postfix user = authmill pid-file = /run/x.pid\n"
    "authserv-id = mx.example.org /* a third,\n over two lines */ receiver = \"r.example.org\"\n"
    "local-networks = {\"192.0.2.0/24\", \"2001:db8::/32\", 198.51.100.7}\n"
    "local-networks += {\"203.0.113.0/24\"}\n"
    "on-fault = accept on-dns-failure = TempFail drain = 1.25\n"
    "log { to = stderr facility = local3 level = debug }\n"
    "dns { nameservers = {\"127.0.0.1@5353\", \"::1\"} zones = {} timeout = 0.5 try = 2\n"
    "      cache = 128K max-ttl = 60 trust-ad = yes prefetch = no resolv-conf = /x }\n"
    "spf { max-terms = 11 max-void = 3 max-names = 12 max-questions = 65 }\n"
    "dkim { engine = libopendkim max-signatures = 3 body-length = pass min-rsa-bits = 2048\n"
    "       max-rsa-bits = 8192 clock-drift = 0 }\n"
    "arc { trusted-sealers = {\"Example.ORG.\", \"b\\u00fccher.example\", \"*.Example.net\"} }\n"
    "dmarc { enforce = yes max-walks = 4 malformed-from = quarantine org-domain = tree-walk }\n"
    "limits { header-octets = 1m fields = 500 memory = 2M memory-total = 64M dns-questions = 30 "
    "sessions = 7\n"
    "         silence = 60 }\n"
    "authres { full-sender = yes dnssec = yes }\n";

static void all_options(void **state)
{
    (void)state;
    char text[sizeof everything];
    strcpy(text, everything);
    char *u = strstr(text, "\\u00fc"); /* a u with two dots, in UTF-8 */
    memcpy(u, "\xc3\xbc", 2);
    memmove(u + 2, u + 6, strlen(u + 6) + 1);
    am_conf *c = load(text);
    am_options o;
    am_conf_options(c, &o);
    assert_int_equal(c->socket.kind, AM_SOCKET_INET6);
    assert_int_equal(c->socket.port, 8891);
    assert_string_equal(c->socket.host, "::1");
    assert_int_equal(c->socket_mode, 0666);
    assert_string_equal(c->socket_group, "postfix");
    assert_string_equal(c->user, "authmill");
    assert_string_equal(c->pid_file, "/run/x.pid");
    assert_string_equal(c->authserv_id, "mx.example.org");
    assert_string_equal(o.receiver, "r.example.org");
    assert_int_equal(c->local_networks.n, 4);
    assert_int_equal(c->local_networks.item[3].bits, 24);
    assert_int_equal(c->on_fault, AM_CONF_ACCEPT);
    assert_int_equal(c->on_dns_failure, AM_CONF_TEMPFAIL);
    assert_int_equal(c->drain_ms, 1250);
    assert_int_equal(c->log.to, AM_LOG_STDERR);
    assert_int_equal(c->log.facility, LOG_LOCAL3);
    assert_int_equal(c->log.level, LOG_DEBUG);
    assert_int_equal(c->dns.nameservers.n, 2);
    assert_string_equal(c->dns.nameservers.item[0], "127.0.0.1@5353");
    assert_int_equal(c->dns.zones.n, 0);
    assert_int_equal(o.dns.wait_ms, 500);
    assert_int_equal(c->dns.try_ms, 2000);
    assert_int_equal(c->dns.cache, 128 << 10);
    assert_int_equal(c->dns.max_ttl, 60);
    assert_string_equal(c->dns.resolv_conf, "/x");
    assert_true(c->dns.trust_ad);
    assert_true(o.no_prefetch);
    assert_int_equal(o.spf.max_terms, 11);
    assert_int_equal(o.spf.max_void, 3);
    assert_int_equal(o.spf.max_names, 12);
    assert_int_equal(o.spf.max_questions, 65);
    assert_int_equal(o.dkim.engine, AM_DKIM_LIBOPENDKIM);
    assert_int_equal(o.dkim.max_signatures, 3);
    assert_int_equal(o.dkim.min_rsa_bits, 2048);
    assert_int_equal(o.dkim.max_rsa_bits, 8192);
    assert_int_equal(o.dkim.clock_drift, 0);
    assert_false(o.dkim.body_length_policy);
    assert_int_equal(c->arc.trusted_sealers.n, 3);
    assert_string_equal(c->arc.trusted_sealers.item[0], "example.org");
    assert_string_equal(c->arc.trusted_sealers.item[1], "xn--bcher-kva.example");
    assert_string_equal(c->arc.trusted_sealers.item[2], "*.example.net");
    assert_int_equal(o.trusted_sealers.n, 3);
    want_str("exact", o.trusted_sealers.entry[0].domain, "example.org");
    assert_false(o.trusted_sealers.entry[0].below);
    want_str("below", o.trusted_sealers.entry[2].domain, "example.net");
    assert_true(o.trusted_sealers.entry[2].below);
    assert_int_equal(o.arc.min_rsa_bits, 2048);
    assert_int_equal(o.arc.max_rsa_bits, 8192);
    assert_int_equal(o.arc.clock_drift, 0);
    assert_true(c->dmarc.enforce);
    assert_int_equal(o.dmarc.max_walks, 4);
    assert_int_equal(c->dmarc.malformed_from, AM_MALFORMED_QUARANTINE);
    assert_int_equal(o.max_header_octets, 1 << 20);
    assert_int_equal(o.max_fields, 500);
    assert_int_equal(o.max_memory, 2 << 20);
    assert_int_equal(c->limits.memory_total, 64 << 20);
    assert_int_equal(o.dns.questions, 30);
    assert_int_equal(c->limits.sessions, 7);
    assert_int_equal(c->limits.silence, 60);
    assert_true(c->authres.full_sender && c->authres.dnssec);
    am_conf_free(c);
}

/* want: the message behind "FILE:", line included. */
static const struct {
    const char *text, *want;
} wrong[] = {
    {"sokcet = \"unix:/x\"\n", "1: unknown option \"sokcet\"; did you mean \"socket\"?"},
    {"\n\nsocket = \"/run/x\"\n", "3: socket: \"/run/x\" is not right; wanted: unix:/PATH, "
                                  "inet:PORT@HOST, inet6:PORT@HOST or fd:N (N from 3)"},
    {"socket = \"unix:x\"\n", "1: socket: \"unix:x\" is not right; wanted: unix:/PATH, "
                              "inet:PORT@HOST, inet6:PORT@HOST or fd:N (N from 3)"},
    {"socket = \"inet:70000@h\"\n", "1: socket: \"inet:70000@h\" is not right; wanted: unix:/PATH, "
                                    "inet:PORT@HOST, inet6:PORT@HOST or fd:N (N from 3)"},
    {"socket = \"inet:1@\"\n", "1: socket: \"inet:1@\" is not right; wanted: unix:/PATH, "
                               "inet:PORT@HOST, inet6:PORT@HOST or fd:N (N from 3)"},
    {"socket = \"fd:0\"\n", "1: socket: \"fd:0\" is not right; wanted: unix:/PATH, "
                            "inet:PORT@HOST, inet6:PORT@HOST or fd:N (N from 3)"},
    {"socket-mode = 0999\n",
        "1: socket-mode: \"0999\" is not right; wanted: permissions in octal, such as 0660"},
    {"socket-mode = 4755\n",
        "1: socket-mode: \"4755\" is not right; wanted: permissions in octal, such as 0660"},
    {"# one\n# two\n\nfoo = 3\n", "4: unknown option \"foo\"; authmill.conf(5) lists them all"},
    {"/* a\n b */\n// c\nuser = x # d\nusr = y\n",
        "5: unknown option \"usr\"; did you mean \"user\"?"},
    {"enforce = yes\n",
        "1: unknown option \"enforce\"; did you mean \"enforce\" in section dmarc?"},
    {"dmarc {\n enforce = maybe\n}\n", "2: dmarc.enforce: \"maybe\" is not right; wanted: yes, no, "
                                       "true, false, on or off"},
    {"dmarc {\n enforced = yes\n}\n",
        "2: unknown option \"dmarc.enforced\"; did you mean \"enforce\"?"},
    {"dkim { user = x }\n",
        "1: unknown option \"dkim.user\"; did you mean \"user\" outside of any section?"},
    {"dmrac { }\n", "1: unknown option \"dmrac\"; did you mean \"dmarc\"?"},
    {"dkim {\n engine = opendkim\n}\n",
        "2: dkim.engine: \"opendkim\" is not right; wanted: own or libopendkim"},
    {"dkim { max-signatures = 0 }\n",
        "1: dkim.max-signatures: \"0\" is not right; wanted: a number "
        "from 1 to 100"},
    {"dkim { max-signatures = ten }\n", "1: dkim.max-signatures: \"ten\" is not right; wanted: a "
                                        "number from 1 to 100"},
    {"dkim { max-signatures = -1 }\n", "1: dkim.max-signatures: \"-1\" is not right; wanted: a "
                                       "number from 1 to 100"},
    {"dkim { max-signatures = 99999999999999999999 }\n",
        "1: dkim.max-signatures: \"99999999999999999999\" is not right; wanted: a number from 1 to "
        "100"},
    {"dkim { body-length = ignore }\n",
        "1: dkim.body-length: \"ignore\" is not right; wanted: policy or pass"},
    {"dkim { min-rsa-bits = 512 }\n",
        "1: dkim.min-rsa-bits: \"512\" is not right; wanted: a number "
        "from 1024 to 16384"},
    {"local-networks = {\"10.0.0.0/8\",\n\"10.0.0.0/33\"}\n",
        "2: local-networks: \"10.0.0.0/33\" is not right; wanted: addresses or networks, such as "
        "192.0.2.0/24 or 2001:db8::/32"},
    {"local-networks = {localhost}\n",
        "1: local-networks: \"localhost\" is not right; wanted: addresses or networks, such as "
        "192.0.2.0/24 or 2001:db8::/32"},
    {"dns { nameservers = {\"resolver.example\"} }\n",
        "1: dns.nameservers: \"resolver.example\" is not right; wanted: addresses of resolvers, as "
        "ADDR or ADDR@PORT"},
    {"dns { nameservers = {\"127.0.0.1@0\"} }\n",
        "1: dns.nameservers: \"127.0.0.1@0\" is not right; wanted: addresses of resolvers, as ADDR "
        "or ADDR@PORT"},
    {"dns { zones = {zone.db} }\n", "1: dns.zones: \"zone.db\" is not right; wanted: paths of zone "
                                    "files that start with /"},
    {"dns { timeout = 0 }\n",
        "1: dns.timeout: \"0\" is not right; wanted: seconds from 0.001 to 240"},
    {"dns { timeout = 1.2345 }\n",
        "1: dns.timeout: \"1.2345\" is not right; wanted: seconds from 0.001 to 240"},
    {"dns { timeout = 20s }\n",
        "1: dns.timeout: \"20s\" is not right; wanted: seconds from 0.001 to 240"},
    {"dns { cache = 1T }\n",
        "1: dns.cache: \"1T\" is not right; wanted: octets from 64K to 4096M, such as 64M"},
    {"limits { memory = 1K }\n",
        "1: limits.memory: \"1K\" is not right; wanted: octets from 1024K to 2048M, such as 64M"},
    {"limits { memory = 9999999999G }\n", "1: limits.memory: \"9999999999G\" is not right; wanted: "
                                          "octets from 1024K to 2048M, such as 64M"},
    {"on-fault = reject\n", "1: on-fault: \"reject\" is not right; wanted: accept or tempfail"},
    {"log { level = loud }\n",
        "1: log.level: \"loud\" is not right; wanted: error, warning, info or debug"},
    {"dmarc { malformed-from = accept }\n", "1: dmarc.malformed-from: \"accept\" is not right; "
                                            "wanted: permerror, reject or quarantine"},
    {"dmarc { malformed-from = \"\" }\n",
        "1: dmarc.malformed-from: \"\" is not right; wanted: permerror, reject or quarantine"},
    {"dmarc { org-domain = suffix }\n",
        "1: dmarc.org-domain: \"suffix\" is not right; wanted: tree-walk or psl"},
    {"arc { trusted-sealers = {\"*.org\"} }\n",
        "1: arc.trusted-sealers: \"*.org\" is not right; wanted: domains such as example.org, "
        ".example.org for all below it, or file:/PATH"},
    {"arc { trusted-sealers = {\"file:list\"} }\n",
        "1: arc.trusted-sealers: \"file:list\" is not right; wanted: domains such as example.org, "
        ".example.org for all below it, or file:/PATH"},
    {"arc { trusted-sealers = {\"file:/nowhere/list\"} }\n",
        "1: arc.trusted-sealers: /nowhere/list: No such file or directory"},
    {"arc { trusted-sealers = {\"exa mple.org\"} }\n",
        "1: arc.trusted-sealers: \"exa mple.org\" is not right; wanted: domains such as "
        "example.org, .example.org for all below it, or file:/PATH"},
    {"authserv-id = \"mx example\"\n",
        "1: authserv-id: \"mx example\" is not right; wanted: a name "
        "without spaces, of at most 253 octets"},
    {"user = a\nuser = b\n", "2: user: given twice; keep one of them"},
    {"dkim { engine = own }\ndkim { engine = own }\n",
        "2: dkim.engine: given twice; keep one of them"},
    {"local-networks = {10.0.0.1}\nlocal-networks = {10.0.0.2}\n",
        "2: local-networks: given twice; keep one of them"},
    {"dmarc {\n enforce = yes\n\n", "1: section \"dmarc\" does not end; a } is missing"},
    {"user = a }\n", "1: unexpected closing brace; there is one } too many"},
    {"dmarc = yes\n", "1: missing opening brace for section 'dmarc'; wanted: NAME { ... }"},
    {"user a\n", "1: missing equal sign after option 'user'; wanted: NAME = VALUE"},
    {"\nuser = a /* never ends\nuser = b\n", "2: comment does not end; a */ is missing"},
    {"user = \"a\n\n", "1: string does not end in its line; a \" is missing"},
    {"user = 'a\\'\n", "1: string does not end in its line; a ' is missing"},
    {"# \"\nuser = \"a\\\nb\"\ndrain = \"1 # \n2\"\n",
        "4: string does not end in its line; a \" is missing"},
    {"user = a\"b\n", "1: string does not end in its line; a \" is missing"},
    {"include(\"/etc/passwd\")\n",
        "1: unknown option \"include\"; authmill.conf(5) lists them all"},
    {"dmarc { psl = \"/nowhere/psl.dat\" org-domain = psl }\n",
        "1: dmarc.psl: /nowhere/psl.dat: no public suffix list; the package publicsuffix has one"},
};

static void wrong_files(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        am_error e = {""};
        write_file(wrong[i].text);
        am_conf *c = am_conf_load(path, &e);
        want_int(wrong[i].text, c == NULL, 1);
        size_t n = strlen(path);
        want_str(wrong[i].text, am_str_n(e.text, n), path);
        if (wrong[i].want[0] == ' ') /* only how it begins */
            assert_non_null(strstr(e.text, wrong[i].want + 1));
        else
            want_str(wrong[i].text, am_str_of(e.text + n + 1), wrong[i].want);
    }
}

static void no_such_file(void **state)
{
    (void)state;
    am_error e;
    assert_null(am_conf_load("/nowhere/x.conf", &e));
    assert_string_equal(e.text, "/nowhere/x.conf: No such file or directory");
    assert_null(am_conf_load("/tmp", &e));
    assert_string_equal(e.text, "/tmp: Is a directory");
}

static void hostile_file(void **state)
{
    (void)state;
    am_error e;
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fwrite("user = a\0b\n", 1, 11, f);
    fclose(f);
    assert_null(am_conf_load(path, &e));
    assert_non_null(strstr(e.text, "NUL"));
    f = fopen(path, "w");
    assert_non_null(f);
    for (int i = 0; i < 1 << 20; i++)
        fputc(' ', f);
    fclose(f);
    assert_null(am_conf_load(path, &e));
    assert_non_null(strstr(e.text, "over 1 MiB"));
}

static void too_long_list(void **state)
{
    (void)state;
    am_error e;
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs("local-networks = {\"10.0.0.0\"", f);
    for (int i = 1; i <= AM_CONF_LIST_MAX; i++)
        fprintf(f, ",\n\"10.0.%d.%d\"", i / 256, i % 256);
    fputs("}\n", f);
    fclose(f);
    assert_null(am_conf_load(path, &e));
    assert_non_null(strstr(e.text, ":257: local-networks: more than 256 entries"));
}

/* What is named must be there: zone files, and a resolv.conf where nothing else is asked. */
static void named_files(void **state)
{
    (void)state;
    am_error e;
    am_conf *c = load("dns { zones = {\"/nowhere/zone.db\"} }\n");
    assert_false(am_conf_check(c, &e));
    assert_non_null(strstr(e.text, "dns.zones: "));
    assert_non_null(strstr(e.text, "/nowhere/zone.db"));
    am_conf_free(c);
    c = load("dns { resolv-conf = /nowhere/resolv.conf }\n");
    assert_false(am_conf_check(c, &e));
    assert_non_null(strstr(e.text, "dns.resolv-conf: /nowhere/resolv.conf: No such file"));
    am_conf_free(c);
    c = load("dns { resolv-conf = /nowhere/resolv.conf nameservers = {127.0.0.1} }\n");
    assert_true(am_conf_check(c, &e));
    am_conf_free(c);
}

/* Files and domains of arc.trusted-sealers make one list; what is wrong in a file has its line. */
static void sealers_from_files(void **state)
{
    (void)state;
    char list[sizeof path + 8], text[2 * sizeof list + 100], want[sizeof list + 60];
    am_error e;
    snprintf(list, sizeof list, "%s.list", path);
    snprintf(text, sizeof text,
        "arc { trusted-sealers = {\"one.example\", \"file:%s\", \".last.example\", \"file:%s\"} "
        "}\n",
        list, list);
    static const struct {
        const char *list, *first, *last, *wrong;
        size_t n;
    } rows[] = {
        {"# whom we know\nTwo.Example\n\n*.three.example # and below\r\n", "two.example",
            "three.example", NULL, 6},
        {"", NULL, NULL, NULL, 2},
        {"two.example\nnot a name\n", NULL, NULL, "line 2: no domain name", 0},
        {".org\n", NULL, NULL, "line 1: everything below a single label cannot be trusted", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        FILE *f = fopen(list, "w");
        assert_non_null(f);
        fputs(rows[i].list, f);
        fclose(f);
        write_file(text);
        am_conf *c = am_conf_load(path, &e);
        want_int(rows[i].list, c == NULL, rows[i].wrong != NULL);
        if (!c) {
            snprintf(want, sizeof want, "arc.trusted-sealers: %s: %s", list, rows[i].wrong);
            assert_non_null(strstr(e.text, want));
            continue;
        }
        const am_trust_list *l = &c->arc.sealers;
        want_int(rows[i].list, l->n, rows[i].n);
        want_str("first", l->entry[0].domain, "one.example");
        assert_true(l->entry[rows[i].first ? 3 : 1].below);
        if (rows[i].first) {
            want_str("of the file", l->entry[1].domain, rows[i].first);
            want_str("of the file", l->entry[5].domain, rows[i].last);
        }
        am_conf_free(c);
    }
    remove(list);
}

/* conf/authmill.conf names every option with its default: with the comment signs of the options
 * taken away it reads, and gives what the built-in defaults give. */
static void sample_file(void **state)
{
    (void)state;
    char line[512], name[600];
    const char *src = getenv("AUTHMILL_SRC");
    snprintf(name, sizeof name, "%s/conf/authmill.conf", src ? src : ".");
    FILE *in = fopen(name, "r"), *out = fopen(path, "w");
    if (!in || !out) {
        if (out)
            fclose(out);
        skip();
    }
    size_t options = 0;
    while (fgets(line, sizeof line, in)) {
        bool option = line[0] == '#' && line[1] != ' ' && line[1] != '\n' && line[1] != '#';
        options += option && strchr(line, '=') != NULL;
        fputs(option ? line + 1 : line, out);
    }
    fclose(in);
    fclose(out);
    am_error e;
    am_conf *c = am_conf_load(path, &e), *d = am_conf_defaults(&e);
    if (!c)
        print_error("%s\n", e.text);
    assert_non_null(c);
    want_int("options in conf/authmill.conf", options, am_option_count);
    for (size_t i = 0; i < am_option_count; i++) {
        const am_option *o = &am_option_table[i];
        const char *p = (const char *)c + o->offset, *q = (const char *)d + o->offset;
        if (strcmp(o->name, "malformed-from") == 0) /* unset: it depends on enforce */
            continue;
        assert_string_equal(c->value[i], d->value[i]);
        if (strcmp(o->name, "url") == 0 || strcmp(o->name, "reject-text") == 0) /* templates */
            continue;
        if (o->word || (o->min != 0 && !o->size))
            want_int(o->name, memcmp(p, q, o->word ? 1 : sizeof(unsigned)), 0);
        else if (o->size)
            want_int(o->name, memcmp(p, q, sizeof(unsigned)), 0);
        else if (strcmp(o->name, "socket") != 0 && strcmp(o->name, "socket-mode") != 0 &&
                 o->max == 0)
            assert_string_equal(*(const char *const *)p, *(const char *const *)q);
    }
    assert_int_equal(c->dmarc.malformed_from, AM_MALFORMED_PERMERROR);
    assert_string_equal(c->socket.text, d->socket.text);
    assert_int_equal(c->socket_mode, d->socket_mode);
    am_conf_free(c);
    am_conf_free(d);
}

static char *read_source(const char *name)
{
    static char text[65536];
    char file[600];
    const char *src = getenv("AUTHMILL_SRC");
    snprintf(file, sizeof file, "%s/%s", src ? src : ".", name);
    FILE *f = fopen(file, "r");
    if (!f)
        skip();
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = '\0';
    return text;
}

/* Does the item's own text have the option's default? The methods' section says it once for all. */
static bool tells_default(const char *item, const am_option *o)
{
    const char *end = strstr(item, "\n.It ");
    const char *value = strstr(item, o->fallback);
    return o->size || strcmp(o->section, "methods") == 0 || (value && (!end || value < end));
}

/* doc/authmill.conf.5 names every option with its default, in the order of the table; and every
 * condition of a rule. */
static void manual(void **state)
{
    (void)state;
    char item[80];
    const char *text = read_source("doc/authmill.conf.5"), *at = text;
    for (size_t i = 0; i < am_option_count; i++) {
        const am_option *o = &am_option_table[i];
        if (i && strcmp(o->section, am_option_table[i - 1].section) != 0) {
            snprintf(item, sizeof item, ".Ss %s\n", o->section);
            at = strstr(text, item);
            want_int(item, at != NULL, 1);
        }
        snprintf(item, sizeof item, "%s%s", strcmp(o->name, "fields") ? ".It Cm " : ", ", o->name);
        const char *found = strstr(at, item);
        want_int(item, found != NULL, 1);
        want_int(o->name, tells_default(found + 1, o), 1);
        at = found;
    }
    at = strstr(text, ".Ss Conditions");
    assert_non_null(at);
    for (size_t i = 0; i < am_condition_count; i++) {
        const char *name = am_condition_table[i].name, *found = at;
        size_t n = strlen(name);
        while ((found = strstr(found, name)) &&
               (found[-1] != ' ' || (found[n] != ' ' && found[n] != '\n')))
            found++;
        want_int(name, found != NULL, 1);
    }
}

static void examples(void **state)
{
    (void)state;
    static const char *const name[] = {"postfix", "enforce", "container", "offline", "rules"};
    for (size_t i = 0; i < sizeof name / sizeof *name; i++) {
        char file[80];
        snprintf(file, sizeof file, "conf/examples/%s.conf", name[i]);
        am_conf_free(load(read_source(file)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),
        cmocka_unit_test(all_options),
        cmocka_unit_test(wrong_files),
        cmocka_unit_test(no_such_file),
        cmocka_unit_test(hostile_file),
        cmocka_unit_test(too_long_list),
        cmocka_unit_test(named_files),
        cmocka_unit_test(sealers_from_files),
        cmocka_unit_test(sample_file),
        cmocka_unit_test(manual),
        cmocka_unit_test(examples),
    };
    int fd = mkstemp(path);
    if (fd < 0)
        return 1;
    close(fd);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failed;
}
