/*
 * record: the members of a record.
 *
 * For: writer, reader and comparison of the decision log. Waits: never. Memory: the caller's arena.
 * Callers: anyone.
 *
 * The tables are the one place that knows which members of a verdict are kept and how they are
 * called; what a table leaves out is not in the log.
 */
#include "milter/record_in.h"

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
    MEMBER(am_decision, "measure", MEASURE, measure),
    MEMBER(am_decision, "would", MEASURE, would),
    MEMBER(am_decision, "monitored", FLAG, monitored),
    MEMBER(am_decision, "mixed", FLAG, mixed),
    MEMBER(am_decision, "why", WORDS, why),
    MEMBER(am_decision, "code", WORDS, code),
    MEMBER(am_decision, "xcode", CHARS, xcode),
    MEMBER(am_decision, "text", CHARS, text),
    MEMBER(am_decision, "disposition", WORDS, disposition),
    MEMBER(am_decision, "our_fault", FLAG, fault),
    END,
};

const am_member am_members_facts[] = {
    MEMBER(am_facts, "quarantine_offered", FLAG, can_quarantine),
    MEMBER(am_facts, "listener", WORDS, listener),
    MEMBER(am_facts, "listener_port", WORDS, listener_port),
    MEMBER(am_facts, "list_id", STR, list_id),
    MEMBER(am_facts, "hides_results", FLAG, hides),
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

const char *am_record_stage(unsigned stage)
{
    static const char *const word[] = {[AM_STAGE_MAIL] = "mail", [AM_STAGE_RCPT] = "rcpt"};
    return stage < sizeof word / sizeof *word ? word[stage] : NULL;
}

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
    case AM_KIND_MEASURE:
        return am_str_of(am_measure_word(*(const am_measure *)(const void *)at));
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
