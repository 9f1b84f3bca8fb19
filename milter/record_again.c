/*
 * record_again: a message judged again from its record, and where the two differ.
 *
 * For: `authmill explain` and `replay`. Waits: never. Memory: the caller's arena; the backend is
 * the caller's. Callers: anyone.
 */
#include "milter/record_in.h"

#include <limits.h>
#include <string.h>

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
    else if (e->auth_user.n)
        am_message_login(m, &(am_login){.user = e->auth_user});
}

const am_evidence *am_record_finish(const am_record *r, am_message *m)
{
    if (r->facts.stage != AM_STAGE_END)
        return am_message_envelope(m, r->evidence->has_iprev);
    return am_message_finish(m);
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
    am_str then = am_str_of(recorded->rule ? recorded->rule->title : "");
    am_str again = am_str_of(now->rule ? now->rule->title : "");
    compare(d, "", am_members_decision, recorded, now);
    if (!am_str_eq(then, again))
        differ(d, AM_STR("rule"), then, again);
}
