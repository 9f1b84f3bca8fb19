/*
 * pra: who is responsible for the message's latest way, by its header.
 *
 * RFC 4407 2; RFC 4405 4.2. Historic: shown, never enforced, never DMARC's. Waits:
 * never. Memory: the caller's arena. Callers: the pipeline of a message.
 */
#include "libauth/ident/pra.h"
#include "libauth/ident/syntax.h"

/* RFC 4407 2: non-empty is what holds an octet that is no white space. */
static bool nonempty(const am_field *f, const char *name)
{
    return am_str_iis(f->name, name) && am_str_trim(f->value).n > 0;
}

/* The first such field from `from` on, or h->n. */
static size_t find(const am_header *h, const char *name, size_t from)
{
    while (from < h->n && !nonempty(&h->field[from], name))
        from++;
    return from;
}

/* False where `from` does not lie above `to`. */
static bool trace_between(const am_header *h, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        if (am_str_iis(h->field[i].name, "Received") || am_str_iis(h->field[i].name, "Return-Path"))
            return true;
    return false;
}

/* RFC 4407 2, steps 1 to 4. NULL: step 6, and p->reason says why. */
static const am_field *responsible(const am_header *h, am_pra *p)
{
    size_t resent_sender = find(h, "Resent-Sender", 0), resent_from = find(h, "Resent-From", 0);
    /* Step 1: a Resent-From above, with trace fields between, belongs to a later block */
    bool older = trace_between(h, resent_from, resent_sender);
    if (resent_sender < h->n && !older) {
        p->field = "resent-sender";
        return &h->field[resent_sender];
    }
    if (resent_from < h->n) {
        p->field = "resent-from";
        return &h->field[resent_from];
    }
    bool sent = find(h, "Sender", 0) < h->n;
    size_t one = find(h, sent ? "Sender" : "From", 0);
    p->field = sent ? "sender" : "from";
    if (one == h->n)
        p->reason = "no From field";
    else if (find(h, sent ? "Sender" : "From", one + 1) < h->n)
        p->reason = sent ? "several Sender fields" : "several From fields";
    return *p->reason ? NULL : &h->field[one];
}

/* RFC 4407 2, step 5. */
static const char *one_mailbox(am_arena *a, am_str value, am_mailbox *out)
{
    am_mailbox *list;
    size_t n;
    const char *why;
    if (!am_mailbox_list_parse(a, value, &list, &n, &why))
        return "the responsible field is malformed";
    if (n != 1)
        return n ? "the responsible field holds several mailboxes"
                 : "the responsible field holds no mailbox";
    *out = list[0];
    return out->domain.p ? "" : "the responsible field holds no domain";
}

am_pra am_pra_find(am_arena *a, const am_header *h)
{
    am_pra p = {.reason = ""};
    const am_field *f = NULL;
    if (h->failed)
        p.reason = "header not kept whole";
    else
        f = responsible(h, &p);
    if (f)
        p.reason = one_mailbox(a, f->value, &p.mailbox);
    if (am_arena_failed(a))
        p.reason = "out of memory";
    p.found = !*p.reason;
    if (!p.found) {
        p.mailbox = (am_mailbox){0};
        p.field = NULL;
    }
    return p;
}

am_submitter am_submitter_check(am_arena *a, am_str value, const am_pra *pra)
{
    am_submitter s = {.status = AM_SUBMITTER_MALFORMED, .reason = "malformed SUBMITTER"};
    am_str text;
    if (!value.p)
        return (am_submitter){.reason = ""};
    /* RFC 4405 4: a Mailbox, in xtext */
    if (!am_xtext_decode(a, value, &text) || !am_smtp_mailbox_parse(a, text, &s.mailbox)) {
        s.mailbox = (am_mailbox){0};
        return s;
    }
    am_str said = am_local_canonical(a, s.mailbox.local), local = {0};
    if (pra->found)
        local = am_local_canonical(a, pra->mailbox.local);
    if (am_arena_failed(a))
        return (am_submitter){.status = AM_SUBMITTER_MALFORMED, .reason = "out of memory"};
    bool same = pra->found && s.mailbox.domain.p && am_str_eq(said, local) &&
                am_str_eq(s.mailbox.domain, pra->mailbox.domain);
    s.status = same ? AM_SUBMITTER_MATCH : pra->found ? AM_SUBMITTER_MISMATCH : AM_SUBMITTER_NO_PRA;
    s.reason = same         ? ""
               : pra->found ? "SUBMITTER does not match the header"
                            : "no responsible address to match SUBMITTER";
    return s;
}
