/*
 * record: the members of a record, and a message judged again from it.
 *
 * For: writer and reader of the decision log, `authmill explain` and `replay`. Waits: never.
 * Memory: the caller's arena. Callers: anyone.
 *
 * The tables are the one place that knows which members of a verdict are kept and how they are
 * called; what a table leaves out is not in the log.
 */
#include "milter/record_in.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define MEMBER(type, key, what, member)                                                            \
    {                                                                                              \
        .name = (key), .kind = AM_KIND_##what, .offset = offsetof(type, member),                   \
        .size = sizeof(((type *)0)->member)                                                        \
    }
#define END                                                                                        \
    {                                                                                              \
        .name = NULL                                                                               \
    }

static const am_member members_iprev[] = {
    MEMBER(am_iprev_verdict, "result", RESULT, result),
    MEMBER(am_iprev_verdict, "name", STR, name),
    MEMBER(am_iprev_verdict, "reason", WORDS, reason),
    MEMBER(am_iprev_verdict, "secure", FLAG, secure),
    END,
};

static const am_member members_spf[] = {
    MEMBER(am_spf_verdict, "result", RESULT, result),
    MEMBER(am_spf_verdict, "domain", STR, domain),
    MEMBER(am_spf_verdict, "mechanism", STR, mechanism),
    MEMBER(am_spf_verdict, "explanation", STR, explanation),
    MEMBER(am_spf_verdict, "reason", STR, reason),
    MEMBER(am_spf_verdict, "local_used", FLAG, local_used),
    MEMBER(am_spf_verdict, "secure", FLAG, secure),
    END,
};

const am_member am_members_dkim[] = {
    MEMBER(am_dkim_verdict, "result", RESULT, result),
    MEMBER(am_dkim_verdict, "domain", STR, domain),
    MEMBER(am_dkim_verdict, "selector", STR, selector),
    MEMBER(am_dkim_verdict, "identity", STR, identity),
    MEMBER(am_dkim_verdict, "algorithm", STR, algorithm),
    MEMBER(am_dkim_verdict, "b", STR, signature),
    MEMBER(am_dkim_verdict, "key_bits", COUNT, key_bits),
    MEMBER(am_dkim_verdict, "reason", WORDS, reason),
    MEMBER(am_dkim_verdict, "detail", STR, detail),
    MEMBER(am_dkim_verdict, "testing", FLAG, testing),
    MEMBER(am_dkim_verdict, "secure", FLAG, secure),
    END,
};

static const am_member members_arc[] = {
    MEMBER(am_arc_verdict, "result", RESULT, result),
    MEMBER(am_arc_verdict, "instance", COUNT, instance),
    MEMBER(am_arc_verdict, "oldest_pass", COUNT, oldest_pass),
    MEMBER(am_arc_verdict, "reason", WORDS, reason),
    MEMBER(am_arc_verdict, "at", COUNT, at),
    MEMBER(am_arc_verdict, "open", WORDS, open),
    MEMBER(am_arc_verdict, "fault", FLAG, fault),
    MEMBER(am_arc_verdict, "secure", FLAG, secure),
    END,
};

/* Of the ARC-Authentication-Results the writer keeps what they say of DMARC: the rest names senders
 * at other hops. */
const am_member am_members_arc_set[] = {
    MEMBER(am_arc_set, "sealer", STR, sealer),
    MEMBER(am_arc_set, "selector", STR, selector),
    MEMBER(am_arc_set, "results", STR, results),
    END,
};

static const am_member members_dmarc[] = {
    MEMBER(am_dmarc_verdict, "result", RESULT, result),
    MEMBER(am_dmarc_verdict, "domain", STR, domain),
    MEMBER(am_dmarc_verdict, "org_domain", STR, org_domain),
    MEMBER(am_dmarc_verdict, "policy_domain", STR, policy_domain),
    MEMBER(am_dmarc_verdict, "has_policy", FLAG, has_policy),
    MEMBER(am_dmarc_verdict, "policy", POLICY, policy),
    MEMBER(am_dmarc_verdict, "requested", POLICY, requested),
    MEMBER(am_dmarc_verdict, "testing", FLAG, testing),
    MEMBER(am_dmarc_verdict, "spf_aligned", FLAG, spf_aligned),
    MEMBER(am_dmarc_verdict, "dkim_aligned", FLAG, dkim_aligned),
    MEMBER(am_dmarc_verdict, "from_malformed", FLAG, from_malformed),
    MEMBER(am_dmarc_verdict, "reason", WORDS, reason),
    MEMBER(am_dmarc_verdict, "secure", FLAG, secure),
    END,
};

static const am_member members_hop[] = {
    MEMBER(am_hop, "found", FLAG, found),
    MEMBER(am_hop, "reason", WORDS, reason),
    END,
};

static const am_member members_trust[] = {
    MEMBER(am_trust, "overridden", FLAG, overridden),
    MEMBER(am_trust, "instance", COUNT, instance),
    MEMBER(am_trust, "reason", WORDS, reason),
    END,
};

static const am_member members_helo[] = {
    MEMBER(am_helo_verdict, "result", RESULT, result),
    MEMBER(am_helo_verdict, "reason", WORDS, reason),
    MEMBER(am_helo_verdict, "literal", FLAG, literal),
    MEMBER(am_helo_verdict, "reverse", FLAG, reverse),
    MEMBER(am_helo_verdict, "resolves", FLAG, resolves),
    END,
};

static const am_member members_auth[] = {
    MEMBER(am_smtpauth_verdict, "result", RESULT, result),
    MEMBER(am_smtpauth_verdict, "mechanism", STR, mechanism),
    MEMBER(am_smtpauth_verdict, "cleartext", FLAG, cleartext),
    MEMBER(am_smtpauth_verdict, "reason", WORDS, reason),
    END,
};

/* Not kept: the address that is not the login's. */
static const am_member members_align[] = {
    MEMBER(am_authalign_verdict, "result", RESULT, result),
    MEMBER(am_authalign_verdict, "reason", WORDS, reason),
    MEMBER(am_authalign_verdict, "there", COUNT, there),
    MEMBER(am_authalign_verdict, "foreign", COUNT, foreign),
    END,
};

/* Not kept: whose certificate it was. */
static const am_member members_tls[] = {
    MEMBER(am_tls_verdict, "result", RESULT, result),
    MEMBER(am_tls_verdict, "version", STR, version),
    MEMBER(am_tls_verdict, "cipher", STR, cipher),
    MEMBER(am_tls_verdict, "bits", COUNT, bits),
    MEMBER(am_tls_verdict, "verified", FLAG, verified),
    MEMBER(am_tls_verdict, "weak", FLAG, weak),
    MEMBER(am_tls_verdict, "reason", WORDS, reason),
    END,
};

/* Not kept: its local-part. */
static const am_member members_pra[] = {
    MEMBER(am_pra, "field", WORDS, field),
    MEMBER(am_pra, "domain", STR, mailbox.domain),
    END,
};

static const am_member members_trail[] = {
    MEMBER(am_trail, "result", RESULT, result),
    MEMBER(am_trail, "reason", STR, reason),
    END,
};

const am_member am_members_decision[] = {
    MEMBER(am_decision, "action", ACTION, action),
    MEMBER(am_decision, "why", WORDS, why),
    MEMBER(am_decision, "code", WORDS, code),
    MEMBER(am_decision, "xcode", WORDS, xcode),
    MEMBER(am_decision, "text", CHARS, text),
    MEMBER(am_decision, "disposition", WORDS, disposition),
    MEMBER(am_decision, "our_fault", FLAG, fault),
    END,
};

const am_member am_members_spf_options[] = {
    MEMBER(am_spf_options, "max_terms", COUNT, max_terms),
    MEMBER(am_spf_options, "max_void", COUNT, max_void),
    MEMBER(am_spf_options, "max_names", COUNT, max_names),
    MEMBER(am_spf_options, "max_questions", COUNT, max_questions),
    END,
};

#define PART(key, table, member, flag, computed)                                                   \
    {                                                                                              \
        .name = (key), .members = (table), .offset = offsetof(am_evidence, member),                \
        .has = offsetof(am_evidence, flag), .again = (computed)                                    \
    }

const am_part am_parts[] = {
    PART("iprev", members_iprev, iprev, has_iprev, true),
    PART("spf", members_spf, spf, has_spf, true),
    PART("spf_helo", members_spf, helo_spf, has_spf, true),
    PART("arc", members_arc, arc, has_arc, false),
    PART("dmarc", members_dmarc, dmarc, has_dmarc, true),
    PART("hop", members_hop, hop, hop.relayed, false),
    PART("trust", members_trust, trust, has_trust, false),
    PART("helo_check", members_helo, helo_check, has_helo_check, false),
    PART("auth", members_auth, auth, has_auth, false),
    PART("auth_align", members_align, align, has_align, false),
    PART("tls", members_tls, tls, has_tls, false),
    PART("sender_id", members_spf, sender_id, has_sender_id, false),
    PART("pra", members_pra, pra, has_sender_id, false),
    PART("trail", members_trail, trail, has_trail, false),
    {.name = NULL},
};

const char *const am_record_status[4] = {"data", "nodata", "nxdomain", "tempfail"};

const am_record_type am_record_types[] = {{"A", AM_DNS_A}, {"AAAA", AM_DNS_AAAA}, {"MX", AM_DNS_MX},
    {"PTR", AM_DNS_PTR}, {"TXT", AM_DNS_TXT}, {NULL, AM_DNS_A}};

am_str am_member_text(am_arena *a, const am_member *m, const void *of)
{
    const char *at = (const char *)of + m->offset;
    switch (m->kind) {
    case AM_KIND_RESULT:
        return am_str_of(am_result_word(*(const am_result *)(const void *)at));
    case AM_KIND_POLICY:
        return am_str_of(am_dmarc_policy_word(*(const am_dmarc_policy *)(const void *)at));
    case AM_KIND_ACTION:
        return am_str_of(am_action_word(*(const am_action *)(const void *)at));
    case AM_KIND_STR:
        return *(const am_str *)(const void *)at;
    case AM_KIND_WORDS:
        return am_str_of(*(const char *const *)(const void *)at);
    case AM_KIND_CHARS:
        return am_str_n(at, strnlen(at, m->size));
    case AM_KIND_FLAG:
        return am_str_of(*(const bool *)at ? "yes" : "");
    case AM_KIND_COUNT:
        break;
    }
    unsigned n = *(const unsigned *)(const void *)at;
    return n ? am_str_format(a, "%u", n) : AM_STR("");
}

const char *am_record_time(char text[static AM_RECORD_TIME])
{
    struct timespec now;
    struct tm tm;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    size_t n = strftime(text, AM_RECORD_TIME, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text + n, AM_RECORD_TIME - n, ".%03uZ", (unsigned)(now.tv_nsec / 1000000) % 1000);
    return text;
}

/* ---- The same message, judged again ---- */

am_dns *am_record_dns(const am_record *r, am_error *why)
{
    return am_dns_recorded(
        r->lookup, r->lookups, r->full ? "too many look-ups" : "not recorded", why);
}

void am_record_unbound(am_options *o)
{
    o->dns.questions = UINT_MAX / 4;
    o->no_prefetch = true; /* nothing to warm */
    o->relays = 0;         /* the hop was found then */
}

void am_record_feed(const am_record *r, am_message *m)
{
    const am_evidence *e = r->evidence;
    if (e->ip.family)
        am_message_client(m, &e->ip);
    if (e->has_helo)
        am_message_helo(m, e->helo);
    if (e->mail_from.p)
        am_message_sender(m, e->mail_from);
    if (e->has_dmarc)
        am_message_recorded(m, e);
}

static void differ(am_differences *d, am_str what, am_str recorded, am_str now)
{
    if (d->n == d->room) {
        size_t room = d->room ? 2 * d->room : 8;
        am_difference *more = am_arena_array(d->arena, room, sizeof *more);
        if (!more) {
            d->failed = true;
            return;
        }
        if (d->n)
            memcpy(more, d->item, d->n * sizeof *more);
        d->item = more;
        d->room = room;
    }
    d->item[d->n++] = (am_difference){what, recorded, now};
}

static void compare(
    am_differences *d, const char *part, const am_member *m, const void *recorded, const void *now)
{
    for (; m->name; m++) {
        am_str then = am_member_text(d->arena, m, recorded);
        am_str again = am_member_text(d->arena, m, now);
        if (!am_str_eq(then, again))
            differ(
                d, am_str_format(d->arena, "%s%s%s", part, *part ? "." : "", m->name), then, again);
    }
}

void am_record_compare(am_differences *d, const am_evidence *recorded, const am_evidence *now)
{
    for (const am_part *p = am_parts; p->name; p++) {
        const char *then = (const char *)recorded, *again = (const char *)now;
        bool was = *(const bool *)(then + p->has), is = *(const bool *)(again + p->has);
        if (!p->again || (!was && !is))
            continue;
        if (was && is)
            compare(d, p->name, p->members, then + p->offset, again + p->offset);
        else
            differ(d, am_str_of(p->name), am_str_of(was ? "judged" : ""),
                am_str_of(is ? "judged" : ""));
    }
    if (!am_str_eq(am_str_of(recorded->fault), am_str_of(now->fault)))
        differ(d, AM_STR("fault"), am_str_of(recorded->fault), am_str_of(now->fault));
}

void am_record_compare_decision(
    am_differences *d, const am_decision *recorded, const am_decision *now)
{
    compare(d, "", am_members_decision, recorded, now);
}
