/*
 * text: questions and answers for people.
 *
 * For: the trace. Waits: never. Memory: the caller's arena. Callers: anyone.
 */
#include "libauth/dns/dns.h"

#include <stdio.h>

am_str am_dns_question_text(am_arena *a, am_str name, am_dns_type type)
{
    am_buf b = {.arena = a};
    switch (type) {
    case AM_DNS_A:
        am_buf_cstr(&b, "A ");
        break;
    case AM_DNS_AAAA:
        am_buf_cstr(&b, "AAAA ");
        break;
    case AM_DNS_MX:
        am_buf_cstr(&b, "MX ");
        break;
    case AM_DNS_PTR:
        am_buf_cstr(&b, "PTR ");
        break;
    case AM_DNS_TXT:
        am_buf_cstr(&b, "TXT ");
        break;
    }
    am_buf_str(&b, name);
    return am_buf_get(&b);
}

static void add_record(am_buf *b, const am_dns_rr *rr, am_dns_type type)
{
    char ip[AM_IP_TEXT];
    if (type == AM_DNS_A || type == AM_DNS_AAAA) {
        am_buf_cstr(b, am_ip_text(&rr->ip, ip));
        return;
    }
    if (type == AM_DNS_MX)
        am_buf_format(b, "%u ", (unsigned)rr->preference);
    if (rr->data.n == 0 && type != AM_DNS_TXT)
        am_buf_char(b, '.');
    am_buf_str(b, rr->data);
}

am_str am_dns_answer_text(am_arena *a, const am_dns_answer *x, am_dns_type type)
{
    am_buf b = {.arena = a};
    switch (x->status) {
    case AM_DNS_NODATA:
        return AM_STR("no data");
    case AM_DNS_NXDOMAIN:
        return AM_STR("no such name");
    case AM_DNS_TEMPFAIL:
        am_buf_format(&b, "temporary failure: %s", x->reason);
        break;
    case AM_DNS_DATA:
        for (size_t i = 0; i < x->n; i++) {
            if (i)
                am_buf_cstr(&b, " | ");
            add_record(&b, &x->rr[i], type);
        }
        break;
    }
    return am_buf_get(&b);
}
