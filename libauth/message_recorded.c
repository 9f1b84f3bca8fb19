/*
 * message_recorded: a message whose header and body were judged before.
 *
 * For: `authmill explain` and `replay`, which have a record in place of the message. iprev, SPF,
 * DMARC and the trust in sealers are computed again, what needs header or body is as it was. Waits:
 * never. Memory: the caller's and the message's. Callers: whoever has the envelope.
 */
#include "libauth/message_in.h"

static void trace_recorded(const am_message *m)
{
    const am_evidence *e = &m->evidence;
    for (size_t i = 0; i < e->dkims; i++)
        am_trace_notef(m->context.trace, "dkim", "6376 6.1", e->dkim[i].domain,
            "%s%s%s (as recorded)", am_result_word(e->dkim[i].result),
            *e->dkim[i].reason ? ": " : "", e->dkim[i].reason);
    if (e->arc.result != AM_NONE)
        am_trace_notef(m->context.trace, "arc", "8617 5.2", AM_STR("chain"), "%s%s%s (as recorded)",
            am_result_word(e->arc.result), *e->arc.reason ? ": " : "", e->arc.reason);
}

void am_message_recorded(am_message *m, const am_evidence *from)
{
    am_evidence *e = &m->evidence;
    e->author = from->author;
    e->dkim = from->dkim;
    e->dkims = from->dkims;
    e->dkims_skipped = from->dkims_skipped;
    e->arc = from->arc;
    e->limit = from->limit;
    e->hop = from->hop;
    e->relay = from->relay;
    e->has_helo_check = from->has_helo_check;
    e->helo_check = from->helo_check;
    e->has_auth = from->has_auth;
    e->auth = from->auth;
    e->auth_user = from->auth_user;
    e->has_align = from->has_align;
    e->align = from->align;
    e->has_tls = from->has_tls;
    e->tls = from->tls;
    e->has_sender_id = from->has_sender_id;
    e->sender_id = from->sender_id;
    e->pra = from->pra;
    e->has_trail = from->has_trail;
    e->trail = from->trail;
    m->eoh = m->recorded = true;
    trace_recorded(m);
}
