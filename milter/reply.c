/*
 * reply: fills the texts of replies.
 *
 * For: milter/policy.c. RFC 7372's details have a text of their own each. What comes from outside
 * (domains, HELO) goes in only where every octet is a letter, a digit, a hyphen or a dot. Waits:
 * never. Memory: the stack. Callers: anyone.
 */
#include "milter/reply.h"
#include "libauth/base/lex.h"

#include <stdio.h>
#include <string.h>

am_str am_reply_plain(am_str domain, const char *other)
{
    bool ok = domain.n > 0 && domain.n <= 253;
    for (size_t i = 0; ok && i < domain.n; i++)
        ok = am_is(domain.p[i], AM_LDH) || domain.p[i] == '.';
    return ok ? domain : am_str_of(other);
}

typedef struct am_template_piece piece;
#define T(s)                                                                                       \
    {                                                                                              \
        AM_PLACE_TEXT,                                                                             \
        {                                                                                          \
            (s), sizeof(s) - 1                                                                     \
        }                                                                                          \
    }
#define P(p)                                                                                       \
    {                                                                                              \
        (p),                                                                                       \
        {                                                                                          \
            NULL, 0                                                                                \
        }                                                                                          \
    }
#define TEMPLATE(list)                                                                             \
    {                                                                                              \
        sizeof(list) / sizeof *(list), (list)                                                      \
    }

static const piece no_dkim[] = {T("No passing DKIM signature found")};
static const piece bad_dkim[] = {T("No acceptable DKIM signature found")};
static const piece spf_fail[] = {T("SPF validation failed for "), P(AM_PLACE_SENDER_DOMAIN)};
static const piece spf_error[] = {T("SPF validation error for "), P(AM_PLACE_SENDER_DOMAIN)};
static const piece helo_fail[] = {T("SPF validation failed for "), P(AM_PLACE_HELO)};
static const piece helo_error[] = {T("SPF validation error for "), P(AM_PLACE_HELO)};
static const piece no_name[] = {T("Reverse DNS validation failed for "), P(AM_PLACE_CLIENT)};
static const piece several[] = {T("Multiple authentication checks failed")};
static const piece arc_fail[] = {T("ARC validation failure")};
static const piece refused[] = {T("Message refused by local policy")};
static const piece reason[] = {P(AM_PLACE_REASON)};

const am_template *am_reply_for(const char *detail, bool helo)
{
    static const struct {
        const char *detail;
        bool helo;
        am_template text;
    } known[] = {
        {"7.20", false, TEMPLATE(no_dkim)},
        {"7.21", false, TEMPLATE(bad_dkim)},
        {"7.23", true, TEMPLATE(helo_fail)},
        {"7.24", true, TEMPLATE(helo_error)},
        {"7.23", false, TEMPLATE(spf_fail)},
        {"7.24", false, TEMPLATE(spf_error)},
        {"7.25", false, TEMPLATE(no_name)},
        {"7.26", false, TEMPLATE(several)},
        {"7.29", false, TEMPLATE(arc_fail)},
    };
    static const am_template other = TEMPLATE(refused);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if ((helo || !known[i].helo) && strcmp(known[i].detail, detail) == 0)
            return &known[i].text;
    return &other;
}

const am_template *am_reply_reason(void)
{
    static const am_template t = TEMPLATE(reason);
    return &t;
}

static const char *keep(char room[256], am_str s)
{
    snprintf(room, 256, "%.*s", AM_ARG(s));
    return room;
}

void am_reply_fill(const am_template *t, const am_conf *c, const am_evidence *e, const am_rule *r,
    char *text, size_t size)
{
    char domain[256], sender[256], helo[256], receiver[256], client[AM_IP_TEXT],
        url[sizeof domain + AM_TEMPLATE_MAX];
    am_str author = e->author.status == AM_AUTHOR_ONE ? e->author.mailbox.domain : (am_str){0};
    const char *value[AM_PLACES] = {
        [AM_PLACE_DOMAIN] = keep(domain,
            am_reply_plain(e->dmarc.domain.n ? e->dmarc.domain : author, "the author's domain")),
        [AM_PLACE_SENDER_DOMAIN] = keep(sender,
            am_reply_plain(e->has_spf ? e->spf.domain : e->sender.domain, "the sender's domain")),
        [AM_PLACE_HELO] = keep(helo, am_reply_plain(e->helo, "the client")),
        [AM_PLACE_RECEIVER] = keep(receiver, am_reply_plain(am_str_of(c->receiver), "this host")),
        [AM_PLACE_CLIENT] = e->ip.family ? am_ip_text(&e->ip, client) : "the client",
        [AM_PLACE_RULE] = r ? r->title : "dmarc",
        [AM_PLACE_REASON] = !r           ? ""
                            : *r->reason ? r->reason
                                         : r->title,
        [AM_PLACE_URL] = "",
    };
    value[AM_PLACE_URL] = am_template_fill(&c->policy.url, value, url, sizeof url);
    am_template_fill(t, value, text, size);
}
