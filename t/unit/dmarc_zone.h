/* A DNS zone of DMARC records as one line of a table, for the tests of dmarc. */
#ifndef AM_T_UNIT_DMARC_ZONE_H
#define AM_T_UNIT_DMARC_ZONE_H

#include "t/unit/fakedns.h"
#include "t/unit/unit.h"

enum { ZONE_ROWS = 64 };

/* "example.com p=reject | com ~ | =host.example.com": records divided by "|";
 * a name, and what stands behind "v=DMARC1; " at _dmarc.NAME. "~": TEMPFAIL.
 * "'TEXT": the whole text of the TXT record. A name with "=": not _dmarc., but
 * that very name, which exists ("~": fails). With "+" before all: a secure answer. */
static inline am_dns_session *zone(am_arena *a, const char *text)
{
    fake_rr *rows = am_arena_array(a, ZONE_ROWS, sizeof *rows);
    size_t n = 0;
    for (am_str rest = am_str_of(text), row; rest.n; n++) {
        size_t end = am_str_find(rest, '|');
        row = am_str_trim(am_str_cut(rest, 0, end));
        rest = am_str_cut(rest, end + 1, rest.n);
        assert_true(n < ZONE_ROWS && row.n);
        fake_rr *r = &rows[n];
        r->secure = row.p[0] == '+';
        row = am_str_cut(row, r->secure, row.n);
        size_t blank = am_str_find(row, ' ');
        am_str name = am_str_cut(row, 0, blank), data = am_str_trim(am_str_cut(row, blank, row.n));
        bool exact = name.p[0] == '=';
        r->name = exact ? am_str_copy(a, am_str_cut(name, 1, name.n)).p
                        : am_str_format(a, "_dmarc.%.*s", AM_ARG(name)).p;
        r->type = exact && !data.n ? "ANY" : "TXT";
        if (am_str_is(data, "~"))
            r->data = "TEMPFAIL";
        else if (data.n && data.p[0] == '\'')
            r->data = am_str_copy(a, am_str_cut(data, 1, data.n)).p;
        else
            r->data = am_str_format(a, "v=DMARC1; %.*s", AM_ARG(data)).p;
    }
    return fake_dns(a, rows, n, NULL);
}

/* The domains whose _dmarc record was waited for; other questions in full. */
static inline am_str zone_asked(am_arena *a, const am_dns_session *s)
{
    static const char prefix[] = "TXT _dmarc.";
    am_buf b = {.arena = a};
    for (unsigned i = 0; i < fake_dns_waited(s); i++) {
        const char *q = fake_dns_question(s, i);
        bool own = strncmp(q, prefix, sizeof prefix - 1) == 0;
        am_buf_format(&b, "%s%s", i ? " " : "", own ? q + sizeof prefix - 1 : q);
    }
    return am_buf_get(&b);
}

#endif
