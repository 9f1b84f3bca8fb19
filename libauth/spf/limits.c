/*
 * limits: SPF's questions to the DNS, and the processing limits.
 *
 * For: RFC 7208 4.6.4 and the errors of section 5. May wait. Memory: the
 * context's arena. Callers: spf.
 */
#include "libauth/spf/eval.h"

#include <stdio.h>
#include <string.h>

bool am_spf_fail(am_spf_eval *e, am_result result, const char *fmt, ...)
{
    char text[256];
    am_error clean;
    if (e->error)
        return false;
    va_list ap;
    va_start(ap, fmt);
    if (vsnprintf(text, sizeof text, fmt, ap) < 0)
        text[0] = '\0';
    va_end(ap);
    am_error_set(&clean, "%s", text);
    e->error = result;
    e->reason = am_str_copy(e->c->arena, am_str_of(clean.text));
    return false;
}

void am_spf_note(am_spf_eval *e, const char *rfc, am_str about, const char *decision)
{
    am_trace_note(e->c->trace, e->step, rfc, about, am_str_of(decision));
}

bool am_spf_count_term(am_spf_eval *e)
{
    if (e->terms++ < e->max.max_terms)
        return true;
    return am_spf_fail(
        e, AM_PERMERROR, "more than %u terms that need DNS look-ups", e->max.max_terms);
}

void am_spf_count_void(am_spf_eval *e, am_str domain)
{
    am_spf_note(e, "7208 4.6.4", domain, "void look-up");
    if (e->voids++ >= e->max.max_void)
        am_spf_fail(e, AM_PERMERROR, "more than %u void look-ups", e->max.max_void);
}

const am_dns_answer *am_spf_ask(am_spf_eval *e, const char *rfc, am_str name, am_dns_type type)
{
    e->questions++;
    if (am_dns_waited(e->c->dns) - e->before >= e->max.max_questions) {
        am_spf_fail(e, AM_PERMERROR, "more than %u DNS look-ups", e->max.max_questions);
        return NULL;
    }
    const am_dns_answer *x = am_dns_wait(e->c->dns, e->step, rfc, name, type);
    e->insecure = e->insecure || !x->secure;
    return x;
}

const am_dns_answer *am_spf_need(am_spf_eval *e, const char *rfc, am_str name, am_dns_type type)
{
    const am_dns_answer *x = am_spf_ask(e, rfc, name, type);
    if (!x || x->status != AM_DNS_TEMPFAIL)
        return x;
    /* RFC 7208 5: an error or a time-out ends the evaluation */
    am_str question = am_dns_question_text(e->c->arena, name, type);
    am_spf_fail(e, AM_TEMPERROR, "%.*s: %s", AM_ARG(question), x->reason ? x->reason : "failed");
    return NULL;
}
